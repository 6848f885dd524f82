// SPDX-License-Identifier: GPL-2.0-only
//! Every way into the kernel and out of it, in assembly.
//!
//! # NMI at any boundary
//! An NMI may interrupt each of these instructions, so its entry assumes nothing:
//! * *Stack*: the gate names IST 1, a stack that nothing else uses. It does not matter that RSP
//!   still holds the user's value right after SYSCALL or right before SYSRET. The frame on it is
//!   not overwritten by another NMI: the CPU blocks NMIs until IRETQ, and no fault of the handler's
//!   returns by one, which would unblock them early (it is a panic, or a #GP that is mended).
//! * *GS*: neither the saved CS nor RIP tells which base is loaded, because both edges of each
//!   entry run in ring 0 with the user's. So the entry reads GS_BASE and asks whether it lies in
//!   [`PER_CPU`] (as the kernel's `paranoid_entry` asks for its sign). User code cannot load such
//!   a base: FSGSBASE instructions are off and a selector loads base 0.
//! * *Registers and flags*: all that Rust code may change is saved, the direction flag cleared.
//!
//! # Frame pointers
//! Each entry pushes RBP right below the interrupted RIP and points RBP there: a walk along the
//! frame pointers goes through the interruption into the interrupted function.

use core::arch::naked_asm;

use abi::layout::{USER_CS, USER_SS};
use abi::msr;

use crate::handlers;
use crate::per_cpu::{
    KERNEL_STACK, KERNEL_TOP, PER_CPU, PER_CPU_SIZE, STACKS, STACKS_SIZE, USER_RSP,
};

/// First instruction of every CPU: 64-bit mode, ring 0, identity map, interrupts off, CPU number
/// in RDI, no stack. Takes the CPU's kernel stack and calls [`crate::boot::start`].
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn _start() -> ! {
    naked_asm!(
        "cmp rdi, {cpus}",
        "jae 2f",
        "imul rax, rdi, {size}",
        "lea rsp, [rip + {stacks} + {top}]",
        "add rsp, rax",
        "xor ebp, ebp",
        "call {start}",
        "2:",
        "ud2",
        cpus = const abi::layout::CPUS_MAX,
        size = const STACKS_SIZE,
        stacks = sym STACKS,
        top = const KERNEL_TOP,
        start = sym crate::boot::start,
    )
}

/// Leaves for ring 3 at `rip` with stack `rsp`, interrupts on, and every other register zero.
#[unsafe(naked)]
pub extern "C" fn enter_user(rip: u64, rsp: u64) -> ! {
    naked_asm!(
        "push {ss}",
        "push rsi",
        "push {flags}",
        "push {cs}",
        "push rdi",
        "xor eax, eax",
        "xor ecx, ecx",
        "xor edx, edx",
        "xor ebx, ebx",
        "xor ebp, ebp",
        "xor esi, esi",
        "xor edi, edi",
        "xor r8d, r8d",
        "xor r9d, r9d",
        "xor r10d, r10d",
        "xor r11d, r11d",
        "xor r12d, r12d",
        "xor r13d, r13d",
        "xor r14d, r14d",
        "xor r15d, r15d",
        "cli",
        "swapgs",
        "iretq",
        ss = const USER_SS,
        cs = const USER_CS,
        flags = const 0x202,
    )
}

/// SYSCALL: number in RAX, arguments in RDI, RSI, RDX, R10, R8 (a sixth one is not used by any
/// call here). Interrupts are on while the call runs. Only RAX, RCX and R11 change.
#[unsafe(naked)]
pub extern "C" fn syscall_entry() {
    naked_asm!(
        "swapgs",
        "mov qword ptr gs:[{user_rsp}], rsp",
        "mov rsp, qword ptr gs:[{kernel_stack}]",
        "push qword ptr gs:[{user_rsp}]",
        "push r11",
        "push rcx",
        "push rbp",
        "mov rbp, rsp",
        "push rdi",
        "push rsi",
        "push rdx",
        "push r8",
        "push r9",
        "push r10",
        "mov rcx, r10",
        "mov r9, rax",
        "sti",
        "call {dispatch}",
        "cli",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "pop rbp",
        "pop rcx",
        "pop r11",
        "pop rsp",
        "swapgs",
        "sysretq",
        user_rsp = const USER_RSP,
        kernel_stack = const KERNEL_STACK,
        dispatch = sym handlers::system_call,
    )
}

/// NMI gate, on IST 1: see the module's text.
#[unsafe(naked)]
pub extern "C" fn nmi_entry() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbx",
        "cld",
        "mov ecx, {gs_base}",
        "rdmsr",
        "shl rdx, 32",
        "or rax, rdx",
        "lea rcx, [rip + {per_cpu}]",
        "sub rax, rcx",
        "xor ebx, ebx",
        "cmp rax, {per_cpu_size}",
        "jb 2f",
        "swapgs",
        "mov ebx, 1",
        "2:",
        "call {handler}",
        "test ebx, ebx",
        "jz 3f",
        "swapgs",
        "3:",
        "pop rbx",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rbp",
        "iretq",
        gs_base = const msr::GS_BASE,
        per_cpu = sym PER_CPU,
        per_cpu_size = const PER_CPU_SIZE,
        handler = sym handlers::nmi,
    )
}

/// A gate of a maskable interrupt. It arrives in ring 3 or where the kernel has interrupts on;
/// there GS is the kernel's, so that the saved CS tells all.
macro_rules! interrupt_entry {
    ($(#[$doc:meta])* $name:ident => $handler:path) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            naked_asm!(
                "push rbp",
                "mov rbp, rsp",
                "push rax",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                "push r8",
                "push r9",
                "push r10",
                "push r11",
                "push rbx",
                "cld",
                "test byte ptr [rbp + 16], 3",
                "jz 2f",
                "swapgs",
                "2:",
                "call {handler}",
                "test byte ptr [rbp + 16], 3",
                "jz 3f",
                "swapgs",
                "3:",
                "pop rbx",
                "pop r11",
                "pop r10",
                "pop r9",
                "pop r8",
                "pop rdi",
                "pop rsi",
                "pop rdx",
                "pop rcx",
                "pop rax",
                "pop rbp",
                "iretq",
                handler = sym $handler,
            )
        }
    };
}

interrupt_entry! {
    /// Timer tick.
    timer_entry => handlers::timer
}
interrupt_entry! {
    /// Cross-call from another CPU.
    call_function_entry => handlers::call_function
}
interrupt_entry! {
    /// irq_work, raised by an NMI on this CPU.
    irq_work_entry => handlers::irq_work
}

/// #GP: the handler returns only if it came from an RDMSR, which then reads 0, or from a WRMSR. GS is
/// left alone, as by the other exceptions.
///
/// The way back is no IRETQ: within an NMI that would let in the next one, onto the same stack. What
/// is left of the frame goes below the interrupted RSP, where the kernel keeps nothing.
#[unsafe(naked)]
pub extern "C" fn general_protection_entry() {
    naked_asm!(
        // RBP takes the place of the error code, right below RIP.
        "push rax",
        "mov rax, qword ptr [rsp + 8]",
        "mov qword ptr [rsp + 8], rbp",
        "lea rbp, [rsp + 8]",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        // Aligns the stack.
        "push rax",
        "cld",
        "lea rdi, [rbp + 8]",
        "mov rsi, rax",
        "mov r8, qword ptr [rbp - 8]",
        "call {handler}",
        "test al, al",
        "jz 2f",
        "mov qword ptr [rbp - 8], 0",
        "mov qword ptr [rbp - 24], 0",
        "2:",
        // All is read before the stores, which may hit the frame's upper words. CS is not needed.
        "mov rax, qword ptr [rbp + 32]",
        "mov rcx, qword ptr [rbp + 8]",
        "mov rdx, qword ptr [rbp + 24]",
        "mov rsi, qword ptr [rbp]",
        "mov qword ptr [rax - 8], rcx",
        "mov qword ptr [rax - 16], rsi",
        "mov qword ptr [rax - 24], rdx",
        "sub rax, 24",
        "mov qword ptr [rbp + 16], rax",
        "pop r11",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "mov rsp, qword ptr [rbp + 16]",
        "popfq",
        "pop rbp",
        "ret",
        handler = sym handlers::general_protection,
    )
}

/// Bytes from one stub of [`exception_stubs`] to the next.
pub const EXCEPTION_STUB_SIZE: u64 = 16;

/// One stub for each exception vector: makes the frames alike (an error code of 0 where the CPU
/// pushes none) and goes to [`exception_common`]. Those of the NMI and of #GP are never used.
#[unsafe(naked)]
pub extern "C" fn exception_stubs() {
    naked_asm!(
        ".p2align 4",
        ".set vector, 0",
        ".rept 32",
        // Vectors with an error code: 8, 10 to 14, 17, 21, 29, 30 (SDM vol. 3A, table 6-1).
        ".if (0x60227d00 >> vector) & 1",
        ".else",
        "pushq $0",
        ".endif",
        "pushq $vector",
        "jmp {common}",
        ".p2align 4",
        ".set vector, vector + 1",
        ".endr",
        common = sym exception_common,
        options(att_syntax),
    )
}

/// Any other exception is a bug of the kernel or of the user program: it panics with its frame. GS is
/// left alone, so that this works between any two instructions of the entries.
#[unsafe(naked)]
extern "C" fn exception_common() {
    naked_asm!(
        "mov rdi, qword ptr [rsp]",
        "mov rsi, qword ptr [rsp + 8]",
        "mov rdx, qword ptr [rsp + 16]",
        "mov rcx, qword ptr [rsp + 24]",
        "mov r8, cr2",
        "cld",
        "and rsp, -16",
        "call {handler}",
        "ud2",
        handler = sym handlers::exception,
    )
}
