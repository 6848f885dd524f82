// SPDX-License-Identifier: GPL-2.0-only
//! The guest's physical address space. Memory is an identity map; the loader sets permissions.

/// Size of a page in bytes.
pub const PAGE_SIZE: u64 = 4096;
/// Bytes of memory of a scenario's machine: addresses 0 up to this one.
pub const MEMORY_SIZE: u64 = 0x0200_0000;
/// Where the guest kernel image is linked. Pages below stay unmapped, so that null faults.
pub const KERNEL_BASE: u64 = 0x0010_0000;
/// Code of the user programs: read and execute at CPL 3; [`USER_TEXT_SIZE`] bytes for each CPU.
pub const USER_TEXT: u64 = 0x0080_0000;
/// Bytes of user code of one CPU.
pub const USER_TEXT_SIZE: u64 = 0x0002_0000;
/// Data of the user programs (attributes, descriptors, read buffers): read and write at CPL 3;
/// [`USER_DATA_SIZE`] bytes for each CPU, the initial stack pointer is the end of its part.
pub const USER_DATA: u64 = 0x00c0_0000;
/// Bytes of user data and stack of one CPU.
pub const USER_DATA_SIZE: u64 = 0x0002_0000;
/// Pages that the kernel shares with the user by mmap: read and write at both rings.
pub const SHARED: u64 = 0x0100_0000;
/// Bytes of shared pages.
pub const SHARED_SIZE: u64 = 0x0080_0000;
/// CPUs that the guest image has room for.
pub const CPUS_MAX: usize = 4;

/// Code segment selector of the kernel.
pub const KERNEL_CS: u16 = 0x10;
/// Data and stack segment selector of the kernel.
pub const KERNEL_SS: u16 = 0x18;
/// Data and stack segment selector of user code (as SYSRET loads it from STAR).
pub const USER_SS: u16 = 0x2b;
/// Code segment selector of user code (as SYSRET loads it from STAR).
pub const USER_CS: u16 = 0x33;

/// Vector of the timer tick.
pub const TIMER_VECTOR: u8 = 0xec;
/// Vector of the cross-call interrupt.
pub const CALL_FUNCTION_VECTOR: u8 = 0xfb;
/// Vector of irq_work.
pub const IRQ_WORK_VECTOR: u8 = 0xf6;
