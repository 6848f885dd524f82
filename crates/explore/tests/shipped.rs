// SPDX-License-Identifier: GPL-2.0-only
//! Every shipped scenario holds under every scheduler it expects something of, and every known
//! finding is still found.

mod common;

use std::collections::BTreeSet;

use common::{Shipped, known, on_all_cores, scenario_files};

#[test]
fn every_expectation_of_every_shipped_scenario_holds() {
    let judged = on_all_cores(&scenario_files(), |path| {
        let shipped = Shipped::load(path);
        let (mut failures, mut met) = (Vec::new(), Vec::new());
        for scheduler in shipped.scenario.expect.keys() {
            let (mismatches, reasons) = shipped.judge(scheduler);
            met.extend(reasons);
            for mismatch in mismatches {
                failures.push(format!("{} under {scheduler}: {mismatch}", shipped.name));
            }
        }
        (failures, met)
    });
    let (failures, met): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
    let mut failures = failures.concat();
    let met: BTreeSet<String> = met.into_iter().flatten().collect();
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

/// The shipped versions.
const VERSIONS: [&str; 8] = [
    "none", "none-v59", "v10", "delta", "v11", "v11r", "v12", "retry",
];

/// Claims about one version say nothing of others; a point of an injection may be in code that
/// only some versions have. Everything else is judged under every version, and says why.
#[test]
fn every_scenario_is_judged_under_every_version() {
    let partial = [
        // Injected inside perf_event_count's loads of dup_master, which mainline has not.
        ("p20-exit-dup-master-remote.toml", &["none", "none-v59"][..]),
        (
            "p25-remote-exit.toml",
            &["none", "none-v59", "v10", "delta", "v11", "v11r"],
        ),
        // About v12's text.
        ("p25-loads.toml", &["v10", "delta", "v11", "v11r"]),
        ("p23-init-order.toml", &["v10", "delta", "v11", "v11r"]),
        ("p24-disable-master.toml", &["v10", "delta", "v11", "v11r"]),
    ];
    let mut failures = Vec::new();
    for path in scenario_files() {
        if path
            .parent()
            .is_some_and(|folder| folder.ends_with("mutants"))
        {
            continue;
        }
        let shipped = Shipped::load(&path);
        let found = partial.iter().find(|(name, _)| *name == shipped.name);
        let without = found.map_or(&[][..], |(_, without)| without);
        for version in VERSIONS {
            let expect = shipped.scenario.expect.get(version);
            if expect.is_some() == without.contains(&version) {
                failures.push(format!("{}: {version}", shipped.name));
            }
        }
        for (version, expect) in &shipped.scenario.expect {
            if expect.why.is_none() {
                failures.push(format!("{}: {version} without why", shipped.name));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
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
