// SPDX-License-Identifier: GPL-2.0-only
//! The outermost disable and enable of the PMU, where all counters are programmed
//! (`x86_pmu_disable`, `x86_pmu_enable`), and starting and stopping one event.

use abi::msr;

use super::{CpuHwEvents, INTEL_PMC_IDX_FIXED, INTEL_PMC_IDX_FIXED_BTS};
use crate::cell::barrier;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, ef, hes};

impl<H: Hardware> Perf<H> {
    /// `x86_pmu_disable` (pmu->pmu_disable, outermost): no counter counts. The enable bits of the
    /// counters stay as they are.
    ///
    /// # Safety
    /// Interrupts are off.
    #[inline(never)]
    pub unsafe fn x86_pmu_disable(&self) {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off.
        unsafe {
            if (*cpuc).enabled.read() == 0 {
                return;
            }
            (*cpuc).n_added = 0;
            (*cpuc).enabled.write(0);
        }
        barrier();
        self.intel_pmu_disable_all();
    }

    /// `x86_pmu_enable` (pmu->pmu_enable, outermost): moves events that were given another counter
    /// and programs new ones, then lets the counters count.
    ///
    /// # Safety
    /// Interrupts are off; every listed event is live.
    #[inline(never)]
    pub unsafe fn x86_pmu_enable(&self) {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off; events on the list are live.
        unsafe {
            if (*cpuc).enabled.read() != 0 {
                return;
            }
            if (*cpuc).n_added != 0 {
                let n_events = (*cpuc).n_events.cast_unsigned() as usize;
                let n_running = ((*cpuc).n_events - (*cpuc).n_added).cast_unsigned() as usize;

                // First save the counts of events that move.
                for i in 0..n_running {
                    let event = (*cpuc).event_list[i];
                    if (*event).hw.idx.read() == -1 || self.match_prev_assignment(event, cpuc, i) {
                        continue;
                    }
                    // One that is stopped must not start only because it moves.
                    let state = (*event).hw.state.read();
                    if state & hes::STOPPED != 0 {
                        (*event).hw.state.write(state | hes::ARCH);
                    }
                    self.x86_pmu_stop(event, ef::UPDATE);
                }

                // Then program the moved and the new ones.
                for i in 0..n_events {
                    let event = (*cpuc).event_list[i];
                    if !self.match_prev_assignment(event, cpuc, i) {
                        self.x86_assign_hw_event(event, cpuc, i);
                    } else if i < n_running {
                        continue;
                    }
                    if (*event).hw.state.read() & hes::ARCH != 0 {
                        continue;
                    }
                    self.x86_pmu_start(event, ef::RELOAD);
                }
                (*cpuc).n_added = 0;
                self.perf_events_lapic_init();
            }
            (*cpuc).enabled.write(1);
        }
        barrier();
        self.intel_pmu_enable_all();
    }

    /// `match_prev_assignment`: the event sits on the counter that its slot wants, on this CPU,
    /// and nothing was programmed from this slot since.
    #[inline(always)]
    unsafe fn match_prev_assignment(
        &self,
        event: *mut PerfEvent,
        cpuc: *mut CpuHwEvents,
        i: usize,
    ) -> bool {
        // SAFETY: as in x86_pmu_enable.
        unsafe {
            (*event).hw.idx.read() == (*cpuc).assign[i]
                && (*event).hw.last_cpu == self.hw.cpu().cast_signed() as i32
                && (*event).hw.last_tag == (*cpuc).tags[i]
        }
    }

    /// `x86_assign_hw_event`: gives `event` the counter of slot `i`: the index first, then the
    /// addresses.
    ///
    /// # Safety
    /// `event` is live and in slot `i` of this CPU's `cpuc`; interrupts are off.
    #[inline(never)]
    pub(super) unsafe fn x86_assign_hw_event(
        &self,
        event: *mut PerfEvent,
        cpuc: *mut CpuHwEvents,
        i: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let hwc = &raw mut (*event).hw;
            let idx = (*cpuc).assign[i];
            // Looked up here, so that nothing of our own lies between the stores below.
            let cpu = self.hw.cpu().cast_signed() as i32;
            let counters = self.x86_pmu().perfctr;
            (*hwc).idx.write(idx);
            (*hwc).last_cpu = cpu;
            (*cpuc).tags[i] = (*cpuc).tags[i].wrapping_add(1);
            (*hwc).last_tag = (*cpuc).tags[i];

            if idx == INTEL_PMC_IDX_FIXED_BTS {
                (*hwc).config_base.write(0);
                (*hwc).event_base.write(0);
            } else if idx >= INTEL_PMC_IDX_FIXED {
                let fixed = (idx - INTEL_PMC_IDX_FIXED).cast_unsigned();
                (*hwc).config_base.write(u64::from(msr::FIXED_CTR_CTRL));
                (*hwc).event_base.write(u64::from(msr::FIXED_CTR0 + fixed));
                (*hwc).event_base_rdpmc.write(fixed | 1 << 30);
            } else {
                let idx = idx.cast_unsigned();
                (*hwc)
                    .config_base
                    .write(u64::from(self.x86_pmu_config_addr(idx)));
                (*hwc).event_base.write(u64::from(counters + idx));
                (*hwc).event_base_rdpmc.write(idx);
            }
        }
    }

    /// `x86_pmu_start` (pmu->start): with RELOAD the counter is loaded first. Also the way back
    /// from throttling.
    ///
    /// # Safety
    /// `event` is live and on this CPU; interrupts are off.
    #[inline(never)]
    pub unsafe fn x86_pmu_start(&self, event: *mut PerfEvent, flags: u32) {
        let cpuc = self.cpuc();
        // SAFETY: the caller's promise.
        unsafe {
            let hwc = &raw const (*event).hw;
            if (*hwc).state.read() & hes::STOPPED == 0 {
                self.hw.warn("x86_pmu_start: the event is not stopped");
                return;
            }
            let Ok(idx) = u32::try_from((*hwc).idx.read()) else {
                self.hw.warn("x86_pmu_start: the event has no counter");
                return;
            };
            if flags & ef::RELOAD != 0 {
                if (*hwc).state.read() & hes::UPTODATE == 0 {
                    self.hw.warn("x86_pmu_start: the count is not up to date");
                }
                self.x86_perf_event_set_period(event);
            }
            (*hwc).state.write(0);
            (*cpuc).events[idx as usize].write(event);
            (*cpuc).active_mask.set_bit(idx);
            (*cpuc).running.set_bit(idx);
            self.intel_pmu_enable_event(event);
            self.perf_event_update_userpage(event);
        }
    }

    /// `x86_pmu_stop` (pmu->stop): with UPDATE the last delta is folded. Index, addresses and
    /// `prev_count` of the event stay, and so does the raw counter.
    ///
    /// # Safety
    /// `event` is live and on this CPU; interrupts are off, or this is the PMI handler.
    #[inline(never)]
    pub unsafe fn x86_pmu_stop(&self, event: *mut PerfEvent, flags: u32) {
        let cpuc = self.cpuc();
        // SAFETY: the caller's promise.
        unsafe {
            let hwc = &raw const (*event).hw;
            let idx = (*hwc).idx.read();
            if (*cpuc).active_mask.test_bit(idx) {
                let idx = idx.cast_unsigned();
                self.intel_pmu_disable_event(event);
                (*cpuc).active_mask.clear_bit(idx);
                (*cpuc).events[idx as usize].write(core::ptr::null_mut());
                let state = (*hwc).state.read();
                if state & hes::STOPPED != 0 {
                    self.hw.warn("x86_pmu_stop: the event is stopped already");
                }
                (*hwc).state.write(state | hes::STOPPED);
            }
            if flags & ef::UPDATE != 0 && (*hwc).state.read() & hes::UPTODATE == 0 {
                // Drain what the counter has left to give.
                self.x86_perf_event_update(event);
                (*hwc).state.write((*hwc).state.read() | hes::UPTODATE);
            }
        }
    }
}
