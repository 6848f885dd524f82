// SPDX-License-Identifier: GPL-2.0-only
//! The shapes of instructions that compute without flags: `dst = f(dst, operand)`, also with an
//! immediate.

use super::Operand;
use crate::op::{Flow, Op, Outcome};
use crate::{Cpu, Memory};

/// A function of two vectors.
pub(crate) trait Binary {
    fn run(a: u128, b: u128) -> u128;
}

/// A function of two vectors and an immediate.
pub(crate) trait Shuffle {
    fn run(a: u128, b: u128, imm: u8) -> u128;
}

/// `dst = f(dst, operand)`.
pub(crate) fn binary<O: Binary, S: Operand>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let b = S::full(cpu, mem, op)?;
    let r = O::run(cpu.vector(op.dst), b);
    cpu.set_vector(op.dst, r);
    Ok(Flow::Next)
}

/// `dst = f(dst, operand, imm)`.
pub(crate) fn shuffle<O: Shuffle, S: Operand>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let b = S::full(cpu, mem, op)?;
    let r = O::run(cpu.vector(op.dst), b, op.imm as u8);
    cpu.set_vector(op.dst, r);
    Ok(Flow::Next)
}

/// `dst = f(dst, imm)`: shifts by a constant.
pub(crate) fn by_constant<O: Binary>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let r = O::run(cpu.vector(op.dst), u128::from(op.imm as u8));
    cpu.set_vector(op.dst, r);
    Ok(Flow::Next)
}
