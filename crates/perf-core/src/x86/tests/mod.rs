// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the driver on the mock hardware. Each asserts that nothing warned, unless a warning
//! is what it is about.

mod configuration;
mod counting;
mod handler;
mod programming;
mod scheduling;

use std::boxed::Box;

use abi::boot::BootInfo;
use abi::msr;
use abi::syscall::{Attr, TYPE_RAW};

use crate::cell::Local64;
use crate::mock::MockHw;
use crate::perf::Perf;
use crate::types::{PerfEvent, ef, state};

type P = Perf<MockHw>;

const MASK48: u64 = (1 << 48) - 1;
/// Longest period with full-width writes.
const MAX_PERIOD: u64 = (1 << 47) - 1;
/// GLOBAL_CTRL with 4 general-purpose and 3 fixed counters on.
const ALL_ON: u64 = 0x7_0000_000f;
/// A code that only general-purpose counters count.
const RAW: u64 = abi::event_select::BRANCHES;

/// The value a counter is loaded with for `period` occurrences.
const fn start(period: u64) -> u64 {
    period.wrapping_neg() & MASK48
}

/// A booted Skylake-like CPU 0 with 3 samples per tick; the writes of boot are forgotten.
fn perf() -> &'static P {
    perf_on(MockHw::new())
}

fn perf_on(hw: MockHw) -> &'static P {
    let p: &'static P = Box::leak(Box::new(Perf::new(hw)));
    let info = BootInfo {
        max_samples_per_tick: 3,
        ..BootInfo::default()
    };
    // SAFETY: no event exists yet.
    unsafe {
        p.boot(&info);
        p.boot_cpu();
    }
    p.hw.take_writes();
    p
}

fn attr(kind: u32, config: u64) -> Attr {
    Attr {
        kind,
        size: Attr::SIZE,
        config,
        ..Attr::default()
    }
}

/// An event as the core hands it to event_init. Never freed.
fn raw_event(attr: Attr) -> *mut PerfEvent {
    // SAFETY: all-zero is a valid event: null pointers, zero counters, first variants.
    let e = Box::leak(unsafe { Box::<PerfEvent>::new_zeroed().assume_init() });
    e.attr = attr;
    e.sibling_list.init();
    e.dup_active_list.init();
    e.group_leader = &raw mut *e;
    e.state.write(state::INACTIVE);
    e.hw.sample_period = attr.sample_period;
    e.hw.last_period = attr.sample_period;
    e.hw.period_left = Local64::new(attr.sample_period.cast_signed());
    e
}

/// An event that event_init accepted.
fn event_of(p: &P, attr: Attr) -> *mut PerfEvent {
    let e = raw_event(attr);
    // SAFETY: the event is live and ours.
    assert_eq!(unsafe { p.x86_pmu_event_init(e) }, 0);
    e
}

fn event(p: &P, kind: u32, config: u64) -> *mut PerfEvent {
    event_of(p, attr(kind, config))
}

/// A counting event that only general-purpose counters count.
fn gp_event(p: &P) -> *mut PerfEvent {
    event(p, TYPE_RAW, RAW)
}

/// A sampling event on injector 0.
fn sampling_event(p: &P, period: u64) -> *mut PerfEvent {
    event_of(
        p,
        Attr {
            sample_period: period,
            ..attr(TYPE_RAW, abi::event_select::injector(0))
        },
    )
}

/// What is listed, in order.
fn listed(p: &P) -> &'static [*mut PerfEvent] {
    // SAFETY: the subsystem lives for ever; tests have one thread each.
    unsafe {
        let cpuc = p.cpuc();
        let n = usize::try_from((*cpuc).n_events).expect("not negative");
        core::slice::from_raw_parts((&raw const (*cpuc).event_list).cast(), n)
    }
}

fn idx(e: *mut PerfEvent) -> i32 {
    // SAFETY: test events are never freed.
    unsafe { (*e).hw.idx.read() }
}

fn count(e: *mut PerfEvent) -> i64 {
    // SAFETY: test events are never freed.
    unsafe { (*e).count.read() }
}

/// Puts `events` on the PMU in one disable-enable pair.
fn schedule(p: &P, events: &[*mut PerfEvent]) {
    // SAFETY: the events are live and not listed.
    unsafe {
        p.x86_pmu_disable();
        for &e in events {
            assert_eq!(p.x86_pmu_add(e, ef::START), 0);
        }
        p.x86_pmu_enable();
    }
}

/// Takes `events` off the PMU in one disable-enable pair.
fn unschedule(p: &P, events: &[*mut PerfEvent]) {
    // SAFETY: the events are live and listed.
    unsafe {
        p.x86_pmu_disable();
        for &e in events {
            p.x86_pmu_del(e, 0);
        }
        p.x86_pmu_enable();
    }
}

/// Chooses the v5.9 rule for reads.
fn guard_reads(p: &P) {
    // SAFETY: no other reference to the rows exists.
    unsafe { (*p.rows.get()).0[abi::rows::Row::ReadGuard as usize] = 1 }
}

#[test]
fn boot_leaves_a_cleared_pmu_with_nothing_to_count() {
    let p = Box::leak(Box::new(Perf::new(MockHw::new())));
    p.hw.set_counter(1, 77);
    // SAFETY: no event exists yet.
    unsafe { p.x86_pmu_boot_cpu() };
    assert_eq!(p.hw.counter(1), 0);
    let writes = p.hw.take_writes();
    assert_eq!(writes[0], (msr::PERF_GLOBAL_CTRL, 0));
    assert!(writes.contains(&(msr::PERFEVTSEL0 + 3, 0)));
    assert!(writes.contains(&(msr::FIXED_CTR0 + 2, 0)));
    assert_eq!(
        writes[writes.len() - 2..],
        [
            (msr::X2APIC_LVTPC, msr::LVTPC_NMI),
            (msr::PERF_GLOBAL_CTRL, ALL_ON)
        ]
    );
    // SAFETY: one thread.
    assert_eq!(unsafe { (*p.cpuc()).enabled.read() }, 1);
}
