// SPDX-License-Identifier: GPL-2.0-only
//! `replay`: a trace is verdict and digest, and everything that can be wrong with one.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{file, root, run, text};

/// The traces that a sweep of P4 under v10 writes, in order.
fn traces() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = "sim-configs/scenarios/review/p4-init-dup-master.toml";
    let into = folder.path().to_str().unwrap();
    run(&[
        "sweep",
        scenario,
        "--scheduler",
        "v10",
        "--write-traces",
        into,
    ])
    .exits(1);
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    (folder, paths)
}

#[test]
fn every_trace_of_a_sweep_replays_to_the_bit_and_checks() {
    let (_folder, paths) = traces();
    for path in &paths {
        let path = text(path);
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
        let recorded = fs::read_to_string(&path).unwrap();
        assert!(recorded.contains(json["digest"].as_str().unwrap()));
    }
}

#[test]
fn another_verdict_or_digest_is_a_difference() {
    let (_folder, paths) = traces();
    let good = fs::read_to_string(&paths[0]).unwrap();
    let digest = good.find("digest blake3:").unwrap() + "digest blake3:".len();
    let mut other = good.clone();
    let swapped = if &good[digest..=digest] == "0" {
        "1"
    } else {
        "0"
    };
    other.replace_range(digest..=digest, swapped);
    let (_keep, path) = file("digest.trace", &other);
    let replay = run(&["replay", &path]);
    assert!(
        replay.exits(1).out.contains("recorded digest"),
        "{}",
        replay.out
    );

    let (_keep, path) = file(
        "verdict.trace",
        good.replace("\nend count A ", "\nend count B "),
    );
    let replay = run(&["replay", &path]);
    assert!(
        replay.exits(1).out.contains("recorded verdict"),
        "{}",
        replay.out
    );
}

#[test]
fn traces_that_cannot_be_replayed() {
    let (_folder, paths) = traces();
    let good = fs::read_to_string(&paths[0]).unwrap();
    let image = good.lines().nth(1).unwrap().to_owned();
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
        (
            good.replace(&image, &format!("image {}", "0".repeat(64))),
            "stale",
        ),
        (good.replace("|machine = ", "|mashine = "), "errors"),
    ] {
        let (_keep, path) = file("x.trace", &content);
        run(&["replay", &path]).fails(5, &[words]);
    }
    run(&["replay", "no.trace"]).fails(2, &["no.trace"]);
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
