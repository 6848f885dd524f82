// SPDX-License-Identifier: GPL-2.0-only
//! What each CPU has for itself: stacks, descriptor tables, and the area that GS points to while
//! the CPU is in the kernel.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use abi::layout::{CPUS_MAX, PAGE_SIZE};

use crate::descriptors::{Gdt, Idt, Tss};

/// Bytes of a stack (the kernel's THREAD_SIZE). The linker script knows them.
const STACK_SIZE: usize = 16 << 10;
/// Bytes from one stack to the next: below each lies an unmapped page.
const STACK_STRIDE: usize = STACK_SIZE + PAGE_SIZE as usize;

/// The stacks of a CPU, in their order in memory.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub enum Stack {
    /// System calls and interrupts.
    Kernel,
    /// NMIs (IST 1).
    Nmi,
    /// Double faults (IST 2).
    DoubleFault,
}

/// Bytes from one CPU's stacks to the next one's.
pub const STACKS_SIZE: usize = 3 * STACK_STRIDE;

unsafe extern "C" {
    /// The page below the first stack, from the linker script.
    pub safe static STACKS: u8;
}

/// Upper end of a stack.
#[must_use]
pub fn stack_top(cpu: usize, stack: Stack) -> u64 {
    let below = (&raw const STACKS).addr() + cpu * STACKS_SIZE + stack as usize * STACK_STRIDE;
    (below + STACK_STRIDE) as u64
}

/// Offset from [`STACKS`] of CPU 0's kernel stack's upper end.
pub const KERNEL_TOP: usize = STACK_STRIDE;

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
