// SPDX-License-Identifier: GPL-2.0-only
//! Which MSRs exist, what they hold after reset, what they take, and every #GP.

use pmu::Config;

use crate::bench::{BOTH, Bench, EN, INT, OS, TOP48, USR, intel};

#[test]
fn reset_values() {
    let mut bench = Bench::new(intel(4));
    for msr in [
        0xc1, 0xc4, 0x4c1, 0x186, 0x189, 0x309, 0x30b, 0x38d, 0x38e, 0x390, 0x391, 0x392, 0x1d9,
    ] {
        assert_eq!(bench.rd(msr), 0, "{msr:#x}");
    }
    assert_eq!(
        bench.rd(0x38f),
        0xf,
        "one bit for each general-purpose counter"
    );
    assert_eq!(bench.rd(0x345), 1 << 13);
}

#[test]
fn reset_brings_everything_back() {
    let mut bench = Bench::new(intel(4));
    let fresh = bench.digest();
    bench.wr(0x186, 0xc0 | BOTH);
    bench.wr(0x4c1, 77);
    bench.wr(0x38f, 1 << 32);
    bench.wr(0x391, 1);
    bench.wr(0x1d9, 1 << 12);
    assert_ne!(bench.digest(), fresh);
    bench.pmu.reset();
    assert_eq!(bench.digest(), fresh);
}

#[test]
fn registers_come_with_versions() {
    let mut v0 = Bench::new(Config::default());
    for msr in [0xc1, 0x186, 0x309, 0x38d, 0x38e, 0x38f, 0x390, 0x345] {
        v0.absent(msr);
    }
    assert!(v0.rdpmc(0).is_err());
    let mut v1 = Bench::new(intel(1));
    assert!(v1.pmu.claims(0xc1) && v1.pmu.claims(0x186));
    for msr in [
        0x309, 0x38d, 0x38e, 0x38f, 0x390, 0x391, 0x392, 0x345, 0x4c1,
    ] {
        v1.absent(msr);
    }
    let mut v3 = Bench::new(intel(3));
    for msr in [0x309, 0x38d, 0x38e, 0x38f, 0x390, 0x345, 0x4c1] {
        assert!(v3.pmu.claims(msr), "{msr:#x}");
    }
    v3.absent(0x391);
    v3.absent(0x392);
    let v4 = Bench::new(intel(4));
    assert!(v4.pmu.claims(0x391) && v4.pmu.claims(0x392));
}

#[test]
fn counters_beyond_the_last_do_not_exist() {
    let mut bench = Bench::new(intel(4));
    for msr in [
        0xc5,
        0xc8,
        0x18a,
        0x4c5,
        0x30c,
        0x3f1,
        0x3f2,
        0x600,
        0x329,
        0xc001_0200,
        0xc000_0300,
    ] {
        bench.absent(msr);
    }
    let mut narrow = Bench::new(Config {
        full_width_writes: false,
        ..intel(4)
    });
    narrow.absent(0x4c1);
    assert_eq!(narrow.rd(0x345), 0);
}

#[test]
fn legacy_writes_sign_extend_and_never_fault() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0xc1, 0xffff_ff01_2345_6789);
    assert_eq!(
        (bench.rd(0xc1), bench.rd(0x4c1)),
        (0x2345_6789, 0x2345_6789)
    );
    bench.wr(0xc1, 0xffff_ffff);
    assert_eq!(
        (bench.rd(0xc1), bench.rd(0x4c1)),
        (TOP48, TOP48),
        "zero-extended from the width"
    );
}

#[test]
fn full_width_writes_take_the_width_and_fault_above() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c2, TOP48);
    assert_eq!(bench.rd(0xc2), TOP48);
    bench.faults(0x4c2, 1 << 48);
    bench.faults(0x4c2, 1 << 63);
    assert_eq!(bench.rd(0xc2), TOP48);
}

#[test]
fn fixed_counters_fault_above_their_width() {
    let mut bench = Bench::new(Config {
        fixed_width: 40,
        ..intel(4)
    });
    bench.wr(0x309, (1 << 40) - 1);
    assert_eq!(bench.rd(0x309), (1 << 40) - 1);
    bench.faults(0x309, 1 << 40);
}

#[test]
fn select_bits_by_version() {
    for (version, any) in [(1, false), (2, false), (3, true), (4, true), (5, true)] {
        let mut bench = Bench::new(intel(version));
        bench.wr(0x186, 0xffdf_ffff);
        assert_eq!(bench.rd(0x186), 0xffdf_ffff, "v{version}");
        if any {
            bench.wr(0x186, 1 << 21);
        } else {
            bench.faults(0x186, 1 << 21);
        }
        for bit in 32..64 {
            bench.faults(0x186, 1 << bit);
        }
    }
    let mut deprecated = Bench::new(Config {
        any_thread_deprecated: true,
        ..intel(5)
    });
    deprecated.faults(0x186, 1 << 21);
    deprecated.faults(0x38d, 4);
}

#[test]
fn transactional_bits_are_taken_where_they_exist_and_do_nothing() {
    let mut bench = Bench::new(Config {
        tsx: true,
        ..intel(4)
    });
    bench.wr(0x186, 1 << 32);
    bench.faults(0x186, 1 << 33);
    bench.wr(0x188, 3 << 32 | 0xc0 | BOTH);
    bench.retire(abi::totals::Ring::User, 5);
    assert_eq!(bench.rd(0xc3), 5);
}

#[test]
fn fixed_ctr_ctrl_bits_by_version() {
    let mut v2 = Bench::new(intel(2));
    v2.wr(0x38d, 0xbbb);
    assert_eq!(v2.rd(0x38d), 0xbbb);
    v2.faults(0x38d, 0x4);
    v2.faults(0x38d, 0x1000);
    let mut v4 = Bench::new(intel(4));
    v4.wr(0x38d, 0xfff);
    v4.faults(0x38d, 0x1000);
    v4.faults(0x38d, 1 << 63);
}

#[test]
fn global_ctrl_takes_counters_only() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x38f, 0x7_0000_000f);
    assert_eq!(bench.rd(0x38f), 0x7_0000_000f);
    for bit in [4, 31, 35, 47, 48, 63] {
        bench.faults(0x38f, 1 << bit);
    }
}

#[test]
fn version_5_leaves_gaps_where_the_bitmap_does() {
    let mut bench = Bench::new(Config {
        gp_counters: 8,
        fixed_counters: 1,
        fixed_bitmap: 0b1001,
        ..intel(5)
    });
    assert_eq!(
        bench.rd(0x38f),
        0xff,
        "no fixed counter is enabled at reset"
    );
    bench.wr(0x38f, 0x9_0000_00ff);
    for bit in [8, 33, 34, 36] {
        bench.faults(0x38f, 1 << bit);
        bench.faults(0x390, 1 << bit);
        bench.faults(0x391, 1 << bit);
    }
    bench.wr(0x38d, 0xf00f);
    for bit in 4..12 {
        bench.faults(0x38d, 1 << bit);
    }
    bench.absent(0x30a);
    bench.absent(0x30b);
    assert!(bench.rdpmc(0x4000_0003).is_ok() && bench.rdpmc(0x4000_0001).is_err());
    assert!(bench.rdpmc(7).is_ok() && bench.rdpmc(8).is_err());
}

#[test]
fn every_number_of_counters_ends_where_it_says() {
    for n in 1..=8 {
        let mut bench = Bench::new(Config {
            gp_counters: n,
            fixed_counters: n - 1,
            ..intel(4)
        });
        for i in 0..8 {
            for first in [0xc1, 0x4c1, 0x186] {
                if i < u32::from(n) {
                    bench.wr(first + i, 0);
                } else {
                    bench.absent(first + i);
                }
            }
            if i < u32::from(n) - 1 {
                bench.wr(0x309 + i, 0);
            } else {
                bench.absent(0x309 + i);
            }
        }
        bench.faults(0x38f, 1 << n);
        bench.faults(0x38f, 1 << (31 + n));
    }
}

#[test]
fn read_only_registers_fault_on_writes() {
    let mut bench = Bench::new(intel(4));
    for msr in [0x38e, 0x392, 0x345] {
        bench.faults(msr, 0);
    }
}

#[test]
fn status_reset_clears_and_status_set_sets() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x391, 0x7_0000_000f);
    assert_eq!(bench.rd(0x38e), 0x7_0000_000f);
    assert_eq!(bench.pmis(), 0, "setting status requests nothing");
    bench.wr(0x390, 0x5_0000_0003);
    assert_eq!(bench.rd(0x38e), 0x2_0000_000c);
    assert_eq!((bench.rd(0x390), bench.rd(0x391)), (0, 0));
}

#[test]
fn status_bits_by_version() {
    let common = 0x7_0000_000fu64 | 1 << 62 | 1 << 63;
    for (version, legal) in [
        (2, common),
        (3, common | 1 << 61),
        (4, common | 1 << 61 | 7 << 58 | 1 << 55),
    ] {
        let mut bench = Bench::new(intel(version));
        for bit in 0..64 {
            if legal & 1 << bit == 0 {
                bench.faults(0x390, 1 << bit);
            } else {
                bench.wr(0x390, 1 << bit);
            }
            if version >= 4 && (legal & 1 << bit == 0 || bit == 63) {
                bench.faults(0x391, 1 << bit);
            }
        }
    }
}

#[test]
fn inuse_tells_who_is_programmed() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x187, 0xc0);
    assert_eq!(bench.rd(0x392), 1 << 1);
    bench.wr(0x188, 0x4f00);
    assert_eq!(
        bench.rd(0x392),
        1 << 1,
        "only the event select counts, not the unit mask"
    );
    bench.wr(0x38d, 0x20);
    assert_eq!(bench.rd(0x392), 1 << 1 | 1 << 33);
    bench.wr(0x38d, 0xa0);
    assert_eq!(bench.rd(0x392), 1 << 63 | 1 << 1 | 1 << 33);
    bench.wr(0x38d, 0);
    bench.wr(0x189, INT);
    assert_eq!(bench.rd(0x392), 1 << 63 | 1 << 1);
}

#[test]
fn debugctl_bits_by_version() {
    let mut v1 = Bench::new(intel(1));
    v1.wr(0x1d9, 3);
    v1.faults(0x1d9, 1 << 11);
    v1.faults(0x1d9, 1 << 12);
    let mut v4 = Bench::new(intel(4));
    v4.wr(0x1d9, 3 | 3 << 11);
    assert_eq!(v4.rd(0x1d9), 3 | 3 << 11);
    for bit in [2, 6, 7, 8, 13, 14, 15, 32, 63] {
        v4.faults(0x1d9, 1 << bit);
    }
    for version in [2, 3, 5] {
        let mut bench = Bench::new(intel(version));
        bench.wr(0x1d9, 3 | 3 << 11);
        bench.faults(0x1d9, 1 << 14);
    }
    let mut smm = Bench::new(Config {
        freeze_while_smm: true,
        ..intel(4)
    });
    smm.wr(0x1d9, 1 << 14);
    assert_eq!(smm.rd(0x345), 3 << 12);
}

#[test]
fn rdpmc_knows_two_types_and_no_other_index() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x4c4, TOP48);
    bench.wr(0x30a, 9);
    assert_eq!(bench.rdpmc(3), Ok(TOP48));
    assert_eq!(bench.rdpmc(0x4000_0001), Ok(9));
    for ecx in [
        4,
        64,
        0x4000_0003,
        0x2000_0000,
        0x8000_0000,
        0x4001_0000,
        0x0001_0000,
        0xffff_ffff,
    ] {
        assert!(bench.rdpmc(ecx).is_err(), "{ecx:#x}");
    }
}

#[test]
fn a_write_that_faults_counts_nothing() {
    let mut bench = Bench::new(intel(4));
    bench.wr(0x186, 0xc0 | OS | EN);
    let before = bench.rd(0xc1);
    bench.faults(0x186, USR | 1 << 40);
    assert_eq!(bench.rd(0xc1), before);
}
