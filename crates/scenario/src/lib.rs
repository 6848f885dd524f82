// SPDX-License-Identifier: GPL-2.0-only
//! The files people write: machines, schedulers, scenarios and the list of known findings; typed,
//! checked, with errors that point into the file.
//!
//! This crate is pure: it is handed texts and a [`Library`] that finds further texts by name, and
//! never opens a file. It knows the agreement with the guest (`abi`) and nothing of the machine.
//!
//! A file goes through two passes. The first (`walk`) takes the TOML tree apart key by key, the
//! second (`check`) resolves names and follows the programs. Both go on after an error, so that
//! one call reports everything that is wrong ([`Diagnostics`]).
//!
//! The tree is walked by hand because a derived reader stops at its first error. [`schema`] holds
//! the same shapes as derived types, from which the JSON schemas for editors are made; a test
//! holds the two together.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bank;
mod check;
mod check_tasks;
mod claims;
mod code;
mod coupling;
mod diagnostic;
mod event;
mod expect;
mod explain;
mod known;
mod library;
mod machine;
mod memory;
mod parse;
mod parse_event;
mod parse_expect;
mod parse_point;
mod point;
mod program;
mod scenario;
mod scheduler;
pub mod schema;
mod suggest;
mod walk;
mod write;
mod write_event;

pub use bank::PmuSpec;
pub use claims::{CLAIMS, Claim, Class, claim_of};
pub use code::Code;
pub use coupling::{COUPLINGS, Coupling};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Source};
pub use event::{Event, EventKind, OnOverflow, ReadFormat, TaskTarget};
pub use expect::{CausePattern, Expect, Oracle, Window};
pub use known::{Known, Reach, ReadGuard, parse_known};
pub use library::{Library, Resolved, Texts, machine_by_name, resolve, scheduler_by_name};
pub use machine::{FEATURES, Machine, Timing, Vendor, parse_machine};
pub use parse::parse_scenario;
pub use point::{Access, AccessKind, Point, Side};
pub use program::{Op, Program, Step, SwitchTarget};
pub use scenario::{Injection, NmiSource, Scenario, Sweep, limits};
pub use scheduler::{Scheduler, parse_scheduler};
pub use write::write_scenario;

/// The version of the file formats that this crate reads (the key `format`).
pub const FORMAT: u64 = 1;
