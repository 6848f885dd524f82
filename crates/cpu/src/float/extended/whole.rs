// SPDX-License-Identifier: GPL-2.0-only
//! Rounding to an integer, remainders, scaling by powers of two and taking apart: always with the
//! whole precision.

use super::super::round::round;
use super::round::pack;
use super::{Class, EXP_MAX, Env, Extended, Operand, nan_of_one, nan_of_two};
use crate::float::PE;

/// The integer next to `v` in the current direction (FRNDINT).
pub(crate) fn round_to_integer(env: &mut Env, v: Operand) -> Extended {
    if let Some(nan) = nan_of_one(env, v.value) {
        return nan;
    }
    if matches!(v.value.class(), Class::Zero | Class::Infinity) {
        return v.value;
    }
    env.denormals(&[v]);
    let (s, e) = v.value.split();
    if e >= 0 {
        return v.value;
    }
    let drop = e.unsigned_abs();
    let negative = v.value.negative();
    let (kept, inexact) = round(u128::from(s), drop, negative, env.round());
    if inexact {
        env.raise(PE);
        env.up = kept != u128::from(s).checked_shr(drop).unwrap_or(0);
    }
    if kept == 0 {
        Extended::zero(negative)
    } else {
        pack(&mut Env::new(0x3f), negative, kept, 0, 64)
    }
}

/// The quotient that goes with a remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotient {
    /// There is none.
    None,
    /// The remainder is only a step on the way.
    Later,
    /// Its low three bits.
    Bits(u8),
}

/// What is left of `a` after division by `b`, and the low bits of the quotient: truncated (FPREM),
/// or rounded to nearest (FPREM1) with `nearest`. Exponents more than 63 apart give a step on the
/// way, and no quotient.
pub(crate) fn remainder(
    env: &mut Env,
    a: Operand,
    b: Operand,
    nearest: bool,
) -> (Extended, Quotient) {
    if let Some(nan) = nan_of_two(env, a.value, b.value) {
        return (nan, Quotient::None);
    }
    let (x, y) = (a.value.class(), b.value.class());
    if x == Class::Infinity || y == Class::Zero {
        return (env.invalid(), Quotient::None);
    }
    env.denormals(&[a, b]);
    if x == Class::Zero {
        return (a.value, Quotient::Bits(0));
    }
    let negative = a.value.negative();
    let (s, e) = a.value.split();
    if y == Class::Infinity {
        return (pack(env, negative, u128::from(s), e, 64), Quotient::Bits(0));
    }
    let (divisor, unit) = b.value.split();
    let distance = e - unit;
    if distance >= 64 {
        // How far a step goes is the processor's choice between 32 and 63 (SDM vol. 2A, FPREM).
        let step = distance & 31 | 32;
        let rest = (u128::from(s) << step) % u128::from(divisor);
        let part = if rest == 0 {
            Extended::zero(negative)
        } else {
            pack(env, negative, rest, e - step, 64)
        };
        return (part, Quotient::Later);
    }
    if distance < -1 || distance < 0 && !nearest {
        return (pack(env, negative, u128::from(s), e, 64), Quotient::Bits(0));
    }
    // Both in units of the smaller exponent.
    let (dividend, divisor, unit) = if distance < 0 {
        (u128::from(s), u128::from(divisor) << 1, e)
    } else {
        (u128::from(s) << distance, u128::from(divisor), unit)
    };
    let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
    let mut sign = negative;
    let twice = rest << 1;
    if nearest && (twice > divisor || twice == divisor && quotient & 1 != 0) {
        rest = divisor - rest;
        quotient += 1;
        sign = !sign;
    }
    let result = if rest == 0 {
        Extended::zero(negative)
    } else {
        pack(env, sign, rest, unit, 64)
    };
    (result, Quotient::Bits(quotient as u8 & 7))
}

/// `a` times two to the power of `b`, truncated to an integer (FSCALE).
pub(crate) fn scale(env: &mut Env, a: Operand, b: Operand) -> Extended {
    if let Some(nan) = nan_of_two(env, a.value, b.value) {
        return nan;
    }
    let (x, y) = (a.value.class(), b.value.class());
    let negative = a.value.negative();
    if y == Class::Infinity {
        let down = b.value.negative();
        if x == Class::Infinity && down || x == Class::Zero && !down {
            return env.invalid();
        }
        env.denormals(&[a]);
        return if down {
            Extended::zero(negative)
        } else {
            Extended::infinity(negative)
        };
    }
    env.denormals(&[a, b]);
    if matches!(x, Class::Infinity | Class::Zero) {
        return a.value;
    }
    // Beyond 2^17 every number overflows or underflows.
    let places = if y == Class::Zero {
        0
    } else {
        match b.value.split() {
            (_, e) if e > -47 => 1 << 17,
            (s, e) => s.checked_shr(e.unsigned_abs()).unwrap_or(0) as i32,
        }
    };
    let places = if b.value.negative() { -places } else { places };
    let (s, e) = a.value.split();
    pack(env, negative, u128::from(s), e + places, 64)
}

/// The exponent of `v` as a number, and its significand (FXTRACT).
pub(crate) fn extract(env: &mut Env, v: Operand) -> (Extended, Extended) {
    if let Some(nan) = nan_of_one(env, v.value) {
        return (nan, nan);
    }
    match v.value.class() {
        Class::Infinity => return (Extended::infinity(false), v.value),
        Class::Zero => return (env.divided_by_zero(true), v.value),
        _ => {}
    }
    env.denormals(&[v]);
    let (s, e) = v.value.split();
    let significand = Extended::new(v.value.negative(), EXP_MAX as u16, s);
    (super::from_int(i64::from(e + 63)), significand)
}
