// SPDX-License-Identifier: GPL-2.0-only
//! The PMI handler.

use abi::event_select::{EN, injector};
use abi::msr::{
    A_PMC0, PERF_GLOBAL_CTRL, PERF_GLOBAL_OVF_CTRL, PERF_GLOBAL_STATUS, PERFEVTSEL0, X2APIC_LVTPC,
};
use abi::totals::Ring;

use super::{
    ALL_ON, MAX_PERIOD, P, RAW, count, gp_event, perf, perf_on, sampling_event, schedule, start,
};
use crate::hw::Hardware;
use crate::mock::MockHw;
use crate::types::ef;

/// `n` occurrences of injector 0.
fn inject(p: &P, n: u64) {
    p.hw.occur(injector(0), Ring::User, n);
}

fn handle(p: &P) -> i32 {
    // SAFETY: the CPU is booted.
    unsafe { p.intel_pmu_handle_irq() }
}

#[test]
fn an_overflow_is_folded_and_the_next_period_loaded() {
    let p = perf();
    let e = sampling_event(p, 100);
    schedule(p, &[e]);
    inject(p, 99);
    assert!(!p.hw.take_pmi());
    inject(p, 3);
    assert!(p.hw.take_pmi());
    p.hw.take_writes();
    assert_eq!(handle(p), 1);
    assert_eq!(
        p.hw.take_writes(),
        [
            (PERF_GLOBAL_CTRL, 0),
            (PERF_GLOBAL_OVF_CTRL, 1),
            (A_PMC0, start(98)),
            (PERF_GLOBAL_CTRL, ALL_ON),
            (X2APIC_LVTPC, 0x400),
        ]
    );
    // SAFETY: the event is live.
    let hwc = unsafe { &(*e).hw };
    assert_eq!(
        (count(e), hwc.period_left.read(), hwc.last_period),
        (102, 98, 100)
    );
    assert_eq!(p.hw.rdmsr(PERF_GLOBAL_STATUS), 0);
    inject(p, 98);
    assert!(p.hw.take_pmi(), "LVTPC was unmasked");
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn older_processors_unmask_first() {
    let p = perf_on(MockHw::with_leaf([0x0730_0402, 0, 0, 0x0603], 0));
    schedule(p, &[sampling_event(p, 10)]);
    inject(p, 10);
    p.hw.take_writes();
    assert_eq!(handle(p), 1);
    let writes = p.hw.take_writes();
    assert_eq!(writes[..2], [(X2APIC_LVTPC, 0x400), (PERF_GLOBAL_CTRL, 0)]);
    assert_eq!(writes.last(), Some(&(PERF_GLOBAL_CTRL, ALL_ON)));
}

#[test]
fn an_nmi_that_is_not_ours_is_not_claimed() {
    let p = perf();
    schedule(p, &[gp_event(p)]);
    p.hw.take_writes();
    assert_eq!(handle(p), 0);
    assert_eq!(
        p.hw.take_writes(),
        [
            (PERF_GLOBAL_CTRL, 0),
            (PERF_GLOBAL_CTRL, ALL_ON),
            (X2APIC_LVTPC, 0x400)
        ]
    );
}

#[test]
fn a_late_pmi_is_processed_while_the_pmu_is_disabled_and_leaves_it_so() {
    let p = perf();
    let e = sampling_event(p, 10);
    schedule(p, &[e]);
    inject(p, 10);
    // SAFETY: the event is live.
    unsafe {
        p.x86_pmu_disable();
        assert_eq!(handle(p), 1);
        assert_eq!((*p.cpuc()).enabled.read(), 0);
    }
    assert_eq!((count(e), p.hw.rdmsr(PERF_GLOBAL_CTRL)), (10, 0));
    // SAFETY: the event is live.
    unsafe { p.x86_pmu_enable() };
    assert_eq!(p.hw.rdmsr(PERF_GLOBAL_CTRL), ALL_ON);
}

#[test]
fn a_counter_that_was_stopped_is_acknowledged_only() {
    let p = perf();
    let e = sampling_event(p, 10);
    schedule(p, &[e]);
    inject(p, 10);
    // SAFETY: the event is live.
    unsafe { p.x86_pmu_stop(e, ef::UPDATE) };
    p.hw.take_writes();
    assert_eq!(handle(p), 1, "it was a PMI all the same");
    assert!(!p.hw.take_writes().iter().any(|w| w.0 == A_PMC0));
    assert_eq!((count(e), p.hw.rdmsr(PERF_GLOBAL_STATUS)), (10, 0));
}

#[test]
fn an_event_that_is_not_active_yet_is_left_alone() {
    let p = perf();
    let e = sampling_event(p, 10);
    schedule(p, &[e]);
    inject(p, 10);
    // As between the two stores of start.
    // SAFETY: the event is live.
    unsafe { (*p.cpuc()).active_mask.clear_bit(0) };
    assert_eq!((handle(p), count(e)), (1, 0));
}

#[test]
fn a_counting_event_that_rolls_over_goes_on() {
    let p = perf();
    let e = gp_event(p);
    schedule(p, &[e]);
    p.hw.occur(RAW, Ring::User, MAX_PERIOD + 6);
    assert!(p.hw.take_pmi());
    assert_eq!(handle(p), 1);
    p.hw.occur(RAW, Ring::User, 4);
    // SAFETY: the event is live.
    unsafe {
        p.x86_pmu_read(e);
        assert_eq!((*p.cpuc()).active_mask.read(), 1, "still counting");
    }
    assert_eq!(count(e).cast_unsigned(), MAX_PERIOD + 10);
}

#[test]
fn an_overflow_before_the_end_of_the_period_reloads_only() {
    let p = perf_on(MockHw::with_leaf([0x0730_0402, 0, 0, 0x0603], 0));
    let period = 0x7fff_ffff + 1000;
    let e = sampling_event(p, period);
    schedule(p, &[e]);
    inject(p, 0x7fff_ffff);
    assert!(p.hw.take_pmi());
    // SAFETY: the event is live.
    let hwc = unsafe { &(*e).hw };
    assert_eq!((handle(p), hwc.period_left.read()), (1, 1000));
    assert_eq!(p.hw.counter(0), start(1000));
}

#[test]
fn an_event_that_overflows_too_often_is_stopped_until_the_core_starts_it() {
    let p = perf();
    let e = sampling_event(p, 10);
    schedule(p, &[e]);
    // SAFETY: the event is live.
    let active = || unsafe { (*p.cpuc()).active_mask.read() };
    for sample in 1..=3 {
        assert_eq!(active(), 1);
        inject(p, 10);
        assert!(p.hw.take_pmi());
        assert_eq!((handle(p), count(e)), (1, sample * 10));
    }
    assert_eq!((active(), p.hw.rdmsr(PERFEVTSEL0) & EN), (0, 0));
    inject(p, 10);
    // What the tick does.
    // SAFETY: the event is live.
    unsafe { p.x86_pmu_start(e, 0) };
    inject(p, 9);
    assert!(!p.hw.take_pmi());
    inject(p, 1);
    assert!(p.hw.take_pmi());
    assert_eq!((handle(p), count(e)), (1, 40));
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn several_overflows_are_handled_lowest_counter_first() {
    let p = perf();
    let [a, b] = [sampling_event(p, 5), sampling_event(p, 7)];
    schedule(p, &[a, b]);
    inject(p, 7);
    p.hw.take_writes();
    assert_eq!(handle(p), 2);
    let counters: std::vec::Vec<_> =
        p.hw.take_writes()
            .into_iter()
            .filter(|w| (A_PMC0..A_PMC0 + 4).contains(&w.0))
            .collect();
    assert_eq!(counters, [(A_PMC0, start(3)), (A_PMC0 + 1, start(7))]);
}

#[test]
fn a_status_that_never_clears_resets_the_pmu() {
    let p = perf();
    let e = sampling_event(p, 10);
    schedule(p, &[e]);
    inject(p, 10);
    p.hw.stick_status(true);
    p.hw.take_writes();
    assert_eq!(handle(p), 100);
    let writes = p.hw.take_writes();
    assert_eq!(
        writes
            .iter()
            .filter(|w| w.0 == PERF_GLOBAL_OVF_CTRL)
            .count(),
        102
    );
    assert_eq!(p.hw.take_warns().len(), 1);
    assert_eq!(p.hw.counter(0), 0);
    assert_eq!(p.hw.rdmsr(PERFEVTSEL0), 0);
}
