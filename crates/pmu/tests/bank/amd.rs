// SPDX-License-Identifier: GPL-2.0-only
//! AMD's maps, events and its habit of ignoring what Intel faults on.

use abi::event_select::injector;
use abi::totals::{HwEvent, Ring};
use pmu::{Config, Vendor};

use crate::bench::{Bench, EN, INT, OS, TOP48, USR, amd};

fn k7() -> Config {
    Config {
        vendor: Vendor::Amd,
        version: 1,
        gp_counters: 4,
        ..Config::default()
    }
}

#[test]
fn legacy_machines_have_four_counters_and_no_more() {
    let mut bench = Bench::new(k7());
    for msr in 0xc001_0000..0xc001_0008 {
        assert!(bench.pmu.claims(msr), "{msr:#x}");
    }
    for msr in [
        0xc001_0008,
        0xc001_0200,
        0xc001_0201,
        0xc000_0300,
        0xc1,
        0x186,
        0x38f,
        0x345,
    ] {
        bench.absent(msr);
    }
    assert!(bench.rdpmc(3).is_ok() && bench.rdpmc(4).is_err());
}

#[test]
fn the_extension_aliases_the_legacy_numbers() {
    let mut bench = Bench::new(amd(1));
    bench.wr(0xc001_0203, 123);
    bench.wr(0xc001_0002, 0x76);
    assert_eq!((bench.rd(0xc001_0005), bench.rd(0xc001_0204)), (123, 0x76));
    assert!(bench.pmu.claims(0xc001_020b));
    bench.absent(0xc001_020c);
    bench.absent(0xc000_0300);
    assert!(bench.rdpmc(5).is_ok());
    for ecx in [6, 10, 0x4000_0000, 0x8000_0000] {
        assert!(bench.rdpmc(ecx).is_err(), "{ecx:#x}");
    }
}

#[test]
fn reserved_bits_are_dropped_without_a_fault() {
    let mut bench = Bench::new(amd(2));
    bench.wr(0xc001_0200, u64::MAX);
    assert_eq!(bench.rd(0xc001_0200), 0x30f_ffd7_ffff);
    bench.wr(0xc001_0201, u64::MAX);
    assert_eq!(bench.rd(0xc001_0201), TOP48);
    bench.wr(0xc000_0301, u64::MAX);
    assert_eq!(bench.rd(0xc000_0301), 0x3f);
    bench.wr(0xc000_0300, u64::MAX);
    assert_eq!(bench.rd(0xc000_0300), 0, "read-only: ignored");
    bench.wr(0xc000_0303, u64::MAX);
    assert_eq!(bench.rd(0xc000_0300), 0x3f | 3 << 58);
    bench.faults(0x1d9, 1 << 14);
}

#[test]
fn events_are_amds_own() {
    let table = [
        (0x76, HwEvent::Cycles),
        (0xc0, HwEvent::Instructions),
        (0xc2, HwEvent::Branches),
        (0xc3, HwEvent::BranchMisses),
        (0x129, HwEvent::Loads),
        (0x229, HwEvent::Stores),
        (1 << 32 | 0x120, HwEvent::RefCycles),
    ];
    for (code, event) in table {
        let mut bench = Bench::new(amd(1));
        bench.wr(0xc001_0200, code | USR | EN);
        bench.happen(Ring::User, &[(event, 3)]);
        bench.happen(Ring::Kernel, &[(event, 3)]);
        assert_eq!(bench.rd(0xc001_0201), 3, "{code:#x}");
    }
    for code in [0x3c, 0xc4, 1 << 32 | 0xc0, 1 << 40 | 0xc0, 1 << 41 | 0xc0] {
        let mut bench = Bench::new(amd(1));
        bench.wr(0xc001_0200, code | USR | EN);
        bench.retire(Ring::User, 5);
        assert_eq!(bench.rd(0xc001_0201), 0, "{code:#x}");
    }
}

#[test]
fn before_perfmon_v2_an_overflow_is_a_pmi_and_a_positive_counter() {
    let mut bench = Bench::new(amd(1));
    bench.wr(0xc001_0201, TOP48);
    bench.wr(0xc001_0200, 0xc0 | USR | EN | INT);
    bench.retire(Ring::User, 1);
    assert_eq!((bench.rd(0xc001_0201), bench.pmis()), (0, 1));
}

#[test]
fn perfmon_v2_has_global_control_and_status() {
    let mut bench = Bench::new(amd(2));
    assert_eq!(bench.rd(0xc000_0301), 0x3f, "reset");
    bench.wr(0x1d9, 1 << 12);
    bench.wr(0xc001_0203, TOP48);
    bench.wr(0xc001_0202, 0xc0 | USR | EN | INT);
    bench.retire(Ring::User, 3);
    assert_eq!(
        (bench.rd(0xc000_0300), bench.rd(0xc001_0203), bench.pmis()),
        (2 | 1 << 59, 0, 1)
    );
    bench.wr(0xc000_0302, 2 | 1 << 59);
    assert_eq!(bench.rd(0xc000_0300), 0);
    bench.retire(Ring::User, 3);
    assert_eq!(bench.rd(0xc001_0203), 3);
    bench.wr(0xc000_0301, 0);
    bench.retire(Ring::User, 3);
    assert_eq!(bench.rd(0xc001_0203), 3);
}

#[test]
fn freezing_on_a_pmi_sets_status_bits_where_it_exists() {
    const LBRS: u64 = 1 << 11;
    const PERFMON: u64 = 1 << 12;
    for (debugctl, int, status, second) in [
        (LBRS | PERFMON | 1, INT, 1 | 3 << 58, 1),
        (LBRS, INT, 1 | 1 << 58, 3),
        (PERFMON, INT, 1 | 1 << 59, 1),
        (LBRS | PERFMON, 0, 1, 3),
    ] {
        let mut bench = Bench::new(amd(2));
        bench.wr(0x1d9, debugctl);
        bench.wr(0xc001_0201, TOP48);
        bench.wr(0xc001_0200, 0xc0 | USR | EN | int);
        bench.wr(0xc001_0202, 0xc0 | USR | EN);
        bench.retire(Ring::User, 3);
        assert_eq!(
            (bench.rd(0xc000_0300), bench.rd(0xc001_0203)),
            (status, second)
        );
        assert_eq!(
            (bench.rd(0x1d9), bench.rd(0xc000_0301)),
            (debugctl, 0x3f),
            "neither LBR nor GlobalCtl is cleared"
        );
    }
    let mut without = Bench::new(Config {
        freeze_on_pmi: false,
        ..amd(2)
    });
    without.faults(0x1d9, LBRS);
    without.faults(0x1d9, PERFMON);
    without.wr(0xc000_0303, u64::MAX);
    assert_eq!(without.rd(0xc000_0300), 0x3f, "no freeze bits to set");
}

#[test]
fn there_is_no_any_bit_and_pin_control_is_dropped() {
    for version in [1, 2] {
        let mut bench = Bench::new(amd(version));
        bench.wr(0xc001_0200, 0xc0 | 1 << 21 | 1 << 19 | USR | EN);
        assert_eq!(bench.rd(0xc001_0200), 0xc0 | USR | EN);
        bench.retire(Ring::User, 2);
        assert_eq!(bench.rd(0xc001_0201), 2);
    }
}

#[test]
fn cmask_inv_and_edge_are_as_intels() {
    for (bits, expected) in [
        (1 << 24, 3),
        (2 << 24, 0),
        (1 << 24 | 1 << 23, 7),
        (1 << 18, 3),
    ] {
        let mut bench = Bench::new(amd(2));
        bench.wr(0xc001_0200, 0xc0 | USR | EN | bits);
        bench.happen(
            Ring::User,
            &[(HwEvent::Instructions, 3), (HwEvent::Cycles, 10)],
        );
        assert_eq!(bench.rd(0xc001_0201), expected, "{bits:#x}");
    }
}

#[test]
fn the_injector_code_is_the_same() {
    let mut bench = Bench::new(amd(2));
    bench.wr(0xc001_0200, injector(3) | USR | EN);
    assert!(bench.occur(injector(3), 2, Ring::User).counted);
    bench.wr(0xc001_0200, 1 << 32 | injector(3) | USR | EN);
    assert!(!bench.occur(injector(3), 2, Ring::User).counted);
}

#[test]
fn the_wrmsr_that_stops_a_counter_may_overflow_it() {
    for version in [1, 2] {
        let mut bench = Bench::new(amd(version));
        bench.wr(0xc001_0200, 0xc0 | OS | EN | INT);
        bench.wr(0xc001_0201, TOP48 - 1);
        // The write of the counter is counted behind itself; the one that stops it overflows it.
        bench.wr(0xc001_0200, 0);
        assert_eq!((bench.rd(0xc001_0201), bench.pmis()), (0, 1));
        if version == 2 {
            assert_eq!(bench.rd(0xc000_0300), 1);
        }
    }
}

#[test]
fn a_counter_is_written_in_full_under_both_numbers() {
    for (config, numbers) in [
        (k7(), &[0xc001_0004][..]),
        (amd(1), &[0xc001_0004, 0xc001_0201]),
    ] {
        for &msr in numbers {
            let mut bench = Bench::new(config);
            bench.wr(msr, 0xffff_ff01_2345_6789);
            assert_eq!(
                bench.rd(msr),
                0xff01_2345_6789,
                "{msr:#x}: no sign extension"
            );
            bench.wr(msr, 0xffff_ffff);
            assert_eq!(bench.rd(0xc001_0004), 0xffff_ffff);
        }
    }
}

#[test]
fn status_set_freezes_and_requests_nothing() {
    let mut bench = Bench::new(amd(2));
    bench.wr(0xc001_0200, 0xc0 | USR | EN | INT);
    bench.wr(0xc000_0303, 1 << 59 | 1);
    bench.retire(Ring::User, 5);
    assert_eq!((bench.rd(0xc001_0201), bench.pmis()), (0, 0));
    bench.wr(0xc000_0302, 1 << 59);
    bench.retire(Ring::User, 5);
    assert_eq!((bench.rd(0xc001_0201), bench.rd(0xc000_0300)), (5, 1));
}

#[test]
fn what_other_processors_have_is_absent() {
    // IRPerf, APERF and MPERF, northbridge and L2 selects, and all of Intel's.
    let mut bench = Bench::new(amd(2));
    for msr in [
        0xc000_00e9,
        0xe7,
        0xe8,
        0xc001_0240,
        0xc001_0230,
        0xc1,
        0x4c1,
        0x186,
        0x309,
        0x38d,
        0x38e,
        0x38f,
        0x390,
        0x391,
        0x392,
        0x345,
    ] {
        bench.absent(msr);
    }
}

#[test]
fn a_host_only_counter_stands_still_with_inv_too() {
    for only in [1 << 40, 1 << 41, 3 << 40_u64] {
        let mut bench = Bench::new(amd(2));
        bench.wr(0xc001_0200, only | 0xc0 | USR | OS | EN | 1 << 23 | 5 << 24);
        bench.happen(
            Ring::User,
            &[(HwEvent::Instructions, 3), (HwEvent::Cycles, 10)],
        );
        assert_eq!(bench.rd(0xc001_0201), 0);
    }
}
