// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `ownership`: the driver folds a counter only into the event that holds it.
//!
//! `x86_perf_event_update` reads whatever counter the event's index names; on an event that is not
//! running there, that is somebody else's value (x86-pmu reference, section 11). It shows in the
//! cmpxchg on `hw.prev_count`; the driver's table says who holds the counter. `x86_pmu_stop` clears
//! the table before its last update, which is no violation. Nor is an update of an event that an
//! overflow has stopped (throttled, or at its event limit): it keeps its counter, though nobody
//! stands in the table for it, until it is started again or taken off.

use std::collections::BTreeSet;

use abi::layout::CPUS_MAX;
use abi::msr::PERF_GLOBAL_CTRL;
use machine::{AccessKind, ObjectAccess, ObjectId, View};

use crate::table::Table;
use crate::violation::{Moment, Oracle, Violation};

/// `PERF_HES_STOPPED` and `PERF_HES_UPTODATE`.
const STOPPED: u64 = 1;
const UPTODATE: u64 = 2;

/// `PERF_EVENT_STATE_ENABLED` in this guest's numbering.
const ENABLED: i32 = 1;

/// Who is between the two halves of `x86_pmu_stop`, by CPU: in interrupted code and in an NMI
/// handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ownership {
    stopping: [[Option<ObjectId>; 2]; CPUS_MAX],
    table: Table,
    /// Counters that have been reported as held by nobody alive.
    leaked: BTreeSet<(usize, i32, u64)>,
    /// Counters that have been reported as switched on for an event that is INACTIVE.
    early: BTreeSet<(usize, i32, u64)>,
    last_read: Option<(u64, u64)>,
}

impl Ownership {
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) -> Option<Violation> {
        let place = (access.rip, access.offset);
        if access.kind == AccessKind::Read {
            self.last_read = Some(place);
            return None;
        }
        let read_modify_write = self.last_read.take() == Some(place);
        let frame = usize::from(view.core.nmi.is_some());
        match view.objects.field_name(access.offset) {
            "hw.state" => {
                let stopping = access.new & STOPPED != 0 && access.new & UPTODATE == 0;
                self.stopping[view.cpu][frame] = stopping.then_some(access.object);
                None
            }
            "hw.prev_count"
                if read_modify_write
                    && self.stopping[view.cpu][frame] != Some(access.object)
                    && !self.holds_counter(view, access.object)
                    && !self.keeps_counter(view, access.object) =>
            {
                Some(self.violation(view, access))
            }
            _ => None,
        }
    }

    /// Judges the driver's table where the CPU returns to user code or halts: whoever holds a counter
    /// must be alive and meant to count.
    pub(crate) fn kernel_left(&mut self, view: &View<'_>, out: &mut Vec<Violation>) {
        for (idx, addr) in self.table.holders(view) {
            let Some((id, _)) = view.objects.at(addr) else {
                continue;
            };
            let object = view.objects.get(id);
            let state = view.field(id, "state").map_or(0, |n| n as i32);
            if !object.dead && state >= ENABLED {
                continue;
            }
            if self.leaked.insert((view.cpu, idx, addr)) {
                let how = if object.dead {
                    "which was freed".to_owned()
                } else {
                    format!("whose state is {state}")
                };
                out.push(Violation {
                    oracle: Oracle::Ownership,
                    event: object.name.clone(),
                    reader: None,
                    expected: "a counter counts for an event that is ACTIVE or ENABLED".to_owned(),
                    got: format!("counter {idx} is held by {}, {how}", object.name),
                    error: u64::from(idx.unsigned_abs()),
                    tolerated: None,
                    at: Moment::at_rest(view),
                });
            }
        }
    }

    /// Judges the table where interrupted code lets the counters run: whoever holds one must be known
    /// to be on the hardware, or a sync of its sharers does not read it.
    pub(crate) fn wrmsr(
        &mut self,
        view: &View<'_>,
        msr: u32,
        value: u64,
        out: &mut Vec<Violation>,
    ) {
        if msr != PERF_GLOBAL_CTRL || value == 0 || view.core.nmi.is_some() {
            return;
        }
        for (idx, addr) in self.table.holders(view) {
            let Some((id, _)) = view.objects.at(addr) else {
                continue;
            };
            let object = view.objects.get(id);
            let inactive = view.field(id, "state") == Some(0);
            if !object.dead && inactive && self.early.insert((view.cpu, idx, addr)) {
                let rip = view.core.cpu.rip;
                out.push(Violation {
                    oracle: Oracle::Ownership,
                    event: object.name.clone(),
                    reader: None,
                    expected: "whose counter is switched on is ACTIVE or ENABLED".to_owned(),
                    got: format!("counter {idx} of {} runs while it is INACTIVE", object.name),
                    error: u64::from(idx.unsigned_abs()),
                    tolerated: None,
                    at: Moment::of(view, rip),
                });
            }
        }
    }

    fn holds_counter(&mut self, view: &View<'_>, object: ObjectId) -> bool {
        let Some(idx) = view.field(object, "hw.idx") else {
            return false;
        };
        self.table.holder(view, idx as i32) == Some(view.objects.get(object).addr)
    }

    /// Whether `object` was stopped without a last update, by an overflow, and its counter is still
    /// nobody else's. An NMI in the middle of `x86_pmu_stop` finds the same two things true; that
    /// event is on its way off the PMU.
    fn keeps_counter(&mut self, view: &View<'_>, object: ObjectId) -> bool {
        let leaving = view.core.nmi.is_some() && self.stopping[view.cpu][0] == Some(object);
        let idx = view.field(object, "hw.idx").unwrap_or(0) as i32;
        !leaving
            && view.field(object, "hw.state") == Some(STOPPED)
            && self.table.holder(view, idx) == Some(0)
    }

    fn violation(&mut self, view: &View<'_>, access: &ObjectAccess) -> Violation {
        let idx = view.field(access.object, "hw.idx").unwrap_or(0) as i32;
        let holder = self
            .table
            .holder(view, idx)
            .and_then(|addr| view.objects.at(addr))
            .map_or_else(
                || "nobody".to_owned(),
                |(id, _)| view.objects.get(id).name.to_string(),
            );
        Violation {
            oracle: Oracle::Ownership,
            event: view.objects.get(access.object).name.clone(),
            reader: None,
            expected: "pmu->read of an event that holds a counter".to_owned(),
            got: format!(
                "its index is {idx}, held by {holder}, at {}",
                view.image.place(access.rip)
            ),
            error: access.rip,
            tolerated: None,
            at: Moment::of(view, access.rip),
        }
    }
}
