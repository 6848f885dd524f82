// SPDX-License-Identifier: GPL-2.0-only
//! RDPMC (SDM vol. 2, RDPMC; APM vol. 3).

use crate::bank::{GeneralProtection, Pmu, fixed_slot, gp_slot};
use crate::config::{FIXED_MAX, Vendor};
use crate::counts::Counts;

/// ECX\[31:16\] of a general-purpose counter.
const TYPE_GP: u32 = 0;
/// ECX\[31:16\] of a fixed counter.
const TYPE_FIXED: u32 = 0x4000;

impl Pmu {
    /// RDPMC of index `ecx`: the counter, zero-extended. `now` is the totals before it retires.
    /// CR4.PCE and the privilege level are the core's to check.
    ///
    /// # Errors
    /// #GP if the index names no counter of this machine (the "fast" bit 31 included, and on a
    /// machine without counters always).
    pub fn rdpmc(&mut self, ecx: u32, now: &impl Counts) -> Result<u64, GeneralProtection> {
        let slot = self.rdpmc_slot(ecx).ok_or(GeneralProtection)?;
        self.advance(now);
        Ok(self.counters[slot].value)
    }

    /// Intel: type in ECX\[31:16\], index below. AMD: the number of a core counter, all of ECX.
    fn rdpmc_slot(&self, ecx: u32) -> Option<usize> {
        let gp = u32::from(self.config.gp_counters);
        if self.config.vendor == Vendor::Amd {
            return (ecx < gp).then(|| gp_slot(ecx as u8));
        }
        let index = ecx & 0xffff;
        match ecx >> 16 {
            TYPE_GP => (index < gp).then(|| gp_slot(index as u8)),
            TYPE_FIXED => {
                let exists =
                    index < u32::from(FIXED_MAX) && self.config.fixed_mask() >> index & 1 != 0;
                exists.then(|| fixed_slot(index as u8))
            }
            _ => None,
        }
    }
}
