// SPDX-License-Identifier: GPL-2.0-only
//! What a scenario expects of a scheduler: causes, by oracle and place.

use std::fmt;

use crate::Access;

/// Who reports a violation (design.md section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// A value against the ideal count.
    Count,
    /// Values that one reader sees of one event never fall.
    Monotony,
    /// Counters and masters belong to whom they should.
    Ownership,
    /// Only the documented state transitions.
    State,
    /// WARN, BUG, a fault, a stack overflow.
    Warn,
    /// Access to freed memory.
    Freed,
    /// A handler or spin that does not end.
    Progress,
    /// Compatible events hold one counter.
    Sharing,
    /// Enabled and running times against the ideal ones.
    Times,
    /// What is meant to count and fits is on the PMU.
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

    /// The oracle with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|oracle| oracle.name() == name)
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The accesses on either side of the decisive boundaries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Last access before the first bad boundary. Has a row.
    pub from: Access,
    /// First access after the last bad boundary. Its row is that of `from` unless given.
    pub to: Access,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} .. {}", self.from, self.to)
    }
}

/// A set of causes: whatever is given must match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CausePattern {
    /// Who reports it.
    pub oracle: Oracle,
    /// Id of the event whose value or state is wrong; `None` matches any.
    pub event: Option<String>,
    /// The row it happens in; `None` matches any (a window has rows of its own).
    pub row: Option<String>,
    /// The window of the decisive boundary.
    pub window: Option<Window>,
    /// The violating access by symbol, for causes without an NMI.
    pub place: Option<String>,
    /// The claim that it shows, if not the scenario's own; see [`Expect::shows`].
    pub claim: Option<String>,
    /// Line in the file, from 1.
    pub line: u32,
}

/// What a file expects of one scheduler (contract.md section 4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// Causes of the run without NMI. They make no boundary bad.
    pub baseline: Vec<CausePattern>,
    /// Causes that an NMI brings; each must occur, and no other.
    pub violates: Vec<CausePattern>,
    /// The bad boundaries must be all boundaries of the windows, not only some.
    pub exact: bool,
    /// Words of the failure that the guest ends in (a panic), in the run without NMI or in the one
    /// with the file's injections; `None` when it ends well.
    pub fails: Option<String>,
    /// What justifies it: lines of the sharing reference, or the access trace.
    pub why: Option<String>,
    /// Line of the table, from 1.
    pub line: u32,
}

impl Expect {
    /// The expected causes that show `claim`, the scenario's own: what an NMI brings unless it names
    /// another claim, and what shows without an NMI if it names this one.
    pub fn shows<'a>(&'a self, claim: &'a str) -> impl Iterator<Item = &'a CausePattern> {
        let baseline = self
            .baseline
            .iter()
            .filter(move |cause| cause.claim.as_deref() == Some(claim));
        let brought = self
            .violates
            .iter()
            .filter(move |cause| cause.claim.as_deref().is_none_or(|id| id == claim));
        baseline.chain(brought)
    }
}
