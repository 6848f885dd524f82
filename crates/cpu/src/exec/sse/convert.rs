// SPDX-License-Identifier: GPL-2.0-only
//! Conversions between integers, single and double precision.

use super::Operand;
use crate::access::Source;
use crate::float::{self, Env, F32, F64, Format};
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};

/// CVTSI2SS and CVTSI2SD from a general register or memory (`MEMORY`).
pub(crate) fn from_general<F: Format, S: Source, W: Word, const MEMORY: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let v = W::sx(S::get::<W>(cpu, mem, op)?.zx()) as i64;
    let mut env = Env::new(cpu.mxcsr);
    let r = float::from_int::<F>(&mut env, v);
    if let Err(raised) = cpu.finish_real(env) {
        if MEMORY {
            cpu.set_loads(cpu.loads() - 1);
        }
        return Err(raised);
    }
    let rest = cpu.vector(op.dst) & !u128::from(F::MASK);
    cpu.set_vector(op.dst, rest | u128::from(r));
    Ok(Flow::Next)
}

/// CVTSS2SI, CVTSD2SI and, `TRUNCATED`, CVTTSS2SI, CVTTSD2SI. `L` has the width of `F`, `W` is that
/// of the general register.
pub(crate) fn to_general<F: Format, L: Word, S: Operand, W: Word, const TRUNCATED: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let v = S::low::<L>(cpu, mem, op)?.zx();
    let mut env = Env::new(cpu.mxcsr);
    let r = float::to_int::<F>(&mut env, v, W::BITS, TRUNCATED);
    if let Err(raised) = cpu.finish_real(env) {
        S::uncount(cpu);
        return Err(raised);
    }
    W::lo(r).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// CVTSS2SD and CVTSD2SS. `L` has the width of `A`.
pub(crate) fn between<A: Format, L: Word, B: Format, S: Operand>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let v = S::low::<L>(cpu, mem, op)?.zx();
    let mut env = Env::new(cpu.mxcsr);
    let r = float::convert::<A, B>(&mut env, v);
    if let Err(raised) = cpu.finish_real(env) {
        S::uncount(cpu);
        return Err(raised);
    }
    let rest = cpu.vector(op.dst) & !u128::from(B::MASK);
    cpu.set_vector(op.dst, rest | u128::from(r));
    Ok(Flow::Next)
}

/// A conversion of all lanes.
pub(crate) trait Lanes {
    /// Bits of a lane before.
    const FROM: u32;
    /// Bits of a lane after.
    const TO: u32;
    fn run(env: &mut Env, v: u64) -> u64;
}

macro_rules! lanes {
    ($($name:ident: $from:literal to $to:literal, |$env:pat_param, $v:ident| $e:expr;)*) => {$(
        pub(crate) struct $name;
        impl Lanes for $name {
            const FROM: u32 = $from;
            const TO: u32 = $to;
            fn run($env: &mut Env, $v: u64) -> u64 {
                $e
            }
        }
    )*};
}

lanes! {
    Ps2Pd: 32 to 64, |env, v| float::convert::<F32, F64>(env, v);
    Pd2Ps: 64 to 32, |env, v| float::convert::<F64, F32>(env, v);
    Dq2Ps: 32 to 32, |env, v| float::from_int::<F32>(env, i64::from(v as i32));
    Dq2Pd: 32 to 64, |env, v| float::from_int::<F64>(env, i64::from(v as i32));
    Ps2Dq: 32 to 32, |env, v| float::to_int::<F32>(env, v, 32, false);
    Tps2Dq: 32 to 32, |env, v| float::to_int::<F32>(env, v, 32, true);
    Pd2Dq: 64 to 32, |env, v| float::to_int::<F64>(env, v, 32, false);
    Tpd2Dq: 64 to 32, |env, v| float::to_int::<F64>(env, v, 32, true);
}

/// Converts as many lanes as the wider side has; what is left of the register becomes zero.
pub(crate) fn packed<C: Lanes, S: Operand>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let v = if C::FROM < C::TO {
        u128::from(S::low::<u64>(cpu, mem, op)?)
    } else {
        S::full(cpu, mem, op)?
    };
    let mut env = Env::new(cpu.mxcsr);
    let mut r = 0;
    for lane in 0..128 / C::FROM.max(C::TO) {
        let x = (v >> (lane * C::FROM)) as u64 & (u64::MAX >> (64 - C::FROM));
        r |= u128::from(C::run(&mut env, x)) << (lane * C::TO);
    }
    if let Err(raised) = cpu.finish_real(env) {
        S::uncount(cpu);
        return Err(raised);
    }
    cpu.set_vector(op.dst, r);
    Ok(Flow::Next)
}
