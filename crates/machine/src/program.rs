// SPDX-License-Identifier: GPL-2.0-only
//! The user program of a CPU as bytes, with the places where its steps begin.

use std::sync::Arc;

/// Code and data that run at CPL 3, at the addresses of [`abi::layout`].
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Machine code, loaded at the CPU's part of `USER_TEXT`.
    pub text: Vec<u8>,
    /// Initial data, loaded at the CPU's part of `USER_DATA`.
    pub data: Vec<u8>,
    /// Steps in program order. A step runs from its address to that of the next one.
    pub steps: Vec<StepMark>,
    /// Instructions that read a user page's count, in program order.
    pub looks: Vec<Look>,
}

/// An instruction at CPL 3 that reads a count by the user page protocol: the load of `offset`, or
/// RDPMC. What the last one before the value is told has read is what the value stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its address.
    pub rip: u64,
    /// Name of the event.
    pub event: Arc<str>,
    /// Whether it is RDPMC.
    pub counter: bool,
}

/// Where a step of the program begins.
#[derive(Debug, Clone)]
pub struct StepMark {
    /// Address of its first instruction; no other step has it.
    pub rip: u64,
    /// Name of the event that the step opens.
    pub opens: Option<Arc<str>>,
    /// What the machine itself does when the step begins.
    pub action: Option<Action>,
}

/// Things a scenario asks of the machine, not of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The timer interrupt is requested.
    Tick,
    /// The clock advances by so many nanoseconds.
    Advance(u64),
}
