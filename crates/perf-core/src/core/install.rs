// SPDX-License-Identifier: GPL-2.0-only
//! Putting an event into a context and taking it out again.

use core::ptr;

use crate::cell::smp_mb_tso;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{
    PerfCpuContext, PerfEvent, PerfEventContext, TASK_TOMBSTONE, attach, event_type, state,
};

use super::errno::ESRCH;

/// `DETACH_GROUP`: the event leaves its group as well.
pub(crate) const DETACH_GROUP: u64 = 1;

impl<H: Hardware> Perf<H> {
    /// `__perf_install_in_context`: on the target CPU. Adds the event and schedules everything of
    /// its kind anew. -ESRCH if the task runs elsewhere.
    #[inline(never)]
    unsafe fn perf_install_in_context_here(&self, info: *mut ()) -> i32 {
        // SAFETY: the core's rule; `info` is the event.
        unsafe {
            let event = info.cast::<PerfEvent>();
            let ctx = (*event).ctx;
            let cpuctx = self.cpuctx();
            let mut task_ctx = (*cpuctx).task_ctx;
            let mut reprogram = true;
            let mut ret = 0;
            (*cpuctx).ctx.lock.lock();
            if !(*ctx).task.is_null() {
                (*ctx).lock.lock();
                task_ctx = ctx;
                reprogram = ptr::eq((*ctx).task, self.current());
                // Running elsewhere: that CPU must do it. Not running: the lock is enough.
                if !reprogram && self.task_curr((*ctx).task) {
                    ret = -ESRCH;
                } else {
                    self.warn_on(
                        reprogram
                            && !(*cpuctx).task_ctx.is_null()
                            && !ptr::eq((*cpuctx).task_ctx, ctx),
                        "__perf_install_in_context: another context is loaded",
                    );
                }
            } else if !task_ctx.is_null() {
                (*task_ctx).lock.lock();
            }
            if ret == 0 {
                if reprogram {
                    self.ctx_sched_out(ctx, cpuctx, event_type::TIME);
                    self.add_event_to_ctx(event, ctx);
                    self.ctx_resched(cpuctx, task_ctx, event, self.get_event_type(event));
                } else {
                    self.add_event_to_ctx(event, ctx);
                }
            }
            Self::perf_ctx_unlock(cpuctx, task_ctx);
            ret
        }
    }

    /// `perf_install_in_context`. 0, or -ENXIO if the CPU cannot be called.
    ///
    /// # Safety
    /// The core's rule; ctx->mutex is held, no ctx->lock.
    #[inline(never)]
    pub(crate) unsafe fn perf_install_in_context(
        &self,
        ctx: *mut PerfEventContext,
        event: *mut PerfEvent,
        cpu: i32,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).cpu != -1 {
                (*event).cpu = cpu;
            }
            // smp_store_release
            smp_mb_tso();
            (*event).ctx = ctx;

            // An event that is off changes nothing on the PMU: the lock is enough (v5.5).
            let leader_state = (*(*event).group_leader).state.read();
            let effective = if leader_state <= state::OFF {
                leader_state
            } else {
                (*event).state.read()
            };
            if effective == state::OFF && (*ctx).nr_events != 0 {
                let flags = self.ctx_lock_irq(ctx);
                if !ptr::eq((*ctx).task, TASK_TOMBSTONE) {
                    self.add_event_to_ctx(event, ctx);
                }
                self.ctx_unlock_irq(ctx, flags);
                return 0;
            }

            let info = event.cast::<()>();
            let mut task = (&raw const (*ctx).task).read_volatile();
            if task.is_null() {
                return self.cpu_function_call(cpu, Self::perf_install_in_context_here, info);
            }
            if self.warn_on(
                ptr::eq(task, TASK_TOMBSTONE),
                "perf_install_in_context: the task has exited",
            ) {
                return 0;
            }
            loop {
                if self.task_function_call(task, Self::perf_install_in_context_here, info) == 0 {
                    return 0;
                }
                let flags = self.ctx_lock_irq(ctx);
                task = (*ctx).task;
                if self.warn_on(
                    ptr::eq(task, TASK_TOMBSTONE),
                    "perf_install_in_context: the task has exited meanwhile",
                ) {
                    self.ctx_unlock_irq(ctx, flags);
                    return 0;
                }
                if self.task_curr(task) {
                    self.ctx_unlock_irq(ctx, flags);
                    continue;
                }
                // Not running, and the lock keeps it so.
                self.add_event_to_ctx(event, ctx);
                self.ctx_unlock_irq(ctx, flags);
                return 0;
            }
        }
    }

    /// `__perf_remove_from_context`: the event alone is scheduled out and leaves the context.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_remove_from_context_here(
        &self,
        event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
        flags: u64,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if (*ctx).is_active.read() & event_type::TIME != 0 {
                self.update_context_time(ctx);
            }
            self.event_sched_out(event, cpuctx, ctx);
            if flags & DETACH_GROUP != 0 {
                self.perf_group_detach(event);
            }
            self.list_del_event(event, ctx);
            if (*ctx).nr_events == 0 && (*ctx).is_active.read() != 0 {
                (*ctx).is_active.write(0);
                if !(*ctx).task.is_null() {
                    self.warn_on(
                        !ptr::eq((*cpuctx).task_ctx, ctx),
                        "__perf_remove_from_context: context not loaded",
                    );
                    (*cpuctx).task_ctx = ptr::null_mut();
                }
            }
        }
    }

    /// `perf_remove_from_context`.
    ///
    /// # Safety
    /// The core's rule; ctx->mutex is held, no ctx->lock.
    #[inline(never)]
    pub(crate) unsafe fn perf_remove_from_context(&self, event: *mut PerfEvent, flags: u64) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            self.event_function_call(event, Self::perf_remove_from_context_here, flags);
            // The call does nothing for a task that is gone; its groups still must come apart.
            self.warn_on(
                (*event).attach_state & attach::CONTEXT != 0,
                "perf_remove_from_context: still in the context",
            );
            if flags & DETACH_GROUP != 0 && (*event).attach_state & attach::GROUP != 0 {
                let irq = self.ctx_lock_irq(ctx);
                self.perf_group_detach(event);
                self.ctx_unlock_irq(ctx, irq);
            }
        }
    }
}
