// SPDX-License-Identifier: GPL-2.0-only
//! What happened to each instruction, for explanations and for the cycles of single instructions.

/// A step in an instruction's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its first slot was renamed.
    Renamed,
    /// A uop of it left through a port.
    Dispatched {
        /// The port.
        port: u8,
        /// Cycle in which its result is there.
        done: u64,
    },
    /// It retired.
    Retired,
}

/// A note: instruction, step, cycle.
pub type Note = (usize, Stage, u64);

/// Notes in the order of their making.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The notes.
    pub notes: Vec<Note>,
    /// Note retirements only.
    pub retirements: bool,
}

impl Log {
    /// A log of retirements only.
    #[must_use]
    pub fn retirements() -> Self {
        Self {
            notes: Vec::new(),
            retirements: true,
        }
    }

    pub(super) fn note(&mut self, instruction: usize, stage: Stage, cycle: u64) {
        if !self.retirements || stage == Stage::Retired {
            self.notes.push((instruction, stage, cycle));
        }
    }
}
