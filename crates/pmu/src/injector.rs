// SPDX-License-Identifier: GPL-2.0-only
//! The injector events ([`abi::event_select::injector`]): they occur only where a decision says so,
//! and everything after that (wrap, status, PMI) is the bank's ordinary doing.

use abi::totals::Ring;

use crate::bank::{Pmu, slots, width_mask};
use crate::counts::Counts;
use crate::latch::injector;
use crate::threshold::Rule;

/// What became of injected occurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurred {
    /// Some counter counted them.
    pub counted: bool,
    /// They made a counter overflow that requests a PMI. The request is reported here only, not
    /// again by [`Pmu::settle`].
    pub pmi: bool,
}

impl Pmu {
    /// `n` occurrences of injector event `code` (event select and unit mask, bits 15:0) in `ring`
    /// at the boundary where the totals are `now`. Every counter that is programmed with the code
    /// and enabled for the ring counts them. Codes outside the injector family are derived from
    /// the totals and are never counted here.
    pub fn occur(&mut self, code: u64, n: u64, ring: Ring, now: &impl Counts) -> Occurred {
        self.advance(now);
        let hit = self.counting_injector(code, ring);
        let mut carried = 0;
        for slot in slots(hit) {
            if self.counters[slot].add(n, width_mask(&self.config, slot)) {
                carried |= 1 << slot;
            }
        }
        let pmi = carried != 0 && self.overflow(carried, now);
        Occurred {
            counted: hit != 0,
            pmi,
        }
    }

    /// Whether an occurrence of injector event `code` in `ring` would be counted, as the bank was
    /// last settled.
    #[must_use]
    pub fn counts(&self, code: u64, ring: Ring) -> bool {
        self.counting_injector(code, ring) != 0
    }

    fn counting_injector(&self, code: u64, ring: Ring) -> u32 {
        let Some(number) = injector(code) else {
            return 0;
        };
        slots(self.counting)
            .filter(|slot| {
                let latch = &self.latches[*slot];
                latch.rule == Rule::Injected(number) && latch.rings.contains(ring)
            })
            .fold(0, |bits, slot| bits | 1 << slot)
    }
}
