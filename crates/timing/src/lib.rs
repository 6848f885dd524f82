// SPDX-License-Identifier: GPL-2.0-only
//! Models that turn the retired stream into cycles and microarchitectural events.
//!
//! The core counts what every processor agrees on (instructions, branches, loads, stores); a model
//! adds what depends on the pipeline. The bank is told the sum of both.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod score;
pub mod skylake;

use abi::totals::{HwEvent, Ring, Totals};

/// The model `unit`: one instruction, one cycle, in the ring of the instruction.
///
/// It exists for sweeps: time does not depend on what a cache holds, so an NMI shifts nothing.
#[must_use]
#[inline]
pub fn unit(retired: &Totals) -> Totals {
    let mut totals = *retired;
    for ring in [Ring::Kernel, Ring::User] {
        let cycles = retired.get(ring, HwEvent::Instructions);
        totals.0[ring as usize][HwEvent::Cycles as usize] = cycles;
        totals.0[ring as usize][HwEvent::RefCycles as usize] = cycles;
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_for_each_instruction_in_its_own_ring() {
        let mut retired = Totals::default();
        retired.add(Ring::Kernel, HwEvent::Instructions, 3);
        retired.add(Ring::User, HwEvent::Instructions, 5);
        retired.add(Ring::User, HwEvent::Branches, 2);
        let totals = unit(&retired);
        assert_eq!(totals.get(Ring::Kernel, HwEvent::Cycles), 3);
        assert_eq!(totals.get(Ring::User, HwEvent::RefCycles), 5);
        assert_eq!(totals.get(Ring::User, HwEvent::Branches), 2);
    }
}
