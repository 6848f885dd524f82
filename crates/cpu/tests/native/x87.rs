// SPDX-License-Identifier: GPL-2.0-only
//! Random x87 instructions, and numbers of 80 bits with the corners that matter.

use super::child::{CODE, State};
use super::generate::{Random, relocate};
use super::vector;
use iced_x86::{Decoder, DecoderOptions, Instruction, MemorySize, Mnemonic as N, OpKind};

const ERRORS: u16 = 0x3f;
const SUMMARY: u16 = 0x8080;

/// Bytes of one instruction at `CODE`, and what they mean: any that the core has, but not those
/// whose image has the address of the last one.
pub(super) fn instruction(r: &mut Random) -> (Vec<u8>, Instruction) {
    loop {
        let mut bytes = match r.below(200) {
            0 => vec![0x9b],
            1 => vec![0x0f, 0x77],
            _ => vec![0xd8 | r.below(8) as u8],
        };
        if r.below(8) == 0 {
            bytes.insert(0, 0x40 | r.below(16) as u8);
        }
        let register = if r.below(2) == 0 { 0xc0 } else { 0 };
        bytes.push(r.next() as u8 | register);
        for _ in 0..9 {
            bytes.push(r.next() as u8);
        }
        let i = Decoder::with_ip(64, &bytes, CODE, DecoderOptions::NONE).decode();
        let image = matches!(i.mnemonic(), N::Fnstenv | N::Fldenv);
        let known = i.cpuid_features().iter().any(|f| {
            use iced_x86::CpuidFeature as F;
            matches!(f, F::FPU | F::FPU287 | F::FPU387 | F::CMOV | F::MMX)
        });
        if i.is_invalid() || image || !known || !cpu::is_implemented(&bytes) {
            continue;
        }
        if (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory) {
            if let Some(relocated) = relocate(r, i, false) {
                return relocated;
            }
            continue;
        }
        bytes.truncate(i.len());
        return (bytes, i);
    }
}

/// A number of 80 bits.
pub(super) fn number(r: &mut Random) -> u128 {
    let noise = r.next();
    let near = r.below(4);
    let integer = 1 << 63;
    let few = |r: &mut Random| r.next() & u64::MAX << r.below(64);
    let ends = |r: &mut Random| {
        // Near the half-way points of the three precisions.
        let at = [0, 11, 40][r.below(3) as usize];
        let low = (1_u64 << at >> 1).wrapping_add(r.below(3)).wrapping_sub(1);
        (noise & u64::MAX.checked_shl(at).unwrap_or(0)).wrapping_add(low)
    };
    let (exp, significand) = match r.below(20) {
        0 => (0, 0),
        1 => (0x7fff, integer),
        2 => (0x7fff, integer | noise),
        3 => (0x7fff, integer | 1 << 62 | near),
        4 => (0x7fff, integer | near << 60),
        // Denormals of all sizes, pseudo-denormals.
        5 => (0, noise >> 1 >> r.below(63)),
        6 => (0, integer | few(r)),
        // Not supported.
        7 => (r.below(0x7fff) + 1, noise >> 1),
        // Around the smallest and largest.
        8 => (1 + r.below(70), integer | few(r)),
        9 => (0x7ffe - r.below(3), u64::MAX - r.below(1 << 12)),
        // Around what integers can be.
        10 | 11 => (0x3fff - 2 + r.below(68), integer | few(r)),
        12 => (0x3fff + r.below(64), integer | noise),
        // Around what singles and doubles can be.
        13 => (0x3fff - 126 - 26 + r.below(30), integer | ends(r)),
        14 => (0x3fff - 1022 - 55 + r.below(58), integer | ends(r)),
        15 => (
            0x3fff + [127, 1023][r.below(2) as usize] - 1 + r.below(3),
            !r.below(3) & !0 << (40 - 29 * r.below(2)) | integer,
        ),
        16 | 17 => (0x3fff - 4 + r.below(9), integer | ends(r)),
        18 => (r.below(0x7fff), integer | few(r)),
        _ => (0x3fff - 70 + r.below(140), integer | noise),
    };
    let sign = u128::from(r.below(2)) << 79;
    sign | u128::from(exp) << 64 | u128::from(significand)
}

/// The control word: mostly with everything masked.
fn control(r: &mut Random) -> u16 {
    let v = r.next() as u16;
    let rounding = if r.below(2) == 0 { 0 } else { v & 0xc00 };
    let precision = if r.below(2) == 0 { 0x300 } else { v & 0x300 };
    let masks = if r.below(6) == 0 { v & ERRORS } else { ERRORS };
    rounding | precision | masks | v & 0x1000 | 0x40
}

/// New registers, status and control word.
pub(super) fn registers(r: &mut Random, state: &mut State) {
    for v in &mut state.st {
        if r.below(3) == 0 {
            *v = number(r);
        }
    }
    match r.below(6) {
        // Nearly the same, so that differences cancel.
        0 => state.st[1] = state.st[0] ^ u128::from(r.below(8)) ^ u128::from(r.below(2)) << 79,
        // Exponents far apart or close: sums, remainders, scaling.
        1 => {
            let exp = (state.st[0] >> 64 & 0x7fff).saturating_sub(r.below(140).into());
            state.st[1] = number(r) & !(0x7fff << 64) | exp << 64 | 1 << 63;
        }
        // Products and quotients at the edges.
        2 => {
            let exp = state.st[0] >> 64 & 0x7fff;
            let other = (0x3fff_u128 + 2 + u128::from(r.below(6))).saturating_sub(exp);
            state.st[1] = number(r) & !(0x7fff << 64) | (other & 0x7fff) << 64 | 1 << 63;
        }
        // A number of places.
        3 => {
            let exp = 0x3fff + r.below(17);
            state.st[1] = number(r) & (1 << 79) | u128::from(exp) << 64 | 1 << 63;
            state.st[1] |= u128::from(r.next() >> r.below(20));
        }
        _ => {}
    }
    state.fcw = control(r);
    let noise = r.next() as u16;
    let due = r.below(40) == 0;
    let flags = noise & 0x7f & if due { 0xff } else { state.fcw | 0x40 };
    let due = flags & ERRORS & !state.fcw != 0;
    state.fsw = noise & 0x7f00 & !SUMMARY | flags | if due { SUMMARY } else { 0 };
    let top = u32::from(state.fsw >> 11 & 7);
    state.ftw = match r.below(4) {
        0 => r.next() as u8,
        // Room for a push.
        1 | 2 => {
            !1_u8.rotate_left(top + 7)
                & if noise & 0x80 != 0 {
                    0xff
                } else {
                    r.next() as u8 | 1_u8.rotate_left(top) | 1_u8.rotate_left(top + 1)
                }
        }
        _ => 0xff,
    };
}

/// What a memory operand should hold.
pub(super) fn operand(r: &mut Random, i: &Instruction) -> [u8; 16] {
    if i.memory_size() == MemorySize::Float80 {
        return number(r).to_le_bytes();
    }
    let mut bytes = vector::value(r).to_le_bytes();
    if i.mnemonic() == N::Fldcw {
        bytes[..2].copy_from_slice(&control(r).to_le_bytes());
    }
    bytes
}

/// Is it one of the x87's? Their names begin with F, and no others that are compared do.
pub(super) fn is_one(i: &Instruction) -> bool {
    format!("{:?}", i.mnemonic()).starts_with('F')
}

fn compares(i: &Instruction) -> bool {
    use N::{Fcom, Fcomi, Fcomip, Fcomp, Fcompp, Ficom, Ficomp, Ftst};
    use N::{Fucom, Fucomi, Fucomip, Fucomp, Fucompp};
    matches!(
        i.mnemonic(),
        Fcom | Fcomp | Fcompp | Ficom | Ficomp | Ftst | Fcomi | Fcomip
    ) || matches!(i.mnemonic(), Fucom | Fucomp | Fucompp | Fucomi | Fucomip)
}

/// A comparison with an unmasked exception: Intel's manual has it leave its flags and condition
/// codes, AMD's cores set them.
pub(super) fn stopped(i: &Instruction, after: &State) -> bool {
    compares(i) && after.fsw & SUMMARY != 0
}

/// Bits of the status word that the makers disagree on.
pub(super) fn undefined(i: &Instruction, after: &State) -> u16 {
    const C1: u16 = 1 << 9;
    const OTHERS: u16 = 0x4500;
    let mut mask = if stopped(i, after) { OTHERS } else { 0 };
    // Intel's manual has these clear C1, AMD's cores leave it.
    if matches!(i.mnemonic(), N::Fcomi | N::Fcomip | N::Fucomi | N::Fucomip) {
        mask |= C1;
    }
    mask
}
