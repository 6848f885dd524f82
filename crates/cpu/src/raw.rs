// SPDX-License-Identifier: GPL-2.0-only
//! The only unsafe code of this crate: two index checks that the surrounding checks imply, on the
//! path of every instruction. Measured with `examples/mips.rs`.

use crate::memory::{GRANULE, GRANULE_SHIFT};
use crate::word::Word;
use abi::totals::{HwEvent, Ring, Totals};

/// Bytes of memory and one byte of fast bits for each granule of them.
#[derive(Clone)]
pub(crate) struct Store {
    // Invariant: `bytes.len() == fast.len() * GRANULE`; neither ever changes its length.
    bytes: Vec<u8>,
    fast: Vec<u8>,
    // Empty until it is needed, then as long as `fast`.
    hidden: Vec<u8>,
}

impl Store {
    /// All zero.
    pub(crate) fn new(granules: usize) -> Self {
        Self {
            bytes: vec![0; granules * GRANULE],
            fast: vec![0; granules],
            hidden: Vec::new(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn fast_mut(&mut self) -> &mut [u8] {
        &mut self.fast
    }

    /// Puts the fast bits aside for a table in which nothing is fast, or fetches them back.
    pub(crate) fn exchange(&mut self) {
        if self.hidden.is_empty() {
            self.hidden = vec![0; self.fast.len()];
        }
        std::mem::swap(&mut self.fast, &mut self.hidden);
    }

    /// The table that [`Store::exchange`] put aside.
    pub(crate) fn hidden_mut(&mut self) -> &mut [u8] {
        &mut self.hidden
    }

    /// Index of an access that the granule's fast bits in `mask` allow and that stays in it.
    #[inline(always)]
    fn index<W: Word>(&self, addr: u64, mask: u8) -> Option<usize> {
        let fast = *self.fast.get((addr >> GRANULE_SHIFT) as usize)?;
        let at = addr as usize;
        (fast & mask != 0 && at % GRANULE <= GRANULE - W::SIZE).then_some(at)
    }

    /// Reads if the granule's fast bits in `mask` allow it and the access stays in it.
    #[inline(always)]
    pub(crate) fn peek<W: Word>(&self, addr: u64, mask: u8) -> Option<W> {
        let at = self.index::<W>(addr, mask)?;
        // SAFETY: granule `at / GRANULE` exists in `fast`, so all its bytes exist in `bytes`, and
        // `at % GRANULE + W::SIZE <= GRANULE` keeps the range inside it.
        Some(W::from_le(unsafe {
            self.bytes.get_unchecked(at..at.wrapping_add(W::SIZE))
        }))
    }

    /// The bytes to overwrite if the granule's fast bits in `mask` allow it.
    #[inline(always)]
    pub(crate) fn slot<W: Word>(&mut self, addr: u64, mask: u8) -> Option<&mut [u8]> {
        let at = self.index::<W>(addr, mask)?;
        // SAFETY: as in `peek`.
        Some(unsafe { self.bytes.get_unchecked_mut(at..at.wrapping_add(W::SIZE)) })
    }
}

/// Where the totals of a ring begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row(
    // Invariant: 0 or `HwEvent::COUNT`.
    usize,
);

impl Row {
    /// Totals of the kernel.
    pub(crate) const KERNEL: Self = Self(0);
    /// Totals of CPL 1 to 3.
    pub(crate) const USER: Self = Self(HwEvent::COUNT);

    /// The ring whose totals these are.
    pub(crate) const fn ring(self) -> Ring {
        if self.0 == 0 {
            Ring::Kernel
        } else {
            Ring::User
        }
    }

    /// Adds one occurrence.
    #[inline(always)]
    pub(crate) fn count(self, totals: &mut Totals, event: HwEvent) {
        let index = self.0 + event as usize;
        // SAFETY: `event as usize < COUNT` and the table has `2 * COUNT` entries.
        let slot = unsafe { totals.0.as_flattened_mut().get_unchecked_mut(index) };
        *slot = slot.wrapping_add(1);
    }
}
