// SPDX-License-Identifier: GPL-2.0-only
//! The ideal count (contract, section 3): what each event ought to have counted.
//!
//! An event counts while it is meant to (by the history of its system calls) and scheduled (ACTIVE
//! in guest memory, its context loaded). Occurrences come from the core's own totals. Nothing here
//! looks at a counter or a select register.
//!
//! User-only events: who counts is judged when the CPU returns to CPL 3; the ideal is exact.
//! An injector counts what decisions deliver, anywhere: as for the next kind, what a reader emits may
//! have been read from the counter a while ago.
//! Events with kernel occurrences: who counts is judged at each WRMSR that sets GLOBAL_CTRL, and the
//! ideal stands still while it is clear. What a reader emits was read from the counter earlier: it
//! is judged against the interval from the ideal at the event's last sync to the ideal now. A flip
//! to another master widens the interval for good by what passed between the sharer's last sync
//! and the end of the call. A reset forgets what was folded before its store, and what retires
//! between that fold and the store is left in the counter: such an event starts again at the fold.
//!
//! A sampling event that an overflow has stopped (throttled, or at its limit) keeps its counter and
//! stays ACTIVE, and does not count: only the driver's state tells.
//!
//! With several CPUs a count moves on one while another one asks: what a call returns must have
//! been true at some moment between its entry and the emission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use abi::guest_call::Reader;
use abi::layout::CPUS_MAX;
use abi::msr::PERF_GLOBAL_CTRL;
use abi::syscall;
use machine::{AccessKind, Decision, ObjectAccess, ObjectId, Outcome, View};

use self::intent::Call;
use crate::cause::row_of;
use crate::family::Families;
use crate::ideal::{FLOWS, Ideal};

pub use crate::ideal::{Counted, Spec};

mod intent;
mod lost;

/// The values that a reader may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The least; equal to `most` for user-only events and injectors.
    pub least: u64,
    /// The ideal now.
    pub most: u64,
    /// A reset is under way: the least and the most on its other side.
    pub other: Option<[u64; 2]>,
}

impl Allowed {
    /// Something else is part of the value.
    fn add(&mut self, least: u64, most: u64) {
        self.least += least;
        self.most += most;
    }

    /// Whether a reader may see `value` when the interrupted code holds back `lag` of it.
    #[must_use]
    pub fn contains(&self, value: u64, lag: u64) -> bool {
        let shown = value.wrapping_add(lag);
        let other = |[least, most]: [u64; 2]| (least..=most).contains(&value);
        (self.least..=self.most).contains(&shown) || self.other.is_some_and(other)
    }
}

/// The last two plain looks at `hw.prev_count`: RDPMC comes between the load and the cmpxchg.
#[derive(Debug, Clone, Default)]
struct Looks {
    last: Option<(ObjectId, u64)>,
    ideals: BTreeMap<ObjectId, u64>,
    before: BTreeMap<ObjectId, u64>,
    /// By master: its last fold when this flow loaded its count last.
    loaded: Folds,
}

/// Ideal counts of all events.
#[derive(Debug, Clone)]
pub struct Shadow {
    specs: Arc<BTreeMap<Arc<str>, Arc<Spec>>>,
    events: BTreeMap<ObjectId, Ideal>,
    /// What each CPU is in the middle of.
    cpus: [OnCpu; CPUS_MAX],
    families: Families,
    /// By master: the ideals at the load of the last fold of its counter.
    folds: Folds,
    /// Of whose counts nothing can be said any more.
    lost: BTreeSet<ObjectId>,
}

/// By the event whose counter was folded: the ideals of all events that move, before RDPMC.
type Folds = BTreeMap<ObjectId, Arc<BTreeMap<ObjectId, u64>>>;

/// What is known of one CPU.
#[derive(Debug, Clone, Default)]
struct OnCpu {
    call: Option<Call>,
    /// The group that an ioctl is about, from where it holds the mutex of the context.
    group: Option<Vec<ObjectId>>,
    /// The clock when the CPU entered the kernel, while it is there.
    entered: Option<u64>,
    /// Ideals when the CPU last entered the kernel; kept only where another CPU may move them.
    entry: BTreeMap<ObjectId, u64>,
    /// The same of whole families, by the opened event: a child may exit meanwhile.
    families: BTreeMap<ObjectId, u64>,
    /// By flow of control.
    looks: [Looks; FLOWS],
}

/// The flow that runs.
pub(crate) fn flow(view: &View<'_>) -> usize {
    match (view.core.nmi, view.core.interrupt) {
        (Some(_), _) => 2,
        (None, Some(_)) => 1,
        (None, None) => 0,
    }
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
            cpus: Default::default(),
            families: Families::default(),
            folds: Folds::new(),
            lost: BTreeSet::new(),
        }
    }

    /// What `reader` may read of `object` now; `None` for an event that the scenario does not
    /// describe, or whose select nobody knows. `read(2)` adds all children, a sample those that have exited.
    #[must_use]
    pub fn allowed(&self, view: &View<'_>, object: ObjectId, reader: Reader) -> Option<Allowed> {
        if self.is_lost(object, reader) {
            return None;
        }
        let mut sum = self.own(view, object)?;
        if matches!(reader, Reader::Read | Reader::ReadGroup) {
            for (&child, ideal) in &self.events {
                if ideal.parent == Some(object)
                    && let Some(own) = self.own(view, child)
                {
                    sum.add(own.least, own.most);
                }
            }
        }
        if !matches!(reader, Reader::ReadLocal | Reader::Pause) {
            let [least, most] = self.events.get(&object)?.exited;
            sum.add(least, most);
            sum.other = sum.other.map(|[low, high]| [low + least, high + most]);
        }
        let on = &self.cpus[view.cpu];
        let asks = view.cores.len() > 1 && on.entered.is_some();
        if asks && matches!(reader, Reader::Read | Reader::ReadGroup) {
            let entry = on.families.get(&object).copied().unwrap_or(0);
            sum.least = sum.least.min(entry);
        }
        Some(sum)
    }

    /// The events whose ideals move with what retires in the kernel of `cpu`.
    pub(crate) fn follow_kernel(&self, cpu: usize) -> Vec<ObjectId> {
        self.which(|ideal| !ideal.exact && ideal.since.is_some_and(|(on, _)| on == cpu))
    }

    /// Whether a value may stand on either side of a reset right now.
    pub(crate) fn resetting(&self) -> bool {
        let reset = |on: &OnCpu| on.call.is_some_and(Call::resets);
        self.cpus.iter().any(reset)
    }

    /// What an event ought to have counted itself.
    pub(crate) fn now(&self, view: &View<'_>, object: ObjectId) -> Option<u64> {
        Some(self.events.get(&object)?.now(view))
    }

    /// The events that are known, in order of birth.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.events.keys().copied()
    }

    /// The opened event that this one was inherited from.
    pub(crate) fn parent(&self, object: ObjectId) -> Option<ObjectId> {
        self.events.get(&object)?.parent
    }

    /// Whether the user wants it to count, its leader and its CPU being there.
    pub(crate) fn meant(&self, object: ObjectId) -> bool {
        self.meant_with(object, &BTreeSet::new())
    }

    /// The same where calls that have not returned may have enabled `more`.
    pub(crate) fn meant_with(&self, object: ObjectId, more: &BTreeSet<ObjectId>) -> bool {
        let enabled = |id: ObjectId, ideal: &Ideal| {
            ideal.enabled && ideal.opening.is_none() || more.contains(&id)
        };
        self.events.get(&object).is_some_and(|ideal| {
            let leader = ideal
                .leader
                .and_then(|id| Some((id, self.events.get(&id)?)));
            enabled(object, ideal)
                && !ideal.gone
                && leader.is_none_or(|(id, leader)| enabled(id, leader))
        })
    }

    /// Whether its CPU went away.
    pub(crate) fn gone(&self, object: ObjectId) -> bool {
        self.events.get(&object).is_some_and(|ideal| ideal.gone)
    }

    /// Whether its context is loaded: a CPU's always is, a task's while the task runs.
    pub(crate) fn loaded(&self, view: &View<'_>, object: ObjectId) -> bool {
        let root = self.parent(object).unwrap_or(object);
        self.families.of_cpu(root) || self.families.runs(view, object)
    }

    /// Whether it is to count what `cpu` does.
    pub(crate) fn here(&self, view: &View<'_>, object: ObjectId, cpu: usize) -> bool {
        let root = self.parent(object).unwrap_or(object);
        let bound = view.field(object, "cpu").map_or(-1, |cpu| cpu as i32);
        let of_cpu = self.families.of_cpu(root);
        let this = bound == cpu as i32;
        if of_cpu {
            return this;
        }
        (bound < 0 || this) && self.families.is_current(view, object, cpu)
    }

    /// Two events have exchanged their counts: so do the ideals.
    pub(crate) fn exchange(&mut self, view: &View<'_>, one: ObjectId, other: ObjectId) {
        let now = |id: &ObjectId| self.events.get(id).map(|ideal| ideal.now(view));
        let (Some(of_one), Some(of_other)) = (now(&one), now(&other)) else {
            return;
        };
        for (id, count) in [(one, of_other), (other, of_one)] {
            if let Some(ideal) = self.events.get_mut(&id) {
                ideal.settle_as(view, count);
            }
        }
    }

    /// How long a clock has been on its way onto or off a CPU that is in the kernel.
    fn in_doubt(&self, view: &View<'_>, object: ObjectId, ideal: &Ideal) -> Option<u64> {
        let active = view.field(object, "state") == Some(u64::from(ACTIVE as u32));
        let on = view.field(object, "oncpu").filter(|_| active);
        let on = on.map(|cpu| cpu as usize);
        let was = ideal.since.map(|(cpu, _)| cpu);
        let clock = ideal.spec.counted == Counted::Clock;
        let entered = self.cpus.get(was.or(on)?)?.entered?;
        (clock && (ideal.switched.is_some() || was != on)).then(|| view.core.clock_ns() - entered)
    }

    /// The part of what may be read that the event counted itself.
    fn own(&self, view: &View<'_>, object: ObjectId) -> Option<Allowed> {
        let ideal = self.events.get(&object)?;
        if ideal.spec.counted == Counted::Unknown {
            return None;
        }
        let resets = |on: &&OnCpu| on.call.is_some_and(Call::resets);
        let mut resetting = self.cpus.iter().filter(resets);
        let resetting = resetting.any(|on| self.meant_by(on).contains(&object));
        let mut most = ideal.now(view);
        let mut slack = ideal.slack;
        if let Some(meanwhile) = self.in_doubt(view, object, ideal) {
            most += if ideal.since.is_none() { meanwhile } else { 0 };
            slack += meanwhile;
        }
        let synced = if ideal.exact {
            most
        } else {
            let synced = ideal.synced_up_to(flow(view));
            ideal.flipping.map_or(synced, |(_, from)| from).min(most)
        };
        // A call that asks another CPU returns what was true at some moment while it ran.
        let on = &self.cpus[view.cpu];
        let asks = view.core.nmi.is_none() && view.cores.len() > 1 && on.entered.is_some();
        // What is not there was opened since.
        let entry = on.entry.get(&object).copied().unwrap_or(0);
        let least = if asks { synced.min(entry) } else { synced };
        Some(Allowed {
            least: least.saturating_sub(slack),
            most,
            other: resetting.then_some(ideal.zeroed.unwrap_or_default()),
        })
    }

    pub(crate) fn born(&mut self, view: &View<'_>, object: ObjectId) {
        let name = &view.objects.get(object).name;
        let root = name.split('.').next().unwrap_or(name);
        let Some(spec) = self.specs.get(root) else {
            return;
        };
        let parent = view.objects.by_name(root).filter(|&root| root != object);
        let of_parent = parent.and_then(|parent| self.events.get(&parent));
        let (enabled, on_exec) = of_parent
            .map_or((!spec.disabled, spec.enable_on_exec), |parent| {
                (parent.enabled, parent.on_exec)
            });
        // Another CPU may have made the descriptor that the program names another event's.
        let leader = view
            .field(object, "group_leader")
            .and_then(|leader| view.objects.at(leader))
            .map(|(leader, _)| leader)
            .filter(|&leader| leader != object);
        match (self.cpus[view.cpu].call, parent) {
            (Some(call), Some(parent)) if call.number == syscall::FORK => {
                self.families.inherited(parent, call.args[0]);
            }
            (Some(call), None) => self.families.opened(view.cpu, object, call.args[1]),
            _ => {}
        }
        self.events.insert(
            object,
            Ideal {
                leader,
                parent,
                opening: self.cpus[view.cpu].call.map(|_| view.cpu),
                exited: [0; 2],
                on_exec,
                gone: false,
                enabled,
                count: 0,
                since: None,
                exact: match spec.counted {
                    Counted::Retired(_) => !spec.kernel,
                    Counted::Injected(_) => false,
                    Counted::Clock | Counted::Unknown => true,
                },
                synced: [0; FLOWS],
                raw: 0,
                folded: 0,
                zeroed: None,
                slack: 0,
                flipping: None,
                switched: None,
                put_on: false,
                spec: Arc::clone(spec),
            },
        );
    }

    pub(crate) fn syscall(&mut self, view: &View<'_>) {
        self.cpus[view.cpu].call = Some(Call::of(view));
        self.leave_user(view);
        // Nobody has loaded anything yet: what handlers have folded so far, every reader sees.
        for ideal in self.events.values_mut() {
            ideal.synced[0] = ideal.synced_up_to(FLOWS - 1);
            ideal.raw = ideal.raw.max(ideal.synced[0]);
        }
    }

    /// An event was freed: a child that exits leaves its count to its parent, and the members of a
    /// leader that is closed are on their own.
    pub(crate) fn died(&mut self, view: &View<'_>, object: ObjectId) {
        let own = self.own(view, object);
        let Some(gone) = self.events.remove(&object) else {
            return;
        };
        for ideal in self.events.values_mut() {
            ideal.leader.take_if(|leader| *leader == object);
        }
        if self.lost.contains(&object) {
            self.lost.extend(gone.parent);
        }
        let exits = self.cpus[view.cpu]
            .call
            .is_some_and(|call| call.number == syscall::EXIT_TASK);
        if let Some(own) = own
            && exits
            && let Some(parent) = gone.parent.and_then(|parent| self.events.get_mut(&parent))
        {
            parent.exited[0] += own.least;
            parent.exited[1] += own.most;
        }
    }

    /// Whether the system call that begins here resets an event.
    pub(crate) fn is_reset(view: &View<'_>) -> bool {
        Call::of(view).resets()
    }

    /// Whether this CPU is in a call that resets an event.
    pub(crate) fn is_resetting(&self, view: &View<'_>) -> bool {
        let call = self.cpus[view.cpu].call;
        call.is_some_and(Call::resets)
    }

    /// User code stops running: what has counted so far is settled.
    pub(crate) fn leave_user(&mut self, view: &View<'_>) {
        self.cpus[view.cpu].entered = Some(view.core.clock_ns());
        let stops = |ideal: &&mut Ideal| ideal.exact && ideal.spec.counted != Counted::Clock;
        for ideal in self.events.values_mut().filter(stops) {
            ideal.settle(view);
        }
        if view.cores.len() > 1 {
            self.cpus[view.cpu].entry = self
                .events
                .iter()
                .map(|(&id, i)| (id, i.now(view)))
                .collect();
            let mut families = BTreeMap::new();
            for (&id, ideal) in &self.events {
                *families.entry(ideal.parent.unwrap_or(id)).or_default() +=
                    ideal.now(view) + ideal.exited[0];
            }
            self.cpus[view.cpu].families = families;
        }
    }

    /// User code runs again: whoever is meant to count and is scheduled counts from here.
    pub(crate) fn return_to_user(&mut self, view: &View<'_>) {
        for ideal in self.events.values_mut() {
            ideal.opening.take_if(|cpu| *cpu == view.cpu);
        }
        if let Some(call) = self.cpus[view.cpu].call
            && (view.core.cpu.regs[RAX] as i64) >= 0
        {
            self.intend(view, call);
        }
        self.cpus[view.cpu].call = None;
        self.cpus[view.cpu].group = None;
        self.start(view, |ideal| ideal.exact);
        // From here on user code itself may look, at what is true now.
        self.cpus[view.cpu].entry.clear();
        self.cpus[view.cpu].families.clear();
        self.cpus[view.cpu].entered = None;
        for ideal in self.events.values_mut() {
            if let Some((_, from)) = ideal.flipping.take_if(|(cpu, _)| *cpu == view.cpu) {
                ideal.slack += ideal.now(view).saturating_sub(from);
                ideal.synced = [ideal.now(view); FLOWS];
                ideal.raw = ideal.now(view);
            }
        }
    }

    /// GLOBAL_CTRL was written: the hardware counts from here, or no more.
    pub(crate) fn wrmsr(&mut self, view: &View<'_>, msr: u32, value: u64) {
        if msr != PERF_GLOBAL_CTRL {
            return;
        }
        for ideal in self.events.values_mut().filter(|ideal| !ideal.exact) {
            ideal.settle(view);
        }
        if value != 0 {
            self.start(view, |ideal| !ideal.exact);
        }
    }

    /// A field of an event was accessed: syncs with the counter and flips of the master show here.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let field = view.objects.field_name(access.offset);
        if (field, access.kind) == ("state", AccessKind::Write)
            && let Some(ideal) = self.events.get_mut(&access.object)
        {
            ideal.switched = Some(view.cpu);
            ideal.put_on |= access.new as i32 == ACTIVE;
        }
        if (field, access.kind) == ("file_count", AccessKind::Write)
            && let Some(call) = &mut self.cpus[view.cpu].call
        {
            call.target = Some(access.object);
        }
        if (field, access.kind) == ("child_mutex", AccessKind::Write) {
            self.fix_group(view);
        }
        if (field, access.kind) == ("dup_master", AccessKind::Write) {
            self.shares(view, access.object, access.new);
        }
        if self.events.values().all(|ideal| ideal.exact) {
            return;
        }
        let flow = flow(view);
        match (field, access.kind) {
            ("hw.prev_count", AccessKind::Read) => {
                let moving = self.events.iter().filter(|(_, ideal)| !ideal.exact);
                let ideals = moving.map(|(&id, i)| (id, i.now(view))).collect();
                let looks = &mut self.cpus[view.cpu].looks[flow];
                looks.before = std::mem::replace(&mut looks.ideals, ideals);
                looks.last = Some((access.object, access.rip));
            }
            ("hw.prev_count", AccessKind::Write) => {
                // A cmpxchg: it has just read the field itself; the look before was the load.
                let looks = &mut self.cpus[view.cpu].looks[flow];
                if looks.last.take() == Some((access.object, access.rip)) {
                    let at_load = std::mem::take(&mut looks.before);
                    self.folded(view, access.object, flow, at_load);
                }
            }
            ("count", AccessKind::Read) => {
                if let Some(fold) = self.folds.get(&access.object) {
                    let looks = &mut self.cpus[view.cpu].looks[flow];
                    looks.loaded.insert(access.object, Arc::clone(fold));
                }
            }
            ("dup_count", AccessKind::Write) => self.shared_out(view, access.object, flow),
            ("count" | "master_count", AccessKind::Write) if is_zeroing(view, access) => {
                if let Some(ideal) = self.events.get_mut(&access.object)
                    && !ideal.exact
                {
                    ideal.zero(view);
                }
            }
            ("dup_master", AccessKind::Write) if access.old != access.new => {
                if let Some(ideal) = self.events.get_mut(&access.object)
                    && access.old != 0
                    && !ideal.exact
                {
                    let raw = ideal.raw;
                    ideal.flipping.get_or_insert((view.cpu, raw));
                }
            }
            _ => {}
        }
    }

    /// The counter of `owner` was folded; `ideals` are those of the moment before RDPMC. What is
    /// folded for a master is the raw count of the counter: an event that shares it, itself
    /// included, shows more only when its own part has been taken from that ([`Self::shared_out`]).
    fn folded(
        &mut self,
        view: &View<'_>,
        owner: ObjectId,
        flow: usize,
        ideals: BTreeMap<ObjectId, u64>,
    ) {
        if view.field(owner, "dup_master").unwrap_or(0) == 0 {
            self.synced(view, owner, flow, &ideals);
        }
        let addr = view.objects.get(owner).addr;
        for (id, ideal) in &mut self.events {
            let through = view.field(*id, "dup_master").unwrap_or(0);
            if (*id == owner || through == addr)
                && let Some(&at) = ideals.get(id)
                && flow == 0
            {
                ideal.raw = at;
            }
        }
        self.folds.insert(owner, Arc::new(ideals));
    }

    /// The part of `sharer` was taken from its master's raw count as that was folded last.
    fn shared_out(&mut self, view: &View<'_>, sharer: ObjectId, flow: usize) {
        let master = view.field(sharer, "dup_master").unwrap_or(0);
        let Some((master, _)) = view.objects.at(master) else {
            return;
        };
        let loaded = &self.cpus[view.cpu].looks[flow].loaded;
        if let Some(ideals) = loaded.get(&master).cloned() {
            self.synced(view, sharer, flow, &ideals);
        }
    }

    /// What `object` shows is of a moment not before that of `ideals`.
    fn synced(
        &mut self,
        view: &View<'_>,
        object: ObjectId,
        flow: usize,
        ideals: &BTreeMap<ObjectId, u64>,
    ) {
        if let Some(ideal) = self.events.get_mut(&object)
            && let Some(&at) = ideals.get(&object)
        {
            ideal.synced[flow] = at;
            ideal.folded = ideal.now(view);
        }
    }

    /// Starts those of `which` that are meant to count and are scheduled.
    fn start(&mut self, view: &View<'_>, which: impl Fn(&Ideal) -> bool) {
        let enabled: BTreeMap<ObjectId, bool> =
            self.events.iter().map(|(&id, e)| (id, e.enabled)).collect();
        // Inside a call the intent may be on either side: what is scheduled counts.
        let in_call = self.cpus.iter().any(|cpu| cpu.call.is_some());
        let families = &self.families;
        let entered = self.cpus[view.cpu].entered;
        let entered = entered.unwrap_or_else(|| view.core.clock_ns());
        for (&id, ideal) in &mut self.events {
            let other = |cpu: usize| cpu != view.cpu;
            let elsewhere = ideal.since.is_some_and(|(cpu, _)| other(cpu));
            // When a clock was switched is known where the CPU that did it leaves the kernel.
            let clock = ideal.spec.counted == Counted::Clock;
            let switching = clock && ideal.switched.is_some_and(other);
            if !which(ideal) || elsewhere || switching {
                continue;
            }
            let leader_enabled = ideal
                .leader
                .is_none_or(|l| enabled.get(&l).copied().unwrap_or(true));
            let of_task = families.counts(view.cpu, ideal.parent.unwrap_or(id));
            let meant = in_call || (ideal.enabled && leader_enabled && of_task && !ideal.gone);
            let injected = matches!(ideal.spec.counted, Counted::Injected(_));
            let counts = !injected && meant && scheduled(view, id) && !stopped(view, id);
            if clock {
                ideal.go_on(view, entered, counts);
            } else {
                ideal.since = counts.then(|| (view.cpu, ideal.total(view, view.cpu)));
            }
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
}

const RAX: usize = 0;
const RDX: usize = 2;
const RSI: usize = 6;
const RDI: usize = 7;

/// `PERF_EVENT_STATE_ACTIVE` in this guest's numbering (contract, section 5).
pub(crate) const ACTIVE: i32 = 2;

/// ACTIVE in guest memory, on this CPU.
pub(crate) fn scheduled(view: &View<'_>, object: ObjectId) -> bool {
    view.field(object, "state") == Some(u64::from(ACTIVE as u32))
        && view.field(object, "oncpu") == Some(view.cpu as u64)
}

/// Stopped by an overflow: `PERF_HES_STOPPED` of a sampling event.
fn stopped(view: &View<'_>, object: ObjectId) -> bool {
    const STOPPED: u64 = 1;
    view.field(object, "attr.sample_period")
        .is_some_and(|period| period != 0)
        && view
            .field(object, "hw.state")
            .is_some_and(|state| state & STOPPED != 0)
}

/// Whether an access is the store by which a reset sets a count to zero (row `reset`, or `pause`).
pub(crate) fn is_zeroing(view: &View<'_>, access: &ObjectAccess) -> bool {
    access.kind == AccessKind::Write
        && matches!(
            view.objects.field_name(access.offset),
            "count" | "master_count"
        )
        && row_of(view.image, access.rip) == "reset"
}
