// SPDX-License-Identifier: GPL-2.0-only
//! What ioctls do to events: enable, disable, refresh, period.

use core::ptr;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfCpuContext, PerfEvent, PerfEventContext, ef, event_type, state};

use super::errno::EINVAL;
use super::{MAX_INTERRUPTS, attr_flag, children, is_sampling_event, siblings};

/// What an ioctl does to one event.
pub(crate) type EachF<H> = unsafe fn(&Perf<H>, *mut PerfEvent);

impl<H: Hardware> Perf<H> {
    /// `_perf_event_enable`.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_enable(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            let flags = self.ctx_lock_irq(ctx);
            let now = (*event).state.read();
            if !(state::ERROR..state::INACTIVE).contains(&now) {
                self.ctx_unlock_irq(ctx, flags);
                return;
            }
            // Out of ERROR only by this wish.
            if now == state::ERROR {
                (*event).state.write(state::OFF);
            }
            self.ctx_unlock_irq(ctx, flags);
            self.event_function_call(event, Self::perf_event_enable_here, 0);
        }
    }

    /// `__perf_event_enable`: on the context's CPU.
    ///
    /// # Safety
    /// The core's rule; the context locks are held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_enable_here(
        &self,
        event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
        _data: u64,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let leader = (*event).group_leader;
            let now = (*event).state.read();
            if now >= state::INACTIVE || now <= state::ERROR {
                return;
            }
            if (*ctx).is_active.read() != 0 {
                self.ctx_sched_out(ctx, cpuctx, event_type::TIME);
            }
            self.perf_event_set_state(event, state::INACTIVE);
            if (*ctx).is_active.read() == 0 {
                self.perf_event_setup_dup(event, ctx);
                return;
            }
            if !self.event_filter_match(event) {
                self.ctx_sched_in(ctx, cpuctx, event_type::TIME);
                return;
            }
            // A sibling cannot run without its leader.
            if !ptr::eq(leader, event) && (*leader).state.read() <= state::INACTIVE {
                self.ctx_sched_in(ctx, cpuctx, event_type::TIME);
                return;
            }
            let task_ctx = (*cpuctx).task_ctx;
            if !(*ctx).task.is_null() {
                self.warn_on(
                    !ptr::eq(task_ctx, ctx),
                    "__perf_event_enable: context not loaded",
                );
            }
            self.ctx_resched(cpuctx, task_ctx, event, self.get_event_type(event));
        }
    }

    /// `_perf_event_disable`.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_disable(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            let flags = self.ctx_lock_irq(ctx);
            let off = (*event).state.read() <= state::OFF;
            self.ctx_unlock_irq(ctx, flags);
            if off {
                return;
            }
            self.event_function_call(event, Self::perf_event_disable_here, 0);
        }
    }

    /// `__perf_event_disable`: on the context's CPU. What it frees stays free until the next
    /// scheduling in.
    ///
    /// # Safety
    /// The core's rule; the context locks are held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_disable_here(
        &self,
        event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
        _data: u64,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() < state::INACTIVE {
                return;
            }
            if (*ctx).is_active.read() & event_type::TIME != 0 {
                self.update_context_time(ctx);
            }
            if ptr::eq(event, (*event).group_leader) {
                self.group_sched_out(event, cpuctx, ctx);
            } else {
                self.event_sched_out(event, cpuctx, ctx);
            }
            self.perf_event_set_state(event, state::OFF);
            self.remove_dup_on_disable(event, ctx);
        }
    }

    /// `perf_event_disable_local`: from an interrupt on the event's CPU.
    ///
    /// # Safety
    /// The core's rule; interrupts are off, no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_disable_local(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe { self.event_function_local(event, Self::perf_event_disable_here, 0) }
    }

    /// `_perf_event_refresh`: `refresh` more overflows, then off. 0 or -EINVAL.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_refresh(&self, event: *mut PerfEvent, refresh: i32) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if attr_flag(event, abi::syscall::Attr::INHERIT) || !is_sampling_event(event) {
                return -EINVAL;
            }
            (*event).event_limit.add(refresh);
            self.perf_event_enable(event);
            0
        }
    }

    /// `_perf_event_period`: a new sampling period. 0 or -EINVAL.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_period(&self, event: *mut PerfEvent, value: u64) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if !is_sampling_event(event) || value == 0 || value >> 63 != 0 {
                return -EINVAL;
            }
            self.event_function_call(event, Self::perf_event_period_here, value);
            0
        }
    }

    /// `__perf_event_period`: on the context's CPU.
    ///
    /// # Safety
    /// The core's rule; the context locks are held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_period_here(
        &self,
        event: *mut PerfEvent,
        _cpuctx: *mut PerfCpuContext,
        _ctx: *mut PerfEventContext,
        value: u64,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            (*event).attr.sample_period = value;
            (*event).hw.sample_period = value;
            let active = (*event).state.read() == state::ACTIVE;
            if active {
                self.perf_pmu_disable();
                // Unthrottle now, or the tick would start a started event.
                if (*event).hw.interrupts.read() == MAX_INTERRUPTS {
                    (*event).hw.interrupts.write(0);
                    self.perf_log_throttle(event, true);
                }
                self.x86_pmu_stop(event, ef::UPDATE);
            }
            (*event).hw.period_left.set(0);
            if active {
                self.x86_pmu_start(event, ef::RELOAD);
                self.perf_pmu_enable();
            }
        }
    }

    /// `perf_event_for_each_child`: the event and its inherited children.
    ///
    /// # Safety
    /// The core's rule; ctx->mutex is held, no ctx->lock.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_for_each_child(&self, event: *mut PerfEvent, func: EachF<H>) {
        // SAFETY: the core's rule.
        unsafe {
            self.warn_on(
                !(*(*event).ctx).parent_ctx.is_null(),
                "perf_event_for_each_child: the context is a clone",
            );
            (*event).child_mutex.lock();
            func(self, event);
            for child in children(event) {
                func(self, child);
            }
            (*event).child_mutex.unlock();
        }
    }

    /// `perf_event_for_each`: the whole group with all children.
    ///
    /// # Safety
    /// The core's rule; ctx->mutex is held, no ctx->lock.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_for_each(&self, event: *mut PerfEvent, func: EachF<H>) {
        // SAFETY: the core's rule.
        unsafe {
            self.warn_on(
                !(*(*event).ctx).parent_ctx.is_null(),
                "perf_event_for_each: the context is a clone",
            );
            let leader = (*event).group_leader;
            self.perf_event_for_each_child(leader, func);
            for sibling in siblings(leader) {
                self.perf_event_for_each_child(sibling, func);
            }
        }
    }
}
