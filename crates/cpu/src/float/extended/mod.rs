// SPDX-License-Identifier: GPL-2.0-only
//! Double extended precision: the arithmetic of the x87 over integers (SDM vol. 1, ch. 4 and 8),
//! for every rounding direction and precision, masked or not.
//!
//! Functions take what they need of the control word from an [`Env`] and leave in it the
//! exceptions that they raise and whether the result was rounded up.

mod arith;
mod convert;
mod round;
mod whole;

pub(crate) use arith::{add, div, div_reversed, mul, sqrt, sub, sub_reversed};
pub(crate) use convert::{Real, compare, from_int, loaded, to_int, to_real};
pub(crate) use whole::{Quotient, extract, remainder, round_to_integer, scale};

use super::{DE, IE, Round, ZE};

/// Stack fault (in the status word, next to the exception flags).
pub(crate) const SF: u32 = 1 << 6;
/// The six exceptions.
pub(crate) const EXCEPTIONS: u32 = 0x3f;

/// A number in an x87 register: 80 bits, the integer bit explicit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extended {
    /// Sign (bit 15) and biased exponent.
    pub high: u16,
    /// Integer bit and fraction.
    pub significand: u64,
}

const EXP_MAX: i32 = 16383;
const EXP_MIN: i32 = -16382;
const SIGN: u16 = 0x8000;
const FIELD: u16 = 0x7fff;
const INTEGER: u64 = 1 << 63;
const QUIET: u64 = 1 << 62;

/// What a bit pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Zero,
    /// With the integer bit set too (pseudo-denormal).
    Denormal,
    Normal,
    Infinity,
    Quiet,
    Signaling,
    /// Integer bit clear, exponent not zero: no operand since the 80387.
    Unsupported,
}

impl Extended {
    pub(crate) const ZERO: Self = Self::new(false, 0, 0);
    /// The answer to an invalid operation: the QNaN floating-point indefinite.
    pub(crate) const INDEFINITE: Self = Self::new(true, FIELD, INTEGER | QUIET);

    const fn new(negative: bool, field: u16, significand: u64) -> Self {
        Self {
            high: field | if negative { SIGN } else { 0 },
            significand,
        }
    }

    pub(crate) const fn infinity(negative: bool) -> Self {
        Self::new(negative, FIELD, INTEGER)
    }

    pub(crate) const fn zero(negative: bool) -> Self {
        Self::new(negative, 0, 0)
    }

    /// The number in the low 80 bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self {
            high: (bits >> 64) as u16,
            significand: bits as u64,
        }
    }

    /// The 80 bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        (self.high as u128) << 64 | self.significand as u128
    }

    pub(crate) const fn negative(self) -> bool {
        self.high & SIGN != 0
    }

    pub(crate) const fn with_sign(self, negative: bool) -> Self {
        Self::new(negative, self.high & FIELD, self.significand)
    }

    pub(crate) fn class(self) -> Class {
        let integer = self.significand & INTEGER != 0;
        match self.high & FIELD {
            0 if self.significand == 0 => Class::Zero,
            0 => Class::Denormal,
            _ if !integer => Class::Unsupported,
            FIELD if self.significand == INTEGER => Class::Infinity,
            FIELD if self.significand & QUIET == 0 => Class::Signaling,
            FIELD => Class::Quiet,
            _ => Class::Normal,
        }
    }

    pub(crate) fn is_nan(self) -> bool {
        matches!(self.class(), Class::Quiet | Class::Signaling)
    }

    const fn quiet(self) -> Self {
        Self {
            high: self.high,
            significand: self.significand | QUIET,
        }
    }

    /// Magnitude of a finite number that is not zero: significand with bit 63 set, times two to
    /// the power of the exponent.
    fn split(self) -> (u64, i32) {
        let field = i32::from(self.high & FIELD).max(1);
        let shift = self.significand.leading_zeros();
        (
            self.significand << shift,
            field - EXP_MAX - 63 - shift as i32,
        )
    }
}

/// A source operand: a single or double that was denormal is a normal number in here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    pub(crate) value: Extended,
    /// It is, or was, denormal.
    pub(crate) denormal: bool,
}

impl From<Extended> for Operand {
    fn from(value: Extended) -> Self {
        Self {
            value,
            denormal: value.class() == Class::Denormal,
        }
    }
}

/// The control word, and what an instruction reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Env {
    control: u16,
    /// Exceptions, and the stack fault.
    pub(crate) flags: u32,
    /// The result's magnitude was rounded up, or the stack overflowed: C1.
    pub(crate) up: bool,
}

impl Env {
    pub(crate) const fn new(control: u16) -> Self {
        Self {
            control,
            flags: 0,
            up: false,
        }
    }

    pub(crate) const fn round(self) -> Round {
        match self.control >> 10 & 3 {
            0 => Round::Nearest,
            1 => Round::Down,
            2 => Round::Up,
            _ => Round::Zero,
        }
    }

    /// Bits of the significand that arithmetic keeps.
    const fn precision(self) -> u32 {
        match self.control >> 8 & 3 {
            0 => 24,
            2 => 53,
            _ => 64,
        }
    }

    const fn masked(self, flag: u32) -> bool {
        self.control as u32 & flag != 0
    }

    const fn raise(&mut self, flags: u32) {
        self.flags |= flags;
    }

    /// The raised exceptions that no mask covers.
    pub(crate) const fn unmasked(self) -> u32 {
        self.flags & EXCEPTIONS & !(self.control as u32)
    }

    const fn invalid(&mut self) -> Extended {
        self.raise(IE);
        Extended::INDEFINITE
    }

    /// A register to be read is empty.
    pub(crate) const fn stack_underflow(&mut self) -> Extended {
        self.raise(IE | SF);
        self.up = false;
        Extended::INDEFINITE
    }

    /// A register to be pushed on is not empty.
    pub(crate) const fn stack_overflow(&mut self) -> Extended {
        self.raise(IE | SF);
        self.up = true;
        Extended::INDEFINITE
    }

    const fn divided_by_zero(&mut self, negative: bool) -> Extended {
        self.raise(ZE);
        Extended::infinity(negative)
    }

    /// Reports denormal operands.
    const fn denormals(&mut self, operands: &[Operand]) {
        let mut n = 0;
        while n < operands.len() {
            if operands[n].denormal {
                self.raise(DE);
            }
            n += 1;
        }
    }
}

/// The result for an operand that is no number.
fn nan_of_one(env: &mut Env, v: Extended) -> Option<Extended> {
    match v.class() {
        Class::Unsupported => Some(env.invalid()),
        Class::Signaling => {
            env.raise(IE);
            Some(v.quiet())
        }
        Class::Quiet => Some(v),
        _ => None,
    }
}

/// The result if an operand is no number (SDM vol. 1, table 4-7): a quiet NaN rather than a
/// signaling one, of two alike the one with the larger significand.
fn nan_of_two(env: &mut Env, a: Extended, b: Extended) -> Option<Extended> {
    use Class::{Quiet, Signaling, Unsupported};
    let (x, y) = (a.class(), b.class());
    if x == Unsupported || y == Unsupported {
        return Some(env.invalid());
    }
    if x == Signaling || y == Signaling {
        env.raise(IE);
    }
    let nan = match (x, y) {
        (Quiet, Quiet) | (Signaling, Signaling) => {
            if (a.significand, b.high) < (b.significand, a.high) {
                b
            } else {
                a
            }
        }
        (Quiet, _) => a,
        (_, Quiet) => b,
        (Signaling, _) => a,
        (_, Signaling) => b,
        _ => return None,
    };
    Some(nan.quiet())
}
