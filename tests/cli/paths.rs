// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim paths`: the page that it writes, and which paths grow with the number of sharers.

use serde_json::Value;

use crate::support::{page_is_current, run};

/// `UPDATE_EXPECT=1` renews the page.
#[test]
fn the_page_is_what_is_counted() {
    page_is_current("docs/paths.md", "paths", &["-q", "paths", "--markdown"]);
}

/// Functions of one order whose cost still changes with the 32nd event, each with the versions.
fn growing(order: &Value) -> Vec<(String, String)> {
    let mut growing = Vec::new();
    for function in order["functions"].as_array().unwrap() {
        let name = function["function"].as_str().unwrap();
        let versions = function["versions"].as_array().unwrap();
        let grows = versions.iter().filter(|v| v["growth"]["kind"] == "grows");
        let grows: Vec<&str> = grows.map(|v| v["scheduler"].as_str().unwrap()).collect();
        if !grows.is_empty() {
            growing.push((name.to_owned(), grows.join(" ")));
        }
    }
    growing
}

#[test]
fn what_the_patch_calls_o1_does_not_grow_but_for_v12s_add() {
    let json = run(&["-q", "paths", "--format", "json"]).succeeds().json();
    let orders = json["orders"].as_array().unwrap();
    let [oldest_first, newest_first] = &orders[..] else {
        panic!("two orders");
    };
    let named = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = rows.iter().map(|&(f, v)| (f.to_owned(), v.to_owned()));
        owned.collect()
    };
    let sharing = "v10 delta v11 v11r v12 retry";
    assert_eq!(
        growing(oldest_first),
        named(&[
            ("event_pmu_add", "v12 retry"),
            ("event_sched_in", "v12 retry"),
            ("perf_event_remove_dup", sharing),
            ("perf_event_update_userpage", "v12 retry"),
            ("x86_pmu_enable", "v12 retry"),
            ("perf_event_task_sched_out", sharing),
            (
                "perf_event_task_sched_in",
                "none v10 delta v11 v11r v12 retry"
            ),
        ])
    );
    // v11r shares nothing here.
    assert_eq!(
        growing(newest_first),
        named(&[
            ("event_pmu_add", "v12 retry"),
            ("event_sched_in", "v12 retry"),
            ("perf_event_setup_dup", "v12 retry"),
            ("perf_event_remove_dup", "v10 delta v11 v12 retry"),
            ("perf_event_update_userpage", "v12 retry"),
            ("x86_pmu_enable", "v12 retry"),
            ("perf_event_task_sched_out", "v10 delta v11 v12 retry"),
            (
                "perf_event_task_sched_in",
                "none v10 delta v11 v11r v12 retry"
            ),
        ])
    );
    for (order, shares_nothing) in [
        (oldest_first, &["none"][..]),
        (newest_first, &["none", "v11r"]),
    ] {
        for held in order["counters"].as_array().unwrap() {
            let name = held["scheduler"].as_str().unwrap();
            // Four general-purpose counters and the fixed one for instructions.
            let expected = |n: usize| match shares_nothing.contains(&name) {
                true => n.min(5),
                false => 1,
            };
            let expected: Vec<usize> = (1..=32).map(expected).collect();
            assert_eq!(held["counters"], serde_json::json!(expected), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_counted_says_why() {
    run(&["paths", "--scheduler", "v99"]).fails(2, &["v99"]);
    run(&["paths", "--machine", "zen4"]).fails(2, &["its counters are AMD's"]);
    run(&["paths", "--events", "3"]).fails(2, &["4..=128"]);
}
