// SPDX-License-Identifier: GPL-2.0-only
//! Threaded code ([`super::thread`]) of what is not one plain access: repeated string stores and
//! moves, and branches to a computed address.

use super::branch;
use super::string::step_by;
use super::thread::{BRANCH, Exit, ITERATION, Input, LOAD, STORE, jumped, leave, next, used};
use crate::access::Source;
use crate::cpu::{RAX, RCX, RDI, RSI, RSP};
use crate::op::Ops;
use crate::word::Word;
use crate::{Cpu, Memory};

/// REP STOS, and with `MOVES` REP MOVS without a segment: iterations as long as they are plain
/// accesses, with a boundary behind each.
pub(crate) fn repeated<W: Word, const MOVES: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    mut left: u64,
    mut tally: u64,
) -> Exit {
    let by = step_by::<W>(cpu);
    let behind = at.wrapping_add(1);
    if cpu.regs[RCX] == 0 {
        return next(cpu, mem, ops, behind, left - 1, tally);
    }
    loop {
        let value = if MOVES {
            mem.peek::<W>(cpu.regs[RSI], cpu.read_mask)
        } else {
            Some(W::lo(cpu.regs[RAX]))
        };
        let slot = mem.slot::<W>(cpu.regs[RDI], cpu.write_mask);
        let (Some(value), Some(slot)) = (value, slot) else {
            return leave(cpu, mem, ops, at, left, tally);
        };
        value.to_le(slot);
        if MOVES {
            cpu.regs[RSI] = cpu.regs[RSI].wrapping_add(by);
            tally = tally.wrapping_add(LOAD);
        }
        cpu.regs[RDI] = cpu.regs[RDI].wrapping_add(by);
        cpu.regs[RCX] -= 1;
        tally = tally.wrapping_add(STORE);
        left -= 1;
        if cpu.regs[RCX] == 0 {
            return next(cpu, mem, ops, behind, left, tally);
        }
        tally = tally.wrapping_add(ITERATION);
        if left == 0 {
            return used(cpu, at, tally);
        }
    }
}

/// JMP r/m64.
pub(crate) fn jump_to<B: Input>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    let op = &ops[usize::from(at)];
    match B::Quiet::get::<u64>(cpu, mem, op) {
        Ok(target) if target < crate::SIZE_MAX => {
            cpu.rip = target;
            jumped(cpu, left - 1, tally.wrapping_add(BRANCH + B::READS))
        }
        _ => leave(cpu, mem, ops, at, left, tally),
    }
}

/// CALL r/m64.
pub(crate) fn call_to<B: Input>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    let op = &ops[usize::from(at)];
    let rsp = cpu.regs[RSP].wrapping_sub(8);
    let target = match B::Quiet::get::<u64>(cpu, mem, op) {
        Ok(target) if target < crate::SIZE_MAX => target,
        _ => return leave(cpu, mem, ops, at, left, tally),
    };
    let Some(slot) = mem.slot::<u64>(rsp, cpu.write_mask) else {
        return leave(cpu, mem, ops, at, left, tally);
    };
    Word::to_le(op.behind(), slot);
    cpu.regs[RSP] = rsp;
    branch::remember(cpu, at);
    cpu.rip = target;
    jumped(cpu, left - 1, tally.wrapping_add(BRANCH + STORE + B::READS))
}
