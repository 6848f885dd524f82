// SPDX-License-Identifier: GPL-2.0-only
//! Every shipped scenario holds under every scheduler it expects something of, and every known
//! finding is still found.

mod common;

use std::collections::BTreeSet;

use common::{Shipped, known, scenario_files};

#[test]
fn every_expectation_of_every_shipped_scenario_holds() {
    let mut failures = Vec::new();
    let mut met = BTreeSet::new();
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
        for scheduler in shipped.scenario.expect.keys() {
            let (mismatches, reasons) = shipped.judge(scheduler);
            met.extend(reasons);
            for mismatch in mismatches {
                failures.push(format!("{} under {scheduler}: {mismatch}", shipped.name));
            }
        }
    }
    failures.extend(findings_of_mainline());
    for entry in known() {
        if !met.contains(&entry.reason) {
            failures.push(format!("known.toml:{}: nothing matches it", entry.line));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Mainline without sharing has no finding but known ones, with the guard of v5.5 and of v5.9.
fn findings_of_mainline() -> Vec<String> {
    let mut failures = Vec::new();
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
        for scheduler in ["none", "none-v59"] {
            if let Some(expect) = shipped.scenario.expect.get(scheduler)
                && !(expect.baseline.is_empty() && expect.violates.is_empty())
            {
                let line = expect.line;
                failures.push(format!(
                    "{}:{line}: a finding of {scheduler} belongs into known.toml",
                    shipped.name
                ));
            }
        }
    }
    failures
}

#[test]
fn an_expectation_that_nothing_meets_is_a_mismatch_without_any_nmi_too() {
    let text = r#"
format = 1
title = "one event, read once"
machine = "skylake"
event = [{ id = "A", kind = "instructions", exclude_kernel = true }]
[[cpu]]
program = [{ open = "A" }, { work = 100 }, { read = "A" }]
[expect.none]
violates = [{ oracle = "count", event = "A" }]
"#;
    let (mismatches, _) = Shipped::parse("x.toml", text.to_owned()).judge("none");
    assert_eq!(
        mismatches,
        ["expected in line 9, but did not occur: count of A"]
    );
}
