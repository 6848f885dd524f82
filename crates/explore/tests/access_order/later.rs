// SPDX-License-Identifier: GPL-2.0-only
//! The functions that v11, v11r, v12 and retry change, as the sharing reference numbers their lines.
//! What a version leaves alone runs the function of the version before it.

use crate::reference::{Function, INC, NULL_AND_M, Step, steps};

const WALK: &str = "The head of the context's list is in the context.";
const LISTS: &str = "dup_active_list is a list head in a master and a node in a sharer: taking a node out or putting \
                     one in are the stores to it and to its neighbours.";

/// Functions of v11, v11r, v12 and retry.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "init_dup_master_v11",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "2": "R E.dup_active";
            "3": "W E.dup_master = E";
            "4": "R E.count";
            "5": "W E.master_count";
            "6": "W E.dup_count";
            "7": "W E.dup_active = 1";
            "9": "W E.dup_master = E";
        },
        notes: &[
            "Lines 1 to 9: the whole function, in order. 6 and 7 for an ACTIVE event only.",
            "3 publishes the master early, 9 once more; 8 is a compiler barrier.",
            "v11r runs the same code.",
        ],
    },
    Function {
        name: "init_dup_master_v12",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "2": "R E.dup_active";
            "4": "R E.count";
            "5": "W E.master_count";
            "6": "W E.dup_count";
            "7": "W E.dup_active = 1";
            "9": "W E.dup_master = E";
            "10": "W E.dup_master = E";
        },
        notes: &[
            "Lines 1 to 10: the whole function, in order. 6 and 7 for an ACTIVE event only.",
            "8 is a compiler barrier; 10 stores the same once more.",
        ],
    },
    Function {
        name: "exit_dup_master_v11",
        cycle: None,
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "2": "R E.master_count";
            "3": "W E.count";
            "4": "W E.dup_active = 0";
            "5": "W E.dup_master = null";
        },
        notes: &[
            "Lines 1 to 6: the whole function, in order. 6 is a compiler barrier, behind what it could order.",
            "3 to 5 are volatile stores, as local64_set and WRITE_ONCE are; 4 is plain in the patch.",
            "v11r and v12 run the same code.",
        ],
    },
    Function {
        name: "setup_dup_v11r",
        cycle: Some((2, 5)),
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "1": "call can_share(E)";
            "2": "R T.event_entry.next" | "R E.event_entry.next";
            "2": "R T.state";
            "2": "call can_share(T)";
            "2": "call compatible(E, T)";
            "3": "R T.dup_master";
            "3": "R T.state";
            "3": "call pmu->read(T)";
            "3": "call init_dup_master(T)";
            "4": "R T.dup_master";
            "4": "W E.dup_master = T";
        },
        notes: &[
            "Lines 1 to 4: the whole function, in order. E and T below INACTIVE are left out.",
            WALK,
        ],
    },
    Function {
        name: "setup_dup_v12",
        cycle: Some((2, 5)),
        returns: None,
        steps: steps! {
            "1": "R E.state";
            "1": "call can_share(E)";
            "2": "R T.event_entry.next" | "R E.event_entry.next";
            "2": "R T.state";
            "2": "call can_share(T)";
            "2": "call compatible(E, T)";
            "3": "R T.dup_master";
            "3": "R T.state";
            "3": "call pmu->read(T)";
            "3": "call init_dup_master(T)";
            "4": "R T.dup_master";
            "4": "W E.dup_master = T";
        },
        notes: &[
            "Lines 1 to 4: the whole function, in order. E below OFF and T below INACTIVE are left out.",
            WALK,
        ],
    },
    Function {
        name: "remove_dup_v11",
        cycle: Some((7, 15)),
        returns: Some(3),
        steps: steps! {
            "1": "R E.dup_master";
            "2": "R E.state";
            "3": "R E.dup_master";
            "3": "W E.dup_master = null";
            "3'": "R E.dup_active";
            "3'": "call perf_pmu_disable()";
            "3'": "call pmu->del(E)";
            "4": "R T.event_entry.next" | "R E.event_entry.next";
            "4": "R T.dup_master" | "R E.dup_master";
            "4c": "R T.state";
            "4c": "call read_dup(T, E)";
            "4f": "W T.dup_master = TOMBSTONE";
            "4g": "R NM.count";
            "4h": "W T.dup_count";
            "4i": "W NM.master_count";
            "4j": "W T.dup_master = NM";
            "5": "call exit_dup_master(E)";
            "8": "call copy_hw_config(E, NM)";
            "8": "call pmu->add(NM)";
            "9": "R NM.state";
            "9": "W NM.state = ENABLED";
            "10": "call perf_pmu_enable()";
            "7": "W NM.dup_master = null";
            "7": "W NM.dup_active";
        },
        notes: &[
            "The whole function, in order: 7 comes last. 6 is the end after 5 when there is no slave, also \
             with the PMU disabled by 3'.",
            "The barriers of 4 leave no trace but the order. The list walk also loads E's own dup_master.",
            "v11r runs the same code.",
        ],
    },
    Function {
        name: "remove_dup_v12",
        cycle: Some((7, 31)),
        returns: Some(3),
        steps: steps! {
            "1": "R E.dup_master";
            "2": "R E.state";
            "3": "R E.dup_master";
            "3": "W E.dup_master = null";
            "3'": "R E.dup_active";
            "3'": "call perf_pmu_disable()";
            "3'": "call pmu->del(E)";
            "4": "R T.event_entry.next" | "R E.event_entry.next";
            "4": "R T.dup_master" | "R E.dup_master";
            "4a": "R NM.dup_active_list.prev";
            "4a": "R NM.dup_active_list.next";
            "4a": "W T.dup_active_list.prev" | "W E.dup_active_list.prev";
            "4a": "W T.dup_active_list.next" | "W E.dup_active_list.next";
            "4a": "W NM.dup_active_list.next";
            "4a": "W NM.dup_active_list.prev";
            "4c": "R T.state";
            "4c": "call read_dup(T, E)";
            "4f": "W T.dup_master = TOMBSTONE";
            "4g": "R NM.count";
            "4h": "W T.dup_count";
            "4i": "W NM.master_count";
            "4h'": "R T.state";
            "4h'": "R T.dup_active_list.prev";
            "4h'": "R T.dup_active_list.next";
            "4h'": "W T.dup_active_list.prev" | "W E.dup_active_list.prev";
            "4h'": "W T.dup_active_list.next" | "W E.dup_active_list.next";
            "4h'": "R NM.dup_active_list.prev";
            "4h'": "W NM.dup_active_list.prev";
            "4h'": "W T.dup_active_list.next";
            "4h'": "W T.dup_active_list.prev";
            "4h'": "W T.dup_active_list.next";
            "4j": "W T.dup_master = NM";
            "5": "call exit_dup_master(E)";
            "8": "call copy_hw_config(E, NM)";
            "8": "call pmu->add(NM)";
            "9": "R NM.state";
            "9": "W NM.state = ENABLED";
            "10": "call perf_pmu_enable()";
            "7": "W NM.dup_master = null";
            "7": "W NM.dup_active";
        },
        notes: &[
            "The whole function, in order: v11's, with 4a (the new master leaves the old one's list) and 4h' \
             (an ACTIVE sharer moves to the new master's list).",
            "The barriers of 4 leave no trace but the order. The list walk also loads E's own dup_master.",
            LISTS,
        ],
    },
    Function {
        name: "pmu_add_v12",
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
            "4'": "R M.dup_active_list.prev";
            "4'": "W M.dup_active_list.prev";
            "4'": "W E.dup_active_list.next";
            "4'": "W E.dup_active_list.prev";
            "4'": "W M.dup_active_list.next" | "W T.dup_active_list.next";
            "5": "call pmu->read(M)";
            "6": "R M.count";
            "6": "W E.dup_count";
            "7": "call update_userpage(E)";
        },
        notes: &[
            "Lines 1 to 7: the whole function, in order. M may be E; then there is no 4'.",
            NULL_AND_M,
            INC,
            LISTS,
        ],
    },
    Function {
        name: "pmu_del_v12",
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
            "3": "R E.dup_active_list.prev";
            "3": "R E.dup_active_list.next";
            "3": "W M.dup_active_list.prev" | "W T.dup_active_list.prev";
            "3": "W M.dup_active_list.next" | "W T.dup_active_list.next";
            "3": "W E.dup_active_list.next";
            "3": "W E.dup_active_list.prev";
        },
        notes: &[
            "Lines 1 to 3, and the choice before them: the whole function, in order. M may be E; then there \
             is no 3.",
            NULL_AND_M,
            INC,
            LISTS,
        ],
    },
    Function {
        name: "event_count_retry",
        cycle: None,
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "count": "R E.master_count" | "R E.count";
            "child": "R E.child_count";
        },
        notes: &[
            "The first load is repeated while it gives the tombstone; nothing is loaded again after the count.",
            "In an NMI that has interrupted the flip it never ends: no such call is recorded here.",
        ],
    },
    Function {
        name: "reset_v12",
        cycle: None,
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "store": "W E.master_count" | "W E.count";
        },
        notes: &[
            "What _perf_event_reset and perf_event_pause set to 0: dup_master == E ? master_count : count.",
        ],
    },
    Function {
        name: "userpage_owner_v11r",
        cycle: None,
        returns: None,
        steps: steps! {
            "e": "R E.dup_master";
        },
        notes: &[
            "e = dup_master or E, in perf_event_index and in perf_event_update_userpage.",
            "v12 runs the same code.",
        ],
    },
    Function {
        name: "index_v11r",
        cycle: None,
        returns: None,
        steps: steps! {
            "e": "call userpage_owner(E)";
            "stopped": "R M.hw.state" | "R E.hw.state";
            "state": "R M.state" | "R E.state";
            "index": "call event_idx(M)" | "call event_idx(E)";
        },
        notes: &["perf_event_index, with e for the event: stopped or below ENABLED gives 0."],
    },
    Function {
        name: "index_v12",
        cycle: None,
        returns: None,
        steps: steps! {
            "e": "call userpage_owner(E)";
            "stopped": "R M.hw.state" | "R E.hw.state";
            "state": "R E.state";
            "index": "call event_idx(M)" | "call event_idx(E)";
        },
        notes: &["perf_event_index: e is stopped, or E below ACTIVE, gives 0."],
    },
    Function {
        name: "update_sharers_userpages_v12",
        cycle: Some((1, 2)),
        returns: None,
        steps: steps! {
            "master": "R E.dup_master";
            "list": "R E.dup_active_list.next" | "R T.dup_active_list.next";
            "page": "call update_userpage(T)";
        },
        notes: &["The end of perf_event_update_userpage, with or without a page of E's own."],
    },
];
