// SPDX-License-Identifier: GPL-2.0-only
//! What Rust's library makes of ordinary work: hashing, sorting, formatting, parsing, 128 bits,
//! text, and a panic that is caught.

use std::collections::{BTreeMap, HashMap};

fn main() {
    let mut counts = HashMap::new();
    for i in 0..2000_u64 {
        *counts
            .entry(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50)
            .or_insert(0_u64) += i;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_unstable();
    let folded = sorted.iter().fold(0_u128, |sum, (a, b)| {
        sum.wrapping_mul(31) + u128::from(*a) * u128::from(*b) % 1_000_003
    });
    println!("{} {folded:x} {}", sorted.len(), folded / 1_234_567_890_123);
    let roots: Vec<f64> = (1..50).map(|x| f64::from(x).sqrt() * 1.1e-7).collect();
    println!("{:?} {:e}", &roots[..3], roots.iter().sum::<f64>());
    let words: BTreeMap<String, usize> = "the quick brown fox jumps over the lazy dog"
        .split(' ')
        .map(|word| (word.to_uppercase(), word.len()))
        .collect();
    println!("{words:?}");
    println!("{:?} {:?}", "3.14159e10".parse::<f64>(), "x".parse::<u8>());
    println!("{:?} {}", i64::MAX.checked_mul(2), 7_u32.leading_zeros());
    let greek: String = ('α'..='ω').collect();
    println!("{greek} {}", greek.chars().rev().collect::<String>());
    // The usual words have the number of the thread in them.
    std::panic::set_hook(Box::new(|_| eprintln!("a panic")));
    let caught = std::panic::catch_unwind(|| {
        let none: Vec<usize> = Vec::new();
        none[std::env::args().count()]
    });
    println!("caught {}", caught.is_err());
}
