// SPDX-License-Identifier: GPL-2.0-only
//! One worker of a sweep: a machine walked along a recorded path, an execution with one more
//! decision at each boundary, and back.
//!
//! With reduction, a boundary that is equivalent to the one before it ([`crate::footprint`]) takes
//! that one's findings and runs nothing; neither does one where the decision would do nothing, nor one
//! inside of a stretch whose ends enclose it ([`stretch`]). The executions that remain record what comes
//! in between.

mod stretch;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

use abi::totals::Ring;
use check::access_log::AccessLog;
use check::cause::row_on_stack;
use check::{Oracle, Oracles, Violation};
use machine::{
    Decision, End, Entry, Machine, NmiFrame, ObjectId, Objects, Ordinal, Outcome, Schedule,
    Snapshot, Until,
};

use crate::execute::{Execution, Outcomes, Touched, hangs, outrun};
use crate::findings::{Base, causes, damage, fresh};
use crate::footprint::Footprint;
use crate::inject::counts;
use crate::path::{Path, Step};
use crate::setup::{PATIENCE, RUN_LIMIT, Setup};
use crate::sweep::{Bad, Progress, Source, check_end};
use stretch::Trail;

/// What all workers of a sweep share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) setup: &'a Setup,
    /// The run without any decision.
    pub(crate) baseline: &'a Execution,
    /// Findings of the run that this sweep starts from, beside those of the baseline.
    pub(crate) known: &'a [Violation],
    /// Accesses and objects of that run.
    pub(crate) log: &'a AccessLog,
    pub(crate) objects: &'a Objects,
    /// Its way through the boundaries that are swept.
    pub(crate) path: &'a Path,
    pub(crate) source: Source,
    /// The PMI of a late one's event is tried too, where it comes at once.
    pub(crate) prompt_too: bool,
    pub(crate) reduce: bool,
    /// Stop at the first bad boundary.
    pub(crate) only_first: bool,
    pub(crate) progress: &'a Progress,
}

/// A boundary that was judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// The decision.
    pub(crate) entry: Entry,
    /// It is equivalent to the boundary before: so are runs with further decisions behind both.
    pub(crate) equivalent: bool,
    /// Since the one that is not, instructions touched nothing but their own stack.
    pub(crate) local: bool,
    /// The decision did something.
    pub(crate) acted: bool,
    /// As in [`Step::turn_of`].
    pub(crate) turn_of: Option<usize>,
}

/// What one worker found.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) boundaries: u64,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    pub(crate) sampled: u64,
    pub(crate) quiet: Vec<Ordinal>,
    pub(crate) executions: u64,
    pub(crate) bad: Vec<Bad>,
    pub(crate) failed: Vec<(Ordinal, String)>,
    /// The decisions of `failed`, and whether only a program was outrun ([`outrun`]).
    pub(crate) failed_by: Vec<(Entry, bool)>,
    pub(crate) tried: Vec<Tried>,
}

impl Part {
    /// `other` comes behind this.
    pub(crate) fn append(&mut self, other: Self) {
        self.boundaries += other.boundaries;
        self.sampled += other.sampled;
        self.quiet.extend(other.quiet);
        self.executions += other.executions;
        self.bad.extend(other.bad);
        self.failed.extend(other.failed);
        self.failed_by.extend(other.failed_by);
        self.tried.extend(other.tried);
        for (outcome, n) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += n;
        }
    }
}

/// What an execution showed.
#[derive(Debug, Clone, Default)]
struct Judged {
    outcomes: Vec<Outcome>,
    looked: bool,
    failed: Option<String>,
    outrun: bool,
    fresh: Vec<Violation>,
    touched: Touched,
    trail: Trail,
    /// Where each CPU ended.
    ends: Vec<Ordinal>,
}

/// An execution that the following boundaries may be equivalent to.
#[derive(Debug)]
struct Class {
    judged: Judged,
    between: Between,
    /// Where the decision was made, and the boundary that it was about.
    armed: Ordinal,
    at: Ordinal,
    /// Nothing may change in the chain of return addresses.
    strict: bool,
    /// All instructions since the execution touched nothing but their own stack.
    local: bool,
    /// Position of the last boundary that belongs to it.
    last: usize,
}

/// What came in between.
#[derive(Debug, Default)]
struct Between {
    footprint: Footprint,
    /// Boundaries from its delivery to its end, if it came at once.
    span: Option<(Ordinal, Ordinal)>,
    /// It ran on the stack of what it interrupted: RSP may not change.
    on_stack: bool,
    /// What retires moves counters or ideals: the next boundary is not equivalent, but may belong to
    /// one stretch with this one.
    counted: bool,
    /// Instructions behind it that can retire without an overflow, if it comes behind them.
    room: u64,
}

/// A place to decide from: everything as it was there.
struct Armed {
    cpu: usize,
    ordinal: Ordinal,
    machine: Snapshot,
    walked: Walked,
    schedule: Schedule,
}

/// A machine of its own, walked along the path.
pub(crate) struct Worker<'a, 'm> {
    ground: Ground<'a>,
    machine: &'m mut Machine,
    walked: Walked,
    schedule: Schedule,
    /// Position of the path that has been walked to.
    stands: usize,
    /// Of a late PMI: the last place up to there at which the injector counts.
    armed: Option<Armed>,
    /// An answer came from a device since `armed`.
    asked: bool,
    class: Option<Class>,
    /// The boundaries before this position are in a stretch, and show this.
    enclosed: Option<(usize, Judged)>,
    /// By position: boundaries that were judged ahead.
    ahead: BTreeMap<usize, (Judged, Option<Class>)>,
    part: Part,
}

/// Those that are the same on the path and off it.
type Walked = (Oracles, Trail);
type Watchers = (Walked, (Touched, Outcomes));

impl<'a, 'm> Worker<'a, 'm> {
    /// With a machine that stands on the path or before it, and what belongs to it there.
    pub(crate) fn new(
        ground: Ground<'a>,
        machine: &'m mut Machine,
        oracles: Oracles,
        schedule: Schedule,
    ) -> Self {
        Self {
            ground,
            machine,
            walked: (oracles, Trail::default()),
            schedule,
            stands: 0,
            armed: None,
            asked: false,
            class: None,
            enclosed: None,
            ahead: BTreeMap::new(),
            part: Part::default(),
        }
    }

    /// The machine is free again: what it was armed with is let go.
    pub(crate) fn finish(mut self) {
        self.disarm();
    }

    /// Judges the boundaries of a range of positions that `wanted` names, behind the ranges before; of
    /// a late PMI those of one CPU. What it finds does not depend on who did the ranges before.
    pub(crate) fn sweep(&mut self, range: Range<usize>, wanted: impl Fn(&Step) -> bool) -> Part {
        let path = self.ground.path;
        (self.class, self.enclosed) = (None, None);
        self.ahead.clear();
        let Some(first) = range.clone().find(|&index| wanted(&path.steps[index])) else {
            return Part::default();
        };
        let cpu = path.steps[first].cpu;
        let skid = match self.ground.source {
            Source::Late(_) => u64::from(self.ground.setup.hardware.skid_max),
            _ => 0,
        };
        let start = self.approach(first, skid);
        for index in start..range.end {
            if self.ground.progress.stop.load(Ordering::Relaxed) {
                break;
            }
            let step = path.steps[index];
            let meant = index >= first && wanted(&step);
            if skid > 0 || meant {
                self.walk_to(index);
            }
            if skid > 0 && step.cpu == cpu && self.counts(cpu) {
                self.arm(index);
            }
            if meant {
                self.boundary(index, skid, &range, &wanted);
                self.ground.progress.done.fetch_add(1, Ordering::Relaxed);
            }
            self.asked |= step.asks;
        }
        std::mem::take(&mut self.part)
    }

    /// Where to begin for the boundary at position `first`: at the place from which a PMI can come
    /// `skid` boundaries later. What has been walked of that is known, and cannot be walked again.
    fn approach(&mut self, first: usize, skid: u64) -> usize {
        let steps = &self.ground.path.steps;
        let to = steps[first];
        let near = |step: &&Step| step.cpu != to.cpu || step.ordinal + skid >= to.ordinal;
        let start = match skid {
            0 => first,
            _ => first - steps[..first].iter().rev().take_while(near).count(),
        };
        if skid == 0 || self.stands < start {
            self.disarm();
        }
        start.max(self.stands)
    }

    /// Goes on by the path until the boundary at this position is next.
    fn walk_to(&mut self, index: usize) {
        let step = self.ground.path.steps[index];
        self.machine.run(
            &mut self.schedule,
            &mut self.walked,
            Until::Boundary(step.cpu, step.ordinal),
        );
        self.stands = index;
    }

    fn arm(&mut self, index: usize) {
        self.disarm();
        self.asked = false;
        self.armed = Some(self.here(index));
    }

    /// Everything as it is now, at this position.
    fn here(&mut self, index: usize) -> Armed {
        let Step { cpu, ordinal, .. } = self.ground.path.steps[index];
        Armed {
            cpu,
            ordinal,
            machine: self.machine.snapshot(),
            walked: self.walked.clone(),
            schedule: self.schedule.clone(),
        }
    }

    fn disarm(&mut self) {
        if let Some(old) = self.armed.take() {
            self.machine.release(old.machine);
        }
    }

    /// Whether the source's injector counts here.
    fn counts(&self, cpu: usize) -> bool {
        match self.ground.source {
            Source::Pmi(code) | Source::Late(code) => counts(self.machine, cpu, code),
            Source::External | Source::Tick | Source::Preempt(_) => true,
        }
    }

    /// The decision would do nothing at all.
    fn idle(&self, cpu: usize) -> bool {
        match self.ground.source {
            Source::Preempt(to) => {
                let there = self.machine.cores().get(to);
                to == cpu || !there.is_some_and(machine::Core::runnable)
            }
            _ => !self.counts(cpu),
        }
    }

    fn decision(&self, at: Ordinal) -> Decision {
        match self.ground.source {
            Source::Pmi(code) => Decision::Pmi { code },
            Source::Late(code) => Decision::LatePmi {
                code,
                recognised_at: at,
            },
            Source::External => Decision::ExternalNmi,
            Source::Tick => Decision::Tick,
            Source::Preempt(to) => Decision::Preempt { to },
        }
    }

    /// Judges the boundary at which the machine stands.
    fn boundary(
        &mut self,
        index: usize,
        skid: u64,
        range: &Range<usize>,
        wanted: impl Fn(&Step) -> bool,
    ) {
        let step = self.ground.path.steps[index];
        let (cpu, at) = (step.cpu, step.ordinal);
        let here = |armed: &Armed| (armed.cpu, armed.ordinal) == (cpu, at);
        if self.ground.prompt_too && self.armed.as_ref().is_some_and(here) {
            self.class = None;
            return;
        }
        self.part.boundaries += 1;
        let late = matches!(self.ground.source, Source::Late(_));
        let unarmed = match &self.armed {
            Some(armed) if late => armed.cpu != cpu || at - armed.ordinal > skid,
            _ if late => true,
            _ => self.ground.reduce && self.idle(cpu),
        };
        if unarmed {
            self.class = None;
            *self.part.outcomes.entry(Outcome::NotArmed).or_default() += 1;
            self.part.quiet.push(at);
            return;
        }
        if !late {
            self.disarm();
        }
        let from = self.armed.as_ref().map_or(at, |armed| armed.ordinal);
        let entry = (cpu, from, self.decision(at));
        let carried = self.carry_over(index, from);
        let equivalent = carried.is_some();
        let judged = match carried.or_else(|| self.between_ends(index)) {
            Some(judged) => judged,
            None => {
                let judged = self.run_once(index, entry);
                self.stretch(index, &judged, range, wanted);
                judged
            }
        };
        self.take(index, entry, &judged, equivalent);
    }

    /// What both ends of the stretch that this boundary lies in show.
    fn between_ends(&mut self, index: usize) -> Option<Judged> {
        self.enclosed.take_if(|(end, _)| *end <= index);
        self.enclosed.as_ref().map(|(_, judged)| judged.clone())
    }

    /// One execution, unless it was made ahead.
    fn run_once(&mut self, index: usize, entry: Entry) -> Judged {
        let Some((judged, class)) = self.ahead.remove(&index) else {
            return self.run(index, entry);
        };
        self.class = class;
        judged
    }

    fn take(&mut self, index: usize, entry: Entry, judged: &Judged, equivalent: bool) {
        let steps = &self.ground.path.steps;
        let step = steps[index];
        let (cpu, at) = (step.cpu, step.ordinal);
        for &outcome in &judged.outcomes {
            *self.part.outcomes.entry(outcome).or_default() += 1;
        }
        if judged.looked {
            self.part.sampled += 1;
        } else {
            self.part.quiet.push(at);
        }
        if let Some(words) = &judged.failed {
            self.part.failed.push((at, words.clone()));
            self.part.failed_by.push((entry, judged.outrun));
        }
        self.part.tried.push(Tried {
            entry,
            equivalent,
            local: self.class.as_ref().is_some_and(|class| class.local),
            // What fails has no further boundaries that mean anything.
            acted: judged.failed.is_none()
                && judged.outcomes.iter().any(|o| *o != Outcome::NotArmed),
            turn_of: step.turn_of,
        });
        if judged.fresh.is_empty() {
            return;
        }
        self.ground.progress.bad.fetch_add(1, Ordering::Relaxed);
        if self.ground.only_first {
            self.ground.progress.stop.store(true, Ordering::Relaxed);
        }
        let before = steps[..index].iter().rev().find(|s| s.cpu == cpu);
        let row = row_on_stack(&self.machine.view(cpu), step.rip);
        let base = Base {
            image: self.machine.image(),
            log: self.ground.log,
            objects: self.ground.objects,
        };
        self.part.bad.push(Bad {
            ordinal: at,
            rip_before: before.map_or(step.rip, |s| s.rip),
            rip: step.rip,
            causes: causes(&judged.fresh, base, &judged.touched, (cpu, at), &row),
            violations: judged.fresh.clone(),
            decision: entry,
        });
    }

    /// What the boundary before showed, if this one is equivalent to it.
    fn carry_over(&mut self, index: usize, from: Ordinal) -> Option<Judged> {
        let path = self.ground.path;
        let step = path.steps[index];
        let mut class = self.class.take()?;
        let last = class.last;
        let over = path.steps[last];
        // Either the decision is made at the boundary itself, here and there, or at one and the
        // same place before, with nothing in between that could tell.
        let armed_alike =
            class.armed == from && !self.asked || class.armed == class.at && from == step.ordinal;
        let equivalent = last + 1 == index
            && armed_alike
            && !class.between.counted
            && self.commutes(&class, last);
        if !equivalent {
            return None;
        }
        class.last = index;
        class.local &= over.local;
        let mut judged = class.judged.clone();
        if let Some(span) = class.between.span {
            let frame = NmiFrame {
                ordinal: step.ordinal,
                rip: step.rip,
            };
            move_moments(&mut judged.fresh, step.cpu, span, frame);
        }
        self.class = Some(class);
        Some(judged)
    }

    /// Whether the instruction at this position may change places with what came in between, but
    /// for what counts both.
    fn commutes(&self, class: &Class, position: usize) -> bool {
        let path = self.ground.path;
        let (over, next) = (path.steps[position], path.steps[position + 1]);
        over.cpu == next.cpu
            && over.ordinal + 1 == next.ordinal
            && !(over.fence || over.user || over.seen)
            && !(class.strict && over.frame)
            && !(class.between.on_stack && over.stack)
            && !(over.object && matches!(self.ground.source, Source::Preempt(_)))
            && !class.between.footprint.meets(path, &over)
    }

    /// One execution: from the armed place to the end, with the decision; then back.
    fn run(&mut self, index: usize, entry: Entry) -> Judged {
        let step = self.ground.path.steps[index];
        let (cpu, from, _) = entry;
        let kept = self.armed.is_some();
        if !kept {
            self.arm(index);
        }
        let Some(armed) = self.armed.take() else {
            unreachable!("armed right before");
        };
        let holds_back = self.walked.0.holds_back(cpu);
        let moving = Moving::of(self.machine, &self.walked.0, cpu);
        self.machine.restore(&armed.machine);
        let mut schedule = armed.schedule.with(entry);
        let sampled_before = armed.walked.0.sampled;
        let mut watchers: Watchers = (armed.walked.clone(), Default::default());
        let start = boundaries(self.machine);
        let (mut end, mut between) = (None, None);
        if self.ground.reduce {
            (end, between) = self.between(&step, &moving, &mut schedule, &mut watchers, start);
        }
        let mut end = end.unwrap_or_else(|| {
            let spent = boundaries(self.machine) - start;
            let limit = PATIENCE.saturating_sub(spent);
            self.machine
                .run(&mut schedule, &mut watchers, Until::End { limit })
        });
        let mut hang = false;
        if matches!(end, End::Limit) {
            hang = hangs(self.machine, &mut watchers.0.0);
            if !hang {
                let limit = RUN_LIMIT;
                let rest = Until::End { limit };
                end = self.machine.run(&mut schedule, &mut watchers, rest);
            }
        }
        let ((oracles, trail), (touched, outcomes)) = watchers;
        let cores = self.machine.cores().iter();
        let ends = cores.map(|core| core.ordinal).collect();
        self.part.executions += 1;
        // Someone else's look at the events is what an NMI's reader is.
        let looked = match self.ground.source {
            Source::Preempt(_) | Source::Tick => touched.by_others,
            _ => oracles.sampled > sampled_before,
        };
        let known = self.ground.known;
        let fresh: Vec<Violation> = fresh(oracles.violations(), self.ground.baseline)
            .into_iter()
            .filter(|v| !known.iter().any(|k| damage(k) == damage(v)))
            .cloned()
            .collect();
        let judged = Judged {
            outcomes: outcomes.0.into_iter().map(|(_, outcome)| outcome).collect(),
            looked,
            failed: check_end(&end).err().filter(|_| !hang),
            outrun: outrun(self.machine, &end),
            fresh,
            touched,
            trail,
            ends,
        };
        self.machine.restore(&armed.machine);
        self.walked = armed.walked.clone();
        self.schedule = armed.schedule.clone();
        self.armed = Some(armed);
        if !kept {
            self.disarm();
        }
        self.walk_to(index);
        let slow = |v: &Violation| v.oracle == Oracle::Progress;
        if judged.failed.is_none() && !judged.fresh.iter().any(slow) {
            self.class = between.map(|between| Class {
                between,
                armed: from,
                at: step.ordinal,
                strict: holds_back || !judged.fresh.is_empty(),
                local: true,
                last: index,
                judged: judged.clone(),
            });
        }
        judged
    }

    /// From the boundary on, until whoever comes in between has gone again. The end of the run, if
    /// it ends before; and what was touched meanwhile, if everything is then as before but for
    /// memory and counters. The run was at `start` boundaries when it began.
    fn between(
        &mut self,
        step: &Step,
        moving: &Moving,
        schedule: &mut Schedule,
        watchers: &mut Watchers,
        start: u64,
    ) -> (Option<End>, Option<Between>) {
        let (cpu, at) = (step.cpu, step.ordinal);
        let machine = &mut *self.machine;
        let to = Until::Boundary(cpu, at);
        if machine.cores()[cpu].ordinal < at
            && let end = machine.run(schedule, watchers, to)
            && !matches!(end, End::Boundary)
        {
            return (Some(end), None);
        }
        let before = machine.cores()[cpu].cpu.clone();
        let first = match self.ground.source {
            Source::Preempt(other) => {
                let there = machine.cores()[other].ordinal;
                Until::Boundary(other, there)
            }
            _ => Until::Boundary(cpu, at + 1),
        };
        let end = machine.run(schedule, watchers, first);
        if !matches!(end, End::Boundary) {
            return (Some(end), None);
        }
        // As far as a run without this detour goes.
        let limit = PATIENCE.saturating_sub(boundaries(machine) - start);
        let core = &machine.cores()[cpu];
        let ticked = core.interrupt.is_some_and(|frame| frame.rip == step.rip);
        let (mut footprint, back) = match (self.ground.source, core.nmi) {
            (Source::Preempt(_), _) => (Footprint::empty(), Until::Turn { cpu, limit }),
            (_, Some(frame)) if frame.ordinal == at => {
                (Footprint::delivered(core), Until::NmiExit { limit })
            }
            (Source::Tick, _) if ticked => (
                Footprint::delivered(core),
                Until::InterruptExit { cpu, limit },
            ),
            // Latched, masked or pending: something in a device, which nobody has looked at.
            _ => {
                let same = *moving == Moving::of(machine, &watchers.0.0, cpu);
                return (None, same.then(Between::default));
            }
        };
        let came = boundaries(machine);
        machine.record_memory(true);
        let mut both = (std::mem::replace(watchers, idle_watchers()), footprint);
        let end = machine.run(schedule, &mut both, back);
        (*watchers, footprint) = both;
        machine.record_memory(false);
        if !matches!(end, End::Boundary) {
            return (Some(end), None);
        }
        footprint.close();
        let core = &machine.cores()[cpu];
        let as_before = machine.turn() == cpu
            && core.cpu.same_state(&before)
            && !core.expects_event()
            && *moving == Moving::of(machine, &watchers.0.0, cpu);
        let span = match self.ground.source {
            Source::Preempt(_) => None,
            _ => Some((at, core.ordinal)),
        };
        let headroom = core.pmu.headroom(&core.totals());
        let between = Between {
            footprint,
            span,
            on_stack: ticked,
            counted: moving.anything(),
            room: headroom.saturating_sub(boundaries(machine) - came),
        };
        (None, as_before.then_some(between))
    }
}

/// What retires in the kernel of a CPU moves these.
#[derive(Debug, PartialEq, Eq)]
struct Moving {
    counters: pmu::Followers,
    ideals: Vec<ObjectId>,
}

impl Moving {
    fn of(machine: &Machine, oracles: &Oracles, cpu: usize) -> Self {
        Self {
            counters: machine.cores()[cpu].pmu.followers(Ring::Kernel),
            ideals: oracles.follow_kernel(cpu),
        }
    }

    fn anything(&self) -> bool {
        !self.counters.is_empty() || !self.ideals.is_empty()
    }
}

/// Stands in while the real ones are lent.
fn idle_watchers() -> Watchers {
    (
        (Oracles::new(BTreeMap::new()), Trail::default()),
        Default::default(),
    )
}

fn boundaries(machine: &Machine) -> u64 {
    machine.cores().iter().map(|core| core.ordinal).sum()
}

/// The handler that ran over the boundaries `span` of `cpu` runs from `frame` on instead.
fn move_moments(
    violations: &mut [Violation],
    cpu: usize,
    span: (Ordinal, Ordinal),
    frame: NmiFrame,
) {
    let by = frame.ordinal - span.0;
    for violation in violations {
        let moment = &mut violation.at;
        let inside = moment.ordinal > span.0 && moment.ordinal <= span.1;
        if moment.cpu != cpu {
            continue;
        }
        if inside {
            moment.ordinal += by;
        }
        // What the handler has left behind may be seen later.
        if moment.nmi.is_some_and(|nmi| nmi.ordinal == span.0) {
            moment.nmi = Some(frame);
        }
    }
}
