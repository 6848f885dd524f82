// SPDX-License-Identifier: GPL-2.0-only
//! What the host tells the guest before boot: written to the guest's symbol `BOOT_INFO`.

use crate::{layout::CPUS_MAX, rows::Rows};

/// Version of this structure; the guest panics on another one.
pub const BOOT_VERSION: u32 = 1;

/// The boot block. All zero but for `version` in the image as committed.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct BootInfo {
    /// [`BOOT_VERSION`].
    pub version: u32,
    /// CPUs that boot, 1 to [`CPUS_MAX`].
    pub cpus: u32,
    /// First instruction of each CPU's user program.
    pub user_entry: [u64; CPUS_MAX],
    /// Initial user stack pointer of each CPU.
    pub user_stack: [u64; CPUS_MAX],
    /// Samples of one event per tick before it is throttled (`max_samples_per_tick`).
    pub max_samples_per_tick: u64,
    /// Which version of each sharing function runs.
    pub rows: Rows,
}
