// SPDX-License-Identifier: GPL-2.0-only
//! `shrink`: from a trace to a small scenario that holds and a trace that replays.

use crate::support::{file, root, run, text};

#[test]
fn the_result_is_a_scenario_that_holds_and_a_trace_that_replays() {
    let folder = tempfile::tempdir().unwrap();
    let out = text(folder.path());
    let trace = text(&root().join("traces/p16-master-count.v10.trace"));
    let report = run(&["shrink", "--write", &out, "--format", "json", &trace]);
    let json = report.succeeds().json();
    let before = json["before"]["operations"].as_u64().unwrap();
    let after = json["after"]["operations"].as_u64().unwrap();
    assert!(after < before && after <= 10, "{after} of {before}");
    let small = text(&folder.path().join("p16-master-count.v10.min.toml"));
    run(&["check", &small]).succeeds();
    run(&["run", &small]).succeeds();
    let trace = text(&folder.path().join("p16-master-count.v10.min.trace"));
    run(&["replay", &trace]).succeeds();
    // Nothing of the folder is in the report.
    assert!(!report.out.contains(&out), "{}", report.out);
}

#[test]
fn what_cannot_be_shrunk_says_why() {
    run(&["shrink", "nowhere.trace"]).fails(2, &["nowhere.trace"]);
    let (_folder, path) = file("x.trace", "hello\n");
    run(&["shrink", &path]).fails(5, &["x.trace:1"]);
    let trace = root().join("traces/p4-init-dup-master.v10.trace");
    let trace = std::fs::read_to_string(trace).unwrap();
    let clean: String = trace
        .lines()
        .map(|line| match line.starts_with("end count") {
            true => "end clean\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    let (_folder, path) = file("clean.trace", clean);
    run(&["shrink", &path]).fails(3, &["clean"]);
}
