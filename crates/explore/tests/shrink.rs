// SPDX-License-Identifier: GPL-2.0-only
//! Shrinking: the cause stays, and nothing more can go.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use explore::{Progress, Recorded, Shrink, Signature, Size};
use image::Image;
use trace::Trace;

fn committed(name: &str) -> Trace {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces");
    let text = std::fs::read_to_string(path.join(name)).unwrap();
    Trace::parse(name, &text).unwrap()
}

/// Shrinks a trace, tries to take anything else out of the result, and returns its size.
fn shrunk(trace: &Trace) -> Size {
    let Recorded {
        scenario,
        machine,
        scheduler,
    } = Recorded::of(trace).unwrap();
    let replayed = explore::replay(trace, Image::guest()).unwrap();
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
        rig: RefCell::default(),
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
    let size = shrunk(&committed("p4-init-dup-master.v10.trace"));
    assert_eq!((size.events, size.operations, size.decisions), (3, 3, 1));
}

#[test]
fn an_external_nmi_in_remove_dup() {
    let size = shrunk(&committed("p7-remove-dup-external.v10.trace"));
    assert!(size.operations <= 10 && size.decisions == 1, "{size:?}");
}

#[test]
fn a_late_pmi() {
    let size = shrunk(&committed("p7-remove-dup-late.v10.trace"));
    assert!(size.operations <= 10 && size.decisions == 1, "{size:?}");
}

#[test]
fn two_cpus_stay_where_both_are_needed() {
    let size = shrunk(&committed("p21-count-of-a-flip.v10.trace"));
    assert_eq!((size.cpus, size.decisions), (2, 1));
    assert!(size.operations <= 10, "{size:?}");
}

#[test]
fn what_shows_without_an_nmi() {
    // The plain run of P7 under v10: the closed master is freed with its counter.
    let mut trace = committed("p7-remove-dup-one-sharer.base.v10.trace");
    trace.decisions.clear();
    let plain = explore::replay(&trace, Image::guest()).unwrap();
    trace.digest = plain.run.digest.to_string();
    trace.verdicts = plain.verdicts;
    trace.verdicts.retain(|verdict| verdict.row == "?");
    assert_eq!(trace.verdicts.len(), 1);
    let size = shrunk(&trace);
    assert_eq!((size.events, size.decisions), (2, 0), "{size:?}");
}
