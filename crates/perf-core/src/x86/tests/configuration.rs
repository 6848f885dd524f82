// SPDX-License-Identifier: GPL-2.0-only
//! Capabilities and event_init.

use abi::event_select as sel;
use abi::syscall::{
    Attr, HW_CPU_CYCLES, HW_INSTRUCTIONS, HW_REF_CPU_CYCLES, TYPE_HARDWARE, TYPE_RAW, TYPE_SOFTWARE,
};

use super::{
    MAX_PERIOD, P, attr, event, event_of, gp_event, idx, perf, perf_on, raw_event, schedule,
};
use crate::core::errno::{EINVAL, ENOENT};
use crate::mock::MockHw;
use crate::types::{PerfEvent, state};
use crate::x86::{PERF_X86_EVENT_RDPMC_ALLOWED, X86Pmu};

const SKYLAKE: [u32; 4] = [0x0730_0404, 0, 0, 0x0603];
const ICE_LAKE: [u32; 4] = [0x0830_0805, 0, 0xf, 0x8604];
const FW_WRITE: u64 = 1 << 13;

fn init(p: &P, attr: Attr) -> i32 {
    // SAFETY: the event is live and ours.
    unsafe { p.x86_pmu_event_init(raw_event(attr)) }
}

fn config(e: *mut PerfEvent) -> u64 {
    // SAFETY: test events are never freed.
    unsafe { (*e).hw.config }
}

#[test]
fn skylake_capabilities() {
    let pmu = X86Pmu::detect(SKYLAKE, FW_WRITE);
    assert_eq!(
        (pmu.version, pmu.num_counters, pmu.num_counters_fixed),
        (4, 4, 3)
    );
    assert_eq!(pmu.intel_ctrl, 0x7_0000_000f);
    assert_eq!(
        (pmu.max_period, pmu.perfctr, pmu.late_ack),
        (MAX_PERIOD, 0x4c1, true)
    );
    let [instructions, cycles, ref_cycles] = pmu.event_constraints;
    assert_eq!(
        (instructions.idxmsk, instructions.weight),
        (0x1_0000_000f, 5)
    );
    assert_eq!((cycles.idxmsk, cycles.weight), (0x2_0000_000f, 5));
    assert_eq!((ref_cycles.idxmsk, ref_cycles.weight), (0x4_0000_0000, 1));
    assert_eq!(
        (pmu.unconstrained.idxmsk, pmu.unconstrained.weight),
        (0xf, 4)
    );
}

#[test]
fn capabilities_follow_the_leaf() {
    let narrow = X86Pmu::detect([0x0730_0402, 0, 0, 0x0603], 0);
    assert_eq!(
        (narrow.max_period, narrow.perfctr, narrow.late_ack),
        (0x7fff_ffff, 0xc1, false)
    );
    let ice_lake = X86Pmu::detect(ICE_LAKE, FW_WRITE);
    assert_eq!(ice_lake.intel_ctrl, 0xf_0000_00ff);
    assert!(ice_lake.anythread_deprecated);
    // Without fixed counters the fixed-only event has no counter left.
    let no_fixed = X86Pmu::detect([0x0730_0402, 0, 0, 0x0600], 0);
    assert_eq!(no_fixed.event_constraints.map(|c| c.weight), [4, 4, 0]);
    // Bits beyond the vector's length are missing events, and so are those set in EBX.
    let few = X86Pmu::detect([0x0330_0402, 0b010, 0, 0x0603], 0);
    assert_eq!(few.arch_events_missing & 0x7f, 0b111_1010);
}

#[test]
fn select_value_of_generic_and_raw_events() {
    let p = perf();
    let filter = sel::INT | sel::USR | sel::OS;
    assert_eq!(
        config(event(p, TYPE_HARDWARE, HW_CPU_CYCLES)),
        filter | 0x3c
    );
    assert_eq!(
        config(event(p, TYPE_HARDWARE, HW_INSTRUCTIONS)),
        filter | 0xc0
    );
    assert_eq!(
        config(event(p, TYPE_HARDWARE, HW_REF_CPU_CYCLES)),
        filter | 0x300
    );
    let user = Attr {
        flags: Attr::EXCLUDE_KERNEL,
        ..attr(TYPE_RAW, sel::injector(3))
    };
    assert_eq!(config(event_of(p, user)), sel::INT | sel::USR | 0x3fe);
    let kernel = Attr {
        flags: Attr::EXCLUDE_USER,
        ..attr(TYPE_RAW, 0xc4)
    };
    assert_eq!(config(event_of(p, kernel)), sel::INT | sel::OS | 0xc4);
    // Qualifiers are taken over; enable, filter and reserved bits of the user are not.
    let raw = !sel::ANY & !sel::CODE_MASK | 0xc4;
    let qualifiers = sel::EDGE | sel::INV | 0xff00_0000;
    assert_eq!(config(event(p, TYPE_RAW, raw)), filter | qualifiers | 0xc4);
    assert_eq!(
        config(event(p, TYPE_RAW, sel::ANY | 0xc4)),
        filter | sel::ANY | 0xc4
    );
}

#[test]
fn events_that_do_not_exist_are_refused() {
    let p = perf();
    assert_eq!(init(p, attr(TYPE_SOFTWARE, 9)), -ENOENT);
    assert_eq!(init(p, attr(TYPE_HARDWARE, 10)), -EINVAL);
    assert_eq!(init(p, attr(TYPE_HARDWARE, 1 << 32)), -EINVAL);
    assert_eq!(init(p, attr(TYPE_HARDWARE, 7)), -ENOENT);

    let few = perf_on(MockHw::with_leaf([0x0730_0402, 0b10_0000, 0, 0x0600], 0));
    assert_eq!(init(few, attr(TYPE_HARDWARE, 4)), -ENOENT);
    assert_eq!(init(few, attr(TYPE_HARDWARE, HW_INSTRUCTIONS)), 0);
    assert_eq!(
        init(few, attr(TYPE_HARDWARE, HW_REF_CPU_CYCLES)),
        -EINVAL,
        "no counter for it"
    );
    assert_eq!(
        init(few, attr(TYPE_RAW, sel::ANY | 0xc4)),
        -EINVAL,
        "ANY is of version 3"
    );

    let none = perf_on(MockHw::with_leaf([0; 4], 0));
    assert_eq!(init(none, attr(TYPE_RAW, 0xc4)), -ENOENT);
}

#[test]
fn a_new_event_has_no_counter() {
    let p = perf();
    let e = gp_event(p);
    // SAFETY: test events are never freed.
    let hwc = unsafe { &(*e).hw };
    assert_eq!(
        (hwc.idx.read(), hwc.last_cpu, hwc.last_tag),
        (-1, -1, u32::MAX)
    );
    assert_eq!((hwc.event_base.read(), hwc.config_base.read()), (0, 0));
    assert_eq!((hwc.event_base_rdpmc.read(), hwc.prev_count.read()), (0, 0));
    assert_eq!(hwc.flags, PERF_X86_EVENT_RDPMC_ALLOWED);
    assert_eq!(
        (hwc.sample_period, hwc.last_period),
        (MAX_PERIOD, MAX_PERIOD)
    );
    assert_eq!(hwc.period_left.read().cast_unsigned(), MAX_PERIOD);
    assert!(p.hw.take_writes().is_empty());
}

#[test]
fn a_sampling_event_keeps_its_period() {
    let e = event_of(
        perf(),
        Attr {
            sample_period: 1000,
            ..attr(TYPE_RAW, 0xc4)
        },
    );
    // SAFETY: test events are never freed.
    let hwc = unsafe { &(*e).hw };
    assert_eq!((hwc.sample_period, hwc.period_left.read()), (1000, 1000));
}

/// A leader with `n` siblings, all on general-purpose counters.
fn group(p: &P, n: usize) -> (*mut PerfEvent, std::vec::Vec<*mut PerfEvent>) {
    let leader = gp_event(p);
    let siblings = (0..n)
        .map(|_| {
            let e = gp_event(p);
            // SAFETY: test events are never freed nor moved.
            unsafe {
                (*e).group_leader = leader;
                (*leader).sibling_list.add_tail(&(*e).sibling_list);
            }
            e
        })
        .collect();
    (leader, siblings)
}

fn init_sibling(p: &P, leader: *mut PerfEvent) -> i32 {
    let e = raw_event(attr(TYPE_RAW, 0xc4));
    // SAFETY: test events are never freed.
    unsafe {
        (*e).group_leader = leader;
        p.x86_pmu_event_init(e)
    }
}

#[test]
fn a_group_must_fit_on_an_empty_pmu() {
    let p = perf();
    // The real PMU being full does not matter; equal events are not merged.
    schedule(p, &[gp_event(p), gp_event(p), gp_event(p), gp_event(p)]);
    assert_eq!(init_sibling(p, group(p, 2).0), 0);
    let (leader, siblings) = group(p, 3);
    assert_eq!(init_sibling(p, leader), -EINVAL);
    // A sibling that is off is left out.
    // SAFETY: test events are never freed.
    unsafe { (*siblings[1]).state.write(state::OFF) };
    assert_eq!(init_sibling(p, leader), 0);
    assert!(p.hw.take_warns().is_empty());
}

#[test]
fn a_group_is_not_longer_than_the_counters() {
    let p = perf();
    let (leader, _) = group(p, 6);
    assert_eq!(init_sibling(p, leader), -EINVAL);
    assert_eq!(init_sibling(p, group(p, 7).0), -EINVAL);
}

#[test]
fn user_index_of_a_counter() {
    let p = perf();
    let gp = gp_event(p);
    let fixed = event(p, TYPE_HARDWARE, HW_CPU_CYCLES);
    schedule(p, &[gp, fixed]);
    // SAFETY: the events are live.
    unsafe {
        assert_eq!(p.x86_pmu_event_idx(gp), 1);
        assert_eq!(p.x86_pmu_event_idx(fixed), (1 | 1 << 30) + 1);
        (*gp).hw.flags = 0;
        assert_eq!(p.x86_pmu_event_idx(gp), 0);
    }
}

#[test]
fn copy_hw_config_copies_the_index_only() {
    let p = perf();
    let (old, new) = (event(p, TYPE_HARDWARE, HW_CPU_CYCLES), gp_event(p));
    schedule(p, &[old]);
    // SAFETY: the events are live.
    unsafe {
        p.copy_hw_config(old, new);
        assert_eq!(idx(new), 33);
        assert_eq!((*new).hw.event_base.read(), 0);
        assert_eq!((*new).hw.event_base_rdpmc.read(), 0);
        assert_eq!(((*new).hw.last_cpu, (*new).hw.last_tag), (-1, u32::MAX));
    }
}
