// SPDX-License-Identifier: GPL-2.0-only
//! docs/state-machine.md draws the table that the oracle `state` judges by.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::path::Path;

use check::state::{State, TRANSITIONS};
use expect_test::expect_file;

fn page() -> String {
    let mut text = String::from(
        "<!-- SPDX-License-Identifier: GPL-2.0-only -->\n\
         # The states of an event\n\n\
         This page is written from `crates/check/src/state.rs`, the table by which the oracle `state` judges every\n\
         store to `state`; a test holds it to that (`UPDATE_EXPECT=1` renews it). A transition that is not here is\n\
         a finding.\n\n\
         | state | number | meaning |\n|---|---|---|\n",
    );
    for state in State::ALL {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            state.name(),
            state as i32,
            state.about()
        );
    }
    text.push_str("\n```mermaid\nstateDiagram-v2\n");
    for t in TRANSITIONS {
        let _ = writeln!(text, "  {} --> {}", t.from.name(), t.to.name());
    }
    text.push_str("```\n\n| from | to | by |\n|---|---|---|\n");
    for t in TRANSITIONS {
        let _ = writeln!(text, "| {} | {} | {} |", t.from.name(), t.to.name(), t.by);
    }
    text.push_str(
        "\nWhenever the CPU returns to user code or halts, no `dup_master` is the tombstone or points to what is no master,\n\
         `dup_active` is the number of ACTIVE events that share and 0 for whoever is not its own master, and a\n\
         master is ENABLED or ACTIVE while `dup_active` is not 0.\n",
    );
    text
}

#[test]
fn the_page_is_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machine.md");
    expect_file![file].assert_eq(&page());
}
