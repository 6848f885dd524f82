// SPDX-License-Identifier: GPL-2.0-only
//! `run` and `sweep`: what decides about the exit code, and that nothing of the host shows.

use crate::support::{Run, file, run, scenario};

const P4: &str = "sim-configs/scenarios/review/p4-init-dup-master.toml";

/// Nothing is expected of any of the shipped schedulers.
const ALL_CLEAN: &str = "[expect.none]\nviolates = []\n[expect.v10]\nviolates = []\n\
                         [expect.delta]\nviolates = []\n";

fn sweep(path: &str, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().to_str().unwrap();
    let mut args = vec!["sweep", path, "--write-traces", traces];
    args.extend(more);
    run(&args)
}

#[test]
fn expectations_that_hold() {
    let (_folder, path) = file("a.toml", scenario(false, "[expect.none]\nviolates = []\n"));
    let result = run(&["run", &path]);
    assert!(
        result.succeeds().out.contains("1 of 1 hold"),
        "{}",
        result.out
    );
    let result = sweep(&path, &[]);
    assert!(result.succeeds().out.contains("0 bad"), "{}", result.out);
    assert!(result.out.contains("delivered"), "{}", result.out);
    assert!(result.out.contains("executions"), "{}", result.out);
    assert!(
        result.err.contains("/s"),
        "the rate is on standard error: {}",
        result.err
    );
    assert!(!result.out.contains("/s"), "{}", result.out);
    assert_eq!(sweep(&path, &["-q"]).err, "");
}

/// Another step and other sources than the file's; each sweep's traces have names of their own.
#[test]
fn another_aim() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().to_str().unwrap();
    let of_v10 = ["--scheduler", "v10", "--write-traces", traces];
    let mut args = vec!["sweep", P4];
    args.extend(of_v10);
    args.extend(["--source", "all", "--format", "json"]);
    let report = run(&args).exits(1).json();
    let sweeps = report["sweeps"].as_array().unwrap();
    let sources: Vec<&str> = sweeps
        .iter()
        .map(|sweep| sweep["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["pmi L", "late L", "external A", "tick"]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        assert!(name.contains("p4-init-dup-master."), "{name}");
        run(&["replay", name]).exits(0);
    }
    // A tick finds nothing to look at before anything is open; L samples itself.
    let of_none = ["--scheduler", "none", "--write-traces", traces];
    let mut args = vec!["sweep", P4];
    args.extend(of_none);
    args.extend(["--step", "1", "--source"]);
    let tick = run(&[args.as_slice(), &["tick"]].concat());
    assert!(tick.exits(3).out.contains("no tick"), "{}", tick.out);
    let all = run(&[args.as_slice(), &["all"]].concat());
    assert!(all.exits(0).out.contains("vacuous"), "{}", all.out);
}

#[test]
fn an_expectation_that_does_not_hold() {
    let expect = "[expect.none]\nviolates = [{ oracle = \"monotony\", event = \"A\", \
                  window = [\"f: write count\", \"g: write count\"] }]\n";
    let text = scenario(false, expect);
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("violates"))
        .unwrap();
    let (_folder, path) = file("a.toml", text);
    let result = run(&["run", &path]).exits(1).out.clone();
    let place = format!("a.toml:{line}: expected in line {line}, but did not occur");
    assert!(
        result.contains("VIOLATED") && result.contains(&place),
        "{result}"
    );
    assert!(result.contains("0 of 1 hold, 1 violated"), "{result}");
    sweep(&path, &["--expect"]).exits(1);
    sweep(&path, &[]).exits(0);
}

#[test]
fn a_sweep_without_an_nmi_proves_nothing() {
    let (_folder, path) = file("a.toml", scenario(true, "[expect.none]\nviolates = []\n"));
    let result = run(&["run", &path]);
    assert!(result.exits(3).out.contains("vacuous"), "{}", result.out);
    let result = sweep(&path, &["--expect"]);
    assert!(result.exits(3).out.contains("vacuous"), "{}", result.out);
    sweep(&path, &[]).exits(3);
}

#[test]
fn p4_fails_under_v10_with_source_lines_on_both_sides() {
    let result = sweep(P4, &["--scheduler", "v10"]);
    let out = &result.exits(1).out;
    for words in [
        "after  crates/perf-core/src/sharing/v10.rs:",
        "before crates/perf-core/src/sharing/v10.rs:",
        "count of A in init_dup_master",
        "expected ",
        "pmusim replay ",
        "the file's expectations hold",
    ] {
        assert!(out.contains(words), "no `{words}` in:\n{out}");
    }
    sweep(P4, &["--scheduler", "v10", "--expect"]).exits(0);
}

#[test]
fn neither_repetition_nor_workers_change_a_byte() {
    let json = |jobs| {
        let args = ["--scheduler", "v10", "--format", "json", "--jobs", jobs];
        sweep(P4, &args).exits(1).out.clone()
    };
    let first = json("1");
    for jobs in ["1", "2", "7"] {
        assert!(first == json(jobs), "another JSON with {jobs} jobs");
    }
    let (_folder, path) = file("a.toml", scenario(false, ALL_CLEAN));
    let all = |jobs| {
        let result = run(&["run", &path, "--format", "json", "--jobs", jobs]);
        result.succeeds().out.clone()
    };
    assert_eq!(all("1"), all("7"));
}

#[test]
fn json_of_a_sweep() {
    let result = sweep(P4, &["--scheduler", "v10", "--format", "json"]);
    let report = result.json();
    assert_eq!(report["kind"], "sweep");
    let sweep = &report["sweeps"][0];
    assert_eq!(sweep["scheduler"], "v10");
    assert_eq!(sweep["file"], P4);
    assert_eq!(sweep["held"], true);
    let sum: u64 = sweep["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| window["count"].as_u64().unwrap())
        .sum();
    assert_eq!(sweep["bad"].as_u64().unwrap(), sum);
    assert!(sum > 0);
    let outcomes = sweep["outcomes"].as_object().unwrap();
    let tried: u64 = outcomes.values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(sweep["boundaries"].as_u64().unwrap(), tried);
    assert!(!result.out.contains("/tmp"), "no host paths");
}

#[test]
fn fixed_injections_run_as_decisions() {
    let inject = "[[inject]]\npmi = \"L\"\nat = { before = \"read A.count\", step = \"target\" }\n";
    let text = scenario(false, &format!("{inject}\n[expect.none]\nviolates = []\n"));
    let text = text.replace("[sweep]\nstep = \"target\"\nsource = { pmi = \"L\" }\n", "");
    assert!(!text.contains("[sweep]"));
    let text = text.replace("disable = \"C\"", "read = \"A\"");
    let (_folder, path) = file("a.toml", &text);
    assert!(run(&["run", &path]).succeeds().out.contains("held"));
    let nowhere = text.replace("read A.count", "read A.pending_disable");
    let (_folder, path) = file("a.toml", nowhere);
    run(&["run", &path]).fails(2, &["injection of line", "pending_disable"]);
}
