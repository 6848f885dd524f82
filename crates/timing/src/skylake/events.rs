// SPDX-License-Identifier: GPL-2.0-only
//! What the pipeline counts.

pub use abi::totals::HwEvent as Event;

/// Counts by event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events([u64; Event::COUNT]);

impl Default for Events {
    fn default() -> Self {
        Self([0; Event::COUNT])
    }
}

impl Events {
    /// `n` more.
    #[inline]
    pub const fn add(&mut self, event: Event, n: u64) {
        self.0[event as usize] += n;
    }

    /// A uop left through a port.
    #[inline]
    pub const fn dispatched(&mut self, port: u8) {
        self.0[Event::Port0 as usize + port as usize] += 1;
        self.0[Event::UopsExecuted as usize] += 1;
    }

    /// How many.
    #[must_use]
    #[inline]
    pub const fn get(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    /// Uops dispatched through port `n` (0 to 7).
    #[must_use]
    pub const fn port(&self, n: usize) -> u64 {
        self.0[Event::Port0 as usize + n]
    }

    /// All counts in the order of [`Event`].
    #[must_use]
    pub const fn words(&self) -> &[u64; Event::COUNT] {
        &self.0
    }
}
