// SPDX-License-Identifier: GPL-2.0-only
//! Throughput of a basic block by the BHive protocol (Chen et al., IISWC 2019).
//!
//! The block is laid out in copies, the first byte at 31 mod 64; what is reported is the
//! difference between 200 and 100 copies: cycles per 100 iterations. `pmusim throughput` prints it
//! for a file of blocks and scores a file of measured ones.

use super::form::Table;
use super::functional::Functional;
use super::log::{Log, Stage};
use super::lower::{Lowered, Lowering};
use super::pipeline::Pipeline;
use super::trace::{Executed, Feed};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};
use std::collections::BTreeSet;
use std::fmt;

/// Page offset of the first byte.
const START: u64 = 0x1df;
/// Copies of the longer run.
pub(super) const COPIES: usize = 200;
/// Cycles an instruction may take on average.
const MOST_CYCLES: u64 = 10_000;
/// The published values are that much below the steady state, at every size.
const OFFSET: f64 = 2.0;
/// A block beyond that is no basic block of a program, and would take minutes.
const MOST_BYTES: usize = 1 << 16;
/// First-level data TLB entries.
const TLB_ENTRIES: usize = 64;

/// Why a block has no prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing there.
    Empty,
    /// Not hexadecimal.
    NotHex,
    /// More than 65,536 bytes.
    TooLarge,
    /// No instruction at this byte.
    Undecodable(usize),
    /// More cycles than any instruction explains: a fault of the model.
    TooLong,
    /// The table has no such form: not an instruction of this processor that programs can use.
    NoForm(String),
    /// Only an operating system may execute it.
    Privileged(String),
    /// It faults or traps in the harness's environment.
    Faults(String),
    /// It jumps out of the block.
    Leaves(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty block"),
            Self::TooLarge => f.write_str("more than 65536 bytes are no basic block"),
            Self::TooLong => f.write_str("the model does not come to an end"),
            Self::NotHex => f.write_str("not hexadecimal"),
            Self::Undecodable(at) => write!(f, "no instruction at byte {at}"),
            Self::NoForm(text) => write!(f, "no timing for `{text}` on Skylake"),
            Self::Privileged(text) => write!(f, "privileged instruction `{text}`"),
            Self::Faults(text) => write!(f, "`{text}` faults"),
            Self::Leaves(text) => write!(f, "`{text}` leaves the block"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The bytes of a line of hexadecimal digits.
///
/// # Errors
/// Something else than pairs of digits.
pub fn from_hex(text: &str) -> Result<Vec<u8>, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Empty);
    }
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::NotHex);
    }
    if text.len() > 2 * MOST_BYTES {
        return Err(Refusal::TooLarge);
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).map_err(|_| Refusal::NotHex))
        .collect()
}

/// What the model says of a block, and what kind of block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Cycles between the ends of copy 100 and copy 200.
    pub steady: u64,
    /// Instructions.
    pub instructions: usize,
    /// Loads and stores of an iteration.
    pub loads: usize,
    /// See `loads`.
    pub stores: usize,
    /// No vector, x87 or MMX register.
    pub scalar: bool,
    /// It has divisions or square roots.
    pub divides: bool,
    /// Loads meet stores that are still in flight.
    pub after_stores: bool,
    /// It touches more pages than the first-level TLB holds.
    pub walks: bool,
}

impl Prediction {
    /// Cycles per 100 iterations, as the harness publishes them: about two below the steady state.
    #[must_use]
    pub fn cycles(&self) -> f64 {
        let steady = self.steady as f64;
        (steady - OFFSET).max(steady / 2.0)
    }

    /// Cycles per 100 iterations that no Skylake can go below: four instructions, two loads and
    /// one store a cycle.
    #[must_use]
    pub fn bound(&self) -> f64 {
        let issue = self.instructions as f64 / 4.0;
        100.0 * issue.max(self.loads as f64 / 2.0).max(self.stores as f64)
    }
}

/// A block ready to be run: its instructions and what the pipeline makes of them.
pub(super) struct Block {
    pub(super) instructions: Vec<Instruction>,
    pub(super) code: Vec<Lowered>,
}

impl Block {
    pub(super) fn new(table: &Table, bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MOST_BYTES {
            return Err(Refusal::TooLarge);
        }
        let mut decoder = Decoder::with_ip(64, bytes, START, DecoderOptions::NONE);
        let mut lowering = Lowering::new(table);
        let mut block = Self {
            instructions: Vec::new(),
            code: Vec::new(),
        };
        while decoder.can_decode() {
            let at = decoder.position();
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                return Err(Refusal::Undecodable(at));
            }
            permitted(&instruction)?;
            let bytes = &bytes[at..at + instruction.len()];
            let lowered = lowering
                .lower(&instruction, bytes)
                .ok_or_else(|| Refusal::NoForm(instruction.to_string()))?;
            block.instructions.push(instruction);
            block.code.push(lowered);
        }
        if block.code.is_empty() {
            return Err(Refusal::Empty);
        }
        Ok(block)
    }

    /// The executed copies.
    pub(super) fn trace(&self) -> Result<Vec<Executed>, Refusal> {
        let mut trace = Vec::with_capacity(self.code.len() * COPIES);
        let mut functional = Functional::new(&self.instructions);
        let mut at = START;
        for _ in 0..COPIES {
            for (i, lowered) in self.code.iter().enumerate() {
                let next = at + u64::from(lowered.len);
                let memory = functional.execute(i, next);
                trace.push(Executed {
                    code: i as u32,
                    at,
                    taken: matches!(
                        self.instructions[i].flow_control(),
                        FlowControl::UnconditionalBranch | FlowControl::Call
                    ),
                    memory,
                    ..Executed::default()
                });
                at = next;
            }
            if let Some(i) = functional.divide_error {
                return Err(Refusal::Faults(self.instructions[i].to_string()));
            }
        }
        Ok(trace)
    }

    /// The pipeline after the copies went through it.
    pub(super) fn run(&self, trace: &[Executed], log: Log) -> Result<Pipeline, Refusal> {
        let mut feed = Feed::new(self.code.clone());
        let mut pipeline = Pipeline::new(false);
        pipeline.log = Some(log);
        // A run before left the translations in the second level; what the operating system does
        // between two runs leaves nothing of the first level but the stack's page.
        pipeline.use_page(0);
        pipeline.use_page(super::functional::STACK);
        for executed in trace {
            let operands = self.code[executed.code as usize].memory.len();
            for address in executed.memory.iter().take(operands) {
                pipeline.warm(address.linear);
            }
        }
        let most = MOST_CYCLES * trace.len() as u64;
        for executed in trace {
            feed.push(*executed);
            pipeline.advance(&feed);
            if pipeline.now() > most {
                return Err(Refusal::TooLong);
            }
        }
        if !pipeline.drain(&feed, most) {
            return Err(Refusal::TooLong);
        }
        Ok(pipeline)
    }

    pub(super) fn prediction(&self, trace: &[Executed], pipeline: &Pipeline) -> Prediction {
        let notes = pipeline.log.as_ref().map_or(&[][..], |log| &log.notes);
        let end = |copies: usize| {
            let last = copies * self.code.len() - 1;
            notes
                .iter()
                .rfind(|n| n.0 == last && n.1 == Stage::Retired)
                .map_or(0, |n| n.2)
        };
        let memory = || self.code.iter().flat_map(|c| &c.memory);
        let pages: BTreeSet<u64> = trace
            .iter()
            .flat_map(|e| {
                let operands = self.code[e.code as usize].memory.len();
                e.memory.iter().take(operands).map(|a| a.linear >> 12)
            })
            .take(1 << 16)
            .collect();
        Prediction {
            steady: end(COPIES) - end(COPIES / 2),
            instructions: self.code.len(),
            loads: memory().filter(|m| m.read).count(),
            stores: memory().filter(|m| m.write).count(),
            scalar: self.instructions.iter().all(scalar),
            divides: self
                .code
                .iter()
                .any(|c| c.uops.iter().any(|u| u.divider > 0)),
            after_stores: pipeline.after_stores > 0,
            walks: pages.len() > TLB_ENTRIES,
        }
    }
}

/// Predicts a block.
///
/// # Errors
/// The block cannot be predicted.
pub fn predict(table: &Table, bytes: &[u8]) -> Result<Prediction, Refusal> {
    let block = Block::new(table, bytes)?;
    let trace = block.trace()?;
    let pipeline = block.run(&trace, Log::retirements())?;
    Ok(block.prediction(&trace, &pipeline))
}

/// Whether a user program can execute it in a block.
fn permitted(instruction: &Instruction) -> Result<(), Refusal> {
    use Mnemonic as M;
    let text = || instruction.to_string();
    if instruction.is_privileged() {
        return Err(Refusal::Privileged(text()));
    }
    if matches!(
        instruction.mnemonic(),
        M::Ud0 | M::Ud1 | M::Ud2 | M::Int | M::Int1 | M::Int3 | M::Iret | M::Iretd | M::Iretq
    ) || instruction.op0_kind() == iced_x86::OpKind::Register
        && instruction.op0_register().is_segment_register()
        && instruction.mnemonic() != M::Push
    {
        // The harness has no selector that may be loaded.
        return Err(Refusal::Faults(text()));
    }
    let next = instruction.next_ip();
    let leaves = match instruction.flow_control() {
        FlowControl::Next | FlowControl::ConditionalBranch => false,
        FlowControl::UnconditionalBranch | FlowControl::Call
            if !matches!(instruction.mnemonic(), M::Syscall | M::Sysenter) =>
        {
            instruction.near_branch_target() != next
        }
        _ => true,
    };
    if leaves {
        return Err(Refusal::Leaves(text()));
    }
    Ok(())
}

fn scalar(instruction: &Instruction) -> bool {
    let vector = |r: Register| r.is_vector_register() || r.is_mm() || r.is_st();
    !(0..instruction.op_count()).any(|i| vector(instruction.op_register(i)))
        && !format!("{:?}", instruction.mnemonic()).starts_with('F')
}
