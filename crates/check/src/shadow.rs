// SPDX-License-Identifier: GPL-2.0-only
//! The ideal count (contract, section 3): what each event ought to have counted.
//!
//! An event counts while it is meant to (by the history of its system calls) and scheduled (ACTIVE
//! in guest memory, its context loaded), judged when the CPU returns to CPL 3. Occurrences come
//! from the core's own totals. Nothing here looks at a counter or a select register.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::syscall;
use abi::totals::{HwEvent, Ring};
use machine::{Decision, ObjectId, Outcome, View};

/// What an event of a scenario counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Something that retires.
    Retired(HwEvent),
    /// What decisions deliver, with this event code.
    Injected(u64),
}

/// What the scenario says of an event.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What it counts.
    pub counted: Counted,
    /// Counts at CPL 3.
    pub user: bool,
    /// Counts at CPL 0.
    pub kernel: bool,
    /// Starts disabled.
    pub disabled: bool,
    /// Name of its leader.
    pub leader: Option<Arc<str>>,
}

/// What is known of one living event.
#[derive(Debug, Clone)]
struct Ideal {
    spec: Arc<Spec>,
    leader: Option<ObjectId>,
    /// The user wants it to count.
    enabled: bool,
    /// Occurrences that it ought to show.
    count: u64,
    /// It has been counting since this total; `None` when it is not.
    since: Option<u64>,
    /// Kernel occurrences are part of the event; the ideal is an interval then.
    exact: bool,
}

/// A system call that has not returned.
#[derive(Debug, Clone, Copy)]
struct Call {
    number: u64,
    args: [u64; 3],
}

/// The values that a reader may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The ideal now.
    pub now: u64,
    /// The ideal on the other side of a reset that is under way.
    pub other: Option<u64>,
    /// Whether the ideal is exact (user-only events and injectors).
    pub exact: bool,
}

/// Ideal counts of all events.
#[derive(Debug, Clone)]
pub struct Shadow {
    specs: Arc<BTreeMap<Arc<str>, Arc<Spec>>>,
    events: BTreeMap<ObjectId, Ideal>,
    call: Option<Call>,
}

impl Shadow {
    /// A shadow for the events of a scenario, by name.
    #[must_use]
    pub fn new(specs: BTreeMap<Arc<str>, Spec>) -> Self {
        let specs = specs
            .into_iter()
            .map(|(name, spec)| (name, Arc::new(spec)))
            .collect();
        Self {
            specs: Arc::new(specs),
            events: BTreeMap::new(),
            call: None,
        }
    }

    /// What may be read of `object` now; `None` for an event that the scenario does not describe.
    #[must_use]
    pub fn allowed(&self, view: &View<'_>, object: ObjectId) -> Option<Allowed> {
        let ideal = self.events.get(&object)?;
        let running = ideal.since.map_or(0, |since| total(view, ideal) - since);
        let resetting = self
            .call
            .is_some_and(|call| call.resets(view, object, ideal));
        Some(Allowed {
            now: ideal.count + running,
            other: resetting.then_some(0),
            exact: ideal.exact,
        })
    }

    pub(crate) fn born(&mut self, view: &View<'_>, object: ObjectId) {
        let name = &view.objects.get(object).name;
        let root = name.split('.').next().unwrap_or(name);
        let Some(spec) = self.specs.get(root) else {
            return;
        };
        let leader = spec
            .leader
            .as_ref()
            .and_then(|leader| view.objects.by_name(leader));
        self.events.insert(
            object,
            Ideal {
                leader,
                enabled: !spec.disabled,
                count: 0,
                since: None,
                exact: !(spec.kernel && matches!(spec.counted, Counted::Retired(_))),
                spec: Arc::clone(spec),
            },
        );
    }

    pub(crate) fn syscall(&mut self, view: &View<'_>) {
        let regs = &view.core.cpu.regs;
        self.call = Some(Call {
            number: regs[RAX],
            args: [regs[RDI], regs[RSI], regs[RDX]],
        });
        self.leave_user(view);
    }

    /// Whether the system call that begins here resets an event.
    pub(crate) fn is_reset(view: &View<'_>) -> bool {
        let regs = &view.core.cpu.regs;
        regs[RAX] == syscall::IOCTL && regs[RSI] == syscall::IOC_RESET
    }

    /// User code stops running: what has counted so far is settled.
    pub(crate) fn leave_user(&mut self, view: &View<'_>) {
        for ideal in self.events.values_mut() {
            if let Some(since) = ideal.since.take() {
                ideal.count += total(view, ideal) - since;
            }
        }
    }

    /// User code runs again: whoever is meant to count and is scheduled counts from here.
    pub(crate) fn return_to_user(&mut self, view: &View<'_>) {
        if let Some(call) = self.call.take()
            && (view.core.cpu.regs[RAX] as i64) >= 0
        {
            self.intend(view, call);
        }
        let enabled: BTreeMap<ObjectId, bool> =
            self.events.iter().map(|(&id, e)| (id, e.enabled)).collect();
        for (&id, ideal) in &mut self.events {
            let leader_enabled = ideal
                .leader
                .is_none_or(|l| enabled.get(&l).copied().unwrap_or(true));
            let counts = ideal.spec.user
                && matches!(ideal.spec.counted, Counted::Retired(_))
                && ideal.enabled
                && leader_enabled
                && scheduled(view, id);
            ideal.since = counts.then(|| total(view, ideal));
        }
    }

    /// An injector's occurrences, counted where the decision found it armed.
    pub(crate) fn decided(&mut self, decision: Decision, outcome: Outcome) {
        let (Decision::Pmi { code } | Decision::LatePmi { code, .. }) = decision else {
            return;
        };
        if outcome == Outcome::NotArmed {
            return;
        }
        for ideal in self.events.values_mut() {
            if ideal.spec.counted == Counted::Injected(code) {
                ideal.count += 2;
            }
        }
    }

    /// What a call that has returned without an error says about who is meant to count.
    fn intend(&mut self, view: &View<'_>, call: Call) {
        let Some(target) = view.objects.by_fd(call.args[0]) else {
            return;
        };
        match call.number {
            syscall::IOCTL => {
                let members = self.addressed(target, call.args[2]);
                for id in members {
                    let Some(ideal) = self.events.get_mut(&id) else {
                        continue;
                    };
                    match call.args[1] {
                        syscall::IOC_ENABLE | syscall::IOC_REFRESH => ideal.enabled = true,
                        syscall::IOC_DISABLE => ideal.enabled = false,
                        syscall::IOC_RESET => ideal.count = 0,
                        _ => {}
                    }
                }
            }
            syscall::CLOSE => {
                self.events.remove(&target);
                for ideal in self.events.values_mut() {
                    if ideal.leader == Some(target) {
                        ideal.leader = None;
                    }
                }
            }
            _ => {}
        }
    }

    /// The events that an ioctl on `target` with this argument is about.
    fn addressed(&self, target: ObjectId, arg: u64) -> Vec<ObjectId> {
        if arg & syscall::IOC_FLAG_GROUP == 0 {
            return vec![target];
        }
        let leader = self
            .events
            .get(&target)
            .and_then(|ideal| ideal.leader)
            .unwrap_or(target);
        self.events
            .iter()
            .filter(|&(&id, ideal)| id == leader || ideal.leader == Some(leader))
            .map(|(&id, _)| id)
            .collect()
    }
}

impl Call {
    fn resets(self, view: &View<'_>, object: ObjectId, ideal: &Ideal) -> bool {
        if self.number != syscall::IOCTL || self.args[1] != syscall::IOC_RESET {
            return false;
        }
        let Some(target) = view.objects.by_fd(self.args[0]) else {
            return false;
        };
        let group = self.args[2] & syscall::IOC_FLAG_GROUP != 0;
        target == object || (group && (ideal.leader == Some(target) || ideal.leader.is_some()))
    }
}

const RAX: usize = 0;
const RDX: usize = 2;
const RSI: usize = 6;
const RDI: usize = 7;

/// `PERF_EVENT_STATE_ACTIVE` in this guest's numbering (contract, section 5).
pub(crate) const ACTIVE: i32 = 2;

/// ACTIVE in guest memory, on this CPU.
fn scheduled(view: &View<'_>, object: ObjectId) -> bool {
    view.field(object, "state") == Some(u64::from(ACTIVE as u32))
        && view.field(object, "oncpu") == Some(view.cpu as u64)
}

fn total(view: &View<'_>, ideal: &Ideal) -> u64 {
    match ideal.spec.counted {
        Counted::Retired(event) => view.core.totals().get(Ring::User, event),
        Counted::Injected(_) => 0,
    }
}
