// SPDX-License-Identifier: GPL-2.0-only
//! One function for each instruction form, generic over operand places and width. `rip` already
//! points behind the instruction when a handler runs; a handler that raises leaves registers,
//! flags and memory as they were.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod bits;
pub(crate) mod bmi;
pub(crate) mod branch;
pub(crate) mod control;
pub(crate) mod iret;
pub(crate) mod misc;
pub(crate) mod mov;
pub(crate) mod muldiv;
pub(crate) mod selector;
pub(crate) mod shift;
pub(crate) mod sse;
pub(crate) mod stack;
pub(crate) mod string;
pub(crate) mod thread;
pub(crate) mod thread_far;
pub(crate) mod x87;
