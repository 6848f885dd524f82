// SPDX-License-Identifier: GPL-2.0-only
//! Random SSE and SSE2 instructions, and numbers with the corners that matter.

use super::child::{CODE, State};
use super::generate::{Random, relocate};
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic as N, OpKind, Register,
};

/// What the core has of it: no MMX. Approximations differ between processors.
fn wanted(i: &Instruction) -> bool {
    let ours = |f: &CpuidFeature| matches!(f, CpuidFeature::SSE | CpuidFeature::SSE2);
    let mmx =
        (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_mm());
    let mmx = mmx || matches!(i.mnemonic(), N::Cvtpi2ps | N::Cvtpi2pd);
    let reciprocal = matches!(i.mnemonic(), N::Rcpps | N::Rcpss | N::Rsqrtps | N::Rsqrtss);
    let foreign = matches!(i.segment_prefix(), Register::FS | Register::GS);
    let narrow = i.mnemonic() == N::Maskmovdqu && i.op_kind(0) != OpKind::MemorySegRDI;
    i.cpuid_features().iter().all(ours) && !(mmx || reciprocal || foreign || narrow)
}

/// Must the memory operand be aligned?
fn needs_alignment(i: &Instruction) -> bool {
    i.memory_size().size() == 16
        && !matches!(
            i.mnemonic(),
            N::Movups | N::Movupd | N::Movdqu | N::Maskmovdqu
        )
}

/// Bytes of one instruction at `CODE`, and what they mean.
pub(super) fn instruction(r: &mut Random) -> (Vec<u8>, Instruction) {
    loop {
        let mut bytes = Vec::new();
        match r.below(9) {
            0 | 1 => {}
            2..=4 => bytes.push(0x66),
            5 | 6 => bytes.push(0xf2),
            7 => bytes.push(0xf3),
            _ => bytes.extend([0x66, 0xf2]),
        }
        if r.below(2) == 0 {
            bytes.push(0x40 | r.below(16) as u8);
        }
        let opcode = match r.below(8) {
            0 => 0x10 + r.below(8),
            1 => 0x28 + r.below(8),
            2..=4 => 0x50 + r.below(0x30),
            5 => [0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xae][r.below(6) as usize],
            _ => 0xd0 + r.below(0x30),
        };
        bytes.extend([0x0f, opcode as u8]);
        for _ in 0..11 {
            bytes.push(r.next() as u8);
        }
        bytes.truncate(15);
        let i = Decoder::with_ip(64, &bytes, CODE, DecoderOptions::NONE).decode();
        if i.is_invalid() || !wanted(&i) {
            continue;
        }
        let has_memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
        if !has_memory {
            bytes.truncate(i.len());
            return (bytes, i);
        }
        let aligned = needs_alignment(&i) && r.below(10) != 0;
        if let Some(relocated) = relocate(r, i, aligned) {
            return relocated;
        }
    }
}

/// A number of a format: exponent and fraction bits.
fn number(r: &mut Random, exp_bits: u32, fraction_bits: u32) -> u64 {
    let bias = (1_i64 << (exp_bits - 1)) - 1;
    let infinity = ((1 << exp_bits) - 1) << fraction_bits;
    let fraction_mask = (1 << fraction_bits) - 1;
    let one = (bias as u64) << fraction_bits;
    let noise = r.next();
    let near = noise >> 8 & 3;
    let magnitude = match r.below(15) {
        0 => 0,
        1 => infinity,
        // NaNs of both kinds.
        2 => infinity | (noise & fraction_mask).max(1),
        3 => infinity | (1 + near),
        // Denormals of all sizes.
        4 => noise & fraction_mask,
        5 => (noise & fraction_mask) >> r.below(u64::from(fraction_bits)),
        // Around the smallest and the largest normal numbers.
        6 => (1 << fraction_bits) + near - 1,
        7 => infinity - 1 - near,
        // Around one, and what integers can be and just cannot be.
        8 => one + near - 1,
        9 | 10 => {
            let exp = bias + r.below(67) as i64 - 1;
            let keep = r.below(u64::from(fraction_bits) + 1);
            let fraction = noise & fraction_mask & !(fraction_mask >> keep);
            (exp as u64) << fraction_bits | fraction
        }
        11 => {
            let exp = bias + r.below(9) as i64 - 4;
            (exp as u64) << fraction_bits | noise & fraction_mask
        }
        // What a conversion to single precision rounds at its edges.
        12 if exp_bits == 11 => {
            let single = f32::from_bits(number(r, 8, 23) as u32 & 0x7fff_ffff);
            let bits = f64::from(single).to_bits();
            bits.wrapping_add((near | r.below(2) << 28).wrapping_sub(2))
        }
        _ => noise & ((1 << (exp_bits + fraction_bits)) - 1),
    };
    magnitude | (noise >> 63) << (exp_bits + fraction_bits)
}

/// Two doubles whose product, or quotient with `divide`, lies just at the edge between denormal
/// and normal numbers, or at that of the largest one; singles likewise.
fn at_the_edge(r: &mut Random, divide: bool, single: bool) -> (u64, u64) {
    let near = r.below(5);
    let high = r.below(4) == 0;
    let exp = 20 + r.below(40) as i32;
    // A factor that keeps the other number normal, and so of full precision.
    let shrink = if divide == high { -exp } else { exp };
    let noise = r.next();
    if single {
        let edge = if high { 0x7f7f_ffff } else { 0x0080_0000 };
        let target = f32::from_bits(edge - near as u32);
        let factor = f32::from_bits((noise as u32 & 0x7f_ffff) | 0x3f80_0000) * 2f32.powi(shrink);
        let other = if divide {
            target * factor
        } else {
            target / factor
        };
        (other.to_bits().into(), factor.to_bits().into())
    } else {
        let edge = if high { 0x7fef_ffff_ffff_ffff } else { 1 << 52 };
        let target = f64::from_bits(edge - near);
        let factor = f64::from_bits(noise >> 12 | 0x3ff0 << 48) * 2f64.powi(shrink);
        let other = if divide {
            target * factor
        } else {
            target / factor
        };
        (other.to_bits(), factor.to_bits())
    }
}

/// 16 bytes: numbers of one format, or anything.
pub(super) fn value(r: &mut Random) -> u128 {
    match r.below(5) {
        0 | 1 => (0..4).fold(0, |v, n| v | u128::from(number(r, 8, 23)) << (32 * n)),
        2 | 3 => (0..2).fold(0, |v, n| v | u128::from(number(r, 11, 52)) << (64 * n)),
        _ => u128::from(r.value()) << 64 | u128::from(r.value()),
    }
}

/// MXCSR: mostly with everything masked.
pub(super) fn mxcsr(r: &mut Random) -> u32 {
    let v = r.next() as u32;
    let rounding = if v & 0x10_0000 == 0 { v & 0x6000 } else { 0 };
    let zeros = if v & 0x60_0000 == 0 { v & 0x8040 } else { 0 };
    let masks = if r.below(5) == 0 { v & 0x1f80 } else { 0x1f80 };
    rounding | zeros | masks | v & 0x3f
}

/// New values for some registers.
pub(super) fn registers(r: &mut Random, i: &Instruction, state: &mut State) {
    for v in &mut state.xmm {
        if r.below(4) == 0 {
            *v = value(r);
        }
    }
    let vector = |n: u32| {
        (n < i.op_count() && i.op_kind(n) == OpKind::Register && i.op_register(n).is_xmm())
            .then(|| i.op_register(n).number())
    };
    let edge = match i.mnemonic() {
        N::Mulps | N::Mulss => Some((false, true)),
        N::Mulpd | N::Mulsd => Some((false, false)),
        N::Divps | N::Divss => Some((true, true)),
        N::Divpd | N::Divsd => Some((true, false)),
        _ => None,
    };
    match (vector(0), vector(1)) {
        (Some(a), Some(b)) if a != b && edge.is_some() && r.below(2) == 0 => {
            let (divide, single) = edge.unwrap_or_default();
            let step = if single { 32 } else { 64 };
            (state.xmm[a], state.xmm[b]) = (0, 0);
            for at in (0..128).step_by(step) {
                let (x, y) = at_the_edge(r, divide, single);
                state.xmm[a] |= u128::from(x) << at;
                state.xmm[b] |= u128::from(y) << at;
            }
        }
        (Some(a), Some(b)) if a != b => {
            state.xmm[a] = value(r);
            state.xmm[b] = match r.below(4) {
                // Nearly the same, so that differences cancel; small counts for shifts.
                0 => state.xmm[a] ^ u128::from(r.below(8)) ^ u128::from(r.below(2)) << 127,
                1 => u128::from(r.below(80)),
                _ => value(r),
            };
        }
        (Some(a), _) => state.xmm[a] = value(r),
        (_, Some(b)) => state.xmm[b] = value(r),
        _ => {}
    }
}

/// What a memory operand should hold.
pub(super) fn operand(r: &mut Random, i: &Instruction) -> [u8; 16] {
    let mut bytes = value(r).to_le_bytes();
    if i.mnemonic() == N::Ldmxcsr && r.below(8) != 0 {
        bytes[..4].copy_from_slice(&mxcsr(r).to_le_bytes());
    }
    // Bit 17 exists on some processors.
    if i.mnemonic() == N::Ldmxcsr {
        bytes[2] &= !2;
    }
    bytes
}
