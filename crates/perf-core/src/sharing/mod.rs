// SPDX-License-Identifier: GPL-2.0-only
//! Sharing one counter among events that count the same: one method for each row of the scheduler
//! table, which runs the version that the host chose before boot.
//!
//! | file | version |
//! |---|---|
//! | `none.rs` | v5.5 without the patch: every event has its own counter |
//! | `v10.rs` | the patch as posted, 23 January 2020 |
//! | `delta.rs` | the changes proposed in its review, 28 February 2020 |
//! | `v11.rs` | the next version, 6 March 2020 |
//! | `v11r.rs` | a repost under the same number, 24 March 2020 |
//! | `v12.rs` | the last version, 31 March 2020 |
//! | `retry.rs` | a `perf_event_count` proposed in reply to the review of v12, 29 April 2020 |
//! | `composed.rs` | remove_dup put together from parts of v10, delta and v11 |
//! | `mutants.rs` | wrong on purpose, to show that each oracle sees |
//!
//! A file holds what its version changes; what it leaves alone is the file's before it.
//!
//! Functions bear the patch's name and the version, and keep the order of accesses of their
//! version, whatever one thinks of it. The patch uses a state ENABLED, for a master whose counter
//! runs for others while it does not count itself, and keeps that master's own value in
//! `master_count`, since its `count` is what the driver adds to.
//!
//! What all versions share stands here: [`Perf::perf_event_compatible`] and the hooks' places in
//! the core.

mod composed;
mod delta;
mod mutants;
mod none;
mod retry;
mod v10;
mod v11;
mod v11r;
mod v12;

use core::mem::offset_of;

use abi::rows::Row;
use abi::syscall::Attr;

use crate::cell::barrier;
use crate::hw::Hardware;
use crate::list::Entries;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext};

// The numbers of the versions: the same in every row that has them.
const V10: u8 = Row::RemoveDup.number("v10");
const DELTA: u8 = Row::RemoveDup.number("delta");
const V11: u8 = Row::RemoveDup.number("v11");
const V11R: u8 = Row::RemoveDup.number("v11r");
const V12: u8 = Row::RemoveDup.number("v12");
// Values of single rows.
const COMPOSED: u8 = Row::RemoveDup.number("composed");
const RETRY: u8 = Row::EventCount.number("retry");
const READ_DUP_ADD_TWICE: u8 = Row::ReadDup.number("mutant-add-twice");
const EXIT_DUP_MASTER_SUNK_STORE: u8 = Row::ExitDupMaster.number("variant-sunk-store");
const READ_DUP_UNGUARDED: u8 = Row::ReadDup.number("mutant-unguarded");
const PMU_ADD_ACTIVE_OF_SHARER: u8 = Row::PmuAdd.number("mutant-active-of-sharer");
const PMU_DEL_STATE_LAST: u8 = Row::PmuDel.number("mutant-state-last");
const PMU_READ_EXIT_ACTIVE: u8 = Row::PmuRead.number("mutant-exit-active");
const READ_DUP_LOAD_ONCE: u8 = Row::ReadDup.number("mutant-load-once");
const REMOVE_DUP_NO_FOLD: u8 = Row::RemoveDup.number("mutant-no-fold");
const PMU_ADD_START_EARLY: u8 = Row::PmuAdd.number("mutant-start-early");
const PMU_DEL_READ_AFTER: u8 = Row::PmuDel.number("mutant-read-after");
const PMU_DEL_CLAIM_ONLY: u8 = Row::PmuDel.number("mutant-claim-only");
const PMU_READ_KEEP_POINTER: u8 = Row::PmuRead.number("mutant-keep-pointer");
const PMU_READ_WAIT: u8 = Row::PmuRead.number("mutant-wait");
const EVENT_COUNT_LOADS_SWAPPED: u8 = Row::EventCount.number("variant-loads-swapped");
const PMU_ADD_THIRD_WAITS: u8 = Row::PmuAdd.number("mutant-third-waits");
const SCHED_OUT_STATE_LOSE_TIME: u8 = Row::SchedOutState.number("mutant-lose-time");
const SETUP_DUP_CHILD_LAST: u8 = Row::SetupDup.number("mutant-child-last");
const SYNC_CHILD_EVENT_LOSE: u8 = Row::SyncChildEvent.number("mutant-lose");
const USERPAGE_STOPPED: u8 = Row::Userpage.number("mutant-stopped");
const SCHED_OUT_STATE_ENABLED: u8 = Row::SchedOutState.number("mutant-enabled");

/// All events of a context, newest first.
#[inline(always)]
unsafe fn context_events(ctx: *mut PerfEventContext) -> Entries<PerfEvent> {
    // SAFETY: the core's rule; nodes of this list are in events.
    unsafe {
        Entries::new(
            &raw const (*ctx).event_list,
            offset_of!(PerfEvent, event_entry),
        )
    }
}

impl<H: Hardware> Perf<H> {
    /// The switch `shadow_child_count`.
    #[inline(always)]
    fn shadow_child_count(&self) -> bool {
        self.row(Row::ShadowChildCount) != 0
    }

    /// `perf_event_compatible`: the same in every version: the attributes are equal, byte for byte.
    #[inline(never)]
    unsafe fn perf_event_compatible(&self, a: *const PerfEvent, b: *const PerfEvent) -> bool {
        // SAFETY: the core's rule; `Attr` has no padding.
        unsafe {
            let size = ((*a).attr.size as usize).min(size_of_val(&(*a).attr));
            let bytes = |event: *const PerfEvent| {
                core::slice::from_raw_parts((&raw const (*event).attr).cast::<u8>(), size)
            };
            bytes(a) == bytes(b)
        }
    }

    /// Row `can_share`: may the event share a counter?
    #[inline(never)]
    unsafe fn perf_event_can_share(&self, event: *const PerfEvent) -> bool {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::CanShare) {
                V10 | DELTA => self.can_share_v10(event),
                V11 | V11R | V12 => self.can_share_v11(event),
                _ => self.can_share_none(event),
            }
        }
    }

    /// Row `init_dup_master`: the event becomes its own master.
    #[inline(never)]
    unsafe fn perf_event_init_dup_master(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::InitDupMaster) {
                V10 => self.init_dup_master_v10(event),
                DELTA => self.init_dup_master_delta(event),
                V11 | V11R => self.init_dup_master_v11(event),
                V12 => self.init_dup_master_v12(event),
                _ => {}
            }
        }
    }

    /// Row `exit_dup_master`: undoes it.
    #[inline(never)]
    unsafe fn perf_event_exit_dup_master(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::ExitDupMaster) {
                V10 => self.exit_dup_master_v10(event),
                DELTA => self.exit_dup_master_delta(event),
                V11 | V11R | V12 => self.exit_dup_master_v11(event),
                EXIT_DUP_MASTER_SUNK_STORE => self.exit_dup_master_variant_sunk_store(event),
                _ => {}
            }
        }
    }

    /// Row `read_dup`: folds what the master has counted since the last time into the event.
    #[inline(never)]
    unsafe fn event_pmu_read_dup(&self, event: *mut PerfEvent, master: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::ReadDup) {
                V10 => self.read_dup_v10(event, master),
                DELTA | V11 | V11R | V12 => self.read_dup_delta(event, master),
                READ_DUP_ADD_TWICE => self.read_dup_mutant_add_twice(event, master),
                READ_DUP_UNGUARDED => self.read_dup_mutant_unguarded(event, master),
                READ_DUP_LOAD_ONCE => self.read_dup_mutant_load_once(event, master),
                _ => {}
            }
        }
    }

    /// Row `setup_dup`: looks for a master for an event that has just come, or been enabled in a
    /// context that is not active.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_setup_dup(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::SetupDup) {
                V10 | V11 => self.setup_dup_v10(event, ctx),
                DELTA => self.setup_dup_delta(event, ctx),
                V11R => self.setup_dup_v11r(event, ctx),
                V12 => self.setup_dup_v12(event, ctx),
                SETUP_DUP_CHILD_LAST => self.setup_dup_mutant_child_last(event, ctx),
                _ => {}
            }
        }
    }

    /// Row `remove_dup`: takes the event out of sharing; a master hands the counter on.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_remove_dup(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::RemoveDup) {
                V10 => self.remove_dup_v10(event, ctx),
                DELTA => self.remove_dup_delta(event, ctx),
                V11 | V11R => self.remove_dup_v11(event, ctx),
                V12 => self.remove_dup_v12(event, ctx),
                COMPOSED => self.remove_dup_composed(event, ctx),
                REMOVE_DUP_NO_FOLD => self.remove_dup_mutant_no_fold(event, ctx),
                _ => {}
            }
        }
    }

    /// Row `pmu_add` (`event_pmu_add`): puts the event, or its master, on the PMU.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, the PMU is disabled.
    #[inline(never)]
    pub(crate) unsafe fn event_pmu_add(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::PmuAdd) {
                V10 => self.pmu_add_v10(event),
                DELTA | V11 | V11R => self.pmu_add_delta(event),
                V12 => self.pmu_add_v12(event),
                PMU_ADD_ACTIVE_OF_SHARER => self.pmu_add_mutant_active_of_sharer(event),
                PMU_ADD_THIRD_WAITS => self.pmu_add_mutant_third_waits(event),
                PMU_ADD_START_EARLY => self.pmu_add_mutant_start_early(event),
                _ => self.pmu_add_none(event),
            }
        }
    }

    /// Row `pmu_del` (`event_pmu_del`): takes it off; the last sharer takes the master off.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, the PMU is disabled.
    #[inline(never)]
    pub(crate) unsafe fn event_pmu_del(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::PmuDel) {
                V10 => self.pmu_del_v10(event),
                DELTA | V11 | V11R => self.pmu_del_delta(event),
                V12 => self.pmu_del_v12(event),
                PMU_DEL_STATE_LAST => self.pmu_del_mutant_state_last(event),
                PMU_DEL_READ_AFTER => self.pmu_del_mutant_read_after(event),
                PMU_DEL_CLAIM_ONLY => self.pmu_del_mutant_claim_only(event),
                _ => self.pmu_del_none(event),
            }
        }
    }

    /// Row `pmu_read` (`event_pmu_read`): brings the event's count up to date.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn event_pmu_read(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::PmuRead) {
                // All later versions leave it as it is in v10.
                V10 | DELTA | V11 | V11R | V12 => self.pmu_read_v10(event),
                PMU_READ_EXIT_ACTIVE => self.pmu_read_mutant_exit_active(event),
                PMU_READ_KEEP_POINTER => self.pmu_read_mutant_keep_pointer(event),
                PMU_READ_WAIT => self.pmu_read_mutant_wait(event),
                _ => self.pmu_read_none(event),
            }
        }
    }

    /// Row `sched_out_state`: the state that `event_sched_out` leaves behind when nothing asked for
    /// a disable.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn event_sched_out_state(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::SchedOutState) {
                V10 => self.sched_out_state_v10(event),
                DELTA | V11 | V11R | V12 => self.sched_out_state_delta(event),
                SCHED_OUT_STATE_LOSE_TIME => self.sched_out_state_mutant_lose_time(event),
                SCHED_OUT_STATE_ENABLED => self.sched_out_state_mutant_enabled(event),
                _ => self.sched_out_state_none(event),
            }
        }
    }

    /// Row `event_count` (`perf_event_count`): the sum that readers see.
    ///
    /// # Safety
    /// The core's rule. Called from anywhere, NMI and other CPUs included.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_count(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::EventCount) {
                V10 => self.event_count_v10(event),
                DELTA | V11 | V11R | V12 => self.event_count_delta(event),
                RETRY => self.event_count_retry(event),
                EVENT_COUNT_LOADS_SWAPPED => self.event_count_variant_loads_swapped(event),
                _ => self.event_count_none(event),
            }
        }
    }

    /// Row `read_local`: the value part of `perf_event_read_local`.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_local_value(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::ReadLocal) {
                // All later versions leave it as it is in v10.
                V10 | DELTA | V11 | V11R | V12 => self.local_value_v10(event),
                _ => self.local_value_none(event),
            }
        }
    }

    /// Row `sync_child_event`: an exiting child leaves its count to its parent.
    ///
    /// # Safety
    /// The core's rule; `parent` is the child's parent.
    #[inline(never)]
    pub unsafe fn sync_child_event(&self, child: *mut PerfEvent, parent: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let value = self.perf_event_count(child) as i64;
            match self.row(Row::SyncChildEvent) {
                V10 => self.sync_child_event_v10(parent, value),
                SYNC_CHILD_EVENT_LOSE => self.sync_child_event_mutant_lose(parent, value),
                // delta goes back to mainline, and stays there.
                _ => self.sync_child_event_none(parent, value),
            }
            let enabled = (*child).total_time_enabled.read() as i64;
            (*parent).child_total_time_enabled.add(enabled);
            let running = (*child).total_time_running.read() as i64;
            (*parent).child_total_time_running.add(running);
        }
    }

    /// Switch `remove_dup_on_disable`: v12's `__perf_event_disable` ends with remove_dup.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, the event is off.
    #[inline(never)]
    pub(crate) unsafe fn remove_dup_on_disable(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        if self.row(Row::RemoveDupOnDisable) != 0 {
            // SAFETY: the caller's promise.
            unsafe { self.perf_event_remove_dup(event, ctx) }
        }
    }

    /// Switch `setup_dup_in_resched`: v12's `ctx_resched` looks for a master for `new_event`, if
    /// there is one, while everything is scheduled out.
    ///
    /// # Safety
    /// The core's rule; the lock of the event's context is held.
    #[inline(never)]
    pub(crate) unsafe fn setup_dup_in_resched(&self, new_event: *mut PerfEvent) {
        if self.row(Row::SetupDupInResched) != 0 && !new_event.is_null() {
            // SAFETY: the caller's promise.
            unsafe { self.perf_event_setup_dup(new_event, (*new_event).ctx) }
        }
    }

    /// Row `reset` (`_perf_event_reset`): v12 knows masters; the others set `count`, a master's too.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_reset(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.perf_event_read(event, false);
            self.store_zero(event, Row::Reset);
            self.perf_event_update_userpage(event);
            // No jump instead of the call: reports name this function as the page's writer.
            barrier();
        }
    }

    /// Row `pause` (`perf_event_pause`, v5.5): disables and returns the count without children's;
    /// `reset` sets it to 0. In all versions the value is `count`, a master's too.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn perf_event_pause(&self, event: *mut PerfEvent, reset: bool) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            self.warn_on(
                (*event).attr.flags & Attr::INHERIT != 0,
                "perf_event_pause: children go on",
            );
            self.perf_event_disable(event);
            let value = (*event).count.read() as u64;
            if reset {
                self.store_zero(event, Row::Pause);
            }
            value
        }
    }

    /// What reset and pause set to 0.
    #[inline(always)]
    unsafe fn store_zero(&self, event: *mut PerfEvent, row: Row) {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(row) {
                V12 => self.reset_v12(event),
                _ => self.reset_none(event),
            }
        }
    }

    /// Row `userpage` (`perf_event_index`): what user space may give RDPMC, plus one; 0 when the
    /// counter is not running.
    ///
    /// # Safety
    /// The core's rule. Called from NMI too.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_index(&self, event: *mut PerfEvent) -> u32 {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::Userpage) {
                V11R => self.index_v11r(event),
                V12 => self.index_v12(event),
                USERPAGE_STOPPED => self.index_mutant_stopped(event),
                _ => self.index_none(event),
            }
        }
    }

    /// Row `userpage` (`perf_event_update_userpage`): the event whose counter the page means.
    ///
    /// # Safety
    /// The core's rule. Called from NMI too.
    #[inline(never)]
    pub(crate) unsafe fn userpage_owner(&self, event: *mut PerfEvent) -> *mut PerfEvent {
        // SAFETY: the core's rule.
        unsafe {
            match self.row(Row::Userpage) {
                V11R | V12 => self.userpage_owner_v11r(event),
                _ => event,
            }
        }
    }

    /// Row `userpage` (the end of `perf_event_update_userpage`): v12 goes on to the sharers' pages.
    ///
    /// # Safety
    /// The core's rule. Called from NMI too.
    #[inline(never)]
    pub(crate) unsafe fn update_sharers_userpages(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if self.row(Row::Userpage) == V12 {
                self.update_sharers_userpages_v12(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dispatch relies on it.
    #[test]
    fn versions_have_one_number_in_all_rows() {
        let versions = [
            ("none", 0),
            ("v10", V10),
            ("delta", DELTA),
            ("v11", V11),
            ("v11r", V11R),
            ("v12", V12),
        ];
        for row in Row::ALL.iter().filter(|row| row.values()[0] == "none") {
            for (name, number) in versions {
                assert_eq!(row.number(name), number, "{}", row.name());
            }
        }
    }
}
