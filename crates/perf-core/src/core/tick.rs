// SPDX-License-Identifier: GPL-2.0-only
//! The timer tick: unthrottling, then rotation.

use core::mem::offset_of;

use crate::hw::Hardware;
use crate::list::{Entries, EntriesSafe};
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, state};

use super::MAX_INTERRUPTS;

impl<H: Hardware> Perf<H> {
    /// The timer interrupt of this CPU.
    ///
    /// # Safety
    /// Interrupts are off, no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn tick(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.perf_event_task_tick();
            self.perf_mux_hrtimer_handler();
        }
    }

    /// `perf_event_task_tick`: a new tick begins; what was throttled in the last one goes on.
    #[inline(never)]
    unsafe fn perf_event_task_tick(&self) {
        let this_cpu = self.this_cpu();
        // SAFETY: this CPU's own variables; nodes of the list are in contexts.
        unsafe {
            let seq = (*this_cpu).throttled_seq.read();
            (*this_cpu).throttled_seq.write(seq.wrapping_add(1));
            let throttled = (*this_cpu).throttled_count.xchg(&self.hw, 0);
            let contexts = EntriesSafe::<PerfEventContext>::new(
                &raw const (*this_cpu).active_ctx_list,
                offset_of!(PerfEventContext, active_ctx_list),
            );
            for ctx in contexts {
                self.perf_adjust_freq_unthr_context(ctx, throttled != 0);
            }
        }
    }

    /// `perf_adjust_freq_unthr_context`: starts what was throttled. (No frequency mode.)
    #[inline(never)]
    unsafe fn perf_adjust_freq_unthr_context(&self, ctx: *mut PerfEventContext, needs_unthr: bool) {
        if !needs_unthr {
            return;
        }
        // SAFETY: the core's rule; nodes of the list are in events.
        unsafe {
            (*ctx).lock.lock();
            self.perf_pmu_disable();
            let events = Entries::<PerfEvent>::new(
                &raw const (*ctx).event_list,
                offset_of!(PerfEvent, event_entry),
            );
            for event in events {
                if (*event).state.read() != state::ACTIVE || !self.event_filter_match(event) {
                    continue;
                }
                self.perf_pmu_disable();
                if (*event).hw.interrupts.read() == MAX_INTERRUPTS {
                    (*event).hw.interrupts.write(0);
                    self.perf_log_throttle(event, true);
                    self.x86_pmu_start(event, 0);
                }
                self.perf_pmu_enable();
            }
            self.perf_pmu_enable();
            (*ctx).lock.unlock();
        }
    }

    /// `perf_mux_hrtimer_handler`: rotates for as long as something waits.
    #[inline(never)]
    unsafe fn perf_mux_hrtimer_handler(&self) {
        let cpuctx = self.cpuctx();
        // SAFETY: this CPU's contexts, interrupts off.
        unsafe {
            if !(*cpuctx).hrtimer_active {
                return;
            }
            let rotations = self.perf_rotate_context(cpuctx);
            (*cpuctx).hrtimer_active = rotations;
        }
    }
}
