// SPDX-License-Identifier: GPL-2.0-only
//! A violation, and a difference from what a file expects, as plain values.

use check::Violation;
use explore::Mismatch;
use machine::Machine;
use serde::Serialize;

use crate::instruction::Instruction;

/// What an oracle reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// By whose rule.
    pub oracle: String,
    /// Which event.
    pub event: String,
    /// What ought to be.
    pub expected: String,
    /// What was.
    pub got: String,
    /// What a tolerance allowed for.
    pub tolerated: Option<String>,
    /// Everything in one sentence.
    pub text: String,
    /// Boundary after the instruction that showed it.
    pub boundary: u64,
    /// Step of the program, from 1.
    pub step: Option<usize>,
    /// The instruction that showed it.
    pub at: Instruction,
}

impl Finding {
    /// A violation of a run of `machine`.
    #[must_use]
    pub fn new(machine: &Machine, violation: &Violation) -> Self {
        Self {
            oracle: violation.oracle.to_string(),
            event: violation.event.to_string(),
            expected: violation.expected.clone(),
            got: violation.got.clone(),
            tolerated: violation.tolerated.clone(),
            text: violation.to_string(),
            boundary: violation.at.ordinal,
            step: violation.at.step.map(|step| step + 1),
            at: Instruction::at(machine, violation.at.rip),
        }
    }
}

/// A difference between findings and expectations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MismatchReport {
    /// File of the expectation.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// The difference in words.
    pub text: String,
    /// Boundaries that it is about; empty when it is about none.
    pub boundaries: Vec<u64>,
}

/// The mismatches of a verdict. `file` and `line` are those of the `[expect.S]` table, for the
/// ones that are about no line of their own.
#[must_use]
pub fn mismatches(list: &[Mismatch], file: &str, line: u32) -> Vec<MismatchReport> {
    let report = |mismatch: &Mismatch| {
        let (line, boundaries) = match mismatch {
            Mismatch::Unexpected { boundaries, .. } => (line, boundaries.clone()),
            Mismatch::Missing { line, .. } => (*line, vec![]),
            Mismatch::Window { line, clean, .. } => (*line, clean.clone()),
            Mismatch::Failed { boundary, .. } => (line, boundary.iter().copied().collect()),
        };
        MismatchReport {
            file: file.to_owned(),
            line,
            text: mismatch.to_string(),
            boundaries,
        }
    };
    list.iter().map(report).collect()
}
