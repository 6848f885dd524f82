// SPDX-License-Identifier: GPL-2.0-only
//! From a scenario to a machine, and everything that is done with machines by the hundred
//! thousand: run, sweep, judge, replay.
//!
//! The only room that makes threads. It prints nothing and opens no file.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod aim;
pub mod assemble;
mod bisect;
mod execute;
mod expand;
mod findings;
pub mod flat;
mod footprint;
mod fuzz;
mod inject;
mod known;
mod path;
pub mod paths;
mod prepare;
mod record;
mod recorded;
mod replay;
mod resolve;
mod rig;
mod search;
mod setup;
mod shrink;
mod sweep;
mod throughput;
mod user_page;
mod verdict;
mod window;
mod worker;

pub use aim::{aimed, sources_at};
pub use bisect::{Bisect, BisectError, Change, Hunks, Question};
pub use execute::{Execution, Run, execute};
pub use findings::outcome_name;
pub use fuzz::{
    Budget, Campaign, Found as FuzzFound, FuzzTerms, Rigs, Small, Strategy, Totals, join_features,
};
pub use inject::injections;
pub use known::KnownFindings;
pub use prepare::{PrepareError, Prepared, hardware, prepare};
pub use record::{Files, record};
pub use recorded::Recorded;
pub use replay::{Replay, ReplayError, ReplayWindow, replay};
pub use resolve::ResolveError;
pub use rig::Rig;
pub use search::{Found, Level, Search, Space, Terms, search_key, sources, text_hash};
pub use setup::{RUN_LIMIT, Setup};
pub use shrink::{Shrink, ShrinkError, Shrunk, Signature, Size};
pub use sweep::{Bad, Plan, Progress, Source, Sweep, SweepError, Window, check_end, sweep};
pub use throughput::throughput;
pub use verdict::{Mismatch, Verdict, judge_run, judge_sweep, words};
pub use window::{Clock, Rates};
