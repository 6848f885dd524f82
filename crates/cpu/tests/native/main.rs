// SPDX-License-Identifier: GPL-2.0-only
//! The core against the processor this test runs on: random instructions are executed natively,
//! single-stepped in a child process, and on the core; registers, rip, the flags that the manual
//! defines, and memory must agree after each.
//!
//! `PMUSIM_NATIVE_STEPS` sets the number of instructions (default 100000), `PMUSIM_NATIVE_SEED`
//! the seed. Needs x86-64 Linux and permission to trace a child; elsewhere the test says that it
//! was skipped.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod child;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod compare;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod generate;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_core_agrees_with_this_processor() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .map_or(default, |v| v.parse().expect("a number"))
    };
    let steps = number("PMUSIM_NATIVE_STEPS", 100_000);
    let seed = number("PMUSIM_NATIVE_SEED", 1);
    match child::Child::start() {
        Ok(child) => compare::run(&child, seed, steps),
        Err(why) => eprintln!("skipped: {why}"),
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn the_core_agrees_with_this_processor() {
    eprintln!("skipped: needs x86-64 Linux");
}
