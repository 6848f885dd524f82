// SPDX-License-Identifier: GPL-2.0-only
//! Constraints, the list of events, transactions.

use core::ptr;
use std::vec;
use std::vec::Vec;

use abi::event_select as sel;
use abi::syscall::{HW_CPU_CYCLES, HW_INSTRUCTIONS, HW_REF_CPU_CYCLES, TYPE_HARDWARE, TYPE_RAW};

use super::{P, event, gp_event, idx, listed, perf, schedule, unschedule};
use crate::core::errno::EINVAL;
use crate::types::{PerfEvent, ef, txn};
use crate::x86::{EVENTS_MAX, EventConstraint};

/// The counters that `perf_assign_events` gives, or how many events got none.
fn assign(p: &P, constraints: &[EventConstraint], gpmax: i32) -> Result<Vec<i32>, i32> {
    let pointers: Vec<_> = constraints.iter().map(ptr::from_ref).collect();
    let weights = || constraints.iter().map(|c| c.weight);
    let (wmin, wmax) = (weights().min().unwrap_or(0), weights().max().unwrap_or(0));
    let mut assign = [-1; EVENTS_MAX];
    // SAFETY: the constraints outlive the call.
    let left = unsafe { p.perf_assign_events(&pointers, wmin, wmax, gpmax, Some(&mut assign)) };
    if left == 0 {
        Ok(assign[..constraints.len()].to_vec())
    } else {
        Err(left)
    }
}

fn overlapping(idxmsk: u64) -> EventConstraint {
    EventConstraint {
        overlap: true,
        ..EventConstraint::any(idxmsk)
    }
}

#[test]
fn few_choices_come_first() {
    let p = perf();
    let any = EventConstraint::any;
    assert_eq!(assign(p, &[any(0b11), any(0b01)], 4), Ok(vec![1, 0]));
    assert_eq!(
        assign(p, &[any(0b111), any(0b011), any(0b011)], 4),
        Ok(vec![2, 0, 1])
    );
    assert_eq!(assign(p, &[any(0b1), any(0b1), any(0b10)], 4), Err(2));
}

#[test]
fn a_free_fixed_counter_is_preferred() {
    let p = perf();
    let c = EventConstraint::any(1 << 32 | 0b11);
    assert_eq!(assign(p, &[c, c, c], 4), Ok(vec![32, 0, 1]));
    assert_eq!(
        assign(p, &[c, c, c], 1),
        Err(1),
        "one general-purpose counter may be given"
    );
}

#[test]
fn overlapping_constraints_are_tried_again() {
    let p = perf();
    let any = EventConstraint::any;
    let rest = [any(0b101), any(0b101)];
    assert_eq!(assign(p, &[any(0b011), rest[0], rest[1]], 4), Err(1));
    assert_eq!(
        assign(p, &[overlapping(0b011), rest[0], rest[1]], 4),
        Ok(vec![1, 0, 2])
    );
    assert!(p.hw.take_warns().is_empty());
    // More than two states are not kept.
    assert_eq!(assign(p, &[overlapping(0b111); 3], 4), Ok(vec![0, 1, 2]));
    assert_eq!(p.hw.take_warns().len(), 1);
}

#[test]
fn generic_events_get_their_fixed_counters() {
    let p = perf();
    let instructions = event(p, TYPE_HARDWARE, HW_INSTRUCTIONS);
    let cycles = event(p, TYPE_HARDWARE, HW_CPU_CYCLES);
    let ref_cycles = event(p, TYPE_HARDWARE, HW_REF_CPU_CYCLES);
    let second = event(p, TYPE_HARDWARE, HW_INSTRUCTIONS);
    let qualified = event(p, TYPE_RAW, sel::CYCLES | 1 << sel::CMASK_SHIFT);
    let events = [instructions, cycles, ref_cycles, second, qualified];
    schedule(p, &events);
    // The qualified one has weight 4 and is placed before those of weight 5.
    assert_eq!(events.map(idx), [32, 33, 34, 1, 0]);
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn a_second_event_for_the_only_counter_is_refused() {
    let p = perf();
    let first = event(p, TYPE_HARDWARE, HW_REF_CPU_CYCLES);
    let second = event(p, TYPE_HARDWARE, HW_REF_CPU_CYCLES);
    schedule(p, &[first]);
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_disable();
        assert_eq!(p.x86_pmu_add(second, ef::START), -EINVAL);
        let cpuc = p.cpuc();
        assert_eq!(
            ((*cpuc).n_events, (*cpuc).n_added, (*cpuc).n_txn),
            (1, 0, 1)
        );
        assert!((*cpuc).event_constraint[1].is_null());
        p.x86_pmu_enable();
    }
    assert_eq!((idx(first), idx(second)), (34, -1));
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn the_list_is_as_long_as_there_are_counters() {
    let p = perf();
    let instructions = || event(p, TYPE_HARDWARE, HW_INSTRUCTIONS);
    let mut events = vec![
        event(p, TYPE_HARDWARE, HW_CPU_CYCLES),
        event(p, TYPE_HARDWARE, HW_REF_CPU_CYCLES),
    ];
    events.extend((0..5).map(|_| instructions()));
    schedule(p, &events);
    let one_more = instructions();
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_disable();
        assert_eq!(p.x86_pmu_add(one_more, ef::START), -EINVAL);
        p.x86_pmu_enable();
    }
    assert_eq!(listed(p), events);
}

#[test]
fn events_keep_their_counters_if_all_can() {
    let p = perf();
    let [a, b, c] = [gp_event(p), gp_event(p), gp_event(p)];
    schedule(p, &[a, b, c]);
    assert_eq!([a, b, c].map(idx), [0, 1, 2]);
    unschedule(p, &[a]);
    assert_eq!(listed(p), [b, c]);
    schedule(p, &[a]);
    assert_eq!(listed(p), [b, c, a]);
    assert_eq!([a, b, c].map(idx), [0, 1, 2]);
    // A new event leaves the fast path: everybody is placed anew, in list order.
    unschedule(p, &[b]);
    let d = gp_event(p);
    schedule(p, &[d]);
    assert_eq!([c, a, d].map(idx), [0, 1, 2]);
    assert!(p.hw.take_warns().is_empty());
}

fn counts(p: &P) -> (i32, i32) {
    // SAFETY: one thread.
    unsafe { ((*p.cpuc()).n_events, (*p.cpuc()).n_added) }
}

fn constraints(p: &P) -> Vec<bool> {
    // SAFETY: one thread.
    unsafe {
        (&(*p.cpuc()).event_constraint)[..4]
            .iter()
            .map(|c| !c.is_null())
            .collect()
    }
}

#[test]
fn deleting_closes_the_gap() {
    let p = perf();
    let [a, b, c] = [
        gp_event(p),
        event(p, TYPE_HARDWARE, HW_INSTRUCTIONS),
        gp_event(p),
    ];
    schedule(p, &[a, b]);
    // SAFETY: the events are live.
    unsafe {
        let tags = (*p.cpuc()).tags;
        p.x86_pmu_disable();
        assert_eq!(p.x86_pmu_add(c, ef::START), 0);
        assert_eq!(counts(p), (3, 1));
        p.x86_pmu_del(a, 0);
        assert_eq!(counts(p), (2, 1), "a was not among the added ones");
        assert_eq!(listed(p), [b, c]);
        assert_eq!((*(*p.cpuc()).event_constraint[0]).weight, 5);
        assert_eq!(constraints(p), [true, true, false, false]);
        p.x86_pmu_del(c, 0);
        assert_eq!(counts(p), (1, 0), "c was");
        assert_eq!(constraints(p), [true, false, false, false]);
        assert_eq!((*p.cpuc()).tags, tags);
        assert!(p.hw.take_warns().is_empty());
        p.x86_pmu_del(c, 0);
        assert_eq!(p.hw.take_warns().len(), 1, "it is not there any more");
        assert_eq!(counts(p), (1, 0));
    }
}

fn begin(p: &P, events: &[*mut PerfEvent]) {
    // SAFETY: the events are live and not listed.
    unsafe {
        p.x86_pmu_start_txn(txn::ADD);
        for &e in events {
            assert_eq!(
                p.x86_pmu_add(e, ef::START),
                0,
                "scheduling waits for the commit"
            );
        }
    }
}

#[test]
fn a_transaction_schedules_at_its_commit() {
    let p = perf();
    let [a, b, c] = [gp_event(p), gp_event(p), gp_event(p)];
    schedule(p, &[a]);
    p.hw.take_writes();
    begin(p, &[b, c]);
    assert_eq!(constraints(p), [true, false, false, false]);
    assert_eq!(p.hw.take_writes(), [(abi::msr::PERF_GLOBAL_CTRL, 0)]);
    // SAFETY: the events are live.
    unsafe {
        assert_eq!(p.x86_pmu_commit_txn(), 0);
        assert_eq!((*p.cpuc()).txn_flags, 0);
        assert_eq!((*p.cpuc()).enabled.read(), 1);
    }
    assert_eq!([a, b, c].map(idx), [0, 1, 2]);
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn a_cancelled_transaction_leaves_no_trace_on_the_list() {
    let p = perf();
    let [a, b, c] = [gp_event(p), gp_event(p), gp_event(p)];
    schedule(p, &[a]);
    begin(p, &[b, c]);
    // SAFETY: the events are live.
    unsafe {
        // The core takes out what it put in; the driver only cuts the list.
        p.x86_pmu_del(b, 0);
        assert_eq!(counts(p), (3, 2));
        p.x86_pmu_cancel_txn();
        assert_eq!(((*p.cpuc()).txn_flags, (*p.cpuc()).enabled.read()), (0, 1));
    }
    assert_eq!((counts(p), listed(p)), ((1, 0), [a].as_slice()));
    assert_eq!([a, b, c].map(idx), [0, -1, -1]);
    schedule(p, &[c]);
    assert_eq!(idx(c), 1);
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn a_transaction_that_does_not_fit_fails_as_a_whole() {
    let p = perf();
    let a = gp_event(p);
    schedule(p, &[a]);
    begin(p, &[gp_event(p), gp_event(p), gp_event(p), gp_event(p)]);
    // SAFETY: the events are live.
    unsafe {
        assert_eq!(p.x86_pmu_commit_txn(), -EINVAL);
        assert_eq!(constraints(p), [true, false, false, false]);
        assert_eq!((*p.cpuc()).txn_flags, txn::ADD, "the caller cancels");
        p.x86_pmu_cancel_txn();
    }
    assert_eq!((counts(p), listed(p)), ((1, 0), [a].as_slice()));
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn reading_in_a_transaction_disables_nothing() {
    let p = perf();
    // SAFETY: no event is listed.
    unsafe {
        p.x86_pmu_start_txn(txn::READ);
        assert_eq!(p.x86_pmu_commit_txn(), 0);
        p.x86_pmu_start_txn(txn::READ);
        p.x86_pmu_cancel_txn();
    }
    assert!(p.hw.take_writes().is_empty());
    assert!(p.hw.take_warns().is_empty());
    // SAFETY: as above.
    unsafe {
        p.x86_pmu_start_txn(txn::READ);
        p.x86_pmu_start_txn(txn::READ);
        assert_eq!(p.x86_pmu_commit_txn(), 0);
        assert_eq!(p.x86_pmu_commit_txn(), 0);
    }
    assert_eq!(
        p.hw.take_warns().len(),
        2,
        "one in flight at start, none at commit"
    );
}
