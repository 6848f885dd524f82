// SPDX-License-Identifier: GPL-2.0-only
//! CPUID leaves and impossible machines.

use pmu::{Config, ConfigError, Rates};

use crate::bench::{amd, intel};

#[test]
fn skylake_leaf_0a_is_that_of_the_dump() {
    assert_eq!(intel(4).cpuid_0a(), [0x0730_0404, 0, 0, 0x603]);
    assert_eq!(intel(3).cpuid_0a(), [0x0730_0403, 0, 0, 0x603]);
}

#[test]
fn ice_lake_leaf_0a_has_the_bitmap_and_the_deprecation() {
    let config = Config {
        gp_counters: 8,
        fixed_counters: 4,
        fixed_bitmap: 0xf,
        any_thread_deprecated: true,
        ..intel(5)
    };
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(config.cpuid_0a(), [0x0830_0805, 0, 0xf, 0x8604]);
}

#[test]
fn a_fixed_counter_exists_by_number_or_by_bitmap() {
    let config = Config {
        fixed_counters: 1,
        fixed_bitmap: 0b100,
        ..intel(5)
    };
    assert_eq!(config.validate(), Ok(()));
    let mut bench = crate::bench::Bench::new(config);
    assert!(bench.pmu.claims(0x309));
    bench.absent(0x30a);
    assert!(bench.pmu.claims(0x30b));
    bench.absent(0x30c);
    assert_eq!(bench.rdpmc(0x4000_0002), Ok(0));
    assert!(bench.rdpmc(0x4000_0001).is_err());
}

#[test]
fn version_1_and_none_have_no_fixed_leaf() {
    assert_eq!(intel(1).cpuid_0a(), [0x0730_0401, 0, 0, 0]);
    assert_eq!(Config::default().cpuid_0a(), [0; 4]);
    assert_eq!(intel(1).perf_capabilities(), None);
    assert_eq!(intel(2).perf_capabilities(), Some(1 << 13));
}

#[test]
fn amd_has_its_own_leaf() {
    assert_eq!(amd(2).cpuid_0a(), [0; 4]);
    assert_eq!(amd(2).cpuid_8000_0022(), [0b101, 6, 0, 0]);
    assert_eq!(amd(1).cpuid_8000_0022(), [0; 4]);
    assert!(!amd(2).pmi_masks_lvtpc());
    assert!(intel(4).pmi_masks_lvtpc());
}

#[test]
fn impossible_machines_are_refused_by_name() {
    let refused = [
        (intel(6), ConfigError::Version),
        (amd(3), ConfigError::Version),
        (
            Config {
                gp_counters: 9,
                ..intel(4)
            },
            ConfigError::GpCounters,
        ),
        (
            Config {
                gp_counters: 0,
                ..intel(4)
            },
            ConfigError::GpCounters,
        ),
        (
            Config {
                gp_counters: 1,
                ..Config::default()
            },
            ConfigError::GpCounters,
        ),
        (
            Config {
                core_extension: false,
                ..amd(1)
            },
            ConfigError::GpCounters,
        ),
        (
            Config {
                gp_width: 31,
                ..intel(4)
            },
            ConfigError::GpWidth,
        ),
        (
            Config {
                gp_width: 65,
                ..intel(4)
            },
            ConfigError::GpWidth,
        ),
        (
            Config {
                fixed_counters: 17,
                ..intel(4)
            },
            ConfigError::FixedCounters,
        ),
        (
            Config {
                fixed_counters: 1,
                ..intel(1)
            },
            ConfigError::FixedCounters,
        ),
        (
            Config {
                fixed_counters: 1,
                ..amd(2)
            },
            ConfigError::FixedCounters,
        ),
        (
            Config {
                fixed_width: 8,
                ..intel(4)
            },
            ConfigError::FixedWidth,
        ),
        (
            Config {
                fixed_bitmap: 1,
                ..intel(4)
            },
            ConfigError::FixedBitmap,
        ),
        (
            Config {
                fixed_bitmap: 1 << 16,
                ..intel(5)
            },
            ConfigError::FixedBitmap,
        ),
        (
            Config {
                any_thread_deprecated: true,
                ..intel(4)
            },
            ConfigError::Needs("any_thread_deprecated", "Intel version 5"),
        ),
        (
            Config {
                gp_ref_divider: 0,
                ..intel(4)
            },
            ConfigError::Zero("gp_ref_divider"),
        ),
        (
            Config {
                per_instruction: Rates {
                    cycles: 0,
                    ..Rates::UNIT
                },
                ..intel(4)
            },
            ConfigError::Zero("per_instruction.cycles"),
        ),
    ];
    for (config, error) in refused {
        assert_eq!(config.validate(), Err(error), "{config:?}");
        assert!(!error.to_string().is_empty());
    }
    for config in [
        intel(0),
        intel(1),
        intel(2),
        intel(3),
        intel(4),
        intel(5),
        amd(1),
        amd(2),
    ] {
        let config = if config.version == 0 {
            Config::default()
        } else {
            config
        };
        assert_eq!(config.validate(), Ok(()), "{config:?}");
    }
}
