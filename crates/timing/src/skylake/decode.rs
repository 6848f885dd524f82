// SPDX-License-Identifier: GPL-2.0-only
//! Decoders and microcode sequencer: from the instruction queue to the decode queue.
//!
//! Four decoders, the first takes what has more than one uop; at most four instructions and five
//! uops a cycle. What has more than four uops goes on in the microcode sequencer, four a cycle,
//! with a cycle lost before and after.

use super::lower::Lowered;
use super::predecode::Predecode;
use super::trace::Executed;
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
#[derive(Debug, Default)]
pub struct Decode {
    /// Entries waiting for rename.
    pub queue: VecDeque<Decoded>,
    /// Instruction in the microcode sequencer, its next entry, cycles to wait.
    sequencer: Option<(usize, u16)>,
    wait: u32,
}

impl Decode {
    /// One cycle.
    pub fn cycle(
        &mut self,
        now: u64,
        code: &[Lowered],
        trace: &[Executed],
        predecode: &mut Predecode,
    ) {
        if self.queue.len() + FREE > QUEUE {
            return;
        }
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        if let Some((instruction, at)) = self.sequencer {
            let lowered = &code[trace[instruction].code as usize];
            let end = lowered.entries.len().min(usize::from(at) + MICROCODE_WIDTH);
            self.deliver(now, instruction, usize::from(at)..end);
            self.sequencer = Some((instruction, end as u16));
            if end == lowered.entries.len() {
                self.sequencer = None;
                self.wait = 1;
            }
            return;
        }
        let (mut decoders, mut uops) = (DECODERS, UOPS);
        let mut first = true;
        while decoders > 0 {
            let Some(&(instruction, ready)) = predecode.queue.front() else {
                break;
            };
            let lowered = &code[trace[instruction].code as usize];
            if ready > now || lowered.fuses && predecode.queue.len() < 2 {
                break;
            }
            let many = lowered.decoded > 1 || lowered.microcode > 0 || lowered.complex;
            if many && !first || u32::from(lowered.decoded) > uops {
                break;
            }
            predecode.queue.pop_front();
            let entries = lowered.entries.len();
            if lowered.microcode > 0 {
                let now_delivered = usize::from(lowered.decoded).min(entries);
                self.deliver(now, instruction, 0..now_delivered);
                if now_delivered < entries {
                    self.sequencer = Some((instruction, now_delivered as u16));
                    self.wait = 1;
                }
                return;
            }
            self.deliver(now, instruction, 0..entries);
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

    /// Nothing left to rename.
    #[must_use]
    pub fn done(&self) -> bool {
        self.queue.is_empty() && self.sequencer.is_none()
    }
}
