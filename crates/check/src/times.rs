// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `times`: the enabled and running times that `read(2)` returns, and those that samples and
//! user pages show.
//!
//! Enabled time passes while the event is meant to count and its context is loaded, running time
//! while it is ACTIVE besides; both by the guest's clock. Who is meant to count is the history of
//! system calls ([`crate::shadow`]). A pinned event in ERROR is not meant to count until someone
//! enables it again, nor is a sampling event that its limit has turned off: only the guest's state
//! tells.
//!
//! `perf_group_detach` does not bring the clocks of members up to date whose leader is off: what passed
//! since the leader went off becomes enabled time of theirs. It is reported there, and is part of the
//! ideal from then on, so that it is one finding.
//!
//! Under `unit` the clock stands still in the kernel of a single CPU, and the times are exact.
//! Where it goes on, an operation that switches an event widens its times by how long it took. A
//! context that is rescheduled has no clock in between: what passes there is nobody's time.

use std::collections::BTreeMap;

use abi::guest_call::Reader;
use abi::layout::CPUS_MAX;
use abi::syscall::{
    EXIT_TASK, FORMAT_GROUP, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING, READ,
};
use machine::{AccessKind, NmiFrame, ObjectAccess, ObjectId, View};

use crate::shadow::{ACTIVE, Shadow};
use crate::shown::{Pair, Shown};
use crate::state::State;
use crate::user_page::UserPages;
use crate::violation::{Moment, Oracle, Violation};

const RAX: usize = 0;
const RSI: usize = 6;
const RDI: usize = 7;

/// What is known of one event.
#[derive(Debug, Clone, Copy, Default)]
struct Clocked {
    own: Pair,
    /// Of children that have exited.
    exited: Pair,
    /// Which of the two passes.
    enabled: bool,
    running: bool,
    /// It has been switched off, or on and perhaps away again, since a CPU left the kernel last.
    switched: bool,
    /// How far the guest may be off, by operations during which the clock went on.
    slack: u64,
    /// How long its context's clock stood still in operations.
    lost: u64,
}

/// A `read(2)` that has not returned: the event, and where the words go.
#[derive(Debug, Clone, Copy)]
struct Reading {
    object: ObjectId,
    buffer: u64,
    /// The leader of the group that was read, with its times then: it may be closed before the call
    /// returns.
    group: Option<(ObjectId, Family)>,
}

/// The times of an event with all children's.
#[derive(Debug, Clone, Copy, Default)]
struct Family {
    ideal: Pair,
    slack: u64,
    members: u64,
    /// A call that has not returned lets one of them count, or has done so.
    enabling: bool,
}

/// The ideal times of all events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    events: BTreeMap<ObjectId, Clocked>,
    /// The clock when it was looked at last.
    now: u64,
    /// The clock when each CPU entered the kernel, or went on there behind HLT, while it is at work
    /// there.
    entry: [Option<u64>; CPUS_MAX],
    reading: [Option<Reading>; CPUS_MAX],
    exiting: [bool; CPUS_MAX],
    /// By context: how far its time is behind the clock. It moves only where the clock is stopped.
    behind: BTreeMap<u64, u64>,
    shown: Shown,
}

impl Times {
    /// Lets the clock's progress count for whoever it passes for.
    fn advance(&mut self, view: &View<'_>) {
        let now = view.core.clock_ns();
        let passed = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        if passed == 0 {
            return;
        }
        for event in self.events.values_mut() {
            event.own.enabled += if event.enabled { passed } else { 0 };
            event.own.running += if event.running { passed } else { 0 };
        }
    }

    pub(crate) fn syscall(&mut self, view: &View<'_>) {
        self.enter_kernel(view);
        let regs = &view.core.cpu.regs;
        self.exiting[view.cpu] = regs[RAX] == EXIT_TASK;
        let object = (regs[RAX] == READ).then(|| view.objects.by_fd(regs[RDI]));
        self.reading[view.cpu] = object.flatten().map(|object| Reading {
            object,
            buffer: regs[RSI],
            group: None,
        });
    }

    /// Work in the kernel begins: user code has called it or was interrupted, or a halted CPU was.
    pub(crate) fn enter_kernel(&mut self, view: &View<'_>) {
        self.advance(view);
        self.entry[view.cpu] = Some(self.now);
    }

    /// An event is known from here on: before it is put on the PMU.
    pub(crate) fn born(&mut self, object: ObjectId) {
        self.events.insert(object, Clocked::default());
    }

    /// An event was freed: a child that exits leaves its times to its parent.
    pub(crate) fn died(&mut self, view: &View<'_>, object: ObjectId, shadow: &Shadow) {
        self.advance(view);
        let stay = self.stay();
        let Some(gone) = self.events.remove(&object) else {
            return;
        };
        if let Some(parent) = shadow.parent(object)
            && self.exiting[view.cpu]
            && let Some(parent) = self.events.get_mut(&parent)
        {
            parent.exited.enabled += gone.own.enabled;
            parent.exited.running += gone.own.running;
            parent.slack += gone.slack + stay;
        }
    }

    /// A member leaves a leader that is off, with its clock still at the moment when that went off.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) -> Option<Violation> {
        let field = view.objects.field_name(access.offset);
        // Only now it is certain whose descriptor it is.
        if (field, access.kind) == ("file_count", AccessKind::Write)
            && let Some(reading) = &mut self.reading[view.cpu]
        {
            reading.object = access.object;
        }
        if (field, access.kind) == ("state", AccessKind::Write)
            && let Some(event) = self.events.get_mut(&access.object)
        {
            let (before, after) = (access.old as i32, access.new as i32);
            event.switched |= after < 0 || !event.running && (before == ACTIVE || after == ACTIVE);
        }
        let moves = access.kind == AccessKind::Write
            && access.old != 0
            && access.old != access.new
            && field == "group_leader";
        if !moves {
            return None;
        }
        let (leader, _) = view.objects.at(access.old)?;
        let state = |id| view.field(id, "state").map_or(0, |state| state as i32);
        if leader == access.object || state(leader) >= 0 || state(access.object) < 0 {
            return None;
        }
        let ctx = view.field(access.object, "ctx")?;
        let time = view.image.layout("PerfEventContext")?.field("time")?;
        let now = view.mem.read_u64(ctx + time.offset).ok()?;
        let stale = now.wrapping_sub(view.field(access.object, "tstamp")?);
        let event = self.events.get_mut(&access.object)?;
        event.own.enabled += stale;
        (stale != 0).then(|| Violation {
            oracle: Oracle::Times,
            event: view.objects.get(access.object).name.clone(),
            reader: None,
            expected: "no enabled time while its leader is off".to_owned(),
            got: format!("{stale} ns of it become enabled time"),
            error: 0,
            tolerated: None,
            at: Moment::of(view, access.rip),
        })
    }

    /// Two events have exchanged their counts, and their times with them.
    pub(crate) fn exchange(&mut self, one: ObjectId, other: ObjectId) {
        let own = |id| self.events.get(id).map(|event| (event.own, event.slack));
        if let (Some(of_one), Some(of_other)) = (own(&one), own(&other)) {
            for (id, own) in [(one, of_other), (other, of_one)] {
                if let Some(event) = self.events.get_mut(&id) {
                    (event.own, event.slack) = own;
                }
            }
        }
    }

    /// Whatever this CPU has switched is switched by now.
    pub(crate) fn kernel_left(
        &mut self,
        view: &View<'_>,
        shadow: &Shadow,
        out: &mut Vec<Violation>,
    ) {
        self.advance(view);
        self.stand_still(view);
        let stay = self.stay();
        if let Some(reading) = self.reading[view.cpu].take() {
            out.extend(self.judge(view, reading, stay, shadow));
        }
        for id in shadow.ids() {
            let (enabled, running) = passes(view, shadow, id);
            let Some(event) = self.events.get_mut(&id) else {
                continue;
            };
            let switched = std::mem::take(&mut event.switched);
            if switched || (event.enabled, event.running) != (enabled, running) {
                event.slack += stay;
            }
            (event.enabled, event.running) = (enabled, running);
        }
        self.entry[view.cpu] = None;
    }

    /// Takes back what passed while a context was on its way out and in again: `ctx_sched_in` starts
    /// its clock anew. No longer than somebody has been in the kernel.
    fn stand_still(&mut self, view: &View<'_>) {
        let stay = self.stay();
        let mut stood = BTreeMap::new();
        for (&id, event) in &mut self.events {
            let Some(ctx) = view.field(id, "ctx").filter(|&ctx| ctx != 0) else {
                continue;
            };
            let lost: &mut Option<u64> = stood.entry(ctx).or_insert_with(|| {
                let now = behind_clock(view, ctx)?;
                let before = self.behind.entry(ctx).or_insert(now);
                let lost = now.saturating_sub(*before).min(stay);
                // Less, where one of the two has been stored only.
                *before = now.max(*before);
                Some(lost)
            });
            let lost = lost.filter(|_| event.enabled).unwrap_or(0);
            event.own.enabled = event.own.enabled.saturating_sub(lost);
            if event.running {
                event.own.running = event.own.running.saturating_sub(lost);
            }
            event.lost += lost;
        }
    }

    /// How long whoever is at work in the kernel has been: what it switches may be switched already.
    fn stay(&self) -> u64 {
        let begun = self.entry.iter().flatten().min();
        begun.map_or(0, |begun| self.now - begun)
    }

    /// Judges what new samples and newly written user pages show, where an NMI handler (`left`) or
    /// the kernel is left.
    pub(crate) fn judge_shown(
        &mut self,
        view: &View<'_>,
        pages: &UserPages,
        left: Option<NmiFrame>,
        out: &mut Vec<Violation>,
    ) {
        self.advance(view);
        self.stand_still(view);
        let rip = view.core.cpu.rip;
        for (object, got) in self.shown.samples(view) {
            // Living children and those that have exited are no part of it.
            let exited = Pair::default();
            let at = Moment::of(view, rip).by(left);
            out.extend(self.compare(view, (object, Reader::Sample), got, exited, at));
        }
        for (object, got) in self.shown.pages(view) {
            let exited = self.events.get(&object).map(|event| event.exited);
            let place = pages.writer(object).unwrap_or(rip);
            // Interrupted code may have written it as well.
            let by = left.filter(|_| pages.written_by(object) == left);
            let at = Moment::of(view, place).by(by);
            let exited = exited.unwrap_or_default();
            out.extend(self.compare(view, (object, Reader::UserPage), got, exited, at));
        }
    }

    /// A `read(2)` hands out the count of `object`: the first one of a group is its leader's, whose
    /// times are those of the group.
    pub(crate) fn value(&mut self, view: &View<'_>, object: ObjectId, shadow: &Shadow) {
        self.advance(view);
        let family = self.family(object, shadow);
        if let Some(reading) = &mut self.reading[view.cpu] {
            let first = family.map(|family| (object, family));
            reading.group = reading.group.or(first);
        }
    }

    /// The times of `object` and all its children.
    fn family(&self, object: ObjectId, shadow: &Shadow) -> Option<Family> {
        let mut sum = Family {
            ideal: self.events.get(&object)?.exited,
            ..Family::default()
        };
        let enabling = shadow.enabling();
        let of_it = |id: &ObjectId| *id == object || shadow.parent(*id) == Some(object);
        for (id, event) in self.events.iter().filter(|(id, _)| of_it(id)) {
            sum.ideal.enabled += event.own.enabled;
            sum.ideal.running += event.own.running;
            sum.slack += event.slack;
            sum.members += 1;
            sum.enabling |= shadow.meant_with(*id, &enabling) && !shadow.meant(*id);
        }
        Some(sum)
    }

    /// Compares what an event shows of itself with its ideal and `more`.
    fn compare(
        &self,
        view: &View<'_>,
        (object, reader): (ObjectId, Reader),
        got: Pair,
        more: Pair,
        at: Moment,
    ) -> Option<Violation> {
        let event = self.events.get(&object)?;
        let near = event.slack + self.stay();
        // These go by the clock and the moment at which the event was scheduled in, so that an event
        // that stays in does not see its context's clock stand still.
        let right = |got: u64, ideal: u64| {
            got.saturating_add(near) >= ideal && got <= ideal + near + event.lost
        };
        let ideal = Pair {
            enabled: event.own.enabled + more.enabled,
            running: event.own.running + more.running,
        };
        if right(got.enabled, ideal.enabled) && right(got.running, ideal.running) {
            return None;
        }
        Some(violation(view, (object, reader), ideal, got, near, at))
    }

    /// Judges what a `read(2)` has stored, if it did.
    fn judge(
        &self,
        view: &View<'_>,
        reading: Reading,
        stay: u64,
        shadow: &Shadow,
    ) -> Option<Violation> {
        let stored = view.core.cpu.regs[RAX] as i64;
        let format = view.field(reading.object, "attr.read_format")?;
        let both = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING;
        let dead = view.objects.get(reading.object).dead;
        // Where its CPU went away no kernel gets to; here it runs on.
        if stored <= 0 || format & both != both || dead || shadow.gone(reading.object) {
            return None;
        }
        let (object, family) = if format & FORMAT_GROUP == 0 {
            (reading.object, self.family(reading.object, shadow)?)
        } else {
            reading.group?
        };
        let Family { ideal, slack, .. } = family;
        let late = family.members * stay;
        let early = if family.enabling { late } else { 0 };
        let got = Pair {
            enabled: view.mem.read_u64(reading.buffer + 8).ok()?,
            running: view.mem.read_u64(reading.buffer + 16).ok()?,
        };
        let right = |got: u64, ideal: u64| {
            got.saturating_add(slack + late) >= ideal && got <= ideal + slack + early
        };
        if right(got.enabled, ideal.enabled) && right(got.running, ideal.running) {
            return None;
        }
        let reader = if format & FORMAT_GROUP == 0 {
            Reader::Read
        } else {
            Reader::ReadGroup
        };
        let (near, at) = (slack + late, Moment::of(view, view.core.cpu.rip));
        Some(violation(view, (object, reader), ideal, got, near, at))
    }
}

/// How far the time of a context is behind the clock that it was brought up to last; `None` in between.
fn behind_clock(view: &View<'_>, ctx: u64) -> Option<u64> {
    let layout = view.image.layout("PerfEventContext")?;
    let word = |name| view.mem.read_u64(ctx + layout.field(name)?.offset).ok();
    word("timestamp")?.checked_sub(word("time")?)
}

/// Other times than the ideal ones, by more than `near`.
fn violation(
    view: &View<'_>,
    (object, reader): (ObjectId, Reader),
    ideal: Pair,
    got: Pair,
    near: u64,
    at: Moment,
) -> Violation {
    let words = |pair: Pair| format!("enabled {}, running {}", pair.enabled, pair.running);
    Violation {
        oracle: Oracle::Times,
        event: view.objects.get(object).name.clone(),
        reader: Some(reader),
        expected: words(ideal),
        got: words(got),
        // By how much depends on what the clock did meanwhile: it is one finding.
        error: 0,
        tolerated: (near != 0).then(|| format!("{near} ns are allowed for")),
        at,
    }
}

/// Whether enabled and running time pass for this event from here on.
fn passes(view: &View<'_>, shadow: &Shadow, id: ObjectId) -> (bool, bool) {
    let state = |id| view.field(id, "state").map_or(0, |state| state as i32);
    let samples = |id| view.field(id, "attr.sample_period").is_some_and(|n| n != 0);
    let told = |id| state(id) <= State::Error as i32 || samples(id) && state(id) < 0;
    let leader = view
        .field(id, "group_leader")
        .and_then(|leader| view.objects.at(leader))
        .map_or(id, |(leader, _)| leader);
    let enabled = shadow.meant(id) && shadow.loaded(view, id) && !told(id) && !told(leader);
    (enabled, enabled && state(id) == ACTIVE)
}
