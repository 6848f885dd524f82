// SPDX-License-Identifier: GPL-2.0-only
//! What a system call leaves for its way back to user mode (kernel/task_work.c, v5.5).
//!
//! A work is an event whose file is to be released; there are no others. The list is the CPU's, not
//! the task's: no system call moves to another CPU, and none that switches tasks or ends one gives a
//! file back. Neither NMIs nor interrupts look at it.

use core::ptr;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

impl<H: Hardware> Perf<H> {
    /// `task_work_add`: puts an event's file at the head of the list.
    ///
    /// # Safety
    /// A system call's context; nobody holds the event's file any more.
    #[inline(always)]
    pub(crate) unsafe fn task_work_add(&self, event: *mut PerfEvent) {
        // SAFETY: the file's reference keeps the event; per-CPU variables live as long as `self`.
        unsafe {
            let works = &(*self.this_cpu()).task_works;
            (*event).task_work_next.write(works.read());
            works.write(event);
        }
    }

    /// `task_work_run`, as `exit_to_usermode_loop` calls it when a system call has returned: with
    /// interrupts on and without locks. The newest comes first; a work may add others.
    ///
    /// # Safety
    /// The end of a system call, behind everything that it does.
    #[inline(never)]
    pub unsafe fn task_work_run(&self) {
        // SAFETY: the file's reference keeps an event until its work has run.
        unsafe {
            let works = &(*self.this_cpu()).task_works;
            loop {
                let mut work = works.read();
                if work.is_null() {
                    break;
                }
                works.write(ptr::null_mut());
                while !work.is_null() {
                    // The work may free the event.
                    let next = (*work).task_work_next.read();
                    self.perf_release(work);
                    work = next;
                }
            }
        }
    }
}
