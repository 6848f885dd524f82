// SPDX-License-Identifier: GPL-2.0-only
//! `explore`, and `sweep` with more than one NMI.

use std::process::Stdio;

use crate::support::{Run, file, pmusim, run, scenario};

const SMALL: &str = "sim-configs/scenarios/mainline/read-local-enable-external.toml";
const ONE_SHARER: &str = "sim-configs/scenarios/review/p7-remove-dup-one-sharer.toml";

fn with_traces(command: &str, path: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().to_str().unwrap();
    let mut args = vec![command, path, "--write-traces", traces];
    args.extend(more);
    let mut result = run(&args);
    result.out = result.out.replace(traces, "TRACES");
    result
}

fn explore(more: &[&str]) -> Run {
    let mut args = vec!["--scheduler", "none", "--step", "target"];
    args.extend(more);
    with_traces("explore", SMALL, &args)
}

#[test]
fn the_number_of_workers_does_not_show() {
    let json = |jobs| {
        let bounds = ["--nmis", "2", "--max-execs", "300"];
        let how = ["--format", "json", "--jobs", jobs];
        explore(&[bounds, how].concat()).exits(3).out.clone()
    };
    let one = json("1");
    assert_eq!(one, json("2"));
    assert_eq!(one, json("7"));
    let report: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(report["kind"], "explore");
    let search = &report["searches"][0];
    assert_eq!(
        (&search["complete"], &search["cut"]),
        (&false.into(), &true.into())
    );
    assert_eq!(search["levels"].as_array().unwrap().len(), 2);
    assert!(search["levels"][1]["judged"].as_u64() > search["levels"][0]["judged"].as_u64());
    // A known finding of mainline: reported, no failure.
    let outcomes = search["outcomes"].as_array().unwrap();
    assert!(!outcomes.is_empty() && outcomes.iter().all(|o| o["known"].is_string()));
}

#[test]
fn a_cut_search_goes_on_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    let json = [
        "--nmis",
        "2",
        "--format",
        "json",
        "-q",
        "--max-execs",
        "900",
    ];
    let whole = explore(&json).exits(3).out.clone();
    let mut args = json.to_vec();
    args.extend(["--checkpoint", state]);
    let mut cut = args.clone();
    cut[6] = "200";
    let first = explore(&cut);
    first.exits(3);
    assert_ne!(first.out, whole);
    assert_eq!(explore(&args).exits(3).out, whole);
    assert_eq!(explore(&args).exits(3).out, whole, "it is done already");
    // The state of another search is refused.
    let mut other = args.clone();
    other[1] = "1";
    explore(&other).fails(2, &["another search"]);
}

#[test]
fn an_interrupted_search_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let args = [
        "explore",
        ONE_SHARER,
        "--scheduler",
        "delta",
        "--nmis",
        "3",
        "-j1",
        "--write-traces",
        folder.path().to_str().unwrap(),
        "--checkpoint",
        state.to_str().unwrap(),
    ];
    let mut command = std::process::Command::new(pmusim(args).get_program());
    command
        .current_dir(crate::support::root())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let saved = std::fs::read_to_string(&state).unwrap();
    assert!(saved.starts_with("pmusim-search 2\n"), "{saved}");
}

#[test]
fn nothing_that_may_come_in_between_is_vacuous() {
    let text = run(&["explore", SMALL, "--scheduler", "none", "--nmis", "0"]);
    text.exits(3);
    assert!(
        text.out.contains("did nothing at any boundary"),
        "{}",
        text.out
    );
}

#[test]
fn a_file_may_ask_for_two() {
    let two = scenario(false, "[expect.none]\nviolates = []\n").replace(
        "source = { pmi = \"L\" }",
        "source = { pmi = \"L\" }\nnmis = 2",
    );
    let (_folder, path) = file("two.toml", &two);
    let result = with_traces("sweep", &path, &[]);
    result.exits(0);
    assert!(result.out.contains("2 decisions: "), "{}", result.out);
    let plain = two.replace("\nnmis = 2", "");
    let (_folder, path) = file("one.toml", plain);
    assert!(!with_traces("sweep", &path, &[]).out.contains("up to 2"));
}

/// The first NMI does what is known of mainline, the second one only looks.
#[test]
fn damage_of_a_known_finding_is_known() {
    let path = "sim-configs/scenarios/mainline/cpu-clock-twice.toml";
    let none = ["--scheduler", "none", "--nmis", "2"];
    let result = with_traces("sweep", path, &none);
    result.exits(0);
    assert!(result.out.contains("count of A in reset"), "{}", result.out);
    assert!(result.out.contains("mainline behaviour"), "{}", result.out);
}

#[test]
fn what_cannot_be_explored() {
    run(&[
        "explore",
        "sim-configs/scenarios/counting.toml",
        "--scheduler",
        "none",
    ])
    .fails(2, &["nothing can come in between", "--ticks"]);
    run(&["explore", SMALL, "--scheduler", "none", "--step", "nope"]).fails(2, &["nope"]);
    run(&["explore", SMALL, "--checkpoint", "x"]).fails(2, &["one scheduler"]);
}

/// A preemption lets CPU 1 close what CPU 0 is about to reset: nothing that the kernel does wrong.
#[test]
fn a_program_that_comes_too_late_is_no_finding() {
    let scenario = "sim-configs/scenarios/cpus/close-reset-leader.toml";
    let bounds = ["--scheduler", "none", "--max-execs", "100"];
    let found = with_traces("explore", scenario, &bounds);
    // Cut, without a finding.
    found.exits(3);
    for words in [
        "the guest fails: the system call of step 4 failed with error 9 (EBADF)",
        "known  another CPU's program came first",
    ] {
        assert!(found.out.contains(words), "{}", found.out);
    }
}
