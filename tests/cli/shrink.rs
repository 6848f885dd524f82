// SPDX-License-Identifier: GPL-2.0-only
//! `shrink`: from a trace to a small scenario that holds and a trace that replays.

use std::fs;

use crate::support::{BOTH, file, finish, injected, pmusim, read_twice, root, run, text};

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
    let trace = fs::read_to_string(trace).unwrap();
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

/// From a sweep of two NMIs to the smallest scenario that needs both, and to the rows that it needs.
#[test]
fn two_nmis_of_a_sweep() {
    let (folder, path) = file(
        "twice.toml",
        read_twice("[sweep]\nstep = \"target\"\nsource = { external = \"A\" }"),
    );
    let out = text(folder.path());
    let args = ["-q", "sweep", "--nmis", "2", "--scheduler", "v10"];
    let args = [&args[..], &["--write-traces", &out, &path]].concat();
    run(&args).exits(1);
    let decisions = |path: &std::path::Path| {
        let trace = fs::read_to_string(path).unwrap();
        trace.lines().filter(|l| l.starts_with("decision ")).count()
    };
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut traces: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    traces.sort();
    let trace = traces.iter().find(|path| decisions(path) == 2);
    let trace = text(trace.expect("some finding needs both"));
    run(&["replay", &trace]).succeeds();

    let report = run(&["shrink", "--write", &out, "--format", "json", &trace]);
    let json = report.succeeds().json();
    assert_eq!(json["before"]["decisions"], 2);
    assert_eq!(json["after"]["decisions"], 2);
    assert_eq!(json["after"]["operations"], 4, "{}", report.out);
    let small = json["scenario"].as_str().unwrap();
    let injects: Vec<&str> = small.split("[[inject]]").skip(1).collect();
    assert_eq!(injects.len(), 2, "{small}");
    assert!(
        injects.iter().all(|inject| inject.contains("at = {")),
        "{small}"
    );
    let name = trace.strip_suffix(".trace").unwrap();
    run(&["run", &format!("{name}.min.toml")]).succeeds();
    run(&["replay", &format!("{name}.min.trace")]).succeeds();

    let args = ["bisect", "--good", "delta", "--versions", "none,v10,delta"];
    let json = run(&[&args[..], &["--format", "json", &trace]].concat());
    let json = json.succeeds().json();
    assert_eq!(json["first_bad"], "v10");
    assert_eq!(json["operation"]["operation"], "close");
    assert!(!json["hunks"]["rows"].as_array().unwrap().is_empty());
}

#[test]
fn an_nmi_too_many_goes() {
    let harmless = "[[inject]]\nexternal = \"A\"\nat = { before = \"read B.state\" }\n\n";
    let trace = injected(&read_twice(&format!("{harmless}{BOTH}")));
    let (folder, path) = file("three.trace", trace);
    let out = text(folder.path());
    let report = run(&["shrink", "--write", &out, "--format", "json", &path]);
    let json = report.succeeds().json();
    assert_eq!(json["before"]["decisions"], 3);
    assert_eq!(json["after"]["decisions"], 2);
}

#[test]
fn a_trace_on_standard_input() {
    let trace = fs::read_to_string(root().join("traces/p4-init-dup-master.v10.trace")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let args = ["shrink", "--write", &text(folder.path()), "-"];
    let shrunk = finish(pmusim(args).write_stdin(trace));
    assert!(
        shrunk.succeeds().out.contains("decisions  1 to 1"),
        "{}",
        shrunk.out
    );
}

/// Traces that are cut, stale or about something else, for `shrink` and `bisect` alike.
#[test]
fn traces_that_cannot_be_used() {
    let good = injected(&read_twice(BOTH));
    let image = good.lines().nth(1).unwrap();
    let decision = good.lines().find(|l| l.starts_with("decision ")).unwrap();
    let other_image = format!("image {}", "0".repeat(64));
    let stale = good
        .replace(image, &other_image)
        .replace("read A.dup_count hit 1", "read A.dup_count hit 99");
    let half: String = good.chars().take(good.len() / 2).collect();
    let unknown_cpu = good.replace(decision, &decision.replace("cpu0", "cpu3"));
    let inside = good.replace("machine = \"skylake\"", "machin = \"skylake\"");
    let elsewhere = good.replace("row=perf_event_set_state", "row=remove_dup");
    assert_ne!(elsewhere, good);
    for (trace, code, words) in [
        (half, 5, "x.trace:"),
        (String::new(), 5, "x.trace:1"),
        (stale, 5, "decision 1 cannot be found again"),
        (unknown_cpu, 5, "the trace's scenario has 1"),
        (inside, 5, "a file inside the trace has errors"),
        (elsewhere, 3, "does not show"),
    ] {
        let (folder, path) = file("x.trace", trace);
        let out = text(folder.path());
        run(&["shrink", "--write", &out, &path]).fails(code, &[words]);
        run(&["bisect", "--versions", "v10", &path]).fails(code, &[words]);
    }
    let (_folder, path) = file("x.trace", good);
    for command in ["shrink", "bisect"] {
        run(&[command, "--finding", "9", &path]).fails(2, &["no number 9"]);
    }
}
