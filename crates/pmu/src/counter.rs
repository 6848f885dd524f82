// SPDX-License-Identifier: GPL-2.0-only
//! One counter: a number modulo two to its width, and the carry out of it.

/// Value and place in the totals. The true value at some moment is `value` plus what the counted
/// quantity grew since `mark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counter {
    /// Bits above the width are always 0.
    pub(crate) value: u64,
    /// The counted quantity when `value` was right.
    pub(crate) mark: u64,
}

impl Counter {
    /// Adds `n`; true iff there was a carry out of the highest bit.
    #[must_use]
    pub(crate) fn add(&mut self, n: u64, mask: u64) -> bool {
        let (sum, wrapped) = self.value.overflowing_add(n);
        self.value = sum & mask;
        wrapped || sum > mask
    }

    /// What is still to be added when the counted quantity stands at `total`. A quantity may fall
    /// behind the mark only between a WRMSR and its retirement (the mark already includes it), or
    /// where a timing model breaks the scalar model of `threshold`: both count nothing.
    pub(crate) fn due(&self, total: u64) -> u64 {
        total.saturating_sub(self.mark)
    }

    /// How much can be added before it carries, if it stood at `total`.
    pub(crate) fn room(&self, total: u64, mask: u64) -> u64 {
        (mask - self.value).saturating_sub(self.due(total))
    }
}

/// All ones in the lowest `width` bits (1 to 64).
pub(crate) const fn mask(width: u8) -> u64 {
    u64::MAX >> (64 - width)
}

/// What a write to the legacy alias stores: bits 31:0, with bit 31 extended to the width.
pub(crate) const fn sign_extended(value: u64, mask: u64) -> u64 {
    (value as u32).cast_signed() as i64 as u64 & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carry_is_reported_once_and_the_rest_stays() {
        let mut counter = Counter {
            value: mask(48) - 1,
            mark: 0,
        };
        assert!(!counter.add(1, mask(48)));
        assert_eq!(counter.value, mask(48));
        assert!(counter.add(3, mask(48)));
        assert_eq!(counter.value, 2);
        assert!(!counter.add(1, mask(48)));
    }

    #[test]
    fn a_carry_past_64_bits_is_a_carry_too() {
        let mut counter = Counter {
            value: mask(63),
            mark: 0,
        };
        assert!(counter.add(u64::MAX, mask(63)));
    }

    #[test]
    fn legacy_writes_take_32_bits_and_their_sign() {
        assert_eq!(sign_extended(0xffff_ff01_2345_6789, mask(48)), 0x2345_6789);
        assert_eq!(sign_extended(0xffff_ffff, mask(48)), mask(48));
        assert_eq!(sign_extended(0x8000_0000, mask(40)), 0xff_8000_0000);
        assert_eq!(sign_extended(0x8000_0000, mask(32)), 0x8000_0000);
    }

    #[test]
    fn room_is_what_fits_without_a_carry() {
        let counter = Counter {
            value: mask(48) - 10,
            mark: 100,
        };
        assert_eq!(counter.room(100, mask(48)), 10);
        assert_eq!(counter.room(104, mask(48)), 6);
        assert_eq!(counter.room(111, mask(48)), 0);
        assert_eq!(counter.room(99, mask(48)), 10);
    }
}
