// SPDX-License-Identifier: GPL-2.0-only
//! The injector event.

use abi::event_select::injector;
use abi::totals::Ring;

use crate::bench::{Bench, EN, INT, OS, TOP48, USR, intel};

#[test]
fn two_occurrences_carry_out_of_a_period_of_two() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c1, TOP48 - 1);
    bench.wr(0x186, injector(7) | USR | OS | EN | INT);
    bench.retire(Ring::User, 100);
    assert_eq!(
        (bench.rd(0xc1), bench.pmis()),
        (TOP48 - 1, 0),
        "nothing else counts"
    );
    assert!(bench.pmu.counts(injector(7), Ring::Kernel));
    let occurred = bench.occur(injector(7), 2, Ring::Kernel);
    assert!(occurred.counted && occurred.pmi);
    assert_eq!((bench.rd(0xc1), bench.rd(0x38e)), (0, 1));
    assert!(!bench.pmu.settle(&bench.now), "reported once");
}

#[test]
fn one_occurrence_is_not_enough() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c1, TOP48 - 1);
    bench.wr(0x186, injector(0) | USR | EN | INT);
    let occurred = bench.occur(injector(0), 1, Ring::User);
    assert!(occurred.counted && !occurred.pmi);
    assert!(bench.occur(injector(0), 1, Ring::User).pmi);
}

#[test]
fn the_unit_mask_the_ring_and_the_enables_decide() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, injector(1) | USR | EN);
    let misses = [
        (injector(2), Ring::User),
        (injector(1), Ring::Kernel),
        (0xc0, Ring::User),
        (1 << 16 | injector(1), Ring::User),
    ];
    for (code, ring) in misses {
        assert!(!bench.pmu.counts(code, ring), "{code:#x}");
        assert!(!bench.occur(code, 5, ring).counted, "{code:#x}");
    }
    assert_eq!(bench.rd(0xc1), 0);
    bench.wr(0x38f, 0);
    assert!(!bench.occur(injector(1), 5, Ring::User).counted);
    bench.wr(0x38f, 1);
    bench.wr(0x391, 1 << 59);
    assert!(!bench.occur(injector(1), 5, Ring::User).counted);
}

#[test]
fn every_counter_with_the_code_counts() {
    let mut bench = Bench::new(intel(4));
    for i in [0, 2, 3] {
        bench.wr(0x186 + i, injector(9) | USR | EN);
    }
    bench.wr(0x187, injector(8) | USR | EN);
    assert!(bench.occur(injector(9), 3, Ring::User).counted);
    let counts: Vec<u64> = (0..4).map(|i| bench.rd(0xc1 + i)).collect();
    assert_eq!(counts, [3, 0, 3, 3]);
}

#[test]
fn an_injected_overflow_freezes_like_any_other() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x1d9, 1 << 12);
    bench.wr(0x4c1, TOP48);
    bench.wr(0x187, 0xc0 | USR | EN);
    bench.wr(0x186, injector(0) | USR | EN | INT);
    assert!(bench.occur(injector(0), 1, Ring::User).pmi);
    bench.retire(Ring::User, 5);
    assert_eq!((bench.rd(0xc2), bench.rd(0x38e)), (0, 1 | 1 << 59));
}
