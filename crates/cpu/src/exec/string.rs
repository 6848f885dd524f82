// SPDX-License-Identifier: GPL-2.0-only
//! String instructions. With a REP prefix each call does one iteration, so that there is a
//! boundary between any two; the instruction retires with the last. Loads and stores are counted
//! at each iteration.

use super::alu::{Alu, Sub};
use crate::access::{load, segment_base, store};
use crate::cpu::{RAX, RCX, RDI, RSI};
use crate::flags;
use crate::op::{Flow, Op, Outcome, Raised};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// `aux`: no prefix.
pub(crate) const ONCE: u8 = 0;
/// `aux`: REP, or REPE for CMPS and SCAS.
pub(crate) const REP: u8 = 1;
/// `aux`: REPNE.
pub(crate) const REPNE: u8 = 2;

/// What an iteration adds to RSI and RDI.
pub(crate) fn step_by<W: Word>(cpu: &Cpu) -> u64 {
    let n = W::SIZE as u64;
    if cpu.system_flags & flags::DF != 0 {
        n.wrapping_neg()
    } else {
        n
    }
}

/// Wraps one iteration in the REP logic. `COMPARES`: the instruction ends on ZF too.
#[inline(always)]
fn repeat<const COMPARES: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
    once: impl FnOnce(&mut Cpu, &mut Memory) -> Result<(), Raised>,
) -> Outcome {
    if op.aux == ONCE {
        once(cpu, mem)?;
        return Ok(Flow::Next);
    }
    if cpu.regs[RCX] == 0 {
        return Ok(Flow::Next);
    }
    once(cpu, mem)?;
    cpu.regs[RCX] -= 1;
    let ended = COMPARES && cpu.flags.zf() == (op.aux == REPNE);
    Ok(if cpu.regs[RCX] == 0 || ended {
        Flow::Next
    } else {
        Flow::Iterate
    })
}

/// MOVS.
pub(crate) fn movs<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    repeat::<false>(cpu, mem, op, |cpu, mem| {
        let from = cpu.regs[RSI].wrapping_add(segment_base(cpu, op.mode));
        let v = load::<W>(cpu, mem, from, op.mode)?;
        let to = cpu.regs[RDI];
        store::<W>(cpu, mem, to, v, 0)?;
        let by = step_by::<W>(cpu);
        cpu.regs[RSI] = cpu.regs[RSI].wrapping_add(by);
        cpu.regs[RDI] = to.wrapping_add(by);
        cpu.count(HwEvent::Loads);
        cpu.count(HwEvent::Stores);
        Ok(())
    })
}

/// STOS.
pub(crate) fn stos<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    repeat::<false>(cpu, mem, op, |cpu, mem| {
        let to = cpu.regs[RDI];
        let v = W::lo(cpu.regs[RAX]);
        store::<W>(cpu, mem, to, v, 0)?;
        cpu.regs[RDI] = to.wrapping_add(step_by::<W>(cpu));
        cpu.count(HwEvent::Stores);
        Ok(())
    })
}

/// LODS.
pub(crate) fn lods<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    repeat::<false>(cpu, mem, op, |cpu, mem| {
        let from = cpu.regs[RSI].wrapping_add(segment_base(cpu, op.mode));
        let v = load::<W>(cpu, mem, from, op.mode)?;
        v.set_reg(&mut cpu.regs, RAX as u8);
        cpu.regs[RSI] = cpu.regs[RSI].wrapping_add(step_by::<W>(cpu));
        cpu.count(HwEvent::Loads);
        Ok(())
    })
}

/// SCAS.
pub(crate) fn scas<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    repeat::<true>(cpu, mem, op, |cpu, mem| {
        let at = cpu.regs[RDI];
        let v = load::<W>(cpu, mem, at, 0)?.zx();
        let a = W::lo(cpu.regs[RAX]).zx();
        Sub::run::<W>(&mut cpu.flags, a, v);
        cpu.regs[RDI] = at.wrapping_add(step_by::<W>(cpu));
        cpu.count(HwEvent::Loads);
        Ok(())
    })
}

/// CMPS.
pub(crate) fn cmps<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    repeat::<true>(cpu, mem, op, |cpu, mem| {
        let from = cpu.regs[RSI].wrapping_add(segment_base(cpu, op.mode));
        let a = load::<W>(cpu, mem, from, op.mode)?.zx();
        let at = cpu.regs[RDI];
        let b = load::<W>(cpu, mem, at, 0)?.zx();
        Sub::run::<W>(&mut cpu.flags, a, b);
        let by = step_by::<W>(cpu);
        cpu.regs[RSI] = cpu.regs[RSI].wrapping_add(by);
        cpu.regs[RDI] = at.wrapping_add(by);
        cpu.count(HwEvent::Loads);
        cpu.count(HwEvent::Loads);
        Ok(())
    })
}
