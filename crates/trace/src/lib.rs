// SPDX-License-Identifier: GPL-2.0-only
//! Traces: a run as line text that git can show and a person can read (contract, section 7).
//!
//! A trace holds the scenario, machine and scheduler as they were, the image by its hash, the
//! decisions one a line with their three points, and how it ended. It holds nothing of the host
//! and no observation that a replay derives anew.
//!
//! ```text
//! pmusim-trace 1
//! image 6f3c...
//! begin scenario p4.toml
//! ...
//! end scenario
//! decision cpu0 pmi L | before write A.dup_count hit 1 in target | init_dup_master_v10+0x3c hit 1 | ordinal=1841 rip=0x101a2c
//! end count A row=init_dup_master window=A.master_count..A.dup_count
//! digest blake3:...
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod parse;
mod write;

pub use parse::TraceError;

/// Version of the format that this crate reads and writes.
pub const VERSION: u32 = 1;

/// A file inlined in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline {
    /// Name for errors; no path.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Where a decision's NMI comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The named sampling event overflows at the boundary.
    Pmi(String),
    /// It overflowed where it last counted; the PMI lands at the boundary.
    Late {
        /// The sampling event.
        event: String,
        /// Boundary at which the occurrences are delivered.
        occurs_at: u64,
    },
    /// An NMI of another source.
    External,
    /// The timer interrupt.
    Tick,
    /// Another CPU runs instead of this one.
    Preempt(usize),
}

/// A decision with its points. The exact one always exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// CPU.
    pub cpu: usize,
    /// What happens.
    pub kind: Kind,
    /// Semantic point in words: `before write A.dup_count hit 1 in target`.
    pub semantic: Option<String>,
    /// Code point in words: `init_dup_master_v10+0x3c hit 1`.
    pub code: Option<String>,
    /// The boundary.
    pub ordinal: u64,
    /// Address of the instruction it precedes.
    pub rip: u64,
}

/// What the run showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// By whose rule.
    pub oracle: String,
    /// Which event.
    pub event: String,
    /// The scheduler row that the boundary lies in, without its version; without a decision, that
    /// of the access that showed it.
    pub row: String,
    /// Last write before and first write after the boundary, in words; `-` where there is none.
    /// Without a decision, `at` and the function that the access lies in, and `-`.
    pub window: (String, String),
}

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// blake3 of the guest's ELF, in hexadecimal.
    pub image: String,
    /// The scenario.
    pub scenario: Inline,
    /// The machine.
    pub machine: Inline,
    /// The scheduler, complete in itself.
    pub scheduler: Inline,
    /// Decisions in order.
    pub decisions: Vec<Decision>,
    /// Findings that the run without decisions lacks, sorted; those of the run itself if there is no
    /// decision. Empty for a clean run.
    pub verdicts: Vec<Verdict>,
    /// Digest of the state at the end.
    pub digest: String,
}
