// SPDX-License-Identifier: GPL-2.0-only
//! What a carry does: status bits, the PMI request, and freezing on a PMI (SDM vol. 3B, 18.4.7 and
//! 20.2.4).

use crate::bank::{Pmu, slots};
use crate::config::{GP_MAX, Vendor};
use crate::counts::Counts;

/// `IA32_DEBUGCTL`: record branches.
pub(crate) const DEBUGCTL_LBR: u64 = 1;
/// `IA32_DEBUGCTL`: stop the LBR stack when a PMI is requested.
pub(crate) const FREEZE_LBRS_ON_PMI: u64 = 1 << 11;
/// `IA32_DEBUGCTL`: stop the counters when a PMI is requested.
pub(crate) const FREEZE_PERFMON_ON_PMI: u64 = 1 << 12;

/// Status: processor trace filled an output region (version 4).
pub(crate) const TOPA_PMI: u64 = 1 << 55;
/// Status: the LBR stack is frozen (version 4).
pub(crate) const LBR_FRZ: u64 = 1 << 58;
/// Status: the counters are frozen (version 4).
pub(crate) const CTR_FRZ: u64 = 1 << 59;
/// Status: counts include those of a secure enclave (version 4).
pub(crate) const ASCI: u64 = 1 << 60;
/// Status: an uncore counter overflowed (version 3).
pub(crate) const UNCORE: u64 = 1 << 61;
/// Status: the debug store buffer is full.
pub(crate) const DS_BUFFER: u64 = 1 << 62;
/// Status: the condition of the counters changed. The bank never sets it.
pub(crate) const COND_CHGD: u64 = 1 << 63;

impl Pmu {
    /// Marks the slots in `carried` as overflowed and returns whether that requests a PMI. The
    /// status bit is set with or without INT; a bit that is set already does not hold a further
    /// PMI back; several overflows at once are one request. Counters stand at `now`.
    pub(crate) fn overflow(&mut self, carried: u32, now: &impl Counts) -> bool {
        if self.config.has_global() {
            for slot in slots(carried) {
                self.status |= status_bit(slot);
            }
        }
        let pmi = slots(carried).any(|slot| self.latches[slot].pmi);
        if pmi {
            self.freeze(now);
        }
        pmi
    }

    /// Whether a set CTR_FRZ keeps all counters still.
    pub(crate) fn frozen(&self) -> bool {
        self.status & CTR_FRZ != 0
    }

    /// Freezing takes effect with the request, masked LVTPC or not. Versions 2 and 3 clear
    /// GLOBAL_CTRL and DEBUGCTL.LBR, which software must set again; version 4 and AMD's PerfMonV2
    /// set status bits and leave both alone.
    fn freeze(&mut self, now: &impl Counts) {
        let asked = self.debugctl & (FREEZE_LBRS_ON_PMI | FREEZE_PERFMON_ON_PMI);
        if asked == 0 {
            return;
        }
        let by_status = self.config.vendor == Vendor::Amd || self.config.version >= 4;
        if asked & FREEZE_LBRS_ON_PMI != 0 {
            if by_status {
                self.status |= LBR_FRZ;
            } else {
                self.debugctl &= !DEBUGCTL_LBR;
            }
        }
        if asked & FREEZE_PERFMON_ON_PMI != 0 {
            if by_status {
                self.status |= CTR_FRZ;
            } else {
                self.global_ctrl = 0;
            }
            self.recount(now);
        }
    }
}

/// A slot's bit in the global registers.
pub(crate) fn status_bit(slot: usize) -> u64 {
    let gp = usize::from(GP_MAX);
    if slot < gp {
        1 << slot
    } else {
        1 << (32 + slot - gp)
    }
}
