// SPDX-License-Identifier: GPL-2.0-only
//! Floating-point arithmetic of SSE and SSE2 over integers (IEEE 754 as the SDM's vol. 1, ch. 4.8
//! and 11.5, has it): every rounding mode, DAZ, FTZ and the six exception flags, and no bit of it
//! depends on the host's floating-point environment.
//!
//! The x87's arithmetic is in [`extended`]. Here values are bit patterns in the low bits of a `u64`. Functions are generic over the [`Format`];
//! what they need of MXCSR, and the flags they raise, is in an [`Env`].

mod approximate;
mod arith;
mod compare;
mod convert;
pub(crate) mod extended;
mod round;

pub(crate) use approximate::{reciprocal, reciprocal_sqrt};
pub(crate) use arith::{add, div, mul, sqrt, sub};
pub(crate) use compare::{Relation, compare, maximum, minimum};
pub(crate) use convert::{convert, from_int, to_int};

/// Invalid operation.
pub(crate) const IE: u32 = 1;
/// Denormal operand.
pub(crate) const DE: u32 = 1 << 1;
/// Division by zero.
pub(crate) const ZE: u32 = 1 << 2;
/// Overflow.
pub(crate) const OE: u32 = 1 << 3;
/// Underflow.
pub(crate) const UE: u32 = 1 << 4;
/// Inexact result.
pub(crate) const PE: u32 = 1 << 5;
/// Found before the operation is carried out; an unmasked one of these hides the others.
pub(crate) const BEFORE: u32 = IE | DE | ZE;
/// Denormal operands count as zero.
const DAZ: u32 = 1 << 6;
/// The six mask bits.
const MASKS: u32 = 0x1f80;
/// Tiny results become zero.
const FTZ: u32 = 1 << 15;

/// Rounding direction (MXCSR.RC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    Nearest,
    Down,
    Up,
    Zero,
}

/// MXCSR as it was at the start of an instruction, and the flags that the instruction raises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Env {
    control: u32,
    /// Exceptions raised so far.
    pub(crate) flags: u32,
}

impl Env {
    pub(crate) const fn new(mxcsr: u32) -> Self {
        Self {
            control: mxcsr,
            flags: 0,
        }
    }

    const fn round(self) -> Round {
        match self.control >> 13 & 3 {
            0 => Round::Nearest,
            1 => Round::Down,
            2 => Round::Up,
            _ => Round::Zero,
        }
    }

    const fn daz(self) -> bool {
        self.control & DAZ != 0
    }

    const fn ftz(self) -> bool {
        self.control & FTZ != 0
    }

    const fn masked(self, flag: u32) -> bool {
        self.control >> 7 & flag != 0
    }

    const fn raise(&mut self, flags: u32) {
        self.flags |= flags;
    }

    /// The raised flags that no mask covers.
    pub(crate) const fn unmasked(self) -> u32 {
        self.flags & !(self.control >> 7)
    }

    /// Nothing that an operation on normal numbers with a normal result could add to MXCSR, and
    /// rounding to nearest: what every host computes alike.
    pub(crate) const fn plain(self) -> bool {
        self.control & (MASKS | PE | DAZ | FTZ | 3 << 13) == MASKS | PE
    }
}

/// A binary interchange format.
pub(crate) trait Format {
    /// Bits.
    const BITS: u32;
    /// Bits of the stored fraction.
    const FRACTION: u32;
    /// Largest exponent of a finite number.
    const EXP_MAX: i32 = (1 << (Self::BITS - Self::FRACTION - 2)) - 1;
    /// Smallest exponent of a normal number.
    const EXP_MIN: i32 = 1 - Self::EXP_MAX;
    /// The sign's bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// All exponent bits: infinity.
    const INFINITY: u64 = Self::SIGN - (1 << Self::FRACTION);
    /// The bit that makes a NaN quiet.
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    /// The NaN that stands for no number: negative, quiet, no payload.
    const DEFAULT_NAN: u64 = Self::SIGN | Self::INFINITY | Self::QUIET;
    /// All bits.
    const MASK: u64 = Self::SIGN | (Self::SIGN - 1);

    /// The host's result of an operation whose operands and result are normal.
    fn host(what: Host, a: u64, b: u64) -> u64;
}

/// An operation that the host may do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
}

/// Single precision.
pub(crate) struct F32;
/// Double precision.
pub(crate) struct F64;

impl Format for F32 {
    const BITS: u32 = 32;
    const FRACTION: u32 = 23;
    fn host(what: Host, a: u64, b: u64) -> u64 {
        let (x, y) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
        let r = match what {
            Host::Add => x + y,
            Host::Sub => x - y,
            Host::Mul => x * y,
            Host::Div => x / y,
            Host::Sqrt => y.sqrt(),
        };
        u64::from(r.to_bits())
    }
}

impl Format for F64 {
    const BITS: u32 = 64;
    const FRACTION: u32 = 52;
    fn host(what: Host, a: u64, b: u64) -> u64 {
        let (x, y) = (f64::from_bits(a), f64::from_bits(b));
        let r = match what {
            Host::Add => x + y,
            Host::Sub => x - y,
            Host::Mul => x * y,
            Host::Div => x / y,
            Host::Sqrt => y.sqrt(),
        };
        r.to_bits()
    }
}

fn is_nan<F: Format>(v: u64) -> bool {
    v & !F::SIGN > F::INFINITY
}

fn is_signaling<F: Format>(v: u64) -> bool {
    is_nan::<F>(v) && v & F::QUIET == 0
}

fn is_infinite<F: Format>(v: u64) -> bool {
    v & !F::SIGN == F::INFINITY
}

fn is_zero<F: Format>(v: u64) -> bool {
    v & !F::SIGN == 0
}

fn is_denormal<F: Format>(v: u64) -> bool {
    v & F::INFINITY == 0 && !is_zero::<F>(v)
}

/// Finite, and neither zero nor denormal.
#[inline(always)]
fn is_normal<F: Format>(v: u64) -> bool {
    let exp = v & F::INFINITY;
    exp != 0 && exp != F::INFINITY
}

/// The host's result, if it is one that every host computes alike without a new flag.
#[inline(always)]
fn quick<F: Format>(env: Env, what: Host, a: u64, b: u64) -> Option<u64> {
    if env.plain() && is_normal::<F>(a) && is_normal::<F>(b) {
        let r = F::host(what, a, b);
        // The smallest normal number may have been rounded up from a tiny one.
        (is_normal::<F>(r) && r & !F::SIGN != 1 << F::FRACTION).then_some(r)
    } else {
        None
    }
}

/// The magnitude of a finite number: significand times two to the power of the exponent.
fn split<F: Format>(v: u64) -> (u64, i32) {
    let fraction = v & ((1 << F::FRACTION) - 1);
    let field = (v & F::INFINITY) >> F::FRACTION;
    let lowest = F::EXP_MIN - F::FRACTION as i32;
    if field == 0 {
        (fraction, lowest)
    } else {
        (fraction | 1 << F::FRACTION, lowest + field as i32 - 1)
    }
}

/// As [`split`] for a number that is not zero, the significand's top bit in bit 63.
fn split_normalised<F: Format>(v: u64) -> (u64, i32) {
    let (significand, exp) = split::<F>(v);
    let shift = significand.leading_zeros();
    (significand << shift, exp - shift as i32)
}

/// NaN operands of a two-operand operation: the first that is one, made quiet.
fn nan_of_two<F: Format>(env: &mut Env, a: u64, b: u64) -> Option<u64> {
    let nan = if is_nan::<F>(a) {
        a
    } else if is_nan::<F>(b) {
        b
    } else {
        return None;
    };
    if is_signaling::<F>(a) || is_signaling::<F>(b) {
        env.raise(IE);
    }
    Some(nan | F::QUIET)
}

/// A denormal operand is reported, or is zero under DAZ.
fn operand<F: Format>(env: &mut Env, v: u64) -> u64 {
    if !is_denormal::<F>(v) {
        v
    } else if env.daz() {
        v & F::SIGN
    } else {
        env.raise(DE);
        v
    }
}

/// As [`operand`], without the report.
fn flushed<F: Format>(env: Env, v: u64) -> u64 {
    if env.daz() && is_denormal::<F>(v) {
        v & F::SIGN
    } else {
        v
    }
}

/// The answer to an invalid operation.
fn invalid<F: Format>(env: &mut Env) -> u64 {
    env.raise(IE);
    F::DEFAULT_NAN
}
