// SPDX-License-Identifier: GPL-2.0-only
//! Random choices whose stream is stable: ChaCha with 8 rounds, one stream for each case, and no
//! distribution of a library, since those may change between versions.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A stream of choices.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    /// Choices that somebody else makes, taken from the end; they come first.
    given: Vec<u8>,
    stream: ChaCha8Rng,
}

impl Dice {
    /// The choices of case `stream` of a campaign.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut chacha = ChaCha8Rng::from_seed(key);
        chacha.set_stream(stream);
        Self {
            given: Vec::new(),
            stream: chacha,
        }
    }

    /// Choices by two bytes each, and by a fixed stream when there are no more.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            given: bytes.iter().rev().copied().collect(),
            ..Self::new(0, 0)
        }
    }

    /// A number from 0 up to but not including 2^64, all alike likely.
    fn draw(&mut self) -> u64 {
        match (self.given.pop(), self.given.pop()) {
            (Some(high), low) => u64::from(u16::from_be_bytes([high, low.unwrap_or(0)])) << 48,
            (None, _) => self.stream.next_u64(),
        }
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.draw()) * n.max(1) as u128;
        (wide >> 64) as usize
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    /// One of them; `None` if there is none.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() {
            return None;
        }
        list.get(self.below(list.len()))
    }

    /// A position, each as likely as its weight says; `None` if all are 0.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = u64>) -> Option<usize> {
        self.of_sums(&sums(weights), 0)
    }

    /// The same with the sums of the weights, from position `from` on.
    pub(crate) fn of_sums(&mut self, sums: &[u64], from: usize) -> Option<usize> {
        let before = from.checked_sub(1).map_or(0, |at| sums[at]);
        let all = sums.last()? - before;
        if all == 0 {
            return None;
        }
        let drawn = before + self.below(usize::try_from(all).unwrap_or(usize::MAX)) as u64;
        Some(sums.partition_point(|&sum| sum <= drawn))
    }
}

/// The sums of weights, each up to and with its own.
pub(crate) fn sums(weights: impl Iterator<Item = u64>) -> Vec<u64> {
    let add = |sum: &mut u64, weight: u64| {
        *sum += weight;
        Some(*sum)
    };
    weights.scan(0, add).collect()
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_stream_is_the_same_everywhere() {
        let mut dice = Dice::new(1, 2);
        let list: Vec<usize> = (0..8).map(|_| dice.below(1000)).collect();
        expect_test::expect!["[376, 109, 406, 261, 993, 901, 356, 941]"]
            .assert_eq(&format!("{list:?}"));
    }

    #[test]
    fn weights_of_nothing_give_nothing() {
        let mut dice = Dice::new(1, 2);
        assert_eq!(dice.weighted([0, 0].into_iter()), None);
        assert_eq!(dice.weighted([0, 3, 0].into_iter()), Some(1));
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert_eq!(dice.of_sums(&[5, 5, 6], 1), Some(2));
        assert_eq!(dice.of_sums(&[5, 5], 1), None);
    }
}
