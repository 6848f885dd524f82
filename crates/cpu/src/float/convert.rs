// SPDX-License-Identifier: GPL-2.0-only
//! Between formats, and to and from integers.

use super::round::{pack, round};
use super::{
    Env, Format, IE, PE, Round, flushed, is_infinite, is_nan, is_signaling, is_zero, operand,
    split, split_normalised,
};

/// From one format to another.
pub(crate) fn convert<A: Format, B: Format>(env: &mut Env, v: u64) -> u64 {
    let sign = if v & A::SIGN != 0 { B::SIGN } else { 0 };
    if is_nan::<A>(v) {
        if is_signaling::<A>(v) {
            env.raise(IE);
        }
        // The payload keeps its upper bits.
        let payload = v & (A::QUIET - 1);
        let payload = if A::FRACTION > B::FRACTION {
            payload >> (A::FRACTION - B::FRACTION)
        } else {
            payload << (B::FRACTION - A::FRACTION)
        };
        return sign | B::INFINITY | B::QUIET | payload;
    }
    if is_infinite::<A>(v) {
        return sign | B::INFINITY;
    }
    let v = operand::<A>(env, v);
    if is_zero::<A>(v) {
        return sign;
    }
    let (s, e) = split_normalised::<A>(v);
    pack::<B>(env, sign != 0, u128::from(s), e)
}

/// A signed integer as a number.
pub(crate) fn from_int<F: Format>(env: &mut Env, v: i64) -> u64 {
    if v == 0 {
        0
    } else {
        pack::<F>(env, v < 0, u128::from(v.unsigned_abs()), 0)
    }
}

/// A number as a signed integer of `bits` bits, rounded as MXCSR says or `truncated`. What does not
/// fit is invalid and gives the integer indefinite.
pub(crate) fn to_int<F: Format>(env: &mut Env, v: u64, bits: u32, truncated: bool) -> u64 {
    let indefinite = 1_u64 << (bits - 1);
    let v = flushed::<F>(*env, v);
    if is_nan::<F>(v) || is_infinite::<F>(v) {
        env.raise(IE);
        return indefinite;
    }
    let negative = v & F::SIGN != 0;
    let (s, e) = split::<F>(v);
    if s == 0 {
        return 0;
    }
    let mode = if truncated { Round::Zero } else { env.round() };
    let (magnitude, inexact) = if e < 0 {
        round(u128::from(s), e.unsigned_abs(), negative, mode)
    } else {
        // More than 64 places do not fit any more, but must not wrap.
        (u128::from(s) << e.min(64), false)
    };
    if magnitude > u128::from(indefinite - u64::from(!negative)) {
        env.raise(IE);
        return indefinite;
    }
    if inexact {
        env.raise(PE);
    }
    let value = if negative {
        (magnitude as u64).wrapping_neg()
    } else {
        magnitude as u64
    };
    if bits == 32 {
        value & 0xffff_ffff
    } else {
        value
    }
}
