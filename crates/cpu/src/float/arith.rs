// SPDX-License-Identifier: GPL-2.0-only
//! Addition, subtraction, multiplication, division, square root.

use super::round::pack;
use super::{
    Env, Format, Host, IE, Round, ZE, invalid, is_denormal, is_infinite, is_nan, is_signaling,
    is_zero, nan_of_two, operand, quick, split_normalised,
};

/// `a + b`.
#[inline(always)]
pub(crate) fn add<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    quick::<F>(*env, Host::Add, a, b).unwrap_or_else(|| sum::<F>(env, a, b, 0))
}

/// `a - b`.
#[inline(always)]
pub(crate) fn sub<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    quick::<F>(*env, Host::Sub, a, b).unwrap_or_else(|| sum::<F>(env, a, b, F::SIGN))
}

/// `a * b`.
#[inline(always)]
pub(crate) fn mul<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    quick::<F>(*env, Host::Mul, a, b).unwrap_or_else(|| product::<F>(env, a, b))
}

/// `a / b`.
#[inline(always)]
pub(crate) fn div<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    quick::<F>(*env, Host::Div, a, b).unwrap_or_else(|| quotient::<F>(env, a, b))
}

/// The square root of `v`.
#[inline(always)]
pub(crate) fn sqrt<F: Format>(env: &mut Env, v: u64) -> u64 {
    if v & F::SIGN == 0
        && let Some(r) = quick::<F>(*env, Host::Sqrt, v, v)
    {
        return r;
    }
    root::<F>(env, v)
}

/// `a` plus `b` with its sign changed by `flip`.
#[inline(never)]
fn sum<F: Format>(env: &mut Env, a: u64, b: u64, flip: u64) -> u64 {
    if let Some(nan) = nan_of_two::<F>(env, a, b) {
        return nan;
    }
    let b = b ^ flip;
    match (is_infinite::<F>(a), is_infinite::<F>(b)) {
        (true, true) if a != b => return invalid::<F>(env),
        _ => {}
    }
    let a = operand::<F>(env, a);
    let b = operand::<F>(env, b);
    if is_infinite::<F>(a) {
        return a;
    }
    if is_infinite::<F>(b) {
        return b;
    }
    let exact_zero = || {
        if env.round() == Round::Down {
            F::SIGN
        } else {
            0
        }
    };
    let (negative, other) = (a & F::SIGN != 0, b & F::SIGN != 0);
    match (is_zero::<F>(a), is_zero::<F>(b)) {
        (true, true) if negative == other => return a,
        (true, true) => return exact_zero(),
        (true, false) => {
            let (s, e) = split_normalised::<F>(b);
            return pack::<F>(env, other, u128::from(s), e);
        }
        (false, true) => {
            let (s, e) = split_normalised::<F>(a);
            return pack::<F>(env, negative, u128::from(s), e);
        }
        (false, false) => {}
    }
    let (mut big, mut small) = (split_normalised::<F>(a), split_normalised::<F>(b));
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
    let exp = big.1 - 63;
    let result = if negative == other {
        (high + shifted) | u128::from(lost)
    } else {
        // What is lost makes the difference smaller.
        (high - shifted - u128::from(lost)) | u128::from(lost)
    };
    if result == 0 {
        return exact_zero();
    }
    pack::<F>(env, sign, result, exp)
}

#[inline(never)]
fn product<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = nan_of_two::<F>(env, a, b) {
        return nan;
    }
    let sign = (a ^ b) & F::SIGN;
    let flush = env.daz();
    let zero = |v: u64| is_zero::<F>(v) || flush && is_denormal::<F>(v);
    if is_infinite::<F>(a) && zero(b) || zero(a) && is_infinite::<F>(b) {
        return invalid::<F>(env);
    }
    let a = operand::<F>(env, a);
    let b = operand::<F>(env, b);
    if is_infinite::<F>(a) || is_infinite::<F>(b) {
        return sign | F::INFINITY;
    }
    if is_zero::<F>(a) || is_zero::<F>(b) {
        return sign;
    }
    let (x, y) = (split_normalised::<F>(a), split_normalised::<F>(b));
    pack::<F>(env, sign != 0, u128::from(x.0) * u128::from(y.0), x.1 + y.1)
}

#[inline(never)]
fn quotient<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    if let Some(nan) = nan_of_two::<F>(env, a, b) {
        return nan;
    }
    let sign = (a ^ b) & F::SIGN;
    let flush = env.daz();
    let zero = |v: u64| is_zero::<F>(v) || flush && is_denormal::<F>(v);
    if is_infinite::<F>(a) && is_infinite::<F>(b) || zero(a) && zero(b) {
        return invalid::<F>(env);
    }
    if zero(b) && !is_infinite::<F>(a) {
        env.raise(ZE);
        return sign | F::INFINITY;
    }
    let a = operand::<F>(env, a);
    let b = operand::<F>(env, b);
    if is_infinite::<F>(a) {
        return sign | F::INFINITY;
    }
    if is_infinite::<F>(b) || is_zero::<F>(a) {
        return sign;
    }
    let (x, y) = (split_normalised::<F>(a), split_normalised::<F>(b));
    let over = u128::from(x.0) << 63;
    let under = u128::from(y.0);
    let q = over / under;
    let lost = over % under != 0;
    pack::<F>(env, sign != 0, q << 1 | u128::from(lost), x.1 - y.1 - 64)
}

#[inline(never)]
fn root<F: Format>(env: &mut Env, v: u64) -> u64 {
    if is_nan::<F>(v) {
        if is_signaling::<F>(v) {
            env.raise(IE);
        }
        return v | F::QUIET;
    }
    let flush = env.daz();
    if is_zero::<F>(v) || flush && is_denormal::<F>(v) {
        return v & F::SIGN;
    }
    if v & F::SIGN != 0 {
        return invalid::<F>(env);
    }
    if is_infinite::<F>(v) {
        return v;
    }
    let v = operand::<F>(env, v);
    let (s, e) = split_normalised::<F>(v);
    // An even exponent, and 126 or 127 bits for a root of 63 or 64.
    let shift = if e & 1 == 0 { 62 } else { 63 };
    let square = u128::from(s) << shift;
    let r = square.isqrt();
    let lost = r * r != square;
    pack::<F>(env, false, r << 1 | u128::from(lost), (e - shift) / 2 - 1)
}
