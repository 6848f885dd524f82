// SPDX-License-Identifier: GPL-2.0-only
//! Computing: what overflows or underflows unmasked still gives its result, with an adjusted
//! exponent; what is invalid, divides by zero or has a denormal operand unmasked gives none.

use super::{Fetch, wait};
use crate::float::BEFORE;
use crate::float::extended::{self, Class, Env, Extended, Operand, Quotient};
use crate::op::{Flow, Op, Outcome};
use crate::x87::{C0, C1, C2, C3};
use crate::{Cpu, Memory};

/// A function of the destination and the source.
pub(crate) trait Function {
    fn run(env: &mut Env, a: Operand, b: Operand) -> Extended;
}

macro_rules! functions {
    ($($name:ident: $f:ident;)*) => {$(
        pub(crate) struct $name;
        impl Function for $name {
            fn run(env: &mut Env, a: Operand, b: Operand) -> Extended {
                extended::$f(env, a, b)
            }
        }
    )*};
}

functions! {
    Add: add;
    Sub: sub;
    SubReversed: sub_reversed;
    Mul: mul;
    Div: div;
    DivReversed: div_reversed;
    Scale: scale;
}

/// FADD, FSUB, FSUBR, FMUL, FDIV, FDIVR with all forms, and FSCALE.
pub(crate) fn two<F: Function, O: Fetch>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let source = O::get(cpu, mem, op)?;
    let mut env = cpu.x87_env();
    let result = match (cpu.x87.get(op.src), source) {
        (Some(a), Some(b)) => F::run(&mut env, a.into(), b),
        _ => env.stack_underflow(),
    };
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(op.src, result);
        cpu.x87_pop(op.dst);
    }
    Ok(Flow::Next)
}

/// A function of ST(0).
pub(crate) trait Unary {
    fn run(env: &mut Env, a: Operand) -> Extended;
}

macro_rules! unary {
    ($($name:ident: |$env:pat_param, $a:ident| $e:expr;)*) => {$(
        pub(crate) struct $name;
        impl Unary for $name {
            fn run($env: &mut Env, $a: Operand) -> Extended {
                $e
            }
        }
    )*};
}

unary! {
    Abs: |_, a| a.value.with_sign(false);
    Negate: |_, a| a.value.with_sign(!a.value.negative());
    Sqrt: |env, a| extended::sqrt(env, a);
    Round: |env, a| extended::round_to_integer(env, a);
}

/// FABS, FCHS, FSQRT, FRNDINT.
pub(crate) fn one<F: Unary>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let result = match cpu.x87.get(0) {
        Some(v) => F::run(&mut env, v.into()),
        None => env.stack_underflow(),
    };
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(0, result);
    }
    Ok(Flow::Next)
}

/// FPREM, and FPREM1 with `NEAREST`: C2 says that it is not complete; else C0, C3 and C1 are the
/// low bits of the quotient, if there is one.
pub(crate) fn remainder<const NEAREST: bool>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let (result, quotient) = match (cpu.x87.get(0), cpu.x87.get(1)) {
        (Some(a), Some(b)) => extended::remainder(&mut env, a.into(), b.into(), NEAREST),
        _ => (env.stack_underflow(), Quotient::None),
    };
    cpu.x87.status &= !C2;
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(0, result);
        let status = &mut cpu.x87.status;
        match quotient {
            Quotient::None => {}
            Quotient::Later => *status = *status & !(C0 | C1 | C3) | C2,
            Quotient::Bits(q) => {
                *status &= !(C0 | C1 | C3);
                for (bit, code) in [(4, C0), (2, C3), (1, C1)] {
                    if q & bit != 0 {
                        *status |= code;
                    }
                }
            }
        }
    }
    Ok(Flow::Next)
}

/// FXTRACT: the exponent replaces ST(0), and the significand is pushed.
pub(crate) fn extract(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    let (exponent, significand) = match cpu.x87.get(0) {
        None => (env.stack_underflow(), Extended::INDEFINITE),
        Some(_) if !cpu.x87.has_room() => (env.stack_overflow(), Extended::INDEFINITE),
        Some(v) => extended::extract(&mut env, v.into()),
    };
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(0, exponent);
        cpu.x87.push(significand);
    }
    Ok(Flow::Next)
}

/// FXAM: the class of ST(0) in C3, C2 and C0, its sign in C1.
pub(crate) fn examine(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    wait!(cpu);
    let v = cpu.x87.peek(0);
    let class = match v.class() {
        _ if cpu.x87.get(0).is_none() => C3 | C0,
        Class::Unsupported => 0,
        Class::Quiet | Class::Signaling => C0,
        Class::Normal => C2,
        Class::Infinity => C2 | C0,
        Class::Zero => C3,
        Class::Denormal => C3 | C2,
    };
    let sign = if v.negative() { C1 } else { 0 };
    cpu.x87.status = cpu.x87.status & !(C0 | C1 | C2 | C3) | class | sign;
    Ok(Flow::Next)
}
