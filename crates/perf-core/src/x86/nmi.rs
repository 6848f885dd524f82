// SPDX-License-Identifier: GPL-2.0-only
//! The PMI handler, without counter freezing (`intel_pmu_handle_irq`, v5.5's default).

use super::CpuHwEvents;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

/// GLOBAL_STATUS bits that are no overflow: CondChgd, ASCI, LBR frozen.
const STATUS_IGNORED: u64 = 1 << 63 | 1 << 60 | 1 << 58;
/// Rounds after which the handler gives up and resets the PMU.
const LOOPS_MAX: u32 = 100;

impl<H: Hardware> Perf<H> {
    /// `intel_pmu_handle_irq`: stops the counters, processes every overflow, and leaves the PMU as
    /// it was: if the interrupted code had it disabled, it stays so. Returns the number of status
    /// bits handled; 0 means that the NMI was not the PMU's.
    ///
    /// # Safety
    /// Called from the NMI handler on a booted CPU.
    #[inline(never)]
    pub unsafe fn intel_pmu_handle_irq(&self) -> i32 {
        let cpuc = self.cpuc();
        let late_ack = self.x86_pmu().late_ack;
        // SAFETY: this CPU's state; what the interrupted code may be in the middle of changing is
        // accessed by single whole accesses.
        unsafe {
            let pmu_enabled = (*cpuc).enabled.read();
            if !late_ack {
                self.perf_events_lapic_init();
            }
            (*cpuc).enabled.write(0);
            self.intel_pmu_disable_all();

            let mut handled = 0;
            let mut loops = 0;
            let mut status = self.intel_pmu_get_status();
            while status != 0 {
                self.intel_pmu_ack_status(status);
                loops += 1;
                if loops > LOOPS_MAX {
                    self.hw
                        .warn("intel_pmu_handle_irq: the PMI loop does not end");
                    self.intel_pmu_reset();
                    break;
                }
                handled += self.handle_pmi_common(cpuc, status);
                status = self.intel_pmu_get_status();
            }

            (*cpuc).enabled.write(pmu_enabled);
            if pmu_enabled != 0 {
                self.intel_pmu_enable_all();
            }
            // Unmasking only now avoids a spurious PMI on these processors.
            if late_ack {
                self.perf_events_lapic_init();
            }
            handled
        }
    }

    /// `handle_pmi_common`: the overflows in `status`, lowest counter first.
    #[inline(never)]
    unsafe fn handle_pmi_common(&self, cpuc: *mut CpuHwEvents, status: u64) -> i32 {
        let mut handled = 0;
        let mut status = status & !STATUS_IGNORED;
        while status != 0 {
            let bit = status.trailing_zeros();
            status &= status - 1;
            handled += 1;
            // SAFETY: an event in `events` whose bit is in active_mask is live.
            unsafe {
                let event = (*cpuc).events[bit as usize].read();
                if !(*cpuc).active_mask.test_bit(bit.cast_signed()) {
                    continue;
                }
                if self.intel_pmu_save_and_restart(event) == 0 {
                    continue;
                }
                if self.perf_event_overflow(event) != 0 {
                    self.x86_pmu_stop(event, 0);
                }
            }
        }
        handled
    }

    /// `intel_pmu_save_and_restart`: folds the delta and loads the next period; 1 when a period
    /// was complete.
    #[inline(never)]
    unsafe fn intel_pmu_save_and_restart(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: live and on this CPU (handle_pmi_common).
        unsafe {
            self.x86_perf_event_update(event);
            self.x86_perf_event_set_period(event)
        }
    }
}
