// SPDX-License-Identifier: GPL-2.0-only
//! Scheduling one event and one group in and out.

use core::ptr;

use abi::syscall::Attr;

use crate::cell::smp_mb_tso;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfCpuContext, PerfEvent, PerfEventContext, state, txn};

use super::errno::EAGAIN;
use super::software::is_software_event;
use super::{MAX_INTERRUPTS, attr_flag, siblings};

impl<H: Hardware> Perf<H> {
    /// `perf_pmu_disable`: the outermost call stops all counters of this CPU.
    ///
    /// # Safety
    /// Interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn perf_pmu_disable(&self) {
        let cpuctx = self.cpuctx();
        // SAFETY: this CPU's own variable, interrupts off.
        unsafe {
            let depth = (*cpuctx).pmu_disable_count;
            (*cpuctx).pmu_disable_count = depth + 1;
            if depth == 0 {
                self.x86_pmu_disable();
            }
        }
    }

    /// `perf_pmu_enable`: the outermost call programs what was added and starts the counters.
    ///
    /// # Safety
    /// Interrupts are off; pairs with [`Perf::perf_pmu_disable`].
    #[inline(never)]
    pub(crate) unsafe fn perf_pmu_enable(&self) {
        let cpuctx = self.cpuctx();
        // SAFETY: this CPU's own variable, interrupts off.
        unsafe {
            let depth = (*cpuctx).pmu_disable_count - 1;
            (*cpuctx).pmu_disable_count = depth;
            if depth == 0 {
                self.x86_pmu_enable();
            }
        }
    }

    /// `perf_event_ctx_activate`: the tick must look at this context.
    unsafe fn perf_event_ctx_activate(&self, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule; the list is this CPU's.
        unsafe {
            self.warn_on(
                !(*ctx).active_ctx_list.is_empty(),
                "perf_event_ctx_activate: already active",
            );
            (*self.this_cpu())
                .active_ctx_list
                .add(&(*ctx).active_ctx_list);
        }
    }

    /// `perf_event_ctx_deactivate`.
    unsafe fn perf_event_ctx_deactivate(&self, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule; the list is this CPU's.
        unsafe {
            self.warn_on(
                (*ctx).active_ctx_list.is_empty(),
                "perf_event_ctx_deactivate: not active",
            );
            (*ctx).active_ctx_list.del_init();
        }
    }

    /// `event_sched_in`: ACTIVE is visible before the driver knows the event. 0 or -EAGAIN.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn event_sched_in(
        &self,
        event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            self.warn_on(
                !ptr::eq((*event).ctx, ctx),
                "event_sched_in: another context",
            );
            if (*event).state.read() <= state::OFF {
                return 0;
            }
            (*event).oncpu.write(self.hw.cpu() as i32);
            // Whoever sees ACTIVE must see where.
            smp_mb_tso();
            self.perf_event_set_state(event, state::ACTIVE);

            // Scheduling in ends a throttling: ticks may have been missed.
            if (*event).hw.interrupts.read() == MAX_INTERRUPTS {
                self.perf_log_throttle(event, true);
                (*event).hw.interrupts.write(0);
            }

            self.perf_pmu_disable();
            // perf_set_shadow_time
            (*event)
                .shadow_ctx_time
                .write((*event).tstamp.read().wrapping_sub((*ctx).timestamp));

            let mut ret = 0;
            if self.event_pmu_add(event) != 0 {
                self.perf_event_set_state(event, state::INACTIVE);
                (*event).oncpu.write(-1);
                ret = -EAGAIN;
            } else {
                if !is_software_event(event) {
                    (*cpuctx).active_oncpu += 1;
                }
                let nr_active = (*ctx).nr_active;
                (*ctx).nr_active = nr_active + 1;
                if nr_active == 0 {
                    self.perf_event_ctx_activate(ctx);
                }
                if attr_flag(event, Attr::EXCLUSIVE) {
                    (*cpuctx).exclusive = true;
                }
            }
            self.perf_pmu_enable();
            ret
        }
    }

    /// `event_sched_out`: the state still says ACTIVE while the event is off the PMU.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn event_sched_out(
        &self,
        event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            self.warn_on(
                !ptr::eq((*event).ctx, ctx),
                "event_sched_out: another context",
            );
            if (*event).state.read() < state::ENABLED {
                return;
            }
            // Events come in by context only, but may go out one by one.
            (*event).active_list.del_init();

            self.perf_pmu_disable();
            self.event_pmu_del(event);
            (*event).oncpu.write(-1);

            let new = if (*event).pending_disable.read() >= 0 {
                (*event).pending_disable.write(-1);
                state::OFF
            } else {
                self.event_sched_out_state(event)
            };
            self.perf_event_set_state(event, new);

            if !is_software_event(event) {
                (*cpuctx).active_oncpu -= 1;
            }
            (*ctx).nr_active -= 1;
            if (*ctx).nr_active == 0 {
                self.perf_event_ctx_deactivate(ctx);
            }
            if attr_flag(event, Attr::EXCLUSIVE) || (*cpuctx).active_oncpu == 0 {
                (*cpuctx).exclusive = false;
            }
            self.perf_pmu_enable();
        }
    }

    /// `group_sched_in`: all members that are not off, or none. 0 or -EAGAIN.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn group_sched_in(
        &self,
        group_event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*group_event).state.read() == state::OFF {
                return 0;
            }
            self.x86_pmu_start_txn(txn::ADD);
            if self.event_sched_in(group_event, cpuctx, ctx) != 0 {
                self.x86_pmu_cancel_txn();
                self.perf_mux_hrtimer_restart(cpuctx);
                return -EAGAIN;
            }

            let mut partial_group = ptr::null_mut();
            let mut failed = false;
            for event in siblings(group_event) {
                if self.event_sched_in(event, cpuctx, ctx) != 0 {
                    partial_group = event;
                    failed = true;
                    break;
                }
            }
            if !failed && self.x86_pmu_commit_txn() == 0 {
                return 0;
            }

            // Undo up to, not including, the one that failed.
            for event in siblings(group_event) {
                if ptr::eq(event, partial_group) {
                    break;
                }
                self.event_sched_out(event, cpuctx, ctx);
            }
            self.event_sched_out(group_event, cpuctx, ctx);
            self.x86_pmu_cancel_txn();
            self.perf_mux_hrtimer_restart(cpuctx);
            -EAGAIN
        }
    }

    /// `group_sched_out`.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn group_sched_out(
        &self,
        group_event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if (*group_event).state.read() != state::ACTIVE {
                return;
            }
            self.perf_pmu_disable();
            self.event_sched_out(group_event, cpuctx, ctx);
            for event in siblings(group_event) {
                self.event_sched_out(event, cpuctx, ctx);
            }
            self.perf_pmu_enable();
            if attr_flag(group_event, Attr::EXCLUSIVE) {
                (*cpuctx).exclusive = false;
            }
        }
    }

    /// `group_can_go_on`: may the group be tried?
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn group_can_go_on(
        &self,
        event: *mut PerfEvent,
        cpuctx: *mut PerfCpuContext,
        can_add_hw: bool,
    ) -> bool {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).group_software {
                return true;
            }
            if (*cpuctx).exclusive {
                return false;
            }
            if attr_flag(event, Attr::EXCLUSIVE) && (*cpuctx).active_oncpu != 0 {
                return false;
            }
            can_add_hw
        }
    }
}
