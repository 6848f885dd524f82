// SPDX-License-Identifier: GPL-2.0-only
//! From an exact value to one that a format holds, with the exceptions on the way.

use super::super::round::round;
use super::{EXP_MAX, EXP_MIN, Env, Extended, INTEGER};
use crate::float::{OE, PE, Round, UE};

/// Precision and range of a format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) precision: u32,
    pub(super) exp_min: i32,
    pub(super) exp_max: i32,
}

/// A rounded magnitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounded {
    Infinity,
    /// The place of bit 63 is two to the power of `exp`; that bit is clear in a denormal number.
    Number {
        significand: u64,
        exp: i32,
    },
}

/// What an unmasked overflow or underflow adds to the exponent of the result (SDM vol. 1, 4.9.1.4).
const BIAS_ADJUST: i32 = 24576;

/// Does an overflow in this direction lead to infinity?
fn to_infinity(mode: Round, negative: bool) -> bool {
    match mode {
        Round::Nearest => true,
        Round::Down => negative,
        Round::Up => !negative,
        Round::Zero => false,
    }
}

/// The number next to `significand * 2^exp`. `significand` is not zero; its lowest bit may stand
/// for any number of bits lost below.
pub(super) fn fit(
    env: &mut Env,
    negative: bool,
    significand: u128,
    exp: i32,
    shape: Shape,
) -> Rounded {
    let mode = env.round();
    let shift = significand.leading_zeros();
    let value = significand << shift;
    // Exponent of the leading bit.
    let exp = exp + 127 - shift as i32;
    let drop = 128 - shape.precision;
    let (kept, inexact) = round(value, drop, negative, mode);
    let up = kept != value >> drop;
    let (kept, rounded_exp) = if kept >> shape.precision == 0 {
        (kept as u64, exp)
    } else {
        ((kept >> 1) as u64, exp + 1)
    };
    let align = 64 - shape.precision;
    let mut number = Rounded::Number {
        significand: kept << align,
        exp: rounded_exp,
    };
    if rounded_exp < shape.exp_min {
        if env.masked(UE) {
            let below = (shape.exp_min - exp) as u32;
            let (kept, inexact) = round(value, drop + below, negative, mode);
            if inexact {
                env.raise(UE | PE);
                env.up = kept != value.checked_shr(drop + below).unwrap_or(0);
            }
            return Rounded::Number {
                significand: (kept as u64) << align,
                exp: shape.exp_min,
            };
        }
        env.raise(UE);
        number = adjusted(env, kept << align, rounded_exp + BIAS_ADJUST, shape);
    } else if rounded_exp > shape.exp_max {
        env.raise(OE);
        if env.masked(OE) {
            env.raise(PE);
            env.up = to_infinity(mode, negative);
            return if env.up {
                Rounded::Infinity
            } else {
                Rounded::Number {
                    significand: u64::MAX << align,
                    exp: shape.exp_max,
                }
            };
        }
        number = adjusted(env, kept << align, rounded_exp - BIAS_ADJUST, shape);
    }
    if inexact && env.flags & PE == 0 {
        env.raise(PE);
        env.up = up;
    }
    number
}

/// After the adjustment of the exponent; what FSCALE has brought too far becomes zero or infinity.
fn adjusted(env: &mut Env, significand: u64, exp: i32, shape: Shape) -> Rounded {
    if exp > shape.exp_max {
        env.raise(PE);
        env.up = true;
        Rounded::Infinity
    } else if exp < shape.exp_min {
        env.raise(PE);
        Rounded::Number {
            significand: 0,
            exp: shape.exp_min,
        }
    } else {
        Rounded::Number { significand, exp }
    }
}

/// [`fit`] in a register, with `precision` bits.
pub(super) fn pack(
    env: &mut Env,
    negative: bool,
    significand: u128,
    exp: i32,
    precision: u32,
) -> Extended {
    let shape = Shape {
        precision,
        exp_min: EXP_MIN,
        exp_max: EXP_MAX,
    };
    match fit(env, negative, significand, exp, shape) {
        Rounded::Infinity => Extended::infinity(negative),
        Rounded::Number { significand, exp } if significand & INTEGER != 0 => {
            Extended::new(negative, (exp + EXP_MAX) as u16, significand)
        }
        Rounded::Number { significand, .. } => Extended::new(negative, 0, significand),
    }
}
