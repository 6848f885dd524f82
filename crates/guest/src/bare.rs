// SPDX-License-Identifier: GPL-2.0-only
//! [`Hardware`] on the machine itself: one instruction or a short sequence for each method.
//!
//! Whatever may touch memory that an NMI or another CPU also touches carries no `nomem`: such
//! assembly is a compiler barrier, as the kernel's is.

use core::arch::{asm, x86_64::__cpuid_count};
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::guest_call::{self, Reader};
use abi::layout::{IRQ_WORK_VECTOR, PAGE_SIZE, SHARED, SHARED_SIZE};
use abi::msr;
use perf_core::hw::Hardware;
use perf_core::types::PerfEvent;

use crate::{host, per_cpu};

/// The hardware; stateless, all state is in registers.
#[derive(Debug)]
pub struct Bare;

/// RFLAGS.IF.
const IF: u64 = 1 << 9;
/// ICR destination shorthand "self", edge, fixed delivery (SDM vol. 3A, 10.12.10).
const ICR_SELF: u64 = 1 << 18;
/// First shared page that nobody has.
static SHARED_NEXT: AtomicU64 = AtomicU64::new(SHARED);

/// RDMSR.
#[inline(always)]
pub fn rdmsr(msr: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reading a register changes nothing; an unknown one warns and reads 0.
    unsafe {
        asm!("rdmsr", in("ecx") msr, out("eax") low, out("edx") high,
             options(nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// WRMSR. One that the processor refuses warns and changes nothing.
#[inline(always)]
pub fn wrmsr(msr: u32, value: u64) {
    // SAFETY: the callers write counters, the APIC and the system-call registers only; none of
    // them changes what Rust relies on.
    unsafe {
        asm!("wrmsr", in("ecx") msr, in("eax") value as u32, in("edx") (value >> 32) as u32,
             options(nostack, preserves_flags));
    }
}

impl Hardware for Bare {
    #[inline(always)]
    fn rdmsr(&self, msr: u32) -> u64 {
        rdmsr(msr)
    }

    #[inline(always)]
    fn wrmsr(&self, msr: u32, value: u64) {
        wrmsr(msr, value);
    }

    #[inline(always)]
    fn rdpmc(&self, index: u32) -> u64 {
        let (low, high): (u32, u32);
        // SAFETY: reading a counter changes nothing; one that does not exist faults, and that panics.
        unsafe {
            asm!("rdpmc", in("ecx") index, out("eax") low, out("edx") high,
                 options(nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    }

    fn cpuid_perfmon(&self) -> [u32; 4] {
        let leaf = __cpuid_count(0xa, 0);
        [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
    }

    #[inline(always)]
    fn clock(&self) -> u64 {
        let (low, high): (u32, u32);
        // SAFETY: reads the time-stamp counter.
        unsafe {
            asm!("rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    }

    #[inline(always)]
    fn cpu(&self) -> usize {
        per_cpu::number()
    }

    #[inline(always)]
    fn irq_save(&self) -> bool {
        let flags: u64;
        // SAFETY: pushes and pops one word (the target has no red zone) and clears IF; the
        // compiler keeps what the lock guards behind it.
        unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) }
        flags & IF != 0
    }

    #[inline(always)]
    fn irq_restore(&self, enabled: bool) {
        if enabled {
            // SAFETY: interrupts were on when the section began; all gates are set up.
            unsafe { asm!("sti", options(nostack)) }
        }
    }

    #[inline(always)]
    fn raise_irq_work(&self) {
        wrmsr(msr::X2APIC_ICR, ICR_SELF | u64::from(IRQ_WORK_VECTOR));
    }

    #[inline(always)]
    fn send_ipi(&self, cpu: usize, vector: u8) {
        wrmsr(msr::X2APIC_ICR, (cpu as u64) << 32 | u64::from(vector));
    }

    fn map_shared_pages(&self, pages: usize) -> *mut u8 {
        // The loader maps the whole region, zeroed; a page is given out once.
        let Some(bytes) = (pages as u64).checked_mul(PAGE_SIZE) else {
            return ptr::null_mut();
        };
        let take = |next: u64| {
            next.checked_add(bytes)
                .filter(|end| *end <= SHARED + SHARED_SIZE)
        };
        match SHARED_NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(at) => ptr::with_exposed_provenance_mut(at as usize),
            Err(_) => ptr::null_mut(),
        }
    }

    #[inline(always)]
    unsafe fn local64_add(&self, at: *mut i64, n: i64) {
        // SAFETY: `at` is valid by the caller's promise.
        unsafe { asm!("add qword ptr [{}], {}", in(reg) at, in(reg) n, options(nostack)) }
    }

    #[inline(always)]
    unsafe fn local64_cmpxchg(&self, at: *mut i64, old: i64, new: i64) -> i64 {
        let found;
        // SAFETY: `at` is valid by the caller's promise.
        unsafe {
            asm!("cmpxchg qword ptr [{}], {}", in(reg) at, in(reg) new, inout("rax") old => found,
                 options(nostack));
        }
        found
    }

    #[inline(always)]
    unsafe fn local64_xchg(&self, at: *mut i64, new: i64) -> i64 {
        let found;
        // SAFETY: `at` is valid by the caller's promise.
        unsafe {
            asm!("xchg qword ptr [{}], {}", in(reg) at, inout(reg) new => found,
                 options(nostack, preserves_flags));
        }
        found
    }

    #[inline(always)]
    fn event_born(&self, event: *const PerfEvent, fd: u64, parent: *const PerfEvent) {
        host::call(
            guest_call::EVENT_BORN,
            event.addr() as u64,
            fd,
            parent.addr() as u64,
        );
    }

    #[inline(always)]
    fn event_died(&self, event: *const PerfEvent) {
        host::call(guest_call::EVENT_DIED, event.addr() as u64, 0, 0);
    }

    #[inline(always)]
    fn value(&self, event: *const PerfEvent, value: u64, reader: Reader) {
        host::call(guest_call::VALUE, event.addr() as u64, value, reader as u64);
    }

    #[inline(always)]
    fn warn(&self, text: &'static str) {
        host::call(
            guest_call::WARN,
            text.as_ptr().addr() as u64,
            text.len() as u64,
            0,
        );
    }
}
