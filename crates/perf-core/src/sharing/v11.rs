// SPDX-License-Identifier: GPL-2.0-only
//! Version `v11`: what it changes against v10 with the review's delta. What it leaves alone is
//! delta's, and v10's behind that.
//!
//! Author: Song Liu. Date: 6 March 2020.
//! Message-ID: 20200307000939.3533447-1-songliubraving@fb.com.
//!
//! Against delta: software events may share; `dup_master` is stored first and last when a master
//! is made, and the read before that stands in setup_dup again; `exit_dup_master` restores `count`
//! before it lets go; remove_dup takes the old master off the PMU, which stays disabled until the
//! new one is on it.

use core::ptr;

use super::context_events;
use crate::cell::barrier;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, TOMBSTONE, ef, state};

impl<H: Hardware> Perf<H> {
    /// `perf_event_can_share`: of its two return statements the first decides. That leaves
    /// software events in.
    #[inline(never)]
    pub(super) unsafe fn can_share_v11(&self, event: *const PerfEvent) -> bool {
        // SAFETY: the core's rule.
        unsafe { (*event).attr.sample_period == 0 }
    }

    /// `perf_event_init_dup_master`: `dup_master` is stored before what it refers to, and again
    /// behind the barrier.
    #[inline(never)]
    pub(super) unsafe fn init_dup_master_v11(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let is_active = (*event).state.read() == state::ACTIVE;
            self.warn_on(
                (*event).dup_active.read() != 0,
                "perf_event_init_dup_master: already has active duplicates",
            );
            (*event).dup_master.write(event);
            let count = (*event).count.read();
            (*event).master_count.set(count);
            if is_active {
                (*event).dup_count.set(count);
                (*event).dup_active.write(1);
            }
            barrier();
            (*event).dup_master.write(event);
        }
    }

    /// `perf_event_exit_dup_master`: restores `count`, then lets go. The barrier stands behind
    /// both, where it orders neither.
    #[inline(never)]
    pub(super) unsafe fn exit_dup_master_v11(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let now = (*event).state.read();
            self.warn_on(
                !(state::OFF..=state::INACTIVE).contains(&now),
                "perf_event_exit_dup_master: state",
            );
            (*event).count.set((*event).master_count.read());
            (*event).dup_active.write(0);
            (*event).dup_master.write(ptr::null_mut());
            barrier();
        }
    }

    /// `perf_event_remove_dup`: the old master leaves the PMU first. Without a slave the function
    /// returns with the PMU disabled.
    #[inline(never)]
    pub(super) unsafe fn remove_dup_v11(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).dup_master.read().is_null() {
                return;
            }
            let now = (*event).state.read();
            self.warn_on(
                !(state::OFF..=state::ENABLED).contains(&now),
                "perf_event_remove_dup: state",
            );
            // A slave just leaves.
            if !ptr::eq((*event).dup_master.read(), event) {
                (*event).dup_master.write(ptr::null_mut());
                return;
            }

            let active_count = (*event).dup_active.read();
            if active_count != 0 {
                self.perf_pmu_disable();
                self.pmu_op_del(event);
            }

            let mut dup_count = 0;
            let mut new_master: *mut PerfEvent = ptr::null_mut();
            for tmp in context_events(ctx) {
                if !ptr::eq((*tmp).dup_master.read(), event) || ptr::eq(tmp, event) {
                    continue;
                }
                if new_master.is_null() {
                    new_master = tmp;
                }
                if (*tmp).state.read() == state::ACTIVE {
                    self.event_pmu_read_dup(tmp, event);
                }
                (*tmp).dup_master.write(TOMBSTONE);
                barrier();
                let count = (*new_master).count.read();
                (*tmp).dup_count.set(count);
                if ptr::eq(tmp, new_master) {
                    (*tmp).master_count.set(count);
                }
                barrier();
                (*tmp).dup_master.write(new_master);
                dup_count += 1;
            }

            self.perf_event_exit_dup_master(event);
            if dup_count == 0 {
                return;
            }
            if active_count != 0 {
                self.copy_hw_config(event, new_master);
                let ret = self.pmu_op_add(new_master, ef::START);
                self.warn_on(ret != 0, "perf_event_remove_dup: adding the new master");
                if (*new_master).state.read() == state::INACTIVE {
                    (*new_master).state.write(state::ENABLED);
                }
                self.perf_pmu_enable();
            }
            if dup_count == 1 {
                (*new_master).dup_master.write(ptr::null_mut());
            } else {
                (*new_master).dup_active.write(active_count);
            }
        }
    }
}
