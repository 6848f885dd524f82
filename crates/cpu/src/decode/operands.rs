// SPDX-License-Identifier: GPL-2.0-only
//! Operands of an instruction into the fields of an op.

use super::plain;
use crate::exec::misc;
use crate::op::{ADDR32, NONE, Op, SLOW, STACK, WIDE, WITH_FS, WITH_GS};
use crate::word::HIGH_BYTE;
use iced_x86::{Instruction, OpKind, Register};

/// What an operand is, for the choice of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A general register.
    Reg,
    /// `[base + disp]`.
    Simple,
    /// Any other memory operand with a 32-bit displacement.
    Full,
    /// A memory operand that is a 64-bit address.
    Moffs,
    /// An immediate.
    Imm,
    /// None, or something else.
    Other,
}

/// The number of a general register, [`HIGH_BYTE`] added for AH, CH, DH, BH.
pub(crate) fn number(r: Register) -> u8 {
    if !r.is_gpr() {
        return NONE;
    }
    let n = r.full_register().number() as u8;
    match r {
        Register::AH | Register::CH | Register::DH | Register::BH => n + HIGH_BYTE,
        _ => n,
    }
}

/// What operand `n` is.
pub(crate) fn kind(i: &Instruction, n: u32, op: &Op) -> Kind {
    if n >= i.op_count() {
        return Kind::Other;
    }
    match i.op_kind(n) {
        OpKind::Register if i.op_register(n).is_gpr() => Kind::Reg,
        OpKind::Memory if is_moffs(i) => Kind::Moffs,
        OpKind::Memory if op.base != NONE && op.index == NONE && op.mode & SLOW == 0 => {
            Kind::Simple
        }
        OpKind::Memory => Kind::Full,
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate64
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Kind::Imm,
        _ => Kind::Other,
    }
}

/// Bytes of operand `n`.
pub(crate) fn size(i: &Instruction, n: u32) -> usize {
    if n >= i.op_count() {
        return 0;
    }
    match i.op_kind(n) {
        OpKind::Register => i.op_register(n).size(),
        OpKind::Memory => i.memory_size().size(),
        _ => 0,
    }
}

/// An absolute address that no 32 bits hold.
fn is_moffs(i: &Instruction) -> bool {
    i.memory_base() == Register::None
        && i.memory_index() == Register::None
        && i32::try_from(i.memory_displacement64() as i64).is_err()
        && u32::try_from(i.memory_displacement64()).is_err()
}

/// An op with all operands filled in: `dst` is the first register operand, `src` the second,
/// `aux` the third.
pub(crate) fn fill(i: &Instruction) -> Op {
    let mut op = plain(misc::unimplemented, i.len());
    let mut registers = 0;
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::Register => {
                let r = number(i.op_register(n));
                match registers {
                    0 => op.dst = r,
                    1 => op.src = r,
                    _ => op.aux = r,
                }
                registers += 1;
            }
            OpKind::Memory => memory(i, &mut op),
            _ => {
                if kind(i, n, &op) == Kind::Imm {
                    op.imm = i.immediate(n) as i32;
                }
            }
        }
    }
    segment(i, &mut op);
    op
}

/// FS and GS overrides, also of string instructions.
fn segment(i: &Instruction, op: &mut Op) {
    match i.segment_prefix() {
        Register::FS => op.mode |= WITH_FS | SLOW,
        Register::GS => op.mode |= WITH_GS | SLOW,
        _ => {}
    }
}

fn memory(i: &Instruction, op: &mut Op) {
    let (base, index) = (i.memory_base(), i.memory_index());
    let displacement = i.memory_displacement64();
    op.base = number(base);
    op.index = number(index);
    op.mode = i.memory_index_scale().trailing_zeros() as u8;
    let narrow = base.size() == 4 || index.size() == 4 || base == Register::EIP;
    let bare = base == Register::None && index == Register::None;
    if narrow || (bare && i.memory_displ_size() == 4) {
        op.mode |= ADDR32 | SLOW;
    }
    op.disp = displacement as u32 as i32;
    if is_moffs(i) {
        op.imm = (displacement >> 32) as i32;
    } else if i32::try_from(displacement as i64).is_err() && displacement >> 32 == 0 {
        op.mode |= WIDE | SLOW;
    }
    if matches!(
        base,
        Register::RSP | Register::RBP | Register::ESP | Register::EBP
    ) {
        op.mode |= STACK;
    }
}
