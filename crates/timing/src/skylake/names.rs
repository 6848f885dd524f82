// SPDX-License-Identifier: GPL-2.0-only
//! The core's events by name (intel/perfmon, SKL core events V59, BSD-3-Clause): what the model
//! tells and the bank counts. Machine clears and the loop stream detector are not modelled.

use abi::totals::HwEvent as E;

/// An event with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Intel's name.
    pub name: &'static str,
    /// Event code; of the fixed counters 0.
    pub code: u8,
    /// Unit mask; of the fixed counters the number of the counter plus one.
    pub umask: u8,
    /// The CMASK that belongs to it.
    pub cmask: u8,
    /// A fixed counter has it.
    pub fixed: bool,
    /// What it counts.
    pub event: E,
    /// In a few words.
    pub meaning: &'static str,
}

#[rustfmt::skip]
const fn named(name: &'static str, code: u8, umask: u8, cmask: u8, event: E, meaning: &'static str) -> Named {
    Named { name, code, umask, cmask, fixed: code == 0, event, meaning }
}

/// All of them.
#[rustfmt::skip]
pub const EVENTS: &[Named] = &[
    named("INST_RETIRED.ANY", 0x00, 0x01, 0, E::Instructions, "Retired instructions (fixed ctr 0)"),
    named("CPU_CLK_UNHALTED.THREAD", 0x00, 0x02, 0, E::Cycles, "Core cycles (fixed ctr 1)"),
    named("CPU_CLK_UNHALTED.REF_TSC", 0x00, 0x03, 0, E::RefCycles, "Reference (TSC-rate) cycles (fixed ctr 2)"),
    named("INST_RETIRED.ANY_P", 0xc0, 0x00, 0, E::Instructions, "Retired instructions, programmable"),
    named("CPU_CLK_UNHALTED.THREAD_P", 0x3c, 0x00, 0, E::Cycles, "Core cycles, programmable"),
    named("BR_INST_RETIRED.ALL_BRANCHES", 0xc4, 0x00, 0, E::Branches, "All retired branches (architectural)"),
    named("BR_INST_RETIRED.CONDITIONAL", 0xc4, 0x01, 0, E::ConditionalBranches, "Retired conditional branches"),
    named("BR_INST_RETIRED.NEAR_TAKEN", 0xc4, 0x20, 0, E::TakenBranches, "Retired taken branches"),
    named("BR_MISP_RETIRED.ALL_BRANCHES", 0xc5, 0x00, 0, E::BranchMisses, "Mispredicted retired branches (architectural)"),
    named("UOPS_ISSUED.ANY", 0x0e, 0x01, 0, E::UopsIssued, "Fused-domain uops issued by renamer"),
    named("UOPS_EXECUTED.THREAD", 0xb1, 0x01, 0, E::UopsExecuted, "Unfused uops executed"),
    named("UOPS_RETIRED.RETIRE_SLOTS", 0xc2, 0x02, 0, E::RetireSlots, "Retire slots used (fused domain)"),
    named("UOPS_DISPATCHED_PORT.PORT_0", 0xa1, 0x01, 0, E::Port0, "Cycles/uops dispatched on port 0"),
    named("UOPS_DISPATCHED_PORT.PORT_1", 0xa1, 0x02, 0, E::Port1, "Uops dispatched on port 1"),
    named("UOPS_DISPATCHED_PORT.PORT_2", 0xa1, 0x04, 0, E::Port2, "Uops dispatched on port 2"),
    named("UOPS_DISPATCHED_PORT.PORT_3", 0xa1, 0x08, 0, E::Port3, "Uops dispatched on port 3"),
    named("UOPS_DISPATCHED_PORT.PORT_4", 0xa1, 0x10, 0, E::Port4, "Uops dispatched on port 4"),
    named("UOPS_DISPATCHED_PORT.PORT_5", 0xa1, 0x20, 0, E::Port5, "Uops dispatched on port 5"),
    named("UOPS_DISPATCHED_PORT.PORT_6", 0xa1, 0x40, 0, E::Port6, "Uops dispatched on port 6"),
    named("UOPS_DISPATCHED_PORT.PORT_7", 0xa1, 0x80, 0, E::Port7, "Uops dispatched on port 7"),
    named("IDQ.DSB_UOPS", 0x79, 0x08, 0, E::DsbUops, "Uops delivered to IDQ from uop cache"),
    named("IDQ.MITE_UOPS", 0x79, 0x04, 0, E::MiteUops, "Uops delivered to IDQ from legacy decode"),
    named("IDQ.MS_UOPS", 0x79, 0x30, 0, E::MsUops, "Uops delivered by microcode sequencer"),
    named("DSB2MITE_SWITCHES.PENALTY_CYCLES", 0xab, 0x02, 0, E::SwitchPenalty, "Penalty cycles of DSB to MITE switch"),
    named("IDQ_UOPS_NOT_DELIVERED.CORE", 0x9c, 0x01, 0, E::NotDelivered, "Issue slots front end failed to fill (top-down FE bound)"),
    named("ILD_STALL.LCP", 0x87, 0x01, 0, E::LengthChangeStalls, "Length-changing-prefix predecode stalls"),
    named("INT_MISC.RECOVERY_CYCLES", 0x0d, 0x01, 0, E::RecoveryCycles, "Recovery cycles after clear/mispredict (bad speculation)"),
    named("RESOURCE_STALLS.ANY", 0xa2, 0x01, 0, E::ResourceStalls, "Allocation stalls, any resource"),
    named("RESOURCE_STALLS.SB", 0xa2, 0x08, 0, E::StoreBufferStalls, "Allocation stalls, store buffer full"),
    named("CYCLE_ACTIVITY.STALLS_TOTAL", 0xa3, 0x04, 4, E::StallsTotal, "Cycles with nothing executing"),
    named("CYCLE_ACTIVITY.STALLS_MEM_ANY", 0xa3, 0x14, 20, E::StallsMemory, "Execution stalls with outstanding load"),
    named("RS_EVENTS.EMPTY_CYCLES", 0x5e, 0x01, 0, E::SchedulerEmpty, "Cycles scheduler empty"),
    named("ARITH.DIVIDER_ACTIVE", 0x14, 0x01, 1, E::DividerActive, "Divider busy cycles"),
    named("MEM_INST_RETIRED.ALL_LOADS", 0xd0, 0x81, 0, E::Loads, "Retired loads"),
    named("MEM_INST_RETIRED.ALL_STORES", 0xd0, 0x82, 0, E::Stores, "Retired stores"),
    named("MEM_LOAD_RETIRED.L1_HIT", 0xd1, 0x01, 0, E::L1Hit, "Retired loads hitting L1D"),
    named("MEM_LOAD_RETIRED.L1_MISS", 0xd1, 0x08, 0, E::L1Miss, "Retired loads missing L1D"),
    named("MEM_LOAD_RETIRED.L2_HIT", 0xd1, 0x02, 0, E::L2Hit, "Retired loads hitting L2"),
    named("MEM_LOAD_RETIRED.L3_HIT", 0xd1, 0x04, 0, E::L3Hit, "Retired loads hitting L3"),
    named("MEM_LOAD_RETIRED.L3_MISS", 0xd1, 0x20, 0, E::L3Miss, "Retired loads missing L3"),
    named("LD_BLOCKS.STORE_FORWARD", 0x03, 0x02, 0, E::StoreForwardBlocks, "Loads blocked: store forwarding failed"),
    named("LD_BLOCKS_PARTIAL.ADDRESS_ALIAS", 0x07, 0x01, 0, E::AddressAlias, "4K-alias false store dependence"),
];

/// The event of a name; case and `-` for `_` do not matter. perf's short names stand for the
/// architectural ones.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Named> {
    let wanted = name.to_ascii_uppercase().replace('-', "_");
    let wanted = match wanted.as_str() {
        "CYCLES" | "CPU_CYCLES" => "CPU_CLK_UNHALTED.THREAD",
        "INSTRUCTIONS" => "INST_RETIRED.ANY",
        "REF_CYCLES" => "CPU_CLK_UNHALTED.REF_TSC",
        "BRANCHES" => "BR_INST_RETIRED.ALL_BRANCHES",
        "BRANCH_MISSES" => "BR_MISP_RETIRED.ALL_BRANCHES",
        "LOADS" => "MEM_INST_RETIRED.ALL_LOADS",
        "STORES" => "MEM_INST_RETIRED.ALL_STORES",
        other => other,
    };
    EVENTS.iter().find(|e| e.name == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_spelling() {
        for event in EVENTS {
            assert_eq!(by_name(event.name), Some(event));
            assert_eq!(by_name(&event.name.to_lowercase()), Some(event));
        }
        assert_eq!(
            by_name("branch-misses").map(|e| e.event),
            Some(E::BranchMisses)
        );
        assert_eq!(by_name("no-such-event"), None);
    }
}
