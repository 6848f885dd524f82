// SPDX-License-Identifier: GPL-2.0-only
//! How often the oracles had something to judge: one that never had proves nothing.

use crate::violation::Oracle;

/// What a run gave the oracles to judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Armed {
    /// Values that readers emitted.
    pub values: u64,
    /// Stores to `hw.prev_count`: a counter was folded, or programmed.
    pub folds: u64,
    /// Stores to `state`.
    pub transitions: u64,
    /// Events that were freed.
    pub deaths: u64,
}

impl Armed {
    /// Takes over what another run gave.
    pub fn add(&mut self, other: &Self) {
        self.values += other.values;
        self.folds += other.folds;
        self.transitions += other.transitions;
        self.deaths += other.deaths;
    }

    /// The oracles that never had anything to judge, and why.
    #[must_use]
    pub fn idle(&self) -> Vec<(Oracle, &'static str)> {
        let no_value = "no value was read";
        [
            (Oracle::Count, self.values, no_value),
            (Oracle::Monotony, self.values, no_value),
            (Oracle::Ownership, self.folds, "no counter was folded"),
            (
                Oracle::State,
                self.transitions,
                "no event changed its state",
            ),
            (Oracle::Freed, self.deaths, "no event was freed"),
        ]
        .into_iter()
        .filter(|&(_, times, _)| times == 0)
        .map(|(oracle, _, why)| (oracle, why))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_named() {
        let armed = Armed {
            values: 1,
            folds: 2,
            transitions: 3,
            deaths: 0,
        };
        assert_eq!(armed.idle(), [(Oracle::Freed, "no event was freed")]);
        assert_eq!(Armed::default().idle().len(), 5);
    }
}
