// SPDX-License-Identifier: GPL-2.0-only
//! What the pipeline is fed with: retired instructions in program order.

/// Memory operands of one instruction that have addresses of their own.
pub const OPERANDS: usize = 2;

/// An address in memory. Where the value is not known, a name that is equal for equal addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Address {
    /// Address as the program sees it.
    pub linear: u64,
    /// Address of the byte in memory.
    pub physical: u64,
}

/// One executed instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Executed {
    /// Index of the lowered instruction.
    pub code: u32,
    /// Address of its first byte.
    pub at: u64,
    /// It was a taken branch.
    pub taken: bool,
    /// Addresses of its memory operands.
    pub memory: [Address; OPERANDS],
}
