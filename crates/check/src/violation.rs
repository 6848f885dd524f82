// SPDX-License-Identifier: GPL-2.0-only
//! What an oracle reports.

use std::fmt;
use std::sync::Arc;

use abi::guest_call::Reader;
use machine::{NmiFrame, Ordinal, View};

use crate::cause::row_on_stack;

/// The oracles of design section 6, by their names in scenario files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// A value differs from the ideal count.
    Count,
    /// A reader sees an event go backwards.
    Monotony,
    /// The driver touches an event that holds no counter.
    Ownership,
    /// A transition or a combination of states that the documentation does not draw.
    State,
    /// `WARN_ON_ONCE` in the guest.
    Warn,
    /// Access to a freed event.
    Freed,
    /// An NMI handler that does not finish in its budget.
    Progress,
    /// Compatible events that hold more than one counter.
    Sharing,
    /// Enabled or running times that are wrong.
    Times,
    /// An event that is meant to count and fits, and is not on the PMU.
    Schedule,
}

impl Oracle {
    /// Every oracle.
    pub const ALL: [Self; 10] = [
        Self::Count,
        Self::Monotony,
        Self::Ownership,
        Self::State,
        Self::Warn,
        Self::Freed,
        Self::Progress,
        Self::Sharing,
        Self::Times,
        Self::Schedule,
    ];

    /// The name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Monotony => "monotony",
            Self::Ownership => "ownership",
            Self::State => "state",
            Self::Warn => "warn",
            Self::Freed => "freed",
            Self::Progress => "progress",
            Self::Sharing => "sharing",
            Self::Times => "times",
            Self::Schedule => "schedule",
        }
    }

    /// Whether it judges the values that readers get.
    #[must_use]
    pub const fn judges_values(self) -> bool {
        matches!(self, Self::Count | Self::Monotony)
    }

    /// What the oracle demands, in a line.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Count => "every value that anything reads equals the ideal count",
            Self::Monotony => "no reader sees an event go backwards, resets aside",
            Self::Ownership => "pmu->read, stop and del only of an event that holds a counter",
            Self::State => "only the drawn transitions; masters and sharers agree",
            Self::Warn => {
                "no warning of the guest, by WARN_ON_ONCE or of a faulting RDMSR or WRMSR"
            }
            Self::Freed => "no access to a freed event",
            Self::Progress => "an NMI handler finishes in its budget",
            Self::Sharing => "compatible events of a context hold one counter",
            Self::Times => "read(2) returns the ideal enabled and running times",
            Self::Schedule => "what is meant to count and fits is on the PMU, as under none",
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When and where something was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// CPU.
    pub cpu: usize,
    /// The next boundary of that CPU.
    pub ordinal: Ordinal,
    /// Address of the instruction that showed it.
    pub rip: u64,
    /// The scheduler row on the call stack that is nearest to it, without its version; the
    /// function itself when no row is on the stack.
    pub row: String,
    /// Program step that was running.
    pub step: Option<usize>,
    /// The NMI handler that was running, or that has just returned and has made what was looked at
    /// then: a sample, a user page.
    pub nmi: Option<NmiFrame>,
}

impl Moment {
    pub(crate) fn of(view: &View<'_>, rip: u64) -> Self {
        Self {
            cpu: view.cpu,
            ordinal: view.core.ordinal,
            rip,
            row: row_on_stack(view, rip),
            step: view.core.step,
            nmi: view.core.nmi,
        }
    }

    /// Where the CPU has left the kernel, or is halted there: no place in it is to blame.
    pub(crate) fn at_rest(view: &View<'_>) -> Self {
        let cpu = &view.core.cpu;
        Self::of(view, if cpu.halted { 0 } else { cpu.rip })
    }

    /// The same where what is looked at was made by an NMI handler that is over.
    pub(crate) fn by(self, nmi: Option<NmiFrame>) -> Self {
        let nmi = self.nmi.or(nmi);
        Self { nmi, ..self }
    }
}

/// A rule that was broken, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// By whose rule.
    pub oracle: Oracle,
    /// Which event, by name.
    pub event: Arc<str>,
    /// Which reader saw it, for values.
    pub reader: Option<Reader>,
    /// What ought to be, in words.
    pub expected: String,
    /// What was, in words.
    pub got: String,
    /// `got - expected` for counts, modulo 2^64: what tells one error of a value from another.
    pub error: u64,
    /// What a tolerance allowed for, if one was used.
    pub tolerated: Option<String>,
    /// When and where.
    pub at: Moment,
}

impl Violation {
    /// Whether this is the same finding as `other` of a run with other decisions: same rule, event,
    /// reader and step, with the same error.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.oracle == other.oracle
            && self.event == other.event
            && self.reader == other.reader
            && self.at.step == other.at.step
            && self.at.rip == other.at.rip
            && self.error == other.error
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {}: expected {}, got {}",
            self.oracle, self.event, self.expected, self.got
        )?;
        if let Some(reader) = self.reader {
            write!(f, " ({})", reader_name(reader))?;
        }
        if let Some(tolerated) = &self.tolerated {
            write!(f, "; {tolerated}")?;
        }
        Ok(())
    }
}

/// A reader in words.
#[must_use]
pub(crate) const fn reader_name(reader: Reader) -> &'static str {
    match reader {
        Reader::Read => "read(2)",
        Reader::ReadGroup => "read(2) of the group",
        Reader::Sample => "group sample by NMI",
        Reader::ReadLocal => "perf_event_read_local",
        Reader::UserPage => "user page",
        Reader::Pause => "perf_event_pause",
    }
}
