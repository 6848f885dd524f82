// SPDX-License-Identifier: GPL-2.0-only
//! The x86-64 core and its memory.
//!
//! [`step()`] executes one instruction (or one iteration of a REP string instruction) of a [`Cpu`]
//! on a [`Memory`]; what lies outside both goes through a [`Bus`]. Instructions are decoded once
//! into compact ops kept in a [`DecodeCache`]. [`deliver`] brings NMIs and interrupts.
//!
//! Absent on purpose: page walks (memory is an identity map with permissions), compatibility and
//! real mode, segment limits, transcendental functions of the x87, MMX and AVX, and any knowledge of what counts events.
//! An instruction that is not implemented ends in [`Step::Stop`]; it is never skipped.
//!
//! Map: `decode` turns bytes into an [`op`](mod@op), `exec` holds one function for each form,
//! `cache` finds ops by address, `step` is the loop body, `event` delivers exceptions, `float` is
//! the arithmetic of SSE and the x87.
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod access;
mod bus;
mod cache;
mod cpu;
mod debug;
mod decode;
mod event;
mod exec;
mod features;
pub mod flags;
mod float;
mod memory;
mod op;
#[allow(unsafe_code, reason = "the one file; it says why")]
mod raw;
mod same;
mod segment;
mod step;
mod stop;
mod word;
mod x87;

pub use bus::{Bus, GeneralProtection, InvalidOpcode, NoBus, Unclaimed};
pub use cache::DecodeCache;
pub use cpu::{Cpu, RegName, Shadow};
pub use decode::{disassemble, is_implemented};
pub use event::{Event, can_take_interrupt, can_take_nmi, deliver};
pub use features::Features;
pub use float::extended::Extended;
pub use memory::{Access, AccessKind, GRANULE, Mark, Memory, OutOfRange, PAGE, Perm, SIZE_MAX};
pub use segment::{Segment, Segments, TableRegister, TaskRegister, flat_gdt, interrupt_gate};
pub use step::{Ran, Step, run, step, step_over_watch};
pub use stop::Stop;
pub use x87::X87;
