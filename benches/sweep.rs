// SPDX-License-Identifier: GPL-2.0-only
//! Executions per second on one core: sweeps of the shared benchmark image and of a shipped scenario,
//! and fuzzing, the latter two with all oracles. The rate that is printed (elem/s) is executions.
#![forbid(unsafe_code)]

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[allow(dead_code, reason = "the plain run is for the other bench")]
#[path = "support/guest.rs"]
mod guest;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use explore::flat::Flat;
use explore::{Budget, Campaign, FuzzTerms, Progress, Strategy};
use image::Image;

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

/// Programs of about ten operations on one CPU: made, run without decisions and with one or two.
fn fuzz(criterion: &mut Criterion<CpuTime>) {
    const EXECUTIONS: u64 = 2048;
    let (machine, scheduler) = (guest::skylake(), guest::scheduler("v12"));
    let terms = FuzzTerms {
        machine: &machine,
        machine_text: guest::SKYLAKE,
        scheduler: &scheduler,
        image: Image::guest(),
        known: &[],
        wanted: &[],
        seed: 1,
        strategy: Strategy::Coverage,
        cpus: 1,
        shard: (0, 1),
    };
    let budget = Budget {
        executions: Some(EXECUTIONS),
        over: &|| false,
        until_met: false,
    };
    let run = || {
        let mut campaign = Campaign::new(terms.clone()).expect("the guest runs on it");
        let done = campaign.run(1, budget, &Progress::default());
        done.expect("machines can be built");
        campaign.totals.executions
    };
    let mut group = criterion.benchmark_group("fuzz");
    group.throughput(Throughput::Elements(run()));
    group.sample_size(10);
    group.bench_function("v12", |bencher| bencher.iter(run));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = image, scenario, fuzz
}
criterion_main!(benches);
