// SPDX-License-Identifier: GPL-2.0-only
//! Integer and logic operations on vectors, lane by lane.

use super::compute::Binary;

/// A lane of a vector.
pub(crate) trait Lane: Copy {
    /// Bits.
    const WIDTH: usize = 8 * size_of::<Self>();
    /// Lane `n` of `v`.
    fn get(v: u128, n: usize) -> Self;
    /// As lane `n` of a vector that is zero else.
    fn put(self, n: usize) -> u128;
}

macro_rules! lane {
    ($($t:ty, $unsigned:ty;)*) => {$(
        impl Lane for $t {
            #[inline(always)]
            fn get(v: u128, n: usize) -> Self {
                (v >> (n * Self::WIDTH)) as $t
            }
            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "the macro serves signed lanes too")]
            fn put(self, n: usize) -> u128 {
                (self as $unsigned as u128) << (n * Self::WIDTH)
            }
        }
    )*};
}
lane! { u8, u8; i8, u8; u16, u16; i16, u16; u32, u32; i32, u32; u64, u64; }

/// Each lane of the result from the same lanes of the operands.
#[inline(always)]
fn each<L: Lane, R: Lane>(a: u128, b: u128, f: impl Fn(L, L) -> R) -> u128 {
    (0..128 / L::WIDTH).fold(0, |r, n| r | f(L::get(a, n), L::get(b, n)).put(n))
}

macro_rules! lanes {
    ($($name:ident = $t:ty: $f:expr;)*) => {$(
        pub(crate) struct $name;
        impl Binary for $name {
            #[inline(always)]
            fn run(a: u128, b: u128) -> u128 {
                each::<$t, _>(a, b, $f)
            }
        }
    )*};
}

lanes! {
    Paddb = u8: u8::wrapping_add;
    Paddw = u16: u16::wrapping_add;
    Paddd = u32: u32::wrapping_add;
    Paddq = u64: u64::wrapping_add;
    Paddsb = i8: i8::saturating_add;
    Paddsw = i16: i16::saturating_add;
    Paddusb = u8: u8::saturating_add;
    Paddusw = u16: u16::saturating_add;
    Psubb = u8: u8::wrapping_sub;
    Psubw = u16: u16::wrapping_sub;
    Psubd = u32: u32::wrapping_sub;
    Psubq = u64: u64::wrapping_sub;
    Psubsb = i8: i8::saturating_sub;
    Psubsw = i16: i16::saturating_sub;
    Psubusb = u8: u8::saturating_sub;
    Psubusw = u16: u16::saturating_sub;
    Pmullw = u16: u16::wrapping_mul;
    Pmulhw = i16: |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16;
    Pmulhuw = u16: |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16;
    Pmuludq = u64: |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff);
    Pmaddwd = u32: |a, b| {
        let product = |shift: u32| i32::from((a >> shift) as i16) * i32::from((b >> shift) as i16);
        product(0).wrapping_add(product(16)) as u32
    };
    Psadbw = u64: |a, b| {
        let pairs = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
        pairs.map(|(x, y)| u64::from(x.abs_diff(y))).sum::<u64>()
    };
    Pavgb = u8: |a, b| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8;
    Pavgw = u16: |a, b| ((u32::from(a) + u32::from(b) + 1) >> 1) as u16;
    Pminub = u8: Ord::min;
    Pmaxub = u8: Ord::max;
    Pminsw = i16: Ord::min;
    Pmaxsw = i16: Ord::max;
    Pcmpeqb = i8: |a, b| -i8::from(a == b);
    Pcmpeqw = i16: |a, b| -i16::from(a == b);
    Pcmpeqd = i32: |a, b| -i32::from(a == b);
    Pcmpgtb = i8: |a, b| -i8::from(a > b);
    Pcmpgtw = i16: |a, b| -i16::from(a > b);
    Pcmpgtd = i32: |a, b| -i32::from(a > b);
}

macro_rules! whole {
    ($($name:ident: $f:expr;)*) => {$(
        pub(crate) struct $name;
        impl Binary for $name {
            #[inline(always)]
            fn run(a: u128, b: u128) -> u128 {
                let f: fn(u128, u128) -> u128 = $f;
                f(a, b)
            }
        }
    )*};
}

whole! {
    And: |a, b| a & b;
    Andn: |a, b| !a & b;
    Or: |a, b| a | b;
    Xor: |a, b| a ^ b;
    Packsswb: |a, b| pack::<i16, i8>(a, b, |v| v.clamp(-128, 127) as i8);
    Packssdw: |a, b| pack::<i32, i16>(a, b, |v| v.clamp(-0x8000, 0x7fff) as i16);
    Packuswb: |a, b| pack::<i16, u8>(a, b, |v| v.clamp(0, 255) as u8);
    Punpcklbw: |a, b| interleave::<u8>(a, b, 0);
    Punpcklwd: |a, b| interleave::<u16>(a, b, 0);
    Punpckldq: |a, b| interleave::<u32>(a, b, 0);
    Punpcklqdq: |a, b| interleave::<u64>(a, b, 0);
    Punpckhbw: |a, b| interleave::<u8>(a, b, 8);
    Punpckhwd: |a, b| interleave::<u16>(a, b, 4);
    Punpckhdq: |a, b| interleave::<u32>(a, b, 2);
    Punpckhqdq: |a, b| interleave::<u64>(a, b, 1);
    // Counts are all 64 low bits of the second operand.
    Psllw: |a, b| shift::<u16>(a, b, |v, n| v.checked_shl(n).unwrap_or(0));
    Pslld: |a, b| shift::<u32>(a, b, |v, n| v.checked_shl(n).unwrap_or(0));
    Psllq: |a, b| shift::<u64>(a, b, |v, n| v.checked_shl(n).unwrap_or(0));
    Psrlw: |a, b| shift::<u16>(a, b, |v, n| v.checked_shr(n).unwrap_or(0));
    Psrld: |a, b| shift::<u32>(a, b, |v, n| v.checked_shr(n).unwrap_or(0));
    Psrlq: |a, b| shift::<u64>(a, b, |v, n| v.checked_shr(n).unwrap_or(0));
    Psraw: |a, b| shift::<i16>(a, b, |v, n| v >> n.min(15));
    Psrad: |a, b| shift::<i32>(a, b, |v, n| v >> n.min(31));
    Pslldq: |a, b| a.checked_shl(8 * bytes(b)).unwrap_or(0);
    Psrldq: |a, b| a.checked_shr(8 * bytes(b)).unwrap_or(0);
}

/// Narrowed lanes of `a` below those of `b`.
#[inline(always)]
fn pack<L: Lane, R: Lane>(a: u128, b: u128, f: impl Fn(L) -> R) -> u128 {
    let half = 128 / L::WIDTH;
    (0..half).fold(0, |r, n| {
        r | f(L::get(a, n)).put(n) | f(L::get(b, n)).put(half + n)
    })
}

/// Lanes of `a` and `b` in turn, from lane `from` on.
#[inline(always)]
fn interleave<L: Lane>(a: u128, b: u128, from: usize) -> u128 {
    (0..64 / L::WIDTH).fold(0, |r, n| {
        r | L::get(a, from + n).put(2 * n) | L::get(b, from + n).put(2 * n + 1)
    })
}

/// Each lane shifted by the same count.
#[inline(always)]
fn shift<L: Lane>(a: u128, count: u128, f: impl Fn(L, u32) -> L) -> u128 {
    let count = u32::try_from(count as u64).unwrap_or(u32::MAX);
    (0..128 / L::WIDTH).fold(0, |r, n| r | f(L::get(a, n), count).put(n))
}

/// A shift by more than 15 bytes leaves nothing.
fn bytes(count: u128) -> u32 {
    count.min(16) as u32
}
