// SPDX-License-Identifier: GPL-2.0-only
//! The throughput of measured blocks: a fixed sample of BHive is held to its score.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use std::collections::BTreeSet;
use timing::score::{Score, score};
use timing::skylake::bhive::{Refusal, from_hex, predict};
use timing::skylake::form::Table;

const SAMPLE: &str = include_str!("data/bhive_skl_sample.csv");

/// (measured, predicted) of every block of the sample.
fn predictions() -> Vec<(f64, f64)> {
    let table = Table::skylake();
    SAMPLE
        .lines()
        .filter(|l| !l.starts_with('#') && !l.starts_with("hex"))
        .map(|line| {
            let (hex, measured) = line.split_once(',').expect("two columns");
            let block = from_hex(hex).expect("hexadecimal");
            let predicted = predict(&table, &block).unwrap_or_else(|e| panic!("{hex}: {e}"));
            (measured.parse().expect("a number"), predicted.cycles())
        })
        .collect()
}

#[test]
fn the_sample_keeps_its_score() {
    let pairs = predictions();
    assert_eq!(pairs.len(), 500);
    let Score { mean, tau, .. } = score(&pairs).expect("pairs");
    assert!(mean <= MEAN, "mean absolute error {mean:.2} %");
    assert!(tau >= TAU, "Kendall tau {tau:.4}");
}

/// What the sample scores, in percent, rounded up.
const MEAN: f64 = 3.5;
/// Rounded down.
const TAU: f64 = 0.965;

/// Cycles of one block.
fn cycles(hex: &str) -> f64 {
    let block = from_hex(hex).expect("hexadecimal");
    predict(&Table::skylake(), &block)
        .expect("a prediction")
        .cycles()
}

#[track_caller]
fn near(hex: &str, expected: f64) {
    let cycles = cycles(hex);
    assert!(
        (cycles - expected).abs() <= 4.0,
        "{hex}: {cycles}, not {expected}"
    );
}

#[test]
fn each_limit_of_the_core_shows() {
    near("4801c8", 100.0); // add rax, rcx: a chain of one cycle
    near("480fafc1", 300.0); // imul rax, rcx: a chain of three
    near("488b00", 400.0); // mov rax, [rax]: the fast load
    near("488b4838488b5038", 100.0); // mov rcx, [rax + 56]; mov rdx, [rax + 56]: two loads a cycle
    near("488b483c488b503c", 200.0); // over the end of a line: each takes its port twice
    near("4d8b6424f8", 500.0); // mov r12, [r12 - 8]: the ordinary one
    near("48890348894b08", 200.0); // two stores: one a cycle
    near("6681ffd200", 322.0); // cmp di, imm16: the length-changing prefix
    near("48833001", 500.0); // xor qword ptr [rax], 1: through the store buffer
    near("486334b04801f0", 1500.0); // movsxd rsi, [rax + rsi * 4]; add rax, rsi: a new page each time
}

#[test]
fn moves_that_never_disappear_take_a_cycle_and_no_slot_of_those_that_do() {
    near("0fb6c0", 100.0); // movzx eax, al: onto itself
    near("0fb6c4", 200.0); // movzx eax, ah: a clean high byte, a cycle more
    near("0fb6cc", 33.0); // movzx ecx, ah
    // movzx eax, al; movzx edi, ah; mov rcx, rdx; imul rdx, rcx: the last move costs nothing.
    near("0fb6c00fb6fc4889d1480fafd1", 300.0);
}

#[test]
fn what_cannot_be_predicted_says_why() {
    let table = Table::skylake();
    assert_eq!(from_hex(""), Err(Refusal::Empty));
    assert_eq!(from_hex("4"), Err(Refusal::NotHex));
    assert_eq!(from_hex("zz"), Err(Refusal::NotHex));
    assert_eq!(predict(&table, &[]), Err(Refusal::Empty));
    assert_eq!(predict(&table, &[0x90, 0x06]), Err(Refusal::Undecodable(1)));
    for (hex, why) in [
        ("62f1fd486fc1", "no timing for"), // AVX-512
        ("fa", "privileged instruction `cli`"),
        ("ec", "privileged instruction `in al,dx`"),
        ("0f0b", "`ud2` faults"),
        ("8ed8", "`mov ds,ax` faults"),
        ("31d231c948f7f1", "`div rcx` faults"), // by zero
        ("0f05", "`syscall` leaves the block"),
        ("eb10", "leaves the block"),
        ("c3", "`ret` leaves the block"),
        ("ff20", "leaves the block"),
    ] {
        let block = from_hex(hex).expect("hexadecimal");
        let said = predict(&table, &block).expect_err(hex).to_string();
        assert!(said.contains(why), "{hex}: {said}");
    }
}

/// Instruction sets that the processor lacks, and what no user program can execute.
fn foreign(instruction: &Instruction) -> bool {
    const SETS: [&str; 36] = [
        "XOP",
        "FMA4",
        "TBM",
        "SSE4A",
        "D3NOW",
        "VMX",
        "SVM",
        "CYRIX",
        "PADLOCK",
        "AMX",
        "SHA",
        "GFNI",
        "VAES",
        "CET_SS",
        "KL",
        "KEYLOCKER",
        "AESKLE",
        "SMX",
        "MONITOR",
        "LWP",
        "CLWB",
        "CLZERO",
        "SGX",
        "ENQCMD",
        "MCOMMIT",
        "MOVDIR",
        "PTWRITE",
        "RDPID",
        "PKU",
        "RDPRU",
        "SERIALIZE",
        "VPCLMULQDQ",
        "SEV",
        "RTM",
        "TSXLDTRK",
        "FSGSBASE",
    ];
    const LATER: [&str; 13] = [
        "AVX512",
        "CMPCCXADD",
        "AVX_VNNI",
        "AVX_NE",
        "AVX_IFMA",
        "SM3",
        "SM4",
        "UINTR",
        "WAITPKG",
        "RAO",
        "AVX10",
        "USER_MSR",
        "KNC",
    ];
    instruction.cpuid_features().iter().any(|f| {
        let name = format!("{f:?}");
        SETS.iter().chain(&LATER).any(|set| name.starts_with(set))
    }) || (0..instruction.op_count()).any(|i| instruction.op_register(i).is_segment_register())
        || matches!(
            instruction.mnemonic(),
            Mnemonic::Lfs | Mnemonic::Lgs | Mnemonic::Lss
        )
}

#[test]
fn every_user_instruction_of_the_processor_is_predicted() {
    let table = Table::skylake();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let openings: [&[u8]; 11] = [
        &[],
        &[0x0f],
        &[0x66, 0x0f],
        &[0xf2, 0x0f],
        &[0xf3, 0x0f],
        &[0xc5],
        &[0xc4],
        &[0x66, 0x0f, 0x38],
        &[0x66, 0x0f, 0x3a],
        &[0x48],
        &[0xf0],
    ];
    let mut seen = BTreeSet::new();
    let mut missing = BTreeSet::new();
    for n in 0..400_000 {
        let mut bytes = openings[n % openings.len()].to_vec();
        if n % 23 == 0 {
            bytes = vec![0xd8 | random() as u8 & 7];
        }
        bytes.extend(random().to_le_bytes());
        bytes.extend([0; 8]);
        let instruction = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE).decode();
        if instruction.is_invalid() || foreign(&instruction) {
            continue;
        }
        // Most blocks of a code are enough to see it once or twice.
        if !seen.insert((instruction.code() as u32, n % 2)) {
            continue;
        }
        match predict(&table, &bytes[..instruction.len()]) {
            Err(Refusal::NoForm(_) | Refusal::TooLong | Refusal::Undecodable(_)) => {
                missing.insert(format!("{:?}: {instruction}", instruction.code()));
            }
            Ok(p) => assert!(p.cycles() > 0.0, "{instruction}"),
            Err(_) => {}
        }
    }
    assert!(seen.len() > 1500, "{}", seen.len());
    assert!(missing.is_empty(), "{missing:#?}");
}
