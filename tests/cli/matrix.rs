// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim matrix`, and the page that it writes.

use std::fs;

use crate::support::{root, run};

const BEGIN: &str = "<!-- matrix: begin -->\n";
const END: &str = "<!-- matrix: end -->\n";

/// The whole table: all expectations hold, and docs/claims.md is what it says. `UPDATE_EXPECT=1`
/// renews the page.
#[test]
fn the_page_of_claims_is_the_matrix() {
    let printed = run(&["-q", "matrix", "--markdown"]);
    let printed = printed.succeeds().out.clone();
    let path = root().join("docs/claims.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the first mark");
    let (_, after) = rest.split_once(END).expect("the second mark");
    let current = format!("{before}{BEGIN}\n{}\n\n{END}{after}", printed.trim());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, current).unwrap();
        return;
    }
    assert_eq!(page, current, "UPDATE_EXPECT=1 renews docs/claims.md");
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
