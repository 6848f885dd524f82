// SPDX-License-Identifier: GPL-2.0-only
//! The bank as reports and digests see it: counters materialised, nothing of how they are kept.

use crate::bank::{Pmu, fixed_slot, gp_slot};
use crate::config::FIXED_MAX;
use crate::counts::Counts;
use crate::overflow::status_bit;

/// A counter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CounterKind {
    /// General-purpose counter of this number.
    Gp(u8),
    /// Fixed counter of this number.
    Fixed(u8),
}

/// A counter at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterView {
    /// Which.
    pub kind: CounterKind,
    /// Its value, zero-extended.
    pub value: u64,
    /// Its PERFEVTSEL, or for a fixed counter its four bits of `IA32_FIXED_CTR_CTRL`.
    pub select: u64,
    /// Enabled locally and globally, and not frozen.
    pub enabled: bool,
    /// Its overflow bit in the global status (false where there is no such register).
    pub status: bool,
}

impl Pmu {
    /// Every counter of the machine at `now`, general-purpose ones first.
    #[must_use]
    pub fn counters(&self, now: &impl Counts) -> Vec<CounterView> {
        let settled = self.settled(now);
        settled
            .present()
            .map(|(kind, slot)| CounterView {
                kind,
                value: settled.counters[slot].value,
                select: match kind {
                    CounterKind::Gp(i) => settled.select[usize::from(i)],
                    CounterKind::Fixed(i) => settled.fixed_ctrl >> (4 * i) & 0xf,
                },
                enabled: settled.counting & 1 << slot != 0,
                status: settled.status & status_bit(slot) != 0,
            })
            .collect()
    }

    /// Appends the whole architectural state at `now` in a fixed order: per counter its value and
    /// (general-purpose) select, then FIXED_CTR_CTRL, GLOBAL_CTRL, GLOBAL_STATUS, DEBUGCTL and 1 if
    /// a PMI request waits for [`Pmu::settle`]. It does not depend on when the bank was settled.
    pub fn digest_words(&self, now: &impl Counts, out: &mut Vec<u64>) {
        let settled = self.settled(now);
        for (kind, slot) in settled.present() {
            out.push(settled.counters[slot].value);
            if let CounterKind::Gp(i) = kind {
                out.push(settled.select[usize::from(i)]);
            }
        }
        out.extend([
            settled.fixed_ctrl,
            settled.global_ctrl,
            settled.status,
            settled.debugctl,
            settled.pmi.into(),
        ]);
    }

    fn settled(&self, now: &impl Counts) -> Self {
        let mut settled = self.clone();
        settled.advance(now);
        settled
    }

    fn present(&self) -> impl Iterator<Item = (CounterKind, usize)> {
        let fixed = self.config.fixed_mask();
        let gp = (0..self.config.gp_counters).map(|i| (CounterKind::Gp(i), gp_slot(i)));
        gp.chain(
            (0..FIXED_MAX)
                .filter(move |i| fixed & (1 << i) != 0)
                .map(|i| (CounterKind::Fixed(i), fixed_slot(i))),
        )
    }
}
