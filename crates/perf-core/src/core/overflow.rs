// SPDX-License-Identifier: GPL-2.0-only
//! What an overflow does: accounting, throttling, limits, the handler; and the NMI entry.

use core::ptr;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{OverflowHandler, PerfEvent};

use super::{MAX_INTERRUPTS, is_sampling_event};

impl<H: Hardware> Perf<H> {
    /// The NMI handler (`perf_event_nmi_handler`, and what else hangs on the NMI): the PMU first;
    /// if it claims nothing, the probe that `IOC_NMI_PROBE` set reads its event.
    ///
    /// # Safety
    /// Called from the NMI vector of a booted CPU.
    #[inline(never)]
    pub unsafe fn nmi(&self) {
        // SAFETY: the caller's promise; a probe's event is live, close takes it away first.
        unsafe {
            if self.intel_pmu_handle_irq() != 0 {
                return;
            }
            let probe = self.nmi_probe.read();
            if !probe.is_null() {
                let mut value = 0;
                self.perf_event_read_local(probe, &raw mut value, ptr::null_mut(), ptr::null_mut());
            }
        }
    }

    /// `perf_event_overflow`: called by the driver when a period is over. Non-zero asks it to stop
    /// the event.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_overflow(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let limit = (*event).event_limit.read();
            // A counting event's counter wraps too; nobody samples it.
            if !is_sampling_event(event) {
                return 0;
            }
            let mut ret = self.perf_event_account_interrupt(event);
            if limit != 0 && (*event).event_limit.dec_and_test() {
                ret = 1;
                self.perf_event_disable_inatomic(event);
            }
            match (*event).overflow_handler.read() {
                OverflowHandler::Output => self.perf_event_output(event),
                OverflowHandler::ReadLocal => self.overflow_read_local(event),
            }
            ret
        }
    }

    /// What stands in for a BPF program on a sampling event: reads another event from NMI.
    #[inline(never)]
    unsafe fn overflow_read_local(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule; the target is live, close takes it away first.
        unsafe {
            let target = (*event).overflow_target.read();
            if !target.is_null() {
                let mut value = 0;
                self.perf_event_read_local(
                    target,
                    &raw mut value,
                    ptr::null_mut(),
                    ptr::null_mut(),
                );
            }
        }
    }

    /// `__perf_event_account_interrupt`: 1 when the event had more overflows in this tick than are
    /// allowed.
    #[inline(never)]
    unsafe fn perf_event_account_interrupt(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let hwc = &(*event).hw;
            let seq = (*self.this_cpu()).throttled_seq.read();
            if seq != hwc.interrupts_seq.read() {
                hwc.interrupts_seq.write(seq);
                hwc.interrupts.write(1);
                return 0;
            }
            let interrupts = hwc.interrupts.read().wrapping_add(1);
            hwc.interrupts.write(interrupts);
            if interrupts < self.max_samples_per_tick.read() {
                return 0;
            }
            (*self.this_cpu()).throttled_count.add(&self.hw, 1);
            hwc.interrupts.write(MAX_INTERRUPTS);
            self.perf_log_throttle(event, false);
            1
        }
    }

    /// `perf_event_disable_inatomic`: the event is to be disabled as soon as interrupts allow.
    #[inline(never)]
    unsafe fn perf_event_disable_inatomic(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            (*event).pending_disable.write(self.hw.cpu() as i32);
            self.irq_work_queue(event);
        }
    }
}
