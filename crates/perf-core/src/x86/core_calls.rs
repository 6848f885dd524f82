// SPDX-License-Identifier: GPL-2.0-only
//! Stand-ins for what the driver calls in the perf core, until the core's own methods of the same
//! names (which take precedence) are there. To be removed then.

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

pub(super) trait CoreCalls {
    unsafe fn perf_pmu_disable(&self);
    unsafe fn perf_pmu_enable(&self);
    unsafe fn perf_event_overflow(&self, event: *mut PerfEvent) -> i32;
    unsafe fn perf_event_update_userpage(&self, event: *mut PerfEvent);
}

impl<H: Hardware> CoreCalls for Perf<H> {
    unsafe fn perf_pmu_disable(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.x86_pmu_disable() }
    }

    unsafe fn perf_pmu_enable(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.x86_pmu_enable() }
    }

    unsafe fn perf_event_overflow(&self, _event: *mut PerfEvent) -> i32 {
        0
    }

    unsafe fn perf_event_update_userpage(&self, _event: *mut PerfEvent) {}
}
