// SPDX-License-Identifier: GPL-2.0-only
//! The operations of an event's PMU (`event->pmu->add` and its like), and the one software PMU there
//! is: `cpu_clock` (kernel/events/core.c), an event that counts nanoseconds without any counter.
//!
//! A software event stands in the group of a hardware event here, and so in its context: there is no
//! context for software events alone. It does not sample.

use abi::syscall::{SW_CPU_CLOCK, TYPE_SOFTWARE};

use crate::cell::barrier;
use crate::core::errno::{ENOENT, EOPNOTSUPP};
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, ef};

/// `is_software_event`.
///
/// # Safety
/// The core's rule.
#[inline(always)]
pub(crate) unsafe fn is_software_event(event: *const PerfEvent) -> bool {
    // SAFETY: the caller's promise; the attributes' type does not change.
    unsafe { (*event).attr.kind == TYPE_SOFTWARE }
}

impl<H: Hardware> Perf<H> {
    /// `pmu->event_init`: 0, or a negative error.
    ///
    /// # Safety
    /// `event` is live, nobody else knows it; its leader is set.
    #[inline(never)]
    pub(crate) unsafe fn pmu_op_event_init(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the caller's promise.
        unsafe {
            if !is_software_event(event) {
                return self.x86_pmu_event_init(event);
            }
            if (*event).attr.config != SW_CPU_CLOCK {
                return -ENOENT;
            }
            let alone = core::ptr::eq((*event).group_leader, event);
            if alone && (*event).parent.is_null() || (*event).attr.sample_period != 0 {
                return -EOPNOTSUPP;
            }
            0
        }
    }

    /// `pmu->add`.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, the PMU is disabled.
    #[inline(never)]
    pub(crate) unsafe fn pmu_op_add(&self, event: *mut PerfEvent, flags: u32) -> i32 {
        // SAFETY: the caller's promise.
        let ret = unsafe {
            if is_software_event(event) {
                self.cpu_clock_event_add(event, flags)
            } else {
                self.x86_pmu_add(event, flags)
            }
        };
        // A call, no jump: reports name whoever asked.
        barrier();
        ret
    }

    /// `pmu->del`.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, the PMU is disabled.
    #[inline(never)]
    pub(crate) unsafe fn pmu_op_del(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe {
            if is_software_event(event) {
                self.cpu_clock_event_update(event);
            } else {
                self.x86_pmu_del(event, 0);
            }
        }
        barrier();
    }

    /// `pmu->read`.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn pmu_op_read(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe {
            if is_software_event(event) {
                self.cpu_clock_event_update(event);
            } else {
                self.x86_pmu_read(event);
            }
        }
        barrier();
    }

    /// `pmu->event_idx`: a software event has nothing for RDPMC.
    ///
    /// # Safety
    /// `event` is live.
    #[inline(never)]
    pub(crate) unsafe fn pmu_op_event_idx(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the caller's promise.
        let idx = unsafe {
            if is_software_event(event) {
                0
            } else {
                self.x86_pmu_event_idx(event)
            }
        };
        barrier();
        idx
    }

    /// `cpu_clock_event_add`, and `cpu_clock_event_start` where the flags say so.
    #[inline(never)]
    unsafe fn cpu_clock_event_add(&self, event: *mut PerfEvent, flags: u32) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if flags & ef::START != 0 {
                (*event).hw.prev_count.set(self.perf_clock() as i64);
            }
            self.perf_event_update_userpage(event);
        }
        0
    }

    /// `cpu_clock_event_update`, all that reading and taking off do. A reader in an NMI between the
    /// load of `prev_count` and the addition makes it add twice, as in the kernel.
    #[inline(never)]
    unsafe fn cpu_clock_event_update(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let now = self.perf_clock() as i64;
            let prev = (*event).hw.prev_count.read();
            (*event).hw.prev_count.set(now);
            (*event).count.add(&self.hw, now.wrapping_sub(prev));
        }
    }
}
