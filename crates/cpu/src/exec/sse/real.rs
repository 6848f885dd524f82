// SPDX-License-Identifier: GPL-2.0-only
//! Arithmetic and comparison of floating-point numbers. An unmasked exception is #XM, or #UD
//! without CR4.OSXMMEXCPT, and leaves the destination as it was.

use super::Operand;
use crate::cpu::CR4_OSXMMEXCPT;
use crate::flags;
use crate::float::{self, BEFORE, Env, Format, Relation};
use crate::op::{Flow, Op, Outcome, Raised};
use crate::word::Word;
use crate::{Cpu, Memory};

/// A function of two numbers and an immediate.
pub(crate) trait Real {
    fn run<F: Format>(env: &mut Env, a: u64, b: u64, imm: u8) -> u64;
}

macro_rules! real {
    ($($name:ident: |$env:ident, $a:pat_param, $b:ident, $imm:pat_param| $e:expr;)*) => {$(
        pub(crate) struct $name;
        impl Real for $name {
            #[inline(always)]
            fn run<F: Format>($env: &mut Env, $a: u64, $b: u64, $imm: u8) -> u64 {
                $e
            }
        }
    )*};
}

real! {
    Add: |env, a, b, _| float::add::<F>(env, a, b);
    Sub: |env, a, b, _| float::sub::<F>(env, a, b);
    Mul: |env, a, b, _| float::mul::<F>(env, a, b);
    Div: |env, a, b, _| float::div::<F>(env, a, b);
    Sqrt: |env, _, b, _| float::sqrt::<F>(env, b);
    Rcp: |_env, _, b, _| float::reciprocal(b);
    Rsqrt: |_env, _, b, _| float::reciprocal_sqrt(b);
    Min: |env, a, b, _| float::minimum::<F>(env, a, b);
    Max: |env, a, b, _| float::maximum::<F>(env, a, b);
    Cmp: |env, a, b, imm| if holds::<F>(env, a, b, imm) { F::MASK } else { 0 };
}

/// CMPPS and its kin: the predicate in the immediate's low three bits.
fn holds<F: Format>(env: &mut Env, a: u64, b: u64, imm: u8) -> bool {
    let less = matches!(imm & 3, 1 | 2);
    let relation = float::compare::<F>(env, a, b, less);
    let r = match imm & 3 {
        0 => relation == Relation::Equal,
        1 => relation == Relation::Less,
        2 => matches!(relation, Relation::Less | Relation::Equal),
        _ => relation == Relation::Unordered,
    };
    r ^ (imm & 4 != 0)
}

impl Cpu {
    /// Adds an instruction's flags to MXCSR; an unmasked one raises.
    #[inline(always)]
    pub(crate) fn finish_real(&mut self, env: Env) -> Result<(), Raised> {
        if env.unmasked() == 0 {
            self.mxcsr |= env.flags;
            return Ok(());
        }
        Err(self.unmasked(env))
    }

    #[cold]
    #[inline(never)]
    fn unmasked(&mut self, env: Env) -> Raised {
        // What was found before the operation stops it: it has no other flags then.
        self.mxcsr |= if env.unmasked() & BEFORE != 0 {
            env.flags & BEFORE
        } else {
            env.flags
        };
        if self.cr4 & CR4_OSXMMEXCPT == 0 {
            self.ud()
        } else {
            self.raise(19, 0)
        }
    }
}

/// All lanes.
pub(crate) fn packed<F: Format, O: Real, S: Operand>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let b = S::full(cpu, mem, op)?;
    let a = cpu.vector(op.dst);
    let mut env = Env::new(cpu.mxcsr);
    let mut r = 0;
    for lane in 0..128 / F::BITS {
        let at = lane * F::BITS;
        let x = (a >> at) as u64 & F::MASK;
        let y = (b >> at) as u64 & F::MASK;
        r |= u128::from(O::run::<F>(&mut env, x, y, op.imm as u8)) << at;
    }
    if let Err(raised) = cpu.finish_real(env) {
        S::uncount(cpu);
        return Err(raised);
    }
    cpu.set_vector(op.dst, r);
    Ok(Flow::Next)
}

/// The lowest lane; the others stay. `W` has the width of `F`.
pub(crate) fn scalar<F: Format, W: Word, O: Real, S: Operand>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let b = S::low::<W>(cpu, mem, op)?.zx();
    let old = cpu.vector(op.dst);
    let mut env = Env::new(cpu.mxcsr);
    let r = O::run::<F>(&mut env, old as u64 & F::MASK, b, op.imm as u8);
    if let Err(raised) = cpu.finish_real(env) {
        S::uncount(cpu);
        return Err(raised);
    }
    cpu.set_vector(op.dst, old & !u128::from(F::MASK) | u128::from(r));
    Ok(Flow::Next)
}

/// COMISS and COMISD (`ORDERED`: a quiet NaN is invalid), UCOMISS and UCOMISD.
pub(crate) fn comis<F: Format, W: Word, S: Operand, const ORDERED: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    cpu.need_sse()?;
    let b = S::low::<W>(cpu, mem, op)?.zx();
    let a = cpu.vector(op.dst) as u64 & F::MASK;
    let mut env = Env::new(cpu.mxcsr);
    let relation = float::compare::<F>(&mut env, a, b, ORDERED);
    if let Err(raised) = cpu.finish_real(env) {
        S::uncount(cpu);
        return Err(raised);
    }
    let bits = match relation {
        Relation::Greater => 0,
        Relation::Less => flags::CF,
        Relation::Equal => flags::ZF,
        Relation::Unordered => flags::ZF | flags::PF | flags::CF,
    };
    cpu.flags.replace(flags::STATUS, bits);
    Ok(Flow::Next)
}
