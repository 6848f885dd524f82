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
    for entry in known() {
        if !met.contains(&entry.reason) {
            failures.push(format!("known.toml:{}: nothing matches it", entry.line));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
