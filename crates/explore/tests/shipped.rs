// SPDX-License-Identifier: GPL-2.0-only
//! Every shipped scenario holds under every scheduler it expects something of.

mod common;

use common::{Shipped, scenario_files};

#[test]
fn every_expectation_of_every_shipped_scenario_holds() {
    let mut failures = Vec::new();
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
        for scheduler in shipped.scenario.expect.keys() {
            for mismatch in shipped.judge(scheduler) {
                failures.push(format!("{} under {scheduler}: {mismatch}", shipped.name));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
