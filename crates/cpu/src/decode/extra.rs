// SPDX-License-Identifier: GPL-2.0-only
//! Bit counts, BMI1, BMI2, ADX, MOVBE, CRC32.

use super::integer::{source, wide};
use super::operands::{Kind, kind, number, size};
use crate::access::{D, Full, M, S, Simple};
use crate::exec::bmi::{CARRY, OVERFLOW};
use crate::exec::{bits, bmi, misc, mov};
use crate::op::{Handler, Op};
use iced_x86::{Instruction, Mnemonic as N, OpKind};

/// A handler with a leading constant, a source and a width of 32 or 64 bits.
macro_rules! pick {
    ($kind:expr, $bytes:expr, $reg:ty, $($f:ident)::+ $(, $c:expr)?) => {
        match ($kind, $bytes) {
            (Kind::Reg, 4) => Some($($f)::+::<$({ $c },)? $reg, u32> as Handler),
            (Kind::Reg, 8) => Some($($f)::+::<$({ $c },)? $reg, u64>),
            (Kind::Simple | Kind::Full, 4) => Some($($f)::+::<$({ $c },)? M<Full>, u32>),
            (Kind::Simple | Kind::Full, 8) => Some($($f)::+::<$({ $c },)? M<Full>, u64>),
            _ => None,
        }
    };
}

macro_rules! scan {
    ($kind:expr, $bytes:expr, $($f:ident)::+, $c:expr) => {
        match ($kind, $bytes) {
            (Kind::Reg, 2) => Some($($f)::+::<{ $c }, S, u16> as Handler),
            (Kind::Simple | Kind::Full, 2) => Some($($f)::+::<{ $c }, M<Full>, u16>),
            _ => pick!($kind, $bytes, S, $($f)::+, $c),
        }
    };
}

/// Operands of a VEX instruction: `dst` is the first; the r/m source, if it is a register, goes to
/// `aux`; the other register goes to `src`.
fn three(i: &Instruction, op: &mut Op, rm: u32, other: u32) -> Kind {
    op.dst = number(i.op_register(0));
    if i.op_kind(other) == OpKind::Register {
        op.src = number(i.op_register(other));
    }
    if i.op_kind(rm) == OpKind::Register {
        op.aux = number(i.op_register(rm));
    }
    kind(i, rm, op)
}

pub(super) fn select(i: &Instruction, op: &mut Op) -> Option<Handler> {
    use bmi::Third as X;
    let bytes = size(i, 0);
    match i.mnemonic() {
        N::Bsf => scan!(kind(i, 1, op), bytes, bits::scan, false),
        N::Bsr => scan!(kind(i, 1, op), bytes, bits::scan, true),
        N::Tzcnt => scan!(kind(i, 1, op), bytes, bits::count_zeros, false),
        N::Lzcnt => scan!(kind(i, 1, op), bytes, bits::count_zeros, true),
        N::Popcnt => source!(kind(i, 1, op), bytes, bits::popcnt),
        N::Crc32 => crc32(i, op),
        N::Movbe => match (kind(i, 0, op), kind(i, 1, op)) {
            (Kind::Reg, Kind::Reg) => None,
            (Kind::Reg, _) => wide!(bytes, mov::movbe, D, M<Full>),
            _ => wide!(bytes, mov::movbe, M<Full>, D),
        },
        N::Adcx => pick!(kind(i, 1, op), bytes, S, bmi::add_with, CARRY),
        N::Adox => pick!(kind(i, 1, op), bytes, S, bmi::add_with, OVERFLOW),
        N::Andn => pick!(three(i, op, 2, 1), bytes, X, bmi::andn),
        N::Pdep => pick!(three(i, op, 2, 1), bytes, X, bmi::gather, true),
        N::Pext => pick!(three(i, op, 2, 1), bytes, X, bmi::gather, false),
        N::Mulx => pick!(three(i, op, 2, 1), bytes, X, bmi::mulx),
        N::Bextr => pick!(three(i, op, 1, 2), bytes, X, bmi::bextr),
        N::Bzhi => pick!(three(i, op, 1, 2), bytes, X, bmi::bzhi),
        N::Shlx => pick!(three(i, op, 1, 2), bytes, X, bmi::shift_x, 0),
        N::Shrx => pick!(three(i, op, 1, 2), bytes, X, bmi::shift_x, 1),
        N::Sarx => pick!(three(i, op, 1, 2), bytes, X, bmi::shift_x, 2),
        N::Rorx => pick!(three(i, op, 1, 2), bytes, X, bmi::rorx),
        N::Blsr => pick!(three(i, op, 1, 1), bytes, X, bmi::lowest, 1),
        N::Blsmsk => pick!(three(i, op, 1, 1), bytes, X, bmi::lowest, 2),
        N::Blsi => pick!(three(i, op, 1, 1), bytes, X, bmi::lowest, 3),
        _ => None,
    }
}

/// What an instruction is on a processor that lacks its feature: BSF and BSR, which ignore the
/// prefix of TZCNT and LZCNT, hints that do nothing, or #UD.
pub(super) fn without_feature(i: &Instruction, op: &mut Op) -> Handler {
    let bytes = size(i, 0);
    let instead: Option<Handler> = match i.mnemonic() {
        N::Tzcnt => scan!(kind(i, 1, op), bytes, bits::scan, false),
        N::Lzcnt => scan!(kind(i, 1, op), bytes, bits::scan, true),
        N::Prefetcht0 | N::Prefetcht1 | N::Prefetcht2 | N::Prefetchnta => {
            Some(misc::nop as Handler)
        }
        _ => None,
    };
    instead.unwrap_or(misc::undefined)
}

fn crc32(i: &Instruction, op: &mut Op) -> Option<Handler> {
    macro_rules! widths {
        ($s:ty) => {
            match (size(i, 0), size(i, 1)) {
                (4, 1) => Some(bits::crc32::<$s, u32, u8> as Handler),
                (8, 1) => Some(bits::crc32::<$s, u64, u8>),
                (_, 2) => Some(bits::crc32::<$s, u32, u16>),
                (_, 4) => Some(bits::crc32::<$s, u32, u32>),
                (_, 8) => Some(bits::crc32::<$s, u64, u64>),
                _ => None,
            }
        };
    }
    match kind(i, 1, op) {
        Kind::Reg => widths!(S),
        _ => widths!(M<Full>),
    }
}
