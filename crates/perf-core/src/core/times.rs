// SPDX-License-Identifier: GPL-2.0-only
//! Context time, enabled and running times, and the state store that ends every transition.

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, state};

use super::siblings;

impl<H: Hardware> Perf<H> {
    /// `perf_clock`: nanoseconds.
    #[inline(always)]
    pub(crate) fn perf_clock(&self) -> u64 {
        self.hw.clock()
    }

    /// `update_context_time`: brings `ctx->time` up to now.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn update_context_time(&self, ctx: *mut PerfEventContext) {
        let now = self.perf_clock();
        // SAFETY: the core's rule.
        unsafe {
            (*ctx).time = (*ctx).time.wrapping_add(now.wrapping_sub((*ctx).timestamp));
            (*ctx).timestamp = now;
        }
    }

    /// `perf_event_time`: the time of the event's context.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn perf_event_time(event: *const PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            if ctx.is_null() { 0 } else { (*ctx).time }
        }
    }

    /// `__perf_update_times`: enabled and running time at context time `now`. A group's members
    /// share the fate of a leader that is off. ENABLED is below ACTIVE: no running time.
    ///
    /// # Safety
    /// The core's rule. Called from NMI too.
    #[inline(never)]
    pub(crate) unsafe fn perf_update_times(&self, event: *const PerfEvent, now: u64) -> (u64, u64) {
        // SAFETY: the core's rule.
        unsafe {
            // __perf_effective_state
            let leader_state = (*(*event).group_leader).state.read();
            let effective = if leader_state <= state::OFF {
                leader_state
            } else {
                (*event).state.read()
            };
            let delta = now.wrapping_sub((*event).tstamp.read());
            let mut enabled = (*event).total_time_enabled.read();
            if effective >= state::INACTIVE {
                enabled = enabled.wrapping_add(delta);
            }
            let mut running = (*event).total_time_running.read();
            if effective >= state::ACTIVE {
                running = running.wrapping_add(delta);
            }
            (enabled, running)
        }
    }

    /// `perf_event_update_time`: accounts the time since the last update by the present state.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held and ctx->time is up to date.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_update_time(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let now = Self::perf_event_time(event);
            let (enabled, running) = self.perf_update_times(event, now);
            (*event).total_time_enabled.write(enabled);
            (*event).total_time_running.write(running);
            (*event).tstamp.write(now);
        }
    }

    /// `perf_event_update_sibling_time`: the same for every sibling of a leader.
    ///
    /// # Safety
    /// As for [`Perf::perf_event_update_time`].
    #[inline(never)]
    pub(crate) unsafe fn perf_event_update_sibling_time(&self, leader: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            for sibling in siblings(leader) {
                self.perf_event_update_time(sibling);
            }
        }
    }

    /// `perf_event_set_state`: accounts time by the old state, then stores the new one. The store
    /// is the last access.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_set_state(&self, event: *mut PerfEvent, new: i32) {
        // SAFETY: the core's rule.
        unsafe {
            let old = (*event).state.read();
            if old == new {
                return;
            }
            self.perf_event_update_time(event);
            // A leader that is switched on or off takes its siblings' clocks along.
            if (old < 0) != (new < 0) {
                self.perf_event_update_sibling_time(event);
            }
            (*event).state.write(new);
        }
    }

    /// `calc_timer_values`: enabled and running time now, without any lock.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn calc_timer_values(&self, event: *const PerfEvent) -> (u64, u64) {
        // SAFETY: the core's rule.
        unsafe {
            let now = self.perf_clock();
            let ctx_time = (*event).shadow_ctx_time.read().wrapping_add(now);
            self.perf_update_times(event, ctx_time)
        }
    }
}
