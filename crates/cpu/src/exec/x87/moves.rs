// SPDX-License-Identifier: GPL-2.0-only
//! Loads, stores, constants, and the stack itself.

use super::{Fetch, wait};
use crate::access::{Full, M, Mode, Place, check_write, store};
use crate::float::extended::{Env, Extended, Real, loaded, to_int, to_real};
use crate::float::{BEFORE, IE, OE, PE, Round, UE};
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::x87::C1;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

fn push(cpu: &mut Cpu, mut env: Env, value: Extended) -> Outcome {
    let value = if cpu.x87.has_room() {
        value
    } else {
        env = cpu.x87_env();
        env.stack_overflow()
    };
    // An unmasked denormal operand is pushed all the same.
    if cpu.x87_settle(env, IE) {
        cpu.x87.push(value);
    }
    Ok(Flow::Next)
}

/// FLD and FILD.
pub(crate) fn fld<O: Fetch>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let source = O::get(cpu, mem, op)?;
    let mut env = cpu.x87_env();
    let value = match source {
        Some(v) if O::CONVERTS => loaded(&mut env, v),
        Some(v) => v.value,
        None => {
            let value = env.stack_underflow();
            if cpu.x87_settle(env, BEFORE) {
                cpu.x87.push(value);
            }
            return Ok(Flow::Next);
        }
    };
    push(cpu, env, value)
}

/// Constants: sign and exponent, the significand cut off, and whether to nearest is one more.
const CONSTANTS: [(u16, u64, bool); 7] = [
    (0x3fff, 0x8000_0000_0000_0000, false),
    // log2(10), log2(e), pi, log10(2), ln(2).
    (0x4000, 0xd49a_784b_cd1b_8afe, false),
    (0x3fff, 0xb8aa_3b29_5c17_f0bb, true),
    (0x4000, 0xc90f_daa2_2168_c234, true),
    (0x3ffd, 0x9a20_9a84_fbcf_f798, true),
    (0x3ffe, 0xb172_17f7_d1cf_79ab, true),
    (0, 0, false),
];

/// FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, by `aux`: rounded from 66 bits.
pub(crate) fn constant(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let env = cpu.x87_env();
    let which = usize::from(op.aux) % CONSTANTS.len();
    let (high, cut, nearest_up) = CONSTANTS[which];
    let exact = matches!(which, 0 | 6);
    let up = match env.round() {
        Round::Nearest => nearest_up,
        Round::Up => !exact,
        Round::Down | Round::Zero => false,
    };
    let significand = cut + u64::from(up);
    push(cpu, env, Extended { high, significand })
}

/// FST and FSTP to a register: ST(`src`).
pub(crate) fn fst(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let value = match cpu.x87.get(0) {
        Some(v) => v,
        None => env.stack_underflow(),
    };
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(op.src, value);
        cpu.x87_pop(op.dst);
    }
    Ok(Flow::Next)
}

/// An unmasked one of these leaves a memory operand as it was.
const HOLDS_STORE: u32 = BEFORE | OE | UE;

fn put<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op, mut env: Env, value: W) -> Outcome {
    if env.unmasked() & (OE | UE) != 0 {
        // Where nothing is stored nothing is inexact (SDM vol. 1, 8.5.6).
        env.flags &= !PE;
        env.up = false;
    }
    if env.unmasked() & HOLDS_STORE == 0 {
        M::<Full>::set::<W>(cpu, mem, op, value)?;
    }
    if cpu.x87_settle(env, HOLDS_STORE) {
        cpu.x87_pop(op.dst);
    }
    Ok(Flow::Next)
}

/// FST and FSTP to a single or double.
pub(crate) fn fst_real<W: Real>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let value = match cpu.x87.get(0) {
        Some(v) => to_real::<W>(&mut env, v),
        None => {
            let indefinite = env.stack_underflow();
            to_real::<W>(&mut Env::new(cpu.fcw), indefinite)
        }
    };
    put(cpu, mem, op, env, value)
}

/// FIST and FISTP.
pub(crate) fn fist<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let value = match cpu.x87.get(0) {
        Some(v) => to_int(&mut env, v, W::BITS),
        None => {
            env.stack_underflow();
            1 << (W::BITS - 1)
        }
    };
    put(cpu, mem, op, env, W::lo(value))
}

/// FSTP to 80 bits.
pub(crate) fn fstp_wide(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let value = match cpu.x87.get(0) {
        Some(v) => v,
        None => env.stack_underflow(),
    };
    if env.unmasked() & BEFORE == 0 {
        let addr = Full::ea(cpu, op);
        check_write(cpu, mem, addr, 10, op.mode)?;
        store::<u64>(cpu, mem, addr, value.significand, op.mode)?;
        store::<u16>(cpu, mem, addr + 8, value.high, op.mode)?;
        cpu.count(HwEvent::Stores);
    }
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.pop();
    }
    Ok(Flow::Next)
}

/// FXCH: an empty register counts as the indefinite.
pub(crate) fn fxch(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let (own, other) = (cpu.x87.get(0), cpu.x87.get(op.aux));
    if own.is_none() || other.is_none() {
        env.stack_underflow();
    }
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(0, other.unwrap_or(Extended::INDEFINITE));
        cpu.x87.set(op.aux, own.unwrap_or(Extended::INDEFINITE));
    }
    Ok(Flow::Next)
}

/// FFREE, and FFREEP, which pops.
pub(crate) fn ffree(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    cpu.x87.free(op.aux);
    cpu.x87.status &= !C1;
    cpu.x87_pop(op.dst);
    Ok(Flow::Next)
}

/// FINCSTP and FDECSTP: `aux` is added to the top.
pub(crate) fn turn(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    cpu.x87.turn(u16::from(op.aux));
    cpu.x87.status &= !C1;
    Ok(Flow::Next)
}

/// FNOP, which waits.
pub(crate) fn fnop(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    wait!(cpu);
    Ok(Flow::Next)
}
