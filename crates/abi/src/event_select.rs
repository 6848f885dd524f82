// SPDX-License-Identifier: GPL-2.0-only
//! `IA32_PERFEVTSELx` fields (SDM vol. 3B, 20.2.1) and the event codes that this project gives a
//! meaning.

/// Event select and unit mask, bits 15:0.
pub const CODE_MASK: u64 = 0xffff;
/// Count at CPL 1 to 3.
pub const USR: u64 = 1 << 16;
/// Count at CPL 0.
pub const OS: u64 = 1 << 17;
/// Edge detect.
pub const EDGE: u64 = 1 << 18;
/// Pin control: accepted, without effect.
pub const PC: u64 = 1 << 19;
/// Request a PMI on overflow.
pub const INT: u64 = 1 << 20;
/// Any thread of the core.
pub const ANY: u64 = 1 << 21;
/// Counter enable.
pub const EN: u64 = 1 << 22;
/// Invert the comparison with CMASK.
pub const INV: u64 = 1 << 23;
/// Lowest bit of CMASK (bits 31:24).
pub const CMASK_SHIFT: u32 = 24;

/// Core cycles, architectural event 0.
pub const CYCLES: u64 = 0x003c;
/// Instructions retired, architectural event 1.
pub const INSTRUCTIONS: u64 = 0x00c0;
/// Reference cycles, architectural event 2.
pub const REF_CYCLES: u64 = 0x013c;
/// Last-level cache references, architectural event 3.
pub const LLC_REFERENCES: u64 = 0x4f2e;
/// Last-level cache misses, architectural event 4.
pub const LLC_MISSES: u64 = 0x412e;
/// Branches retired, architectural event 5.
pub const BRANCHES: u64 = 0x00c4;
/// Mispredicted branches retired, architectural event 6.
pub const BRANCH_MISSES: u64 = 0x00c5;
/// The driver's pseudo code for fixed counter 2 (`ref-cycles`), never written to a select register.
pub const FIXED_REF_CYCLES_PSEUDO: u64 = 0x0300;

/// The injector event: counts only the occurrences that decisions deliver. The unit mask (bits
/// 15:8) tells one injector from another, so that a decision reaches exactly one sampling event.
pub const INJECTOR: u64 = 0x00fe;

/// The event code of injector number `n` (0 to 255).
#[must_use]
pub const fn injector(n: u8) -> u64 {
    INJECTOR | (n as u64) << 8
}
