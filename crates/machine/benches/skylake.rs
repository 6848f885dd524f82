// SPDX-License-Identifier: GPL-2.0-only
//! Simulated instructions a second with the whole Skylake model: a loop with loads over more than
//! the first cache holds, stores, arithmetic, and a branch that the predictor cannot know.
#![forbid(unsafe_code)]

use std::sync::Arc;

use abi::totals::{HwEvent, Ring};
use cpu::Perm;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use image::Image;
use machine::{End, Hardware, Machine, Schedule, Timing, Until};

const CODE: u64 = 0x10_0000;
const DATA: u64 = 0x40_0000;
const ITERATIONS: u32 = 20_000;

fn program() -> Vec<u8> {
    // mov edi, DATA; mov ecx, ITERATIONS; mov eax, 1
    let mut code = vec![0xbf];
    code.extend((DATA as u32).to_le_bytes());
    code.push(0xb9);
    code.extend(ITERATIONS.to_le_bytes());
    code.extend([0xb8, 1, 0, 0, 0]);
    let start = code.len();
    code.extend([0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00]); // imul eax, eax, 1664525
    code.extend([0x05, 0x5f, 0xf3, 0x6e, 0x3c]); // add eax, 1013904223
    code.extend([0x89, 0xc2, 0xc1, 0xea, 0x0e]); // mov edx, eax; shr edx, 14: 256 KiB
    code.extend([0x03, 0x34, 0x17]); // add esi, [rdi + rdx]
    code.extend([0x89, 0x74, 0x24, 0xf8]); // mov [rsp - 8], esi
    code.extend([0x85, 0xc0, 0x78, 0x02]); // test eax, eax; js +2
    code.extend([0x31, 0xd6]); // xor esi, edx
    code.extend([0x03, 0x74, 0x24, 0xf8]); // add esi, [rsp - 8]
    code.extend([0xff, 0xc9, 0x75]); // dec ecx; jnz
    code.push((start as i64 - (code.len() as i64 + 1)) as u8);
    code.push(0xf4);
    code
}

fn machine() -> Machine {
    let hardware = Hardware {
        timing: Timing::Skylake,
        features: cpu::Features::ALL,
        pmu: pmu::Config {
            version: 4,
            gp_counters: 4,
            fixed_counters: 3,
            full_width_writes: true,
            per_instruction: pmu::Rates::LAGGING,
            ..pmu::Config::default()
        },
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let image = Image::raw(CODE, &program()).expect("an image");
    let mut machine = Machine::bare(Arc::new(image), &hardware).expect("a machine");
    let data = Perm::READ | Perm::WRITE;
    machine.mem_mut().protect(0x1000, 0xf_e000, data);
    machine.mem_mut().protect(DATA, 0x4_1000, data);
    machine.core_mut(0).cpu.regs[4] = 0x8000;
    machine
}

fn run(mut machine: Machine) -> Machine {
    let until = Until::End { limit: 10_000_000 };
    let end = machine.run(&mut Schedule::empty(), &mut (), until);
    assert!(matches!(end, End::Halted), "{end:?}");
    machine
}

fn model(criterion: &mut Criterion) {
    let done = run(machine());
    let instructions = done.cores()[0]
        .totals()
        .get(Ring::Kernel, HwEvent::Instructions);
    let mut group = criterion.benchmark_group("skylake");
    group.sample_size(10);
    group.throughput(Throughput::Elements(instructions));
    group.bench_function("loop", |bencher| {
        bencher.iter_batched(machine, run, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, model);
criterion_main!(benches);
