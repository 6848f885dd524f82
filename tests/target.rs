// SPDX-License-Identifier: GPL-2.0-only
//! The shared benchmark image behaves as it does on every other correct runner: an NMI before each
//! of the 8,390 instructions of its routine, through the IDT and back by IRETQ.
#![forbid(unsafe_code)]

#[path = "../benches/support/target.rs"]
mod target;

use target::{Found, Target, Work};

#[test]
fn a_sweep_of_every_eighth_boundary_agrees_with_other_runners() {
    let found = Target::new().sweep(8);
    let expected = Found {
        executions: 1049,
        fail: 0,
        bad: 18,
        aggregate: 0x3311_1c5d_ddbd_9aa2,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_sweep_of_every_boundary_agrees_with_other_runners() {
    let found = Target::new().sweep(1);
    let expected = Found {
        executions: 8390,
        fail: 0,
        bad: 144,
        aggregate: 0x4efa_f22f_be5f_a1d2,
    };
    assert_eq!(found, expected);
}

#[test]
fn the_loops_take_the_instructions_they_take_elsewhere() {
    let mut target = Target::new();
    let snapshot = target.snapshot();
    let kern = target.work(Work::Kern, 1000);
    assert_eq!(kern / 1000, 8394);
    target.restore(&snapshot);
    let alu = target.work(Work::Alu, 10_000);
    assert_eq!(alu / 100, 2075);
}
