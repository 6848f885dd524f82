// SPDX-License-Identifier: GPL-2.0-only
//! Throughput of a basic block by the BHive protocol.
//!
//! The block is laid out in copies, the first byte at 31 mod 64; what is reported is the
//! difference between 200 and 100 copies: cycles per 100 iterations.
//!
//! To score a file of measured blocks (`hex,measured`):
//! `cargo run --release -p timing --example throughput -- FILE > predicted.csv`.

use super::form::Table;
use super::functional::Functional;
use super::lower::{Lowered, Lowering};
use super::pipeline::Pipeline;
use super::trace::Executed;
use iced_x86::{Decoder, DecoderOptions, Instruction};
use std::fmt;

/// Page offset of the first byte.
const START: u64 = 0x1df;
/// Copies of the longer run.
const COPIES: usize = 200;
/// Cycles an instruction may take on average.
const MOST_CYCLES: u64 = 2000;
/// The published values are that much below the steady state, at every size.
const OFFSET: f64 = 2.0;

/// Why a block has no prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing there.
    Empty,
    /// Not hexadecimal.
    NotHex,
    /// No instruction at this byte.
    Undecodable(usize),
    /// More cycles than any instruction explains: a fault of the model.
    TooLong,
    /// The table has no such form.
    NoForm(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty block"),
            Self::TooLong => f.write_str("the model does not come to an end"),
            Self::NotHex => f.write_str("not hexadecimal"),
            Self::Undecodable(at) => write!(f, "no instruction at byte {at}"),
            Self::NoForm(text) => write!(f, "no timing for: {text}"),
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
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(Refusal::NotHex);
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).map_err(|_| Refusal::NotHex))
        .collect()
}

/// Predicts cycles per 100 iterations.
///
/// # Errors
/// The block cannot be predicted.
pub fn predict(table: &Table, block: &[u8]) -> Result<f64, Refusal> {
    let mut decoder = Decoder::with_ip(64, block, START, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    let mut lowering = Lowering::new(table);
    let mut code: Vec<Lowered> = Vec::new();
    while decoder.can_decode() {
        let at = decoder.position();
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Err(Refusal::Undecodable(at));
        }
        let bytes = &block[at..at + instruction.len()];
        let lowered = lowering
            .lower(&instruction, bytes)
            .ok_or_else(|| Refusal::NoForm(format!("{:?}", instruction.code())))?;
        instructions.push(instruction);
        code.push(lowered);
    }
    if code.is_empty() {
        return Err(Refusal::Empty);
    }
    let trace = trace(&instructions, &code);
    let mut pipeline = Pipeline::new(&code, &trace);
    pipeline.warm(super::functional::STACK);
    if !pipeline.run(MOST_CYCLES * trace.len() as u64) {
        return Err(Refusal::TooLong);
    }
    let end = |copies: usize| pipeline.retired[copies * code.len() - 1];
    let cycles = (end(COPIES) - end(COPIES / 2)) as f64;
    Ok((cycles - OFFSET).max(cycles / 2.0))
}

/// The executed copies.
fn trace(instructions: &[Instruction], code: &[Lowered]) -> Vec<Executed> {
    let mut trace = Vec::with_capacity(instructions.len() * COPIES);
    let mut functional = Functional::new(instructions);
    let mut at = START;
    for _ in 0..COPIES {
        for (i, lowered) in code.iter().enumerate() {
            let next = at + u64::from(lowered.len);
            trace.push(Executed {
                code: i as u32,
                at,
                taken: false,
                memory: functional.execute(i, next),
            });
            at = next;
        }
    }
    trace
}
