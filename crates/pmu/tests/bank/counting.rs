// SPDX-License-Identifier: GPL-2.0-only
//! What is counted, where, and from which instruction on.

use abi::totals::{HwEvent, Ring};
use pmu::{Config, CounterKind, Rates};

use crate::bench::{BOTH, Bench, EN, OS, TOP48, USR, intel};

const CMASK: u64 = 1 << 24;
const CMASK_2: u64 = 2 << 24;
const INV: u64 = 1 << 23;
const EDGE: u64 = 1 << 18;

#[test]
fn rings_are_told_apart() {
    let mut bench = Bench::new(intel(4));
    for (i, rings) in [USR, OS, USR | OS, 0].into_iter().enumerate() {
        bench.wr(0x186 + i as u32, 0xc0 | rings | EN);
    }
    for i in 0..4 {
        bench.wr(0x4c1 + i, 0);
    }
    let base: Vec<u64> = (0..4).map(|i| bench.rd(0xc1 + i)).collect();
    bench.retire(Ring::User, 10);
    bench.retire(Ring::Kernel, 3);
    let grown: Vec<u64> = (0..4)
        .map(|i| bench.rd(0xc1 + i as u32) - base[i as usize])
        .collect();
    assert_eq!(grown, [10, 3, 13, 0]);
}

#[test]
fn the_architectural_events() {
    let events = [
        (0x003c, HwEvent::Cycles),
        (0x00c0, HwEvent::Instructions),
        (0x013c, HwEvent::RefCycles),
        (0x4f2e, HwEvent::LlcReferences),
        (0x412e, HwEvent::LlcMisses),
        (0x00c4, HwEvent::Branches),
        (0x00c5, HwEvent::BranchMisses),
    ];
    for (index, (code, event)) in events.into_iter().enumerate() {
        let mut bench = Bench::new(intel(4));
        bench.wr(0x186, code | USR | EN);
        let all = [
            HwEvent::Instructions,
            HwEvent::Branches,
            HwEvent::Loads,
            HwEvent::Stores,
            HwEvent::Cycles,
            HwEvent::RefCycles,
            HwEvent::BranchMisses,
            HwEvent::LlcReferences,
            HwEvent::LlcMisses,
        ];
        for (n, other) in all.into_iter().enumerate() {
            assert_eq!(other as usize, n);
            bench.happen(Ring::User, &[(other, 1 << n)]);
        }
        assert_eq!(bench.rd(0xc1), 1 << event as u64, "{code:#x}");
        let missing = Config {
            unavailable_events: 1 << index,
            ..intel(4)
        };
        let mut bench = Bench::new(missing);
        bench.wr(0x186, code | USR | EN);
        bench.happen(Ring::User, &[(event, 5)]);
        assert_eq!(bench.rd(0xc1), 0, "{code:#x} is reported as not available");
    }
}

#[test]
fn loads_and_stores_are_events_of_every_version() {
    for version in 1..=5 {
        let mut bench = Bench::new(Config {
            unavailable_events: 0xff,
            ..intel(version)
        });
        bench.wr(0x186, 0x81d0 | USR | EN);
        bench.wr(0x187, 0x82d0 | USR | EN);
        bench.happen(Ring::User, &[(HwEvent::Loads, 3), (HwEvent::Stores, 5)]);
        bench.happen(Ring::Kernel, &[(HwEvent::Loads, 70), (HwEvent::Stores, 90)]);
        assert_eq!((bench.rd(0xc1), bench.rd(0xc2)), (3, 5), "v{version}");
        bench.wr(0x186, 0x83d0 | USR | EN);
        bench.happen(Ring::User, &[(HwEvent::Loads, 3), (HwEvent::Stores, 5)]);
        assert_eq!(bench.rd(0xc1), 3, "ANY of both is not an event here");
    }
}

#[test]
fn slots_exist_from_version_5() {
    for (version, expected) in [(4, 0), (5, 15)] {
        let mut bench = Bench::new(Config {
            slots_per_cycle: 5,
            ..intel(version)
        });
        bench.wr(0x186, 0x01a4 | USR | EN);
        bench.retire(Ring::User, 3);
        assert_eq!(bench.rd(0xc1), expected, "v{version}");
    }
}

#[test]
fn unknown_codes_are_taken_and_count_nothing() {
    let mut bench = Bench::new(intel(4));
    for code in [0x0000, 0x01c0, 0xffff, 0x02c4] {
        bench.wr(0x186, code | BOTH);
        bench.retire(Ring::User, 10);
        assert_eq!(bench.rd(0xc1), 0, "{code:#x}");
    }
}

#[test]
fn the_enabling_wrmsr_is_not_counted_and_the_disabling_one_is() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, 0xc0 | BOTH);
    assert_eq!(bench.rd(0xc1), 0, "by the select");
    bench.wr(0x38f, 0);
    assert_eq!(bench.rd(0xc1), 1, "by GLOBAL_CTRL");
    bench.retire(Ring::Kernel, 5);
    bench.wr(0x38f, 1);
    assert_eq!(bench.rd(0xc1), 1);
    bench.retire(Ring::Kernel, 5);
    bench.wr(0x186, 0);
    assert_eq!(bench.rd(0xc1), 7);
    bench.wr(0x186, 0xc0 | USR | EN);
    bench.wr(0x186, 0);
    assert_eq!(bench.rd(0xc1), 7, "a WRMSR is a kernel instruction");
}

#[test]
fn the_wrmsr_counts_as_one_cycle_too() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, 0x3c | BOTH);
    bench.wr(0x187, 0x13c | BOTH);
    bench.wr(0x38f, 0);
    assert_eq!((bench.rd(0xc1), bench.rd(0xc2)), (2, 1));
}

#[test]
fn a_write_to_a_running_counter_is_followed_by_its_own_retirement() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, 0xc0 | BOTH);
    bench.wr(0x4c1, 0);
    assert_eq!(bench.rd(0xc1), 1);
}

#[test]
fn changing_the_event_counts_the_wrmsr_as_the_old_event() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, 0xc4 | BOTH);
    bench.retire(Ring::Kernel, 4);
    bench.wr(0x186, 0xc0 | BOTH);
    assert_eq!(bench.rd(0xc1), 0, "a WRMSR is no branch");
    bench.wr(0x186, 0xc4 | BOTH);
    assert_eq!(bench.rd(0xc1), 1);
}

#[test]
fn both_enables_are_needed_from_version_2() {
    let mut bench = Bench::new(intel(2));
    bench.wr(0x38f, 0b10);
    bench.wr(0x186, 0xc0 | BOTH);
    bench.wr(0x187, 0xc0 | USR | OS);
    bench.retire(Ring::User, 5);
    assert_eq!((bench.rd(0xc1), bench.rd(0xc2)), (0, 0));
    let mut v1 = Bench::new(intel(1));
    v1.wr(0x186, 0xc0 | BOTH);
    v1.retire(Ring::User, 5);
    assert_eq!(v1.rd(0xc1), 5, "version 1 has no global enable");
}

#[test]
fn fixed_counters_count_their_events() {
    let config = Config {
        fixed_counters: 5,
        slots_per_cycle: 4,
        ..intel(5)
    };
    let mut bench = Bench::new(config);
    bench.wr(0x38d, 0x22221);
    bench.wr(0x38f, 0x1f_0000_0000);
    let happen = [
        (HwEvent::Instructions, 3),
        (HwEvent::Cycles, 5),
        (HwEvent::RefCycles, 7),
    ];
    bench.happen(Ring::User, &happen);
    bench.happen(Ring::Kernel, &happen);
    let counts: Vec<u64> = (0..5).map(|i| bench.rd(0x309 + i)).collect();
    assert_eq!(
        counts,
        [3, 5, 7, 20, 0],
        "0 counts the kernel, the others the user; 4 is unknown"
    );
}

#[test]
fn the_general_purpose_reference_event_has_a_rate_of_its_own() {
    let mut bench = Bench::new(Config {
        gp_ref_divider: 4,
        ..intel(4)
    });
    bench.wr(0x186, 0x13c | USR | EN);
    bench.wr(0x38d, 0x200);
    bench.wr(0x38f, 0x4_0000_0001);
    bench.happen(Ring::User, &[(HwEvent::RefCycles, 42)]);
    assert_eq!((bench.rd(0xc1), bench.rd(0x30b)), (10, 42));
}

#[test]
fn cmask_inv_and_edge_under_the_scalar_model() {
    let table = [
        (CMASK, 3),
        (CMASK_2, 0),
        (INV, 3),
        (CMASK | INV, 7),
        (CMASK_2 | INV, 10),
        (EDGE, 3),
        (EDGE | CMASK | INV, 3),
        (EDGE | CMASK_2, 0),
    ];
    for (bits, expected) in table {
        let mut bench = Bench::new(intel(4));
        bench.wr(0x186, 0xc0 | USR | EN | bits);
        bench.happen(
            Ring::User,
            &[(HwEvent::Instructions, 3), (HwEvent::Cycles, 10)],
        );
        bench.happen(
            Ring::Kernel,
            &[(HwEvent::Instructions, 1), (HwEvent::Cycles, 50)],
        );
        assert_eq!(bench.rd(0xc1), expected, "{bits:#x}");
    }
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, 0x00ff | USR | EN | CMASK | INV);
    bench.retire(Ring::User, 10);
    assert_eq!(
        bench.rd(0xc1),
        10,
        "an event that never occurs is absent from every cycle"
    );
}

#[test]
fn headroom_is_exact_for_unit_rates() {
    let mut bench = Bench::new(intel(4));
    assert_eq!(bench.pmu.headroom(&bench.now), u64::MAX);
    bench.wr(0x186, 0xc0 | USR | EN);
    bench.wr(0x4c1, TOP48 - 9);
    assert_eq!(bench.pmu.headroom(&bench.now), 9);
    bench.now.add(Ring::User, HwEvent::Instructions, 9);
    assert_eq!(bench.pmu.headroom(&bench.now), 0, "without settling");
    assert!(!bench.pmu.settle(&bench.now));
    bench.retire(Ring::User, 1);
    assert_eq!(bench.rd(0x38e), 1);
    assert_eq!(bench.pmu.headroom(&bench.now), TOP48);
    bench.wr(0x38f, 0);
    assert_eq!(bench.pmu.headroom(&bench.now), u64::MAX);
}

#[test]
fn headroom_respects_what_an_instruction_may_add() {
    let rates = Rates {
        cycles: 100,
        ref_cycles: 50,
        memory: 3,
        lags: false,
    };
    let config = Config {
        per_instruction: rates,
        slots_per_cycle: 5,
        ..intel(5)
    };
    for (code, each) in [
        (0xc0, 1),
        (0x3c, 100),
        (0x13c, 50),
        (0x2e | 0x4f00, 3),
        (0x81d0, 3),
        (0x82d0, 3),
        (0x01a4, 500),
    ] {
        let mut bench = Bench::new(config);
        bench.wr(0x4c1, TOP48 - 6000);
        bench.wr(0x186, code | USR | EN);
        assert_eq!(bench.pmu.headroom(&bench.now), 6000 / each, "{code:#x}");
    }
}

#[test]
fn the_view_shows_counters_without_settling() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x187, 0xc0 | USR | EN);
    bench.wr(0x38d, 0x20);
    bench.now.add(Ring::User, HwEvent::Instructions, 7);
    let views = bench.pmu.counters(&bench.now);
    assert_eq!(views.len(), 7);
    assert_eq!(views[1].kind, CounterKind::Gp(1));
    assert_eq!(
        (views[1].value, views[1].enabled, views[1].select),
        (7, true, 0xc0 | USR | EN)
    );
    assert_eq!(views[5].kind, CounterKind::Fixed(1));
    assert_eq!(
        (views[5].enabled, views[5].select),
        (false, 2),
        "GLOBAL_CTRL is off"
    );
    let unsettled = bench.digest();
    bench.pmu.settle(&bench.now);
    assert_eq!(bench.digest(), unsettled);
}

#[test]
fn core_events_of_several_a_cycle_count_nothing_with_a_threshold() {
    // Micro-operations in retirement slots; stalls, which are defined with CMASK 4.
    for code in [0x02c2, 0x04a3] {
        for bits in [1 << 24, 1 << 24 | 1 << 23, 1 << 18, 2 << 24 | 1 << 23] {
            let mut bench = Bench::new(intel(4));
            bench.wr(0x186, code | BOTH | bits);
            bench.retire(Ring::User, 5);
            assert_eq!(bench.rd(0xc1), 0, "{code:#x} {bits:#x}");
        }
    }
}
