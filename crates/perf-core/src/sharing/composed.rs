// SPDX-License-Identifier: GPL-2.0-only
//! `remove_dup` put together from its parts, so that a bisect over schedulers can name the part:
//! the value `composed` of the row. No patch has it; with the parts of v10, of delta and of v11 it
//! accesses events in the order of the original, which a test holds.
//!
//! | row | v10 | delta | v11 |
//! |---|---|---|---|
//! | `flip` | `base-first` | `tombstone` | `tombstone` |
//! | `master_count` | `second-sharer` | `at-flip` | `at-flip` |
//! | `state_before_enable` | `false` | `true` | `true` |
//! | `del_old` | `false` | `false` | `true` |

use core::ptr;

use super::context_events;
use crate::cell::barrier;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, TOMBSTONE, ef, state};
use abi::rows::Row;

/// `flip = "tombstone"`.
const TOMBSTONE_FLIP: u8 = Row::Flip.number("tombstone");
/// `master_count = "at-flip"`.
const AT_FLIP: u8 = Row::MasterCount.number("at-flip");

impl<H: Hardware> Perf<H> {
    /// `perf_event_remove_dup`, by the rows `flip`, `master_count`, `state_before_enable` and
    /// `del_old`.
    #[inline(never)]
    pub(super) unsafe fn remove_dup_composed(
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
            if self.row(Row::DelOld) != 0 {
                let active_count = (*event).dup_active.read();
                if active_count != 0 {
                    self.perf_pmu_disable();
                    self.pmu_op_del(event);
                }
                let (new_master, dup_count) = self.move_sharers(event, ctx);
                self.perf_event_exit_dup_master(event);
                if dup_count == 0 {
                    return;
                }
                if active_count != 0 {
                    self.copy_hw_config(event, new_master);
                    self.add_new_master(new_master);
                }
                self.settle_new_master(new_master, dup_count, active_count);
            } else {
                let (new_master, dup_count) = self.move_sharers(event, ctx);
                let active_count = (*event).dup_active.read();
                self.perf_event_exit_dup_master(event);
                if dup_count == 0 {
                    return;
                }
                self.settle_new_master(new_master, dup_count, active_count);
                if active_count != 0 {
                    self.copy_hw_config(event, new_master);
                    self.perf_pmu_disable();
                    self.add_new_master(new_master);
                }
            }
        }
    }

    /// The loop: every sharer goes to the first one. That one, and how many there are.
    #[inline(always)]
    unsafe fn move_sharers(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) -> (*mut PerfEvent, u32) {
        // SAFETY: the core's rule.
        unsafe {
            let tombstone = self.row(Row::Flip) == TOMBSTONE_FLIP;
            let at_flip = self.row(Row::MasterCount) == AT_FLIP;
            let mut dup_count = 0;
            let mut new_master: *mut PerfEvent = ptr::null_mut();
            for tmp in context_events(ctx) {
                if !ptr::eq((*tmp).dup_master.read(), event) || ptr::eq(tmp, event) {
                    continue;
                }
                if new_master.is_null() {
                    new_master = tmp;
                }
                if !at_flip && dup_count == 1 {
                    self.perf_event_init_dup_master(new_master);
                }
                if tombstone {
                    self.flip_through_tombstone(tmp, event, new_master, at_flip);
                } else {
                    self.flip_base_first(tmp, event, new_master, at_flip);
                }
                dup_count += 1;
            }
            (new_master, dup_count)
        }
    }

    /// v10: the base of an ACTIVE sharer, then its master.
    #[inline(always)]
    unsafe fn flip_base_first(
        &self,
        tmp: *mut PerfEvent,
        event: *mut PerfEvent,
        new_master: *mut PerfEvent,
        at_flip: bool,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if (*tmp).state.read() == state::ACTIVE {
                self.event_pmu_read_dup(tmp, event);
                (*tmp).dup_count.set((*new_master).count.read());
                if self.shadow_child_count() {
                    let base = (*new_master).child_count.read();
                    (*tmp).dup_base_child_count.write(base as u64);
                }
            }
            if at_flip && ptr::eq(tmp, new_master) {
                (*tmp).master_count.set((*tmp).count.read());
            }
            (*tmp).dup_master.write(new_master);
        }
    }

    /// delta: through the tombstone, whatever the sharer's state is.
    #[inline(always)]
    unsafe fn flip_through_tombstone(
        &self,
        tmp: *mut PerfEvent,
        event: *mut PerfEvent,
        new_master: *mut PerfEvent,
        at_flip: bool,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if (*tmp).state.read() == state::ACTIVE {
                self.event_pmu_read_dup(tmp, event);
            }
            (*tmp).dup_master.write(TOMBSTONE);
            barrier();
            let count = (*new_master).count.read();
            (*tmp).dup_count.set(count);
            if at_flip && ptr::eq(tmp, new_master) {
                (*tmp).master_count.set(count);
            }
            barrier();
            (*tmp).dup_master.write(new_master);
        }
    }

    /// Puts the new master on the PMU, which is disabled, and enables it.
    #[inline(always)]
    unsafe fn add_new_master(&self, new_master: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let ret = self.pmu_op_add(new_master, ef::START);
            self.warn_on(ret != 0, "perf_event_remove_dup: adding the new master");
            let early = self.row(Row::StateBeforeEnable) != 0;
            if !early {
                self.perf_pmu_enable();
            }
            if (*new_master).state.read() == state::INACTIVE {
                (*new_master).state.write(state::ENABLED);
            }
            if early {
                self.perf_pmu_enable();
            }
        }
    }

    /// A master of itself alone is none.
    #[inline(always)]
    unsafe fn settle_new_master(
        &self,
        new_master: *mut PerfEvent,
        dup_count: u32,
        active_count: i32,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if dup_count == 1 {
                (*new_master).dup_master.write(ptr::null_mut());
            } else {
                (*new_master).dup_active.write(active_count);
            }
        }
    }
}
