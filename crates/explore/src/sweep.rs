// SPDX-License-Identifier: GPL-2.0-only
//! The sweep: one NMI, or one preemption by another CPU, at every boundary of one step (contract,
//! section 4).
//!
//! A first run goes without NMI; its violations are the baseline. Then, at each boundary of the
//! step, the machine is snapshot, the NMI lands, the run goes on to the end, and the machine is
//! rolled back. A boundary is bad if its run has a finding that the baseline lacks. Workers share
//! the boundaries in blocks; results merge in the order of boundaries.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use check::cause::Cause;
use check::{Sight, Violation};
use machine::{Decision, End, Entry, Ordinal, Outcome, Schedule, SetupError, Until};

use crate::execute::{Execution, execute};
use crate::expand::{Common, Node};
use crate::path::{Path, Step};
use crate::rig::Rig;
use crate::search::Space;
use crate::setup::Setup;
use crate::worker::{Ground, Part, Worker};

/// Where the NMI of a sweep comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The injector event with this code overflows at the boundary.
    Pmi(u64),
    /// It overflows where it last counted before the boundary, and the PMI lands at the boundary.
    Late(u64),
    /// An NMI of another source.
    External,
    /// The timer interrupt: taken at once, or when interrupts are on again.
    Tick,
    /// No NMI: this CPU runs instead, until it waits or ends.
    Preempt(usize),
}

impl Source {
    /// That of a decision.
    pub(crate) const fn of(decision: Decision) -> Self {
        match decision {
            Decision::Pmi { code } => Self::Pmi(code),
            Decision::LatePmi { code, .. } => Self::Late(code),
            Decision::ExternalNmi => Self::External,
            Decision::Tick => Self::Tick,
            Decision::Preempt { to } => Self::Preempt(to),
        }
    }
}

/// What to sweep.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The CPU whose boundaries are swept.
    pub cpu: usize,
    /// Step of its program.
    pub step: usize,
    /// Where the NMI comes from.
    pub source: Source,
    /// Worker threads; at least one is used.
    pub jobs: usize,
    /// Leave out what is known: boundaries equivalent to the one before, and those where the
    /// decision would do nothing. The findings are the same.
    pub reduce: bool,
    /// Stop at the first bad boundary that is found.
    pub only_first: bool,
    /// Decisions in one run, at most; [`sweep`] does the first of them.
    pub nmis: u32,
}

impl Plan {
    /// The search for runs with more than one decision in the step; none if one is all.
    #[must_use]
    pub fn deeper(&self, name: &str) -> Option<Space> {
        let of = |is: bool| if is { self.nmis } else { 0 };
        let (preempts, ticks) = (
            matches!(self.source, Source::Preempt(_)),
            self.source == Source::Tick,
        );
        (self.nmis > 1).then(|| Space {
            sources: vec![(self.source, name.to_owned())],
            nmis: of(!preempts && !ticks),
            preemptions: of(preempts),
            switches: 0,
            ticks: of(ticks),
            step: Some((self.cpu, self.step)),
            reduce: self.reduce,
            max_executions: None,
        })
    }
}

/// How far a sweep is; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Boundaries in all; 0 until they are known.
    pub total: AtomicU64,
    /// Boundaries done.
    pub done: AtomicU64,
    /// Boundaries found bad so far.
    pub bad: AtomicU64,
    /// Set by the caller to stop early.
    pub stop: AtomicBool,
}

/// A boundary at which an NMI makes a difference.
#[derive(Debug, Clone)]
pub struct Bad {
    /// The boundary.
    pub ordinal: Ordinal,
    /// Address of the instruction before it.
    pub rip_before: u64,
    /// Address of the instruction after it.
    pub rip: u64,
    /// Findings that the baseline lacks, in order.
    pub violations: Vec<Violation>,
    /// Their causes, without repetition.
    pub causes: Vec<Cause>,
    /// The decision that shows it, with its CPU and boundary.
    pub decision: Entry,
}

/// Neighbouring bad boundaries with equal causes.
#[derive(Debug, Clone)]
pub struct Window {
    /// Causes of every boundary in it.
    pub causes: Vec<Cause>,
    /// Position of the first boundary in [`Sweep::bad`].
    pub first: usize,
    /// Position of the last one.
    pub last: usize,
}

/// The result of a sweep.
#[derive(Debug)]
pub struct Sweep {
    /// What was swept.
    pub(crate) setup: Setup,
    /// Where the NMIs came from.
    pub source: Source,
    /// The CPU that was swept.
    pub cpu: usize,
    /// First and last boundary of the step inside the kernel.
    pub range: (Ordinal, Ordinal),
    /// Boundaries judged.
    pub boundaries: u64,
    /// What became of the NMIs.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Boundaries at which a reader ran inside the NMI.
    pub sampled: u64,
    /// Boundaries at which none ran, so that nothing can be said of them.
    pub quiet: BTreeSet<Ordinal>,
    /// Runs of the guest, the baseline included.
    pub executions: u64,
    /// The run without NMI.
    pub baseline: Execution,
    /// Bad boundaries, in order.
    pub bad: Vec<Bad>,
    /// Boundaries after which the guest failed (a fault, a panic), with the words.
    pub failed: Vec<(Ordinal, String)>,
    /// The sweep was stopped before its end.
    pub interrupted: bool,
}

/// Why a sweep cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The machine cannot be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The run without NMI does not reach the end.
    #[error("the run without NMI does not end well: {0}")]
    Baseline(String),
    /// The step makes no system call.
    #[error("the step never enters the kernel, so it has no boundaries to sweep")]
    NoKernel,
}

/// Sweeps one step of `setup`.
///
/// # Errors
/// The machine cannot be built, the run without NMI fails, or the step stays at CPL 3.
pub fn sweep(setup: &Setup, plan: Plan, progress: &Progress) -> Result<Sweep, SweepError> {
    let baseline = execute(setup, Schedule::empty())?;
    check_end(&baseline.end).map_err(SweepError::Baseline)?;
    let (first, last) = baseline
        .log
        .cpu(plan.cpu)
        .kernel
        .get(plan.step)
        .copied()
        .flatten()
        .ok_or(SweepError::NoKernel)?;
    let path = way(setup, plan, (first, last))?;
    let wanted = |step: &Step| {
        let inside = (first..=last).contains(&step.ordinal);
        step.cpu == plan.cpu && inside
    };
    let begin = path.position(plan.cpu, first);
    let total = path.steps[begin..]
        .iter()
        .filter(|step| wanted(step))
        .count();
    progress.total.store(total as u64, Ordering::Relaxed);
    let ground = Ground {
        setup,
        baseline: &baseline,
        known: &[],
        log: &baseline.log,
        objects: &baseline.objects,
        path: &path,
        source: plan.source,
        prompt_too: false,
        reduce: plan.reduce,
        only_first: plan.only_first,
        progress,
    };
    let blocks: Vec<Range<usize>> = (begin..path.steps.len())
        .step_by(BLOCK)
        .map(|from| from..(from + BLOCK).min(path.steps.len()))
        .collect();
    let jobs = plan.jobs.clamp(1, blocks.len().max(1));
    let work = |job: usize| -> Result<Vec<(usize, Part)>, SetupError> {
        let mut machine = setup.machine()?;
        let mut worker = Worker::new(ground, &mut machine, setup.oracles(), Schedule::empty());
        let mine = (job..blocks.len()).step_by(jobs);
        let done = mine.map(|block| (block, worker.sweep(blocks[block].clone(), wanted)));
        Ok(done.collect())
    };
    let results: Vec<Result<Vec<(usize, Part)>, SetupError>> = if jobs == 1 {
        vec![work(0)]
    } else {
        std::thread::scope(|scope| {
            let work = &work;
            let workers: Vec<_> = (0..jobs)
                .map(|job| scope.spawn(move || work(job)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("a worker does not panic"))
                .collect()
        })
    };
    let mut parts = BTreeMap::new();
    for result in results {
        parts.extend(result?);
    }
    let mut all = Part::default();
    for part in parts.into_values() {
        all.append(part);
    }
    Ok(Sweep {
        setup: setup.clone(),
        source: plan.source,
        cpu: plan.cpu,
        range: (first, last),
        boundaries: all.boundaries,
        outcomes: all.outcomes,
        sampled: all.sampled,
        quiet: all.quiet.into_iter().collect(),
        executions: all.executions + 1,
        baseline,
        bad: all.bad,
        failed: all.failed,
        interrupted: progress.stop.load(Ordering::Relaxed),
    })
}

/// Sweeps one step of `setup` behind decisions that stay as they are; they and what they show are
/// the ground that boundaries are judged on. Not by blocks, so there is one worker.
///
/// # Errors
/// As [`sweep`]; the run with the decisions fails too.
pub(crate) fn sweep_behind(
    setup: &Setup,
    plan: Plan,
    decisions: &[Entry],
    progress: &Progress,
) -> Result<Sweep, SweepError> {
    let baseline = execute(setup, Schedule::empty())?;
    check_end(&baseline.end).map_err(SweepError::Baseline)?;
    let any = u32::MAX;
    let space = Space {
        sources: vec![(plan.source, String::new())],
        nmis: any,
        preemptions: any,
        switches: 0,
        ticks: any,
        step: Some((plan.cpu, plan.step)),
        reduce: plan.reduce,
        max_executions: None,
    };
    let common = Common {
        setup,
        space: &space,
        baseline: &baseline,
        sight: &Sight::new(&setup.image),
        progress,
    };
    let node = Node {
        decisions: decisions.to_vec(),
        inside: false,
        switches: 0,
    };
    let mut found = common.expand(&mut Rig::new(setup)?, &node);
    let Some(run) = found.run else {
        let words = "with the decisions before the last it does not end well";
        return Err(SweepError::Baseline(words.to_owned()));
    };
    let range = run.log.cpu(plan.cpu).kernel.get(plan.step);
    let range = range.copied().flatten().ok_or(SweepError::NoKernel)?;
    let tried = found.tried.remove(&0).unwrap_or_default();
    Ok(Sweep {
        setup: setup.clone(),
        source: plan.source,
        cpu: plan.cpu,
        range,
        boundaries: tried.boundaries,
        outcomes: tried.outcomes,
        sampled: tried.sampled,
        quiet: BTreeSet::new(),
        executions: tried.executions + 2,
        baseline,
        bad: found.bad.into_iter().map(|(_, bad)| bad).collect(),
        failed: Vec::new(),
        interrupted: progress.stop.load(Ordering::Relaxed),
    })
}

/// Boundaries that one worker does in one go. Part of the result, because nothing is carried over
/// from one block to the next: the number of workers is not.
const BLOCK: usize = 512;

/// The way of the run without decisions through the boundaries of a sweep, from as far before them
/// as an injector may have overflowed.
fn way(setup: &Setup, plan: Plan, (first, last): (Ordinal, Ordinal)) -> Result<Path, SetupError> {
    let mut machine = setup.machine()?;
    let from = first.saturating_sub(u64::from(setup.hardware.skid_max));
    let mut schedule = Schedule::empty();
    machine.run(&mut schedule, &mut (), Until::Boundary(plan.cpu, from));
    let sight = Sight::new(&setup.image);
    Ok(Path::record(
        &mut machine,
        &mut schedule,
        &sight,
        |machine| machine.cores()[plan.cpu].ordinal <= last,
    ))
}

impl Sweep {
    /// Neighbouring bad boundaries with equal causes, grouped.
    #[must_use]
    pub fn windows(&self) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        for (i, bad) in self.bad.iter().enumerate() {
            if let Some(window) = windows.last_mut()
                && window.causes == bad.causes
                && self.bad[window.last].ordinal + 1 == bad.ordinal
            {
                window.last = i;
                continue;
            }
            windows.push(Window {
                causes: bad.causes.clone(),
                first: i,
                last: i,
            });
        }
        windows
    }
}

/// Whether a run came to the end that its programs wanted; otherwise the words for it.
///
/// # Errors
/// The words, when it did not.
pub fn check_end(end: &End) -> Result<(), String> {
    match end {
        End::Exited(statuses) => match statuses.iter().find(|&&status| status != 0) {
            None => Ok(()),
            Some(&status) => Err(crate::assemble::describe_exit(status)),
        },
        End::Failed(failure) => Err(failure.to_string()),
        End::Halted => Err("the CPU halted with nothing that could wake it".to_owned()),
        End::Limit => Err("no end within the boundaries that a run may take".to_owned()),
        End::Boundary => Err("the run stopped at a boundary".to_owned()),
        End::SystemCall => Err("the run stopped at a system call".to_owned()),
    }
}
