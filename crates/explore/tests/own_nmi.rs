// SPDX-License-Identifier: GPL-2.0-only
//! An event that counts the kernel and samples overflows by itself, anywhere: where such an NMI lands
//! in a known window, what it shows is known too.

mod common;

use std::fmt::Write as _;

use check::Oracle;
use common::{Shipped, known, scheduler};
use explore::{KnownFindings, Rig};
use machine::Schedule;

/// Enabled time has passed when A's times are brought up to date in the kernel, where A overflows after
/// `period` of its instructions.
fn program(period: u32) -> Shipped {
    let mut text =
        "format = 1\ntitle = \"A overflows by itself\"\nmachine = \"skylake\"\n".to_owned();
    let _ = write!(
        text,
        r#"event = [
  {{ id = "A", kind = "instructions", sample_period = {period}, exclude_user = true }},
]

[[cpu]]
program = [
  {{ open = "A" }},
  {{ work = 50 }},
  {{ read = "A" }},
]

[expect.none]
why = "A test of its own."
violates = []
"#
    );
    Shipped::parse("own-nmi.toml", text)
}

#[test]
fn a_known_window_explains_an_nmi_that_no_decision_brought() {
    let (list, none) = (known(), scheduler("none"));
    let known = KnownFindings::of_run(&list, &none);
    let mut rig = Rig::new(&program(200).prepare("none").setup).unwrap();
    let (mut times, mut twice) = (0, 0);
    for period in 200..1200 {
        let shipped = program(period);
        rig.load(&shipped.prepare("none").setup).unwrap();
        let run = rig.run(Schedule::empty());
        for violation in &run.violations {
            let reason = known.baseline(&run, violation);
            let reason = reason.unwrap_or_else(|| panic!("period {period}: {violation}"));
            if violation.oracle == Oracle::Count {
                assert!(reason.row == "x86_perf_event_update", "{}", reason.reason);
                twice += 1;
                continue;
            }
            assert!(reason.row == "perf_event_update_time", "{}", reason.reason);
            times += 1;
            // It is the boundary that explains it, not the symptom.
            let mut elsewhere = violation.clone();
            let nmi = elsewhere.at.nmi.as_mut().expect("a sample is by an NMI");
            nmi.ordinal -= 100;
            assert!(known.baseline(&run, &elsewhere).is_none());
        }
    }
    assert!(times > 0, "no period leads into the window");
    assert!(twice > 0, "no period is counted twice");
}
