// SPDX-License-Identifier: GPL-2.0-only
//! BT, BTS, BTR, BTC, BSF, BSR, TZCNT, LZCNT, POPCNT, CRC32.

use crate::access::{Mode, Place, Source, fast_first, load, update};
use crate::flags;
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

pub(crate) const TEST: u8 = 0;
pub(crate) const SET: u8 = 1;
pub(crate) const RESET: u8 = 2;
pub(crate) const COMPLEMENT: u8 = 3;

const fn changed<const K: u8>(v: u64, bit: u64) -> u64 {
    match K {
        SET => v | bit,
        RESET => v & !bit,
        COMPLEMENT => v ^ bit,
        _ => v,
    }
}

/// Bit test of a register or of memory with an immediate bit number: modulo the width. CF is the
/// old bit; the other flags stay.
pub(crate) fn bit<const K: u8, P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        bit_on::<K, P::FastPlace, S::Fast, W>,
        bit_on::<K, P, S, W>,
    )
}

#[inline(always)]
pub(crate) fn bit_on<const K: u8, P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let n = S::get::<W>(cpu, mem, op)?.zx() % u64::from(W::BITS);
    if K == TEST {
        let v = P::get::<W>(cpu, mem, op)?.zx();
        cpu.flags.set_cf(v >> n & 1 != 0);
    } else {
        P::modify::<W>(cpu, mem, op, |cpu, v| {
            let v = v.zx();
            cpu.flags.set_cf(v >> n & 1 != 0);
            W::lo(changed::<K>(v, 1 << n))
        })?;
    }
    Ok(Flow::Next)
}

/// Bit test of memory with a bit number in register `src`: the number reaches any word around the
/// address.
pub(crate) fn bit_string<const K: u8, A: Mode, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let number = W::sx(W::reg(&cpu.regs, op.src).zx()) as i64;
    let n = number as u64 % u64::from(W::BITS);
    let offset = (number >> W::LOG) * W::SIZE as i64;
    let addr = A::ea(cpu, op).wrapping_add(offset as u64);
    if K == TEST {
        let v = load::<W>(cpu, mem, addr, op.mode)?.zx();
        cpu.flags.set_cf(v >> n & 1 != 0);
    } else {
        update::<W>(cpu, mem, addr, op.mode, |cpu, v| {
            let v = v.zx();
            cpu.flags.set_cf(v >> n & 1 != 0);
            W::lo(changed::<K>(v, 1 << n))
        })?;
        cpu.count(HwEvent::Stores);
    }
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// BSF and BSR (`REVERSE`). A zero source sets ZF and leaves the destination, all 64 bits, as AMD
/// documents and both makers do; the other flags (undefined) are those of TEST.
pub(crate) fn scan<const REVERSE: bool, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?.zx();
    cpu.flags.logic::<W>(v);
    if v != 0 {
        let n = if REVERSE {
            63 - v.leading_zeros()
        } else {
            v.trailing_zeros()
        };
        W::lo(u64::from(n)).set_reg(&mut cpu.regs, op.dst);
    }
    Ok(Flow::Next)
}

/// TZCNT and LZCNT (`LEADING`): CF says that the source is zero, ZF that the result is.
pub(crate) fn count_zeros<const LEADING: bool, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?.zx();
    let n = if LEADING {
        v.leading_zeros() - (64 - W::BITS)
    } else {
        v.trailing_zeros().min(W::BITS)
    };
    cpu.flags.result::<W>(u64::from(n), v == 0, false);
    W::lo(u64::from(n)).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// POPCNT: ZF says that the source is zero, the other flags are cleared.
pub(crate) fn popcnt<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?.zx();
    cpu.flags
        .replace(flags::STATUS, if v == 0 { flags::ZF } else { 0 });
    W::lo(u64::from(v.count_ones())).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// CRC32: polynomial 11EDC6F41H, bits reflected. `T` is the destination's width.
pub(crate) fn crc32<S: Source, T: Word, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = S::get::<W>(cpu, mem, op)?.zx();
    let mut crc = cpu.regs[usize::from(op.dst & 15)] as u32;
    for i in 0..W::SIZE {
        crc ^= u32::from((v >> (8 * i)) as u8);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { 0x82f6_3b78 } else { 0 };
        }
    }
    T::lo(u64::from(crc)).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}
