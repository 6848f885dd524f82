// SPDX-License-Identifier: GPL-2.0-only
//! Sharing one counter among events that count the same: one method for each row of the scheduler
//! table, which runs the version that the host chose before boot.
//!
//! | file | version |
//! |---|---|
//! | `none.rs` | v5.5 without the patch: every event has its own counter |
//! | `v10.rs` | the patch as posted, 23 January 2020 |
//! | `delta.rs` | the changes proposed in its review, 28 February 2020 |
//! | `mutants.rs` | wrong on purpose, to show that each oracle sees |
//!
//! Functions bear the patch's name and the version, and keep the order of accesses of their
//! version, whatever one thinks of it. The patch uses a state ENABLED, for a master whose counter
//! runs for others while it does not count itself, and keeps that master's own value in
//! `master_count`, since its `count` is what the driver adds to.
//!
//! What all versions share stands here: [`Perf::perf_event_compatible`] and the hooks' places in
//! the core.

mod delta;
mod mutants;
mod none;
mod v10;

use core::mem::offset_of;

use abi::rows::Row;
use abi::syscall::Attr;

use crate::hw::Hardware;
use crate::list::Entries;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext};

/// Row values, by position in [`Row::values`].
mod version {
    /// v10.
    pub(super) const V10: u8 = 1;
    /// delta.
    pub(super) const DELTA: u8 = 2;
    /// The row's first mutant.
    pub(super) const MUTANT: u8 = 3;
    /// Its second one.
    pub(super) const SECOND_MUTANT: u8 = 4;
}
use version::{DELTA, MUTANT, SECOND_MUTANT, V10};

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
                // delta leaves it as it is in v10.
                V10 | DELTA => self.can_share_v10(event),
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
                DELTA => self.read_dup_delta(event, master),
                MUTANT => self.read_dup_mutant_add_twice(event, master),
                SECOND_MUTANT => self.read_dup_mutant_load_once(event, master),
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
                V10 => self.setup_dup_v10(event, ctx),
                DELTA => self.setup_dup_delta(event, ctx),
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
                MUTANT => self.remove_dup_mutant_no_fold(event, ctx),
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
                DELTA => self.pmu_add_delta(event),
                MUTANT => self.pmu_add_mutant_start_early(event),
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
                DELTA => self.pmu_del_delta(event),
                MUTANT => self.pmu_del_mutant_read_after(event),
                SECOND_MUTANT => self.pmu_del_mutant_claim_only(event),
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
                // delta leaves it as it is in v10.
                V10 | DELTA => self.pmu_read_v10(event),
                MUTANT => self.pmu_read_mutant_keep_pointer(event),
                SECOND_MUTANT => self.pmu_read_mutant_wait(event),
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
                DELTA => self.sched_out_state_delta(event),
                MUTANT => self.sched_out_state_mutant_enabled(event),
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
                DELTA => self.event_count_delta(event),
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
                // delta leaves it as it is in v10.
                V10 | DELTA => self.local_value_v10(event),
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
                // delta goes back to mainline.
                _ => self.sync_child_event_none(parent, value),
            }
            let enabled = (*child).total_time_enabled.read() as i64;
            (*parent).child_total_time_enabled.add(enabled);
            let running = (*child).total_time_running.read() as i64;
            (*parent).child_total_time_running.add(running);
        }
    }

    /// Row `reset` (`_perf_event_reset`). All versions so far set `count`, a master's too.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_reset(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.perf_event_read(event, false);
            self.reset_none(event);
            self.perf_event_update_userpage(event);
        }
    }

    /// Row `pause` (`perf_event_pause`, v5.5): disables and returns the count without children's;
    /// `reset` sets it to 0. All versions so far are mainline's.
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
                self.reset_none(event);
            }
            value
        }
    }
}
