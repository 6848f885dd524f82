// SPDX-License-Identifier: GPL-2.0-only
//! Decisions: everything in a run that is not the guest's own doing, and the one trait through
//! which it comes.

use std::fmt;

/// A boundary of one CPU: it precedes the instruction, REP iteration or event delivery with this
/// number. Counted from reset, 0 upwards (contract, section 1).
pub type Ordinal = u64;

/// What happens at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The injector event `code` occurs twice, the driver's minimal period.
    Pmi {
        /// Event code and unit mask.
        code: u64,
    },
    /// The injector event occurs twice here; the PMI is recognised at a later boundary (skid).
    LatePmi {
        /// Event code and unit mask.
        code: u64,
        /// The boundary at which the PMI reaches the local APIC.
        recognised_at: Ordinal,
    },
    /// An NMI that has nothing to do with the PMU.
    ExternalNmi,
    /// The timer interrupt is requested.
    Tick,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pmi { code } => write!(f, "pmi {code:#x}"),
            Self::LatePmi {
                code,
                recognised_at,
            } => write!(f, "late {code:#x} until {recognised_at}"),
            Self::ExternalNmi => f.write_str("nmi"),
            Self::Tick => f.write_str("tick"),
        }
    }
}

/// Where all non-determinism comes from. A machine asks for the next boundary with a decision and
/// stops there; strategies (replay, sweep, random) implement this above.
pub trait Chooser {
    /// The first boundary of `cpu` at or after `from` that has a decision, if any.
    fn next(&mut self, cpu: usize, from: Ordinal) -> Option<Ordinal>;
    /// The decision at that boundary. Called once, when the boundary is reached.
    fn decide(&mut self, cpu: usize, at: Ordinal) -> Option<Decision>;
}

/// A list of decisions in order of their boundaries: what a trace holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    entries: Vec<(usize, Ordinal, Decision)>,
    taken: usize,
}

impl Schedule {
    /// No decision at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// These decisions, each with its CPU and boundary.
    #[must_use]
    pub fn new(mut entries: Vec<(usize, Ordinal, Decision)>) -> Self {
        entries.sort_by_key(|&(cpu, ordinal, _)| (ordinal, cpu));
        Self { entries, taken: 0 }
    }

    /// The decisions, in order.
    #[must_use]
    pub fn entries(&self) -> &[(usize, Ordinal, Decision)] {
        &self.entries
    }
}

impl Chooser for Schedule {
    fn next(&mut self, cpu: usize, from: Ordinal) -> Option<Ordinal> {
        self.entries[self.taken..]
            .iter()
            .find(|&&(c, at, _)| c == cpu && at >= from)
            .map(|&(_, at, _)| at)
    }

    fn decide(&mut self, cpu: usize, at: Ordinal) -> Option<Decision> {
        let found = self.entries[self.taken..]
            .iter()
            .position(|&(c, o, _)| c == cpu && o == at)?;
        self.taken += found + 1;
        Some(self.entries[self.taken - 1].2)
    }
}
