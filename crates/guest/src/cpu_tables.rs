// SPDX-License-Identifier: GPL-2.0-only
//! Loads a CPU's descriptor tables and system-call registers.

use core::arch::asm;
use core::ptr;

use abi::layout::{
    CALL_FUNCTION_VECTOR, IRQ_WORK_VECTOR, KERNEL_CS, KERNEL_SS, TIMER_VECTOR, USER_SS,
};
use abi::msr;

use crate::bare::{rdmsr, wrmsr};
use crate::descriptors::{Gdt, IST_DOUBLE_FAULT, IST_NMI, Idt, TSS_SELECTOR, TablePointer, Tss};
use crate::entry;
use crate::per_cpu::{PER_CPU, Stack, stack_top};

/// EFER.SCE: SYSCALL is enabled.
const EFER_SCE: u64 = 1;
/// Flags that SYSCALL clears: TF, IF, DF, IOPL, NT, AC (as the kernel's `syscall_init`).
const FMASK: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 3 << 12 | 1 << 14 | 1 << 18;
/// APIC_BASE: the local APIC is on, in x2APIC mode.
const X2APIC_ON: u64 = 3 << 10;
/// CR4.PCE.
const CR4_PCE_BIT: u32 = 8;
/// Exception vectors that the architecture defines or reserves.
const EXCEPTIONS: u8 = 32;
const NMI: u8 = 2;
const DOUBLE_FAULT: u8 = 8;
const GENERAL_PROTECTION: u8 = 13;

/// Gives this CPU its tables, GS base, system-call entry and APIC. Interrupts are off.
///
/// # Safety
/// Runs once on each CPU, at boot, with its own number, below [`abi::layout::CPUS_MAX`].
pub unsafe fn load(cpu: usize) {
    let area = PER_CPU[cpu].0.get();
    let [kernel, nmi, double_fault] =
        [Stack::Kernel, Stack::Nmi, Stack::DoubleFault].map(|stack| stack_top(cpu, stack));
    // Before the tables: an NMI that comes once they are loaded finds its GS.
    wrmsr(msr::GS_BASE, area.expose_provenance() as u64);
    wrmsr(msr::KERNEL_GS_BASE, 0);
    // SAFETY: the area is this CPU's own and nobody uses it yet.
    unsafe {
        (*area).cpu = cpu as u64;
        (*area).kernel_stack = kernel;
        (*area).tss = Tss::new(kernel, nmi, double_fault);
        (*area).gdt = Gdt::new((&raw const (*area).tss).expose_provenance() as u64);
        fill(&mut (*area).idt);
        load_tables(&raw const (*area).gdt, &raw const (*area).idt);
    }

    wrmsr(
        msr::STAR,
        u64::from(USER_SS - 8) << 48 | u64::from(KERNEL_CS) << 32,
    );
    wrmsr(
        msr::LSTAR,
        entry::syscall_entry as *const () as usize as u64,
    );
    wrmsr(msr::FMASK, FMASK);
    wrmsr(msr::EFER, rdmsr(msr::EFER) | EFER_SCE);
    allow_user_rdpmc();

    let apic = rdmsr(msr::APIC_BASE);
    if apic & X2APIC_ON != X2APIC_ON {
        wrmsr(msr::APIC_BASE, apic | X2APIC_ON);
    }
}

fn fill(idt: &mut Idt) {
    let address = |handler: extern "C" fn()| handler as *const () as usize as u64;
    let stubs = address(entry::exception_stubs);
    for vector in 0..EXCEPTIONS {
        let ist = if vector == DOUBLE_FAULT {
            IST_DOUBLE_FAULT
        } else {
            0
        };
        let stub = stubs + u64::from(vector) * entry::EXCEPTION_STUB_SIZE;
        idt.set(vector, stub, ist);
    }
    let general_protection = address(entry::general_protection_entry);
    idt.set(GENERAL_PROTECTION, general_protection, 0);
    idt.set(NMI, address(entry::nmi_entry), IST_NMI);
    idt.set(TIMER_VECTOR, address(entry::timer_entry), 0);
    idt.set(CALL_FUNCTION_VECTOR, address(entry::call_function_entry), 0);
    idt.set(IRQ_WORK_VECTOR, address(entry::irq_work_entry), 0);
}

/// Sets CR4.PCE: user programs may read counters, as the user-page protocol does. The kernel sets
/// it for tasks that map an event, or always if the administrator says so (`rdpmc` = 2 in sysfs).
fn allow_user_rdpmc() {
    // SAFETY: changes nothing but who may execute RDPMC.
    unsafe {
        asm!("mov {cr4}, cr4", "bts {cr4}, {pce}", "mov cr4, {cr4}",
             cr4 = out(reg) _, pce = const CR4_PCE_BIT, options(nostack));
    }
}

/// # Safety
/// Both tables are complete and stay where they are.
unsafe fn load_tables(gdt: *const Gdt, idt: *const Idt) {
    let gdt = TablePointer {
        limit: size_of::<Gdt>() as u16 - 1,
        base: gdt.expose_provenance() as u64,
    };
    let idt = TablePointer {
        limit: size_of::<Idt>() as u16 - 1,
        base: idt.expose_provenance() as u64,
    };
    // SAFETY: the tables hold flat kernel segments, so that the code goes on as before. CS and SS
    // are reloaded by an IRETQ to the next instruction; the other segments are not used.
    unsafe {
        asm!(
            "lgdt [{gdt}]",
            "mov {old}, rsp",
            "push {ss}",
            "push {old}",
            "pushfq",
            "push {cs}",
            "lea {old}, [rip + 2f]",
            "push {old}",
            "iretq",
            "2:",
            "mov {old:e}, {tss}",
            "ltr {old:x}",
            "lidt [{idt}]",
            gdt = in(reg) ptr::from_ref(&gdt),
            idt = in(reg) ptr::from_ref(&idt),
            old = out(reg) _,
            ss = const KERNEL_SS,
            cs = const KERNEL_CS,
            tss = const TSS_SELECTOR,
        );
    }
}
