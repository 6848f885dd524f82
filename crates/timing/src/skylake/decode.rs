// SPDX-License-Identifier: GPL-2.0-only
//! Decoders and microcode sequencer: from the instruction queue to the decode queue.
//!
//! Four decoders, the first takes what has more than one uop; at most four instructions and five
//! uops a cycle. What has more than four uops goes on in the microcode sequencer, four a cycle,
//! with a cycle lost before and after.

use super::dsb::Dsb;
use super::events::{Event, Events};
use super::predecode::Predecode;
use super::trace::Feed;
use std::collections::VecDeque;

/// Entries of the decode queue.
const QUEUE: usize = 64;
/// The front end waits unless that many are free.
const FREE: usize = 6;
const DECODERS: u32 = 4;
const UOPS: u32 = 5;
const MICROCODE_WIDTH: usize = 4;

/// A queue entry of an instruction.
#[derive(Debug, Clone, Copy)]
pub struct Decoded {
    /// Instruction in the trace.
    pub instruction: usize,
    /// Its entry.
    pub entry: u16,
    /// First cycle in which it may be renamed.
    pub ready: u64,
}

/// Decoders and decode queue.
#[derive(Debug, Clone, Default)]
pub struct Decode {
    /// Entries waiting for rename.
    pub queue: VecDeque<Decoded>,
    /// Instruction in the microcode sequencer, its next entry, cycles to wait.
    sequencer: Option<(usize, u16)>,
    wait: u32,
}

impl Decode {
    /// The queue cannot take a cycle's uops.
    #[must_use]
    pub fn full(&self) -> bool {
        self.queue.len() + FREE > QUEUE
    }

    /// The microcode sequencer has the way to the queue.
    #[must_use]
    pub const fn busy(&self) -> bool {
        self.wait > 0 || self.sequencer.is_some()
    }

    /// A cycle of the microcode sequencer; false if it has nothing to do.
    pub fn microcode(&mut self, now: u64, feed: &Feed, events: &mut Events) -> bool {
        if self.wait > 0 {
            self.wait -= 1;
            return true;
        }
        let Some((instruction, at)) = self.sequencer else {
            return false;
        };
        let lowered = feed.lowered(instruction);
        let end = lowered.entries.len().min(usize::from(at) + MICROCODE_WIDTH);
        self.deliver(now, instruction, usize::from(at)..end);
        events.add(Event::MsUops, (end - usize::from(at)) as u64);
        self.sequencer = Some((instruction, end as u16));
        if end == lowered.entries.len() {
            self.sequencer = None;
            self.wait = 1;
        }
        true
    }

    /// An instruction's entries go to the queue; the rest comes from the microcode sequencer, after
    /// `switch` cycles. The number of entries that went.
    pub fn take(&mut self, now: u64, instruction: usize, feed: &Feed, switch: u32) -> usize {
        let lowered = feed.lowered(instruction);
        let entries = lowered.entries.len();
        if lowered.microcode == 0 {
            self.deliver(now, instruction, 0..entries);
            return entries;
        }
        let first = usize::from(lowered.decoded).min(entries);
        self.deliver(now, instruction, 0..first);
        if first < entries {
            self.sequencer = Some((instruction, first as u16));
            self.wait = switch;
        }
        first
    }

    /// One cycle of the decoders.
    pub fn cycle(
        &mut self,
        now: u64,
        feed: &Feed,
        predecode: &mut Predecode,
        dsb: Option<&mut Dsb>,
        events: &mut Events,
    ) {
        let (mut decoders, mut uops) = (DECODERS, UOPS);
        let mut first = true;
        let mut dsb = dsb;
        while decoders > 0 {
            let Some(&(instruction, ready)) = predecode.queue.front() else {
                break;
            };
            let executed = feed.at(instruction);
            let lowered = &feed.code[executed.code as usize];
            let last = instruction + 1 == feed.pushed;
            // The last decoder of a group cannot know whether a jump follows.
            let unsure = lowered.fuses != 0 && decoders == 1 && predecode.queue.len() < 2;
            if ready > now || unsure && !last {
                break;
            }
            let many = lowered.decoded > 1 || lowered.microcode > 0 || lowered.complex;
            if many && !first || u32::from(lowered.decoded) > uops {
                break;
            }
            predecode.queue.pop_front();
            if executed.fused {
                // The jump is part of the same uop.
                predecode.queue.pop_front();
            }
            let taken = self.take(now, instruction, feed, 1);
            events.add(Event::MiteUops, taken as u64);
            if let Some(dsb) = dsb.as_deref_mut() {
                let taken = feed.at(instruction + usize::from(executed.fused)).taken;
                dsb.decoded(executed.at, lowered, taken);
            }
            if lowered.microcode > 0 {
                return;
            }
            uops -= u32::from(lowered.decoded);
            decoders -= 1;
            if many {
                decoders = decoders.min(u32::from(lowered.beside));
            }
            first = false;
            if lowered.branch {
                break;
            }
        }
    }

    fn deliver(&mut self, now: u64, instruction: usize, entries: std::ops::Range<usize>) {
        for entry in entries {
            self.queue.push_back(Decoded {
                instruction,
                entry: entry as u16,
                ready: now + 1,
            });
        }
    }
}
