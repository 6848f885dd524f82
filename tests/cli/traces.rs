// SPDX-License-Identifier: GPL-2.0-only
//! `replay`: a trace is verdict and digest, and everything that can be wrong with one.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::support::{file, root, run, text};

/// The traces that a sweep of P4 under v10 writes, in order; swept once for all tests.
fn traces() -> &'static [String] {
    static TRACES: OnceLock<Vec<String>> = OnceLock::new();
    TRACES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let scenario = "sim-configs/scenarios/review/p4-init-dup-master.toml";
        let into = folder.path().to_str().unwrap();
        let args = ["--scheduler", "v10", "--write-traces", into];
        run(&[&["sweep", scenario], &args[..]].concat()).exits(1);
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty());
        let texts = paths.iter().map(fs::read_to_string);
        texts.collect::<Result<_, _>>().unwrap()
    })
}

#[test]
fn every_trace_of_a_sweep_replays_to_the_bit_and_checks() {
    for recorded in traces() {
        let (_folder, path) = file("a.trace", recorded);
        let replay = run(&["replay", &path]);
        assert!(
            replay.succeeds().out.contains("as recorded"),
            "{}",
            replay.out
        );
        let check = run(&["check", &path]);
        assert!(check.succeeds().out.contains("(trace)"), "{}", check.out);
        let json = run(&["replay", &path, "--format", "json"]).json();
        assert_eq!(json["matches"], true);
        assert!(recorded.contains(json["digest"].as_str().unwrap()));
    }
}

/// A replay finds the window again that the sweep found, and says what its width means.
#[test]
fn a_replay_tells_the_width_of_its_window_as_the_sweep_did() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();
    let scenario = "sim-configs/scenarios/review/p4-init-dup-master.toml";
    let args = [
        "--scheduler",
        "v10",
        "--write-traces",
        into,
        "--format",
        "json",
    ];
    let sweep = run(&[&["sweep", scenario], &args[..]].concat()).json();
    let windows = sweep["sweeps"][0]["windows"].as_array().unwrap();
    for window in windows {
        let trace = text(&folder.path().join(window["trace"].as_str().unwrap()));
        let replay = run(&["replay", &trace, "--format", "json"]).json();
        let found = &replay["windows"][0];
        assert_eq!(found["first"], window["first"], "{trace}");
        assert_eq!(found["last"], window["last"], "{trace}");
        assert_eq!(found["cut"], false);
        assert_eq!(found["width"], window["width"], "{trace}");
        assert!(found["width"]["cycles"].as_f64().unwrap() > 0.0);
        // Twice the rate, half the time.
        let twice = run(&["replay", &trace, "--nmi-rate", "8000", "--format", "json"]).json();
        let seconds = |json: &serde_json::Value| json["windows"][0]["width"]["seconds"].as_f64();
        let ratio = seconds(&replay).unwrap() / seconds(&twice).unwrap();
        assert!((ratio - 2.0).abs() < 0.01, "{ratio}");
    }
    let first = text(&folder.path().join(windows[0]["trace"].as_str().unwrap()));
    let out = run(&["replay", &first]).succeeds().out.clone();
    assert!(
        out.contains("cycles; at 4000 NMIs/s and 1000 operations/s: chance"),
        "{out}"
    );
}

/// A race of two CPUs that needs two decisions has two windows.
#[test]
fn a_replay_tells_the_window_of_each_decision() {
    let path = "traces/p20-exit-dup-master-remote.v10.inject.trace";
    let out = run(&["replay", path]).succeeds().out.clone();
    assert!(out.contains("window of decision 1, run cpu1: "), "{out}");
    assert!(out.contains("window of decision 2, run cpu0: "), "{out}");

    // Both ends belong to it, what lies beyond does not.
    let json = run(&["replay", path, "--format", "json"]).json();
    let folder = tempfile::tempdir().unwrap();
    let moved = folder.path().join("moved.trace");
    let recorded = fs::read_to_string(root().join(path)).unwrap();
    for window in json["windows"].as_array().unwrap() {
        let (first, last) = (
            window["first"].as_u64().unwrap(),
            window["last"].as_u64().unwrap(),
        );
        assert_eq!(window["cut"], false);
        let decision = format!(" {} | ", window["decision"].as_str().unwrap());
        let own = recorded
            .lines()
            .find(|line| line.contains(&decision))
            .unwrap();
        let (before, at) = own.split_once("ordinal=").unwrap();
        let (at, rip) = at.split_once(' ').unwrap();
        assert!((first..=last).contains(&at.parse().unwrap()));
        for (to, shows) in [
            (first - 1, false),
            (first, true),
            (last, true),
            (last + 1, false),
        ] {
            let line = format!("{before}ordinal={to} {rip}");
            fs::write(&moved, recorded.replace(own, &line)).unwrap();
            let replay = run(&["replay", &text(&moved), "--format", "json"]).json();
            let same = replay["verdict"] == json["verdict"];
            assert_eq!(same, shows, "{line}");
        }
    }
}

/// Windows, injections (of two CPUs here) and findings without any decision are recorded by `run`.
#[test]
fn run_records_what_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();
    let review = "sim-configs/scenarios/review";
    let scenario = |name: &str| format!("{review}/{name}.toml");
    for (name, scheduler) in [
        ("p20-exit-dup-master-remote", "delta"),
        ("n3-reset-master", "v11"),
        ("p2-child-count", "v10"),
    ] {
        let args = ["--scheduler", scheduler, "--write-traces", into];
        run(&[&["run", &scenario(name)], &args[..]].concat()).succeeds();
    }
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| text(entry.unwrap().file_name().as_ref()))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "n3-reset-master.v11.base.trace",
            "p2-child-count.v10.base.trace",
            "p2-child-count.v10.w1.trace",
            "p20-exit-dup-master-remote.delta.base.trace",
            "p20-exit-dup-master-remote.delta.inject.trace",
        ]
    );
    for name in names {
        let path = text(&folder.path().join(&name));
        let recorded = fs::read_to_string(&path).unwrap();
        assert!(!recorded.contains("\nend clean\n"), "{name}");
        assert_eq!(
            recorded.contains("\ndecision "),
            !name.contains(".base."),
            "{name}"
        );
        let replay = run(&["replay", &path]);
        let out = &replay.succeeds().out;
        assert!(out.contains("as recorded"), "{out}");
        // In another image the points are found again, each behind the decisions before it.
        let image = recorded.lines().nth(1).unwrap();
        let moved = recorded.replace(image, "image 00");
        fs::write(&path, moved).unwrap();
        let replay = run(&["replay", &path]);
        let out = &replay.succeeds().out;
        assert!(out.contains("found again in another guest image"), "{out}");
    }
}

#[test]
fn another_verdict_or_digest_is_a_difference() {
    let good = &traces()[0];
    let digest = good.find("digest blake3:").unwrap() + "digest blake3:".len();
    let mut other = good.clone();
    let swapped = if &good[digest..=digest] == "0" {
        "1"
    } else {
        "0"
    };
    other.replace_range(digest..=digest, swapped);
    let (_folder, path) = file("digest.trace", &other);
    let replay = run(&["replay", &path]);
    let out = &replay.exits(1).out;
    assert!(out.contains("recorded digest"), "{out}");

    let other = good.replace("\nend count A ", "\nend count B ");
    let (_folder, path) = file("verdict.trace", other);
    let replay = run(&["replay", &path]);
    let out = &replay.exits(1).out;
    assert!(out.contains("recorded verdict"), "{out}");
}

#[test]
fn traces_that_cannot_be_replayed() {
    let good = &traces()[0];
    let image = good.lines().nth(1).unwrap().to_owned();
    let other_image = format!("image {}", "0".repeat(64));
    let semantic = good
        .lines()
        .find_map(|line| line.strip_prefix("decision "))
        .and_then(|decision| decision.split(" | ").nth(1))
        .unwrap();
    let half: String = good.chars().take(good.len() / 2).collect();
    for (content, words) in [
        (String::new(), "x.trace:1"),
        ("hello\n".to_owned(), "is this a trace?"),
        (
            good.replacen("pmusim-trace 1", "pmusim-trace 99", 1),
            "version 99",
        ),
        (half, "x.trace:"),
        (format!("{good}more\n"), "x.trace:"),
        // Another image, and no semantic point to find the decision again by.
        (
            good.replace(&image, &other_image).replace(semantic, "-"),
            "cannot be found again",
        ),
        (good.replace("|machine = ", "|mashine = "), "errors"),
    ] {
        let (_keep, path) = file("x.trace", &content);
        run(&["replay", &path]).fails(5, &[words]);
    }
    run(&["replay", "no.trace"]).fails(2, &["no.trace"]);
}

#[test]
fn a_trace_of_another_image_is_found_again_by_its_semantic_points() {
    let good = &traces()[0];
    let image = good.lines().nth(1).unwrap();
    let ordinal = good
        .split_once("ordinal=")
        .and_then(|(_, rest)| rest.split_once(' '))
        .unwrap()
        .0;
    let moved = good
        .replace(image, &format!("image {}", "0".repeat(64)))
        .replace(&format!("ordinal={ordinal} "), "ordinal=7 ");
    let (_folder, path) = file("moved.trace", moved);
    let replay = run(&["replay", &path]);
    let out = &replay.succeeds().out;
    assert!(out.contains("found again in another guest image"), "{out}");

    // Its points are renewed on demand only, and are then those it was made with.
    let report = run(&["trace", "reanchor", &path]);
    assert!(report.succeeds().out.contains("would be renewed"));
    assert_ne!(&fs::read_to_string(&path).unwrap(), good);
    run(&["trace", "reanchor", "--write", &path]).succeeds();
    assert_eq!(&fs::read_to_string(&path).unwrap(), good);
    let report = run(&["trace", "reanchor", "--write", &path]);
    assert!(report.succeeds().out.contains("up to date"));

    // Another cause is refused, and nothing is written.
    let other = fs::read_to_string(&path).unwrap();
    let other = other
        .replace("end count", "end monotony")
        .replace(image, "image 00");
    fs::write(&path, &other).unwrap();
    run(&["trace", "reanchor", "--write", &path]).fails(5, &[]);
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
}

#[test]
fn every_committed_trace_replays() {
    let folder = root().join("traces");
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "trace"));
    paths.sort();
    for path in paths {
        run(&["replay", &text(&path)]).succeeds();
    }
}
