// SPDX-License-Identifier: GPL-2.0-only
//! The kernel image. `cargo xtask guest` builds it for `x86_64-unknown-none`; on a host this
//! program only says so.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use guest as _;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("the guest runs on the simulated machine: build it with `cargo xtask guest`");
    std::process::ExitCode::FAILURE
}

/// A panic ends the machine, with the place and, where it is a plain text, the message.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    guest::panic::panicked(info)
}
