// SPDX-License-Identifier: GPL-2.0-only
//! Folding a counter into an event (`x86_perf_event_update`) and loading it with what is left of
//! the period (`x86_perf_event_set_period`).

use abi::rows::Row;

use super::INTEL_PMC_IDX_FIXED_BTS;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

impl<H: Hardware> Perf<H> {
    /// Whether `event` has no counter, by the rule that the row [`Row::ReadGuard`] chooses. v5.5
    /// knows the branch trace store only: an event that was never programmed is taken to be on
    /// counter 0. v5.9 sees that such an event has no counter address; but one that had a counter
    /// keeps the address of it.
    #[inline(always)]
    unsafe fn has_no_counter(&self, event: *mut PerfEvent) -> bool {
        // SAFETY: live by the callers' promise.
        unsafe {
            if self.row(Row::ReadGuard) == 0 {
                (*event).hw.idx.read() == INTEL_PMC_IDX_FIXED_BTS
            } else {
                (*event).hw.event_base.read() == 0
            }
        }
    }

    /// `x86_perf_event_update`: adds to `count` what the counter has advanced since the last
    /// time, and takes it from `period_left`. Returns the raw counter.
    ///
    /// An NMI may come in anywhere and do the same: whoever wins the exchange of `prev_count` adds
    /// that delta.
    ///
    /// # Safety
    /// `event` is live.
    #[inline(never)]
    pub unsafe fn x86_perf_event_update(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: live by the caller's promise; single whole accesses.
        unsafe {
            if self.has_no_counter(event) {
                return 0;
            }
            let hwc = &raw const (*event).hw;
            let shift = 64 - self.x86_pmu().cntval_bits;
            let (prev_raw_count, new_raw_count) = loop {
                let prev = (*hwc).prev_count.read();
                let new = self.hw.rdpmc((*hwc).event_base_rdpmc.read());
                if (*hwc).prev_count.cmpxchg(&self.hw, prev, new.cast_signed()) == prev {
                    break (prev.cast_unsigned(), new);
                }
            };
            let delta = (new_raw_count << shift).wrapping_sub(prev_raw_count << shift) >> shift;
            (*event).count.add(&self.hw, delta.cast_signed());
            (*hwc).period_left.sub(&self.hw, delta.cast_signed());
            new_raw_count
        }
    }

    /// `x86_pmu_read` (pmu->read).
    ///
    /// # Safety
    /// `event` is live.
    #[inline(never)]
    pub unsafe fn x86_pmu_read(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe {
            self.x86_perf_event_update(event);
        }
    }

    /// `x86_perf_event_set_period`: loads the counter so that it overflows when the rest of the
    /// period has elapsed. Returns 1 when a period was complete, else 0.
    ///
    /// # Safety
    /// `event` is live and has been assigned a counter; interrupts are off or this is the PMI
    /// handler.
    #[inline(never)]
    pub unsafe fn x86_perf_event_set_period(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: live by the caller's promise.
        unsafe {
            let hwc = &raw mut (*event).hw;
            // Looked up here, so that nothing of our own lies between the two stores below.
            let (max_period, cntval_mask) = {
                let pmu = self.x86_pmu();
                (pmu.max_period.cast_signed(), pmu.cntval_mask)
            };
            let mut left = (*hwc).period_left.read();
            let period = (*hwc).sample_period.cast_signed();
            let mut ret = 0;
            if self.has_no_counter(event) {
                return 0;
            }

            // Far behind: start over.
            if left <= period.wrapping_neg() {
                left = period;
                (*hwc).period_left.set(left);
                (*hwc).last_period = period.cast_unsigned();
                ret = 1;
            }
            if left <= 0 {
                left += period;
                (*hwc).period_left.set(left);
                (*hwc).last_period = period.cast_unsigned();
                ret = 1;
            }
            // Some processors do not take an overflow of one to come.
            left = left.max(2).min(max_period);

            // A read between these two sees the new start with the old counter.
            let start = left.wrapping_neg();
            (*hwc).prev_count.set(start);
            let raw = start.cast_unsigned() & cntval_mask;
            self.hw.wrmsr((*hwc).event_base.read() as u32, raw);

            self.perf_event_update_userpage(event);
            ret
        }
    }
}
