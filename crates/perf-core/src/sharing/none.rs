// SPDX-License-Identifier: GPL-2.0-only
//! Version `none`: Linux v5.5 without the patch. Every event drives its own counter.

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, ef, hes, state};

impl<H: Hardware> Perf<H> {
    /// Nothing is shared.
    #[inline(never)]
    pub(super) unsafe fn can_share_none(&self, _event: *const PerfEvent) -> bool {
        false
    }

    /// `pmu->add`.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_none(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe { self.pmu_op_add(event, ef::START) }
    }

    /// `pmu->del`.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_none(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe { self.pmu_op_del(event) }
    }

    /// `pmu->read`.
    #[inline(never)]
    pub(super) unsafe fn pmu_read_none(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.pmu_op_read(event);
        }
    }

    /// What is scheduled out is INACTIVE.
    #[inline(never)]
    pub(super) unsafe fn sched_out_state_none(&self, _event: *mut PerfEvent) -> i32 {
        state::INACTIVE
    }

    /// Own count and exited children's.
    #[inline(never)]
    pub(super) unsafe fn event_count_none(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            let count = (*event).count.read();
            count.wrapping_add((*event).child_count.read()) as u64
        }
    }

    /// Own count.
    #[inline(never)]
    pub(super) unsafe fn local_value_none(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe { (*event).count.read() as u64 }
    }

    /// To the parent's `child_count`.
    #[inline(never)]
    pub(super) unsafe fn sync_child_event_none(&self, parent: *mut PerfEvent, value: i64) {
        // SAFETY: the core's rule.
        unsafe { (*parent).child_count.add(value) }
    }

    /// `local64_set(&event->count, 0)`.
    #[inline(never)]
    pub(super) unsafe fn reset_none(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe { (*event).count.set(0) }
    }

    /// `perf_event_index`: what user space may give RDPMC, plus one; 0 when the counter is not
    /// running.
    #[inline(never)]
    pub(super) unsafe fn index_none(&self, event: *mut PerfEvent) -> u32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).hw.state.read() & hes::STOPPED != 0
                || (*event).state.read() != state::ACTIVE
            {
                return 0;
            }
            self.pmu_op_event_idx(event) as u32
        }
    }
}
