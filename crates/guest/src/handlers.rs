// SPDX-License-Identifier: GPL-2.0-only
//! What the entries call: the NMI, interrupts, system calls and exceptions.

use abi::layout::KERNEL_BASE;
use abi::{msr, syscall};
use perf_core::perf::Perf;

use crate::bare::{Bare, wrmsr};
use crate::host;
use crate::text::Line;

/// The perf subsystem of this machine.
pub static PERF: Perf<Bare> = Perf::new(Bare);

const ENOSYS: i64 = 38;

/// NMI: always the PMU's or a probe's.
pub(crate) extern "C" fn nmi() {
    // SAFETY: runs in NMI context on the CPU that booted.
    unsafe { PERF.nmi() }
}

/// Acknowledges the interrupt, before its handler runs, as the kernel does for its own vectors.
fn end_of_interrupt() {
    wrmsr(msr::X2APIC_EOI, 0);
}

/// Timer tick.
pub(crate) extern "C" fn timer() {
    end_of_interrupt();
    // SAFETY: interrupts are off, the gate cleared IF.
    unsafe { PERF.tick() }
}

/// Cross-call from another CPU.
pub(crate) extern "C" fn call_function() {
    end_of_interrupt();
    // SAFETY: interrupts are off, the gate cleared IF.
    unsafe { PERF.call_function() }
}

/// irq_work.
pub(crate) extern "C" fn irq_work() {
    end_of_interrupt();
    // SAFETY: interrupts are off, the gate cleared IF.
    unsafe { PERF.irq_work() }
}

/// System call `number` with its arguments, then what it left for the return to user mode, with interrupts
/// on as in `exit_to_usermode_loop`; the result, or a negative error number.
pub(crate) extern "C" fn system_call(
    a0: u64,
    a1: u64,
    a2: u64,
    a3: u64,
    a4: u64,
    number: u64,
) -> i64 {
    let result = dispatch(a0, a1, a2, a3, a4, number);
    // SAFETY: the call has returned: no locks are held, interrupts are on.
    unsafe { PERF.task_work_run() }
    result
}

/// The call itself.
#[inline(always)]
fn dispatch(a0: u64, a1: u64, a2: u64, a3: u64, a4: u64, number: u64) -> i64 {
    // SAFETY: process context, interrupts on. The user's pointers are taken at their word: the
    // programs are part of the scenario, and a bad pointer faults.
    unsafe {
        match number {
            syscall::READ => {
                let buffer = core::ptr::with_exposed_provenance_mut(a1 as usize);
                PERF.sys_read(a0 as i32, buffer, a2 as usize)
            }
            syscall::CLOSE => PERF.sys_close(a0 as i32),
            syscall::MMAP => PERF.sys_mmap(a1, a4 as i32),
            syscall::IOCTL => PERF.sys_ioctl(a0 as i32, a1, a2),
            syscall::EXIT => host::exit(a0),
            syscall::PERF_EVENT_OPEN => PERF.sys_perf_event_open(
                core::ptr::with_exposed_provenance(a0 as usize),
                a1 as i32,
                a2 as i32,
                a3 as i32,
                a4,
            ),
            syscall::SWITCH_TO => PERF.sys_switch_to(a0 as u32),
            syscall::FORK => PERF.sys_fork(a0 as u32),
            syscall::EXIT_TASK => PERF.sys_exit_task(),
            syscall::EXEC => PERF.sys_exec(),
            syscall::OFFLINE => PERF.sys_offline(),
            syscall::ONLINE => PERF.sys_online(),
            syscall::USER_VALUE => PERF.sys_user_value(a0 as i32, a1),
            _ => -ENOSYS,
        }
    }
}

unsafe extern "C" {
    /// Behind the last instruction of the kernel, from the linker script.
    safe static TEXT_END: u8;
}

/// What the processor pushes for an exception, from the lowest word that is always there.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Frame {
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// #GP. An RDMSR or WRMSR of the kernel that the processor refuses warns, and the kernel goes on
/// behind it, with or without a value to read; whether it was an RDMSR is returned. Linux has an entry in
/// its exception table for each (`ex_handler_rdmsr_unsafe`, `ex_handler_wrmsr_unsafe`), but none for
/// RDPMC: that stops the machine, as anything else does.
///
/// `high`, `msr` and `low` are what RDX, RCX and RAX were.
pub(crate) extern "C" fn general_protection(
    frame: &mut Frame,
    error: u64,
    high: u64,
    msr: u64,
    low: u64,
) -> bool {
    let mut line = Line::new();
    let read = match msr_instruction(frame) {
        Some(RDMSR) => {
            line.text("RDMSR of ").hex(msr & LOW_HALF);
            true
        }
        Some(WRMSR) => {
            let value = high << 32 | low & LOW_HALF;
            line.text("WRMSR of ").hex(value);
            line.text(" to ").hex(msr & LOW_HALF);
            false
        }
        _ => exception(GENERAL_PROTECTION, error, frame.rip, frame.cs, 0),
    };
    line.text(": no such register, or no such value");
    host::warn_at(line.as_bytes(), frame.rip);
    frame.rip += MSR_INSTRUCTION_SIZE;
    read
}

/// The bytes of the instruction at which the kernel was, if it may be one that reads or writes an
/// MSR.
fn msr_instruction(frame: &Frame) -> Option<[u8; 2]> {
    let end = (&raw const TEXT_END).addr() as u64 - MSR_INSTRUCTION_SIZE;
    if frame.cs & 3 != 0 || !(KERNEL_BASE..=end).contains(&frame.rip) {
        return None;
    }
    let at = core::ptr::with_exposed_provenance::<[u8; 2]>(frame.rip as usize);
    // SAFETY: the kernel's text can be read and does not change.
    Some(unsafe { at.read() })
}

const RDMSR: [u8; 2] = [0x0f, 0x32];
const WRMSR: [u8; 2] = [0x0f, 0x30];
const MSR_INSTRUCTION_SIZE: u64 = 2;
const LOW_HALF: u64 = 0xffff_ffff;

/// Any other exception: names it and stops the machine.
pub(crate) extern "C" fn exception(vector: u64, error: u64, rip: u64, cs: u64, cr2: u64) -> ! {
    let mut line = Line::new();
    line.text("exception ")
        .decimal(vector)
        .text(name(vector))
        .text(" error code ")
        .hex(error)
        .text(" at rip ")
        .hex(rip)
        .text(" in ring ")
        .decimal(cs & 3);
    // A double fault is a stack that ran over: CR2 says where.
    if vector == PAGE_FAULT || vector == DOUBLE_FAULT {
        line.text(" cr2 ").hex(cr2);
    }
    host::panic(line.as_bytes())
}

const DOUBLE_FAULT: u64 = 8;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

const fn name(vector: u64) -> &'static str {
    match vector {
        0 => " (#DE)",
        1 => " (#DB)",
        3 => " (#BP)",
        6 => " (#UD)",
        DOUBLE_FAULT => " (#DF)",
        11 => " (#NP)",
        12 => " (#SS)",
        GENERAL_PROTECTION => " (#GP)",
        PAGE_FAULT => " (#PF)",
        _ => "",
    }
}
