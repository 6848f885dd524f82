// SPDX-License-Identifier: GPL-2.0-only
//! Moves between vector registers, general registers and memory.

use super::{Operand, aligned, load16, store16};
use crate::access::{Full, Mode, Place, Source, check_write, segment_base, store};
use crate::cpu::RDI;
use crate::op::{ADDR32, Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// MOVUPS, MOVUPD, MOVDQU from memory.
pub(crate) fn load_unaligned(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let addr = Full::ea(cpu, op);
    let v = load16(cpu, mem, addr, op.mode)?;
    cpu.count(HwEvent::Loads);
    cpu.set_vector(op.dst, v);
    Ok(Flow::Next)
}

/// MOVAPS, MOVAPD, MOVDQA, MOVNTPS, MOVNTPD, MOVNTDQ to memory (`ALIGNED`), MOVUPS and its kin.
pub(crate) fn store_full<const ALIGNED: bool>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let addr = if ALIGNED {
        aligned(cpu, op)?
    } else {
        Full::ea(cpu, op)
    };
    let v = cpu.vector(op.src);
    store16(cpu, mem, addr, v, op.mode)?;
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// MOVSS and MOVSD from memory, MOVQ, MOVD: the rest of the register becomes zero.
pub(crate) fn load_low<S: Operand, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = S::low::<W>(cpu, mem, op)?;
    cpu.set_vector(op.dst, u128::from(v.zx()));
    Ok(Flow::Next)
}

/// MOVD and MOVQ from a general register or memory.
pub(crate) fn from_general<S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let v = S::get::<W>(cpu, mem, op)?;
    cpu.set_vector(op.dst, u128::from(v.zx()));
    Ok(Flow::Next)
}

/// MOVD and MOVQ to a general register or memory; MOVSS, MOVSD, MOVLPS, MOVLPD to memory.
pub(crate) fn store_low<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = cpu.vector(op.src) as u64;
    P::set::<W>(cpu, mem, op, W::lo(v))?;
    Ok(Flow::Next)
}

/// MOVHPS and MOVHPD to memory.
pub(crate) fn store_high<P: Place>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = (cpu.vector(op.src) >> 64) as u64;
    P::set::<u64>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// MOVSS and MOVSD between registers, MOVLPS and MOVLPD from memory: the rest stays.
pub(crate) fn merge_low<S: Operand, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = S::low::<W>(cpu, mem, op)?;
    let rest = cpu.vector(op.dst) >> W::BITS << W::BITS;
    cpu.set_vector(op.dst, rest | u128::from(v.zx()));
    Ok(Flow::Next)
}

/// MOVHPS, MOVHPD from memory and MOVLHPS: the operand's low half to the high half.
pub(crate) fn low_to_high<S: Operand>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = S::low::<u64>(cpu, mem, op)?;
    let low = u128::from(cpu.vector(op.dst) as u64);
    cpu.set_vector(op.dst, low | u128::from(v) << 64);
    Ok(Flow::Next)
}

/// MOVHLPS.
pub(crate) fn high_to_low(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = (cpu.vector(op.src) >> 64) as u64;
    cpu.set_vector_low(op.dst, v);
    Ok(Flow::Next)
}

/// MOVNTI: an ordinary store here, and no vector instruction.
pub(crate) fn movnti<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let v = W::reg(&cpu.regs, op.dst);
    P::set::<W>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// MASKMOVDQU: the bytes of `dst` that `src` selects, to (E)DI.
pub(crate) fn maskmovdqu(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let mut at = cpu.regs[RDI];
    if op.mode & ADDR32 != 0 {
        at &= 0xffff_ffff;
    }
    let at = at.wrapping_add(segment_base(cpu, op.mode));
    let value = cpu.vector(op.dst).to_le_bytes();
    let mask = cpu.vector(op.src).to_le_bytes();
    let chosen = || (0u64..).zip(value).zip(mask).filter(|(_, m)| m & 0x80 != 0);
    for ((n, _), _) in chosen() {
        check_write(cpu, mem, at.wrapping_add(n), 1, op.mode)?;
    }
    for ((n, byte), _) in chosen() {
        store::<u8>(cpu, mem, at.wrapping_add(n), byte, op.mode)?;
    }
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}
