// SPDX-License-Identifier: GPL-2.0-only
//! Predecoder: one aligned 16-byte block a cycle, at most five instructions a cycle.
//!
//! An instruction belongs to the block in which it ends. One that begins its opcode here and ends
//! in the next block counts for the limit of five too. Length-changing prefixes cost three cycles
//! each, less what the block before took beyond its first cycle.

use super::events::{Event, Events};
use super::trace::Feed;
use std::collections::VecDeque;

/// Instructions a cycle.
const WIDTH: u32 = 5;
/// Entries of the instruction queue.
const QUEUE: usize = 25;
/// Cycles from the predecoder to the decoders.
const TO_DECODE: u64 = 3;
/// Cycles a length-changing prefix costs.
const LENGTH_CHANGE: u32 = 3;

/// Predecoder and instruction queue.
#[derive(Debug, Clone, Default)]
pub struct Predecode {
    /// Next instruction to fetch.
    pub next: usize,
    /// Instructions still to come from the current block, cycles and stalls left for it.
    left: u32,
    cycles: u32,
    stall: u32,
    block: u64,
    /// Cycles of the block before.
    before: u32,
    /// The next block follows the current one.
    started: bool,
    /// (instruction, first cycle in which a decoder may take it).
    pub queue: VecDeque<(usize, u64)>,
}

impl Predecode {
    /// Between two blocks of which the second does not follow the first: another source of uops
    /// may take over here.
    #[must_use]
    pub const fn at_start(&self) -> bool {
        self.cycles == 0 && !self.started
    }

    /// Instructions it holds.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Fetch goes on at the next instruction, wherever that is.
    pub const fn restart(&mut self) {
        self.started = false;
    }

    /// One cycle.
    pub fn cycle(&mut self, now: u64, feed: &Feed, events: &mut Events) {
        if self.cycles == 0 && !self.enter(feed) {
            return;
        }
        if self.stall > 0 {
            self.stall -= 1;
            events.add(Event::LengthChangeStalls, 1);
            return;
        }
        if self.queue.len() + WIDTH as usize > QUEUE {
            return;
        }
        for _ in 0..self.left.min(WIDTH) {
            self.queue.push_back((self.next, now + TO_DECODE));
            self.next += 1;
            self.left -= 1;
        }
        self.cycles -= 1;
    }

    /// Looks at the next block; false when there is no instruction.
    fn enter(&mut self, feed: &Feed) -> bool {
        if self.next >= feed.pushed {
            return false;
        }
        self.block = if self.started {
            self.block + 1
        } else {
            feed.at(self.next).at >> 4
        };
        self.started = true;
        let (mut ends, mut opens, mut changes) = (0, 0, 0);
        for n in self.next..feed.pushed {
            let executed = feed.at(n);
            let lowered = &feed.code[executed.code as usize];
            let last = (executed.at + u64::from(lowered.len) - 1) >> 4;
            let opcode = (executed.at + u64::from(lowered.opcode_at)) >> 4;
            if lowered.length_changing && opcode == self.block {
                changes += 1;
            }
            if last > self.block {
                opens = u32::from(opcode == self.block);
                break;
            }
            ends += 1;
            if executed.taken || executed.mispredicted {
                self.started = false;
                break;
            }
        }
        self.left = ends;
        self.stall = (LENGTH_CHANGE * changes).saturating_sub(self.before.saturating_sub(1));
        self.cycles = (ends + opens).div_ceil(WIDTH).max(1);
        self.before = self.cycles;
        true
    }
}
