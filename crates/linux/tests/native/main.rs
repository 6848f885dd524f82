// SPDX-License-Identifier: GPL-2.0-only
//! Counts of whole programs against the processor this test runs on: a program is single-stepped
//! natively and each instruction decoded, in the way that docs/exec.md describes counts; the
//! machine's counters must say the same, instruction for instruction.
//!
//! Programs whose path depends on CPUID (glibc's) are not compared: the library chooses other code
//! here and there. Needs x86-64 Linux, a compiler and permission to trace a child; elsewhere a test
//! says that it was skipped.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod child;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod count;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod programs;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn counts_are_those_of_a_native_run() {
    eprintln!("skipped: needs x86-64 Linux");
}
