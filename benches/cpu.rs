// SPDX-License-Identifier: GPL-2.0-only
//! Instructions per second through the real step loop: page permissions, an active undo log, one
//! armed point. The rate that is printed (elem/s) is instructions; Melem/s are MIPS.
#![forbid(unsafe_code)]

#[path = "support/guest.rs"]
mod guest;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use explore::flat::{Flat, Work};

static IMAGE: &[u8] = include_bytes!("data/target.bin");

fn loops(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cpu");
    for (name, work, turns) in [
        ("long_kern", Work::Kern, 200),
        ("long_alu", Work::Alu, 50_000),
    ] {
        let mut target = Flat::new(IMAGE).expect("the image is good");
        let snapshot = target.snapshot();
        let instructions = target.work(work, turns).expect("it comes back");
        group.throughput(Throughput::Elements(instructions));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                target.restore(&snapshot);
                target.work(work, turns)
            });
        });
    }
    group.finish();
}

/// The guest kernel from reset to the end of the P4 scenario, with no oracle and with all.
fn kernel(criterion: &mut Criterion) {
    let setup = guest::p4("v10").setup;
    let mut group = criterion.benchmark_group("guest");
    for (name, oracles) in [("plain", false), ("with_oracles", true)] {
        let instructions = guest::run(&setup, &mut guest::machine(&setup, oracles), oracles);
        group.throughput(Throughput::Elements(instructions));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || guest::machine(&setup, oracles),
                |machine| guest::run(&setup, machine, oracles),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, loops, kernel);
criterion_main!(benches);
