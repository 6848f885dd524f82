// SPDX-License-Identifier: GPL-2.0-only
//! The core against the processor this test runs on: random integer, SSE and SSE2 instructions
//! are executed natively, single-stepped in child processes, and on the core; registers, vector
//! registers, MXCSR, rip, the flags that the manual defines, and memory must agree after each.
//!
//! `PMUSIM_NATIVE_STEPS` sets the number of instructions (default a million; a billion takes a
//! night), and `PMUSIM_NATIVE_SEED` the seed (default 1). Needs x86-64 Linux; elsewhere the test says that it
//! was skipped.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod child;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod compare;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod generate;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod vector;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod x87;

/// Child processes at most.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const WORKERS_MAX: u64 = 8;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_core_agrees_with_this_processor() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .map_or(default, |v| v.parse().expect("a number"))
    };
    let steps = number("PMUSIM_NATIVE_STEPS", 1_000_000);
    let seed = number("PMUSIM_NATIVE_SEED", 1);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let workers = workers.min(WORKERS_MAX);
    let mut started = Vec::new();
    for worker in 0..workers {
        // Far apart in the stream of seeds that people choose.
        let seed = seed + (worker << 32);
        match compare::start(seed) {
            Ok((child, data)) => started.push((child, data, seed)),
            Err(why) => {
                eprintln!("skipped: {why}");
                return;
            }
        }
    }
    let mut seen = std::collections::BTreeMap::<String, u64>::new();
    std::thread::scope(|scope| {
        let handles: Vec<_> = started
            .iter_mut()
            .map(|(child, data, seed)| {
                let share = steps.div_ceil(workers);
                scope.spawn(move || compare::run(child, data, *seed, share))
            })
            .collect();
        for handle in handles {
            match handle.join() {
                Ok(part) => part
                    .into_iter()
                    .for_each(|(name, n)| *seen.entry(name).or_default() += n),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    let rare: Vec<_> = seen.iter().filter(|(_, n)| **n < 10).collect();
    let total: u64 = seen.values().sum();
    eprintln!(
        "{total} instructions, {} mnemonics; rare: {rare:?}",
        seen.len()
    );
    assert!(
        steps < 50_000 || seen.len() > 300,
        "too few kinds: {seen:?}"
    );
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn the_core_agrees_with_this_processor() {
    eprintln!("skipped: needs x86-64 Linux");
}
