// SPDX-License-Identifier: GPL-2.0-only
//! The throughput of measured blocks: a fixed sample of BHive is held to its score.

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
            (measured.parse().expect("a number"), predicted)
        })
        .collect()
}

/// Kendall's tau-b, the slow way.
fn tau(pairs: &[(f64, f64)]) -> f64 {
    let (mut sum, mut left, mut right) = (0.0, 0.0, 0.0);
    for (i, a) in pairs.iter().enumerate() {
        for b in &pairs[..i] {
            let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
            let (x, y) = (sign(a.0 - b.0), sign(a.1 - b.1));
            sum += x * y;
            left += x.abs();
            right += y.abs();
        }
    }
    sum / f64::sqrt(left * right)
}

#[test]
fn the_sample_keeps_its_score() {
    let pairs = predictions();
    assert_eq!(pairs.len(), 500);
    let error = |(m, p): &(f64, f64)| (p - m).abs() / m;
    let mean = 100.0 * pairs.iter().map(error).sum::<f64>() / pairs.len() as f64;
    let tau = tau(&pairs);
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
    predict(&Table::skylake(), &block).expect("a prediction")
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
    near("4d8b6424f8", 500.0); // mov r12, [r12 - 8]: the ordinary one
    near("48890348894b08", 200.0); // two stores: one a cycle
    near("6681ffd200", 322.0); // cmp di, imm16: the length-changing prefix
    near("48833001", 500.0); // xor qword ptr [rax], 1: through the store buffer
    near("486334b04801f0", 1500.0); // movsxd rsi, [rax + rsi * 4]; add rax, rsi: a new page each time
}

#[test]
fn what_cannot_be_predicted_says_why() {
    let table = Table::skylake();
    assert_eq!(from_hex(""), Err(Refusal::Empty));
    assert_eq!(from_hex("4"), Err(Refusal::NotHex));
    assert_eq!(from_hex("zz"), Err(Refusal::NotHex));
    assert_eq!(predict(&table, &[]), Err(Refusal::Empty));
    assert_eq!(predict(&table, &[0x90, 0x06]), Err(Refusal::Undecodable(1)));
    let avx512 = from_hex("62f1fd486fc1").expect("hexadecimal");
    assert!(matches!(predict(&table, &avx512), Err(Refusal::NoForm(_))));
}
