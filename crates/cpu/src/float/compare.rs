// SPDX-License-Identifier: GPL-2.0-only
//! Comparison, minimum, maximum.

use super::{Env, Format, IE, flushed, is_nan, is_signaling, is_zero, operand};

/// How two numbers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Less,
    Equal,
    Greater,
    Unordered,
}

/// A number that orders as the floating-point value does; both zeros alike.
fn rank<F: Format>(v: u64) -> i128 {
    let magnitude = i128::from(v & !F::SIGN);
    if v & F::SIGN != 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// Compares. A signaling NaN is invalid, a quiet one only if `ordered`.
pub(crate) fn compare<F: Format>(env: &mut Env, a: u64, b: u64, ordered: bool) -> Relation {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        if ordered || is_signaling::<F>(a) || is_signaling::<F>(b) {
            env.raise(IE);
        }
        return Relation::Unordered;
    }
    let a = operand::<F>(env, a);
    let b = operand::<F>(env, b);
    match rank::<F>(a).cmp(&rank::<F>(b)) {
        std::cmp::Ordering::Less => Relation::Less,
        std::cmp::Ordering::Equal => Relation::Equal,
        std::cmp::Ordering::Greater => Relation::Greater,
    }
}

/// The second operand unless `wanted` holds: so with NaNs and with two zeros.
fn choose<F: Format>(env: &mut Env, a: u64, b: u64, wanted: Relation) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        env.raise(IE);
        return flushed::<F>(*env, b);
    }
    let a = operand::<F>(env, a);
    let b = operand::<F>(env, b);
    if is_zero::<F>(a) && is_zero::<F>(b) {
        return b;
    }
    if compare::<F>(&mut env.clone(), a, b, true) == wanted {
        a
    } else {
        b
    }
}

/// MIN.
pub(crate) fn minimum<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    choose::<F>(env, a, b, Relation::Less)
}

/// MAX.
pub(crate) fn maximum<F: Format>(env: &mut Env, a: u64, b: u64) -> u64 {
    choose::<F>(env, a, b, Relation::Greater)
}
