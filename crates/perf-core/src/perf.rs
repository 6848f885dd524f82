// SPDX-License-Identifier: GPL-2.0-only
//! The perf subsystem as one value: the hardware it runs on, the scheduler rows it was given, and
//! what each CPU keeps.
//!
//! Everything is reached through `&Perf`: an NMI enters with the same reference while other code
//! is in the middle of something, so all state is behind raw pointers, as in the kernel.

use core::cell::UnsafeCell;

use abi::{layout::CPUS_MAX, rows::Rows};

use crate::hw::Hardware;
use crate::x86::CpuHwEvents;

/// The perf subsystem of one machine.
#[derive(Debug)]
#[repr(C)]
pub struct Perf<H: Hardware> {
    /// The processor and the host.
    pub hw: H,
    /// Which version of each sharing function runs; set once by [`Perf::boot`].
    pub rows: UnsafeCell<Rows>,
    /// The driver's state of each CPU (`cpu_hw_events`).
    pub cpu_hw_events: [UnsafeCell<CpuHwEvents>; CPUS_MAX],
}

// SAFETY: like the kernel's globals; every access follows the port's locking (ctx.lock, interrupts
// off, single whole accesses for what an NMI may see).
unsafe impl<H: Hardware> Sync for Perf<H> {}

impl<H: Hardware> Perf<H> {
    /// The subsystem before boot.
    pub const fn new(hw: H) -> Self {
        Self {
            hw,
            rows: UnsafeCell::new(Rows([0; abi::rows::Row::ALL.len()])),
            cpu_hw_events: [const { UnsafeCell::new(CpuHwEvents::new()) }; CPUS_MAX],
        }
    }

    /// This CPU's driver state (`this_cpu_ptr(&cpu_hw_events)`).
    #[inline(always)]
    pub fn cpuc(&self) -> *mut CpuHwEvents {
        self.cpu_hw_events[self.hw.cpu()].get()
    }

    /// The value of a row.
    #[inline(always)]
    pub fn row(&self, row: abi::rows::Row) -> u8 {
        // SAFETY: written only before the first event exists.
        unsafe { (*self.rows.get()).get(row) }
    }
}
