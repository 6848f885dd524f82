// SPDX-License-Identifier: GPL-2.0-only
//! Branch prediction: direction, target, return stack.
//!
//! Intel does not publish its predictor. This one is of the published kind that Skylake is
//! commonly taken for: a table of two-bit counters by address, a second one by address and global
//! history, and a third one that says which of the two to believe (McFarling 1993); 4,096 branch
//! targets; targets of indirect jumps also by history; 16 return addresses.

const DIRECTIONS: usize = 1 << 14;
const TARGETS: usize = 1 << 12;
const RETURNS: usize = 16;
const HISTORY_BITS: u32 = 14;
/// Taken branches that the front end follows without losing a cycle.
const HOT: usize = 128;

/// What kind of branch retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Conditional, direct.
    Conditional,
    /// Unconditional, direct.
    Direct,
    /// Its target is in a register or in memory.
    Indirect,
    /// A direct call.
    Call,
    /// An indirect call.
    IndirectCall,
    /// RET.
    Return,
}

/// What the front end paid for a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The wrong path was taken until the branch executed.
    pub mispredicted: bool,
    /// Cycles until the right target was known otherwise.
    pub bubble: u8,
}

/// Predictor state.
#[derive(Debug, Clone)]
pub struct Predictor {
    by_address: Vec<u8>,
    by_history: Vec<u8>,
    believe_history: Vec<u8>,
    /// (branch, target) by address.
    targets: Vec<(u64, u64)>,
    /// Targets of indirect jumps by address and history.
    indirect: Vec<u64>,
    returns: [u64; RETURNS],
    top: usize,
    history: u64,
    hot: [u64; HOT],
}

impl Default for Predictor {
    fn default() -> Self {
        Self {
            by_address: vec![1; DIRECTIONS],
            by_history: vec![1; DIRECTIONS],
            believe_history: vec![1; DIRECTIONS],
            targets: vec![(u64::MAX, 0); TARGETS],
            indirect: vec![0; TARGETS],
            returns: [0; RETURNS],
            top: 0,
            history: 0,
            hot: [u64::MAX; HOT],
        }
    }
}

/// Cycles until the decoders correct the front end about a direct branch that it did not know
/// (BACLEAR: 9, Intel's perfmon metrics).
const DECODED_LATE: u8 = 9;

fn count(counter: &mut u8, up: bool) {
    *counter = if up {
        (*counter + 1).min(3)
    } else {
        counter.saturating_sub(1)
    };
}

impl Predictor {
    /// A branch at `at` of `len` bytes went to `target`, or on if it was not `taken`.
    pub fn retire(&mut self, kind: Branch, at: u64, len: u64, taken: bool, target: u64) -> Outcome {
        let mut outcome = Outcome::default();
        if kind == Branch::Conditional {
            outcome.mispredicted = self.direction(at, taken) != taken;
        }
        match kind {
            Branch::Call | Branch::IndirectCall => {
                self.returns[self.top % RETURNS] = at + len;
                self.top += 1;
            }
            Branch::Return => {
                self.top = self.top.wrapping_sub(1);
                outcome.mispredicted = self.returns[self.top % RETURNS] != target;
            }
            _ => {}
        }
        if matches!(kind, Branch::Indirect | Branch::IndirectCall) {
            let slot = &mut self.indirect[(at ^ self.history << 3) as usize % TARGETS];
            outcome.mispredicted = std::mem::replace(slot, target) != target;
        }
        if taken {
            let slot = &mut self.targets[at as usize % TARGETS];
            let known = *slot == (at, target);
            *slot = (at, target);
            let direct = matches!(kind, Branch::Conditional | Branch::Direct | Branch::Call);
            let hot = &mut self.hot[at as usize % HOT];
            if direct && !known {
                outcome.bubble = DECODED_LATE;
            } else if *hot != at {
                outcome.bubble = 1;
            }
            *hot = at;
        }
        if kind != Branch::Conditional && taken {
            self.remember(target >> 2 & 1 != 0);
        }
        if outcome.mispredicted {
            outcome.bubble = 0;
        }
        outcome
    }

    fn remember(&mut self, bit: bool) {
        self.history = (self.history << 1 | u64::from(bit)) & ((1 << HISTORY_BITS) - 1);
    }

    /// The predicted direction; learns the true one.
    fn direction(&mut self, at: u64, taken: bool) -> bool {
        let plain = (at ^ at >> 14) as usize % DIRECTIONS;
        let mixed = (at ^ at >> 14 ^ self.history) as usize % DIRECTIONS;
        let local = self.by_address[plain] >= 2;
        let global = self.by_history[mixed] >= 2;
        let believed = self.believe_history[plain] >= 2;
        if local != global {
            count(&mut self.believe_history[plain], global == taken);
        }
        count(&mut self.by_address[plain], taken);
        count(&mut self.by_history[mixed], taken);
        self.remember(taken);
        if believed { global } else { local }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misses(pattern: &[bool], rounds: usize) -> usize {
        let mut predictor = Predictor::default();
        let mut late = 0;
        for round in 0..rounds {
            for &taken in pattern {
                let outcome = predictor.retire(Branch::Conditional, 0x1000, 2, taken, 0x900);
                late += usize::from(outcome.mispredicted && round >= rounds / 2);
            }
        }
        late
    }

    #[test]
    fn patterns_are_learned_and_noise_is_not() {
        assert_eq!(misses(&[true], 50), 0);
        assert_eq!(misses(&[true, false], 50), 0);
        assert_eq!(misses(&[true, true, false, true, false], 50), 0);
        let mut state = 7_u32;
        let noise: Vec<bool> = (0..4000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 31 != 0
            })
            .collect();
        let missed = misses(&noise, 1);
        assert!(missed > 1000, "{missed}");
    }

    #[test]
    fn returns_and_indirect_jumps() {
        let mut predictor = Predictor::default();
        for _ in 0..3 {
            predictor.retire(Branch::Call, 0x100, 5, true, 0x200);
            let back = predictor.retire(Branch::Return, 0x210, 1, true, 0x105);
            assert!(!back.mispredicted);
        }
        let last = |p: &mut Predictor, to| p.retire(Branch::Indirect, 0x300, 2, true, to);
        for _ in 0..20 {
            last(&mut predictor, 0x400);
        }
        assert!(!last(&mut predictor, 0x400).mispredicted);
        assert!(last(&mut predictor, 0x500).mispredicted);
    }
}
