// SPDX-License-Identifier: GPL-2.0-only
//! What has retired since reset, by ring: the core and the timing model count, the bank derives
//! its counters from the differences.

/// Things that happen in the core and that a counter can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HwEvent {
    /// Instructions retired; a REP string instruction is one.
    Instructions,
    /// Branch instructions retired, taken or not, near and far.
    Branches,
    /// Memory read operations of retired instructions.
    Loads,
    /// Memory write operations of retired instructions.
    Stores,
    /// Unhalted core cycles.
    Cycles,
    /// Unhalted cycles at the rate of the time-stamp counter.
    RefCycles,
    /// Mispredicted branches retired.
    BranchMisses,
    /// Last-level cache references.
    LlcReferences,
    /// Last-level cache misses.
    LlcMisses,
}

impl HwEvent {
    /// Number of events.
    pub const COUNT: usize = 9;
}

/// The ring an instruction belongs to: the one it started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ring {
    /// CPL 0.
    Kernel = 0,
    /// CPL 1 to 3.
    User = 1,
}

/// Occurrences since reset, by ring and event. Never decreases, never wraps in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals(pub [[u64; HwEvent::COUNT]; 2]);

impl Totals {
    /// Occurrences of `event` in `ring`.
    #[must_use]
    #[inline]
    pub const fn get(&self, ring: Ring, event: HwEvent) -> u64 {
        self.0[ring as usize][event as usize]
    }

    /// Adds `n` occurrences of `event` in `ring`.
    #[inline]
    pub const fn add(&mut self, ring: Ring, event: HwEvent, n: u64) {
        self.0[ring as usize][event as usize] += n;
    }
}
