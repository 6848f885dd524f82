// SPDX-License-Identifier: GPL-2.0-only
//! Shrinking: the cause stays, and nothing more can go.

mod common;
#[path = "support/minimal.rs"]
mod minimal;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use common::{Shipped, machine_text};
use explore::{Progress, Recorded, Shrink, Signature, Size};
use image::Image;
use minimal::assert_minimal;
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
    assert_minimal(&shrink, &wanted, &small);
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

/// The run of `text` with its injections under a scheduler, recorded.
fn recorded(text: &str, scheduler: &str) -> Trace {
    let shipped = Shipped::parse("s.toml", text.to_owned());
    let prepared = shipped.prepare(scheduler);
    let mut rig = explore::Rig::new(&prepared.setup).unwrap();
    let decisions = explore::injections(&mut rig, &shipped.scenario);
    let decisions = decisions.unwrap_or_else(|(_, e)| panic!("{e}"));
    let machine = &shipped.scenario.machine;
    let files = explore::Files {
        scenario: (text, "s.toml"),
        machine: (&machine_text(machine), machine),
        scheduler: &common::scheduler(scheduler),
    };
    explore::record(&prepared, &shipped.scenario, files, &decisions).unwrap()
}

/// P20, read twice: the first NMI is inside of read_dup, and what it leaves is read by the second.
const READ_TWICE: &str = r#"format = 1
title = "two NMIs"
machine = "skylake"
event = [
  { id = "G", kind = "cycles" },
  { id = "A", kind = "instructions", exclude_kernel = true },
  { id = "B", like = "A" },
]

[[cpu]]
program = [
  { open = "G" },
  { open = "A" },
  { open = "B" },
  { probe = "A" },
  { work = 1000 },
  { read = "B" },
  { close = "A", label = "target" },
  { work = 1000 },
  { read = "B" },
]

[[inject]]
external = "A"
at = { after = "read A.dup_count", step = "target" }

[[inject]]
external = "A"
at = { before = "read A.state", hit = 7, step = "target" }
"#;

#[test]
fn two_nmis_stay_where_both_are_needed() {
    let trace = recorded(READ_TWICE, "v10");
    assert_eq!(trace.decisions.len(), 2);
    let size = shrunk(&trace);
    assert_eq!((size.events, size.operations), (2, 4));
    assert_eq!(size.decisions, 2);
}

/// P4 with an NMI beside the one that shows it.
fn with_another(injections: &str) -> String {
    format!(
        r#"format = 1
title = "an NMI too many"
machine = "skylake"
event = [
  {{ id = "L", kind = "inject", sample_period = 2, read = "group" }},
  {{ id = "A", kind = "instructions", group = "L", exclude_kernel = true }},
  {{ id = "B", like = "A", group = "none" }},
]

[[cpu]]
program = [
  {{ open = "L" }},
  {{ open = "A" }},
  {{ work = 1000 }},
  {{ read = "A", label = "before" }},
  {{ open = "B", label = "target" }},
  {{ work = 1000 }},
  {{ read = "A", label = "later" }},
]
{injections}"#
    )
}

#[test]
fn an_nmi_that_is_not_needed_goes() {
    let inject = |at: &str| format!("\n[[inject]]\npmi = \"L\"\nat = {{ {at} }}\n");
    let before = inject("before = \"read A.state\", step = \"before\"");
    let needed = inject("before = \"write A.dup_count\", step = \"target\"");
    let later = inject("after = \"read A.count\", step = \"later\"");
    for injections in [
        before.clone() + &needed,
        needed.clone() + &later,
        before + &needed + &later,
    ] {
        let trace = recorded(&with_another(&injections), "v10");
        assert!(trace.decisions.len() >= 2);
        assert_eq!(trace.verdicts[0].row, "init_dup_master", "{injections}");
        let size = shrunk(&trace);
        assert_eq!((size.operations, size.decisions), (3, 1), "{injections}");
    }
}

#[test]
fn a_tick() {
    // It rotates the master M away, while its sharer A is pinned and goes on.
    let text = r#"format = 1
title = "a tick"
machine = "long-skid-minimal"
event = [
  { id = "B", kind = "branches", read = "group", exclude_kernel = true },
  { id = "M", kind = "instructions", group = "B", exclude_kernel = true },
  { id = "L", kind = "branch-misses", read = "group", pinned = true },
  { id = "A", like = "M", group = "L" },
  { id = "C", kind = "cycles", exclude_kernel = true },
]

[[cpu]]
program = [
  { open = "B" },
  { open = "M" },
  { open = "L" },
  { open = "A" },
  { open = "C" },
  { work = 500 },
  { read = "C", label = "target" },
  { work = 500 },
  { read = "L" },
  { read = "B" },
]

[[inject]]
tick = {}
at = { before = "read C.count", step = "target" }
"#;
    let trace = recorded(text, "mutants/p1-count-of-enabled");
    let size = shrunk(&trace);
    assert_eq!(size.decisions, 1);
    assert!(size.operations <= 8, "{size:?}");
}

#[test]
fn two_preemptions_stay_where_both_are_needed() {
    let size = shrunk(&committed("p20-exit-dup-master-remote.delta.inject.trace"));
    assert_eq!((size.cpus, size.operations, size.decisions), (2, 6, 2));
}
