// SPDX-License-Identifier: GPL-2.0-only
//! One node of a search: a run with some decisions, and one more decision tried at each boundary
//! behind them.
//!
//! What need not be looked at below a node: if boundary b + 1 has the findings of b because the
//! instruction T between them and what came in at b may change places, then so do their runs with
//! a further decision at any boundary behind both. Only a decision inside of what came in (the handler,
//! the other CPU's turn) happens before T here and behind T there; those are tried for
//! b + 1 too, unless T touches nothing but its own stack.

use std::collections::BTreeMap;

use check::access_log::AccessLog;
use check::{Oracles, Sight, Violation};
use machine::{Decision, Entry, Machine, Outcome, Schedule, Until};

use crate::execute::Execution;
use crate::findings::fresh;
use crate::path::{Path, Step};
use crate::record::boundary;
use crate::rig::Rig;
use crate::search::Space;
use crate::setup::{RUN_LIMIT, Setup};
use crate::sweep::{Bad, Progress, Source, check_end};
use crate::worker::{Ground, Part, Worker};

/// Boundaries of a run that are looked at.
const PATH_MAX: usize = 4_000_000;

/// Decisions below which one more is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) decisions: Vec<Entry>,
    /// Only inside of what the last one brings in: what lies behind is covered by another node.
    pub(crate) inside: bool,
    /// How many of the preemptions are choices where a CPU waits or ends.
    pub(crate) switches: u32,
}

impl Node {
    fn count(&self, like: impl Fn(&Decision) -> bool) -> u32 {
        let decisions = self.decisions.iter();
        decisions.filter(|(_, _, decision)| like(decision)).count() as u32
    }
}

/// What one source of decisions did below a node.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    pub(crate) boundaries: u64,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    pub(crate) sampled: u64,
    pub(crate) executions: u64,
}

/// What was found below a node.
#[derive(Debug, Default)]
pub(crate) struct Expansion {
    /// By position in [`Space::sources`].
    pub(crate) tried: BTreeMap<usize, Tried>,
    /// Bad runs, each with the decisions.
    pub(crate) bad: Vec<(Vec<Entry>, Bad)>,
    /// Runs in which the guest failed, with the words, and whether only a program was outrun.
    pub(crate) failed: Vec<(Vec<Entry>, String, bool)>,
    pub(crate) children: Vec<Node>,
    /// Accesses and objects of the node's own run.
    pub(crate) run: Option<Run>,
}

/// A run that decisions are added to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) log: AccessLog,
    pub(crate) objects: machine::Objects,
    violations: Vec<Violation>,
}

/// What all nodes share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) space: &'a Space,
    pub(crate) baseline: &'a Execution,
    pub(crate) sight: &'a Sight,
    pub(crate) progress: &'a Progress,
}

impl Common<'_> {
    /// Tries one more decision at each boundary behind those of `node`.
    pub(crate) fn expand(self, rig: &mut Rig, node: &Node) -> Expansion {
        let machine = rig.reset();
        let mut found = Expansion::default();
        let prefix = Schedule::new(node.decisions.clone());
        let mut run = (self.setup.oracles(), AccessLog::new());
        let limit = RUN_LIMIT;
        let end = machine.run(&mut prefix.clone(), &mut run, Until::End { limit });
        // A run that fails was reported above, and nothing good can come behind.
        if check_end(&end).is_err() && !node.decisions.is_empty() {
            return found;
        }
        let (oracles, log) = run;
        let run = Run {
            log,
            objects: machine.objects().clone(),
            violations: fresh(oracles.violations(), self.baseline)
                .into_iter()
                .cloned()
                .collect(),
        };
        let machine = rig.reset();
        let mut oracles = self.setup.oracles();
        let mut schedule = prefix;
        if let Some(&last) = node.decisions.last() {
            carry_out(machine, &mut oracles, &mut schedule, last);
        }
        let here = machine.snapshot();
        let path = self.path(machine, &schedule, node);
        let inside = match node.decisions.last() {
            Some(_) if node.inside => path.steps.len(),
            _ => 0,
        };
        for (index, (source, _)) in self.space.sources.iter().enumerate() {
            if !self.space.allows(node, *source) {
                continue;
            }
            let ground = Ground {
                setup: self.setup,
                baseline: self.baseline,
                known: &run.violations,
                log: &run.log,
                objects: &run.objects,
                path: &path,
                source: *source,
                prompt_too: match *source {
                    Source::Late(code) => self.space.has(Source::Pmi(code)),
                    _ => false,
                },
                reduce: self.space.reduce,
                only_first: false,
                progress: self.progress,
            };
            let until = if inside > 0 { inside } else { path.steps.len() };
            // A PMI that lands late comes from somewhere before on its own CPU.
            let each = match source {
                Source::Late(_) => (0..self.setup.programs.len()).map(Some).collect(),
                _ => vec![None],
            };
            for only in each {
                machine.restore(&here);
                let mut worker = Worker::new(ground, machine, oracles.clone(), schedule.clone());
                let part = worker.sweep(0..until, |step| {
                    only.is_none_or(|cpu| cpu == step.cpu) && self.space.tries(node, *source, step)
                });
                worker.finish();
                self.take(node, (index, *source), part, &mut found);
            }
        }
        machine.release(here);
        found.run = Some(run);
        found
    }

    /// The way behind the decisions of a node, or inside of what the last one brings in.
    fn path(self, machine: &mut Machine, schedule: &Schedule, node: &Node) -> Path {
        let start = machine.snapshot();
        let mut left = PATH_MAX;
        let last = node.decisions.last().filter(|_| node.inside);
        let path = Path::record(machine, &mut schedule.clone(), self.sight, |machine| {
            left = left.saturating_sub(1);
            let inside = last.is_none_or(|&(cpu, _, decision)| match decision {
                Decision::Preempt { .. } => machine.turn() != cpu,
                Decision::Tick => machine.cores()[cpu].interrupt.is_some(),
                _ => machine.cores()[cpu].nmi.is_some(),
            });
            left > 0 && inside && self.space.reaches(machine)
        });
        machine.restore(&start);
        machine.release(start);
        path
    }

    fn take(
        self,
        node: &Node,
        (index, source): (usize, Source),
        part: Part,
        found: &mut Expansion,
    ) {
        let with = |entry: Entry| {
            let mut decisions = node.decisions.clone();
            decisions.push(entry);
            decisions
        };
        for bad in part.bad {
            found.bad.push((with(bad.decision), bad));
        }
        for ((entry, outrun), (_, words)) in part.failed_by.into_iter().zip(part.failed) {
            found.failed.push((with(entry), words, outrun));
        }
        for tried in part.tried.iter().filter(|tried| tried.acted) {
            let switch = self.space.is_switch(node, source, tried.turn_of);
            let child = Node {
                decisions: with(tried.entry),
                inside: tried.equivalent,
                switches: node.switches + u32::from(switch),
            };
            let mut more = self.space.sources.iter();
            let open = more.any(|(source, _)| self.space.allows(&child, *source));
            if open && !(tried.equivalent && tried.local) {
                found.children.push(child);
            }
        }
        let tried = found.tried.entry(index).or_default();
        tried.boundaries += part.boundaries;
        tried.sampled += part.sampled;
        tried.executions += part.executions;
        for (outcome, n) in part.outcomes {
            *tried.outcomes.entry(outcome).or_default() += n;
        }
    }
}

/// Runs until the last of the decisions has been carried out: its NMI is delivered or latched, or
/// the other CPU has the turn.
fn carry_out(machine: &mut Machine, oracles: &mut Oracles, schedule: &mut Schedule, last: Entry) {
    let (cpu, _, decision) = last;
    let at = boundary(last);
    machine.run(schedule, oracles, Until::Boundary(cpu, at));
    let next = match decision {
        Decision::Preempt { to } => Until::Boundary(to, machine.cores()[to].ordinal),
        _ => Until::Boundary(cpu, at + 1),
    };
    machine.run(schedule, oracles, next);
}

impl Space {
    /// Whether one more decision of this kind is within the bounds.
    fn allows(&self, node: &Node, source: Source) -> bool {
        match source {
            Source::Preempt(_) => self.preempts(node) || node.switches < self.switches,
            Source::Tick => node.count(|d| *d == Decision::Tick) < self.ticks,
            Source::Pmi(_) | Source::Late(_) | Source::External => {
                let nmi = |d: &Decision| !matches!(d, Decision::Preempt { .. } | Decision::Tick);
                node.count(nmi) < self.nmis
            }
        }
    }

    /// Whether one more preemption is within the bounds.
    fn preempts(&self, node: &Node) -> bool {
        let all = node.count(|d| matches!(d, Decision::Preempt { .. }));
        all - node.switches < self.preemptions
    }

    /// Whether a decision where the turn came from `turn_of` is no preemption, but the choice of
    /// another CPU than the next one.
    fn is_switch(&self, node: &Node, source: Source, turn_of: Option<usize>) -> bool {
        let Source::Preempt(to) = source else {
            return false;
        };
        node.switches < self.switches && turn_of.is_some_and(|waits| waits != to)
    }

    fn has(&self, source: Source) -> bool {
        self.sources.iter().any(|(other, _)| *other == source)
    }

    /// Whether a decision by `source` is tried at this boundary behind those of `node`.
    fn tries(&self, node: &Node, source: Source, step: &Step) -> bool {
        match source {
            _ if self.is_switch(node, source, step.turn_of) => self.means(step),
            Source::Preempt(_) => self.preempts(node) && self.holds(step),
            _ => self.holds(step),
        }
    }

    /// Whether a boundary is searched: one of the kernel, in a step that is meant.
    fn holds(&self, step: &Step) -> bool {
        self.means(step) && !step.user
    }

    fn means(&self, step: &Step) -> bool {
        match self.step {
            Some((cpu, wanted)) => step.cpu == cpu && step.program == Some(wanted),
            None => step.program.is_some(),
        }
    }

    /// Whether there may be boundaries ahead that are searched.
    fn reaches(&self, machine: &Machine) -> bool {
        self.step.is_none_or(|(cpu, wanted)| {
            let core = &machine.cores()[cpu];
            core.step.is_none_or(|step| step <= wanted)
        })
    }
}
