// SPDX-License-Identifier: GPL-2.0-only
//! The six status flags, kept as a result and a carry vector and computed when somebody asks.
//!
//! * ZF: `res` is zero. SF: bit 63 of `res`, inverted if bit 1 of `carry` is set. PF: parity of
//!   the low byte of `res`, inverted if bit 0 of `carry` is set.
//! * `carry` holds the carry (or borrow) out of the operand's top bit in bit 63 and out of the bit
//!   below in bit 62, so CF is bit 63 and OF is bit 63 xor bit 62; AF is bit 3.
//!
//! The inversions exist because POPF can set combinations that no result has. Flags that the
//! manual leaves undefined get one documented value at the operation that leaves them so.

use crate::word::Word;

/// Carry flag.
pub const CF: u64 = 1;
/// Parity flag.
pub const PF: u64 = 1 << 2;
/// Auxiliary carry flag.
pub const AF: u64 = 1 << 4;
/// Zero flag.
pub const ZF: u64 = 1 << 6;
/// Sign flag.
pub const SF: u64 = 1 << 7;
/// Trap flag.
pub const TF: u64 = 1 << 8;
/// Interrupt enable flag.
pub const IF: u64 = 1 << 9;
/// Direction flag.
pub const DF: u64 = 1 << 10;
/// Overflow flag.
pub const OF: u64 = 1 << 11;
/// I/O privilege level.
pub const IOPL: u64 = 3 << 12;
/// Nested task.
pub const NT: u64 = 1 << 14;
/// Resume flag.
pub const RF: u64 = 1 << 16;
/// Virtual-8086 mode; never set.
pub const VM: u64 = 1 << 17;
/// Alignment check; has no effect here.
pub const AC: u64 = 1 << 18;
/// CPUID may be used.
pub const ID: u64 = 1 << 21;

/// The status flags.
pub const STATUS: u64 = CF | PF | AF | ZF | SF | OF;

const SIGN_FLIP: u64 = 2;
const PARITY_FLIP: u64 = 1;
const AUX: u64 = 8;

/// Lazily computed status flags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flags {
    res: u64,
    carry: u64,
}

impl Flags {
    /// All six clear.
    pub(crate) const CLEAR: Self = Self {
        res: 1 << 8,
        carry: PARITY_FLIP,
    };

    /// After an addition or subtraction with carry vector `out` in the operand's own position.
    #[inline(always)]
    pub(crate) fn arith<W: Word>(&mut self, res: u64, out: u64) {
        self.res = W::sx(res);
        self.carry = if W::BITS == 64 {
            out & !(SIGN_FLIP | PARITY_FLIP)
        } else {
            out << (64 - W::BITS) | out & AUX
        };
    }

    /// As [`Flags::arith`], but CF stays (INC, DEC).
    #[inline(always)]
    pub(crate) fn arith_keep_cf<W: Word>(&mut self, res: u64, out: u64) {
        let cf = self.carry & 1 << 63;
        self.arith::<W>(res, out);
        let of = (self.carry >> 1 ^ self.carry) & 1 << 62;
        self.carry = cf | (cf >> 1 ^ of) | self.carry & AUX;
    }

    /// After AND, OR, XOR, TEST: CF and OF clear, AF (undefined) clear.
    #[inline(always)]
    pub(crate) fn logic<W: Word>(&mut self, res: u64) {
        self.res = W::sx(res);
        self.carry = 0;
    }

    /// ZF, SF, PF from the result, CF and OF as given, AF clear.
    #[inline(always)]
    pub(crate) fn result<W: Word>(&mut self, res: u64, cf: bool, of: bool) {
        self.res = W::sx(res);
        self.carry = u64::from(cf) << 63 | u64::from(cf ^ of) << 62;
    }

    /// Sets CF and OF only.
    #[inline(always)]
    pub(crate) fn set_cf_of(&mut self, cf: bool, of: bool) {
        self.carry = self.carry & (SIGN_FLIP | PARITY_FLIP | AUX)
            | u64::from(cf) << 63
            | u64::from(cf ^ of) << 62;
    }

    /// Sets CF only.
    #[inline(always)]
    pub(crate) fn set_cf(&mut self, cf: bool) {
        let of = self.of();
        self.set_cf_of(cf, of);
    }

    #[inline(always)]
    pub(crate) fn cf(self) -> bool {
        self.carry >> 63 != 0
    }
    #[inline(always)]
    pub(crate) fn of(self) -> bool {
        (self.carry ^ self.carry << 1) >> 63 != 0
    }
    #[inline(always)]
    pub(crate) fn zf(self) -> bool {
        self.res == 0
    }
    #[inline(always)]
    fn sf(self) -> bool {
        (self.res ^ self.carry << 62) >> 63 != 0
    }
    #[inline(always)]
    fn pf(self) -> bool {
        (u64::from((self.res as u8).count_ones()) ^ self.carry) & 1 == 0
    }

    /// Condition `CC` as in the low four bits of a Jcc opcode.
    #[inline(always)]
    pub(crate) fn cond<const CC: u8>(self) -> bool {
        let c = match CC >> 1 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() || self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf() != self.of(),
            _ => self.zf() || self.sf() != self.of(),
        };
        c ^ (CC & 1 != 0)
    }

    /// The flags in their RFLAGS positions.
    pub(crate) fn bits(self) -> u64 {
        let bit = |on: bool, flag: u64| if on { flag } else { 0 };
        bit(self.cf(), CF)
            | bit(self.pf(), PF)
            | bit(self.carry & AUX != 0, AF)
            | bit(self.zf(), ZF)
            | bit(self.sf(), SF)
            | bit(self.of(), OF)
    }

    /// From RFLAGS positions.
    pub(crate) fn from_bits(bits: u64) -> Self {
        let mut f = Self {
            res: if bits & ZF != 0 { 0 } else { 1 << 8 },
            carry: 0,
        };
        if bits & SF != 0 {
            f.carry |= SIGN_FLIP;
        }
        if bits & PF == 0 {
            f.carry |= PARITY_FLIP;
        }
        if bits & AF != 0 {
            f.carry |= AUX;
        }
        f.set_cf_of(bits & CF != 0, bits & OF != 0);
        f
    }

    /// Replaces the flags in `mask` by those of `bits`.
    pub(crate) fn replace(&mut self, mask: u64, bits: u64) {
        *self = Self::from_bits(self.bits() & !mask | bits & mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_survives() {
        for n in 0..64u64 {
            let bit = |k: u32| (n >> k) & 1;
            let bits =
                bit(0) * CF + bit(1) * PF + bit(2) * AF + bit(3) * ZF + bit(4) * SF + bit(5) * OF;
            assert_eq!(Flags::from_bits(bits).bits(), bits);
        }
        assert_eq!(Flags::CLEAR.bits(), 0);
    }

    #[test]
    fn cf_alone_keeps_the_others() {
        for bits in [0, OF, OF | CF, CF | ZF | AF, STATUS] {
            let mut f = Flags::from_bits(bits);
            f.set_cf(bits & CF == 0);
            assert_eq!(f.bits(), bits ^ CF);
        }
    }
}
