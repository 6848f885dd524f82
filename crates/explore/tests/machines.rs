// SPDX-License-Identifier: GPL-2.0-only
//! What machine files may say and what banks can be is the same: every file that is read makes a
//! bank, and every bank that a file could ask for is either read or refused with a line.

use pmu::{Config, Rates, Vendor};
use scenario::{Source, parse_machine};

fn file(vendor: &str, pmu: &str) -> String {
    format!(
        "format = 1\nname = \"m\"\nvendor = \"{vendor}\"\ntiming = \"unit\"\nskid = 3\nskid_max = 8\n\
         max_samples_per_tick = 100\n[pmu]\n{pmu}"
    )
}

/// The bank that a file makes, `None` if the file is refused.
fn bank(text: &str) -> Option<Config> {
    let machine = parse_machine(&Source::new("m.toml", text)).ok()?;
    let hardware = explore::hardware(&machine).unwrap_or_else(|error| {
        panic!("read, but not a bank: {error}\n{text}");
    });
    assert_eq!((hardware.skid, hardware.skid_max), (3, 8));
    Some(hardware.pmu)
}

/// An Intel bank as a file would say it.
fn intel(config: &Config) -> String {
    let events = [
        "cycles",
        "instructions",
        "ref-cycles",
        "llc-references",
        "llc-misses",
        "branches",
        "branch-misses",
        "slots",
    ];
    let missing: Vec<String> = (0..8)
        .filter(|i| config.unavailable_events & 1 << i != 0)
        .map(|i| format!("{:?}", events[i]))
        .collect();
    let pmu = format!(
        "version = {}\ngp_counters = {}\ngp_width = {}\nfixed_counters = {}\nfixed_width = {}\n\
         fixed_bitmap = {}\nfull_width_writes = {}\nany_thread_deprecated = {}\n\
         missing_events = [{}]\nfreeze_while_smm = {}\ntsx = {}\nslots_per_cycle = {}\n\
         gp_ref_divider = {}\n",
        config.version,
        config.gp_counters,
        config.gp_width,
        config.fixed_counters,
        config.fixed_width,
        config.fixed_bitmap,
        config.full_width_writes,
        config.any_thread_deprecated,
        missing.join(", "),
        config.freeze_while_smm,
        config.tsx,
        config.slots_per_cycle,
        config.gp_ref_divider,
    );
    file("intel", &pmu)
}

#[test]
fn intel_files_and_intel_banks_are_the_same() {
    let mut seen = [0, 0];
    for version in 0..=6 {
        for gp_counters in [0, 1, 4, 8, 9] {
            for (fixed_counters, fixed_bitmap) in
                [(0, 0), (3, 0), (16, 0), (17, 0), (1, 0b101), (1, 1 << 16)]
            {
                // Each optional part in turn, and all widths.
                for part in 0..12 {
                    let config = Config {
                        vendor: Vendor::Intel,
                        version,
                        gp_counters,
                        gp_width: [48, 31, 32, 64, 65][usize::min(part, 4)],
                        fixed_counters,
                        fixed_width: if part == 5 { 65 } else { 40 },
                        fixed_bitmap,
                        full_width_writes: part == 6,
                        any_thread_deprecated: part == 7,
                        unavailable_events: if part == 8 { 0b0101_1010 } else { 0 },
                        freeze_while_smm: part == 9,
                        tsx: part == 10,
                        slots_per_cycle: if part == 11 { 0 } else { 6 },
                        gp_ref_divider: 3,
                        core_extension: false,
                        freeze_on_pmi: false,
                        per_instruction: Rates::UNIT,
                    };
                    let text = intel(&config);
                    let read = bank(&text);
                    let possible = config.validate().is_ok();
                    assert_eq!(read, possible.then_some(config), "{text}");
                    seen[usize::from(possible)] += 1;
                }
            }
        }
    }
    assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
}

#[test]
fn files_and_the_core_know_the_same_features() {
    let names = cpu::Features::NAMES.map(|(name, _)| name);
    assert_eq!(scenario::FEATURES, names);
    let features = |missing: &str| {
        let text = file("intel", "version = 0\ngp_width = 48\n");
        let text = text.replace("[pmu]", &format!("missing_features = {missing}\n[pmu]"));
        let machine = parse_machine(&Source::new("m.toml", text)).ok()?;
        Some(explore::hardware(&machine).unwrap().features)
    };
    assert_eq!(features("[]"), Some(cpu::Features::ALL));
    for (name, feature) in cpu::Features::NAMES {
        let rest = cpu::Features::ALL.without(feature);
        let expected = rest.contradiction().is_none().then_some(rest);
        assert_eq!(features(&format!("[{name:?}]")), expected, "{name}");
    }
    let neither = cpu::Features::ALL.without(cpu::Features::SSE | cpu::Features::SSE2);
    assert_eq!(features(r#"["sse", "sse2"]"#), Some(neither));
}

#[test]
fn amd_files_and_amd_banks_are_the_same() {
    let kinds = [
        ("legacy", 1, false),
        ("extended", 1, true),
        ("perfmon-v2", 2, true),
    ];
    for (kind, version, core_extension) in kinds {
        for gp_counters in 0..=9 {
            for gp_width in [31, 48, 64, 65] {
                for freeze_on_pmi in [false, true] {
                    let config = Config {
                        vendor: Vendor::Amd,
                        version,
                        gp_counters,
                        gp_width,
                        core_extension,
                        freeze_on_pmi,
                        ..Config::default()
                    };
                    let text = file(
                        "amd",
                        &format!(
                            "kind = {kind:?}\ngp_counters = {gp_counters}\ngp_width = {gp_width}\n\
                             freeze_on_pmi = {freeze_on_pmi}\n"
                        ),
                    );
                    let possible = config.validate().is_ok();
                    assert_eq!(bank(&text), possible.then_some(config), "{text}");
                }
            }
        }
    }
}

#[test]
fn the_shipped_files_give_the_leaves_that_they_cite() {
    let shipped = |name: &str| {
        let path = format!(
            "{}/../../sim-configs/machines/{name}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).unwrap();
        let machine = parse_machine(&Source::new(name, text)).unwrap();
        explore::hardware(&machine).unwrap().pmu
    };
    assert_eq!(shipped("skylake").cpuid_0a(), [0x0730_0404, 0, 0, 0x603]);
    assert_eq!(shipped("minimal").cpuid_0a(), [0x0728_0202, 0, 0, 0x501]);
    assert_eq!(shipped("icelake").cpuid_0a(), [0x0830_0805, 0, 0xf, 0x8604]);
    let zen4 = shipped("zen4");
    assert_eq!(zen4.cpuid_0a(), [0; 4]);
    assert_eq!(zen4.cpuid_8000_0022(), [0b101, 6, 0, 0]);
    assert!(zen4.core_extension && zen4.freeze_on_pmi);
}
