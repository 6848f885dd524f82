// SPDX-License-Identifier: GPL-2.0-only
//! `bisect` and `replay --for-bisect`: from a trace to the place in the patch, and to a commit.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{BOTH, file, injected, read_twice, root, run, text};

fn committed(name: &str) -> String {
    fs::read_to_string(root().join("traces").join(name)).unwrap()
}

/// A trace of v10, as if it had been recorded under the delta.
fn under_delta(trace: &str) -> String {
    let section = |text: &str| {
        let begin = text.find("begin scheduler").unwrap();
        let end = text.find("end scheduler").unwrap();
        (begin, end)
    };
    let delta = committed("p7-remove-dup-one-sharer.delta.trace");
    let (from, to) = section(&delta);
    let (begin, end) = section(trace);
    [&trace[..begin], &delta[from..to], &trace[end..]].concat()
}

/// A trace that was made with another build of the guest. Its point is one that both versions have.
fn of_another_image(trace: &str) -> String {
    let image = trace.lines().nth(1).unwrap();
    let point = "before write A.master_child_count hit 1";
    assert!(trace.contains(point), "{trace}");
    trace
        .replace(image, &format!("image {}", "0".repeat(64)))
        .replace(point, "after write A.master_count hit 1")
}

#[test]
fn a_trace_of_v10_names_the_row_that_the_review_names() {
    for (name, row) in [
        ("p4-init-dup-master.v10.trace", "init_dup_master"),
        ("p6-read-dup-permanent.v10.trace", "read_dup"),
        ("p7-remove-dup-one-sharer.base.v10.trace", "flip"),
    ] {
        let path = text(&root().join("traces").join(name));
        let report = run(&[
            "bisect",
            "--good",
            "delta",
            "--versions",
            "none,v10,delta",
            "--format",
            "json",
            &path,
        ]);
        let json = report.succeeds().json();
        let rows = json["hunks"]["rows"].as_array().unwrap();
        let own: Vec<&str> = rows
            .iter()
            .filter(|row| row["coupled"].is_null())
            .map(|row| row["row"].as_str().unwrap())
            .collect();
        assert_eq!(own, [row], "{name}");
        assert_eq!(json["first_bad"], "v10");
        let place = &json["boundaries"]["after"]["file"];
        assert!(place.as_str().unwrap().ends_with("v10.rs"), "{place}");
    }
}

#[test]
fn two_nmis_name_the_rows_that_both_need() {
    let (_folder, path) = file("two.trace", injected(&read_twice(BOTH)));
    let args = ["bisect", "--good", "delta", "--versions", "none,v10,delta"];
    let json = run(&[&args[..], &["--format", "json", &path]].concat());
    let json = json.succeeds().json();
    let rows = json["hunks"]["rows"].as_array().unwrap();
    let rows: Vec<&str> = rows
        .iter()
        .map(|row| row["row"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["read_dup", "flip"]);
    assert_eq!(json["first_bad"], "v10");
    assert_eq!(json["operation"]["operation"], "close");
    let last = json["boundaries"]["last"].as_u64();
    assert!(last > json["boundaries"]["first"].as_u64());
}

/// Two preemptions, in a scenario without a `[sweep]`.
#[test]
fn preemptions_on_two_cpus() {
    let path = text(&root().join("traces/p20-exit-dup-master-remote.delta.inject.trace"));
    let args = ["bisect", "--good", "v12", "--versions", "delta,v12"];
    let json = run(&[&args[..], &["--format", "json", &path]].concat());
    let json = json.succeeds().json();
    assert_eq!(json["hunks"]["rows"][0]["row"], "exit_dup_master");
    assert_eq!(json["operation"]["operation"], "exit_task");
    assert_eq!(json["operation"]["cpu"], 1);
}

/// What needs no NMI is looked for in the plain run.
#[test]
fn a_finding_without_a_decision() {
    let path = text(&root().join("traces/n3-reset-master.v10.base.trace"));
    let args = ["bisect", "--good", "v12", "--versions", "none,v10,v12"];
    let json = run(&[&args[..], &["--format", "json", &path]].concat());
    let json = json.succeeds().json();
    assert_eq!(json["hunks"]["rows"][0]["row"], "reset");
    assert_eq!(json["first_bad"], "v10");
    assert!(json["boundaries"].is_null() && json["operation"].is_null());
    let path = text(&root().join("traces/p17-enabled-late.v10.base.trace"));
    let args = ["bisect", "--versions", "v10,delta", "--finding", "3", &path];
    assert!(
        run(&args)
            .succeeds()
            .out
            .contains("ownership C row=remove_dup")
    );
}

#[test]
fn what_cannot_be_bisected_says_why() {
    // P7's window behind the flip is the delta's too.
    let both = text(&root().join("traces/p7-remove-dup-one-sharer.master.v10.trace"));
    let args = ["bisect", "--versions", "none", "--good", "delta", &both];
    run(&args).fails(3, &["shows under delta too"]);
    let args = ["bisect", "--versions", "none", "--good", "unheard", &both];
    run(&args).fails(2, &["unheard"]);
    let (_folder, path) = file("x.trace", "hello\n");
    run(&["bisect", &path]).fails(5, &["x.trace:1"]);
    let trace = committed("p4-init-dup-master.v10.trace");
    let (_folder, path) = file("fixed.trace", under_delta(&trace));
    run(&["bisect", "--versions", "none", &path]).fails(3, &["does not show under delta"]);
}

#[test]
fn git_bisect_run_gets_its_exit_codes() {
    let bad = committed("p4-init-dup-master.v10.trace");
    let good = under_delta(&bad);
    for (trace, code) in [
        (bad.clone(), 1),
        (of_another_image(&bad), 1),
        (of_another_image(&good), 0),
        (bad.replace("cpu0 pmi L", "cpu0 pmi M"), 125),
        ("hello\n".to_owned(), 125),
    ] {
        let (_folder, path) = file("x.trace", trace);
        run(&["replay", "--for-bisect", &path]).exits(code);
    }
}

#[test]
fn git_finds_the_commit_that_brought_a_finding_in() {
    let folder = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        Command::new("git")
            .current_dir(folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(args)
            .output()
    };
    if git(&["init", "-q"]).is_err() {
        eprintln!("skipped: there is no git");
        return;
    }
    let bad = of_another_image(&committed("p4-init-dup-master.v10.trace"));
    let good = under_delta(&bad);
    let mut commits = Vec::new();
    for (i, trace) in [&good, &good, &good, &bad, &bad].into_iter().enumerate() {
        fs::write(folder.path().join("a.trace"), trace).unwrap();
        fs::write(folder.path().join("n"), i.to_string()).unwrap();
        git(&["add", "."]).unwrap();
        assert!(git(&["commit", "-qm", "c"]).unwrap().status.success());
        let head = git(&["rev-parse", "HEAD"]).unwrap().stdout;
        commits.push(String::from_utf8(head).unwrap().trim().to_owned());
    }
    git(&["bisect", "start", &commits[4], &commits[0]]).unwrap();
    let pmusim = text(Path::new(env!("CARGO_BIN_EXE_pmusim")));
    let found = git(&[
        "bisect",
        "run",
        &pmusim,
        "replay",
        "--for-bisect",
        "a.trace",
    ])
    .unwrap();
    let out = String::from_utf8_lossy(&found.stdout).into_owned();
    let expected = format!("{} is the first bad commit", commits[3]);
    assert!(out.contains(&expected), "{out}");
}
