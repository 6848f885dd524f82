// SPDX-License-Identifier: GPL-2.0-only
//! Calls to the host ([`abi::guest_call`]).

use core::arch::asm;

use abi::guest_call;

/// VMCALL with `number` and up to three arguments. The host changes no register and no memory.
#[inline(always)]
pub fn call(number: u64, a: u64, b: u64, c: u64) {
    // SAFETY: the host only looks; the compiler must have stored what it looks at, so no `nomem`.
    unsafe {
        asm!("vmcall", in("rax") number, in("rdi") a, in("rsi") b, in("rdx") c, in("rcx") 0,
             options(nostack, preserves_flags));
    }
}

/// [`guest_call::WARN`] with a place that is not the caller's.
pub fn warn_at(text: &[u8], place: u64) {
    call(
        guest_call::WARN,
        text.as_ptr().addr() as u64,
        text.len() as u64,
        place,
    );
}

/// [`guest_call::PANIC`], and no return: should the host go on, the CPU stays where it is.
pub fn panic(text: &[u8]) -> ! {
    call(
        guest_call::PANIC,
        text.as_ptr().addr() as u64,
        text.len() as u64,
        0,
    );
    loop {
        // SAFETY: stops this CPU with interrupts off.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}

/// [`guest_call::EXIT`] and then idling: the program is over, but interrupts are still served.
pub fn exit(status: u64) -> ! {
    call(guest_call::EXIT, status, 0, 0);
    loop {
        // SAFETY: waits for the next interrupt; all gates are set up. STI's shadow makes the pair
        // free of a lost wake-up.
        unsafe { asm!("sti", "hlt", options(nostack)) }
    }
}
