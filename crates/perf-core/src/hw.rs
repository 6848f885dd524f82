// SPDX-License-Identifier: GPL-2.0-only
//! The small trait through which the port meets hardware and host.
//!
//! In the guest every method is one instruction or a short sequence in assembly; on the host tests
//! give it a model. The memory operations stand here because their instruction decides races: a
//! `local64` read-modify-write is one instruction without LOCK (perf-core reference, section 1).

use abi::guest_call::Reader;

use crate::types::PerfEvent;

/// What the port needs from the processor and from the host.
pub trait Hardware {
    /// RDMSR.
    fn rdmsr(&self, msr: u32) -> u64;
    /// WRMSR.
    fn wrmsr(&self, msr: u32, value: u64);
    /// RDPMC: the raw counter, zero-extended.
    fn rdpmc(&self, index: u32) -> u64;
    /// CPUID leaf 0AH: EAX, EBX, ECX, EDX.
    fn cpuid_perfmon(&self) -> [u32; 4];
    /// The scheduler's clock in nanoseconds (RDTSC; one unit is one nanosecond).
    fn clock(&self) -> u64;
    /// Number of this CPU (from the per-CPU area).
    fn cpu(&self) -> usize;
    /// PUSHFQ, CLI: disables interrupts and returns whether they were enabled.
    fn irq_save(&self) -> bool;
    /// STI iff `enabled`.
    fn irq_restore(&self, enabled: bool);
    /// Raises [`abi::layout::IRQ_WORK_VECTOR`] on this CPU (self-IPI through the APIC).
    fn raise_irq_work(&self);
    /// Sends `vector` to another CPU (x2APIC ICR, fixed, physical destination).
    fn send_ipi(&self, cpu: usize, vector: u8);
    /// `pages` fresh zeroed pages that kernel and user share, page-aligned; null when there are
    /// no more.
    fn map_shared_pages(&self, pages: usize) -> *mut u8;

    /// One ADD to memory without LOCK (`local64_add`).
    ///
    /// # Safety
    /// `at` is valid for reads and writes and aligned.
    unsafe fn local64_add(&self, at: *mut i64, n: i64);
    /// One CMPXCHG without LOCK (`local64_cmpxchg`): returns the value found.
    ///
    /// # Safety
    /// `at` is valid for reads and writes and aligned.
    unsafe fn local64_cmpxchg(&self, at: *mut i64, old: i64, new: i64) -> i64;
    /// One XCHG (`local64_xchg`): returns the value found.
    ///
    /// # Safety
    /// `at` is valid for reads and writes and aligned.
    unsafe fn local64_xchg(&self, at: *mut i64, new: i64) -> i64;

    /// [`abi::guest_call::EVENT_BORN`].
    fn event_born(&self, event: *const PerfEvent, fd: u64, parent: *const PerfEvent);
    /// [`abi::guest_call::EVENT_DIED`].
    fn event_died(&self, event: *const PerfEvent);
    /// [`abi::guest_call::VALUE`].
    fn value(&self, event: *const PerfEvent, value: u64, reader: Reader);
    /// `WARN_ON_ONCE` ([`abi::guest_call::WARN`]). Inlined, so that the place is the caller's line.
    fn warn(&self, text: &'static str);
}
