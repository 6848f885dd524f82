// SPDX-License-Identifier: GPL-2.0-only
//! Conversions from and to singles, doubles and integers, and comparison.

use super::super::round::round;
use super::round::{Rounded, Shape, fit, pack};
use super::{Class, EXP_MAX, Env, Extended, FIELD, INTEGER, Operand, QUIET, nan_of_one};
use crate::float::{DE, IE, PE, Relation};

/// A format in memory, single or double: its bits are the type.
pub(crate) trait Real: crate::word::Word {
    /// Bits of the fraction.
    const FRACTION: u32;
    /// Bias of the exponent.
    const BIAS: i32 = (1 << (Self::BITS - Self::FRACTION - 2)) - 1;

    /// The number, which a register holds exactly.
    fn extended(self) -> Operand {
        let bits = self.zx();
        let negative = bits >> (Self::BITS - 1) != 0;
        let fraction = bits & ((1 << Self::FRACTION) - 1);
        let field = (bits >> Self::FRACTION) as i32 & (2 * Self::BIAS + 1);
        let align = 63 - Self::FRACTION;
        let plain = |field: u16, significand| Operand {
            value: Extended::new(negative, field, significand),
            denormal: false,
        };
        if field == 2 * Self::BIAS + 1 {
            return plain(FIELD, INTEGER | fraction << align);
        }
        if field != 0 {
            let field = field - Self::BIAS + EXP_MAX;
            return plain(field as u16, INTEGER | fraction << align);
        }
        if fraction == 0 {
            return plain(0, 0);
        }
        let shift = fraction.leading_zeros();
        let exp = 1 - Self::BIAS - Self::FRACTION as i32 + 63 - shift as i32;
        Operand {
            value: Extended::new(negative, (exp + EXP_MAX) as u16, fraction << shift),
            denormal: true,
        }
    }
}

impl Real for u32 {
    const FRACTION: u32 = 23;
}

impl Real for u64 {
    const FRACTION: u32 = 52;
}

/// A single or double on its way to a register.
pub(crate) fn loaded(env: &mut Env, v: Operand) -> Extended {
    if let Some(nan) = nan_of_one(env, v.value) {
        return nan;
    }
    if v.denormal {
        env.raise(DE);
    }
    v.value
}

/// A register as a single or double, rounded.
pub(crate) fn to_real<R: Real>(env: &mut Env, v: Extended) -> R {
    let align = 63 - R::FRACTION;
    let infinity = (2 * R::BIAS as u64 + 1) << R::FRACTION;
    let fraction = |significand: u64| (significand & !INTEGER) >> align;
    let (value, magnitude) = if let Some(nan) = nan_of_one(env, v) {
        (nan, infinity | fraction(nan.significand | QUIET))
    } else {
        let magnitude = match v.class() {
            Class::Zero => 0,
            Class::Infinity => infinity,
            _ => {
                let shape = Shape {
                    precision: R::FRACTION + 1,
                    exp_min: 1 - R::BIAS,
                    exp_max: R::BIAS,
                };
                let (s, e) = v.split();
                match fit(env, v.negative(), u128::from(s), e, shape) {
                    Rounded::Infinity => infinity,
                    Rounded::Number { significand, exp } => {
                        let field = if significand & INTEGER == 0 {
                            0
                        } else {
                            (exp + R::BIAS) as u64
                        };
                        field << R::FRACTION | fraction(significand)
                    }
                }
            }
        };
        (v, magnitude)
    };
    R::lo(u64::from(value.negative()) << (R::BITS - 1) | magnitude)
}

/// An integer.
pub(crate) fn from_int(v: i64) -> Extended {
    if v == 0 {
        Extended::ZERO
    } else {
        let magnitude = u128::from(v.unsigned_abs());
        pack(&mut Env::new(0x3f), v < 0, magnitude, 0, 64)
    }
}

/// A register as a signed integer of `bits` bits, rounded. What does not fit is invalid and gives
/// the integer indefinite.
pub(crate) fn to_int(env: &mut Env, v: Extended, bits: u32) -> u64 {
    let indefinite = 1_u64 << (bits - 1);
    match v.class() {
        Class::Zero => return 0,
        Class::Normal | Class::Denormal => {}
        _ => {
            env.raise(IE);
            return indefinite;
        }
    }
    let negative = v.negative();
    let (s, e) = v.split();
    let (magnitude, inexact, up) = if e < 0 {
        let drop = e.unsigned_abs();
        let (kept, inexact) = round(u128::from(s), drop, negative, env.round());
        let below = u128::from(s).checked_shr(drop).unwrap_or(0);
        (kept, inexact, kept != below)
    } else {
        // More than 64 places do not fit any more, but must not wrap.
        (u128::from(s) << e.min(64), false, false)
    };
    if magnitude > u128::from(indefinite - u64::from(!negative)) {
        env.raise(IE);
        return indefinite;
    }
    if inexact {
        env.raise(PE);
        env.up = up;
    }
    if negative {
        (magnitude as u64).wrapping_neg()
    } else {
        magnitude as u64
    }
}

/// Compares. A signaling NaN is invalid, a quiet one only if `ordered`.
pub(crate) fn compare(env: &mut Env, a: Operand, b: Operand, ordered: bool) -> Relation {
    let invalid = |v: Extended| match v.class() {
        Class::Unsupported | Class::Signaling => true,
        Class::Quiet => ordered,
        _ => false,
    };
    if invalid(a.value) || invalid(b.value) {
        env.raise(IE);
        return Relation::Unordered;
    }
    if a.value.is_nan() || b.value.is_nan() {
        return Relation::Unordered;
    }
    env.denormals(&[a, b]);
    // A pseudo-denormal number is worth as much as the one with exponent 1.
    let rank = |v: Extended| {
        let field = u128::from(v.high & FIELD).max(1);
        let magnitude = (field << 64 | u128::from(v.significand)) as i128;
        match v.class() {
            Class::Zero => 0,
            _ if v.negative() => -magnitude,
            _ => magnitude,
        }
    };
    match rank(a.value).cmp(&rank(b.value)) {
        std::cmp::Ordering::Less => Relation::Less,
        std::cmp::Ordering::Equal => Relation::Equal,
        std::cmp::Ordering::Greater => Relation::Greater,
    }
}
