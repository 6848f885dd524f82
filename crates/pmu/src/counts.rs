// SPDX-License-Identifier: GPL-2.0-only
//! What the bank asks for at a moment: a few of the totals. It takes whatever can answer, so that
//! nobody must write down all of them first.

use abi::totals::{HwEvent, Ring, Totals};

use crate::bank::WRMSR_RETIREMENT;

/// Knows what has happened since reset, by ring and event; never less than before.
pub trait Counts {
    /// Occurrences of `event` in `ring`.
    fn get(&self, ring: Ring, event: HwEvent) -> u64;
}

impl Counts for Totals {
    #[inline]
    fn get(&self, ring: Ring, event: HwEvent) -> u64 {
        Self::get(self, ring, event)
    }
}

/// The counts behind a WRMSR, from those before it.
pub(crate) struct AfterWrmsr<'a, C>(pub(crate) &'a C);

impl<C: Counts> Counts for AfterWrmsr<'_, C> {
    fn get(&self, ring: Ring, event: HwEvent) -> u64 {
        let own = WRMSR_RETIREMENT
            .iter()
            .find(|of| (of.0, of.1) == (ring, event));
        self.0.get(ring, event) + own.map_or(0, |of| of.2)
    }
}
