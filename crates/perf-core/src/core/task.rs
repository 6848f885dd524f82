// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: numbers that own a context, and the switch from one to another.
//!
//! Contexts are never clones of each other (there is no fork), so a switch always schedules.

use core::ptr;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEventContext, Task, event_type};

use super::errno::{EBUSY, ENOMEM};

impl<H: Hardware> Perf<H> {
    /// The task with this number; 0 is this CPU's idle task. Creates it at the first mention; null
    /// when there is no room for another.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn find_task(&self, pid: u32) -> *mut Task {
        // SAFETY: slots live as long as `self`; only system calls come here.
        unsafe {
            if pid == 0 {
                return &raw mut (*self.tasks[self.hw.cpu()].get()).task;
            }
            for slot in &self.tasks[abi::layout::CPUS_MAX..] {
                let slot = slot.get();
                if !(*slot).used {
                    (*slot).used = true;
                    (*slot).task.pid = pid;
                    (*slot).task.cpu.write(self.hw.cpu() as i32);
                    return &raw mut (*slot).task;
                }
                if (*slot).task.pid == pid {
                    return &raw mut (*slot).task;
                }
            }
            ptr::null_mut()
        }
    }

    /// `find_get_context` for a task: its context, made at its first event. (No clones to undo, no
    /// pinning: nothing swaps contexts.)
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn find_get_context(&self, task: *mut Task) -> *mut PerfEventContext {
        // SAFETY: a task is the first field of its slot, which holds its context.
        unsafe {
            if (*task).ctx.is_null() {
                let slot = task.cast::<crate::types::TaskSlot>();
                let ctx = &raw mut (*slot).ctx;
                (*ctx).init();
                (*ctx).task = task;
                (*task).ctx = ctx;
            }
            (*task).ctx
        }
    }

    /// The system call `switch_to`: this CPU runs another task from here on. 0, or -EBUSY if the
    /// task runs on another CPU, -ENOMEM if there is no room for a new one.
    ///
    /// # Safety
    /// A system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_switch_to(&self, pid: u32) -> i64 {
        // SAFETY: the caller's promise.
        unsafe {
            let prev = self.current();
            let next = self.find_task(pid);
            if next.is_null() {
                return -i64::from(ENOMEM);
            }
            if ptr::eq(prev, next) {
                return 0;
            }
            if self.task_curr(next) {
                return -i64::from(EBUSY);
            }
            let flags = self.hw.irq_save();
            self.perf_event_task_sched_out(prev);
            (*next).cpu.write(self.hw.cpu() as i32);
            (*self.this_cpu()).current.write(next);
            self.perf_event_task_sched_in(next);
            self.hw.irq_restore(flags);
            0
        }
    }

    /// `__perf_event_task_sched_out` and `perf_event_context_sched_out`.
    #[inline(never)]
    unsafe fn perf_event_task_sched_out(&self, task: *mut Task) {
        // SAFETY: the core's rule; interrupts are off.
        unsafe {
            let ctx = (*task).ctx;
            let cpuctx = self.cpuctx();
            if ctx.is_null() || (*cpuctx).task_ctx.is_null() {
                return;
            }
            (*ctx).lock.lock();
            self.task_ctx_sched_out(cpuctx, ctx, event_type::ALL);
            (*ctx).lock.unlock();
        }
    }

    /// `__perf_event_task_sched_in` and `perf_event_context_sched_in`.
    #[inline(never)]
    unsafe fn perf_event_task_sched_in(&self, task: *mut Task) {
        // SAFETY: the core's rule; interrupts are off.
        unsafe {
            let ctx = (*task).ctx;
            let cpuctx = self.cpuctx();
            if ctx.is_null() || ptr::eq((*cpuctx).task_ctx, ctx) {
                return;
            }
            Self::perf_ctx_lock(cpuctx, ctx);
            if (*ctx).nr_events != 0 {
                self.perf_pmu_disable();
                // Pinned groups come before the CPU's flexible ones; without any, those can stay.
                if !(*ctx).pinned_groups.is_empty() {
                    self.cpu_ctx_sched_out(cpuctx, event_type::FLEXIBLE);
                }
                self.perf_event_sched_in(cpuctx, ctx);
                self.perf_pmu_enable();
            }
            Self::perf_ctx_unlock(cpuctx, ctx);
        }
    }
}
