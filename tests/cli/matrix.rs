// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim matrix`, the page that it writes, and the traces that its cells name.

use std::fs;

use scenario::{CausePattern, Source, parse_scenario};
use trace::Trace;

use crate::support::{page_is_current, root, run};

/// The whole table: all expectations hold, and docs/claims.md is what it says. `UPDATE_EXPECT=1`
/// renews the page.
#[test]
fn the_page_of_claims_is_the_matrix() {
    page_is_current("docs/claims.md", "matrix", &["-q", "matrix", "--markdown"]);
}

#[test]
fn one_claim_as_text_and_json() {
    let file = "sim-configs/scenarios/review/n3-reset-master.toml";
    let text = run(&["matrix", file]);
    let text = &text.succeeds().out;
    assert!(text.contains("violated: count, monotony"), "{text}");
    assert!(
        text.contains("8 cells: 4 held, 4 violated as expected, 0 known"),
        "{text}"
    );
    let json = run(&["matrix", file, "--scheduler", "v12", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.succeeds().out).unwrap();
    assert_eq!(value["claims"][0]["id"], "N3");
    let cells = value["claims"][0]["scenarios"][0]["cells"]
        .as_array()
        .unwrap();
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0]["outcome"], "held");
}

#[test]
fn a_cell_that_is_not_as_expected_decides_the_exit_code() {
    let file = "sim-configs/scenarios/review/n3-reset-master.toml";
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (before, rest) = text.split_once("{ oracle = \"count\"").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n3.toml");
    fs::write(&path, format!("{before}{after}")).unwrap();
    let path = path.to_str().unwrap();
    run(&["matrix", path, "--scheduler", "v10"]).fails(1, &[]);
    run(&["matrix", "sim-configs/scenarios/sched/reset.toml"])
        .fails(4, &["no scenario there names a claim"]);
}

/// Every cell that shows a claim has a trace of it in `traces`.
#[test]
fn every_violated_cell_is_recorded() {
    let traces: Vec<(String, Trace)> = names("traces", "trace")
        .into_iter()
        .map(|name| {
            let text = fs::read_to_string(root().join("traces").join(&name)).unwrap();
            let trace = Trace::parse(&name, &text).unwrap();
            (name, trace)
        })
        .collect();
    let folder = "sim-configs/scenarios/review";
    let (mut cells, mut without) = (0, Vec::new());
    for file in names(folder, "toml") {
        let text = fs::read_to_string(root().join(folder).join(&file)).unwrap();
        let scenario = parse_scenario(&Source::new(file.clone(), text)).unwrap();
        let Some(claim) = &scenario.claim else {
            continue;
        };
        let stem = file.strip_suffix(".toml").unwrap();
        for (version, expect) in &scenario.expect {
            let causes: Vec<&CausePattern> = expect.shows(claim).collect();
            if causes.is_empty() {
                continue;
            }
            cells += 1;
            let short = version.replace('/', "-");
            let of_cell = |name: &str| {
                let words = name.strip_prefix(stem).and_then(|n| n.strip_prefix('.'));
                words.is_some_and(|words| words.split('.').any(|word| word == short))
            };
            let shows = |trace: &Trace| {
                trace.verdicts.iter().any(|verdict| {
                    causes.iter().any(|cause| {
                        let event = cause.event.as_ref();
                        cause.oracle.name() == verdict.oracle
                            && event.is_none_or(|event| *event == verdict.event)
                    })
                })
            };
            if !traces
                .iter()
                .any(|(name, trace)| of_cell(name) && shows(trace))
            {
                without.push(format!("{stem} under {version}"));
            }
        }
    }
    assert!(cells > 0, "claims are shown");
    assert!(without.is_empty(), "not recorded:\n{}", without.join("\n"));
}

/// The files of a folder with this ending.
fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.rsplit_once('.').is_some_and(|(_, end)| end == ending))
        .collect();
    names.sort();
    names
}
