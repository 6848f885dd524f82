// SPDX-License-Identifier: GPL-2.0-only
//! Random system calls with random arguments: whatever a program asks, the supervisor answers, ends
//! the program or says what is missing; it never panics, and two runs are the same.

use linux::{Ended, Options, Process};
use machine::{Hardware, Timing};
use proptest::prelude::*;

const BASE: u64 = 0x40_0000;
const MEMORY: u64 = 32 << 20;
const HEADERS: usize = 64 + 56;
/// RBX walks over the table behind the code: number and six arguments for each call.
const CODE: [u8; 35] = [
    0x48, 0x8b, 0x03, // start: mov rax, [rbx]
    0x48, 0x8b, 0x7b, 0x08, // mov rdi, [rbx+8]
    0x48, 0x8b, 0x73, 0x10, // mov rsi, [rbx+16]
    0x48, 0x8b, 0x53, 0x18, // mov rdx, [rbx+24]
    0x4c, 0x8b, 0x53, 0x20, // mov r10, [rbx+32]
    0x4c, 0x8b, 0x43, 0x28, // mov r8, [rbx+40]
    0x4c, 0x8b, 0x4b, 0x30, // mov r9, [rbx+48]
    0x48, 0x83, 0xc3, 0x38, // add rbx, 56
    0x0f, 0x05, // syscall
    0xeb, 0xdd, // jmp start
];

/// A static ELF of one segment that makes these calls and then exits with 0.
fn program(calls: &[[u64; 7]]) -> Vec<u8> {
    let mut code = vec![0x48, 0xc7, 0xc3]; // mov rbx, table
    let table = BASE + HEADERS as u64 + 7 + CODE.len() as u64;
    code.extend(u32::try_from(table).unwrap().to_le_bytes());
    code.extend(CODE);
    for call in calls.iter().chain(&[[231, 0, 0, 0, 0, 0, 0]]) {
        code.extend(call.iter().flat_map(|word| word.to_le_bytes()));
    }
    let size = (HEADERS + code.len()) as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [BASE + HEADERS as u64, 64, 0] {
        file.extend(u64::to_le_bytes(word));
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(u64::to_le_bytes(word));
    }
    file.extend(code);
    file
}

fn run(calls: &[[u64; 7]]) -> (String, Vec<u8>) {
    let hardware = Hardware {
        pmu: pmu::Config::default(),
        features: cpu::Features::ALL,
        timing: Timing::Unit,
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let options = Options {
        args: vec![b"program".to_vec()],
        env: Vec::new(),
        path: b"program".to_vec(),
        exe: b"/program".to_vec(),
        seed: 3,
        memory: MEMORY,
        base: BASE,
    };
    let mut process = Process::load(&program(calls), &hardware, &options).expect("a good ELF");
    let mut written = Vec::new();
    let ended = process.run(10_000, &mut |_, bytes| written.extend(bytes));
    assert!(
        !matches!(ended, Ended::Limit),
        "each call is nine instructions"
    );
    (
        format!("{ended:?} {:?}", process.machine().cores()[0].cpu.regs),
        written,
    )
}

/// Calls that are carried out, exits left out.
const NUMBERS: [u64; 47] = [
    1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 21, 24, 25, 28, 39, 62, 63, 72, 89, 96, 97,
    99, 102, 131, 158, 186, 200, 201, 202, 204, 218, 228, 229, 234, 257, 262, 267, 273, 302, 318,
    334, 9, 11,
];

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..40,
        // The program, the heap behind it, free places, the stack, and ends of all of them.
        3 => prop::sample::select(vec![
            BASE, BASE + 8, BASE + 0x1000, BASE + 0xfff, 0x50_0000, 0x100_0000, MEMORY - 64,
            MEMORY - 4, MEMORY, MEMORY - (8 << 20), MEMORY - (9 << 20), 0x1000, 0xffff,
        ]),
        2 => (1u64..600).prop_map(|page| page * 4096),
        2 => prop::sample::select(vec![0x22u64, 0x32, 0x10_0022, 0x1002, 0x1003, 0x5401, 1000, 8]),
        1 => prop::sample::select(vec![u64::MAX, u64::MAX - 4095, 1 << 63, 0x7fff_ffff_f000, 1 << 32]),
        1 => any::<u64>(),
    ]
}

fn call() -> impl Strategy<Value = [u64; 7]> {
    let number = prop_oneof![20 => prop::sample::select(NUMBERS.to_vec()), 1 => 0u64..500];
    (number, prop::array::uniform6(argument()))
        .prop_map(|(n, a)| [n, a[0], a[1], a[2], a[3], a[4], a[5]])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_call_is_answered_or_named(calls in prop::collection::vec(call(), 1..24)) {
        let first = run(&calls);
        prop_assert_eq!(run(&calls), first);
    }
}

#[test]
fn the_program_around_the_calls_works() {
    // write(1, the ELF's magic, 4), then a call that does not exist.
    let (ended, written) = run(&[[1, 1, BASE, 4, 0, 0, 0]]);
    assert!(ended.starts_with("Exited(0)"), "{ended}");
    assert_eq!(written, b"\x7fELF");
    let (ended, _) = run(&[[9999, 0, 0, 0, 0, 0, 0]]);
    assert!(ended.starts_with("Unsupported"), "{ended}");
}
