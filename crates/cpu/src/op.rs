// SPDX-License-Identifier: GPL-2.0-only
//! A decoded instruction in 40 bytes: the functions that execute it and its operands.

use crate::exec::thread::Thread;
use crate::{Cpu, Memory};

/// An exception was raised; its details are in the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raised;

/// How an instruction ended when it raised nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It retired; the op behind it is next.
    Next,
    /// It retired and set `rip`; this op is probably next, 0 if nothing is known.
    Jump(u16),
    /// An iteration of a REP string instruction, more to come.
    Iterate,
    /// It retired and CPL may have changed.
    Ring,
    /// HLT retired.
    Halt,
    /// It needs the bus: `aux` says what for.
    Bus,
    /// INT n, INT3: it retires, then vector `imm` is entered.
    Interrupt,
    /// Nothing happened: the address is watched.
    Watch,
    /// Nothing happened: not implemented.
    Unimplemented,
}

pub(crate) type Outcome = Result<Flow, Raised>;
pub(crate) type Handler = fn(&mut Cpu, &mut Memory, &Op) -> Outcome;

/// The tag of what is no instruction: its address lies beyond [`crate::SIZE_MAX`].
pub(crate) const NO_TAG: u32 = u32::MAX;
/// No base or index register.
pub(crate) const NONE: u8 = 0xff;

// Bits of `Op::mode`; bits 1:0 are log2 of the scale.
/// One of the bits below FS..WIDE is set.
pub(crate) const SLOW: u8 = 4;
/// Add the FS base.
pub(crate) const WITH_FS: u8 = 8;
/// Add the GS base.
pub(crate) const WITH_GS: u8 = 16;
/// 32-bit addressing.
pub(crate) const ADDR32: u8 = 32;
/// The displacement is unsigned.
pub(crate) const WIDE: u8 = 64;
/// A non-canonical address is #SS, not #GP.
pub(crate) const STACK: u8 = 128;

/// A decoded instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    /// Executes it. `rip` of the core already points behind it, `hint` still at it.
    pub(crate) run: Handler,
    /// Executes it and what follows ([`crate::exec::thread`]).
    pub(crate) thread: Thread,
    /// `rip << 1 | user`.
    pub(crate) tag: u32,
    /// Of a direct branch: index of the op at the target, 0 if not known.
    pub(crate) target: u16,
    /// Displacement.
    pub(crate) disp: i32,
    /// Immediate; for a direct branch the distance.
    pub(crate) imm: i32,
    /// Bytes.
    pub(crate) len: u8,
    /// First register operand.
    pub(crate) dst: u8,
    /// Second register operand.
    pub(crate) src: u8,
    /// Base register or [`NONE`].
    pub(crate) base: u8,
    /// Index register or [`NONE`].
    pub(crate) index: u8,
    /// Addressing bits.
    pub(crate) mode: u8,
    /// Third register, or what the handler needs.
    pub(crate) aux: u8,
}

const _: () = assert!(size_of::<Op>() == 40);

/// Ops that a cache holds at most; beyond, decoding starts anew.
pub(crate) const OPS: usize = 1 << 16;
/// The ops of a cache: found by 16 bits, so that no index can be out of range.
pub(crate) type Ops = [Op; OPS];

impl Op {
    /// Address of the instruction.
    #[inline(always)]
    pub(crate) fn rip(&self) -> u64 {
        u64::from(self.tag >> 1)
    }

    /// Address where control is that stands at this op; the end of a run has it in `imm`.
    pub(crate) fn address(&self) -> u64 {
        if self.tag == NO_TAG {
            u64::from(self.imm as u32)
        } else {
            self.rip()
        }
    }

    /// Address behind the instruction.
    #[inline(always)]
    pub(crate) fn behind(&self) -> u64 {
        self.rip() + u64::from(self.len)
    }

    /// The immediate, sign-extended.
    #[inline(always)]
    pub(crate) fn imm(&self) -> u64 {
        i64::from(self.imm) as u64
    }
}

/// What an instruction with [`Flow::Bus`] wants (`Op::aux`).
pub(crate) mod request {
    pub(crate) const RDMSR: u8 = 0;
    pub(crate) const WRMSR: u8 = 1;
    pub(crate) const RDPMC: u8 = 2;
    pub(crate) const RDTSC: u8 = 3;
    pub(crate) const RDTSCP: u8 = 4;
    pub(crate) const CPUID: u8 = 5;
    pub(crate) const VMCALL: u8 = 6;
    /// Size in `dst`; port in DX if `src` is set, else `imm`.
    pub(crate) const IN: u8 = 7;
    pub(crate) const OUT: u8 = 8;
    /// Nothing but to be told of.
    pub(crate) const PAUSE: u8 = 9;
    /// CR8 to register `dst`.
    pub(crate) const READ_CR8: u8 = 10;
    /// CR8 from register `src`.
    pub(crate) const WRITE_CR8: u8 = 11;
}
