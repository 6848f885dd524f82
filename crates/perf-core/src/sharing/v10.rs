// SPDX-License-Identifier: GPL-2.0-only
//! Version `v10`: "perf: Sharing PMU counters across compatible events", as posted.
//!
//! Author: Song Liu. Date: 23 January 2020.
//! Message-ID: 20200123083127.446105-1-songliubraving@fb.com.
//!
//! The review found it "completely and utterly broken"; it stands here as it was. Names of fields
//! that later versions renamed: `dup_active` was `dup_active_count`, `dup_count` was a plain
//! `dup_base_count`. Child counts are copied beside counts if the row `shadow_child_count` says so,
//! as the patch does.

use core::ptr;

use super::context_events;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, ef, state};
use abi::syscall::TYPE_SOFTWARE;

impl<H: Hardware> Perf<H> {
    /// `perf_event_can_share`: hardware events that only count.
    #[inline(never)]
    pub(super) unsafe fn can_share_v10(&self, event: *const PerfEvent) -> bool {
        // SAFETY: the core's rule.
        unsafe { (*event).attr.kind != TYPE_SOFTWARE && (*event).attr.sample_period == 0 }
    }

    /// `perf_event_init_dup_master`: `dup_master` is stored before what it refers to.
    #[inline(never)]
    pub(super) unsafe fn init_dup_master_v10(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let is_active = (*event).state.read() == state::ACTIVE;
            self.warn_on(
                (*event).dup_active.read() != 0,
                "perf_event_init_dup_master: already has active duplicates",
            );
            (*event).dup_master.write(event);
            let count = (*event).count.read();
            if self.shadow_child_count() {
                let child_count = (*event).child_count.read();
                (*event).master_count.set(count);
                (*event).master_child_count.set(child_count);
                if is_active {
                    (*event).dup_count.set(count);
                    (*event).dup_base_child_count.write(child_count as u64);
                    (*event).dup_active.write(1);
                }
            } else {
                (*event).master_count.set(count);
                if is_active {
                    (*event).dup_count.set(count);
                    (*event).dup_active.write(1);
                }
            }
        }
    }

    /// `perf_event_exit_dup_master`: `dup_master` goes before `count` is restored.
    #[inline(never)]
    pub(super) unsafe fn exit_dup_master_v10(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            (*event).dup_active.write(0);
            (*event).dup_master.write(ptr::null_mut());
            (*event).count.set((*event).master_count.read());
            if self.shadow_child_count() {
                (*event).child_count.set((*event).master_child_count.read());
            }
        }
    }

    /// `event_sync_dup_count`: not safe against a second one inside it.
    #[inline(never)]
    pub(super) unsafe fn read_dup_v10(&self, event: *mut PerfEvent, master: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let shadow = self.shadow_child_count();
            self.pmu_op_read(master);
            let new_count = (*master).count.read();
            let new_child_count = if shadow {
                (*master).child_count.read()
            } else {
                0
            };

            let delta = new_count.wrapping_sub((*event).dup_count.read());
            if ptr::eq(event, master) {
                (*event).master_count.add(&self.hw, delta);
            } else {
                (*event).count.add(&self.hw, delta);
            }
            if shadow {
                let base = (*event).dup_base_child_count.read() as i64;
                let delta = new_child_count.wrapping_sub(base);
                if ptr::eq(event, master) {
                    (*event).master_child_count.add(delta);
                } else {
                    (*event).child_count.add(delta);
                }
            }

            (*event).dup_count.set(new_count);
            if shadow {
                (*event).dup_base_child_count.write(new_child_count as u64);
            }
        }
    }

    /// `perf_event_setup_dup`: reads the first match before it becomes a master.
    #[inline(never)]
    pub(super) unsafe fn setup_dup_v10(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
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
                    if (*tmp).state.read() == state::ACTIVE {
                        self.pmu_op_read(tmp);
                    }
                    self.perf_event_init_dup_master(tmp);
                }
                (*event).dup_master.write((*tmp).dup_master.read());
                break;
            }
        }
    }

    /// `perf_event_remove_dup`: base before master, a master's own value only for two or more, and
    /// the old master stays on the PMU.
    #[inline(never)]
    pub(super) unsafe fn remove_dup_v10(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
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

            let shadow = self.shadow_child_count();
            let mut dup_count = 0;
            let mut new_master: *mut PerfEvent = ptr::null_mut();
            for tmp in context_events(ctx) {
                if !ptr::eq((*tmp).dup_master.read(), event) || ptr::eq(tmp, event) {
                    continue;
                }
                if new_master.is_null() {
                    new_master = tmp;
                }
                if dup_count == 1 {
                    self.perf_event_init_dup_master(new_master);
                }
                if (*tmp).state.read() == state::ACTIVE {
                    self.event_pmu_read_dup(tmp, event);
                    (*tmp).dup_count.set((*new_master).count.read());
                    if shadow {
                        let base = (*new_master).child_count.read();
                        (*tmp).dup_base_child_count.write(base as u64);
                    }
                }
                (*tmp).dup_master.write(new_master);
                dup_count += 1;
            }

            let active_count = (*event).dup_active.read();
            self.perf_event_exit_dup_master(event);
            if dup_count == 0 {
                return;
            }
            if dup_count == 1 {
                (*new_master).dup_master.write(ptr::null_mut());
            } else {
                (*new_master).dup_active.write(active_count);
            }
            if active_count != 0 {
                self.copy_hw_config(event, new_master);
                self.perf_pmu_disable();
                let ret = self.pmu_op_add(new_master, ef::START);
                self.warn_on(ret != 0, "perf_event_remove_dup: adding the new master");
                self.perf_pmu_enable();
                if (*new_master).state.read() == state::INACTIVE {
                    (*new_master).state.write(state::ENABLED);
                }
            }
        }
    }

    /// `event_pmu_add`.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_v10(&self, event: *mut PerfEvent) -> i32 {
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
            if self.shadow_child_count() {
                let base = (*master).child_count.read();
                (*event).dup_base_child_count.write(base as u64);
            }
            0
        }
    }

    /// `event_pmu_del`: syncs first.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_v10(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).dup_master.read().is_null() {
                self.pmu_op_del(event);
                return;
            }
            let master = (*event).dup_master.read();
            self.event_pmu_read_dup(event, master);
            let active = (*master).dup_active.read() - 1;
            (*master).dup_active.write(active);
            if active == 0 {
                self.pmu_op_del(master);
                self.perf_event_set_state(master, state::INACTIVE);
            }
        }
    }

    /// `event_pmu_read`: loads `dup_master` twice.
    #[inline(never)]
    pub(super) unsafe fn pmu_read_v10(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).dup_master.read().is_null() {
                self.pmu_op_read(event);
                return;
            }
            self.event_pmu_read_dup(event, (*event).dup_master.read());
        }
    }

    /// `event_sched_out`: a master with active duplicates stays ENABLED.
    #[inline(never)]
    pub(super) unsafe fn sched_out_state_v10(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if ptr::eq((*event).dup_master.read(), event) && (*event).dup_active.read() != 0 {
                state::ENABLED
            } else {
                state::INACTIVE
            }
        }
    }

    /// `perf_event_count`: a master has a pair of its own.
    #[inline(never)]
    pub(super) unsafe fn event_count_v10(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            if ptr::eq((*event).dup_master.read(), event) {
                let count = (*event).master_count.read();
                let child_count = if self.shadow_child_count() {
                    (*event).master_child_count.read()
                } else {
                    (*event).child_count.read()
                };
                count.wrapping_add(child_count) as u64
            } else {
                let count = (*event).count.read();
                count.wrapping_add((*event).child_count.read()) as u64
            }
        }
    }

    /// `perf_event_read_local`: the value.
    #[inline(never)]
    pub(super) unsafe fn local_value_v10(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            if ptr::eq((*event).dup_master.read(), event) {
                (*event).master_count.read() as u64
            } else {
                (*event).count.read() as u64
            }
        }
    }

    /// `sync_child_event`: a master's children are counted apart.
    #[inline(never)]
    pub(super) unsafe fn sync_child_event_v10(&self, parent: *mut PerfEvent, value: i64) {
        // SAFETY: the core's rule.
        unsafe {
            if self.shadow_child_count() && ptr::eq((*parent).dup_master.read(), parent) {
                (*parent).master_child_count.add(value);
            } else {
                (*parent).child_count.add(value);
            }
        }
    }
}
