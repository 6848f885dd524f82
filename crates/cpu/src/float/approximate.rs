// SPDX-License-Identifier: GPL-2.0-only
//! RCPPS and RSQRTPS. The manual promises a relative error of at most 1.5 * 2^-12 and leaves the
//! value to the processor; here it is the exact value rounded to 12 fraction bits, which is within
//! 2^-13, so that every host has the same. MXCSR plays no part: denormal numbers count as zero,
//! tiny results are zero, and there are no exceptions.

use super::{F32, Format, is_denormal, is_infinite, is_nan, is_zero};

/// Significant bits of a result.
const PRECISION: u32 = 13;

/// `1 / v` (singles).
pub(crate) fn reciprocal(v: u64) -> u64 {
    let sign = v & F32::SIGN;
    if is_nan::<F32>(v) {
        v | F32::QUIET
    } else if is_zero::<F32>(v) || is_denormal::<F32>(v) {
        sign | F32::INFINITY
    } else if is_infinite::<F32>(v) {
        sign
    } else {
        let (significand, exp) = super::split::<F32>(v);
        near(sign, (1 << 60) / significand, -60 - exp)
    }
}

/// `1 / sqrt(v)` (singles).
pub(crate) fn reciprocal_sqrt(v: u64) -> u64 {
    let sign = v & F32::SIGN;
    if is_nan::<F32>(v) {
        v | F32::QUIET
    } else if is_zero::<F32>(v) || is_denormal::<F32>(v) {
        sign | F32::INFINITY
    } else if sign != 0 {
        F32::DEFAULT_NAN
    } else if is_infinite::<F32>(v) {
        0
    } else {
        let (mut significand, mut exp) = super::split::<F32>(v);
        if exp % 2 != 0 {
            significand *= 2;
            exp -= 1;
        }
        let root = ((1_u128 << 100) / u128::from(significand)).isqrt() as u64;
        near(0, root, -50 - exp / 2)
    }
}

/// `value * 2^exp`, rounded; `value` has far more bits than the result.
fn near(sign: u64, value: u64, mut exp: i32) -> u64 {
    let drop = u64::BITS - value.leading_zeros() - PRECISION;
    let mut kept = ((value >> (drop - 1)) + 1) >> 1;
    exp += drop as i32;
    if kept >> PRECISION != 0 {
        kept >>= 1;
        exp += 1;
    }
    let field = exp + PRECISION as i32 - F32::EXP_MIN;
    if field < 1 {
        return sign;
    }
    let fraction = kept << (F32::FRACTION + 1 - PRECISION) & ((1 << F32::FRACTION) - 1);
    sign | (field as u64) << F32::FRACTION | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: f64 = 1.5 / 4096.0;

    fn checked(from: u32, to: u32, f: fn(u64) -> u64, exact: fn(f64) -> f64) {
        for field in from..to {
            for n in 0..1 << 10 {
                // All ten leading bits, and something below.
                let bits = field << 23 | n << 13 | (n * 5 + field * 31) & 0x1fff;
                let got = f32::from_bits(f(bits.into()) as u32);
                let exact = exact(f64::from(f32::from_bits(bits)));
                let error = (f64::from(got) - exact).abs() / exact;
                assert!(error <= BOUND, "{bits:#x}: {got} for {exact}");
            }
        }
    }

    #[test]
    fn within_the_error_that_the_manual_allows() {
        // From 2^126 on a reciprocal is tiny.
        checked(1, 253, reciprocal, |v| 1.0 / v);
        checked(1, 255, reciprocal_sqrt, |v| 1.0 / v.sqrt());
    }

    #[test]
    fn powers_of_two_are_exact() {
        for (v, expected) in [
            (1.0_f32, 1.0_f32),
            (0.5, 2.0),
            (-4.0, -0.25),
            (1024.0, 1.0 / 1024.0),
        ] {
            assert_eq!(
                reciprocal(v.to_bits().into()),
                u64::from(expected.to_bits())
            );
        }
        for (v, expected) in [(1.0_f32, 1.0_f32), (0.25, 2.0), (16.0, 0.25)] {
            let got = reciprocal_sqrt(v.to_bits().into());
            assert_eq!(got, u64::from(expected.to_bits()));
        }
    }

    #[test]
    fn what_is_no_ordinary_number() {
        let minus = F32::SIGN;
        for f in [reciprocal, reciprocal_sqrt] {
            assert_eq!(f(0), F32::INFINITY);
            assert_eq!(f(minus), minus | F32::INFINITY);
            assert_eq!(f(0x7f_ffff), F32::INFINITY, "denormal numbers are zero");
            assert_eq!(f(minus | 1), minus | F32::INFINITY);
            assert_eq!(f(F32::INFINITY), 0);
            assert_eq!(f(F32::INFINITY | 5), F32::INFINITY | F32::QUIET | 5);
        }
        assert_eq!(reciprocal(minus | F32::INFINITY), minus);
        assert_eq!(reciprocal_sqrt(minus | F32::INFINITY), F32::DEFAULT_NAN);
        assert_eq!(reciprocal_sqrt(minus | 1 << 23), F32::DEFAULT_NAN);
    }

    #[test]
    fn tiny_results_are_zero() {
        // The manual leaves open what happens between these (RCPPS).
        let not_tiny = (125 + 127) << 23 | 0x7f_e800;
        let tiny = (126 + 127) << 23 | 0xc01;
        assert_ne!(reciprocal(not_tiny), 0);
        assert_eq!(reciprocal(tiny), 0);
        assert_eq!(reciprocal(F32::SIGN | tiny), F32::SIGN);
    }
}
