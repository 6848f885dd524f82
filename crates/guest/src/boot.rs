// SPDX-License-Identifier: GPL-2.0-only
//! From the first instruction of a CPU to its user program.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::boot::{BOOT_VERSION, BootInfo};
use abi::layout::CPUS_MAX;
use abi::rows::{Row, Rows};

use crate::handlers::PERF;
use crate::{cpu_tables, entry, host};

/// The boot block in memory that only the host writes, before the first instruction.
#[derive(Debug)]
#[repr(transparent)]
pub struct BootBlock(UnsafeCell<BootInfo>);

// SAFETY: the guest only reads it, and by volatile reads.
unsafe impl Sync for BootBlock {}

/// What the host tells the guest; it finds the place by this name.
#[unsafe(no_mangle)]
#[used]
pub static BOOT_INFO: BootBlock = BootBlock(UnsafeCell::new(BootInfo {
    version: BOOT_VERSION,
    cpus: 0,
    user_entry: [0; CPUS_MAX],
    user_stack: [0; CPUS_MAX],
    max_samples_per_tick: 0,
    rows: Rows([0; Row::ALL.len()]),
}));

/// CPU 0 has booted the subsystem.
static BOOTED: AtomicBool = AtomicBool::new(false);

/// A CPU with a stack and nothing else: brings it up and leaves for its user program.
pub(crate) extern "C" fn start(cpu: usize) -> ! {
    // SAFETY: first thing on this CPU; the entry has checked its number.
    unsafe { cpu_tables::load(cpu) }
    // SAFETY: the block is valid; the host wrote it, unseen by the compiler.
    let boot = unsafe { BOOT_INFO.0.get().read_volatile() };
    if boot.version != BOOT_VERSION {
        host::panic(b"BOOT_INFO has another version than this image knows");
    }
    if cpu >= boot.cpus as usize {
        host::panic(b"a CPU started that BOOT_INFO does not count");
    }
    if cpu == 0 {
        // SAFETY: once, before every other use of the subsystem.
        unsafe { PERF.boot(&boot) }
        BOOTED.store(true, Ordering::Release);
    } else {
        while !BOOTED.load(Ordering::Acquire) {
            core::hint::spin_loop();
        }
    }
    // SAFETY: once on this CPU, after `boot`, interrupts off.
    unsafe { PERF.boot_cpu() }
    entry::enter_user(boot.user_entry[cpu], boot.user_stack[cpu])
}
