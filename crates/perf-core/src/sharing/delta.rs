// SPDX-License-Identifier: GPL-2.0-only
//! Version `delta`: v10 with the changes that its review proposes. What the review leaves alone is
//! v10's.
//!
//! Author: Peter Zijlstra. Date: 28 February 2020.
//! Message-ID: 20200228093604.GH18400@hirez.programming.kicks-ass.net, in reply to v10.
//!
//! Against v10: child counts are left alone, `dup_master` is stored last, a sync is a cmpxchg, a
//! duplicate goes from one master to the next through a tombstone.

use core::ptr;

use super::context_events;
use crate::cell::barrier;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, TOMBSTONE, ef, state};

impl<H: Hardware> Perf<H> {
    /// `perf_event_init_dup_master`: reads the counter itself, and stores `dup_master` last.
    #[inline(never)]
    pub(super) unsafe fn init_dup_master_delta(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let is_active = (*event).state.read() == state::ACTIVE;
            self.warn_on(
                (*event).dup_active.read() != 0,
                "perf_event_init_dup_master: already has active duplicates",
            );
            // Duplicates may be ACTIVE while the master is not: it is ENABLED then. The driver
            // goes on adding to `count`, so what the master shows must stand elsewhere.
            if is_active {
                self.pmu_op_read(event);
            }
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

    /// `perf_event_exit_dup_master`: `dup_master` goes before `count` is restored.
    #[inline(never)]
    pub(super) unsafe fn exit_dup_master_delta(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let now = (*event).state.read();
            self.warn_on(
                !(state::OFF..=state::INACTIVE).contains(&now),
                "perf_event_exit_dup_master: state",
            );
            (*event).dup_active.write(0);
            (*event).dup_master.write(ptr::null_mut());
            barrier();
            (*event).count.set((*event).master_count.read());
        }
    }

    /// `event_pmu_read_dup`: whoever moves `dup_count` adds the difference.
    #[inline(never)]
    pub(super) unsafe fn read_dup_delta(&self, event: *mut PerfEvent, master: *mut PerfEvent) {
        // SAFETY: the core's rule; a tombstone is not followed.
        unsafe {
            if ptr::eq(master, TOMBSTONE) {
                return;
            }
            let mut prev_count;
            let mut new_count;
            loop {
                prev_count = (*event).dup_count.read();
                if (*master).state.read() > state::INACTIVE {
                    self.pmu_op_read(master);
                }
                new_count = (*master).count.read();
                if (*event).dup_count.cmpxchg(&self.hw, prev_count, new_count) == prev_count {
                    break;
                }
            }
            let delta = new_count.wrapping_sub(prev_count);
            if ptr::eq(event, master) {
                (*event).master_count.add(&self.hw, delta);
            } else {
                (*event).count.add(&self.hw, delta);
            }
        }
    }

    /// `perf_event_setup_dup`: the read has moved into the making of a master.
    #[inline(never)]
    pub(super) unsafe fn setup_dup_delta(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            if !self.perf_event_can_share(event) {
                return;
            }
            for tmp in context_events(ctx) {
                if ptr::eq(tmp, event)
                    || !self.perf_event_can_share(tmp)
                    || !self.perf_event_compatible(event, tmp)
                {
                    continue;
                }
                if (*tmp).dup_master.read().is_null() {
                    self.perf_event_init_dup_master(tmp);
                }
                (*event).dup_master.write((*tmp).dup_master.read());
                break;
            }
        }
    }

    /// `perf_event_remove_dup`: two fields cannot be stored at once, so each duplicate is a
    /// tombstone while it changes masters; the state says ENABLED before the PMU is enabled. The
    /// old master stays on the PMU.
    #[inline(never)]
    pub(super) unsafe fn remove_dup_delta(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe { self.remove_dup_delta_body::<true>(event, ctx) }
    }

    /// Its text. `FOLD` is false only in a mutant.
    #[inline(always)]
    pub(super) unsafe fn remove_dup_delta_body<const FOLD: bool>(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
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

            let mut dup_count = 0;
            let mut new_master: *mut PerfEvent = ptr::null_mut();
            for tmp in context_events(ctx) {
                if !ptr::eq((*tmp).dup_master.read(), event) || ptr::eq(tmp, event) {
                    continue;
                }
                if new_master.is_null() {
                    new_master = tmp;
                }
                if FOLD && (*tmp).state.read() == state::ACTIVE {
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

            let active_count = (*event).dup_active.read();
            self.perf_event_exit_dup_master(event);
            if dup_count == 0 {
                return;
            }
            if dup_count == 1 {
                // Alone: its master_count equals its count.
                (*new_master).dup_master.write(ptr::null_mut());
            } else {
                (*new_master).dup_active.write(active_count);
            }
            if active_count != 0 {
                self.copy_hw_config(event, new_master);
                self.perf_pmu_disable();
                let ret = self.pmu_op_add(new_master, ef::START);
                // The patch expects the old master to have made room.
                self.warn_on(ret != 0, "perf_event_remove_dup: adding the new master");
                if (*new_master).state.read() == state::INACTIVE {
                    (*new_master).state.write(state::ENABLED);
                }
                self.perf_pmu_enable();
            }
        }
    }

    /// `event_pmu_add`.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_delta(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).dup_master.read().is_null() {
                return self.pmu_op_add(event, ef::START);
            }
            let master = (*event).dup_master.read();
            if (*master).dup_active.read() == 0 {
                let ret = self.pmu_op_add(master, ef::START);
                if ret != 0 {
                    return ret;
                }
                if !ptr::eq(master, event) {
                    self.perf_event_set_state(master, state::ENABLED);
                }
            }
            (*master).dup_active.write((*master).dup_active.read() + 1);
            self.pmu_op_read(master);
            (*event).dup_count.set((*master).count.read());
            0
        }
    }

    /// `event_pmu_del`: off the PMU first, so that the last sync has everything.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_delta(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).dup_master.read().is_null() {
                self.pmu_op_del(event);
                return;
            }
            let master = (*event).dup_master.read();
            let active = (*master).dup_active.read() - 1;
            (*master).dup_active.write(active);
            if active == 0 {
                self.pmu_op_del(master);
                self.perf_event_set_state(master, state::INACTIVE);
            }
            self.event_pmu_read_dup(event, master);
        }
    }

    /// `event_sched_out`: only a master has active duplicates.
    #[inline(never)]
    pub(super) unsafe fn sched_out_state_delta(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).dup_active.read() == 0 {
                return state::INACTIVE;
            }
            self.warn_on(
                !ptr::eq((*event).dup_master.read(), event),
                "event_sched_out: active duplicates without being a master",
            );
            state::ENABLED
        }
    }

    /// `perf_event_count`: a master shows its own count; children are nobody's business here.
    #[inline(never)]
    pub(super) unsafe fn event_count_delta(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            let count = if ptr::eq((*event).dup_master.read(), event) {
                (*event).master_count.read()
            } else {
                (*event).count.read()
            };
            count.wrapping_add((*event).child_count.read()) as u64
        }
    }
}
