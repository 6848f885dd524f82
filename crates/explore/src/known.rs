// SPDX-License-Identifier: GPL-2.0-only
//! Findings that are real but not ours to mend (`sim-configs/known.toml`): matched by the window
//! they lie in, never by their symptom (contract, section 8).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use abi::rows::Row;
use check::Violation;
use check::access_log::CpuLog;
use check::cause::Cause;
use image::Image;
use machine::{AccessKind, Entry, ObjectAccess, ObjectId, Ordinal, Schedule};
use scenario::{Known, Reach, ReadGuard, Scheduler, Window};

use crate::execute::Run;
use crate::findings::{Base, damage};
use crate::record::boundary;
use crate::rig::Rig;
use crate::setup::Setup;
use crate::sweep::{Bad, Source, Sweep};
use crate::verdict::{is_at, pairs_in};

/// The entry of `list` that explains a cause which the last of these decisions shows; `base` is the
/// run with the others. It may be that one of them did the damage and the last one is only somebody
/// who looks at it.
fn explains<'k>(
    list: &'k [Known],
    scheduler: &Scheduler,
    decisions: &[Entry],
    cause: &Cause,
    base: Base<'_>,
) -> Option<&'k Known> {
    let anywhere = (0, Ordinal::MAX);
    let of_one = |&entry: &Entry| {
        let (cpu, _, decision) = entry;
        let reach = reach(Source::of(decision));
        let inside = |known: &Known| {
            known.window.as_ref().is_some_and(|window| {
                let window = Boundaries::in_run(base, cpu, anywhere, window);
                window.contains(&cause.event, boundary(entry))
            })
        };
        list.iter().find(|known| {
            known.oracle.name() == cause.oracle.name()
                && applies(known, scheduler)
                && known.reaches.contains(&reach)
                && inside(known)
        })
    };
    decisions.iter().rev().find_map(of_one)
}

/// The entry that explains a cause by its window or, as what shows at a known place needs no
/// decision but only what leads there, by the place of one of the findings `news` of its oracle.
pub(crate) fn explains_somehow<'k>(
    list: &'k [Known],
    scheduler: &Scheduler,
    decisions: &[Entry],
    (cause, news): (&Cause, &[&Violation]),
    base: Base<'_>,
) -> Option<&'k Known> {
    explains(list, scheduler, decisions, cause, base).or_else(|| {
        let places = KnownFindings::of_run(list, scheduler);
        let mut of_cause = news.iter().filter(|v| is_of(v, cause));
        of_cause.find_map(|v| places.by_place(base.image, v))
    })
}

/// Whether a finding is one that `cause` is the cause of.
fn is_of(violation: &Violation, cause: &Cause) -> bool {
    violation.oracle == cause.oracle && *violation.event == cause.event
}

/// The entry that explains a cause by NMIs that no decision brought: an event that counts the kernel
/// overflows by itself, anywhere. Each of the findings `news` of that cause must have been made by one
/// that lies in a known window, or be the same damage once more; `run` is the run that shows them.
pub(crate) fn explains_by_itself<'k>(
    list: &'k [Known],
    scheduler: &Scheduler,
    decisions: &[Entry],
    (cause, news): (&Cause, &[&Violation]),
    run: Base<'_>,
) -> Option<&'k Known> {
    KnownFindings::of_run(list, scheduler).by_itself(decisions, (cause, news), run)
}

/// Whether one of the findings of a cause was made by an NMI that no decision brought.
pub(crate) fn has_own_nmi(decisions: &[Entry], cause: &Cause, news: &[&Violation]) -> bool {
    let mut of_cause = news.iter().filter(|v| is_of(v, cause));
    of_cause.any(|v| own_nmi(decisions, v).is_some())
}

/// The boundary of the NMI that made a finding, if no decision brought that NMI.
fn own_nmi(decisions: &[Entry], violation: &Violation) -> Option<Ordinal> {
    let at = violation.at.nmi?.ordinal;
    let by = |&&entry: &&Entry| (entry.0, boundary(entry)) == (violation.at.cpu, at);
    decisions.iter().find(by).is_none().then_some(at)
}

/// How a finding of a source is reached, in the words of the list.
fn reach(source: Source) -> Reach {
    match source {
        Source::Pmi(_) => Reach::Pmi,
        Source::Late(_) => Reach::Late,
        Source::External => Reach::External,
        Source::Tick => Reach::Tick,
        Source::Preempt(_) => Reach::Preempt,
    }
}

/// Whether an entry is about this scheduler.
fn applies(known: &Known, scheduler: &Scheduler) -> bool {
    let guard = match scheduler.value(Row::ReadGuard) {
        "v5.9" => ReadGuard::V5_9,
        _ => ReadGuard::V5_5,
    };
    known.read_guard.contains(&guard)
        && (known.schedulers.is_empty() || known.schedulers.contains(&scheduler.name))
}

/// The entries that can apply to one scheduler and source of NMIs, with their boundaries in one
/// sweep.
#[derive(Debug, Default)]
pub struct KnownFindings<'a> {
    entries: Vec<(&'a Known, Boundaries)>,
    /// What was swept.
    setup: Option<Setup>,
    runs: RefCell<Runs<'a>>,
}

/// Runs of a sweep that were made once more, for what came in by itself.
#[derive(Debug, Default)]
struct Runs<'a> {
    rig: Option<Rig>,
    /// By boundary and cause.
    told: BTreeMap<(Ordinal, String), Option<&'a Known>>,
}

/// The boundaries of an entry's window. It names no events: it is one window for each, between the
/// accesses to that event, so that of two events that are scheduled in together each has its own. It
/// never reaches to where the event goes on a CPU again (a write of `oncpu`): what lies before and
/// behind that are two windows. Nor does it leave the step that it begins in, as in a sweep: an event
/// that goes on a CPU in one system call and off it in a later one was there in between, and nothing
/// that an NMI finds then is what the entry is about. What comes in after the program's end is one step.
#[derive(Debug, Default)]
struct Boundaries {
    of: BTreeMap<String, BTreeSet<Ordinal>>,
}

impl Boundaries {
    fn new(sweep: &Sweep, window: &Window) -> Self {
        Self::in_run(Base::of(&sweep.baseline), sweep.cpu, sweep.range, window)
    }

    /// Those of a CPU in any run, between two boundaries.
    fn in_run(base: Base<'_>, cpu: usize, range: (Ordinal, Ordinal), window: &Window) -> Self {
        let own = |name: &str, id: ObjectId| -> BTreeSet<Ordinal> {
            let mut window = window.clone();
            window.from.object = Some(name.to_owned());
            window.to.object = Some(name.to_owned());
            let log = &base.log.cpu(cpu).base;
            let goes_on = |a: &&ObjectAccess| {
                let field = base.objects.field_name(a.offset);
                let written = a.object == id && a.kind == AccessKind::Write && field == "oncpu";
                written && a.new as i32 >= 0
            };
            let goes_on: Vec<Ordinal> = log.iter().filter(goes_on).map(|a| a.ordinal).collect();
            let CpuLog { kernel, stays, .. } = base.log.cpu(cpu);
            let in_one_step = |(from, to): &(Ordinal, Ordinal)| {
                let mut steps = kernel.iter().flatten();
                steps.any(|(first, last)| first <= from && to <= last)
                    || stays.is_some_and(|first| first <= *from)
            };
            pairs_in(base, cpu, range, &window)
                .filter(in_one_step)
                .filter(|(from, to)| !goes_on.iter().any(|at| from < at && at <= to))
                .flat_map(|(from, to)| from + 1..=to)
                .collect()
        };
        Self {
            of: base
                .objects
                .iter()
                .map(|(id, object)| (object.name.to_string(), own(&object.name, id)))
                .collect(),
        }
    }

    /// Whether a finding about `event` at `at` lies in it, or in that of a child whose share is in what
    /// `event` shows; one about none (a warning) in that of any.
    fn contains(&self, event: &str, at: Ordinal) -> bool {
        let none = !self.of.contains_key(event);
        let of_family = |name: &str| name.split('.').next() == Some(event);
        self.of
            .iter()
            .any(|(name, own)| (none || name == event || of_family(name)) && own.contains(&at))
    }
}

impl<'a> KnownFindings<'a> {
    /// The entries of `list` that apply to `sweep` under `scheduler`.
    #[must_use]
    pub fn new(list: &'a [Known], scheduler: &Scheduler, sweep: &Sweep) -> Self {
        let reach = reach(sweep.source);
        let mut this = Self::of_run(list, scheduler);
        this.setup = Some(sweep.setup.clone());
        for (known, at) in &mut this.entries {
            if known.reaches.contains(&reach)
                && let Some(window) = &known.window
            {
                *at = Boundaries::new(sweep, window);
            }
        }
        this
    }

    /// The entries of `list` that apply to a run under `scheduler`: those with a place.
    #[must_use]
    pub fn of_run(list: &'a [Known], scheduler: &Scheduler) -> Self {
        let entries = list.iter().filter(|known| applies(known, scheduler));
        Self {
            entries: entries
                .map(|known| (known, Boundaries::default()))
                .collect(),
            ..Self::default()
        }
    }

    /// The entry whose window holds a bad boundary that `cause` is a cause of, or whose place one of
    /// its findings has, or that explains it by an NMI that came by itself in that run.
    #[must_use]
    pub fn at(&self, image: &Image, cause: &Cause, bad: &Bad) -> Option<&'a Known> {
        let is_it = |(known, window): &&(&Known, Boundaries)| {
            known.oracle.name() == cause.oracle.name() && window.contains(&cause.event, bad.ordinal)
        };
        let by_window = self.entries.iter().find(is_it).map(|&(known, _)| known);
        let by_window = by_window.or_else(|| {
            let mut of_cause = bad.violations.iter().filter(|v| is_of(v, cause));
            of_cause.find_map(|v| self.by_place(image, v))
        });
        by_window.or_else(|| self.in_its_run(cause, bad))
    }

    /// The entry that explains a cause by NMIs that came by themselves in the run of a bad boundary. That
    /// is made once more, as sweeps keep no logs.
    fn in_its_run(&self, cause: &Cause, bad: &Bad) -> Option<&'a Known> {
        let decisions = [bad.decision];
        let news: Vec<&Violation> = bad.violations.iter().collect();
        if !has_own_nmi(&decisions, cause, &news) {
            return None;
        }
        let runs = &mut *self.runs.borrow_mut();
        let asked = (bad.ordinal, cause.to_string());
        if let Some(&known) = runs.told.get(&asked) {
            return known;
        }
        if runs.rig.is_none() {
            runs.rig = Rig::new(self.setup.as_ref()?).ok();
        }
        let run = runs.rig.as_mut()?.run(Schedule::new(decisions.to_vec()));
        let known = self.by_itself(&decisions, (cause, &news), Base::of(&run));
        runs.told.insert(asked, known);
        known
    }

    /// As [`explains_by_itself`].
    fn by_itself(
        &self,
        decisions: &[Entry],
        (cause, news): (&Cause, &[&Violation]),
        run: Base<'_>,
    ) -> Option<&'a Known> {
        let of_cause = || news.iter().filter(|v| is_of(v, cause));
        let explained = |v: &Violation| self.by_own_nmi(run, decisions, v);
        let same =
            |v: &Violation| of_cause().any(|w| damage(w) == damage(v) && explained(w).is_some());
        let all = of_cause().all(|v| same(v));
        of_cause().find_map(|v| explained(v)).filter(|_| all)
    }

    /// The entry that explains a finding of a run without decisions: by its place, or by the window
    /// in which the NMI came that made it.
    #[must_use]
    pub fn baseline(&self, run: &Run, violation: &Violation) -> Option<&'a Known> {
        self.by_place(&run.image, violation)
            .or_else(|| self.by_own_nmi(Base::of(run), &[], violation))
    }

    /// The entry in whose window an NMI came that no decision brought, and that made this finding.
    fn by_own_nmi(
        &self,
        run: Base<'_>,
        decisions: &[Entry],
        violation: &Violation,
    ) -> Option<&'a Known> {
        let at = own_nmi(decisions, violation)?;
        let (cpu, anywhere) = (violation.at.cpu, (0, Ordinal::MAX));
        let inside = |window| {
            let window = Boundaries::in_run(run, cpu, anywhere, window);
            window.contains(&violation.event, at)
        };
        let entries = self.entries.iter().map(|&(known, _)| known);
        let mut entries = entries.filter(|known| {
            let reaches = |reach: &Reach| matches!(reach, Reach::Pmi | Reach::Late);
            known.oracle.name() == violation.oracle.name() && known.reaches.iter().any(reaches)
        });
        entries.find(|known| known.window.as_ref().is_some_and(inside))
    }

    /// The entry whose place is that of a finding.
    pub(crate) fn by_place(&self, image: &Image, violation: &Violation) -> Option<&'a Known> {
        self.entries
            .iter()
            .find(|(known, _)| {
                known.oracle.name() == violation.oracle.name()
                    && known
                        .place
                        .as_deref()
                        .is_some_and(|place| is_at(image, violation, place))
            })
            .map(|&(known, _)| known)
    }
}
