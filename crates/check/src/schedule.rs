// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `schedule`: whoever is meant to count and fits is on the PMU, where `none` schedules it.
//!
//! `none` gives every event a counter of its own. While all events that are meant to count on a CPU
//! need no more counters than it has, `none` schedules every one of them as it is opened, enabled or
//! switched to; so must every version, which needs fewer. An event that did not fit once may wait:
//! counters that become free stay so until something is scheduled, in `none` too; nor does closing a
//! leader that is off schedule the members that it leaves behind. Such an event is excused until it is
//! on the PMU again. With an exclusive group there, or with more than one event for the
//! one counter of reference cycles, nothing is said.

use std::collections::BTreeSet;

use abi::syscall::{Attr, HW_REF_CPU_CYCLES, TYPE_HARDWARE, TYPE_SOFTWARE};
use machine::{AccessKind, ObjectAccess, ObjectId, View};

use crate::shadow::{Shadow, scheduled};
use crate::sharing::quiet;
use crate::state::State;
use crate::violation::{Moment, Oracle, Violation};

/// Who may wait, and what has been reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scheduling {
    /// General-purpose counters of a CPU; 0: nothing is known of the machine.
    counters: usize,
    excused: BTreeSet<ObjectId>,
    reported: BTreeSet<ObjectId>,
}

impl Scheduling {
    /// For a machine with so many general-purpose counters on each CPU.
    pub(crate) fn with_counters(counters: usize) -> Self {
        Self {
            counters,
            ..Self::default()
        }
    }

    /// Who loses its leader may have waited for it until now: it was not meant to count alone.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let moves = access.kind == AccessKind::Write && access.old != 0 && access.old != access.new;
        if moves && view.objects.field_name(access.offset) == "group_leader" {
            self.excused.insert(access.object);
        }
    }

    /// An event goes where a call lets go of its file that another CPU has closed meanwhile. It was there
    /// while that call ran: whoever is left may have made room for it.
    pub(crate) fn died(&mut self, view: &View<'_>, shadow: &Shadow) {
        if shadow.held_file(view) {
            self.excused.extend(shadow.ids());
        }
    }

    pub(crate) fn kernel_left(
        &mut self,
        view: &View<'_>,
        shadow: &Shadow,
        out: &mut Vec<Violation>,
    ) {
        let enabling = shadow.enabling();
        let meant = |cpu: usize, enabling: &BTreeSet<ObjectId>| -> Vec<ObjectId> {
            let meant = |&id: &ObjectId| {
                !view.objects.get(id).dead
                    && shadow.meant_with(id, enabling)
                    && shadow.here(view, id, cpu)
            };
            shadow.ids().filter(meant).collect()
        };
        for cpu in 0..view.cores.len() {
            let meant = meant(cpu, &enabling);
            if !self.fits(view, &meant) {
                // Who is on the PMU now may have to leave it before there is room again.
                self.excused.extend(meant);
            }
        }
        if !quiet(view) {
            return;
        }
        let meant = meant(view.cpu, &BTreeSet::new());
        if !self.fits(view, &meant) {
            return;
        }
        for &id in &meant {
            let state = view.field(id, "state").map_or(0, |state| state as i32);
            if scheduled(view, id) {
                self.excused.remove(&id);
            } else if turned_off(view, id, state) || leader_failed(view, id) {
                self.excused.insert(id);
            } else if !self.excused.contains(&id) && self.reported.insert(id) {
                let name = State::from_number(state).map_or("unknown", State::name);
                out.push(Violation {
                    oracle: Oracle::Schedule,
                    event: view.objects.get(id).name.clone(),
                    reader: None,
                    expected: format!(
                        "ACTIVE: it is meant to count, and {} counters are enough for all",
                        self.counters
                    ),
                    got: name.to_owned(),
                    error: 0,
                    tolerated: None,
                    at: Moment::at_rest(view),
                });
            }
        }
    }

    /// Whether each of them could have a counter of its own.
    fn fits(&self, view: &View<'_>, meant: &[ObjectId]) -> bool {
        let kind = |id| view.field(id, "attr.kind").unwrap_or(0) as u32;
        let reference = |&&id: &&ObjectId| {
            kind(id) == TYPE_HARDWARE && view.field(id, "attr.config") == Some(HW_REF_CPU_CYCLES)
        };
        let exclusive = |&id: &ObjectId| {
            view.field(id, "attr.flags")
                .is_some_and(|flags| flags & Attr::EXCLUSIVE != 0)
        };
        let hardware = meant.iter().filter(|&&id| kind(id) != TYPE_SOFTWARE);
        hardware.count() <= self.counters
            && meant.iter().filter(reference).count() <= 1
            && !meant.iter().any(exclusive)
    }
}

/// The leader of its group: itself, if it has none.
fn leader_of(view: &View<'_>, id: ObjectId) -> ObjectId {
    let leader = view.field(id, "group_leader");
    let leader = leader.and_then(|leader| view.objects.at(leader));
    leader.map_or(id, |(leader, _)| leader)
}

/// A member of a group whose pinned leader is in ERROR, which is for the leader to be judged by: no
/// group is scheduled without it.
fn leader_failed(view: &View<'_>, id: ObjectId) -> bool {
    let leader = leader_of(view, id);
    let state = view.field(leader, "state").map(|state| state as i32);
    leader != id && state == Some(State::Error as i32)
}

/// A sampling event that its limit has turned off, or a group whose leader it is.
fn turned_off(view: &View<'_>, id: ObjectId, state: i32) -> bool {
    let samples = |id| view.field(id, "attr.sample_period").is_some_and(|n| n != 0);
    let leader = leader_of(view, id);
    let off = |id| {
        view.field(id, "state")
            .is_some_and(|state| (state as i32) < 0)
    };
    state < 0 && samples(id) || off(leader) && samples(leader)
}
