// SPDX-License-Identifier: GPL-2.0-only
//! The four operand widths as types, so that each handler is compiled for its width.

/// Register numbers from here on mean AH, CH, DH, BH.
pub(crate) const HIGH_BYTE: u8 = 16;

/// An operand width.
pub(crate) trait Word: Copy + Eq {
    /// Bytes.
    const SIZE: usize;
    /// Bits.
    const BITS: u32;
    /// Log2 of the bits.
    const LOG: u32;
    /// Truncates.
    fn lo(v: u64) -> Self;
    /// Zero-extends.
    fn zx(self) -> u64;
    /// Sign-extends the low bits of `v`.
    fn sx(v: u64) -> u64;
    /// Little-endian bytes; the slice has `SIZE` of them.
    fn from_le(b: &[u8]) -> Self;
    /// Stores little-endian bytes; the slice has `SIZE` of them.
    fn to_le(self, b: &mut [u8]);
    /// Value of a register.
    fn reg(regs: &[u64; 16], r: u8) -> Self;
    /// Writes a register: 32 bits clear the upper half, 8 and 16 keep the rest.
    fn set_reg(self, regs: &mut [u64; 16], r: u8);
}

macro_rules! word {
    ($t:ty, $s:ty, $log:expr, |$regs:ident, $r:ident, $v:ident| $get:expr, $set:expr) => {
        impl Word for $t {
            const SIZE: usize = size_of::<$t>();
            const BITS: u32 = <$t>::BITS;
            const LOG: u32 = $log;
            #[inline(always)]
            fn lo(v: u64) -> Self {
                v as $t
            }
            #[inline(always)]
            #[allow(clippy::useless_conversion, reason = "the macro serves four widths")]
            fn zx(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            #[allow(clippy::useless_conversion, reason = "the macro serves four widths")]
            fn sx(v: u64) -> u64 {
                i64::from(v as $s) as u64
            }
            #[inline(always)]
            fn from_le(b: &[u8]) -> Self {
                let mut a = [0; size_of::<$t>()];
                a.copy_from_slice(b);
                <$t>::from_le_bytes(a)
            }
            #[inline(always)]
            fn to_le(self, b: &mut [u8]) {
                b.copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn reg($regs: &[u64; 16], $r: u8) -> Self {
                $get
            }
            #[inline(always)]
            fn set_reg(self, $regs: &mut [u64; 16], $r: u8) {
                let $v = self;
                $set
            }
        }
    };
}

word!(
    u64,
    i64,
    6,
    |regs, r, v| regs[usize::from(r & 15)],
    regs[usize::from(r & 15)] = v
);
word!(
    u32,
    i32,
    5,
    |regs, r, v| regs[usize::from(r & 15)] as u32,
    regs[usize::from(r & 15)] = u64::from(v)
);
word!(
    u16,
    i16,
    4,
    |regs, r, v| regs[usize::from(r & 15)] as u16,
    {
        let slot = &mut regs[usize::from(r & 15)];
        *slot = *slot & !0xffff | u64::from(v);
    }
);
word!(
    u8,
    i8,
    3,
    |regs, r, v| (regs[usize::from(r & 15)] >> ((r & HIGH_BYTE) >> 1)) as u8,
    {
        let slot = &mut regs[usize::from(r & 15)];
        let shift = (r & HIGH_BYTE) >> 1;
        *slot = *slot & !(0xff << shift) | u64::from(v) << shift;
    }
);
