// SPDX-License-Identifier: GPL-2.0-only
//! The rows of the scheduler table: which version of each sharing function the guest runs. The
//! host writes the choice into the guest before boot ([`crate::boot::BootInfo`]).

/// A function of the sharing code that exists in several versions, or a switch of a call site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Row {
    /// May this event share a counter? (`perf_event_can_share`)
    CanShare,
    /// Make an event its own master (`perf_event_init_dup_master`).
    InitDupMaster,
    /// Undo that (`perf_event_exit_dup_master`).
    ExitDupMaster,
    /// Fold the master's count into a sharer (`event_sync_dup_count`, `event_pmu_read_dup`).
    ReadDup,
    /// Find a master for an event (`perf_event_setup_dup`).
    SetupDup,
    /// Take an event out of sharing (`perf_event_remove_dup`).
    RemoveDup,
    /// `event_pmu_add`.
    PmuAdd,
    /// `event_pmu_del`.
    PmuDel,
    /// `event_pmu_read`.
    PmuRead,
    /// The state that `event_sched_out` leaves behind.
    SchedOutState,
    /// The sum that readers see (`perf_event_count`).
    EventCount,
    /// The value part of `perf_event_read_local`.
    ReadLocal,
    /// Where an exiting child's count goes (`sync_child_event`).
    SyncChildEvent,
    /// `_perf_event_reset`.
    Reset,
    /// `perf_event_pause`.
    Pause,
    /// `perf_event_index` and `perf_event_update_userpage`.
    Userpage,
    /// Switch: v10 copies child counts beside counts.
    ShadowChildCount,
    /// Switch: `__perf_event_disable` ends with remove_dup.
    RemoveDupOnDisable,
    /// Switch: `ctx_resched` calls setup_dup for the new event.
    SetupDupInResched,
    /// `x86_perf_event_update` skips: the v5.5 or the v5.9 rule.
    ReadGuard,
    /// Composed remove_dup: how a sharer goes from one master to the next.
    Flip,
    /// Composed remove_dup: when the new master gets its `master_count`.
    MasterCount,
    /// Composed remove_dup, switch: ENABLED is stored before the PMU is enabled.
    StateBeforeEnable,
    /// Composed remove_dup, switch: the old master is taken off the PMU, which stays disabled
    /// until the new one is on it.
    DelOld,
}

/// The versions of a row without other values, oldest first. Where a version leaves a function
/// alone, the guest runs the one before it.
const VERSIONS: &[&str] = &["none", "v10", "delta", "v11", "v11r", "v12"];

impl Row {
    /// Every row, in the order of the table.
    pub const ALL: [Self; 24] = [
        Self::CanShare,
        Self::InitDupMaster,
        Self::ExitDupMaster,
        Self::ReadDup,
        Self::SetupDup,
        Self::RemoveDup,
        Self::PmuAdd,
        Self::PmuDel,
        Self::PmuRead,
        Self::SchedOutState,
        Self::EventCount,
        Self::ReadLocal,
        Self::SyncChildEvent,
        Self::Reset,
        Self::Pause,
        Self::Userpage,
        Self::ShadowChildCount,
        Self::RemoveDupOnDisable,
        Self::SetupDupInResched,
        Self::ReadGuard,
        Self::Flip,
        Self::MasterCount,
        Self::StateBeforeEnable,
        Self::DelOld,
    ];

    /// The name in scheduler files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CanShare => "can_share",
            Self::InitDupMaster => "init_dup_master",
            Self::ExitDupMaster => "exit_dup_master",
            Self::ReadDup => "read_dup",
            Self::SetupDup => "setup_dup",
            Self::RemoveDup => "remove_dup",
            Self::PmuAdd => "pmu_add",
            Self::PmuDel => "pmu_del",
            Self::PmuRead => "pmu_read",
            Self::SchedOutState => "sched_out_state",
            Self::EventCount => "event_count",
            Self::ReadLocal => "read_local",
            Self::SyncChildEvent => "sync_child_event",
            Self::Reset => "reset",
            Self::Pause => "pause",
            Self::Userpage => "userpage",
            Self::ShadowChildCount => "shadow_child_count",
            Self::RemoveDupOnDisable => "remove_dup_on_disable",
            Self::SetupDupInResched => "setup_dup_in_resched",
            Self::ReadGuard => "read_guard",
            Self::Flip => "flip",
            Self::MasterCount => "master_count",
            Self::StateBeforeEnable => "state_before_enable",
            Self::DelOld => "del_old",
        }
    }

    /// The values this image offers, by name; the position in the list is the number in the table.
    /// Position 0 is what `none` runs. A value `mutant-...` is wrong on purpose, to show that the
    /// checks see it; a value `variant-...` is what another compiler or processor could do.
    #[must_use]
    pub const fn values(self) -> &'static [&'static str] {
        match self {
            Self::ShadowChildCount
            | Self::RemoveDupOnDisable
            | Self::SetupDupInResched
            | Self::StateBeforeEnable
            | Self::DelOld => &["false", "true"],
            Self::ReadGuard => &["v5.5", "v5.9"],
            Self::Flip => &["base-first", "tombstone"],
            Self::MasterCount => &["at-flip", "second-sharer"],
            Self::ReadDup => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-add-twice",
                "mutant-load-once",
                "mutant-unguarded",
            ],
            Self::RemoveDup => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "composed",
                "mutant-no-fold",
            ],
            Self::PmuAdd => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-start-early",
                "mutant-active-of-sharer",
                "mutant-third-waits",
            ],
            Self::PmuDel => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-read-after",
                "mutant-claim-only",
                "mutant-state-last",
            ],
            Self::PmuRead => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-keep-pointer",
                "mutant-wait",
                "mutant-exit-active",
            ],
            Self::SchedOutState => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-enabled",
                "mutant-lose-time",
            ],
            Self::SetupDup => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-child-last",
            ],
            Self::SyncChildEvent => &["none", "v10", "delta", "v11", "v11r", "v12", "mutant-lose"],
            Self::Userpage => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "mutant-stopped",
            ],
            Self::ExitDupMaster => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "variant-sunk-store",
            ],
            Self::EventCount => &[
                "none",
                "v10",
                "delta",
                "v11",
                "v11r",
                "v12",
                "retry",
                "variant-loads-swapped",
            ],
            _ => VERSIONS,
        }
    }

    /// The number of a value of this row.
    ///
    /// # Panics
    /// The row has no such value: at compile time, where this gives a constant.
    #[must_use]
    pub const fn number(self, value: &str) -> u8 {
        let values = self.values();
        let mut at = 0;
        while at < values.len() {
            if equal(values[at].as_bytes(), value.as_bytes()) {
                return at as u8;
            }
            at += 1;
        }
        panic!("the row has no such value")
    }
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    a.len() == b.len()
}

/// One choice for each row, by position in [`Row::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Rows(pub [u8; Row::ALL.len()]);

impl Rows {
    /// The number chosen for `row`.
    #[must_use]
    pub const fn get(&self, row: Row) -> u8 {
        self.0[row as usize]
    }
}
