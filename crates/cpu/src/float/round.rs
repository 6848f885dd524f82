// SPDX-License-Identifier: GPL-2.0-only
//! From an exact value to a representable one.

use super::{Env, Format, OE, PE, Round, UE};

/// Drops the low `drop` bits of `value` (0 counts too); says whether any was set.
pub(super) fn round(value: u128, drop: u32, negative: bool, mode: Round) -> (u128, bool) {
    if drop == 0 {
        return (value, false);
    }
    let kept = value.checked_shr(drop).unwrap_or(0);
    let rest = if drop >= 128 {
        value
    } else {
        value & ((1 << drop) - 1)
    };
    if rest == 0 {
        return (kept, false);
    }
    let up = match mode {
        Round::Nearest => {
            // Above 128 the value is less than half of the last place.
            let half = if drop > 128 {
                u128::MAX
            } else {
                1 << (drop - 1)
            };
            drop <= 128 && (rest > half || rest == half && kept & 1 != 0)
        }
        Round::Down => negative,
        Round::Up => !negative,
        Round::Zero => false,
    };
    (kept + u128::from(up), true)
}

/// The number next to `significand * 2^exp` in the current rounding mode, with the flags for
/// overflow, underflow and inexact results. `significand` is not zero; its lowest bit may stand
/// for any number of bits lost below.
pub(super) fn pack<F: Format>(env: &mut Env, negative: bool, significand: u128, exp: i32) -> u64 {
    let sign = if negative { F::SIGN } else { 0 };
    let mode = env.round();
    let shift = significand.leading_zeros();
    let value = significand << shift;
    // Exponent of the leading bit.
    let exp = exp + 127 - shift as i32;
    let drop = 127 - F::FRACTION;
    let (kept, inexact) = round(value, drop, negative, mode);
    let (kept, rounded_exp) = if kept >> (F::FRACTION + 1) == 0 {
        (kept as u64, exp)
    } else {
        ((kept >> 1) as u64, exp + 1)
    };
    if inexact {
        env.raise(PE);
    }
    // Tininess is found after rounding as if the exponent had no bound (SDM vol. 1, 4.9.1.5).
    if rounded_exp < F::EXP_MIN {
        if !env.masked(UE) {
            env.raise(UE);
            return sign;
        }
        if env.ftz() {
            env.raise(UE | PE);
            return sign;
        }
        let (kept, inexact) = round(value, drop + (F::EXP_MIN - exp) as u32, negative, mode);
        if inexact {
            env.raise(UE | PE);
        }
        return sign | kept as u64;
    }
    if rounded_exp > F::EXP_MAX {
        env.raise(OE);
        if env.masked(OE) {
            env.raise(PE);
        }
        let to_infinity = match mode {
            Round::Nearest => true,
            Round::Down => negative,
            Round::Up => !negative,
            Round::Zero => false,
        };
        return sign | (F::INFINITY - u64::from(!to_infinity));
    }
    let field = (rounded_exp - F::EXP_MIN) as u64;
    // The leading bit adds one to the exponent field.
    sign | (kept + (field << F::FRACTION))
}
