// SPDX-License-Identifier: GPL-2.0-only
//! Random system calls with random arguments: whatever a program asks, the supervisor answers, ends
//! the program or says what is missing; it never panics, and two runs are the same.

use linux::{Ended, Options, Process};
use machine::{Hardware, Timing};
use proptest::prelude::*;

const BASE: u64 = 0x40_0000;
const MEMORY: u64 = 32 << 20;
const HEADERS: usize = 64 + 56;
/// RBX walks over the table behind the code: number and six arguments for each call. The answer
/// takes the number's place.
const CODE: [u8; 39] = [
    0x48, 0x8b, 0x03, // start: mov rax, [rbx]
    0x48, 0x8b, 0x7b, 0x08, // mov rdi, [rbx+8]
    0x48, 0x8b, 0x73, 0x10, // mov rsi, [rbx+16]
    0x48, 0x8b, 0x53, 0x18, // mov rdx, [rbx+24]
    0x4c, 0x8b, 0x53, 0x20, // mov r10, [rbx+32]
    0x4c, 0x8b, 0x43, 0x28, // mov r8, [rbx+40]
    0x4c, 0x8b, 0x4b, 0x30, // mov r9, [rbx+48]
    0x48, 0x83, 0xc3, 0x38, // add rbx, 56
    0x0f, 0x05, // syscall
    0x48, 0x89, 0x43, 0xc8, // mov [rbx-56], rax
    0xeb, 0xd9, // jmp start
];

/// Address of the entry for call `n`.
const fn entry(n: usize) -> u64 {
    BASE + (HEADERS + 7 + CODE.len() + 56 * n) as u64
}

/// A static ELF of one segment that makes these calls and then exits with 0.
fn program(calls: &[[u64; 7]]) -> Vec<u8> {
    let mut code = vec![0x48, 0xc7, 0xc3]; // mov rbx, table
    code.extend(u32::try_from(entry(0)).unwrap().to_le_bytes());
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
    let (ended, written, process) = finished(calls, 3);
    let regs = process.machine().cores()[0].cpu.regs;
    (format!("{ended:?} {regs:?}"), written)
}

/// How the program ended, what it wrote, and what it left behind.
fn finished(calls: &[[u64; 7]], seed: u64) -> (Ended, Vec<u8>, Process) {
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
        seed,
        memory: MEMORY,
        base: BASE,
    };
    let mut process = Process::load(&program(calls), &hardware, &options).expect("a good ELF");
    let mut written = Vec::new();
    let ended = process.run(10_000, &mut |_, bytes| written.extend(bytes));
    assert!(
        !matches!(ended, Ended::Limit),
        "each call is eleven instructions"
    );
    (ended, written, process)
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

/// The answers to the calls, and the memory they left.
fn answers(calls: &[[u64; 7]], seed: u64) -> (Vec<i64>, Process) {
    let (ended, _, process) = finished(calls, seed);
    assert!(matches!(ended, Ended::Exited(0)), "{ended:?}");
    let mem = process.machine().mem();
    let all = (0..calls.len()).map(|n| mem.read_u64(entry(n)).unwrap() as i64);
    (all.collect(), process)
}

const EBADF: i64 = -9;
const ENOMEM: i64 = -12;
const EINVAL: i64 = -22;
/// In the program's page, behind the table.
const BUFFER: u64 = BASE + 0x800;

#[test]
fn memory_is_handed_out_and_taken_back() {
    const ANON: u64 = 0x22;
    let none = u64::MAX;
    let (got, process) = answers(
        &[
            [12, 0, 0, 0, 0, 0, 0],
            [9, 0, 0x3000, 3, ANON, none, 0],
            [9, 0x100_0000, 0x2000, 3, ANON | 0x10, none, 0],
            [10, 0x100_0000, 0x1000, 1, 0, 0, 0],
            [11, 0x100_1000, 0x1000, 0, 0, 0, 0],
            [10, 0x100_1000, 0x1000, 1, 0, 0, 0],
            [9, 0, 0, 3, ANON, none, 0],
            [11, 0x100_0001, 0x1000, 0, 0, 0, 0],
        ],
        0,
    );
    assert!(got[0] > BASE as i64 && got[0] % 4096 == 0, "brk {got:?}");
    assert!(got[1] > 0 && got[1] % 4096 == 0, "{got:?}");
    assert_eq!(got[2..], [0x100_0000, 0, 0, ENOMEM, EINVAL, EINVAL]);
    let mem = process.machine().mem();
    let perm = |at: u64| mem.perm(at);
    assert!(perm(got[1] as u64 + 0x2fff).contains(cpu::Perm::WRITE));
    assert!(!perm(0x100_0000).contains(cpu::Perm::WRITE), "mprotect");
    assert!(perm(0x100_0000).contains(cpu::Perm::READ));
    assert!(!perm(0x100_1000).contains(cpu::Perm::READ), "munmap");
    let up = got[0] as u64 + 0x1_2345;
    let (grown, process) = answers(&[[12, up, 0, 0, 0, 0, 0], [12, 1, 0, 0, 0, 0, 0]], 0);
    assert_eq!(
        grown,
        [up as i64, up as i64],
        "grows, and does not shrink below its start"
    );
    let mem = process.machine().mem();
    assert!(mem.perm(up).contains(cpu::Perm::WRITE));
}

#[test]
fn signals_and_thread_pointers_are_accepted() {
    let (got, process) = answers(
        &[
            [158, 0x1002, 0x12_3456, 0, 0, 0, 0],
            [158, 0x1003, BUFFER, 0, 0, 0, 0],
            [13, 13, 0, BUFFER + 8, 8, 0, 0],
            [13, 13, 0, 0, 4, 0, 0],
            [13, 65, 0, 0, 8, 0, 0],
            [14, 0, 0, BUFFER + 8, 8, 0, 0],
        ],
        0,
    );
    assert_eq!(got, [0, 0, 0, EINVAL, EINVAL, 0]);
    assert_eq!(process.machine().cores()[0].cpu.fs_base, 0x12_3456);
    assert_eq!(process.machine().mem().read_u64(BUFFER).unwrap(), 0x12_3456);
}

#[test]
fn what_a_program_is_told_is_the_runs_own() {
    let path = |from: usize| {
        let mut bytes = [0; 8];
        let text = b"/proc/self/exe";
        let part = &text[from.min(text.len())..(from + 8).min(text.len())];
        bytes[..part.len()].copy_from_slice(part);
        u64::from_le_bytes(bytes)
    };
    let calls = [
        [318, BUFFER, 16, 0, 0, 0, 0],
        [228, 1, BUFFER + 16, 0, 0, 0, 0],
        [63, BUFFER + 32, 0, 0, 0, 0, 0],
        // The path lies in the arguments that are not looked at.
        [
            89,
            entry(3) + 32,
            BUFFER + 600,
            100,
            path(0),
            path(8),
            path(16),
        ],
        [1, 7, BUFFER, 4, 0, 0, 0],
    ];
    let (got, process) = answers(&calls, 5);
    assert_eq!(got, [16, 0, 0, 8, EBADF]);
    let bytes = |process: &Process, at: u64, n: usize| {
        process.machine().mem().slice(at, n).unwrap().to_vec()
    };
    // One instruction, eleven for the first call, nine up to this SYSCALL and with it.
    let now = process.machine().mem().read_u64(BUFFER + 24).unwrap();
    assert_eq!(now, 21, "a nanosecond for each instruction");
    assert_eq!(
        process.machine().mem().read_u64(BUFFER + 16).unwrap(),
        0,
        "seconds"
    );
    assert_eq!(bytes(&process, BUFFER + 32, 6), b"Linux\0");
    assert_eq!(bytes(&process, BUFFER + 600, 8), b"/program");
    let random = bytes(&process, BUFFER, 16);
    assert_eq!(bytes(&answers(&calls, 5).1, BUFFER, 16), random);
    assert_ne!(
        bytes(&answers(&calls, 6).1, BUFFER, 16),
        random,
        "by the seed"
    );
}

#[test]
fn a_program_writes_and_exits_with_a_status() {
    for (number, status, expected) in [(60, 7, 7), (231, 0x1ff, 0xff)] {
        let (ended, written, _) = finished(
            &[
                [1, 2, BASE + 1, 3, 0, 0, 0],
                [1, 1, BASE, 1, 0, 0, 0],
                [number, status, 0, 0, 0, 0, 0],
            ],
            0,
        );
        assert!(
            matches!(ended, Ended::Exited(n) if n == expected),
            "{ended:?}"
        );
        assert_eq!(written, b"ELF\x7f");
    }
}

#[test]
fn whatever_else_is_asked_stops_by_name() {
    // socket, clone, fork, execve, open of a file, a mapping of a file, epoll_create1, io_uring_setup
    for call in [
        [41, 2, 1, 0, 0, 0, 0],
        [56, 0, 0, 0, 0, 0, 0],
        [57, 0, 0, 0, 0, 0, 0],
        [59, BASE, 0, 0, 0, 0, 0],
        [2, BASE, 0, 0, 0, 0, 0],
        [9, 0, 0x1000, 1, 2, 3, 0],
        [291, 0, 0, 0, 0, 0, 0],
        [425, 8, BUFFER, 0, 0, 0, 0],
    ] {
        let (ended, ..) = finished(&[call], 0);
        let words = format!("{ended:?}");
        assert!(words.starts_with("Unsupported"), "{call:?}: {words}");
    }
}
