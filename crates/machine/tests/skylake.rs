// SPDX-License-Identifier: GPL-2.0-only
//! Programs under the Skylake model: what they cost, and that nothing else changes.

use std::sync::Arc;

use abi::totals::{HwEvent, Ring, Totals};
use cpu::Perm;
use image::Image;
use machine::{End, Hardware, Machine, Schedule, Timing, Until};

const CODE: u64 = 0x10_0000;

fn machine(code: &[u8], timing: Timing) -> Machine {
    let hardware = Hardware {
        timing,
        features: cpu::Features::ALL,
        pmu: pmu::Config {
            version: 4,
            gp_counters: 4,
            fixed_counters: 3,
            full_width_writes: true,
            per_instruction: match timing {
                Timing::Unit => pmu::Rates::UNIT,
                Timing::Skylake => pmu::Rates::LAGGING,
            },
            ..pmu::Config::default()
        },
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let image = Image::raw(CODE, code).unwrap();
    let mut machine = Machine::bare(Arc::new(image), &hardware).unwrap();
    let all = Perm::READ | Perm::WRITE | Perm::EXEC;
    machine.mem_mut().protect(0x1000, 0x1f_f000, all);
    machine
}

fn finish(machine: &mut Machine) -> Totals {
    let limit = 10_000_000;
    match machine.run(&mut Schedule::empty(), &mut (), Until::End { limit }) {
        End::Halted => {}
        end => panic!("{end:?}"),
    }
    if let Some(model) = &mut machine.core_mut(0).model {
        model.drain();
    }
    machine.cores()[0].totals()
}

fn run(code: &[u8]) -> Totals {
    finish(&mut machine(code, Timing::Skylake))
}

const ITERATIONS: u64 = 10_000;

/// `mov ecx, 10000`, the body, `dec ecx`, `jnz`, `hlt`.
fn looped(body: &[u8]) -> Vec<u8> {
    let mut code = vec![0xb9, 0x10, 0x27, 0, 0];
    let start = code.len();
    code.extend(body);
    code.extend([0xff, 0xc9, 0x0f, 0x85]);
    let back = start as i64 - (code.len() as i64 + 4);
    code.extend((back as i32).to_le_bytes());
    code.push(0xf4);
    code
}

#[track_caller]
fn cycles_per_iteration(body: &[u8], expected: f64) -> Totals {
    let totals = run(&looped(body));
    let cycles = totals.get(Ring::Kernel, HwEvent::Cycles) as f64 / 10_000.0;
    assert!(
        (cycles - expected).abs() <= 0.1 + expected * 0.02,
        "{cycles} cycles an iteration, not {expected}; {totals:?}"
    );
    totals
}

#[test]
fn loops_run_at_the_speed_of_their_bottleneck() {
    let kernel = |t: &Totals, e| t.get(Ring::Kernel, e);
    // Nothing but the fused DEC and JNZ: one taken branch a cycle, from the uop cache.
    let t = cycles_per_iteration(&[], 1.0);
    assert!(kernel(&t, HwEvent::DsbUops) > 9_900, "{t:?}");
    assert!(kernel(&t, HwEvent::MiteUops) < 100, "{t:?}");
    assert_eq!(kernel(&t, HwEvent::TakenBranches), 9_999);
    assert_eq!(kernel(&t, HwEvent::ConditionalBranches), 10_000);
    assert!(kernel(&t, HwEvent::BranchMisses) <= 3, "{t:?}");
    // imul rax, rax
    cycles_per_iteration(&[0x48, 0x0f, 0xaf, 0xc0], 3.0);
    // mov rax, [rsp - 8]; add rax, 1; mov [rsp - 8], rax: through the store buffer
    let t = cycles_per_iteration(
        &[
            0x48, 0x8b, 0x44, 0x24, 0xf8, 0x48, 0x83, 0xc0, 1, 0x48, 0x89, 0x44, 0x24, 0xf8,
        ],
        5.0,
    );
    assert_eq!(kernel(&t, HwEvent::StoreForwardBlocks), 0);
    // mov [rsp - 8], eax; mov rax, [rsp - 8]: the load needs more than the store has
    let t = run(&looped(&[
        0x89, 0x44, 0x24, 0xf8, 0x48, 0x8b, 0x44, 0x24, 0xf8,
    ]));
    assert_eq!(kernel(&t, HwEvent::StoreForwardBlocks), 10_000);
    assert!(kernel(&t, HwEvent::Cycles) > 100_000);
}

#[test]
fn branches_that_cannot_be_known_cost_what_a_restart_costs() {
    // A linear congruential generator; jump over a NOP by its highest bit.
    // imul eax, eax, 1664525; add eax, 1013904223; test eax, eax; js +1; nop
    let body = [
        0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00, 0x05, 0x5f, 0xf3, 0x6e, 0x3c, 0x85, 0xc0, 0x78, 0x01,
        0x90,
    ];
    let t = run(&looped(&body));
    let misses = t.get(Ring::Kernel, HwEvent::BranchMisses);
    assert!((3_500..6_500).contains(&misses), "{misses}");
    let cycles = t.get(Ring::Kernel, HwEvent::Cycles);
    let each = (cycles as f64 - 40_000.0) / misses as f64;
    assert!((12.0..25.0).contains(&each), "{each} cycles a miss");
    assert!(t.get(Ring::Kernel, HwEvent::RecoveryCycles) >= 8 * misses);
}

#[test]
fn caches_have_their_sizes_and_latencies() {
    // Walk through a buffer of so many bytes in steps of 64, four times, each load's address
    // depending on the one before.
    let walk = |bytes: u32| {
        let mut code = vec![0xba, 4, 0, 0, 0]; // mov edx, 4
        let outer = code.len();
        code.extend([0xbb, 0, 0, 0x40, 0]); // mov ebx, 0x400000
        code.push(0xb9);
        code.extend((bytes / 64).to_le_bytes()); // mov ecx, lines
        // mov rax, [rbx]; lea rbx, [rbx + rax + 64]; dec ecx; jnz
        code.extend([
            0x48, 0x8b, 0x03, 0x48, 0x8d, 0x5c, 0x03, 0x40, 0xff, 0xc9, 0x75, 0xf5,
        ]);
        code.extend([0xff, 0xca, 0x75]); // dec edx; jnz
        code.push((outer as i64 - (code.len() as i64 + 1)) as u8);
        code.push(0xf4);
        let mut machine = machine(&code, Timing::Skylake);
        machine
            .mem_mut()
            .protect(0x40_0000, 0x100_0000, Perm::READ | Perm::WRITE);
        finish(&mut machine)
    };
    let get = |t: &Totals, e| t.get(Ring::Kernel, e);
    let small = walk(16 << 10);
    assert_eq!(get(&small, HwEvent::L1Hit), 3 * 256);
    assert_eq!(get(&small, HwEvent::L3Miss), 256);
    let middle = walk(128 << 10);
    assert_eq!(get(&middle, HwEvent::L2Hit), 3 * 2048);
    let large = walk(1 << 20);
    assert_eq!(get(&large, HwEvent::L3Hit), 3 * 16384);
    assert_eq!(get(&large, HwEvent::LlcMisses), 16384);
    // Of four passes the first one waits for memory (245 cycles); LEA takes three.
    for (totals, lines, latency) in [(&small, 256, 5), (&middle, 2048, 12), (&large, 16384, 42)] {
        let cycles = get(totals, HwEvent::Cycles) as f64 / f64::from(lines);
        let expected = f64::from(245 + 3 * latency + 4 * 3);
        assert!(
            (cycles / expected - 1.0).abs() < 0.1,
            "{cycles}, not {expected}"
        );
    }
}

#[test]
fn the_model_changes_time_and_nothing_else() {
    let code = looped(&[0x48, 0x0f, 0xaf, 0xc1, 0x50, 0x5b, 0x48, 0x01, 0xd8]);
    let mut unit = machine(&code, Timing::Unit);
    finish(&mut unit);
    let mut skylake = machine(&code, Timing::Skylake);
    finish(&mut skylake);
    assert_eq!(unit.cores()[0].cpu.regs, skylake.cores()[0].cpu.regs);
    assert_eq!(unit.timing_digest(), None);
    let mut again = machine(&code, Timing::Skylake);
    finish(&mut again);
    assert_eq!(skylake.timing_digest(), again.timing_digest());
    // One that listens hears the same, and the machine stays on its own time.
    let mut listened = machine(&code, Timing::Unit);
    listened.listen();
    finish(&mut listened);
    assert_eq!(unit.digest(), listened.digest());
    let model = listened.core_mut(0).model.as_mut().unwrap();
    model.drain();
    assert_eq!(
        Some(model.cycles()),
        skylake.cores()[0]
            .model
            .as_ref()
            .map(machine::Model::cycles)
    );
    let cycles: Vec<u64> = model.boundaries().iter().map(|b| b.1).collect();
    assert!(cycles.len() > 10_000 && cycles.is_sorted());
}

#[test]
fn clocks_and_counters_read_by_the_guest_are_the_models() {
    // rdtsc; mov esi, eax; imul rbx, rbx x 20; rdtsc; sub eax, esi; hlt
    let mut code = vec![0x0f, 0x31, 0x89, 0xc6];
    for _ in 0..20 {
        code.extend([0x48, 0x0f, 0xaf, 0xdb]);
    }
    code.extend([0x0f, 0x31, 0x29, 0xf0, 0xf4]);
    let mut tsc = machine(&code, Timing::Skylake);
    finish(&mut tsc);
    let measured = tsc.cores()[0].cpu.regs[0];
    assert!((60..110).contains(&measured), "{measured} cycles");
}

#[test]
fn counts_keep_the_invariants_of_the_hardware() {
    // Random straight-line code of loads, stores, arithmetic and jumps over the next instruction.
    let pieces: [&[u8]; 12] = [
        &[0x48, 0x01, 0xd8],                   // add rax, rbx
        &[0x48, 0x0f, 0xaf, 0xc3],             // imul rax, rbx
        &[0x48, 0x31, 0xd2],                   // xor edx, edx: a zero idiom
        &[0x48, 0x89, 0xc6],                   // mov rsi, rax: may be eliminated
        &[0x48, 0x8b, 0x44, 0x24, 0xe0],       // mov rax, [rsp - 32]
        &[0x48, 0x89, 0x5c, 0x24, 0xe0],       // mov [rsp - 32], rbx
        &[0x89, 0x5c, 0x24, 0xe4],             // mov [rsp - 28], ebx
        &[0x50, 0x5b],                         // push rax; pop rbx
        &[0x48, 0x85, 0xc0, 0x78, 0x01, 0x90], // test rax, rax; js +1; nop
        &[0x66, 0x81, 0xc3, 0x34, 0x12],       // add bx, 0x1234: a length-changing prefix
        &[0x88, 0xe3],                         // mov bl, ah
        &[0x0f, 0xa2],                         // cpuid
    ];
    let mut state = 1_u64;
    for _ in 0..24 {
        let mut body = Vec::new();
        for _ in 0..20 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let pick = (state >> 33) as usize;
            // CPUID rarely: it overwrites the loop counter's register, so that is saved.
            let n = pick % if pick.is_multiple_of(97) { 12 } else { 11 };
            if n == 11 {
                body.extend([0x49, 0x89, 0xc8, 0x0f, 0xa2, 0x4c, 0x89, 0xc1]);
            } else {
                body.extend(pieces[n]);
            }
        }
        let mut code = looped(&body);
        code[1..5].copy_from_slice(&200_u32.to_le_bytes());
        let t = run(&code);
        let get = |e| t.get(Ring::Kernel, e);
        let cycles = get(HwEvent::Cycles);
        assert!(get(HwEvent::UopsIssued) >= get(HwEvent::RetireSlots));
        let ports = [
            HwEvent::Port0,
            HwEvent::Port1,
            HwEvent::Port2,
            HwEvent::Port3,
            HwEvent::Port4,
            HwEvent::Port5,
            HwEvent::Port6,
            HwEvent::Port7,
        ];
        let dispatched: u64 = ports.map(get).iter().sum();
        assert_eq!(dispatched, get(HwEvent::UopsExecuted));
        assert!(ports.map(get).iter().all(|&n| n <= cycles));
        assert!(get(HwEvent::NotDelivered) <= 4 * cycles);
        for part in [
            HwEvent::StallsTotal,
            HwEvent::ResourceStalls,
            HwEvent::SchedulerEmpty,
            HwEvent::DividerActive,
            HwEvent::RecoveryCycles,
        ] {
            assert!(get(part) <= cycles, "{part:?}");
        }
        assert!(get(HwEvent::StallsMemory) <= get(HwEvent::StallsTotal));
        let queued = get(HwEvent::DsbUops) + get(HwEvent::MiteUops) + get(HwEvent::MsUops);
        // Un-lamination and the uops that rename makes come behind the queue.
        assert!(queued > 0 && queued <= get(HwEvent::UopsIssued));
        assert!(get(HwEvent::BranchMisses) <= get(HwEvent::Branches));
        assert!(get(HwEvent::TakenBranches) <= get(HwEvent::Branches));
    }
}

#[test]
fn what_rename_handles_is_issued_and_retired_and_not_executed() {
    let counts = |body: &[u8]| {
        let t = run(&looped(body));
        [
            HwEvent::UopsIssued,
            HwEvent::RetireSlots,
            HwEvent::UopsExecuted,
        ]
        .map(|e| t.get(Ring::Kernel, e))
    };
    let plain = counts(&[]);
    // xor edx, edx: a zero idiom; nop; mov rsi, rax, once an iteration: an eliminated move.
    for one in [&[0x31, 0xd2][..], &[0x90], &[0x48, 0x89, 0xc6]] {
        let with = counts(one);
        let more = [0, 1, 2].map(|i| with[i] - plain[i]);
        assert_eq!(more, [ITERATIONS, ITERATIONS, 0], "{one:x?}");
    }
}

#[test]
fn a_store_into_code_clears_the_pipeline() {
    // xor byte [rsp - 32], 1; mov dl, 0. Then the same on the immediate of the MOV behind it.
    let quiet = run(&looped(&[0x80, 0x74, 0x24, 0xe0, 1, 0xb2, 0]));
    let clears = run(&looped(&[0x80, 0x35, 1, 0, 0, 0, 1, 0xb2, 0]));
    let cycles = |t: &Totals| t.get(Ring::Kernel, HwEvent::Cycles);
    let each = (cycles(&clears) - cycles(&quiet)) / ITERATIONS;
    assert!((100..400).contains(&each), "{each}");
}

#[test]
fn the_bank_counts_the_models_events_by_code_and_unit_mask() {
    use timing::skylake::names::EVENTS;
    for named in EVENTS.iter().filter(|e| !e.fixed) {
        let select = u64::from(named.code)
            | u64::from(named.umask) << 8
            | u64::from(named.cmask) << 24
            | 1 << 22
            | 1 << 17;
        // wrmsr of the select; a loop; then rdpmc 0 and hlt
        let mut code = vec![0xb9, 0x86, 0x01, 0, 0, 0xb8];
        code.extend((select as u32).to_le_bytes());
        code.extend([0x31, 0xd2, 0x0f, 0x30]);
        let mut body = looped(&[
            0x48, 0x8b, 0x44, 0x24, 0xf0, 0x89, 0x44, 0x24, 0xf4, 0x66, 0x81, 0xc3, 0x34, 0x12,
        ]);
        body.pop();
        code.extend(body);
        code.extend([0x31, 0xc9, 0x0f, 0x33, 0xf4]);
        let mut machine = machine(&code, Timing::Skylake);
        let before = machine.cores()[0].totals();
        let end = finish(&mut machine);
        let counted = machine.cores()[0].cpu.regs[0];
        let happened = end.get(Ring::Kernel, named.event) - before.get(Ring::Kernel, named.event);
        // Of what happened, the counter misses what came before it was on and after it was read.
        // (WRMSR alone leaves 90 cycles of four empty slots.)
        let slack = 1000 + happened / 50;
        assert!(
            counted <= happened && counted + slack >= happened,
            "{}: counted {counted}, happened {happened}",
            named.name
        );
    }
}
