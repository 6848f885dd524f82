// SPDX-License-Identifier: GPL-2.0-only
//! Shrinking: the cause stays, and nothing more can go.

use std::path::Path;
use std::sync::Arc;

use explore::{Progress, Shrink, Signature, Size};
use image::Image;
use trace::Trace;

/// Shrinks a committed trace, tries to take anything else out of the result, and returns its size.
fn shrunk(name: &str) -> Size {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../traces")
        .join(name);
    let trace = Trace::parse(name, &std::fs::read_to_string(path).unwrap()).unwrap();
    let source = |file: &trace::Inline| scenario::Source::new(&file.name, &file.text);
    let scenario = scenario::parse_scenario(&source(&trace.scenario)).unwrap();
    let machine = scenario::parse_machine(&source(&trace.machine)).unwrap();
    let scheduler =
        scenario::parse_scheduler(&source(&trace.scheduler), &scenario::Texts::default()).unwrap();
    let replayed = explore::replay(&trace, Image::guest()).unwrap();
    let verdict = &trace.verdicts[0];
    let progress = Progress::default();
    let shrink = Shrink {
        machine: &machine,
        machine_text: &trace.machine.text,
        scheduler: &scheduler,
        image: Image::guest(),
        verdict,
        name: "shrunk.toml",
        progress: &progress,
    };
    let result = shrink.run(&scenario, &replayed.renewed.decisions).unwrap();
    assert!(!result.interrupted);
    assert!(result.after.operations <= result.before.operations);

    let wanted = Signature::of(verdict, &scenario);
    let small = scenario::Source::new("shrunk.toml", &result.text);
    let small = scenario::parse_scenario(&small).unwrap();
    let again = Signature::of(&result.trace.verdicts[0], &small);
    assert!(
        result
            .trace
            .verdicts
            .iter()
            .any(|v| Signature::of(v, &small) == wanted),
        "{again:?} instead of {wanted:?}"
    );
    assert!(shrink.shows(&wanted, &small).unwrap(), "{}", result.text);
    for smaller in Shrink::smaller(&small) {
        assert!(
            !shrink.shows(&wanted, &smaller).unwrap(),
            "{}\ncan be made smaller:\n{}",
            result.text,
            scenario::write_scenario(&smaller)
        );
    }
    // And its trace is one.
    let replayed = explore::replay(&result.trace, Arc::clone(&shrink.image)).unwrap();
    assert!(replayed.matches(), "{:?}", replayed.differences);
    result.after
}

#[test]
fn a_group_sample_in_init_dup_master() {
    let size = shrunk("p4-init-dup-master.v10.trace");
    assert_eq!((size.events, size.operations, size.decisions), (3, 3, 1));
}

#[test]
fn an_external_nmi_in_remove_dup() {
    let size = shrunk("p7-remove-dup-external.v10.trace");
    assert!(size.operations <= 10 && size.decisions == 1, "{size:?}");
}

#[test]
fn a_late_pmi() {
    let size = shrunk("p7-remove-dup-late.v10.trace");
    assert!(size.operations <= 10 && size.decisions == 1, "{size:?}");
}

#[test]
fn two_cpus_stay_where_both_are_needed() {
    let size = shrunk("p21-count-of-a-flip.v10.trace");
    assert_eq!((size.cpus, size.decisions), (2, 1));
    assert!(size.operations <= 10, "{size:?}");
}
