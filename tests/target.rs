// SPDX-License-Identifier: GPL-2.0-only
//! The shared benchmark image behaves as it does on every other correct runner. The sweep of every
//! boundary is tested through the example `sweep_image` of `explore`.
#![forbid(unsafe_code)]

use explore::flat::{Flat, Found, Work};

static IMAGE: &[u8] = include_bytes!("../benches/data/target.bin");

#[test]
fn a_sweep_leaves_the_warm_state_as_it_was() {
    let mut target = Flat::new(IMAGE).unwrap();
    let expected = Found {
        boundaries: 8390,
        executions: 1049,
        skipped: 0,
        fail: 0,
        bad: 18,
        aggregate: 0x3311_1c5d_ddbd_9aa2,
    };
    for _ in 0..2 {
        assert_eq!(target.sweep(8, false).unwrap(), expected);
    }
}

#[test]
fn the_loops_take_the_instructions_they_take_elsewhere() {
    let mut target = Flat::new(IMAGE).unwrap();
    let snapshot = target.snapshot();
    let kern = target.work(Work::Kern, 1000).unwrap();
    assert_eq!(kern / 1000, 8394);
    target.restore(&snapshot);
    let alu = target.work(Work::Alu, 10_000).unwrap();
    assert_eq!(alu / 100, 2075);
}
