// SPDX-License-Identifier: GPL-2.0-only
//! CMPXCHG, CMPXCHG8B, CMPXCHG16B, XADD. LOCK changes nothing on a core that executes one
//! instruction at a time.

use super::alu::{Add, Alu, Sub};
use crate::access::{Mode, Place, claim16, fast_first, update};
use crate::cpu::{RAX, RBX, RCX, RDX};
use crate::flags;
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// CMPXCHG with register `src`. Memory is written in any case, as on hardware; a failing register
/// form leaves the destination's upper half.
pub(crate) fn cmpxchg<P: Place, W: Word, const REGISTER: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        cmpxchg_on::<P::FastPlace, W, REGISTER>,
        cmpxchg_on::<P, W, REGISTER>,
    )
}

#[inline(always)]
pub(crate) fn cmpxchg_on<P: Place, W: Word, const REGISTER: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let expected = W::lo(cpu.regs[RAX]);
    let new = W::reg(&cpu.regs, op.src);
    let mut seen = expected;
    if REGISTER {
        let old = P::get::<W>(cpu, mem, op)?;
        Sub::run::<W>(&mut cpu.flags, expected.zx(), old.zx());
        if old == expected {
            P::set::<W>(cpu, mem, op, new)?;
            return Ok(Flow::Next);
        }
        seen = old;
    } else {
        P::modify::<W>(cpu, mem, op, |cpu, old| {
            Sub::run::<W>(&mut cpu.flags, expected.zx(), old.zx());
            seen = old;
            if old == expected { new } else { old }
        })?;
    }
    if seen != expected {
        seen.set_reg(&mut cpu.regs, RAX as u8);
    }
    Ok(Flow::Next)
}

/// CMPXCHG8B: only ZF changes.
pub(crate) fn cmpxchg8b<A: Mode>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let addr = A::ea(cpu, op);
    let pair = |high: u64, low: u64| high << 32 | low & 0xffff_ffff;
    let expected = pair(cpu.regs[RDX], cpu.regs[RAX]);
    let new = pair(cpu.regs[RCX], cpu.regs[RBX]);
    let mut seen = 0;
    update::<u64>(cpu, mem, addr, op.mode, |_, old| {
        seen = old;
        if old == expected { new } else { old }
    })?;
    let equal = seen == expected;
    if !equal {
        cpu.regs[RAX] = seen & 0xffff_ffff;
        cpu.regs[RDX] = seen >> 32;
    }
    cpu.flags
        .replace(flags::ZF, if equal { flags::ZF } else { 0 });
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// CMPXCHG16B: #GP(0) unless aligned to 16; only ZF changes.
pub(crate) fn cmpxchg16b<A: Mode>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let addr = A::ea(cpu, op);
    if addr % 16 != 0 {
        return Err(cpu.gp());
    }
    let (low, high) = claim16(cpu, mem, addr, op.mode)?;
    let equal = low == cpu.regs[RAX] && high == cpu.regs[RDX];
    let (new_low, new_high) = if equal {
        (cpu.regs[RBX], cpu.regs[RCX])
    } else {
        (low, high)
    };
    mem.put_slow(addr, 8, new_low);
    mem.put_slow(addr + 8, 8, new_high);
    if !equal {
        cpu.regs[RAX] = low;
        cpu.regs[RDX] = high;
    }
    cpu.flags
        .replace(flags::ZF, if equal { flags::ZF } else { 0 });
    cpu.count(HwEvent::Loads);
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// XADD with register `src`.
pub(crate) fn xadd<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let b = W::reg(&cpu.regs, op.src);
    // The register form writes the sum last: XADD of a register with itself doubles it.
    let mut old = b;
    let mut sum = b;
    P::modify::<W>(cpu, mem, op, |cpu, a| {
        old = a;
        sum = W::lo(Add::run::<W>(&mut cpu.flags, a.zx(), b.zx()));
        sum
    })?;
    old.set_reg(&mut cpu.regs, op.src);
    if op.dst == op.src && op.aux != 0 {
        sum.set_reg(&mut cpu.regs, op.dst);
    }
    Ok(Flow::Next)
}
