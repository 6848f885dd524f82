// SPDX-License-Identifier: GPL-2.0-only
//! Findings, sweeps and runs as text for people and as JSON.
//!
//! Each kind of report is a plain value ([`SweepReport`], [`RunReport`], ...) made from what
//! `explore` returned; its `human` method writes text with ANSI styles (whoever owns the terminal
//! strips them), [`json`] writes the value as JSON. Rendering is pure: it writes to the writer it
//! is given and knows no files, clocks or terminals, so equal results give equal bytes. JSON
//! holds no rates, durations, dates or host paths; human text is not a stable format.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bisect;
mod checked;
mod ci;
mod exec;
mod explain;
mod finding;
mod fuzz;
mod instruction;
mod json;
mod list;
mod matrix;
mod paths;
mod program;
mod reanchor;
mod replay;
mod run;
mod search;
mod shrink;
mod stat;
mod style;
mod sweep;
mod table;
mod throughput;

pub use bisect::{
    BisectReport, BoundaryAnswer, HunkAnswer, OperationAnswer, RowAnswer, VersionAnswer,
};
pub use checked::{CheckReport, CheckedFile, InputError};
pub use exec::{ExecReport, ExecStop, Flags, RegisterValues};
pub use explain::explanation;
pub use finding::{Finding, MismatchReport, mismatches};
pub use fuzz::{FuzzFinding, FuzzReport, JoinError};
pub use instruction::Instruction;
pub use json::{FORMAT, json};
pub use list::{ListItem, ListReport};
pub use matrix::{MatrixCell, MatrixClaim, MatrixReport, MatrixRow, Outcome};
pub use paths::{CountersHeld, FunctionPaths, Growth, OrderPaths, PathAnswer, PathsReport};
pub use program::{ProgramCounts, ProgramReport, ProgramStop};
pub use reanchor::ReanchorReport;
pub use replay::{ReplayReport, ReplayWindowReport};
pub use run::{Cell, RunReport, RunRow};
pub use search::{ExploreContext, ExploreReport, LevelReport, OutcomeReport, PointReport};
pub use shrink::{ShrinkReport, SizeAnswer};
pub use stat::{StatReport, StatRow};
pub use style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE, paint};
pub use sweep::{SweepContext, SweepReport, WidthReport, WindowReport};
pub use table::Table;
pub use throughput::{BlockRow, ClassScore, ScoreReport, ThroughputReport};
