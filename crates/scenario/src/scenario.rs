// SPDX-License-Identifier: GPL-2.0-only
//! A scenario as its file describes it.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Event, Expect, Op, Point, Program, Step, SwitchTarget, TaskTarget, walk::Span};

/// Bounds that keep every run finite and inside the guest's memory.
pub mod limits {
    /// Programs, one for each CPU.
    pub const CPUS: usize = abi::layout::CPUS_MAX;
    /// Events of a scenario.
    pub const EVENTS: usize = 128;
    /// Steps of one program.
    pub const STEPS: usize = 1000;
    /// Instructions of one `work` step.
    pub const WORK: u64 = 1_000_000_000;
    /// Nanoseconds of one `advance` step: one hour.
    pub const ADVANCE_NS: u64 = 3_600_000_000_000;
    /// NMIs of one run of a sweep.
    pub const NMIS: u64 = 8;
    /// The largest period: the driver's `max_period` without full-width writes; a longer one would
    /// wrap more than once per sample.
    pub const PERIOD: u64 = 0x7fff_ffff;
}

/// What comes in between: where an NMI comes from (contract.md section 2), or another CPU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NmiSource {
    /// Overflow of this injector at the boundary.
    Pmi(String),
    /// Overflow of this injector shortly before; the PMI lands at the boundary.
    Late(String),
    /// Not the PMU; the reader is the probe on this event.
    External(String),
    /// No NMI: this CPU runs instead, until it waits or ends.
    Preempt(u32),
    /// No NMI: the timer interrupt.
    Tick,
}

impl NmiSource {
    /// The keys in files.
    pub const NAMES: [&'static str; 5] = ["pmi", "late", "external", "preempt", "tick"];

    /// The key of this source.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pmi(_) => "pmi",
            Self::Late(_) => "late",
            Self::External(_) => "external",
            Self::Preempt(_) => "preempt",
            Self::Tick => "tick",
        }
    }

    /// The event it is about; a preemption and a tick are about none.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Pmi(event) | Self::Late(event) | Self::External(event) => Some(event),
            Self::Preempt(_) | Self::Tick => None,
        }
    }
}

impl fmt::Display for NmiSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pmi(event) | Self::Late(event) | Self::External(event) => {
                write!(f, "{} {event}", self.name())
            }
            Self::Preempt(cpu) => write!(f, "{} {cpu}", self.name()),
            Self::Tick => f.write_str("tick"),
        }
    }
}

/// Every boundary of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Label of the step.
    pub step: String,
    /// Who sends the NMI.
    pub source: NmiSource,
    /// NMIs in one run.
    pub nmis: u32,
    /// Line of the table, from 1.
    pub line: u32,
}

/// A fixed NMI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// Who sends it.
    pub source: NmiSource,
    /// Where.
    pub at: Point,
    /// Line of the table, from 1.
    pub line: u32,
}

/// A scenario: consistent in itself, with names of machine and schedulers not yet looked up
/// ([`crate::resolve`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// One line for lists and reports.
    pub title: String,
    /// Where the scenario comes from.
    pub source: Option<String>,
    /// The claim that it shows ([`crate::CLAIMS`]).
    pub claim: Option<String>,
    /// Which kind of events it uses (user-only, or user and kernel), and why.
    pub events_why: Option<String>,
    /// Name of the machine.
    pub machine: String,
    /// Events, in the order of the file.
    pub events: Vec<Event>,
    /// One program for each CPU.
    pub programs: Vec<Program>,
    /// The sweep.
    pub sweep: Option<Sweep>,
    /// Expectations by scheduler name.
    pub expect: BTreeMap<String, Expect>,
    /// Fixed injections, in the order of the file.
    pub inject: Vec<Injection>,
    /// Tasks by name, in the order of their first mention.
    pub tasks: Vec<String>,
    pub(crate) machine_span: Span,
    pub(crate) expect_spans: BTreeMap<String, Span>,
}

impl Scenario {
    /// The event with this id.
    #[must_use]
    pub fn event(&self, id: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.id == id)
    }

    /// CPU and position of the step with this label.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Option<(usize, usize)> {
        self.programs.iter().enumerate().find_map(|(cpu, program)| {
            let found = |step: &Step| step.label.as_deref() == Some(label);
            Some((cpu, program.steps.iter().position(found)?))
        })
    }

    /// The CPU whose program opens this event.
    #[must_use]
    pub fn opener(&self, id: &str) -> Option<usize> {
        let opens = |step: &Step| matches!(&step.op, Op::Open(event) if event == id);
        self.programs
            .iter()
            .position(|program| program.steps.iter().any(opens))
    }

    /// The number of a task in `SWITCH_TO` and as a pid: 1 upwards in the order of
    /// [`Scenario::tasks`].
    #[must_use]
    pub fn task_number(&self, name: &str) -> Option<u64> {
        let at = self.tasks.iter().position(|task| task == name)?;
        u64::try_from(at + 1).ok()
    }

    /// Collects the task names: programs first, then events.
    pub(crate) fn tasks_of(programs: &[Program], events: &[Event]) -> Vec<String> {
        let mut tasks: Vec<String> = Vec::new();
        let switched = programs
            .iter()
            .flat_map(|program| &program.steps)
            .filter_map(|step| match &step.op {
                Op::Switch(SwitchTarget::Task(name)) | Op::Fork(name) => Some(name),
                _ => None,
            });
        let targets = events.iter().filter_map(|event| match &event.task {
            TaskTarget::Task(name) => Some(name),
            TaskTarget::Cpu | TaskTarget::Current => None,
        });
        for name in switched.chain(targets) {
            if !tasks.contains(name) {
                tasks.push(name.clone());
            }
        }
        tasks
    }
}
