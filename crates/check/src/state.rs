// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `state`: the state machine of an event as one table, and what masters and sharers must
//! agree on whenever the CPU returns to user code or halts.
//!
//! The table is what the documentation draws. ENABLED is the state of a master whose hardware
//! counter runs for others while it does not count itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use machine::{AccessKind, ObjectAccess, ObjectId, View};

use crate::sharing::quiet;
use crate::violation::{Moment, Oracle, Violation};

/// States of an event, in the guest's numbering (contract, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum State {
    /// Released.
    Dead = -4,
    /// The owning task died.
    Exit = -3,
    /// A pinned group that could not be scheduled.
    Error = -2,
    /// Disabled.
    Off = -1,
    /// Enabled, not on a PMU.
    Inactive = 0,
    /// A master that counts for its duplicates only.
    Enabled = 1,
    /// On a PMU.
    Active = 2,
}

impl State {
    /// Every state, by number.
    pub const ALL: [Self; 7] = [
        Self::Dead,
        Self::Exit,
        Self::Error,
        Self::Off,
        Self::Inactive,
        Self::Enabled,
        Self::Active,
    ];

    /// What it means, in words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Dead => "released",
            Self::Exit => "its task has exited",
            Self::Error => "a pinned group that could not be scheduled; only enabling leaves it",
            Self::Off => "disabled",
            Self::Inactive => "enabled, not on a PMU",
            Self::Enabled => {
                "a master whose counter runs for others while it does not count itself"
            }
            Self::Active => "on a PMU",
        }
    }

    /// The state with this number.
    #[must_use]
    pub const fn from_number(n: i32) -> Option<Self> {
        Some(match n {
            -4 => Self::Dead,
            -3 => Self::Exit,
            -2 => Self::Error,
            -1 => Self::Off,
            0 => Self::Inactive,
            1 => Self::Enabled,
            2 => Self::Active,
            _ => return None,
        })
    }

    /// The kernel's name, without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dead => "DEAD",
            Self::Exit => "EXIT",
            Self::Error => "ERROR",
            Self::Off => "OFF",
            Self::Inactive => "INACTIVE",
            Self::Enabled => "ENABLED",
            Self::Active => "ACTIVE",
        }
    }
}

/// A transition that is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    /// From this state.
    pub from: State,
    /// To this state.
    pub to: State,
    /// Kernel functions that make it.
    pub by: &'static str,
}

const fn t(from: State, to: State, by: &'static str) -> Transition {
    Transition { from, to, by }
}

/// Every transition that may happen to a living event.
pub const TRANSITIONS: &[Transition] = &[
    t(
        State::Off,
        State::Inactive,
        "__perf_event_enable, perf_event_enable_on_exec",
    ),
    t(State::Inactive, State::Active, "event_sched_in"),
    t(
        State::Active,
        State::Inactive,
        "event_sched_out, event_sched_in (pmu->add failed)",
    ),
    t(
        State::Active,
        State::Off,
        "event_sched_out (pending_disable)",
    ),
    t(
        State::Inactive,
        State::Off,
        "__perf_event_disable, list_del_event",
    ),
    t(State::Inactive, State::Error, "pinned_sched_in"),
    t(State::Error, State::Off, "_perf_event_enable"),
    t(State::Error, State::Inactive, "event_enable_on_exec"),
    t(
        State::Inactive,
        State::Enabled,
        "event_pmu_add (master), perf_event_remove_dup (new master)",
    ),
    t(State::Enabled, State::Inactive, "event_pmu_del (master)"),
    t(State::Enabled, State::Active, "event_sched_in (master)"),
    t(
        State::Enabled,
        State::Off,
        "list_del_event (a master that is closed while duplicates are ACTIVE)",
    ),
    t(
        State::Active,
        State::Enabled,
        "event_sched_out (master with active duplicates)",
    ),
    t(State::Off, State::Dead, "perf_event_release_kernel"),
    t(
        State::Inactive,
        State::Dead,
        "perf_event_release_kernel (enabled after its CPU went away)",
    ),
    t(State::Error, State::Dead, "perf_event_release_kernel"),
    t(State::Exit, State::Dead, "perf_event_release_kernel"),
    t(State::Off, State::Exit, "perf_event_exit_event"),
    t(State::Error, State::Exit, "perf_event_exit_event"),
];

/// `EVENT_TOMBSTONE`.
const TOMBSTONE: u64 = u64::MAX;

/// What has been reported already: a broken rule stays broken for a while.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateMachine {
    reported: BTreeSet<(ObjectId, &'static str)>,
}

/// One event's sharing fields at a quiet point.
struct Sharing {
    id: ObjectId,
    addr: u64,
    state: Option<State>,
    master: u64,
    active: i32,
}

impl StateMachine {
    /// Judges a store to `state`.
    pub(crate) fn access(view: &View<'_>, access: &ObjectAccess) -> Option<Violation> {
        if access.kind != AccessKind::Write || view.objects.field_name(access.offset) != "state" {
            return None;
        }
        let object = view.objects.get(access.object);
        if object.dead || access.old == access.new {
            return None;
        }
        let (old, new) = (access.old as i32, access.new as i32);
        let (from, to) = (State::from_number(old), State::from_number(new));
        if let (Some(from), Some(to)) = (from, to)
            && TRANSITIONS.iter().any(|t| t.from == from && t.to == to)
        {
            return None;
        }
        let name = |state: Option<State>, n: i32| {
            state.map_or_else(|| n.to_string(), |state| state.name().to_owned())
        };
        Some(Violation {
            oracle: Oracle::State,
            event: object.name.clone(),
            reader: None,
            expected: "a drawn transition".to_owned(),
            got: format!(
                "{} to {} at {}",
                name(from, old),
                name(to, new),
                view.image.place(access.rip)
            ),
            error: (u64::from(old as u32) << 32) | u64::from(new as u32),
            tolerated: None,
            at: Moment::of(view, access.rip),
        })
    }

    /// Judges all events where a CPU returns to user code or halts and no other one is in the kernel:
    /// nothing is half done there.
    pub(crate) fn kernel_left(&mut self, view: &View<'_>, out: &mut Vec<Violation>) {
        if !quiet(view) {
            return;
        }
        let events: Vec<Sharing> = view
            .objects
            .iter()
            .filter(|(_, object)| !object.dead)
            .map(|(id, object)| Sharing {
                id,
                addr: object.addr,
                state: view
                    .field(id, "state")
                    .and_then(|n| State::from_number(n as i32)),
                master: view.field(id, "dup_master").unwrap_or(0),
                active: view.field(id, "dup_active").unwrap_or(0) as i32,
            })
            .collect();
        for event in &events {
            for (rule, expected, got) in broken_rules(event, &events) {
                if self.reported.insert((event.id, rule)) {
                    let name: Arc<str> = view.objects.get(event.id).name.clone();
                    out.push(Violation {
                        oracle: Oracle::State,
                        event: name,
                        reader: None,
                        expected,
                        got,
                        error: 0,
                        tolerated: None,
                        at: Moment::at_rest(view),
                    });
                }
            }
        }
    }
}

fn broken_rules(event: &Sharing, all: &[Sharing]) -> Vec<(&'static str, String, String)> {
    let mut broken = Vec::new();
    let own_master = event.master == event.addr;
    let active_sharers = all
        .iter()
        .filter(|e| e.master == event.addr && e.state == Some(State::Active))
        .count() as i32;
    let state = event.state.map_or("unknown", State::name);
    match event.master {
        0 => {}
        TOMBSTONE => broken.push((
            "tombstone",
            "no tombstone outside a flip".to_owned(),
            "dup_master is the tombstone".to_owned(),
        )),
        master => match all.iter().find(|e| e.addr == master) {
            None => broken.push((
                "foreign",
                "dup_master is a living event".to_owned(),
                format!("dup_master is {master:#x}"),
            )),
            Some(m) if m.master != m.addr => broken.push((
                "not-master",
                "dup_master is its own master".to_owned(),
                "dup_master has another master".to_owned(),
            )),
            Some(_) => {}
        },
    }
    if event.active != 0 && !own_master {
        broken.push((
            "I1",
            "dup_active is zero unless the event is its own master".to_owned(),
            format!("dup_active is {}", event.active),
        ));
    }
    if own_master && event.active != active_sharers {
        broken.push((
            "I2",
            format!("dup_active is {active_sharers}, the ACTIVE events that share"),
            format!("dup_active is {}", event.active),
        ));
    }
    if event.state == Some(State::Enabled) && !(own_master && event.active > 0) {
        broken.push((
            "enabled",
            "ENABLED only with active duplicates".to_owned(),
            format!("ENABLED with dup_active {}", event.active),
        ));
    }
    if own_master && event.active > 0 && event.state < Some(State::Enabled) {
        broken.push((
            "I3",
            "a master with active duplicates is ENABLED or ACTIVE".to_owned(),
            format!("{state} with dup_active {}", event.active),
        ));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u32, state: State, master: u64, active: i32) -> Sharing {
        Sharing {
            id: ObjectId(id),
            addr: u64::from(id) * 0x1000,
            state: Some(state),
            master,
            active,
        }
    }

    fn rules(all: &[Sharing], which: usize) -> Vec<&'static str> {
        broken_rules(&all[which], all)
            .into_iter()
            .map(|(rule, _, _)| rule)
            .collect()
    }

    #[test]
    fn an_enabled_master_with_one_active_sharer_is_sound() {
        let all = [
            event(1, State::Enabled, 0x1000, 1),
            event(2, State::Active, 0x1000, 0),
        ];
        assert!(rules(&all, 0).is_empty());
        assert!(rules(&all, 1).is_empty());
    }

    #[test]
    fn each_invariant_is_noticed_when_broken() {
        let all = [
            event(1, State::Inactive, 0x1000, 1),
            event(2, State::Active, 0x1000, 1),
            event(3, State::Active, u64::MAX, 0),
            event(4, State::Enabled, 0, 0),
            event(5, State::Inactive, 0x2000, 0),
            event(6, State::Off, 0x9000, 0),
        ];
        assert_eq!(rules(&all, 0), ["I3"]);
        assert_eq!(rules(&all, 1), ["I1"]);
        assert_eq!(rules(&all, 2), ["tombstone"]);
        assert_eq!(rules(&all, 3), ["enabled"]);
        assert_eq!(rules(&all, 4), ["not-master"]);
        assert_eq!(rules(&all, 5), ["foreign"]);
    }

    #[test]
    fn no_transition_is_drawn_twice() {
        for (i, a) in TRANSITIONS.iter().enumerate() {
            assert!(
                TRANSITIONS[i + 1..]
                    .iter()
                    .all(|b| (a.from, a.to) != (b.from, b.to)),
                "{} to {}",
                a.from.name(),
                a.to.name()
            );
        }
    }
}
