// SPDX-License-Identifier: GPL-2.0-only
//! From a recorded run to the smallest scenario that shows the same cause: a file that a person
//! would have written, and its trace.
//!
//! Everything that [`edits`] can take out is tried, again and again, until nothing more can go: a
//! scenario is kept if [`seek`] finds the finding in it. So what is left is minimal in one element:
//! without any one of them the cause is another or none.

mod edits;
mod finish;
mod seek;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use image::Image;
use machine::{Entry, Schedule, SetupError};
use scenario::{Injection, NmiSource, Op, Scenario, Scheduler, write_scenario};
use trace::{Kind, Trace, Verdict};

use crate::execute::Run;
use crate::inject::injection;
use crate::prepare::{PrepareError, prepare};
use crate::record::boundary;
use crate::rig::Rig;
use crate::setup::Setup;
use crate::sweep::Progress;
use edits::{PLAINER, Pass, REMOVALS};
use seek::{Shown, points, seek};

pub(crate) use edits::{drop_step, without_attribute_of};
pub use seek::Signature;

/// What is shrunk, beside the scenario and its decisions.
#[derive(Debug)]
pub struct Shrink<'a> {
    /// The machine.
    pub machine: &'a scenario::Machine,
    /// The text of its file.
    pub machine_text: &'a str,
    /// The scheduler.
    pub scheduler: &'a Scheduler,
    /// The guest.
    pub image: Arc<Image>,
    /// The finding.
    pub verdict: &'a Verdict,
    /// Name of the resulting scenario file.
    pub name: &'a str,
    /// Executions so far (`done`), and whether to stop.
    pub progress: &'a Progress,
    /// The machine that candidates run on; nothing at first.
    pub rig: RefCell<Option<Rig>>,
}

/// How big a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// CPUs.
    pub cpus: usize,
    /// Declared events.
    pub events: usize,
    /// Steps of all programs.
    pub operations: usize,
    /// Decisions.
    pub decisions: usize,
}

impl Size {
    /// That of a scenario and its injections.
    #[must_use]
    pub fn of(scenario: &Scenario, decisions: usize) -> Self {
        Self {
            cpus: scenario.programs.len(),
            events: scenario.events.len(),
            operations: scenario.programs.iter().map(|p| p.steps.len()).sum(),
            decisions,
        }
    }
}

/// The result.
#[derive(Debug)]
pub struct Shrunk {
    /// The scenario: its injections show the finding, and it expects what it shows.
    pub text: String,
    /// Its trace.
    pub trace: Trace,
    /// How big it was.
    pub before: Size,
    /// How big it is.
    pub after: Size,
    /// Scenarios that were tried.
    pub tried: u64,
    /// Runs of the guest.
    pub executions: u64,
    /// It was stopped before its end: more could go.
    pub interrupted: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// The scenario cannot be put together.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The machine cannot be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The finding does not show where it was recorded.
    #[error("the finding does not show again: {0}")]
    NotShown(String),
    /// A decision is of a kind that a scenario file cannot say.
    #[error("a decision of this trace cannot be written as an [[inject]]: {0}")]
    Decision(String),
    /// The smallest scenario does not do what it expects of itself.
    #[error("the shrunk scenario does not hold: {0}")]
    Judged(String),
}

impl Shrink<'_> {
    /// Shrinks `scenario` and the `decisions` under which it shows the finding.
    ///
    /// # Errors
    /// See [`ShrinkError`].
    pub fn run(
        &self,
        scenario: &Scenario,
        decisions: &[trace::Decision],
    ) -> Result<Shrunk, ShrinkError> {
        let before = Size::of(scenario, decisions.len());
        let wanted = Signature::of(self.verdict, scenario);
        let start = self.start(scenario, decisions)?;
        let mut tried = 1;
        let mut best = seek(self, &wanted, &start)?
            .ok_or_else(|| ShrinkError::NotShown(self.verdict.to_string()))?;
        let mut failed: BTreeSet<String> = BTreeSet::new();
        loop {
            let mut smaller = false;
            for pass in REMOVALS.into_iter().chain(PLAINER) {
                smaller |= self.pass(pass, &wanted, &mut best, &mut failed, &mut tried)?;
            }
            if !smaller || self.stopped() {
                break;
            }
        }
        if let Some(earlier) = seek::earliest(self, &wanted, &best)? {
            best = earlier;
        }
        let (text, trace, after) = finish::finish(self, best)?;
        Ok(Shrunk {
            text,
            trace,
            before,
            after,
            tried,
            executions: self.progress.done.load(Ordering::Relaxed),
            interrupted: self.stopped(),
        })
    }

    /// The scenarios that are one element smaller than `scenario`: none of them shows the finding if
    /// it is minimal.
    #[must_use]
    pub fn smaller(scenario: &Scenario) -> Vec<Scenario> {
        REMOVALS.iter().flat_map(|pass| pass(scenario)).collect()
    }

    /// Whether `scenario`, at its injections or at another boundary of the window, shows the finding.
    ///
    /// # Errors
    /// The machine cannot be built.
    pub fn shows(&self, wanted: &Signature, scenario: &Scenario) -> Result<bool, SetupError> {
        Ok(seek(self, wanted, scenario)?.is_some())
    }

    /// Takes what `pass` can take from `best`; true if something went.
    fn pass(
        &self,
        pass: Pass,
        wanted: &Signature,
        best: &mut Shown,
        failed: &mut BTreeSet<String>,
        tried: &mut u64,
    ) -> Result<bool, SetupError> {
        let mut smaller = false;
        let mut at = 0;
        while let Some(candidate) = pass(&best.scenario).into_iter().nth(at) {
            if self.stopped() {
                break;
            }
            let text = write_scenario(&candidate);
            if failed.contains(&text) {
                at += 1;
                continue;
            }
            *tried += 1;
            match seek(self, wanted, &candidate)? {
                Some(shown) => {
                    *best = shown;
                    smaller = true;
                }
                None => {
                    failed.insert(text);
                    at += 1;
                }
            }
        }
        Ok(smaller)
    }

    /// The scenario with its decisions as injections, each in a labelled step, and nothing else that
    /// only says how to look at it.
    fn start(
        &self,
        scenario: &Scenario,
        decisions: &[trace::Decision],
    ) -> Result<Scenario, ShrinkError> {
        let mut start = scenario.clone();
        let image = Arc::clone(&self.image);
        let prepared = prepare(scenario, self.machine, self.scheduler, image)?;
        let mut rig = self.rig(&prepared.setup)?;
        let baseline = rig.run(Schedule::empty());
        for decision in decisions {
            label(&mut start, &baseline, decision);
        }
        let sources = decisions
            .iter()
            .map(|decision| source(scenario, decision))
            .collect::<Result<Vec<_>, _>>()?;
        start.sweep = None;
        start.claim = None;
        start.events_why = None;
        start.source = None;
        start.expect.clear();
        start.inject.clear();
        let mut entries: Vec<Entry> = Vec::new();
        for (source, recorded) in sources.into_iter().zip(decisions) {
            // The most lasting point that names this very boundary.
            let injections = points(recorded, &start).into_iter().map(|at| Injection {
                source: source.clone(),
                at,
                line: 0,
            });
            let found = injections.into_iter().find_map(|there| {
                let entry = injection(&mut rig, &start, &entries, &there).ok()?;
                (boundary(entry) == recorded.ordinal).then_some((there, entry))
            });
            let Some((there, entry)) = found else {
                let words = format!("boundary {} is not reached", recorded.ordinal);
                return Err(ShrinkError::NotShown(words));
            };
            start.inject.push(there);
            entries.push(entry);
        }
        Ok(start)
    }

    /// The machine, with `setup` loaded.
    fn rig(&self, setup: &Setup) -> Result<RefMut<'_, Rig>, SetupError> {
        let mut slot = self.rig.borrow_mut();
        let rig = match slot.take() {
            Some(mut rig) => {
                rig.load(setup)?;
                rig
            }
            None => Rig::new(setup)?,
        };
        Ok(RefMut::map(slot, |slot| slot.insert(rig)))
    }

    fn count(&self) {
        self.progress.done.fetch_add(1, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.progress.stop.load(Ordering::Relaxed)
    }
}

/// Gives the step that a decision falls into a label, if it has none.
fn label(scenario: &mut Scenario, baseline: &Run, decision: &trace::Decision) {
    let ranges = &baseline.log.cpu(decision.cpu).kernel;
    let holds = |range: &Option<(u64, u64)>| {
        range.is_some_and(|(first, last)| (first..=last).contains(&decision.ordinal))
    };
    let Some(at) = ranges.iter().position(holds) else {
        return;
    };
    let name = (1..)
        .map(|n| {
            if n == 1 {
                "target".to_owned()
            } else {
                format!("target{n}")
            }
        })
        .find(|name| scenario.labelled(name).is_none());
    let step = scenario
        .programs
        .get_mut(decision.cpu)
        .and_then(|program| program.steps.get_mut(at));
    if let Some(step) = step
        && step.label.is_none()
    {
        step.label = name;
    }
}

/// The source of an injection that does what `decision` did.
fn source(scenario: &Scenario, decision: &trace::Decision) -> Result<NmiSource, ShrinkError> {
    Ok(match &decision.kind {
        Kind::Pmi(event) => NmiSource::Pmi(event.clone()),
        Kind::Late { event, .. } => NmiSource::Late(event.clone()),
        Kind::External => {
            let mut steps = scenario.programs.iter().flat_map(|program| &program.steps);
            let probed = steps.find_map(|step| match &step.op {
                Op::Probe(event) => Some(event.clone()),
                _ => None,
            });
            let words = || ShrinkError::Decision("no probe step reads anything".to_owned());
            NmiSource::External(probed.ok_or_else(words)?)
        }
        Kind::Preempt(to) => NmiSource::Preempt(u32::try_from(*to).unwrap_or(u32::MAX)),
        Kind::Tick => NmiSource::Tick,
    })
}
