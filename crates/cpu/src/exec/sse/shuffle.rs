// SPDX-License-Identifier: GPL-2.0-only
//! Shuffles by an immediate, and single words in and out.

use super::Operand;
use super::compute::Shuffle;
use super::integer::Lane;
use crate::access::Source;
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};

/// Two bits of the immediate.
fn field(imm: u8, n: usize) -> usize {
    usize::from(imm >> (2 * n) & 3)
}

/// PSHUFD.
pub(crate) struct Pshufd;
/// PSHUFLW.
pub(crate) struct Pshuflw;
/// PSHUFHW.
pub(crate) struct Pshufhw;
/// SHUFPS.
pub(crate) struct Shufps;
/// SHUFPD.
pub(crate) struct Shufpd;

impl Shuffle for Pshufd {
    fn run(_: u128, b: u128, imm: u8) -> u128 {
        (0..4).fold(0, |r, n| r | u32::get(b, field(imm, n)).put(n))
    }
}

impl Shuffle for Pshuflw {
    fn run(_: u128, b: u128, imm: u8) -> u128 {
        (0..4).fold(b >> 64 << 64, |r, n| r | u16::get(b, field(imm, n)).put(n))
    }
}

impl Shuffle for Pshufhw {
    fn run(_: u128, b: u128, imm: u8) -> u128 {
        (0..4).fold(u128::from(b as u64), |r, n| {
            r | u16::get(b, 4 + field(imm, n)).put(4 + n)
        })
    }
}

impl Shuffle for Shufps {
    fn run(a: u128, b: u128, imm: u8) -> u128 {
        (0..4).fold(0, |r, n| {
            let from = if n < 2 { a } else { b };
            r | u32::get(from, field(imm, n)).put(n)
        })
    }
}

impl Shuffle for Shufpd {
    fn run(a: u128, b: u128, imm: u8) -> u128 {
        u64::get(a, usize::from(imm & 1)).put(0) | u64::get(b, usize::from(imm >> 1 & 1)).put(1)
    }
}

/// PINSRW: 16 bits of a general register (`S` of `crate::access`) or of memory.
pub(crate) fn pinsrw<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = S::get::<u16>(cpu, mem, op)?;
    let n = usize::from(op.imm as u8 & 7);
    let rest = cpu.vector(op.dst) & !0xffff_u16.put(n);
    cpu.set_vector(op.dst, rest | v.put(n));
    Ok(Flow::Next)
}

/// PEXTRW to a general register, zero-extended.
pub(crate) fn pextrw(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = u16::get(cpu.vector(op.src), usize::from(op.imm as u8 & 7));
    u64::from(v).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// The sign bits of lanes: MOVMSKPS, MOVMSKPD, PMOVMSKB.
pub(crate) fn signs<L: Lane>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = cpu.vector(op.src);
    let mask =
        (0..128 / L::WIDTH).fold(0, |r, n| r | (v >> (n * L::WIDTH + L::WIDTH - 1) & 1) << n);
    (mask as u64).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// The operand as it is: what loads and copies of whole registers do.
pub(crate) fn copy<S: Operand>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = S::full(cpu, mem, op)?;
    cpu.set_vector(op.dst, v);
    Ok(Flow::Next)
}
