// SPDX-License-Identifier: GPL-2.0-only
//! Single events in a CPU context: the life of one event, under every scheduler.

use abi::event_select::{BRANCHES, INSTRUCTIONS};
use abi::guest_call::Reader;
use abi::syscall::{
    Attr, FORMAT_ID, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING, HW_INSTRUCTIONS,
    TYPE_HARDWARE,
};

use super::{Kernel, VERSIONS, counting};
use crate::core::arena::POISON;
use crate::types::{PerfEvent, event_type, state};

#[test]
fn counts_from_open_to_close() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let fd = k.open(&counting(BRANCHES));
        assert_eq!(k.state(fd), state::ACTIVE);
        assert_eq!(k.event(fd).oncpu.read(), 0);
        k.occur(BRANCHES, 100);
        assert_eq!(k.read(fd), 100);
        k.occur(BRANCHES, 7);
        assert_eq!(k.read(fd), 107);
        k.close(fd);
        k.check();
    }
}

#[test]
fn enable_disable_reset() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let attr = Attr {
            flags: Attr::DISABLED,
            ..counting(BRANCHES)
        };
        let fd = k.open(&attr);
        assert_eq!(k.state(fd), state::OFF);
        k.occur(BRANCHES, 5);
        assert_eq!(k.read(fd), 0);
        k.enable(fd);
        assert_eq!(k.state(fd), state::ACTIVE);
        k.occur(BRANCHES, 11);
        k.disable(fd);
        assert_eq!(k.state(fd), state::OFF);
        assert_eq!(k.event(fd).oncpu.read(), -1);
        k.occur(BRANCHES, 13);
        assert_eq!(k.read(fd), 11);
        k.enable(fd);
        k.occur(BRANCHES, 1);
        assert_eq!(k.read(fd), 12);
        k.reset(fd);
        assert_eq!(k.read(fd), 0);
        k.occur(BRANCHES, 3);
        assert_eq!(k.read(fd), 3);
        k.check();
    }
}

#[test]
fn hardware_type_counts_on_a_fixed_counter() {
    let mut k = Kernel::new("none");
    let fd = k.open(&Attr {
        kind: TYPE_HARDWARE,
        config: HW_INSTRUCTIONS,
        ..counting(0)
    });
    k.occur(INSTRUCTIONS, 1000);
    assert_eq!(k.read(fd), 1000);
    assert_eq!(k.event(fd).hw.idx.read(), 32);
    k.check();
}

#[test]
fn times_and_number_follow_the_value() {
    let mut k = Kernel::new("none");
    let format = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING | FORMAT_ID;
    let fd = k.open(&Attr {
        read_format: format,
        ..counting(BRANCHES)
    });
    k.occur(BRANCHES, 50);
    k.disable(fd);
    k.occur(BRANCHES, 25);
    assert_eq!(k.read_words(fd), [50, 50, 50, 1]);
    k.enable(fd);
    k.occur(BRANCHES, 10);
    assert_eq!(k.read_words(fd), [60, 60, 60, 1]);
    k.check();
}

#[test]
fn a_short_buffer_is_refused() {
    let k = Kernel::new("none");
    let fd = k.open(&Attr {
        read_format: FORMAT_ID,
        ..counting(BRANCHES)
    });
    let mut buf = [0_u64; 2];
    // SAFETY: the buffer is live.
    unsafe {
        assert_eq!(
            k.system_call(|perf| perf.sys_read(fd, buf.as_mut_ptr().cast(), 8)),
            -28
        );
        assert_eq!(
            k.system_call(|perf| perf.sys_read(fd, buf.as_mut_ptr().cast(), 16)),
            16
        );
    }
}

#[test]
fn the_host_hears_of_birth_values_and_death() {
    let mut k = Kernel::new("none");
    let a = k.open(&counting(BRANCHES));
    let b = k.open(&counting(BRANCHES));
    let at = [a, b].map(|fd| core::ptr::from_ref(k.event(fd)));
    let born = k.perf.hw.take_born();
    assert_eq!(born.len(), 2);
    assert_eq!((born[0].0, born[0].1), (at[0], 3));
    assert_eq!((born[1].0, born[1].1), (at[1], 4));
    k.occur(BRANCHES, 9);
    assert_eq!(k.read(b), 9);
    let values = k.perf.hw.take_values();
    assert_eq!(values.len(), 1);
    assert_eq!(
        (values[0].event, values[0].value, values[0].reader),
        (at[1], 9, Reader::Read)
    );
    k.close(a);
    assert_eq!(k.perf.hw.take_died(), [at[0]]);

    // Poisoned, and the descriptor but not the memory is used again.
    // SAFETY: the arena is live; poison is looked at as bytes.
    let bytes = unsafe { core::slice::from_raw_parts(at[0].cast::<u8>(), size_of::<PerfEvent>()) };
    assert!(bytes.iter().all(|b| *b == POISON));
    let c = k.open(&counting(BRANCHES));
    assert_eq!(c, a);
    assert!(!core::ptr::eq(k.event(c), at[0]));
    k.check();
}

#[test]
fn installing_an_event_that_is_off_leaves_the_pmu_alone() {
    let k = Kernel::new("none");
    k.open(&counting(BRANCHES));
    k.perf.hw.take_writes();
    let off = k.open(&Attr {
        flags: Attr::DISABLED,
        ..counting(BRANCHES)
    });
    assert_eq!(k.perf.hw.take_writes(), []);
    // A sibling that is not off itself takes the same way, and stays INACTIVE.
    let sibling = k.open_in(&counting(BRANCHES), off);
    assert_eq!(k.perf.hw.take_writes(), []);
    assert_eq!(k.state(sibling), state::INACTIVE);
    k.check();
}

#[test]
fn a_context_without_events_is_not_active() {
    let k = Kernel::new("none");
    let fd = k.open(&counting(BRANCHES));
    let ctx = k.event(fd).ctx;
    // SAFETY: the CPU context lives as long as the kernel.
    unsafe {
        assert_eq!((*ctx).is_active.read(), event_type::ALL | event_type::TIME);
        assert_eq!(((*ctx).nr_events, (*ctx).nr_active), (1, 1));
        k.close(fd);
        assert_eq!((*ctx).is_active.read(), 0);
        assert_eq!(((*ctx).nr_events, (*ctx).nr_active), (0, 0));
        assert!((*ctx).active_ctx_list.is_empty());
    }
    k.check();
}

#[test]
fn pause_returns_the_count_and_may_reset() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let fd = k.open(&counting(BRANCHES));
        k.occur(BRANCHES, 21);
        let event = core::ptr::from_ref(k.event(fd)).cast_mut();
        // SAFETY: the event is live, no lock is held.
        unsafe {
            assert_eq!(k.perf.perf_event_pause(event, true), 21);
            assert_eq!(k.perf.perf_event_pause(event, false), 0);
        }
        assert_eq!(k.state(fd), state::OFF);
        k.check();
    }
}
