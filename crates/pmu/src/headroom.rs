// SPDX-License-Identifier: GPL-2.0-only
//! How long the bank need not be looked at.

use crate::bank::{Pmu, slots, width_mask};
use crate::counts::Counts;

impl Pmu {
    /// A number of instructions that can retire from `now` on without any counter overflowing,
    /// given that none adds more than [`crate::Rates`] allows; `u64::MAX` if no counter can. It is
    /// 0 when the next instruction may overflow one, and while a PMI request waits for
    /// [`Pmu::settle`]. Injected occurrences come on top.
    #[must_use]
    pub fn headroom(&self, now: &impl Counts) -> u64 {
        if self.pmi {
            return 0;
        }
        let rates = &self.config.per_instruction;
        slots(self.counting)
            .filter_map(|slot| {
                let latch = &self.latches[slot];
                let each = latch.rule.per_instruction(rates)?;
                let total = latch.rule.total(latch.rings, now);
                Some(self.counters[slot].room(total, width_mask(&self.config, slot)) / each)
            })
            .min()
            .unwrap_or(u64::MAX)
    }
}
