// SPDX-License-Identifier: GPL-2.0-only
//! The x86 PMU driver (arch/x86/events/core.c, intel/core.c; v5.5 semantics) as methods of
//! [`Perf`](crate::perf::Perf), each with the name of the kernel function it ports.
//!
//! | file | what |
//! |---|---|
//! | `caps.rs` | `struct x86_pmu`: what CPUID and `PERF_CAPABILITIES` say; per-CPU boot |
//! | `event_init.rs` | a new event's configuration, validation of events and groups |
//! | `constraints.rs`, `assign.rs` | which counters an event may use; placing events on counters |
//! | `add_del.rs`, `txn.rs` | the list of wanted events and transactions over it |
//! | `enable.rs` | the outermost disable and enable, where all programming happens; start, stop |
//! | `update.rs` | folding a counter into `count`, and loading the next period |
//! | `intel.rs` | the register writes that switch one counter |
//! | `nmi.rs` | the PMI handler |
//!
//! What decides races: pmu->add writes no register and no `hw` address field; everything is
//! programmed by the outermost enable; `prev_count` is stored before the counter is written; the
//! handler processes overflows even when the interrupted code has the PMU disabled.
//!
//! Deliberately absent: BTS, PEBS, LBR, PT, hyper-threading workarounds, extra registers, the
//! counter-freezing (v4) handler. See docs/deviations.md.

mod add_del;
mod assign;
mod caps;
mod constraints;
mod enable;
mod event_init;
mod intel;
mod nmi;
#[cfg(test)]
mod tests;
mod txn;
mod update;

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::cell::Once;
use crate::types::PerfEvent;

pub use caps::X86Pmu;
pub use constraints::EventConstraint;
pub use event_init::PERF_X86_EVENT_RDPMC_ALLOWED;

/// Size of the counter index space (`X86_PMC_IDX_MAX`): general-purpose counters from 0, fixed
/// ones from [`INTEL_PMC_IDX_FIXED`].
pub const X86_PMC_IDX_MAX: usize = 64;
/// Index of fixed counter 0.
pub const INTEL_PMC_IDX_FIXED: i32 = 32;
/// Index of the branch trace store, which this port never assigns; the v5.5 read rule tests it.
pub const INTEL_PMC_IDX_FIXED_BTS: i32 = 48;
/// General-purpose counters that the driver uses at most.
pub const MAX_GENERIC: u32 = 8;
/// Fixed counters that the driver uses at most (`INTEL_PMC_MAX_FIXED`).
pub const MAX_FIXED: u32 = 4;
/// Room in the lists of events: as many as there can be counters, rounded up.
pub const EVENTS_MAX: usize = 16;

const _: () = assert!((MAX_GENERIC + MAX_FIXED) as usize <= EVENTS_MAX);

/// 64 bits of which an interrupting handler may change some: setting and clearing a bit is one
/// instruction (`__set_bit`, `__clear_bit`).
#[derive(Debug)]
#[repr(transparent)]
pub struct BitMask(AtomicU64);

impl BitMask {
    /// No bit set.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// All bits.
    #[inline(always)]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// `__set_bit`.
    #[inline(always)]
    pub fn set_bit(&self, bit: u32) {
        // The result is not used, so that this is one LOCK OR.
        self.0.fetch_or(1 << bit, Ordering::SeqCst);
    }

    /// `__clear_bit`.
    #[inline(always)]
    pub fn clear_bit(&self, bit: u32) {
        self.0.fetch_and(!(1 << bit), Ordering::SeqCst);
    }

    /// `test_bit` of a counter index; -1 (never assigned) is in no mask.
    #[inline(always)]
    pub fn test_bit(&self, idx: i32) -> bool {
        u32::try_from(idx).is_ok_and(|bit| self.read() >> bit & 1 != 0)
    }
}

impl Default for BitMask {
    fn default() -> Self {
        Self::new()
    }
}

/// `struct cpu_hw_events`: what the driver keeps for one CPU.
///
/// `events`, `active_mask` and `enabled` are looked at by the PMI handler; the rest belongs to
/// code that runs with interrupts off.
#[derive(Debug)]
#[repr(C)]
pub struct CpuHwEvents {
    /// By counter index: the event that runs there, or null.
    pub events: [Once<*mut PerfEvent>; X86_PMC_IDX_MAX],
    /// Counters that were started and not stopped.
    pub active_mask: BitMask,
    /// Counters that ever ran on this CPU; never cleared.
    pub running: BitMask,
    /// The PMU is enabled (GLOBAL_CTRL is set). Starts 1.
    pub enabled: Once<i32>,
    /// Events in `event_list`.
    pub n_events: i32,
    /// Events at the end of the list that the next enable programs.
    pub n_added: i32,
    /// Events at the end of the list that this transaction added.
    pub n_txn: i32,
    /// The transaction in flight ([`crate::types::txn`]), 0 without.
    pub txn_flags: u32,
    /// The events of this CPU in the order they were added.
    pub event_list: [*mut PerfEvent; EVENTS_MAX],
    /// By list slot: the counters the event may use; null before it was scheduled.
    pub event_constraint: [*const EventConstraint; EVENTS_MAX],
    /// By list slot: the counter it was given.
    pub assign: [i32; EVENTS_MAX],
    /// By list slot: number of the last programming from this slot.
    pub tags: [u32; EVENTS_MAX],
    /// What this CPU's PMU can do (`x86_pmu`).
    pub x86_pmu: X86Pmu,
}

impl CpuHwEvents {
    /// As at boot, before [`x86_pmu_boot_cpu`](crate::perf::Perf::x86_pmu_boot_cpu).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            events: [const { Once::new(ptr::null_mut()) }; X86_PMC_IDX_MAX],
            active_mask: BitMask::new(),
            running: BitMask::new(),
            enabled: Once::new(1),
            n_events: 0,
            n_added: 0,
            n_txn: 0,
            txn_flags: 0,
            event_list: [ptr::null_mut(); EVENTS_MAX],
            event_constraint: [ptr::null(); EVENTS_MAX],
            assign: [0; EVENTS_MAX],
            tags: [0; EVENTS_MAX],
            x86_pmu: X86Pmu::new(),
        }
    }
}

impl Default for CpuHwEvents {
    fn default() -> Self {
        Self::new()
    }
}
