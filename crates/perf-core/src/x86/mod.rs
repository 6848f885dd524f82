// SPDX-License-Identifier: GPL-2.0-only
//! The x86 PMU driver (arch/x86/events/core.c, intel/core.c; v5.5).

/// `struct cpu_hw_events`: what the driver keeps for one CPU.
#[derive(Debug)]
#[repr(C)]
pub struct CpuHwEvents {
    /// The PMU is enabled (GLOBAL_CTRL set).
    pub enabled: bool,
}

impl CpuHwEvents {
    /// As at boot.
    #[must_use]
    pub const fn new() -> Self {
        Self { enabled: true }
    }
}

impl Default for CpuHwEvents {
    fn default() -> Self {
        Self::new()
    }
}
