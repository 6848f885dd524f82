// SPDX-License-Identifier: GPL-2.0-only
//! Decisions: everything in a run that is not the guest's own doing, and the one trait through
//! which it comes.

use std::fmt;

use abi::layout::CPUS_MAX;

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
    /// This CPU stands still from here on and the turn goes to another one, until that one waits
    /// (a preemption, as systematic concurrency testing calls it).
    Preempt {
        /// The CPU that runs instead.
        to: usize,
    },
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
            Self::Preempt { to } => write!(f, "run cpu{to}"),
        }
    }
}

/// A decision with its CPU and boundary.
pub type Entry = (usize, Ordinal, Decision);

/// Where all non-determinism comes from. A machine asks for the next boundary with a decision and
/// stops there; strategies (replay, sweep, random) implement this above.
pub trait Chooser {
    /// The first boundary of `cpu` at or after `from` that has a decision, if any.
    fn next(&mut self, cpu: usize, from: Ordinal) -> Option<Ordinal>;
    /// The decision at that boundary. Called once, when the boundary is reached.
    fn decide(&mut self, cpu: usize, at: Ordinal) -> Option<Decision>;
}

/// A list of decisions: what a trace holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// By CPU, then by boundary: boundaries of different CPUs have no order of their own.
    entries: Vec<Entry>,
    /// Entries of each CPU that lie behind it.
    taken: [usize; CPUS_MAX],
}

impl Schedule {
    /// No decision at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// These decisions, each with its CPU and boundary. Those of one boundary happen in this order.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|&(cpu, ordinal, _)| (cpu, ordinal));
        Self {
            entries,
            taken: [0; CPUS_MAX],
        }
    }

    /// The decisions, by CPU and boundary.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// This with one more decision, behind those of its boundary; what has been taken stays taken.
    #[must_use]
    pub fn with(&self, entry: Entry) -> Self {
        let mut more = self.clone();
        let (cpu, at, _) = entry;
        let behind = |&(c, o, _): &Entry| (c, o) <= (cpu, at);
        more.entries
            .insert(more.entries.partition_point(behind), entry);
        more
    }

    /// What lies ahead of `cpu`.
    fn ahead(&self, cpu: usize) -> &[Entry] {
        let first = self.entries.partition_point(|&(c, ..)| c < cpu);
        let end = self.entries.partition_point(|&(c, ..)| c <= cpu);
        &self.entries[(first + self.taken[cpu]).min(end)..end]
    }
}

impl Chooser for Schedule {
    fn next(&mut self, cpu: usize, from: Ordinal) -> Option<Ordinal> {
        self.ahead(cpu)
            .iter()
            .find(|&&(_, at, _)| at >= from)
            .map(|&(_, at, _)| at)
    }

    fn decide(&mut self, cpu: usize, at: Ordinal) -> Option<Decision> {
        let ahead = self.ahead(cpu);
        let found = ahead.iter().position(|&(_, o, _)| o == at)?;
        let decision = ahead[found].2;
        self.taken[cpu] += found + 1;
        Some(decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_has_its_own_queue() {
        let tick = Decision::Tick;
        let mut schedule = Schedule::new(vec![
            (1, 5, Decision::ExternalNmi),
            (0, 900, tick),
            (1, 5, tick),
        ]);
        assert_eq!(schedule.next(0, 0), Some(900));
        assert_eq!(schedule.decide(0, 900), Some(tick));
        assert_eq!(schedule.next(0, 0), None);
        assert_eq!(
            schedule.next(1, 0),
            Some(5),
            "another CPU's boundary is no earlier or later"
        );
        assert_eq!(schedule.decide(1, 5), Some(Decision::ExternalNmi));
        assert_eq!(schedule.decide(1, 5), Some(tick));
        assert_eq!(schedule.next(1, 0), None);
    }
}
