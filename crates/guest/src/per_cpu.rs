// SPDX-License-Identifier: GPL-2.0-only
//! What each CPU has for itself: stacks, descriptor tables, and the area that GS points to while
//! the CPU is in the kernel.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use abi::layout::CPUS_MAX;

use crate::descriptors::{Gdt, Idt, Tss};

/// Bytes of the stack of system calls and interrupts (the kernel's THREAD_SIZE).
const KERNEL_STACK_SIZE: usize = 16 << 10;
/// Bytes of the NMI stack.
const NMI_STACK_SIZE: usize = 16 << 10;
/// Bytes of the stack of double faults.
const DOUBLE_FAULT_STACK_SIZE: usize = 4 << 10;

/// The stacks of one CPU. The most used one is the lowest: below CPU 0's lies an unmapped page.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Stacks {
    kernel: UnsafeCell<[u8; KERNEL_STACK_SIZE]>,
    nmi: UnsafeCell<[u8; NMI_STACK_SIZE]>,
    double_fault: UnsafeCell<[u8; DOUBLE_FAULT_STACK_SIZE]>,
}

impl Stacks {
    const fn new() -> Self {
        Self {
            kernel: UnsafeCell::new([0; KERNEL_STACK_SIZE]),
            nmi: UnsafeCell::new([0; NMI_STACK_SIZE]),
            double_fault: UnsafeCell::new([0; DOUBLE_FAULT_STACK_SIZE]),
        }
    }

    /// Offset of the kernel stack's upper end from the start of this structure.
    pub const KERNEL_TOP: usize = offset_of!(Self, kernel) + KERNEL_STACK_SIZE;

    /// Upper ends of the kernel, NMI and double-fault stacks.
    #[must_use]
    pub fn tops(&self) -> [u64; 3] {
        [
            self.kernel.get().expose_provenance() + KERNEL_STACK_SIZE,
            self.nmi.get().expose_provenance() + NMI_STACK_SIZE,
            self.double_fault.get().expose_provenance() + DOUBLE_FAULT_STACK_SIZE,
        ]
        .map(|top| top as u64)
    }
}

// SAFETY: each element is used by its own CPU only, as a stack.
unsafe impl Sync for Stacks {}

/// The stacks of all CPUs.
#[unsafe(link_section = ".stacks")]
pub static STACKS: [Stacks; CPUS_MAX] = [const { Stacks::new() }; CPUS_MAX];

/// The area that GS addresses in the kernel. The assembly knows the offsets below.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct PerCpu {
    /// Number of this CPU.
    pub cpu: u64,
    /// Upper end of the kernel stack.
    pub kernel_stack: u64,
    /// The user's stack pointer between SYSCALL and the change of stacks.
    pub user_rsp: u64,
    /// Task-state segment.
    pub tss: Tss,
    /// Global descriptor table.
    pub gdt: Gdt,
    /// Interrupt descriptor table.
    pub idt: Idt,
}

/// Offset of [`PerCpu::cpu`].
pub const CPU: usize = offset_of!(PerCpu, cpu);
/// Offset of [`PerCpu::kernel_stack`].
pub const KERNEL_STACK: usize = offset_of!(PerCpu, kernel_stack);
/// Offset of [`PerCpu::user_rsp`].
pub const USER_RSP: usize = offset_of!(PerCpu, user_rsp);

/// One CPU's area, in place.
#[derive(Debug)]
#[repr(transparent)]
pub struct Area(pub UnsafeCell<PerCpu>);

// SAFETY: each element is used by its own CPU only; an NMI on it touches none of its fields.
unsafe impl Sync for Area {}

impl Area {
    const fn new() -> Self {
        Self(UnsafeCell::new(PerCpu {
            cpu: 0,
            kernel_stack: 0,
            user_rsp: 0,
            tss: Tss::zero(),
            gdt: Gdt::zero(),
            idt: Idt::zero(),
        }))
    }
}

/// The areas of all CPUs. The NMI entry takes a GS base that lies in here for the kernel's.
pub static PER_CPU: [Area; CPUS_MAX] = [const { Area::new() }; CPUS_MAX];

/// Bytes of [`PER_CPU`].
pub const PER_CPU_SIZE: usize = size_of::<[Area; CPUS_MAX]>();

/// Number of this CPU. Only in the kernel, after SWAPGS.
#[inline(always)]
pub fn number() -> usize {
    let cpu: usize;
    // SAFETY: GS points to this CPU's area whenever Rust code runs in the kernel. The value never
    // changes while code runs on a CPU, so the compiler may keep it.
    unsafe {
        asm!("mov {}, qword ptr gs:[{}]", out(reg) cpu, const CPU,
             options(pure, nomem, nostack, preserves_flags));
    }
    cpu
}
