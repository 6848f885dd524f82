// SPDX-License-Identifier: GPL-2.0-only
//! The model `skylake`: an out-of-order core, cycle by cycle.
//!
//! It consumes what retires, with true addresses; wrong paths are not simulated. Units in pipeline
//! order: [`predecode`] (16-byte blocks), [`decode`] (four decoders, microcode), [`rename`] (four
//! wide; moves, zero idioms, stack engine), [`ports`] (choice at rename), [`scheduler`] (oldest
//! ready first), [`memory`] (store buffer and forwarding), [`tlb`], [`pipeline`] (the cycle).
//! [`form`] is the table of instruction forms, [`lower`] what the pipeline makes of one.
//!
//! Sources of the figures: Abel and Reineke, "uiCA" (ICS 2022) where not said otherwise.

pub mod bhive;
pub mod branch;
pub mod cache;
pub mod decode;
pub mod dsb;
pub mod events;
pub mod explain;
pub mod fetch;
pub mod form;
pub mod functional;
mod fuse;
mod issue;
pub mod log;
pub mod lower;
pub mod memory;
pub mod model;
pub mod names;
mod pair;
pub mod pipeline;
pub mod ports;
pub mod predecode;
pub mod rename;
pub mod resource;
pub mod scheduler;
pub mod tlb;
pub mod trace;
mod uops;
