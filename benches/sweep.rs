// SPDX-License-Identifier: GPL-2.0-only
//! Executions per second of a sweep on one core: of the shared benchmark image, and of a shipped
//! scenario with all oracles. The rate that is printed (elem/s) is executions.
#![forbid(unsafe_code)]

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[allow(dead_code, reason = "the plain run is for the other bench")]
#[path = "support/guest.rs"]
mod guest;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use explore::Progress;
use explore::flat::Flat;

static IMAGE: &[u8] = include_bytes!("data/target.bin");

/// Every how many boundaries of the benchmark image.
const STRIDE: u64 = 8;

fn image(criterion: &mut Criterion<CpuTime>) {
    let mut target = Flat::new(IMAGE).expect("the image is good");
    let mut group = criterion.benchmark_group("sweep");
    group.sample_size(10);
    for (name, stride, reduced) in [("target", STRIDE, false), ("target_reduced", 1, true)] {
        let mut sweep = || target.sweep(stride, reduced).expect("it comes back");
        group.throughput(Throughput::Elements(sweep().executions));
        group.bench_function(name, |bencher| bencher.iter(&mut sweep));
    }
    group.finish();
}

fn scenario(criterion: &mut Criterion<CpuTime>) {
    let prepared = guest::p4("v10");
    let plan = prepared.plan(1).expect("P4 has a sweep");
    let run = || explore::sweep(&prepared.setup, plan, &Progress::default()).expect("P4 runs");
    let mut group = criterion.benchmark_group("sweep");
    group.throughput(Throughput::Elements(run().executions));
    group.sample_size(10);
    group.bench_function("p4_v10", |bencher| bencher.iter(run));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = image, scenario
}
criterion_main!(benches);
