// SPDX-License-Identifier: GPL-2.0-only
//! MOV, MOVZX, MOVSX, LEA, CMOVcc, SETcc, XCHG, BSWAP, MOVBE, sign extensions of the accumulator.

use crate::access::{Mode, Place, Source, fast_first};
use crate::cpu::{RAX, RDX};
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};

/// MOV.
pub(crate) fn mov<P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        mov_on::<P::FastPlace, S::Fast, W>,
        mov_on::<P, S, W>,
    )
}

#[inline(always)]
pub(crate) fn mov_on<P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?;
    P::set::<W>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// MOV r64, imm64: `disp` holds the upper half.
pub(crate) fn mov_imm64(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let v = u64::from(op.imm as u32) | u64::from(op.disp as u32) << 32;
    v.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// MOVZX: `T` is the destination's width, `W` the source's.
pub(crate) fn movzx<S: Source, T: Word, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(cpu, mem, op, movzx_on::<S::Fast, T, W>, movzx_on::<S, T, W>)
}

#[inline(always)]
pub(crate) fn movzx_on<S: Source, T: Word, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?.zx();
    T::lo(v).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// MOVSX and MOVSXD.
pub(crate) fn movsx<S: Source, T: Word, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(cpu, mem, op, movsx_on::<S::Fast, T, W>, movsx_on::<S, T, W>)
}

#[inline(always)]
pub(crate) fn movsx_on<S: Source, T: Word, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = W::sx(S::get::<W>(cpu, mem, op)?.zx());
    T::lo(v).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// LEA.
pub(crate) fn lea<A: Mode, W: Word>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let a = A::ea(cpu, op);
    W::lo(a).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// CMOVcc: the source is read in any case, and a 32-bit destination's upper half is cleared.
pub(crate) fn cmov<S: Source, W: Word, const CC: u8>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(cpu, mem, op, cmov_on::<S::Fast, W, CC>, cmov_on::<S, W, CC>)
}

#[inline(always)]
pub(crate) fn cmov_on<S: Source, W: Word, const CC: u8>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?;
    let v = if cpu.flags.cond::<CC>() {
        v
    } else {
        W::reg(&cpu.regs, op.dst)
    };
    v.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// SETcc.
pub(crate) fn setcc<P: Place, const CC: u8>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        setcc_on::<P::FastPlace, CC>,
        setcc_on::<P, CC>,
    )
}

#[inline(always)]
pub(crate) fn setcc_on<P: Place, const CC: u8>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = u8::from(cpu.flags.cond::<CC>());
    P::set::<u8>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// XCHG with register `src`; LOCK is implied for memory.
pub(crate) fn xchg<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let mut old = W::reg(&cpu.regs, op.src);
    P::modify::<W>(cpu, mem, op, |_, a| std::mem::replace(&mut old, a))?;
    old.set_reg(&mut cpu.regs, op.src);
    Ok(Flow::Next)
}

/// BSWAP of 32 or 64 bits; of 16 bits (undefined) it gives zero, as Intel's cores do.
pub(crate) fn bswap<W: Word>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let v = W::reg(&cpu.regs, op.dst);
    let r = if W::BITS == 16 { W::lo(0) } else { swapped(v) };
    r.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

fn swapped<W: Word>(v: W) -> W {
    W::lo(v.zx().swap_bytes() >> (64 - W::BITS))
}

/// MOVBE.
pub(crate) fn movbe<P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?;
    P::set::<W>(cpu, mem, op, swapped(v))?;
    Ok(Flow::Next)
}

/// CBW, CWDE, CDQE: `T` is the destination's width, `W` half of it.
pub(crate) fn extend_a<T: Word, W: Word>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    T::lo(W::sx(cpu.regs[RAX])).set_reg(&mut cpu.regs, RAX as u8);
    Ok(Flow::Next)
}

/// CWD, CDQ, CQO.
pub(crate) fn extend_d<W: Word>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    let sign = (W::sx(cpu.regs[RAX]) as i64 >> 63) as u64;
    W::lo(sign).set_reg(&mut cpu.regs, RDX as u8);
    Ok(Flow::Next)
}
