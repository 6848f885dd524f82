// SPDX-License-Identifier: GPL-2.0-only
//! Running a trace again: to the bit with the image it was made with, by its semantic points with
//! another (contract, section 7).

use std::sync::Arc;

use image::Image;
use machine::{Decision, Entry, Ordinal, Schedule, SetupError};
use scenario::{Access, Diagnostics, Point, Scenario, Side};
use trace::{Kind, Trace, Verdict};

use crate::execute::{Execution, Run, execute};
use crate::prepare::{PrepareError, prepare};
use crate::record::{Files, boundary, hex, record, verdicts};
use crate::recorded::Recorded;
use crate::resolve::resolve;
use crate::rig::Rig;
use crate::setup::Setup;
use crate::window::Clock;

/// What running a trace again showed.
#[derive(Debug)]
pub struct Replay {
    /// The trace was made with another image; its decisions were found again by semantic points.
    pub reanchored: bool,
    /// Where the run differs from the record, in words; empty when it is the same to the bit.
    pub differences: Vec<String>,
    /// The run.
    pub run: Execution,
    /// Findings of this run that the run without decisions lacks.
    pub verdicts: Vec<Verdict>,
    /// The trace as this image would record it.
    pub renewed: Trace,
    setup: Setup,
    baseline: Run,
    decisions: Vec<Entry>,
}

/// Boundaries of all executions to each side of a trace's own boundary: a run whose handler never
/// ends is not repeated for hours.
const TRIED: u64 = 5_000_000;

/// The boundaries around that of one of a trace's decisions that show the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayWindow {
    /// Position of the decision, from 0.
    pub decision: usize,
    /// The first.
    pub first: Ordinal,
    /// The last.
    pub last: Ordinal,
    /// Not all were tried: it may be wider.
    pub cut: bool,
    /// How long they are open, on a Skylake core; of an NMI alone.
    pub cycles: Option<f64>,
}

impl Replay {
    /// The windows of the finding: each decision is tried at the boundaries around its own, at most
    /// `most` to each side, as long as the verdict stays, while the others keep their boundaries.
    /// Empty where nothing was found.
    ///
    /// # Errors
    /// The machine cannot be built.
    pub fn windows(&self, most: u64) -> Result<Vec<ReplayWindow>, SetupError> {
        if self.verdicts.is_empty() {
            return Ok(Vec::new());
        }
        let mut rig = Rig::new(&self.setup)?;
        let all = 0..self.decisions.len();
        all.map(|number| self.window(&mut rig, number, most))
            .collect()
    }

    fn window(&self, rig: &mut Rig, number: usize, most: u64) -> Result<ReplayWindow, SetupError> {
        let entry = self.decisions[number];
        let (cpu, own) = (entry.0, boundary(entry));
        let mut shows = |at: Ordinal| -> bool {
            let Some(moved) = moved(entry, at) else {
                return false;
            };
            let mut decisions = self.decisions.clone();
            decisions[number] = moved;
            let run = rig.run(Schedule::new(decisions.clone()));
            verdicts(rig, &self.baseline, &run, &decisions) == self.verdicts
        };
        let cost = self.run.machine.cores()[cpu].ordinal.max(1);
        let most = most.min(TRIED / cost);
        let (mut first, mut last, mut cut) = (own, own, false);
        while first > 1 {
            if own - first == most {
                cut = true;
                break;
            }
            if !shows(first - 1) {
                break;
            }
            first -= 1;
        }
        loop {
            if last - own == most {
                cut = true;
                break;
            }
            if !shows(last + 1) {
                break;
            }
            last += 1;
        }
        let nmi = !matches!(entry.2, Decision::Tick | Decision::Preempt { .. });
        let cycles = if nmi {
            let before = Schedule::new(self.decisions[..number].to_vec());
            Clock::along(&self.setup, cpu, before)?.width(first, last)
        } else {
            None
        };
        Ok(ReplayWindow {
            decision: number,
            first,
            last,
            cut,
            cycles,
        })
    }

    /// Whether verdict and digest are as recorded.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Why a trace cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file inside it does not parse.
    #[error("a file inside the trace has errors")]
    Files(Diagnostics),
    /// It does not fit this program.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The machine cannot be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It was made with another guest image, and a decision cannot be found again in this one.
    #[error(
        "the trace was made with another guest image and decision {number} cannot be found again in this one: {why}"
    )]
    Stale {
        /// Position of the decision, from 1.
        number: usize,
        /// What is missing.
        why: String,
    },
    /// A decision is about a CPU that the scenario does not have.
    #[error("decision {number} is about cpu{cpu}; the trace's scenario has {cpus}")]
    Cpu {
        /// Position of the decision, from 1.
        number: usize,
        /// The CPU.
        cpu: usize,
        /// CPUs of the scenario.
        cpus: usize,
    },
    /// A decision names an event that the scenario does not have.
    #[error("decision {number} is about `{event}`, which the trace's scenario does not declare")]
    Event {
        /// Position of the decision, from 1.
        number: usize,
        /// The name.
        event: String,
    },
}

/// Runs `trace` again with `image`. With the image it was made with, verdict and digest must be the
/// same; with another one the decisions are found again by their semantic points, and the verdict
/// must be the same.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(trace: &Trace, image: Arc<Image>) -> Result<Replay, ReplayError> {
    let same_image = hex(&image.hash()) == trace.image;
    let Recorded {
        scenario,
        machine,
        scheduler,
    } = Recorded::of(trace).map_err(ReplayError::Files)?;
    let prepared = prepare(&scenario, &machine, &scheduler, image)?;
    let mut rig = Rig::new(&prepared.setup)?;
    let mut decisions = Vec::new();
    for (i, decision) in trace.decisions.iter().enumerate() {
        let cpus = scenario.programs.len();
        let other = match decision.kind {
            Kind::Preempt(to) => to,
            _ => 0,
        };
        if let Some(&cpu) = [decision.cpu, other].iter().find(|&&cpu| cpu >= cpus) {
            let number = i + 1;
            return Err(ReplayError::Cpu { number, cpu, cpus });
        }
        let decision = if same_image {
            decision.clone()
        } else {
            anchor(
                &mut rig,
                &scenario,
                &Schedule::new(decisions.clone()),
                i,
                decision,
            )?
        };
        decisions.push(decode(&scenario, i, &decision)?);
    }
    let baseline = rig.run(Schedule::empty());
    let run = execute(&prepared.setup, Schedule::new(decisions.clone()))?;
    let verdicts = verdicts(&mut rig, &baseline, &run, &decisions);
    let mut differences = Vec::new();
    if verdicts != trace.verdicts {
        let words = |verdicts: &[Verdict]| match verdicts {
            [] => "clean".to_owned(),
            _ => verdicts
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        };
        differences.push(format!(
            "recorded verdict: {}; this run: {}",
            words(&trace.verdicts),
            words(&verdicts)
        ));
    }
    let files = Files {
        scenario: (&trace.scenario.text, &trace.scenario.name),
        machine: (&trace.machine.text, &trace.machine.name),
        scheduler: &scheduler,
    };
    let renewed = if same_image {
        trace.clone()
    } else {
        record(&prepared, &scenario, files, &decisions)?
    };
    let digest = run.digest.to_string();
    if same_image && digest != trace.digest {
        differences.push(format!(
            "recorded digest {}; this run: {digest}",
            trace.digest
        ));
    }
    Ok(Replay {
        reanchored: !same_image,
        differences,
        run,
        verdicts,
        renewed,
        setup: prepared.setup,
        baseline,
        decisions,
    })
}

/// A decision of a trace that was made with another image or scheduler, at the boundary that its
/// semantic point names with this one.
pub(crate) fn anchor(
    rig: &mut Rig,
    scenario: &Scenario,
    before: &Schedule,
    position: usize,
    decision: &trace::Decision,
) -> Result<trace::Decision, ReplayError> {
    let stale = |why: String| ReplayError::Stale {
        number: position + 1,
        why,
    };
    let words = decision
        .semantic
        .as_deref()
        .ok_or_else(|| stale("it has no semantic point".to_owned()))?;
    let point = parse_semantic(words, scenario, decision.cpu)
        .ok_or_else(|| stale(format!("`{words}` is not a semantic point")))?;
    let (_, ordinal) =
        resolve(rig, scenario, before, &point).map_err(|error| stale(error.to_string()))?;
    let mut anchored = decision.clone();
    if let Kind::Late { occurs_at, .. } = &mut anchored.kind {
        // As many boundaries earlier as it was.
        *occurs_at = ordinal.saturating_sub(decision.ordinal.saturating_sub(*occurs_at));
    }
    anchored.ordinal = ordinal;
    Ok(anchored)
}

/// `before write A.dup_count hit 1 in target`, as [`semantic_point`] writes it.
pub(crate) fn parse_semantic(words: &str, scenario: &Scenario, cpu: usize) -> Option<Point> {
    let (side, rest) = words.split_once(' ')?;
    let side = match side {
        "before" => Side::Before,
        "after" => Side::After,
        _ => return None,
    };
    let (access, rest) = rest.rsplit_once(" hit ")?;
    let (hit, step) = match rest.split_once(" in ") {
        Some((hit, step)) => (hit, Some(step.to_owned())),
        None => (rest, None),
    };
    Some(Point::Semantic {
        side,
        access: Access::parse(access, |name| scenario.event(name).is_some()).ok()?,
        hit: hit.parse().ok()?,
        step,
        cpu: u32::try_from(cpu).ok(),
    })
}

/// A recorded decision as the machine takes it.
pub(crate) fn decode(
    scenario: &Scenario,
    position: usize,
    decision: &trace::Decision,
) -> Result<Entry, ReplayError> {
    let code = |event: &String| {
        scenario
            .event(event)
            .map(|event| event.attr().config)
            .ok_or_else(|| ReplayError::Event {
                number: position + 1,
                event: event.clone(),
            })
    };
    let (at, what) = match &decision.kind {
        Kind::Pmi(event) => (decision.ordinal, Decision::Pmi { code: code(event)? }),
        Kind::Late { event, occurs_at } => (
            *occurs_at,
            Decision::LatePmi {
                code: code(event)?,
                recognised_at: decision.ordinal,
            },
        ),
        Kind::External => (decision.ordinal, Decision::ExternalNmi),
        Kind::Tick => (decision.ordinal, Decision::Tick),
        Kind::Preempt(to) => (decision.ordinal, Decision::Preempt { to: *to }),
    };
    Ok((decision.cpu, at, what))
}

/// A decision that is seen at boundary `to` instead. None where it would have to be made before the
/// first one.
fn moved((cpu, at, decision): Entry, to: Ordinal) -> Option<Entry> {
    let moved = match decision {
        Decision::LatePmi {
            code,
            recognised_at,
        } => {
            let at = (at + to).checked_sub(recognised_at)?;
            let recognised_at = to;
            (
                cpu,
                at,
                Decision::LatePmi {
                    code,
                    recognised_at,
                },
            )
        }
        other => (cpu, to, other),
    };
    Some(moved)
}
