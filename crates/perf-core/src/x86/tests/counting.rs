// SPDX-License-Identifier: GPL-2.0-only
//! Folding a counter and loading periods; reads of events that are not on the PMU.

use abi::msr::A_PMC0;
use abi::totals::Ring;

use super::{
    MASK48, MAX_PERIOD, P, RAW, count, gp_event, guard_reads, perf, sampling_event, schedule,
    start, unschedule,
};
use crate::mock::Op;
use crate::types::PerfEvent;

fn read(p: &P, e: *mut PerfEvent) -> u64 {
    // SAFETY: test events are never freed.
    unsafe { p.x86_perf_event_update(e) }
}

fn period_left(e: *mut PerfEvent) -> i64 {
    // SAFETY: test events are never freed.
    unsafe { (*e).hw.period_left.read() }
}

#[test]
fn updating_adds_the_delta_once() {
    let p = perf();
    let e = gp_event(p);
    schedule(p, &[e]);
    p.hw.occur(RAW, Ring::User, 40);
    assert_eq!(read(p, e), start(MAX_PERIOD) + 40);
    assert_eq!(read(p, e), start(MAX_PERIOD) + 40);
    assert_eq!(
        (count(e), period_left(e)),
        (40, MAX_PERIOD.cast_signed() - 40)
    );
}

#[test]
fn a_delta_wraps_at_the_width_of_the_counter() {
    let p = perf();
    let e = gp_event(p);
    schedule(p, &[e]);
    // SAFETY: the event is live.
    unsafe {
        (*e).hw.prev_count.set(-10);
        p.hw.set_counter(0, 5);
        assert_eq!((read(p, e), count(e)), (5, 15));
        // Backwards is nearly once around: a delta is never negative.
        p.hw.set_counter(0, 4);
        assert_eq!((read(p, e), count(e)), (4, 15 + MASK48.cast_signed()));
    }
}

/// An update that another one interrupts at `op`: every occurrence is counted once.
fn interrupted(op: Op, seen_by_handler: i64) {
    let p = perf();
    let e = gp_event(p);
    schedule(p, &[e]);
    p.hw.occur(RAW, Ring::User, 100);
    let at = e.expose_provenance();
    p.hw.once_at(op, move || {
        p.hw.occur(RAW, Ring::User, 11);
        let e = core::ptr::with_exposed_provenance_mut(at);
        read(p, e);
        assert_eq!(count(e), seen_by_handler);
    });
    read(p, e);
    assert_eq!(count(e), 111);
    assert_eq!(period_left(e), MAX_PERIOD.cast_signed() - 111);
}

#[test]
fn a_nested_update_makes_the_outer_one_try_again() {
    interrupted(Op::Rdpmc, 111);
    interrupted(Op::Local64Cmpxchg, 111);
}

#[test]
fn between_exchange_and_add_the_count_lags() {
    interrupted(Op::Local64Add, 11);
}

/// set_period with `left` of a period of 100: what it returns, what is left, what is loaded.
fn set_period(left: i64) -> (i32, i64, u64) {
    let p = perf();
    let e = sampling_event(p, 100);
    schedule(p, &[e]);
    p.hw.take_writes();
    // SAFETY: the event is live.
    unsafe {
        (*e).hw.period_left.set(left);
        (*e).hw.last_period = 0;
        let ret = p.x86_perf_event_set_period(e);
        assert_eq!((*e).hw.last_period, if ret == 1 { 100 } else { 0 });
        let writes = p.hw.take_writes();
        assert_eq!((writes.len(), writes[0].0), (1, A_PMC0));
        assert_eq!(
            (*e).hw.prev_count.read().cast_unsigned() & MASK48,
            writes[0].1
        );
        (ret, period_left(e), writes[0].1.wrapping_neg() & MASK48)
    }
}

#[test]
fn the_counter_is_loaded_with_what_is_left() {
    assert_eq!(set_period(60), (0, 60, 60));
    assert_eq!(set_period(0), (1, 100, 100));
    assert_eq!(set_period(-3), (1, 97, 97));
    assert_eq!(set_period(-99), (1, 1, 2), "never one to come");
    assert_eq!(set_period(-100), (1, 100, 100), "far behind starts over");
    assert_eq!(set_period(-12345), (1, 100, 100));
    assert_eq!(set_period(1), (0, 1, 2));
    let long = MAX_PERIOD.cast_signed() + 5;
    assert_eq!(set_period(long), (0, long, MAX_PERIOD));
}

#[test]
fn an_event_that_was_never_programmed_reads_counter_0() {
    let p = perf();
    let [owner, e] = [gp_event(p), gp_event(p)];
    schedule(p, &[owner]);
    p.hw.occur(RAW, Ring::User, 3);
    let raw = start(MAX_PERIOD) + 3;
    assert_eq!(read(p, e), raw);
    assert_eq!(count(e).cast_unsigned(), raw, "about 2^47 of garbage");
    assert_eq!(period_left(e), MAX_PERIOD.cast_signed() - raw.cast_signed());

    guard_reads(p);
    let e = gp_event(p);
    assert_eq!(
        (read(p, e), count(e), period_left(e)),
        (0, 0, MAX_PERIOD.cast_signed())
    );
}

#[test]
fn a_stopped_event_reads_nothing_more_until_its_counter_is_reused() {
    for guard in [false, true] {
        let p = perf();
        if guard {
            guard_reads(p);
        }
        let [e, next] = [gp_event(p), gp_event(p)];
        schedule(p, &[e]);
        p.hw.occur(RAW, Ring::User, 20);
        unschedule(p, &[e]);
        p.hw.occur(RAW, Ring::User, 5);
        read(p, e);
        assert_eq!(count(e), 20);
        schedule(p, &[next]);
        p.hw.occur(RAW, Ring::User, 1);
        read(p, e);
        // The counter went from start + 20 to start + 1.
        assert_eq!(count(e), 20 + (MASK48 - 18).cast_signed(), "guard {guard}");
        read(p, next);
        assert_eq!(count(next), 1);
    }
}

#[test]
fn an_added_event_is_not_programmed_yet() {
    let p = perf();
    let e = gp_event(p);
    // SAFETY: the event is live.
    unsafe {
        p.x86_pmu_disable();
        p.hw.set_counter(0, 99);
        assert_eq!(p.x86_pmu_add(e, crate::types::ef::START), 0);
    }
    read(p, e);
    assert_eq!(count(e), 99);
}

#[test]
fn reads_on_the_wrong_cpu_add_up_modulo_the_width() {
    let p = perf();
    let e = gp_event(p);
    schedule(p, &[e]);
    p.hw.occur(RAW, Ring::User, 8);
    p.hw.set_cpu(1);
    // SAFETY: no event is on that CPU.
    unsafe { p.x86_pmu_boot_cpu() };
    read(p, e);
    assert_ne!(count(e), 8, "that is the other CPU's counter");
    p.hw.set_cpu(0);
    read(p, e);
    assert_eq!(count(e) & MASK48.cast_signed(), 8);
}

#[test]
fn the_guard_also_keeps_set_period_from_loading() {
    let p = perf();
    guard_reads(p);
    let e = gp_event(p);
    // SAFETY: the event is live.
    let ret = unsafe { p.x86_perf_event_set_period(e) };
    assert_eq!(ret, 0);
    assert!(p.hw.take_writes().is_empty());
}
