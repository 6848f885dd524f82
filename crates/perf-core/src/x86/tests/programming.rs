// SPDX-License-Identifier: GPL-2.0-only
//! Disable, enable, start and stop: which registers are written, in which order.

use abi::event_select::EN;
use abi::msr::{
    A_PMC0, FIXED_CTR_CTRL, FIXED_CTR0, PERF_GLOBAL_CTRL, PERFEVTSEL0, PMC0, X2APIC_LVTPC,
};
use abi::syscall::{Attr, HW_CPU_CYCLES, HW_INSTRUCTIONS, TYPE_HARDWARE, TYPE_RAW};
use abi::totals::Ring;

use super::{
    ALL_ON, MAX_PERIOD, RAW, attr, count, event, event_of, gp_event, idx, perf, perf_on, schedule,
    start, unschedule,
};
use crate::hw::Hardware;
use crate::mock::{MockHw, Op};
use crate::types::{ef, hes};

/// INT, USR, OS and the raw code.
const CONFIG: u64 = 0x13_0000 | RAW;

#[test]
fn adding_touches_no_register_and_no_address() {
    let p = perf();
    let (e, moved) = (gp_event(p), gp_event(p));
    schedule(p, &[moved]);
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_disable();
        p.hw.take_writes();
        let hwc = &(*e).hw;
        assert_eq!(p.x86_pmu_add(e, ef::START), 0);
        assert!(p.hw.take_writes().is_empty());
        assert_eq!(
            (hwc.idx.read(), hwc.event_base.read(), hwc.last_cpu),
            (-1, 0, -1)
        );
        assert_eq!(hwc.state.read(), hes::STOPPED | hes::UPTODATE);
        assert_eq!((*p.cpuc()).assign[1], 1);
        assert_eq!((*p.cpuc()).active_mask.read(), 1);
    }
}

#[test]
fn enabling_programs_in_list_order_and_lets_count_at_the_end() {
    let p = perf();
    let user = Attr {
        flags: Attr::EXCLUDE_KERNEL,
        ..attr(TYPE_HARDWARE, HW_CPU_CYCLES)
    };
    let [gp, fixed] = [gp_event(p), event_of(p, user)];
    schedule(p, &[gp, fixed]);
    assert_eq!(
        p.hw.take_writes(),
        [
            (PERF_GLOBAL_CTRL, 0),
            (A_PMC0, start(MAX_PERIOD)),
            (PERFEVTSEL0, CONFIG | EN),
            (FIXED_CTR0 + 1, start(MAX_PERIOD)),
            (FIXED_CTR_CTRL, 0xa0),
            (X2APIC_LVTPC, 0x400),
            (PERF_GLOBAL_CTRL, ALL_ON),
        ]
    );
    // SAFETY: the events are live.
    unsafe {
        let cpuc = p.cpuc();
        assert_eq!((*cpuc).active_mask.read(), 1 | 1 << 33);
        assert_eq!((*cpuc).running.read(), 1 | 1 << 33);
        assert_eq!(
            ((*cpuc).events[0].read(), (*cpuc).events[33].read()),
            (gp, fixed)
        );
        assert_eq!(((*cpuc).n_added, (*cpuc).enabled.read()), (0, 1));
        let hwc = &(*fixed).hw;
        assert_eq!(hwc.config_base.read(), u64::from(FIXED_CTR_CTRL));
        assert_eq!(hwc.event_base.read(), u64::from(FIXED_CTR0 + 1));
        assert_eq!(hwc.event_base_rdpmc.read(), 1 | 1 << 30);
        assert_eq!((hwc.last_cpu, hwc.last_tag, hwc.state.read()), (0, 1, 0));
    }
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn a_pair_without_changes_only_switches_the_pmu() {
    let p = perf();
    schedule(p, &[gp_event(p)]);
    p.hw.take_writes();
    schedule(p, &[]);
    assert_eq!(
        p.hw.take_writes(),
        [(PERF_GLOBAL_CTRL, 0), (PERF_GLOBAL_CTRL, ALL_ON)]
    );
    // Only the outermost pair does anything; the core counts the nesting.
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_enable();
        assert!(p.hw.take_writes().is_empty());
        p.x86_pmu_disable();
        p.x86_pmu_disable();
    }
    assert_eq!(p.hw.take_writes(), [(PERF_GLOBAL_CTRL, 0)]);
}

#[test]
fn prev_count_is_stored_before_the_counter_is_written() {
    let p = perf();
    let e = gp_event(p);
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_disable();
        p.hw.set_counter(0, 1234);
        assert_eq!(p.x86_pmu_add(e, ef::START), 0);
        let at = e.addr();
        p.hw.once_at(Op::Wrmsr, move || {
            let e = core::ptr::with_exposed_provenance_mut::<crate::types::PerfEvent>(at);
            assert_eq!((*e).hw.prev_count.read(), -MAX_PERIOD.cast_signed());
            assert_eq!(((*e).hw.idx.read(), p.hw.counter(0)), (0, 1234));
            assert_eq!((*p.cpuc()).active_mask.read(), 0);
        });
        e.expose_provenance();
        p.x86_pmu_enable();
    }
    assert_eq!(p.hw.counter(0), start(MAX_PERIOD));
}

#[test]
fn a_counter_that_nobody_else_used_is_started_without_a_new_assignment() {
    let p = perf();
    let [a, b] = [gp_event(p), gp_event(p)];
    schedule(p, &[a, b]);
    unschedule(p, &[b]);
    schedule(p, &[b]);
    // SAFETY: the events are live.
    unsafe {
        assert_eq!(((*b).hw.last_tag, (*p.cpuc()).tags[1]), (1, 1));
    }
    // Once another event was programmed from its slot, it is assigned anew.
    unschedule(p, &[b]);
    let c = gp_event(p);
    schedule(p, &[c]);
    unschedule(p, &[c]);
    schedule(p, &[b]);
    // SAFETY: the events are live.
    unsafe {
        assert_eq!(((*b).hw.last_tag, (*p.cpuc()).tags[1]), (3, 3));
    }
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn on_another_cpu_an_event_is_assigned_anew() {
    let p = perf();
    let [a, b] = [gp_event(p), gp_event(p)];
    schedule(p, &[a]);
    unschedule(p, &[a]);
    p.hw.set_cpu(1);
    // SAFETY: no event is on that CPU.
    unsafe { p.x86_pmu_boot_cpu() };
    schedule(p, &[b]);
    unschedule(p, &[b]);
    // Slot, counter and tag are those of CPU 0.
    schedule(p, &[a]);
    // SAFETY: the events are live.
    unsafe {
        assert_eq!(((*a).hw.last_cpu, (*a).hw.last_tag), (1, 2));
        assert_eq!((*p.cpu_hw_events[0].get()).tags[0], 1);
    }
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn an_event_that_moves_is_saved_first() {
    let p = perf();
    let [a, b, c] = [gp_event(p), gp_event(p), gp_event(p)];
    schedule(p, &[a, b]);
    p.hw.occur(RAW, Ring::User, 500);
    unschedule(p, &[a]);
    assert_eq!((count(a), idx(b)), (500, 1));
    p.hw.take_writes();
    schedule(p, &[c]);
    // b goes from counter 1 to counter 0, c takes counter 1.
    assert_eq!((idx(b), idx(c)), (0, 1));
    assert_eq!(
        p.hw.take_writes(),
        [
            (PERF_GLOBAL_CTRL, 0),
            (PERFEVTSEL0 + 1, CONFIG),
            (A_PMC0, start(MAX_PERIOD - 500)),
            (PERFEVTSEL0, CONFIG | EN),
            (A_PMC0 + 1, start(MAX_PERIOD)),
            (PERFEVTSEL0 + 1, CONFIG | EN),
            (X2APIC_LVTPC, 0x400),
            (PERF_GLOBAL_CTRL, ALL_ON),
        ]
    );
    p.hw.occur(RAW, Ring::Kernel, 30);
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_read(b);
        p.x86_pmu_read(c);
    }
    assert_eq!((count(a), count(b), count(c)), (500, 530, 30));
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn a_stopped_event_moves_without_starting() {
    let p = perf();
    let [a, b, c] = [gp_event(p), gp_event(p), gp_event(p)];
    schedule(p, &[a, b]);
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_stop(b, ef::UPDATE);
        unschedule(p, &[a]);
        schedule(p, &[c]);
        assert_eq!(
            (idx(b), (*b).hw.state.read()),
            (0, hes::STOPPED | hes::UPTODATE | hes::ARCH)
        );
        assert_eq!((*p.cpuc()).active_mask.read(), 0b10);
    }
}

#[test]
fn an_event_added_without_start_stays_stopped() {
    let p = perf();
    let e = gp_event(p);
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_disable();
        assert_eq!(p.x86_pmu_add(e, 0), 0);
        p.x86_pmu_enable();
        assert_eq!((idx(e), (*p.cpuc()).active_mask.read()), (0, 0));
        p.x86_pmu_start(e, ef::RELOAD);
        assert_eq!(
            ((*e).hw.state.read(), (*p.cpuc()).active_mask.read()),
            (0, 1)
        );
    }
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn stopping_keeps_what_the_event_knew() {
    let p = perf();
    let e = gp_event(p);
    schedule(p, &[e]);
    p.hw.occur(RAW, Ring::User, 7);
    p.hw.take_writes();
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_stop(e, 0);
        assert_eq!((count(e), (*e).hw.state.read()), (0, hes::STOPPED));
        p.x86_pmu_stop(e, ef::UPDATE);
        assert_eq!(
            (count(e), (*e).hw.state.read()),
            (7, hes::STOPPED | hes::UPTODATE)
        );
        p.x86_pmu_stop(e, ef::UPDATE);
        assert_eq!(count(e), 7);
        assert_eq!(p.hw.take_writes(), [(PERFEVTSEL0, CONFIG)]);
        let hwc = &(*e).hw;
        assert_eq!(
            (hwc.idx.read(), hwc.event_base.read()),
            (0, u64::from(A_PMC0))
        );
        assert_eq!(hwc.prev_count.read().cast_unsigned(), p.hw.counter(0));
        assert!((*p.cpuc()).events[0].read().is_null());
        assert_eq!(
            ((*p.cpuc()).active_mask.read(), (*p.cpuc()).running.read()),
            (0, 1)
        );
    }
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn starting_what_runs_or_has_no_counter_warns() {
    let p = perf();
    let [e, never] = [gp_event(p), gp_event(p)];
    schedule(p, &[e]);
    p.hw.take_writes();
    // SAFETY: the events are live.
    unsafe {
        p.x86_pmu_start(e, ef::RELOAD);
        (*never).hw.state.write(hes::STOPPED);
        p.x86_pmu_start(never, ef::RELOAD);
    }
    assert_eq!(p.hw.take_warns().len(), 2);
    assert!(p.hw.take_writes().is_empty());
}

#[test]
fn fixed_counters_share_a_control_register() {
    let p = perf();
    let cycles = event(p, TYPE_HARDWARE, HW_CPU_CYCLES);
    let instructions = event(p, TYPE_HARDWARE, HW_INSTRUCTIONS);
    schedule(p, &[cycles, instructions]);
    assert_eq!(p.hw.rdmsr(FIXED_CTR_CTRL), 0xbb);
    // SAFETY: the events are live.
    unsafe { p.x86_pmu_stop(cycles, ef::UPDATE) };
    assert_eq!(p.hw.rdmsr(FIXED_CTR_CTRL), 0x0b);
    p.hw.retire_user(9);
    unschedule(p, &[instructions]);
    assert_eq!(p.hw.rdmsr(FIXED_CTR_CTRL), 0);
    assert_eq!((count(cycles), count(instructions)), (0, 9));
}

#[test]
fn without_full_width_writes_the_legacy_alias_is_used() {
    let p = perf_on(MockHw::with_leaf([0x0730_0402, 0, 0, 0x0603], 0));
    let e = event(p, TYPE_RAW, RAW);
    schedule(p, &[e]);
    let writes = p.hw.take_writes();
    assert_eq!(writes[1], (PMC0, start(0x7fff_ffff)));
    assert_eq!(p.hw.counter(0), start(0x7fff_ffff), "bit 31 is extended");
    p.hw.occur(RAW, Ring::User, 3);
    unschedule(p, &[e]);
    assert_eq!(count(e), 3);
}
