// SPDX-License-Identifier: GPL-2.0-only
//! The sweep: one NMI, or one preemption by another CPU, at every boundary of one step (contract,
//! section 4).
//!
//! A first run goes without NMI; its violations are the baseline. Then, at each boundary of the
//! step, the machine is snapshot, the NMI lands, the run goes on to the end, and the machine is
//! rolled back. A boundary is bad if its run has a finding that the baseline lacks. Workers share
//! the boundaries in contiguous parts; results merge in the order of boundaries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::totals::Ring;
use check::cause::{Cause, row_on_stack};
use check::{Oracles, Violation};
use machine::{
    Decision, End, Entry, Machine, Ordinal, Outcome, Schedule, SetupError, Snapshot, Until,
};

use crate::execute::{Execution, Outcomes, Touched, execute};
use crate::findings::{causes, fresh};
use crate::setup::{RUN_LIMIT, Setup};

/// Where the NMI of a sweep comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The injector event with this code overflows at the boundary.
    Pmi(u64),
    /// It overflows where it last counted before the boundary, and the PMI lands at the boundary.
    Late(u64),
    /// An NMI of another source.
    External,
    /// No NMI: this CPU runs instead, until it waits or ends.
    Preempt(usize),
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
    let total = last + 1 - first;
    progress.total.store(total, Ordering::Relaxed);

    let jobs = (plan.jobs.max(1) as u64).min(total);
    let parts: Vec<(Ordinal, Ordinal)> = (0..jobs)
        .map(|i| (first + total * i / jobs, first + total * (i + 1) / jobs))
        .collect();
    let results: Vec<Result<Part, SetupError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = parts
            .into_iter()
            .map(|part| {
                let baseline = &baseline;
                scope.spawn(move || Worker::new(setup, plan, baseline, progress)?.sweep(part))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker does not panic"))
            .collect()
    });

    let mut sweep = Sweep {
        source: plan.source,
        cpu: plan.cpu,
        range: (first, last),
        boundaries: 0,
        outcomes: BTreeMap::new(),
        sampled: 0,
        quiet: BTreeSet::new(),
        executions: 1,
        baseline,
        bad: Vec::new(),
        failed: Vec::new(),
        interrupted: progress.stop.load(Ordering::Relaxed),
    };
    for part in results {
        let part = part?;
        sweep.boundaries += part.boundaries;
        sweep.sampled += part.sampled;
        sweep.quiet.extend(part.quiet);
        sweep.executions += part.executions;
        sweep.bad.extend(part.bad);
        sweep.failed.extend(part.failed);
        for (outcome, n) in part.outcomes {
            *sweep.outcomes.entry(outcome).or_default() += n;
        }
    }
    Ok(sweep)
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
        End::Limit => Err(format!("no end within {RUN_LIMIT} boundaries")),
        End::Boundary => Err("the run stopped at a boundary".to_owned()),
        End::SystemCall => Err("the run stopped at a system call".to_owned()),
    }
}

/// Boundaries after which a run with an NMI is looked at: is it the handler that goes on?
const PATIENCE: u64 = 1_000_000;

/// What one worker found.
#[derive(Debug, Default)]
struct Part {
    boundaries: u64,
    outcomes: BTreeMap<Outcome, u64>,
    sampled: u64,
    quiet: Vec<Ordinal>,
    executions: u64,
    bad: Vec<Bad>,
    failed: Vec<(Ordinal, String)>,
}

/// A machine of its own, walked through a part of the boundaries.
struct Worker<'a> {
    setup: &'a Setup,
    plan: Plan,
    baseline: &'a Execution,
    progress: &'a Progress,
    machine: Machine,
    oracles: Oracles,
    part: Part,
}

/// A place to inject from: the machine and the oracles as they were there.
struct Armed {
    ordinal: Ordinal,
    machine: Snapshot,
    oracles: Oracles,
}

impl<'a> Worker<'a> {
    fn new(
        setup: &'a Setup,
        plan: Plan,
        baseline: &'a Execution,
        progress: &'a Progress,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            setup,
            plan,
            baseline,
            progress,
            machine: setup.machine()?,
            oracles: setup.oracles(),
            part: Part::default(),
        })
    }

    fn sweep(mut self, (from, to): (Ordinal, Ordinal)) -> Result<Part, SetupError> {
        let skid = match self.plan.source {
            Source::Late(_) => u64::from(self.setup.hardware.skid_max),
            Source::Pmi(_) | Source::External | Source::Preempt(_) => 0,
        };
        // The last place that was armed may lie before the part.
        let mut armed: Option<Armed> = None;
        let start = from.saturating_sub(skid);
        self.walk_to(start);
        let mut rip_before = self.rip();
        for at in start..to {
            if self.progress.stop.load(Ordering::Relaxed) {
                break;
            }
            let rip = self.rip();
            let row = row_on_stack(&self.machine.view(self.plan.cpu), rip);
            if self.is_armed() {
                if let Some(old) = armed.take() {
                    self.machine.release(old.machine);
                }
                armed = Some(Armed {
                    ordinal: at,
                    machine: self.machine.snapshot(),
                    oracles: self.oracles.clone(),
                });
            }
            if at >= from {
                self.part.boundaries += 1;
                match &armed {
                    Some(armed) if at - armed.ordinal <= skid => {
                        self.inject(armed, at, &row, (rip_before, rip));
                    }
                    _ => {
                        self.count(Outcome::NotArmed);
                        self.part.quiet.push(at);
                    }
                }
                self.progress.done.fetch_add(1, Ordering::Relaxed);
            }
            rip_before = rip;
            self.walk_to(at + 1);
        }
        Ok(self.part)
    }

    fn rip(&self) -> u64 {
        self.machine.cores()[self.plan.cpu].cpu.rip
    }

    /// Goes on without NMI until `ordinal` is next.
    fn walk_to(&mut self, ordinal: Ordinal) {
        self.machine.run(
            &mut Schedule::empty(),
            &mut self.oracles,
            Until::Boundary(self.plan.cpu, ordinal),
        );
    }

    fn is_armed(&self) -> bool {
        let core = &self.machine.cores()[self.plan.cpu];
        let ring = if core.cpu.cpl() == 3 {
            Ring::User
        } else {
            Ring::Kernel
        };
        match self.plan.source {
            Source::Pmi(_) | Source::External | Source::Preempt(_) => true,
            Source::Late(code) => core.pmu.counts(code, ring),
        }
    }

    fn count(&mut self, outcome: Outcome) {
        *self.part.outcomes.entry(outcome).or_default() += 1;
    }

    /// One execution: from the armed place to the end, with the NMI at `at`; then back.
    fn inject(&mut self, armed: &Armed, at: Ordinal, row: &str, (rip_before, rip): (u64, u64)) {
        let decision = match self.plan.source {
            Source::Pmi(code) => Decision::Pmi { code },
            Source::Late(code) => Decision::LatePmi {
                code,
                recognised_at: at,
            },
            Source::External => Decision::ExternalNmi,
            Source::Preempt(to) => Decision::Preempt { to },
        };
        let cpu = self.plan.cpu;
        self.machine.restore(&armed.machine);
        let mut observer = (
            armed.oracles.clone(),
            (Touched::default(), Outcomes::default()),
        );
        let sampled_before = observer.0.sampled;
        let mut schedule = Schedule::new(vec![(cpu, armed.ordinal, decision)]);
        // A handler that does not end is noticed long before the limit of all runs.
        let patience = Until::End { limit: PATIENCE };
        let mut end = self.machine.run(&mut schedule, &mut observer, patience);
        let mut hangs = false;
        if matches!(end, End::Limit) {
            hangs = crate::execute::hangs(&self.machine, &mut observer.0);
            if !hangs {
                let rest = Until::End { limit: RUN_LIMIT };
                end = self.machine.run(&mut schedule, &mut observer, rest);
            }
        }
        let (oracles, (touched, outcomes)) = observer;
        self.part.executions += 1;
        for (_, outcome) in outcomes.0 {
            self.count(outcome);
        }
        // Someone else's look at the events is what an NMI's reader is.
        let looked = match self.plan.source {
            Source::Preempt(_) => touched.by_others,
            _ => oracles.sampled > sampled_before,
        };
        if looked {
            self.part.sampled += 1;
        } else {
            self.part.quiet.push(at);
        }
        if !hangs && let Err(words) = check_end(&end) {
            self.part.failed.push((at, words));
        }
        let fresh = fresh(oracles.violations(), self.baseline);
        if !fresh.is_empty() {
            self.progress.bad.fetch_add(1, Ordering::Relaxed);
            self.part.bad.push(Bad {
                ordinal: at,
                rip_before,
                rip,
                causes: causes(&fresh, self.baseline, &touched, (cpu, at), row),
                violations: fresh.into_iter().cloned().collect(),
                decision: (cpu, armed.ordinal, decision),
            });
        }
        self.machine.restore(&armed.machine);
        self.oracles = armed.oracles.clone();
        self.walk_to(at);
    }
}
