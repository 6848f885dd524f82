// SPDX-License-Identifier: GPL-2.0-only
//! Addition, subtraction, multiplication, division, square root: rounded to the precision that the
//! control word asks for, in the full range of exponents.

use super::round::pack;
use super::{Class, Env, Extended, Operand, nan_of_one, nan_of_two};
use crate::float::Round;

/// `a + b`.
pub(crate) fn add(env: &mut Env, a: Operand, b: Operand) -> Extended {
    sum(env, a, b, false)
}

/// `a - b`.
pub(crate) fn sub(env: &mut Env, a: Operand, b: Operand) -> Extended {
    sum(env, a, b, true)
}

/// `b - a`.
pub(crate) fn sub_reversed(env: &mut Env, a: Operand, b: Operand) -> Extended {
    sum(env, b, a, true)
}

/// `b / a`.
pub(crate) fn div_reversed(env: &mut Env, a: Operand, b: Operand) -> Extended {
    div(env, b, a)
}

/// `a` plus `b`, whose sign changes with `flip`.
fn sum(env: &mut Env, a: Operand, b: Operand, flip: bool) -> Extended {
    if let Some(nan) = nan_of_two(env, a.value, b.value) {
        return nan;
    }
    let (x, y) = (a.value.class(), b.value.class());
    let (negative, other) = (a.value.negative(), b.value.negative() ^ flip);
    if x == Class::Infinity && y == Class::Infinity && negative != other {
        return env.invalid();
    }
    env.denormals(&[a, b]);
    if x == Class::Infinity {
        return a.value;
    }
    if y == Class::Infinity {
        return Extended::infinity(other);
    }
    let precision = env.precision();
    let exact_zero = Extended::zero(env.round() == Round::Down);
    match (x == Class::Zero, y == Class::Zero) {
        (true, true) if negative == other => return a.value,
        (true, true) => return exact_zero,
        (true, false) => {
            let (s, e) = b.value.split();
            return pack(env, other, u128::from(s), e, precision);
        }
        (false, true) => {
            let (s, e) = a.value.split();
            return pack(env, negative, u128::from(s), e, precision);
        }
        (false, false) => {}
    }
    let (mut big, mut small) = (a.value.split(), b.value.split());
    let mut sign = negative;
    if (big.1, big.0) < (small.1, small.0) {
        std::mem::swap(&mut big, &mut small);
        sign = other;
    }
    // Bit 127 is room for a carry; 63 bits below the smaller operand's last are exact.
    let high = u128::from(big.0) << 63;
    let low = u128::from(small.0) << 63;
    let distance = (big.1 - small.1) as u32;
    let shifted = low.checked_shr(distance).unwrap_or(0);
    let lost = distance >= 128 || low & ((1 << distance) - 1) != 0;
    let result = if negative == other {
        (high + shifted) | u128::from(lost)
    } else {
        // What is lost makes the difference smaller.
        (high - shifted - u128::from(lost)) | u128::from(lost)
    };
    if result == 0 {
        return exact_zero;
    }
    pack(env, sign, result, big.1 - 63, precision)
}

/// `a * b`.
pub(crate) fn mul(env: &mut Env, a: Operand, b: Operand) -> Extended {
    if let Some(nan) = nan_of_two(env, a.value, b.value) {
        return nan;
    }
    let classes = (a.value.class(), b.value.class());
    let negative = a.value.negative() ^ b.value.negative();
    if let (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) = classes {
        return env.invalid();
    }
    env.denormals(&[a, b]);
    match classes {
        (Class::Infinity, _) | (_, Class::Infinity) => Extended::infinity(negative),
        (Class::Zero, _) | (_, Class::Zero) => Extended::zero(negative),
        _ => {
            let (x, y) = (a.value.split(), b.value.split());
            let product = u128::from(x.0) * u128::from(y.0);
            let precision = env.precision();
            pack(env, negative, product, x.1 + y.1, precision)
        }
    }
}

/// `a / b`.
pub(crate) fn div(env: &mut Env, a: Operand, b: Operand) -> Extended {
    if let Some(nan) = nan_of_two(env, a.value, b.value) {
        return nan;
    }
    let classes = (a.value.class(), b.value.class());
    let negative = a.value.negative() ^ b.value.negative();
    match classes {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => return env.invalid(),
        (Class::Infinity, Class::Zero) => return Extended::infinity(negative),
        (_, Class::Zero) => return env.divided_by_zero(negative),
        _ => {}
    }
    env.denormals(&[a, b]);
    match classes {
        (Class::Infinity, _) => Extended::infinity(negative),
        (_, Class::Infinity) | (Class::Zero, _) => Extended::zero(negative),
        _ => {
            let (x, y) = (a.value.split(), b.value.split());
            let under = u128::from(y.0);
            let over = u128::from(x.0) << 64;
            // At least 64 bits, then 32 more of the remainder, then whether anything is left.
            let rest = (over % under) << 32;
            let quotient = (over / under) << 32 | (rest / under);
            let lost = rest % under != 0;
            let precision = env.precision();
            let quotient = quotient << 1 | u128::from(lost);
            pack(env, negative, quotient, x.1 - y.1 - 97, precision)
        }
    }
}

/// The square root of `v`.
pub(crate) fn sqrt(env: &mut Env, v: Operand) -> Extended {
    if let Some(nan) = nan_of_one(env, v.value) {
        return nan;
    }
    let class = v.value.class();
    if class == Class::Zero {
        return v.value;
    }
    if v.value.negative() {
        return env.invalid();
    }
    env.denormals(&[v]);
    if class == Class::Infinity {
        return v.value;
    }
    let (s, e) = v.value.split();
    // An even exponent, and 127 or 128 bits for a root of 64.
    let shift = if e & 1 == 0 { 64 } else { 63 };
    let square = u128::from(s) << shift;
    let root = square.isqrt();
    let rest = square - root * root;
    // (root + 1/2)^2 is root^2 + root + 1/4: one more bit, and whether there are further ones.
    let more = root << 2 | u128::from(rest > root) << 1 | u128::from(rest != 0);
    let precision = env.precision();
    pack(env, false, more, (e - shift) / 2 - 2, precision)
}
