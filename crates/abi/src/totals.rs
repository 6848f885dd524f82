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
    // From here on told by a model of the pipeline only.
    /// `BR_INST_RETIRED.CONDITIONAL`.
    ConditionalBranches,
    /// `BR_INST_RETIRED.NEAR_TAKEN`.
    TakenBranches,
    /// `UOPS_ISSUED.ANY`: slots that rename filled.
    UopsIssued,
    /// `UOPS_EXECUTED.THREAD`: uops that left through any port.
    UopsExecuted,
    /// `UOPS_RETIRED.RETIRE_SLOTS`.
    RetireSlots,
    /// `UOPS_DISPATCHED_PORT.PORT_0`; the other ports follow.
    Port0,
    /// Port 1.
    Port1,
    /// Port 2.
    Port2,
    /// Port 3.
    Port3,
    /// Port 4.
    Port4,
    /// Port 5.
    Port5,
    /// Port 6.
    Port6,
    /// Port 7.
    Port7,
    /// `IDQ.DSB_UOPS`.
    DsbUops,
    /// `IDQ.MITE_UOPS`.
    MiteUops,
    /// `IDQ.MS_UOPS`.
    MsUops,
    /// `DSB2MITE_SWITCHES.PENALTY_CYCLES`.
    SwitchPenalty,
    /// `IDQ_UOPS_NOT_DELIVERED.CORE`: slots that stayed empty for want of uops.
    NotDelivered,
    /// `ILD_STALL.LCP`.
    LengthChangeStalls,
    /// `INT_MISC.RECOVERY_CYCLES`: cycles from a mispredicted branch's execution to its right target.
    RecoveryCycles,
    /// `RESOURCE_STALLS.ANY`.
    ResourceStalls,
    /// `RESOURCE_STALLS.SB`.
    StoreBufferStalls,
    /// `CYCLE_ACTIVITY.STALLS_TOTAL`: cycles in which nothing was dispatched.
    StallsTotal,
    /// `CYCLE_ACTIVITY.STALLS_MEM_ANY`: of these, cycles with a load outstanding.
    StallsMemory,
    /// `RS_EVENTS.EMPTY_CYCLES`.
    SchedulerEmpty,
    /// `ARITH.DIVIDER_ACTIVE`.
    DividerActive,
    /// `MEM_LOAD_RETIRED.L1_HIT`.
    L1Hit,
    /// `MEM_LOAD_RETIRED.L1_MISS`.
    L1Miss,
    /// `MEM_LOAD_RETIRED.L2_HIT`.
    L2Hit,
    /// `MEM_LOAD_RETIRED.L3_HIT`.
    L3Hit,
    /// `MEM_LOAD_RETIRED.L3_MISS`.
    L3Miss,
    /// `LD_BLOCKS.STORE_FORWARD`.
    StoreForwardBlocks,
    /// `LD_BLOCKS_PARTIAL.ADDRESS_ALIAS`.
    AddressAlias,
}

impl HwEvent {
    /// Number of events.
    pub const COUNT: usize = Self::AddressAlias as usize + 1;
    /// The first one that no retired instruction tells: cycles and what a model of the pipeline says.
    pub const FIRST_TIMED: usize = Self::Cycles as usize;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals(pub [[u64; HwEvent::COUNT]; 2]);

impl Default for Totals {
    fn default() -> Self {
        Self([[0; HwEvent::COUNT]; 2])
    }
}

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
