// SPDX-License-Identifier: GPL-2.0-only
//! PUSH, POP, PUSHF, POPF, ENTER, LEAVE.

use crate::access::{
    Mode, Place, Source, check_read, check_write, fast_first, load, pop, pop_fast, push, push_fast,
    store,
};
use crate::cpu::{RBP, RSP};
use crate::flags;
use crate::op::{Flow, Op, Outcome, STACK};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// PUSH of a register or immediate.
pub(crate) fn push_value<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let fast = |cpu: &mut Cpu, mem: &mut Memory, op: &Op| {
        push_on::<S, W>(cpu, mem, op)?;
        cpu.count(HwEvent::Stores);
        Ok(Flow::Next)
    };
    fast_first(cpu, mem, op, fast, |cpu, mem, op| {
        let v = S::get::<W>(cpu, mem, op)?;
        push::<W>(cpu, mem, v)?;
        cpu.count(HwEvent::Stores);
        Ok(Flow::Next)
    })
}

/// It, with a simple access only and not counted.
#[inline(always)]
pub(crate) fn push_on<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?;
    push_fast::<W>(cpu, mem, v)?;
    Ok(Flow::Next)
}

/// PUSH of memory.
pub(crate) fn push_memory<A: Mode, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let addr = A::ea(cpu, op);
    let v = load::<W>(cpu, mem, addr, op.mode)?;
    push::<W>(cpu, mem, v)?;
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// POP of a register: POP RSP loads RSP.
pub(crate) fn pop_register<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let fast = |cpu: &mut Cpu, mem: &mut Memory, op: &Op| {
        pop_on::<W>(cpu, mem, op)?;
        cpu.count(HwEvent::Loads);
        Ok(Flow::Next)
    };
    fast_first(cpu, mem, op, fast, |cpu, mem, op| {
        let v = pop::<W>(cpu, mem)?;
        v.set_reg(&mut cpu.regs, op.dst);
        cpu.count(HwEvent::Loads);
        Ok(Flow::Next)
    })
}

/// It, with a simple access only and not counted.
#[inline(always)]
pub(crate) fn pop_on<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let v = pop_fast::<W>(cpu, mem)?;
    v.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// POP of memory: an address that uses RSP sees it incremented.
pub(crate) fn pop_memory<A: Mode, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let saved = cpu.regs[RSP];
    let v = pop::<W>(cpu, mem)?;
    let addr = A::ea(cpu, op);
    if let Err(raised) = store::<W>(cpu, mem, addr, v, op.mode) {
        cpu.regs[RSP] = saved;
        return Err(raised);
    }
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// PUSH FS and PUSH GS (`aux` 4, 5).
pub(crate) fn push_segment<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let v = if op.aux == 4 { cpu.seg.fs } else { cpu.seg.gs }.selector;
    push::<W>(cpu, mem, W::lo(u64::from(v)))?;
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// POP FS and POP GS.
pub(crate) fn pop_segment<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let saved = cpu.regs[RSP];
    let v = pop::<W>(cpu, mem)?.zx() as u16;
    if let Err(raised) = cpu.load_segment(mem, op.aux, v) {
        cpu.regs[RSP] = saved;
        return Err(raised);
    }
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// PUSHF: VM and RF read as 0.
pub(crate) fn pushf<W: Word>(cpu: &mut Cpu, mem: &mut Memory, _: &Op) -> Outcome {
    let v = cpu.rflags() & !(flags::VM | flags::RF);
    push::<W>(cpu, mem, W::lo(v))?;
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// POPF: IOPL only at CPL 0, IF only up to IOPL; RF is cleared.
pub(crate) fn popf<W: Word>(cpu: &mut Cpu, mem: &mut Memory, _: &Op) -> Outcome {
    let v = pop::<W>(cpu, mem)?.zx();
    let mut mask = flags::STATUS | flags::TF | flags::DF | flags::NT;
    if W::BITS > 16 {
        mask |= flags::AC | flags::ID;
    }
    if cpu.cpl() == 0 {
        mask |= flags::IOPL;
    }
    if u64::from(cpu.cpl()) <= (cpu.system_flags & flags::IOPL) >> 12 {
        mask |= flags::IF;
    }
    let old = cpu.rflags();
    cpu.set_rflags((old & !mask | v & mask) & !flags::RF);
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// LEAVE.
pub(crate) fn leave<W: Word>(cpu: &mut Cpu, mem: &mut Memory, _: &Op) -> Outcome {
    let rbp = cpu.regs[RBP];
    let v = load::<W>(cpu, mem, rbp, STACK)?;
    cpu.regs[RSP] = rbp.wrapping_add(W::SIZE as u64);
    v.set_reg(&mut cpu.regs, RBP as u8);
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// ENTER with frame size `imm` and nesting level `aux`. It writes all or nothing, and the new top
/// of the stack must be writable too.
pub(crate) fn enter(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let (rsp, rbp) = (cpu.regs[RSP], cpu.regs[RBP]);
    let level = u64::from(op.aux & 31);
    let frame = rsp.wrapping_sub(8);
    let pushes = if level > 0 { level + 1 } else { 1 };
    let bottom = rsp.wrapping_sub(8 * pushes);
    let top = bottom.wrapping_sub(u64::from(op.imm as u32));
    check_write(cpu, mem, top, 1, STACK)?;
    check_write(cpu, mem, bottom, 8 * pushes, STACK)?;
    if level > 1 {
        let first = rbp.wrapping_sub(8 * (level - 1));
        check_read(cpu, mem, first, 8 * (level - 1), STACK)?;
    }
    push::<u64>(cpu, mem, rbp)?;
    for i in 1..level {
        // What an earlier push wrote may be read here.
        let v = load::<u64>(cpu, mem, rbp.wrapping_sub(8 * i), STACK)?;
        push::<u64>(cpu, mem, v)?;
        cpu.count(HwEvent::Loads);
    }
    if level > 0 {
        push::<u64>(cpu, mem, frame)?;
    }
    for _ in 0..pushes {
        cpu.count(HwEvent::Stores);
    }
    cpu.regs[RSP] = top;
    cpu.regs[RBP] = frame;
    Ok(Flow::Next)
}

/// A place for a segment selector, MOV r/m, sreg (`aux`): a 16-bit store, or a register of width
/// `W` with zeros above the selector.
pub(crate) fn mov_from_segment<P: Place, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let s = &cpu.seg;
    let all = [s.es, s.cs, s.ss, s.ds, s.fs, s.gs];
    let v = all[usize::from(op.aux)].selector;
    P::set::<W>(cpu, mem, op, W::lo(u64::from(v)))?;
    Ok(Flow::Next)
}

/// MOV sreg (`aux`), r/m16.
pub(crate) fn mov_to_segment<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let before = cpu.totals;
    let v = S::get::<u16>(cpu, mem, op)?;
    if let Err(raised) = cpu.load_segment(mem, op.aux, v) {
        cpu.totals = before;
        return Err(raised);
    }
    if op.aux == 2 {
        cpu.set_shadow(crate::Shadow::MovSs);
    }
    Ok(Flow::Next)
}
