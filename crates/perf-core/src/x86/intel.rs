// SPDX-License-Identifier: GPL-2.0-only
//! The register accesses of Intel's architectural PMU: one counter's switch, all counters'
//! switch, and the status (arch/x86/events/intel/core.c).

use abi::{event_select as sel, msr};

use super::INTEL_PMC_IDX_FIXED;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{HwPerfEvent, PerfEvent};

/// FIXED_CTR_CTRL bits of one counter.
const FIXED_OS: u64 = 1;
const FIXED_USR: u64 = 2;
const FIXED_ANY: u64 = 4;
const FIXED_PMI: u64 = 8;
const FIXED_ALL: u64 = 0xf;

/// Where the bits of the fixed counter of `hwc` start.
///
/// # Safety
/// `hwc` is valid and has a fixed counter.
#[inline(always)]
unsafe fn fixed_shift(hwc: *const HwPerfEvent) -> u32 {
    // SAFETY: the caller's promise.
    4 * unsafe { (*hwc).idx.read() - INTEL_PMC_IDX_FIXED }.cast_unsigned()
}

impl<H: Hardware> Perf<H> {
    /// `intel_pmu_disable_all`: no counter counts.
    #[inline(never)]
    pub(super) fn intel_pmu_disable_all(&self) {
        self.hw.wrmsr(msr::PERF_GLOBAL_CTRL, 0);
    }

    /// `intel_pmu_enable_all`: every counter that is switched on counts.
    #[inline(never)]
    pub(super) fn intel_pmu_enable_all(&self) {
        self.hw
            .wrmsr(msr::PERF_GLOBAL_CTRL, self.x86_pmu().intel_ctrl);
    }

    /// `intel_pmu_get_status`.
    #[inline(always)]
    pub(super) fn intel_pmu_get_status(&self) -> u64 {
        self.hw.rdmsr(msr::PERF_GLOBAL_STATUS)
    }

    /// `intel_pmu_ack_status`.
    #[inline(always)]
    pub(super) fn intel_pmu_ack_status(&self, ack: u64) {
        self.hw.wrmsr(msr::PERF_GLOBAL_OVF_CTRL, ack);
    }

    /// `intel_pmu_enable_event`: switches the counter of `event` on.
    ///
    /// # Safety
    /// `event` is live and has a counter of this CPU.
    #[inline(never)]
    pub(super) unsafe fn intel_pmu_enable_event(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe {
            let hwc = &raw const (*event).hw;
            let config_base = (*hwc).config_base.read();
            if config_base == u64::from(msr::FIXED_CTR_CTRL) {
                self.intel_pmu_enable_fixed(event);
            } else {
                self.hw.wrmsr(config_base as u32, (*hwc).config | sel::EN);
            }
        }
    }

    /// `intel_pmu_disable_event`: switches the counter of `event` off.
    ///
    /// # Safety
    /// As for [`intel_pmu_enable_event`](Self::intel_pmu_enable_event).
    #[inline(never)]
    pub(super) unsafe fn intel_pmu_disable_event(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe {
            let hwc = &raw const (*event).hw;
            let config_base = (*hwc).config_base.read();
            if config_base == u64::from(msr::FIXED_CTR_CTRL) {
                self.intel_pmu_disable_fixed(event);
            } else {
                self.hw.wrmsr(config_base as u32, (*hwc).config);
            }
        }
    }

    #[inline(never)]
    unsafe fn intel_pmu_enable_fixed(&self, event: *mut PerfEvent) {
        // SAFETY: as in intel_pmu_enable_event.
        unsafe {
            let hwc = &raw const (*event).hw;
            let mut bits = FIXED_PMI;
            if (*hwc).config & sel::USR != 0 {
                bits |= FIXED_USR;
            }
            if (*hwc).config & sel::OS != 0 {
                bits |= FIXED_OS;
            }
            if (*hwc).config & sel::ANY != 0 {
                bits |= FIXED_ANY;
            }
            let shift = fixed_shift(hwc);
            let config_base = (*hwc).config_base.read() as u32;
            let control = self.hw.rdmsr(config_base) & !(FIXED_ALL << shift);
            self.hw.wrmsr(config_base, control | bits << shift);
        }
    }

    #[inline(never)]
    unsafe fn intel_pmu_disable_fixed(&self, event: *mut PerfEvent) {
        // SAFETY: as in intel_pmu_enable_event.
        unsafe {
            let hwc = &raw const (*event).hw;
            let config_base = (*hwc).config_base.read() as u32;
            let control = self.hw.rdmsr(config_base) & !(FIXED_ALL << fixed_shift(hwc));
            self.hw.wrmsr(config_base, control);
        }
    }
}
