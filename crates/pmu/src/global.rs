// SPDX-License-Identifier: GPL-2.0-only
//! `IA32_PERF_GLOBAL_INUSE` (version 4): which counters somebody has programmed.

use abi::event_select as sel;

use crate::bank::Pmu;
use crate::config::FIXED_MAX;

/// Some counter would request a PMI.
const PMI_IN_USE: u64 = 1 << 63;
/// The PMI bits of all fields of `IA32_FIXED_CTR_CTRL`.
const FIXED_PMI: u64 = 0x8888_8888_8888_8888;

impl Pmu {
    /// Bit i: counter i's event select is not 0. Bit 32 + i: fixed counter i's field is not 0. Bit
    /// 63: some INT or PMI bit is set.
    pub(crate) fn in_use(&self) -> u64 {
        let mut bits = 0;
        for (i, select) in self.select.iter().enumerate() {
            if select & 0xff != 0 {
                bits |= 1 << i;
            }
            if select & sel::INT != 0 {
                bits |= PMI_IN_USE;
            }
        }
        for i in 0..FIXED_MAX {
            if self.fixed_ctrl >> (4 * i) & 0xf != 0 {
                bits |= 1 << (32 + i);
            }
        }
        if self.fixed_ctrl & FIXED_PMI != 0 {
            bits |= PMI_IN_USE;
        }
        bits
    }
}
