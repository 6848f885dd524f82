// SPDX-License-Identifier: GPL-2.0-only
//! CPUs, memory, PMU, local APIC and NMI injector put together, and the step loop.
//!
//! Read [`step`] first: it is the whole life of a machine. Everything that is not the guest's own
//! doing comes through one [`Chooser`]; everything that happens can be watched through one
//! [`Observer`]. A run is a pure function of image, programs, hardware, rows and decisions.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod apic;
mod bus;
mod chooser;
mod core;
mod cpuid;
mod digest;
mod machine;
mod model;
mod objects;
mod observer;
mod program;
pub mod step;
mod stop;
mod suffix;

pub use apic::Apic;
pub use chooser::{Chooser, Decision, Entry, Ordinal, Schedule};
pub use core::Core;
pub use cpu::AccessKind;
pub use digest::Digest;
pub use machine::{Hardware, Machine, SetupError, Snapshot, Timing};
pub use model::Model;
pub use objects::{Object, ObjectId, Objects};
pub use observer::{GuestEvent, InterruptFrame, NmiFrame, ObjectAccess, Observer, Outcome, View};
pub use program::{Action, Look, Program, StepMark};
pub use step::{Until, access_word};
pub use stop::{End, Failure, Reason};
pub use suffix::Suffix;
