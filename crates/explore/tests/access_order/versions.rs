// SPDX-License-Identifier: GPL-2.0-only
//! What the later versions do differently, and the composed remove_dup beside the originals.

use abi::rows::Row;

use crate::scenarios::with_rows;
use crate::{count, of, ordered};

#[test]
fn v11_publishes_a_master_first_and_last_and_v12_last_and_twice() {
    for call in of("init_dup_master_v11") {
        let stores = positions(&call.lines, "W E.dup_master = E");
        assert_eq!(stores.len(), 2);
        assert_eq!(stores[1], call.lines.len() - 1);
        assert!(stores[0] < positions(&call.lines, "W E.master_count")[0]);
    }
    for call in of("init_dup_master_v12") {
        let last = call.lines.len() - 1;
        assert_eq!(
            positions(&call.lines, "W E.dup_master = E"),
            [last - 1, last]
        );
    }
}

fn positions(lines: &[String], line: &str) -> Vec<usize> {
    (0..lines.len()).filter(|&i| lines[i] == line).collect()
}

#[test]
fn from_v11_a_master_restores_its_count_before_it_lets_go() {
    ordered(
        "exit_dup_master_v11",
        &["W E.count", "W E.dup_active = 0", "W E.dup_master = null"],
    );
}

#[test]
fn from_v11_the_old_master_leaves_the_pmu_first_and_what_remains_is_settled_last() {
    for function in ["remove_dup_v11", "remove_dup_v12"] {
        ordered(
            function,
            &[
                "call perf_pmu_disable()",
                "call pmu->del(E)",
                "W NM.dup_master = TOMBSTONE",
                "call exit_dup_master(E)",
                "call pmu->add(NM)",
                "call perf_pmu_enable()",
                "W NM.dup_active",
            ],
        );
    }
}

/// Without a slave nothing undoes the disable. Only a master that is ENABLED or ACTIVE has that
/// path, and it has slaves then; the PMU stays enabled in every call that the scenarios make.
#[test]
fn who_disables_the_pmu_in_a_removal_enables_it() {
    for function in ["remove_dup_v11", "remove_dup_v12"] {
        for call in of(function) {
            let [off, on] =
                ["disable", "enable"].map(|w| count(call, &format!("call perf_pmu_{w}()")));
            assert_eq!(off, on, "{function}: {:#?}", call.lines);
        }
    }
}

#[test]
fn v12_moves_active_sharers_between_lists() {
    ordered(
        "remove_dup_v12",
        &[
            "W N2.dup_count",
            "R N2.dup_active_list.prev",
            "W N2.dup_master = NM",
        ],
    );
    ordered(
        "pmu_add_v12",
        &[
            "RMW M.dup_active",
            "W E.dup_active_list.next",
            "call pmu->read(M)",
        ],
    );
    ordered(
        "pmu_del_v12",
        &["call read_dup(E, M)", "W E.dup_active_list.next"],
    );
}

/// Contract, section 5: with the parts of a version the composed remove_dup accesses events exactly
/// as the version does.
#[test]
fn the_composed_removal_is_the_original() {
    for (version, parts) in [
        ("v10", ["base-first", "second-sharer", "false", "false"]),
        ("delta", ["tombstone", "at-flip", "true", "false"]),
        ("v11", ["tombstone", "at-flip", "true", "true"]),
    ] {
        let rows = [
            (Row::RemoveDup, "composed"),
            (Row::Flip, parts[0]),
            (Row::MasterCount, parts[1]),
            (Row::StateBeforeEnable, parts[2]),
            (Row::DelOld, parts[3]),
        ];
        let composed = with_rows(version, &rows, "remove_dup_composed");
        let original = with_rows(version, &[], &format!("remove_dup_{version}"));
        assert!(original.len() > 10);
        assert_eq!(composed.len(), original.len(), "{version}");
        for (ours, theirs) in composed.iter().zip(&original) {
            assert_eq!(ours.situation, theirs.situation, "{version}");
            assert_eq!(ours.lines, theirs.lines, "{version}: {}", ours.situation);
        }
        // The comparison can fail.
        let other = if version == "v10" { "delta" } else { "v10" };
        let other = with_rows(other, &[], &format!("remove_dup_{other}"));
        let lines = |calls: &[crate::Told]| -> Vec<Vec<String>> {
            calls.iter().map(|call| call.lines.clone()).collect()
        };
        assert_ne!(lines(&composed), lines(&other));
    }
}

/// What P17 asks for, and what its opposite looks like: no count tells the two apart, as a sync may
/// lag by what the kernel itself counts between the two instructions.
#[test]
fn a_state_that_is_stored_late_is_seen_in_the_order_only() {
    let rows = |early| {
        [
            (Row::RemoveDup, "composed"),
            (Row::Flip, "tombstone"),
            (Row::StateBeforeEnable, early),
        ]
    };
    let order = |early| -> Vec<Vec<usize>> {
        let lines = ["W NM.state = ENABLED", "call perf_pmu_enable()"];
        with_rows("delta", &rows(early), "remove_dup_composed")
            .iter()
            .filter(|call| lines.iter().all(|line| count(call, line) == 1))
            .map(|call| lines.map(|line| positions(&call.lines, line)[0]).to_vec())
            .collect()
    };
    let (early, late) = (order("true"), order("false"));
    assert!(!early.is_empty() && early.len() == late.len());
    assert!(early.iter().all(|at| at[0] < at[1]));
    assert!(late.iter().all(|at| at[0] > at[1]));
}
