// SPDX-License-Identifier: GPL-2.0-only
//! Instructions per second through the real step loop: page permissions, an active undo log, one
//! armed point. The rate that is printed (elem/s) is instructions; Melem/s are MIPS.
#![forbid(unsafe_code)]

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/guest.rs"]
mod guest;

use cpu_time::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use explore::flat::{Flat, Work};
use machine::{Machine, Schedule, Until};

static IMAGE: &[u8] = include_bytes!("data/target.bin");

fn loops(criterion: &mut Criterion<CpuTime>) {
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
fn kernel(criterion: &mut Criterion<CpuTime>) {
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

/// The kernel's part of closing a master that has a sharer (remove_dup and all around it), again
/// and again from a snapshot, as a sweep runs it: decoded before, but each write is the first one
/// to its place, and the way back is part of the time. No oracle.
fn remove_path(criterion: &mut Criterion<CpuTime>) {
    let prepared = guest::remove_dup("v10");
    let step = prepared.plan(1).expect("it has a sweep").step;
    let setup = prepared.setup;
    let baseline = explore::execute(&setup, Schedule::empty()).expect("it runs");
    let kernel = &baseline.log.cpu(0).kernel;
    let (first, last) = kernel[step].expect("closing enters the kernel");
    let mut machine = guest::machine(&setup, false);
    let run_to = |machine: &mut Machine, at| {
        machine.run(&mut Schedule::empty(), &mut (), Until::Boundary(0, at));
        guest::retired(machine)
    };
    let before = run_to(&mut machine, first);
    let start = machine.snapshot();
    let mut again = || {
        let after = run_to(&mut machine, last + 1);
        machine.restore(&start);
        after - before
    };
    let mut group = criterion.benchmark_group("guest");
    group.throughput(Throughput::Elements(again()));
    group.bench_function("remove_path", |bencher| bencher.iter(&mut again));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = loops, kernel, remove_path
}
criterion_main!(benches);
