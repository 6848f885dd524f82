// SPDX-License-Identifier: GPL-2.0-only
//! What the PMU of a CPU can do (`struct x86_pmu`), from CPUID leaf 0AH and
//! `IA32_PERF_CAPABILITIES`, and the registers' state at boot (`intel_pmu_init`,
//! `intel_pmu_reset`).

use abi::event_select::{CYCLES, FIXED_REF_CYCLES_PSEUDO, INSTRUCTIONS};
use abi::msr;

use super::{EventConstraint, INTEL_PMC_IDX_FIXED, MAX_FIXED, MAX_GENERIC};
use crate::hw::Hardware;
use crate::perf::Perf;

/// `struct x86_pmu`, the part that differs between machines.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct X86Pmu {
    /// Version of architectural performance monitoring; 0 before boot.
    pub version: u32,
    /// General-purpose counters; 0 means that there is no PMU to use.
    pub num_counters: u32,
    /// Fixed counters.
    pub num_counters_fixed: u32,
    /// Width of the counters in bits.
    pub cntval_bits: u32,
    /// As many ones.
    pub cntval_mask: u64,
    /// Longest period a counter is loaded with.
    pub max_period: u64,
    /// GLOBAL_CTRL with every counter enabled.
    pub intel_ctrl: u64,
    /// MSR of general-purpose counter 0: the full-width alias where it exists.
    pub perfctr: u32,
    /// Architectural events that do not exist, by bit (CPUID leaf 0AH EBX).
    pub arch_events_missing: u32,
    /// The handler unmasks LVTPC when it leaves rather than when it enters.
    pub late_ack: bool,
    /// The ANY bit no longer exists.
    pub anythread_deprecated: bool,
    /// Events with special needs.
    pub event_constraints: [EventConstraint; 3],
    /// What all others may use: every general-purpose counter.
    pub unconstrained: EventConstraint,
}

impl X86Pmu {
    /// No PMU.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            version: 0,
            num_counters: 0,
            num_counters_fixed: 0,
            cntval_bits: 0,
            cntval_mask: 0,
            max_period: 0,
            intel_ctrl: 0,
            perfctr: 0,
            arch_events_missing: 0,
            late_ack: false,
            anythread_deprecated: false,
            event_constraints: [EventConstraint::NONE; 3],
            unconstrained: EventConstraint::NONE,
        }
    }

    /// `intel_pmu_init` for leaf 0AH and the value of `PERF_CAPABILITIES`.
    #[must_use]
    pub fn detect(leaf: [u32; 4], capabilities: u64) -> Self {
        let [eax, ebx, _, edx] = leaf;
        let version = eax & 0xff;
        let num_counters = (eax >> 8 & 0xff).min(MAX_GENERIC);
        let num_counters_fixed = (edx & 0x1f).min(MAX_FIXED);
        let cntval_bits = eax >> 16 & 0xff;
        let cntval_mask = 1_u64.checked_shl(cntval_bits).unwrap_or(0).wrapping_sub(1);
        let full_width = capabilities & msr::PERF_CAP_FW_WRITE != 0;
        let gp: u64 = (1 << num_counters) - 1;
        let fixed: u64 = ((1 << num_counters_fixed) - 1) << INTEL_PMC_IDX_FIXED;
        let ebx_valid = 1_u32.checked_shl(eax >> 24).unwrap_or(0).wrapping_sub(1);
        // A fixed counter may stand in for a general-purpose one, except for the pseudo code of
        // reference cycles: its rate differs from event 3C/01.
        let fixed_event = |code, n: i32, other| {
            EventConstraint::fixed_event(
                code,
                (1 << (INTEL_PMC_IDX_FIXED + n) | other) & (gp | fixed),
            )
        };
        Self {
            version,
            num_counters,
            num_counters_fixed,
            cntval_bits,
            cntval_mask,
            max_period: if full_width {
                cntval_mask >> 1
            } else {
                0x7fff_ffff
            },
            intel_ctrl: gp | fixed,
            perfctr: if full_width { msr::A_PMC0 } else { msr::PMC0 },
            arch_events_missing: ebx | !ebx_valid,
            late_ack: version >= 3 && full_width,
            anythread_deprecated: edx >> 15 & 1 != 0,
            event_constraints: [
                fixed_event(INSTRUCTIONS, 0, gp),
                fixed_event(CYCLES, 1, gp),
                fixed_event(FIXED_REF_CYCLES_PSEUDO, 2, 0),
            ],
            unconstrained: EventConstraint::any(gp),
        }
    }
}

impl Default for X86Pmu {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Hardware> Perf<H> {
    /// What this CPU's PMU can do.
    #[inline(always)]
    pub fn x86_pmu(&self) -> &X86Pmu {
        // SAFETY: written once by x86_pmu_boot_cpu, before the first event exists.
        unsafe { &(*self.cpuc()).x86_pmu }
    }

    /// MSR of the select register of general-purpose counter `idx`.
    #[inline(always)]
    pub(super) fn x86_pmu_config_addr(&self, idx: u32) -> u32 {
        msr::PERFEVTSEL0 + idx
    }

    /// MSR of general-purpose counter `idx`.
    #[inline(always)]
    pub(super) fn x86_pmu_event_addr(&self, idx: u32) -> u32 {
        self.x86_pmu().perfctr + idx
    }

    /// Brings up this CPU's PMU: detects it, stops and clears every counter, unmasks the PMI, and
    /// leaves GLOBAL_CTRL set with nothing to count (`intel_pmu_init` and `x86_pmu_starting_cpu`).
    ///
    /// A machine without architectural performance monitoring version 2 or later has no counter
    /// for us: [`x86_pmu_event_init`](Self::x86_pmu_event_init) then refuses every event.
    ///
    /// # Safety
    /// Called once on each CPU, before the first event exists.
    #[inline(never)]
    pub unsafe fn x86_pmu_boot_cpu(&self) {
        let leaf = self.hw.cpuid_perfmon();
        if leaf[0] & 0xff < 2 {
            return;
        }
        let x86_pmu = X86Pmu::detect(leaf, self.hw.rdmsr(msr::PERF_CAPABILITIES));
        // SAFETY: nobody else looks at this CPU's state yet, by the caller's promise.
        unsafe {
            (*self.cpuc()).x86_pmu = x86_pmu;
            self.intel_pmu_reset();
        }
        self.perf_events_lapic_init();
        self.intel_pmu_enable_all();
    }

    /// `intel_pmu_reset`: switches every counter off and clears it, acknowledges everything.
    ///
    /// # Safety
    /// Interrupts are off, or this is the PMI handler.
    #[inline(never)]
    pub(super) unsafe fn intel_pmu_reset(&self) {
        let pmu = self.x86_pmu();
        self.hw.wrmsr(msr::PERF_GLOBAL_CTRL, 0);
        for idx in 0..pmu.num_counters {
            self.hw.wrmsr(self.x86_pmu_config_addr(idx), 0);
            self.hw.wrmsr(self.x86_pmu_event_addr(idx), 0);
        }
        self.hw.wrmsr(msr::FIXED_CTR_CTRL, 0);
        for idx in 0..pmu.num_counters_fixed {
            self.hw.wrmsr(msr::FIXED_CTR0 + idx, 0);
        }
        let status = self.intel_pmu_get_status();
        self.intel_pmu_ack_status(status);
    }

    /// Unmasks the PMI: NMI delivery through LVTPC.
    #[inline(never)]
    pub(super) fn perf_events_lapic_init(&self) {
        self.hw.wrmsr(msr::X2APIC_LVTPC, msr::LVTPC_NMI);
    }
}
