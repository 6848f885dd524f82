// SPDX-License-Identifier: GPL-2.0-only
//! Carry, status bits and PMI requests.

use abi::totals::{HwEvent, Ring};
use pmu::Config;

use crate::bench::{Bench, EN, INT, OS, TOP48, USR, intel};

#[test]
fn overflow_is_the_carry_and_the_counter_goes_on() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c1, TOP48);
    bench.wr(0x186, 0xc0 | USR | EN | INT);
    assert_eq!(bench.rd(0x38e), 0);
    bench.retire(Ring::User, 1);
    assert_eq!((bench.rd(0xc1), bench.rd(0x38e), bench.pmis()), (0, 1, 1));
    bench.retire(Ring::User, 4);
    assert_eq!((bench.rd(0xc1), bench.rd(0x38e), bench.pmis()), (4, 1, 0));
}

#[test]
fn status_is_set_without_int_but_no_pmi_is_requested() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c2, TOP48);
    bench.wr(0x187, 0xc0 | USR | EN);
    bench.retire(Ring::User, 1);
    assert_eq!((bench.rd(0x38e), bench.pmis()), (2, 0));
}

#[test]
fn fixed_counters_have_their_own_status_and_pmi_bits() {
    for (field, pmis) in [(2, 0), (0xa, 1)] {
        let mut bench = Bench::new(intel(4));
        bench.wr(0x38f, 1 << 34);
        bench.wr(0x30b, TOP48);
        bench.wr(0x38d, field << 8);
        bench.retire(Ring::User, 1);
        assert_eq!((bench.rd(0x38e), bench.pmis()), (1 << 34, pmis));
    }
}

#[test]
fn several_overflows_at_once_are_one_request() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x38f, 0);
    for i in 0..4 {
        bench.wr(0x4c1 + i, TOP48);
        bench.wr(0x186 + i, 0xc0 | USR | EN | INT);
    }
    bench.wr(0x38f, 0xf);
    bench.retire(Ring::User, 1);
    assert_eq!((bench.rd(0x38e), bench.pmis()), (0xf, 1));
}

#[test]
fn one_int_among_several_overflows_is_enough() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x38f, 0);
    for (i, int) in [(0, 0), (1, INT), (2, 0)] {
        bench.wr(0x4c1 + i, TOP48);
        bench.wr(0x186 + i, 0xc0 | USR | EN | int);
    }
    bench.wr(0x38f, 0xf);
    bench.retire(Ring::User, 1);
    assert_eq!((bench.rd(0x38e), bench.pmis()), (7, 1));
}

#[test]
fn a_set_status_bit_does_not_hold_a_pmi_back() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x391, 1);
    bench.wr(0x4c1, TOP48);
    bench.wr(0x186, 0xc0 | USR | EN | INT);
    bench.retire(Ring::User, 1);
    assert_eq!(bench.pmis(), 1);
    bench.wr(0x390, 1);
    assert_eq!(
        (bench.rd(0x38e), bench.pmis()),
        (0, 0),
        "clearing status requests nothing"
    );
}

#[test]
fn a_wrmsr_can_overflow_by_its_own_retirement() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c1, TOP48);
    bench.wr(0x186, 0xc0 | OS | EN | INT);
    bench.wr(0x38f, 0);
    assert_eq!((bench.rd(0xc1), bench.rd(0x38e), bench.pmis()), (0, 1, 1));
}

#[test]
fn status_cleared_by_a_wrmsr_that_overflows_is_set_again() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x38f, 0);
    bench.wr(0x391, 1);
    bench.wr(0x4c1, TOP48);
    bench.wr(0x186, 0xc0 | OS | EN);
    bench.wr(0x38f, 1);
    bench.wr(0x390, 1);
    assert_eq!((bench.rd(0xc1), bench.rd(0x38e)), (0, 1));
}

#[test]
fn a_request_seen_by_a_read_first_is_not_lost() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c1, TOP48);
    bench.wr(0x186, 0xc0 | USR | EN | INT);
    bench.now.add(Ring::User, HwEvent::Instructions, 1);
    assert_eq!(bench.rd(0x38e), 1);
    assert_eq!(bench.pmu.headroom(&bench.now), 0);
    assert!(bench.pmu.settle(&bench.now));
    assert!(!bench.pmu.settle(&bench.now));
}

#[test]
fn narrow_counters_carry_at_their_width() {
    let mut bench = Bench::new(Config {
        gp_width: 40,
        fixed_width: 32,
        ..intel(2)
    });
    bench.wr(0x38f, 1 | 1 << 32);
    bench.wr(0x4c1, (1 << 40) - 2);
    bench.wr(0x309, (1 << 32) - 3);
    bench.wr(0x186, 0xc0 | USR | EN);
    bench.wr(0x38d, 2);
    bench.retire(Ring::User, 2);
    assert_eq!(bench.rd(0x38e), 1);
    bench.retire(Ring::User, 1);
    assert_eq!(
        (bench.rd(0x38e), bench.rd(0xc1), bench.rd(0x309)),
        (1 | 1 << 32, 1, 0)
    );
}

#[test]
fn version_1_requests_a_pmi_without_a_status_register() {
    let mut bench = Bench::new(intel(1));
    bench.wr(0xc1, 0xffff_ffff);
    bench.wr(0x186, 0xc0 | USR | EN | INT);
    bench.retire(Ring::User, 1);
    assert_eq!((bench.rd(0xc1), bench.pmis()), (0, 1));
}
