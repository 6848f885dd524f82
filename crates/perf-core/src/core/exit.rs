// SPDX-License-Identifier: GPL-2.0-only
//! A task ends (`perf_event_exit_task`), or executes another program (`perf_event_exec`).

use core::mem::offset_of;
use core::ptr;

use abi::syscall::Attr;

use crate::hw::Hardware;
use crate::list::{Entries, EntriesSafe};
use crate::perf::Perf;
use crate::types::{
    PerfEvent, PerfEventContext, TASK_TOMBSTONE, Task, TaskSlot, event_type, slot, state,
};

use super::attr_flag;
use super::errno::EINVAL;

impl<H: Hardware> Perf<H> {
    /// The system call `exit_task` (`do_exit`): the current task ends, this CPU's idle task goes on.
    /// 0, or -EINVAL for an idle task.
    ///
    /// # Safety
    /// A system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_exit_task(&self) -> i64 {
        // SAFETY: the caller's promise.
        unsafe {
            let task = self.current();
            if (*task).pid == 0 {
                return -i64::from(EINVAL);
            }
            // exit_signals
            (*task).exiting.write(true);
            self.perf_event_exit_task(task);
            // schedule() for the last time
            let idle = &raw mut (*self.tasks[self.hw.cpu()].get()).task;
            let flags = self.hw.irq_save();
            (*task.cast::<TaskSlot>()).used.write(slot::DEAD);
            self.context_switch(idle);
            self.hw.irq_restore(flags);
            0
        }
    }

    /// `perf_event_exit_task`: the mutex lets those who are making the context finish, and shows
    /// the others that it is too late.
    #[inline(never)]
    unsafe fn perf_event_exit_task(&self, child: *mut Task) {
        // SAFETY: the core's rule.
        unsafe {
            (*child).perf_event_mutex.lock();
            (*child).perf_event_mutex.unlock();
            self.perf_event_exit_task_context(child);
        }
    }

    /// `perf_event_exit_task_context`.
    #[inline(never)]
    unsafe fn perf_event_exit_task_context(&self, child: *mut Task) {
        // SAFETY: the core's rule; the safe iterator allows the present event to leave.
        unsafe {
            self.warn_on(
                !ptr::eq(child, self.current()),
                "perf_event_exit_task_context: another task",
            );
            let child_ctx = self.perf_pin_task_context(child);
            if child_ctx.is_null() {
                return;
            }
            // Over all of it: against everything that comes to the context from elsewhere.
            (*child_ctx).mutex.lock();

            // In one section: off the PMU, and never on it again.
            let flags = self.ctx_lock_irq(child_ctx);
            self.task_ctx_sched_out(self.cpuctx(), child_ctx, event_type::ALL);
            (*child).ctx.write(ptr::null_mut());
            (&raw mut (*child_ctx).task).write_volatile(TASK_TOMBSTONE);
            self.unclone_ctx(child_ctx);
            self.ctx_unlock_irq(child_ctx, flags);

            let events = EntriesSafe::<PerfEvent>::new(
                &raw const (*child_ctx).event_list,
                offset_of!(PerfEvent, event_entry),
            );
            for event in events {
                self.perf_event_exit_event(event, child_ctx);
            }
            (*child_ctx).mutex.unlock();
        }
    }

    /// `perf_event_exit_event`: out of the context, EXIT; an inherited one leaves its count to its
    /// parent, then the parent's list, and is freed.
    #[inline(never)]
    unsafe fn perf_event_exit_event(
        &self,
        child_event: *mut PerfEvent,
        child_ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let parent_event = (*child_event).parent;
            let flags = self.ctx_lock_irq(child_ctx);
            self.warn_on(
                (*child_ctx).is_active.read() != 0,
                "perf_event_exit_event: the context is active",
            );
            // The first events' groups stay: contexts change places, so that these may be them.
            if !parent_event.is_null() {
                self.perf_group_detach(child_event);
            }
            self.list_del_event(child_event, child_ctx);
            self.perf_event_set_state(child_event, state::EXIT);
            self.ctx_unlock_irq(child_ctx, flags);

            // Events with a descriptor live as long as that.
            if parent_event.is_null() {
                return;
            }
            self.sync_child_event(child_event, parent_event);

            self.warn_on(
                !(*(*parent_event).ctx).parent_ctx.is_null(),
                "perf_event_exit_event: the parent's context is a clone",
            );
            (*parent_event).child_mutex.lock();
            (*child_event).child_list.del_init();
            (*parent_event).child_mutex.unlock();

            self.free_event(child_event);
            self.put_event(parent_event);
        }
    }

    /// The system call `exec` (`perf_event_exec`). 0.
    ///
    /// # Safety
    /// A system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_exec(&self) -> i64 {
        // SAFETY: the caller's promise.
        unsafe { self.perf_event_enable_on_exec() };
        0
    }

    /// `perf_event_enable_on_exec`: enables what waits for an exec of the current task.
    #[inline(never)]
    unsafe fn perf_event_enable_on_exec(&self) {
        let flags = self.hw.irq_save();
        // SAFETY: the core's rule; interrupts are off, so that the task stays current.
        unsafe {
            let ctx = (*self.current()).ctx.read();
            if !ctx.is_null() && (*ctx).nr_events != 0 {
                let cpuctx = self.cpuctx();
                Self::perf_ctx_lock(cpuctx, ctx);
                self.ctx_sched_out(ctx, cpuctx, event_type::TIME);
                let mut enabled = false;
                let mut kind = 0;
                let events = Entries::<PerfEvent>::new(
                    &raw const (*ctx).event_list,
                    offset_of!(PerfEvent, event_entry),
                );
                for event in events {
                    enabled |= self.event_enable_on_exec(event);
                    kind |= self.get_event_type(event);
                }
                if enabled {
                    self.unclone_ctx(ctx);
                    self.ctx_resched(cpuctx, ctx, ptr::null_mut(), kind);
                } else {
                    self.ctx_sched_in(ctx, cpuctx, event_type::TIME);
                }
                Self::perf_ctx_unlock(cpuctx, ctx);
            }
        }
        self.hw.irq_restore(flags);
    }

    /// `event_enable_on_exec`: once; whether it was off.
    #[inline(never)]
    unsafe fn event_enable_on_exec(&self, event: *mut PerfEvent) -> bool {
        // SAFETY: the core's rule; ctx->lock is held.
        unsafe {
            if !attr_flag(event, Attr::ENABLE_ON_EXEC) {
                return false;
            }
            (*event).attr.flags &= !Attr::ENABLE_ON_EXEC;
            if (*event).state.read() >= state::INACTIVE {
                return false;
            }
            self.perf_event_set_state(event, state::INACTIVE);
            true
        }
    }
}
