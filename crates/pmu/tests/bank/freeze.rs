// SPDX-License-Identifier: GPL-2.0-only
//! Freezing on a PMI: by GLOBAL_CTRL (versions 2 and 3), by status bits (version 4 on).

use abi::totals::Ring;
use pmu::Config;

use crate::bench::{Bench, EN, INT, TOP48, USR, intel};

const LBR: u64 = 1;
const FREEZE_LBRS: u64 = 1 << 11;
const FREEZE_PERFMON: u64 = 1 << 12;
const LBR_FRZ: u64 = 1 << 58;
const CTR_FRZ: u64 = 1 << 59;

/// Counter 0 about to overflow, counter 1 counting along.
fn armed(config: Config, debugctl: u64, int: u64) -> Bench {
    let mut bench = Bench::new(config);
    bench.wr(0x1d9, debugctl);
    bench.wr(0x4c1, TOP48);
    bench.wr(0x186, 0xc0 | USR | EN | int);
    bench.wr(0x187, 0xc0 | USR | EN);
    bench.retire(Ring::User, 4);
    bench
}

#[test]
fn legacy_freeze_clears_global_ctrl() {
    for version in [2, 3] {
        legacy(intel(version));
    }
}

fn legacy(config: Config) {
    let mut bench = armed(config, FREEZE_PERFMON | FREEZE_LBRS | LBR, INT);
    assert_eq!((bench.rd(0x38f), bench.rd(0x38e), bench.pmis()), (0, 1, 1));
    assert_eq!(
        (bench.rd(0xc1), bench.rd(0xc2)),
        (0, 1),
        "the overflowing instruction is the last"
    );
    assert_eq!(
        bench.rd(0x1d9),
        FREEZE_PERFMON | FREEZE_LBRS,
        "LBR recording is switched off"
    );
    bench.wr(0x38f, 3);
    bench.retire(Ring::User, 2);
    assert_eq!(bench.rd(0xc2), 3);
}

#[test]
fn streamlined_freeze_sets_status_and_resumes_when_cleared() {
    for version in [4, 5] {
        streamlined(intel(version));
    }
}

fn streamlined(config: Config) {
    let mut bench = armed(config, FREEZE_PERFMON | FREEZE_LBRS | LBR, INT);
    assert_eq!(
        (bench.rd(0x38f), bench.rd(0x38e)),
        (0xf, 1 | CTR_FRZ | LBR_FRZ)
    );
    assert_eq!((bench.rd(0xc1), bench.rd(0xc2)), (0, 1));
    assert_eq!(bench.rd(0x1d9), FREEZE_PERFMON | FREEZE_LBRS | LBR);
    bench.wr(0x390, 1 | LBR_FRZ);
    bench.retire(Ring::User, 2);
    assert_eq!(bench.rd(0xc2), 1, "still frozen");
    bench.wr(0x390, CTR_FRZ);
    bench.retire(Ring::User, 2);
    assert_eq!((bench.rd(0x38e), bench.rd(0xc2)), (0, 3));
}

#[test]
fn lbrs_alone_freeze_nothing_else() {
    let mut bench = armed(intel(4), FREEZE_LBRS, INT);
    assert_eq!((bench.rd(0x38e), bench.rd(0xc2)), (1 | LBR_FRZ, 4));
}

#[test]
fn legacy_lbrs_alone_clear_the_lbr_bit_alone() {
    for version in [2, 3] {
        let mut bench = armed(intel(version), FREEZE_LBRS | LBR, INT);
        assert_eq!(
            (bench.rd(0x1d9), bench.rd(0x38f), bench.rd(0xc2)),
            (FREEZE_LBRS, 0xf, 4)
        );
    }
}

#[test]
fn a_fixed_counter_freezes_too() {
    for (version, ctrl, status) in [(3, 0, 0), (5, 0x1_0000_0003, CTR_FRZ)] {
        let mut bench = Bench::new(intel(version));
        bench.wr(0x1d9, FREEZE_PERFMON);
        bench.wr(0x187, 0xc0 | USR | EN);
        bench.wr(0x309, TOP48 - 1);
        bench.wr(0x38d, 0xa);
        bench.wr(0x38f, 0x1_0000_0003);
        bench.retire(Ring::User, 5);
        assert_eq!(
            (bench.rd(0x38f), bench.rd(0x38e)),
            (ctrl, 1 << 32 | status),
            "v{version}"
        );
        assert_eq!((bench.rd(0x309), bench.rd(0xc2)), (0, 2), "v{version}");
    }
}

#[test]
fn a_frozen_wrmsr_still_writes() {
    let mut bench = armed(intel(4), FREEZE_PERFMON, INT);
    bench.wr(0x4c2, 77);
    assert_eq!(bench.rd(0xc2), 77, "written, and nothing counted on top");
}

#[test]
fn an_overflow_without_int_freezes_nothing() {
    for version in [3, 4] {
        let mut bench = armed(intel(version), FREEZE_PERFMON, 0);
        assert_eq!(
            (bench.rd(0x38e), bench.rd(0x38f), bench.rd(0xc2)),
            (1, 0xf, 4)
        );
    }
}

#[test]
fn status_set_freezes_too() {
    let mut bench = armed(intel(4), 0, 0);
    bench.wr(0x391, CTR_FRZ);
    assert!(
        bench
            .pmu
            .counters(&bench.now)
            .iter()
            .all(|counter| !counter.enabled)
    );
    bench.retire(Ring::User, 9);
    assert_eq!(bench.rd(0xc2), 4);
    assert_eq!(bench.pmu.headroom(&bench.now), u64::MAX);
}
