// SPDX-License-Identifier: GPL-2.0-only
//! Near jumps, calls and returns, Jcc, LOOP, JRCXZ. A small stack of predicted return places saves
//! the look-up of the op behind a call; it can only be right or ignored.

use crate::access::{Source, fast_first, load, pop, push, push_fast};
use crate::cpu::{RCX, RSP, canonical};
use crate::op::{Flow, Op, Outcome, Raised, STACK};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// Jcc.
pub(crate) fn jcc<const CC: u8>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.count(HwEvent::Branches);
    if cpu.flags.cond::<CC>() {
        return cpu.branch(op);
    }
    Ok(Flow::Next)
}

/// JMP rel.
pub(crate) fn jmp(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.count(HwEvent::Branches);
    cpu.branch(op)
}

/// JMP r/m64.
pub(crate) fn jmp_to<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let loads = cpu.loads();
    let target = S::get::<u64>(cpu, mem, op)?;
    let done = cpu.jump(target, 0);
    if done.is_ok() {
        cpu.count(HwEvent::Branches);
    } else {
        cpu.set_loads(loads);
    }
    done
}

/// Keeps the hint of the op behind the op of a call.
#[inline(always)]
pub(crate) fn remember(cpu: &mut Cpu, call: u16) {
    let top = cpu.calls_top;
    cpu.calls[(top & 15) as usize] = call.wrapping_add(1);
    cpu.calls_top = top.wrapping_add(1);
}

/// CALL rel.
pub(crate) fn call(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    fast_first(cpu, mem, op, call_on::<true>, call_on::<false>)
}

#[inline(always)]
fn call_on<const FAST: bool>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let back = cpu.rip;
    if FAST {
        push_fast::<u64>(cpu, mem, back)?;
    } else {
        push::<u64>(cpu, mem, back)?;
    }
    remember(cpu, cpu.hint);
    cpu.count(HwEvent::Stores);
    cpu.count(HwEvent::Branches);
    cpu.branch(op)
}

/// CALL r/m64.
pub(crate) fn call_to<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let loads = cpu.loads();
    let target = S::get::<u64>(cpu, mem, op)?;
    let back = cpu.rip;
    if !canonical(target) {
        cpu.set_loads(loads);
        return Err(cpu.gp());
    }
    if let Err(raised) = push::<u64>(cpu, mem, back) {
        cpu.set_loads(loads);
        return Err(raised);
    }
    remember(cpu, cpu.hint);
    cpu.count(HwEvent::Stores);
    cpu.count(HwEvent::Branches);
    cpu.jump(target, 0)
}

/// RET and RET imm16.
pub(crate) fn ret(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    fast_first(cpu, mem, op, ret_on::<true>, ret_on::<false>)
}

#[inline(always)]
fn ret_on<const FAST: bool>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let rsp = cpu.regs[RSP];
    let target = if FAST {
        mem.peek::<u64>(rsp, cpu.read_mask)
            .filter(|&t| canonical(t))
            .ok_or(Raised)?
    } else {
        load::<u64>(cpu, mem, rsp, STACK)?
    };
    let top = cpu.calls_top.wrapping_sub(1);
    let hint = cpu.calls[(top & 15) as usize];
    let done = cpu.jump(target, hint)?;
    cpu.calls_top = top;
    cpu.regs[RSP] = rsp.wrapping_add(8).wrapping_add(u64::from(op.imm as u32));
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Branches);
    Ok(done)
}

/// LOOPNE, LOOPE, LOOP (`K` 0, 1, 2) on RCX or ECX.
pub(crate) fn loop_cc<const K: u8, W: Word>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let n = W::lo(W::reg(&cpu.regs, RCX as u8).zx().wrapping_sub(1));
    n.set_reg(&mut cpu.regs, RCX as u8);
    let zf = cpu.flags.zf();
    let go = match K {
        0 => !zf,
        1 => zf,
        _ => true,
    };
    cpu.count(HwEvent::Branches);
    if n.zx() != 0 && go {
        return cpu.branch(op);
    }
    Ok(Flow::Next)
}

/// JRCXZ and JECXZ.
pub(crate) fn jcxz<W: Word>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    cpu.count(HwEvent::Branches);
    if W::reg(&cpu.regs, RCX as u8).zx() == 0 {
        return cpu.branch(op);
    }
    Ok(Flow::Next)
}

/// RETF within the ring: pops RIP and CS.
pub(crate) fn retf(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let (saved, segment) = (cpu.regs[RSP], cpu.seg.cs);
    let result = (|| {
        let rip = pop::<u64>(cpu, mem)?;
        let selector = pop::<u64>(cpu, mem)? as u16;
        let there = super::iret::load_code_segment(cpu, mem, selector, true)?;
        if there.is_none() {
            return Ok(Flow::Unimplemented);
        }
        cpu.jump(rip, 0)
    })();
    if !matches!(result, Ok(Flow::Jump(_))) {
        cpu.regs[RSP] = saved;
        cpu.seg.cs = segment;
        return result;
    }
    cpu.regs[RSP] = cpu.regs[RSP].wrapping_add(u64::from(op.imm as u32));
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Branches);
    Ok(Flow::Jump(0))
}
