// SPDX-License-Identifier: GPL-2.0-only
//! The kernel image around the port: CPU entry, descriptor tables, interrupt gates, the NMI entry,
//! system calls, and the hardware as the port sees it. All assembly of the guest stands here.
//!
//! What runs on the machine is compiled for `x86_64-unknown-none` only; on a host this crate is
//! the descriptor formats with their tests. It holds no policy: which event counts where is the
//! port's business (`perf-core`).
//!
//! How a CPU comes up: [`abi::boot`] lies in `BOOT_INFO`; every CPU starts at `_start` in 64-bit
//! mode with its number in RDI, takes its stack, loads its tables (`cpu_tables`), boots the port,
//! and leaves for its user program by IRETQ (`entry`).
#![cfg_attr(target_os = "none", no_std)]
#![deny(missing_docs)]

pub mod descriptors;
pub mod text;

#[cfg(target_os = "none")]
pub mod bare;
#[cfg(target_os = "none")]
pub mod boot;
#[cfg(target_os = "none")]
pub mod cpu_tables;
#[cfg(target_os = "none")]
pub mod entry;
#[cfg(target_os = "none")]
pub mod handlers;
#[cfg(target_os = "none")]
pub mod host;
#[cfg(target_os = "none")]
pub mod panic;
#[cfg(target_os = "none")]
pub mod per_cpu;
