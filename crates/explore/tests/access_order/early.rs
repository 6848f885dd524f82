// SPDX-License-Identifier: GPL-2.0-only
//! The functions of v10 and of its review's delta, as the sharing reference numbers their lines.

use crate::reference::{CHILDREN, Function, INC, NULL_AND_M, Step, steps};

/// Functions of v10 and delta.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "init_dup_master_v10",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "2": "R E.dup_active";
            "3": "W E.dup_master = E";
            "4": "R E.count";
            "5": "R E.child_count";
            "6": "W E.master_count";
            "7": "W E.master_child_count";
            "8": "W E.dup_count";
            "9": "W E.dup_base_child_count";
            "10": "W E.dup_active = 1";
        },
        notes: &[
            "Lines 1 to 10: the whole function, in order. 8 to 10 for an ACTIVE event only.",
            "dup_count is the patch's dup_base_count, dup_active its dup_active_count.",
            CHILDREN,
        ],
    },
    Function {
        name: "init_dup_master_delta",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "2": "R E.dup_active";
            "3": "call pmu->read(E)";
            "4": "R E.count";
            "5": "W E.master_count";
            "6": "W E.dup_count";
            "7": "W E.dup_active = 1";
            "9": "W E.dup_master = E";
        },
        notes: &[
            "Lines 1 to 9: the whole function, in order. 3, 6 and 7 for an ACTIVE event only.",
            "8 is a compiler barrier and leaves no trace but the order of 5 to 7 and 9.",
        ],
    },
    Function {
        name: "exit_dup_master_v10",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "W E.dup_active = 0";
            "2": "W E.dup_master = null";
            "3": "R E.master_count";
            "4": "W E.count";
            "5": "R E.master_child_count";
            "6": "W E.child_count";
        },
        notes: &["Lines 1 to 6: the whole function, in order.", CHILDREN],
    },
    Function {
        name: "exit_dup_master_delta",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "2": "W E.dup_active = 0";
            "3": "W E.dup_master = null";
            "5": "R E.master_count";
            "6": "W E.count";
        },
        notes: &["Lines 1 to 6: the whole function, in order. 4 is a compiler barrier."],
    },
    Function {
        name: "read_dup_v10",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "call pmu->read(M)";
            "2": "R M.count";
            "3": "R M.child_count";
            "4": "R E.dup_count";
            "4": "RMW E.master_count" | "RMW E.count";
            "5": "R E.dup_base_child_count";
            "5": "RMW E.master_child_count" | "RMW E.child_count";
            "6": "W E.dup_count";
            "7": "W E.dup_base_child_count";
        },
        notes: &[
            "Lines 1 to 7: the whole function, in order. M may be E.",
            "The additions of 4 and 5 are one instruction each; 5 has a LOCK prefix.",
            CHILDREN,
        ],
    },
    Function {
        name: "read_dup_delta",
        cycle: Some((0, 4)),
        returns: None,
        steps: steps! {
            "2": "R E.dup_count";
            "3": "R M.state";
            "3": "call pmu->read(M)";
            "4": "R M.count";
            "5": "RMW E.dup_count";
            "6": "RMW E.master_count" | "RMW E.count";
        },
        notes: &[
            "Lines 1 to 6: the whole function, in order. M may be E.",
            "1 (M is the tombstone: nothing is done) is the case without accesses.",
            "5 is one CMPXCHG without LOCK; when it fails, 2 follows.",
        ],
    },
    Function {
        name: "setup_dup_v10",
        cycle: Some((1, 3)),
        returns: None,
        steps: steps! {
            "1": "call can_share(E)";
            "2": "R T.event_entry.next" | "R E.event_entry.next";
            "2": "call can_share(T)";
            "2": "call compatible(E, T)";
            "3": "R T.dup_master";
            "3": "R T.state";
            "3": "call pmu->read(T)";
            "3": "call init_dup_master(T)";
            "4": "R T.dup_master";
            "4": "W E.dup_master = T" | "W E.dup_master = E";
        },
        notes: &[
            "Lines 1 to 4: the whole function, in order. The head of the list is in the context.",
            "can_share and compatible read attr only, which does not change.",
        ],
    },
    Function {
        name: "setup_dup_delta",
        cycle: Some((1, 3)),
        returns: None,
        steps: steps! {
            "1": "call can_share(E)";
            "2": "R T.event_entry.next" | "R E.event_entry.next";
            "2": "call can_share(T)";
            "2": "call compatible(E, T)";
            "3": "R T.dup_master";
            "3": "call init_dup_master(T)";
            "4": "R T.dup_master";
            "4": "W E.dup_master = T" | "W E.dup_master = E";
        },
        notes: &[
            "Lines 1 to 4: the whole function, in order. The head of the list is in the context.",
            "can_share and compatible read attr only, which does not change.",
        ],
    },
    Function {
        name: "remove_dup_v10",
        cycle: Some((4, 13)),
        returns: Some(3),
        steps: steps! {
            "1": "R E.dup_master";
            "2": "R E.state";
            "3": "R E.dup_master";
            "3": "W E.dup_master = null";
            "4": "R T.event_entry.next" | "R E.event_entry.next";
            "4": "R T.dup_master" | "R E.dup_master";
            "4b": "call init_dup_master(NM)";
            "4c": "R T.state";
            "4c": "call read_dup(T, E)";
            "4c": "R NM.count";
            "4c": "W T.dup_count";
            "4c": "R NM.child_count";
            "4c": "W T.dup_base_child_count";
            "4d": "W T.dup_master = NM";
            "5": "R E.dup_active";
            "5": "call exit_dup_master(E)";
            "7": "W NM.dup_master = null";
            "7": "W NM.dup_active";
            "8": "call copy_hw_config(E, NM)";
            "8": "call perf_pmu_disable()";
            "8": "call pmu->add(NM)";
            "8": "call perf_pmu_enable()";
            "9": "R NM.state";
            "9": "W NM.state = ENABLED";
        },
        notes: &[
            "Lines 1 to 9: the whole function, in order. 6 is the end after 5 when there is no slave.",
            "4a and 4e are about local variables. The list walk also loads E's own dup_master.",
            CHILDREN,
        ],
    },
    Function {
        name: "remove_dup_delta",
        cycle: Some((4, 12)),
        returns: Some(3),
        steps: steps! {
            "1": "R E.dup_master";
            "2": "R E.state";
            "3": "R E.dup_master";
            "3": "W E.dup_master = null";
            "4": "R T.event_entry.next" | "R E.event_entry.next";
            "4": "R T.dup_master" | "R E.dup_master";
            "4c": "R T.state";
            "4c": "call read_dup(T, E)";
            "4f": "W T.dup_master = TOMBSTONE";
            "4g": "R NM.count";
            "4h": "W T.dup_count";
            "4i": "W NM.master_count";
            "4j": "W T.dup_master = NM";
            "5": "R E.dup_active";
            "5": "call exit_dup_master(E)";
            "7": "W NM.dup_master = null";
            "7": "W NM.dup_active";
            "8": "call copy_hw_config(E, NM)";
            "8": "call perf_pmu_disable()";
            "8": "call pmu->add(NM)";
            "9": "R NM.state";
            "9": "W NM.state = ENABLED";
            "10": "call perf_pmu_enable()";
        },
        notes: &[
            "Lines 1 to 10: the whole function, in order. 6 is the end after 5 when there is no slave.",
            "4a and 4e are about local variables; the barriers of 4 leave no trace but the order.",
            "The list walk also loads E's own dup_master.",
        ],
    },
    Function {
        name: "pmu_add_v10",
        cycle: None,
        returns: Some(1),
        steps: steps! {
            "1": "R E.dup_master";
            "1": "call pmu->add(E)";
            "2": "R E.dup_master";
            "3": "R M.dup_active";
            "3": "call pmu->add(M)";
            "3": "call perf_event_set_state(M, ENABLED)";
            "4": "RMW M.dup_active";
            "5": "call pmu->read(M)";
            "6": "R M.count";
            "6": "W E.dup_count";
            "6": "R M.child_count";
            "6": "W E.dup_base_child_count";
        },
        notes: &[
            "Lines 1 to 6: the whole function, in order. M may be E.",
            NULL_AND_M,
            INC,
            CHILDREN,
        ],
    },
    Function {
        name: "pmu_add_delta",
        cycle: None,
        returns: Some(1),
        steps: steps! {
            "1": "R E.dup_master";
            "1": "call pmu->add(E)";
            "2": "R E.dup_master";
            "3": "R M.dup_active";
            "3": "call pmu->add(M)";
            "3": "call perf_event_set_state(M, ENABLED)";
            "4": "RMW M.dup_active";
            "5": "call pmu->read(M)";
            "6": "R M.count";
            "6": "W E.dup_count";
        },
        notes: &[
            "Lines 1 to 6: the whole function, in order. M may be E.",
            NULL_AND_M,
            INC,
        ],
    },
    Function {
        name: "pmu_del_v10",
        cycle: None,
        returns: Some(1),
        steps: steps! {
            "null": "R E.dup_master";
            "null": "call pmu->del(E)";
            "M": "R E.dup_master";
            "1": "call read_dup(E, M)";
            "2": "RMW M.dup_active";
            "2": "call pmu->del(M)";
            "2": "call perf_event_set_state(M, INACTIVE)";
        },
        notes: &[
            "Lines 1 and 2, and the choice before them: the whole function, in order. M may be E.",
            NULL_AND_M,
            INC,
        ],
    },
    Function {
        name: "pmu_del_delta",
        cycle: None,
        returns: Some(1),
        steps: steps! {
            "null": "R E.dup_master";
            "null": "call pmu->del(E)";
            "M": "R E.dup_master";
            "1": "RMW M.dup_active";
            "1": "call pmu->del(M)";
            "1": "call perf_event_set_state(M, INACTIVE)";
            "2": "call read_dup(E, M)";
        },
        notes: &[
            "Lines 1 and 2, and the choice before them: the whole function, in order. M may be E.",
            NULL_AND_M,
            INC,
        ],
    },
    Function {
        name: "pmu_read_v10",
        cycle: None,
        returns: Some(1),
        steps: steps! {
            "null": "R E.dup_master";
            "null": "call pmu->read(E)";
            "M": "R E.dup_master";
            "M": "call read_dup(E, M)" | "call read_dup(E, TOMBSTONE)";
        },
        notes: &[
            "The whole function, in order, with its two separate loads of dup_master.",
            "The review leaves it alone: delta runs the same code.",
        ],
    },
    Function {
        name: "sched_out_state_v10",
        cycle: None,
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "active": "R E.dup_active";
        },
        notes: &["dup_master == E and dup_active != 0: ENABLED."],
    },
    Function {
        name: "sched_out_state_delta",
        cycle: None,
        returns: None,
        steps: steps! {
            "active": "R E.dup_active";
            "assert": "R E.dup_master";
        },
        notes: &["dup_active != 0: ENABLED, with the assertion that dup_master == E."],
    },
    Function {
        name: "event_count_v10",
        cycle: None,
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "count": "R E.master_count" | "R E.count";
            "child": "R E.master_child_count" | "R E.child_count";
        },
        notes: &[
            "dup_master == E: the master's pair, else the event's.",
            CHILDREN,
        ],
    },
    Function {
        name: "event_count_delta",
        cycle: None,
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "count": "R E.master_count" | "R E.count";
            "child": "R E.child_count";
        },
        notes: &["dup_master == E: master_count, else count; then child_count."],
    },
    Function {
        name: "local_value_v10",
        cycle: None,
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "count": "R E.master_count" | "R E.count";
        },
        notes: &[
            "perf_event_read_local, after its pmu_read: two loads.",
            "The review leaves it alone: delta runs the same code.",
        ],
    },
];
