// SPDX-License-Identifier: GPL-2.0-only
//! What guest and host must agree on: numbers and layouts that cross the border between the
//! simulated machine and the code that runs on it.
//!
//! This crate knows no other. It holds data and names only: no behaviour of the core, the bank or
//! the kernel stands here.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod boot;
pub mod event_select;
pub mod guest_call;
pub mod layout;
pub mod msr;
pub mod rows;
pub mod syscall;
pub mod totals;
