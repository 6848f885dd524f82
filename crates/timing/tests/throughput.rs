// SPDX-License-Identifier: GPL-2.0-only
//! The throughput of measured blocks: a fixed sample of BHive is held to its score.

use timing::skylake::bhive::{from_hex, predict};
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
const MEAN: f64 = 4.0;
/// Rounded down.
const TAU: f64 = 0.95;
