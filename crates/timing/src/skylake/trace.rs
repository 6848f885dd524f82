// SPDX-License-Identifier: GPL-2.0-only
//! What the pipeline is fed with: retired instructions in program order.

use super::lower::Lowered;

/// Memory operands of one instruction that have addresses of their own.
pub const OPERANDS: usize = 2;
/// Instructions between the youngest that is known and the oldest that has not retired: more than
/// all queues hold.
const RING: usize = 1024;

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
    /// It was a taken branch.
    pub taken: bool,
    /// The predictor was wrong about it.
    pub mispredicted: bool,
    /// It is one with the instruction behind it (macro-fusion).
    pub fused: bool,
    /// Cycles that finding its target costs in the front end.
    pub bubble: u8,
    /// Address of its first byte.
    pub at: u64,
    /// Addresses of its memory operands.
    pub memory: [Address; OPERANDS],
}

/// The instructions that are on their way, and the code that they are of.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Lowered instructions, by [`Executed::code`].
    pub code: Vec<Lowered>,
    ring: Vec<Executed>,
    /// Instructions pushed so far; the number of the next one.
    pub pushed: usize,
}

impl Feed {
    /// Nothing yet, of this code.
    #[must_use]
    pub fn new(code: Vec<Lowered>) -> Self {
        Self {
            code,
            ring: vec![Executed::default(); RING],
            pushed: 0,
        }
    }

    /// The next instruction in program order.
    pub fn push(&mut self, executed: Executed) {
        self.ring[self.pushed % RING] = executed;
        self.pushed += 1;
    }

    /// Instruction `n`, one of the last 1,024.
    #[must_use]
    pub fn at(&self, n: usize) -> &Executed {
        &self.ring[n % RING]
    }

    /// As [`Self::at`], to complete what is known of it.
    pub fn at_mut(&mut self, n: usize) -> &mut Executed {
        &mut self.ring[n % RING]
    }

    /// What instruction `n` is.
    #[must_use]
    pub fn lowered(&self, n: usize) -> &Lowered {
        &self.code[self.at(n).code as usize]
    }
}
