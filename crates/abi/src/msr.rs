// SPDX-License-Identifier: GPL-2.0-only
//! Model-specific register numbers (SDM vol. 4, ch. 2) and the bits the driver and the bank share.

/// `IA32_APIC_BASE`.
pub const APIC_BASE: u32 = 0x1b;
/// `IA32_PMC0`: legacy alias of general-purpose counter 0; writes sign-extend bit 31.
pub const PMC0: u32 = 0xc1;
/// `IA32_PERFEVTSEL0`.
pub const PERFEVTSEL0: u32 = 0x186;
/// `IA32_DEBUGCTL`.
pub const DEBUGCTL: u32 = 0x1d9;
/// `IA32_FIXED_CTR0`: instructions retired; 1 core cycles; 2 reference cycles.
pub const FIXED_CTR0: u32 = 0x309;
/// `IA32_PERF_CAPABILITIES`.
pub const PERF_CAPABILITIES: u32 = 0x345;
/// `IA32_FIXED_CTR_CTRL`.
pub const FIXED_CTR_CTRL: u32 = 0x38d;
/// `IA32_PERF_GLOBAL_STATUS`.
pub const PERF_GLOBAL_STATUS: u32 = 0x38e;
/// `IA32_PERF_GLOBAL_CTRL`.
pub const PERF_GLOBAL_CTRL: u32 = 0x38f;
/// `IA32_PERF_GLOBAL_OVF_CTRL` (v4: `IA32_PERF_GLOBAL_STATUS_RESET`).
pub const PERF_GLOBAL_OVF_CTRL: u32 = 0x390;
/// `IA32_PERF_GLOBAL_STATUS_SET` (v4).
pub const PERF_GLOBAL_STATUS_SET: u32 = 0x391;
/// `IA32_PERF_GLOBAL_INUSE` (v4).
pub const PERF_GLOBAL_INUSE: u32 = 0x392;
/// `IA32_A_PMC0`: full-width alias, present iff `PERF_CAPABILITIES` bit 13 is set.
pub const A_PMC0: u32 = 0x4c1;
/// x2APIC end-of-interrupt register.
pub const X2APIC_EOI: u32 = 0x80b;
/// x2APIC local vector table entry of the performance counters.
pub const X2APIC_LVTPC: u32 = 0x834;
/// x2APIC interrupt command register.
pub const X2APIC_ICR: u32 = 0x830;
/// `IA32_EFER`.
pub const EFER: u32 = 0xc000_0080;
/// `IA32_STAR`.
pub const STAR: u32 = 0xc000_0081;
/// `IA32_LSTAR`.
pub const LSTAR: u32 = 0xc000_0082;
/// `IA32_FMASK`.
pub const FMASK: u32 = 0xc000_0084;
/// `IA32_FS_BASE`.
pub const FS_BASE: u32 = 0xc000_0100;
/// `IA32_GS_BASE`.
pub const GS_BASE: u32 = 0xc000_0101;
/// `IA32_KERNEL_GS_BASE`.
pub const KERNEL_GS_BASE: u32 = 0xc000_0102;

/// LVTPC delivery mode NMI, unmasked: the value the driver writes (x86-pmu: `APIC_DM_NMI`).
pub const LVTPC_NMI: u64 = 0x400;
/// LVTPC mask bit; hardware sets it when it delivers a PMI.
pub const LVTPC_MASKED: u64 = 1 << 16;
/// Full-width counter writes (`PERF_CAPABILITIES`).
pub const PERF_CAP_FW_WRITE: u64 = 1 << 13;
