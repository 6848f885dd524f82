// SPDX-License-Identifier: GPL-2.0-only
//! The port: the perf core of Linux v5.5, its x86 driver, and the sharing schedulers.
//!
//! Derived by understanding from kernel/events/core.c and arch/x86/events (GPL-2.0-only); facts
//! and order of accesses as in the kernel, words and code our own. `no_std`; all hardware goes
//! through [`hw::Hardware`], so that the logic also runs in host tests.
#![no_std]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod cell;
pub mod core;
pub mod hw;
pub mod list;
#[cfg(test)]
pub mod mock;
pub mod mutex;
pub mod perf;
pub mod sharing;
pub mod types;
pub mod x86;
