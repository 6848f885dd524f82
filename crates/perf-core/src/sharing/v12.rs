// SPDX-License-Identifier: GPL-2.0-only
//! Version `v12`: what it changes against v11r.
//!
//! Author: Song Liu. Date: 31 March 2020.
//! Message-ID: 20200331075533.2347393-1-songliubraving@fb.com.
//!
//! Against v11r: `dup_master` is stored behind what it refers to, twice; a master has a list of its
//! ACTIVE sharers, whose user pages follow its own; reset and pause know masters; an event that is
//! off may join, but nobody joins one; a disabled event leaves sharing (`__perf_event_disable`), and
//! `ctx_resched` looks for a master for the event that it is called for. The last two are rows.

use core::mem::offset_of;
use core::ptr;

use super::context_events;
use crate::cell::barrier;
use crate::hw::Hardware;
use crate::list::Entries;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, TOMBSTONE, ef, hes, state};

impl<H: Hardware> Perf<H> {
    /// `perf_event_init_dup_master`: `dup_master` is stored last, then once more.
    #[inline(never)]
    pub(super) unsafe fn init_dup_master_v12(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let is_active = (*event).state.read() == state::ACTIVE;
            self.warn_on(
                (*event).dup_active.read() != 0,
                "perf_event_init_dup_master: already has active duplicates",
            );
            let count = (*event).count.read();
            (*event).master_count.set(count);
            if is_active {
                (*event).dup_count.set(count);
                (*event).dup_active.write(1);
            }
            barrier();
            (*event).dup_master.write(event);
            (*event).dup_master.write(event);
        }
    }

    /// `perf_event_setup_dup`: an event that is off may look for a master that is not.
    #[inline(never)]
    pub(super) unsafe fn setup_dup_v12(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() < state::OFF || !self.perf_event_can_share(event) {
                return;
            }
            for tmp in context_events(ctx) {
                if ptr::eq(tmp, event)
                    || (*tmp).state.read() < state::INACTIVE
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

    /// `perf_event_remove_dup`: v11's, and the ACTIVE sharers move to the new master's list.
    #[inline(never)]
    pub(super) unsafe fn remove_dup_v12(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
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
                    (*new_master).dup_active_list.del_init();
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
                } else if (*tmp).state.read() == state::ACTIVE {
                    let list = &(*new_master).dup_active_list;
                    (*tmp).dup_active_list.move_tail(list);
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

    /// `event_pmu_add`: the sharer joins its master's list and its user page is written.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_v12(&self, event: *mut PerfEvent) -> i32 {
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
            if !ptr::eq(master, event) {
                let list = &(*master).dup_active_list;
                list.add_tail(&(*event).dup_active_list);
            }
            self.pmu_op_read(master);
            (*event).dup_count.set((*master).count.read());
            self.perf_event_update_userpage(event);
            0
        }
    }

    /// `event_pmu_del`: delta's, and the sharer leaves the list.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_v12(&self, event: *mut PerfEvent) {
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
            if !ptr::eq(master, event) {
                (*event).dup_active_list.del_init();
            }
        }
    }

    /// `_perf_event_reset` and `perf_event_pause`: the store. A master shows `master_count`.
    #[inline(never)]
    pub(super) unsafe fn reset_v12(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if ptr::eq((*event).dup_master.read(), event) {
                (*event).master_count.set(0);
            } else {
                (*event).count.set(0);
            }
        }
    }

    /// `perf_event_index`: the counter of the master, while the event itself is ACTIVE.
    #[inline(never)]
    pub(super) unsafe fn index_v12(&self, event: *mut PerfEvent) -> u32 {
        // SAFETY: the core's rule.
        unsafe {
            let owner = self.userpage_owner_v11r(event);
            if (*owner).hw.state.read() & hes::STOPPED != 0 || (*event).state.read() < state::ACTIVE
            {
                return 0;
            }
            self.pmu_op_event_idx(owner) as u32
        }
    }

    /// The end of `perf_event_update_userpage`: the pages of a master's ACTIVE sharers too.
    #[inline(never)]
    pub(super) unsafe fn update_sharers_userpages_v12(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule; nodes of this list are in events.
        unsafe {
            if !ptr::eq((*event).dup_master.read(), event) {
                return;
            }
            let sharers = Entries::<PerfEvent>::new(
                &raw const (*event).dup_active_list,
                offset_of!(PerfEvent, dup_active_list),
            );
            for sharer in sharers {
                self.perf_event_update_userpage(sharer);
            }
        }
    }
}
