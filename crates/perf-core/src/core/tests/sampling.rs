// SPDX-License-Identifier: GPL-2.0-only
//! Overflow: samples, throttling, limits, periods, and reading from NMI.

use abi::event_select::{BRANCHES, injector};
use abi::guest_call::Reader;
use abi::syscall::{
    Attr, FORMAT_TOTAL_TIME_ENABLED, IOC_NMI_PROBE, IOC_OVERFLOW_READ_LOCAL, IOC_PERIOD,
    IOC_REFRESH, SAMPLE_READ,
};

use std::vec::Vec;

use super::{Kernel, VERSIONS, counting, sampling};
use crate::types::state;

/// The records in a mapped buffer of one data page: header fields and body.
fn records(page: *mut u64) -> Vec<(u32, Vec<u64>)> {
    let mut records = Vec::new();
    // SAFETY: the mapping is two pages long; nobody writes meanwhile.
    unsafe {
        let (head, tail) = (page.add(1024 / 8).read(), page.add(1032 / 8).read());
        let word = |at: u64| page.add(512 + (at % 4096 / 8) as usize).read();
        let mut at = tail;
        while at < head {
            let header = word(at);
            let size = header >> 48;
            assert!(size >= 8 && size % 8 == 0, "size {size}");
            let body = (1..size / 8).map(|i| word(at + 8 * i)).collect();
            records.push((header as u32, body));
            at += size;
        }
        assert_eq!(at, head);
    }
    records
}

fn consume(page: *mut u64) {
    // SAFETY: as in `records`.
    unsafe { page.add(1032 / 8).write(page.add(1024 / 8).read()) }
}

#[test]
fn a_group_is_sampled() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let leader = k.open(&sampling(1));
        let sibling = k.open_in(&counting(BRANCHES), leader);
        let page = k.mmap(leader, 2);
        k.occur(BRANCHES, 17);
        k.perf.hw.take_values();
        k.occur(injector(1), 2);
        assert_eq!(k.nmis, 1);
        // nr, then value and number of each.
        assert_eq!(records(page), [(9, std::vec![2, 2, 1, 17, 2])]);
        let values = k.perf.hw.take_values();
        let seen = values.iter().map(|v| (v.event, v.value, v.reader));
        assert!(seen.eq([
            (core::ptr::from_ref(k.event(leader)), 2, Reader::Sample),
            (core::ptr::from_ref(k.event(sibling)), 17, Reader::Sample),
        ]));
        k.occur(BRANCHES, 3);
        k.occur(injector(1), 2);
        assert_eq!(records(page)[1], (9, std::vec![2, 4, 1, 20, 2]));
        k.check();
    }
}

#[test]
fn without_a_buffer_nobody_is_read() {
    let mut k = Kernel::new("none");
    let leader = k.open(&sampling(1));
    k.open_in(&counting(BRANCHES), leader);
    k.occur(injector(1), 2);
    assert_eq!(k.nmis, 1);
    assert!(k.perf.hw.take_values().is_empty());
    k.check();
}

#[test]
fn the_fields_of_a_sample_stand_in_order() {
    let mut k = Kernel::new("none");
    let bits = [1_u64, 2, 3, 6, 7, 8, 9, 16];
    let attr = Attr {
        sample_type: bits.iter().map(|b| 1 << b).sum::<u64>() | SAMPLE_READ,
        read_format: FORMAT_TOTAL_TIME_ENABLED,
        ..sampling(1)
    };
    let fd = k.open(&attr);
    let page = k.mmap(fd, 2);
    k.perf.hw.advance_clock(500);
    k.switch_to(5);
    k.occur(injector(1), 2);
    let now = 1_000 + 500 + 2;
    let body = std::vec![
        1,           // IDENTIFIER
        5 | 5 << 32, // TID
        now,         // TIME
        0,           // ADDR
        1,           // ID
        1,           // STREAM_ID
        0,           // CPU
        2,           // PERIOD
        2,           // READ: value
        now - 1_000, // and time enabled
    ];
    assert_eq!(records(page), [(9, body)]);
    k.check();
}

#[test]
fn a_full_buffer_loses_samples_and_says_so() {
    let mut k = Kernel::new("none");
    let fd = k.open(&sampling(1));
    let page = k.mmap(fd, 2);
    // 32 bytes each: 127 fit, as one byte must stay free.
    for i in 0..130 {
        k.occur(injector(1), 2);
        if i % 5 == 0 {
            k.tick();
        }
    }
    assert_eq!(records(page).len(), 127);
    consume(page);
    k.occur(injector(1), 2);
    let seen = records(page);
    assert_eq!(seen[0], (2, std::vec![1, 3]));
    assert_eq!(seen[1], (9, std::vec![1, 262, 1]));
    k.check();
}

#[test]
fn too_many_samples_are_throttled_until_the_tick() {
    let mut k = Kernel::new("none");
    let fd = k.open(&sampling(1));
    let page = k.mmap(fd, 2);
    k.tick();
    for _ in 0..12 {
        k.occur(injector(1), 2);
    }
    // The tenth is the one too many.
    assert_eq!(k.nmis, 10);
    assert_eq!(k.state(fd), state::ACTIVE);
    assert_eq!(k.event(fd).hw.interrupts.read(), u64::MAX);
    let kinds: Vec<u32> = records(page).iter().map(|r| r.0).collect();
    assert_eq!(kinds, [9, 9, 9, 9, 9, 9, 9, 9, 9, 5, 9]);
    consume(page);
    k.tick();
    k.occur(injector(1), 2);
    let kinds: Vec<u32> = records(page).iter().map(|r| r.0).collect();
    assert_eq!((k.nmis, kinds), (11, std::vec![6, 9]));
    k.check();
}

#[test]
fn refresh_allows_so_many_overflows() {
    let mut k = Kernel::new("none");
    let attr = Attr {
        flags: Attr::DISABLED,
        ..sampling(1)
    };
    let fd = k.open(&attr);
    assert_eq!(k.ioctl(fd, IOC_REFRESH, 2), 0);
    assert_eq!(k.state(fd), state::ACTIVE);
    k.occur(injector(1), 2);
    assert_eq!(k.state(fd), state::ACTIVE);
    k.occur(injector(1), 2);
    assert_eq!((k.state(fd), k.nmis), (state::OFF, 2));
    assert_eq!(k.event(fd).pending_disable.read(), -1);
    k.occur(injector(1), 2);
    assert_eq!(k.nmis, 2);
    k.check();
}

#[test]
fn scheduling_out_consumes_a_pending_disable() {
    let mut k = Kernel::new("none");
    let fd = k.open(&sampling(1));
    assert_eq!(k.ioctl(fd, IOC_REFRESH, 1), 0);
    k.perf.hw.occur(injector(1), abi::totals::Ring::User, 2);
    assert!(k.perf.hw.take_pmi());
    // SAFETY: nothing is interrupted.
    unsafe { k.perf.nmi() };
    assert_eq!(k.event(fd).pending_disable.read(), 0);
    // Another event takes everything out and in before irq_work runs.
    k.open(&counting(BRANCHES));
    assert_eq!(k.state(fd), state::OFF);
    k.settle();
    assert_eq!(k.state(fd), state::OFF);
    k.check();
}

#[test]
fn closing_an_event_with_pending_work_is_safe() {
    let mut k = Kernel::new("none");
    let fd = k.open(&sampling(1));
    assert_eq!(k.ioctl(fd, IOC_REFRESH, 1), 0);
    k.perf.hw.occur(injector(1), abi::totals::Ring::User, 2);
    assert!(k.perf.hw.take_pmi());
    // SAFETY: nothing is interrupted.
    unsafe { k.perf.nmi() };
    k.close(fd);
    k.settle();
    k.check();
}

#[test]
fn a_new_period_counts_from_now() {
    let mut k = Kernel::new("none");
    let fd = k.open(&Attr {
        sample_period: 100,
        ..sampling(1)
    });
    k.occur(injector(1), 60);
    let period = 10_u64;
    let arg = (&raw const period).expose_provenance() as u64;
    assert_eq!(k.ioctl(fd, IOC_PERIOD, arg), 0);
    k.occur(injector(1), 9);
    assert_eq!(k.nmis, 0);
    k.occur(injector(1), 1);
    assert_eq!((k.nmis, k.read_words(fd)[1]), (1, 70));
    k.check();
}

#[test]
fn an_overflow_may_read_another_event() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let target = k.open(&counting(BRANCHES));
        let fd = k.open(&sampling(1));
        assert_eq!(k.ioctl(fd, IOC_OVERFLOW_READ_LOCAL, target as u64), 0);
        k.occur(BRANCHES, 12);
        k.occur(injector(1), 2);
        let values = k.perf.hw.take_values();
        assert_eq!(values.len(), 1);
        assert_eq!((values[0].value, values[0].reader), (12, Reader::ReadLocal));
        // Closed, the target is forgotten.
        k.close(target);
        k.occur(injector(1), 2);
        assert!(k.perf.hw.take_values().is_empty());
        k.check();
    }
}

#[test]
fn an_nmi_that_nobody_claims_runs_the_probe() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let fd = k.open(&counting(BRANCHES));
        k.occur(BRANCHES, 5);
        // SAFETY: nothing is interrupted.
        unsafe { k.perf.nmi() };
        assert!(k.perf.hw.take_values().is_empty());
        assert_eq!(k.ioctl(fd, IOC_NMI_PROBE, 0), 0);
        // SAFETY: nothing is interrupted.
        unsafe { k.perf.nmi() };
        let values = k.perf.hw.take_values();
        assert_eq!(values.len(), 1);
        assert_eq!((values[0].value, values[0].reader), (5, Reader::ReadLocal));
        k.close(fd);
        // SAFETY: nothing is interrupted.
        unsafe { k.perf.nmi() };
        assert!(k.perf.hw.take_values().is_empty());
        k.check();
    }
}

#[test]
fn read_local_refuses_what_it_cannot_tell() {
    let k = Kernel::new("none");
    let read = |fd: i32| {
        let event = core::ptr::from_ref(k.event(fd)).cast_mut();
        let (mut value, mut enabled, mut running) = (0, 0, 0);
        // SAFETY: all are live.
        unsafe {
            k.perf
                .perf_event_read_local(event, &raw mut value, &raw mut enabled, &raw mut running)
        }
    };
    let with = |flags| Attr {
        flags,
        ..counting(BRANCHES)
    };
    assert_eq!(read(k.open(&with(0))), 0);
    assert_eq!(read(k.open(&with(Attr::INHERIT))), -95);
    let off = k.open(&with(Attr::PINNED | Attr::DISABLED));
    assert_eq!(read(off), -16);
    let other = k.open_at(&with(0), 9, -1, -1) as i32;
    assert_eq!(read(other), -22);
    k.check();
}

#[test]
fn the_user_page_follows_the_event() {
    let mut k = Kernel::new("none");
    let fd = k.open(&counting(BRANCHES));
    let page = k.mmap(fd, 1);
    k.occur(BRANCHES, 40);
    // SAFETY: the mapping is one page.
    let (lock_index, offset) = unsafe { (page.add(1).read(), page.add(2).read()) };
    assert_eq!(lock_index as u32 % 2, 0);
    let index = (lock_index >> 32) as usize;
    assert_ne!(index, 0);
    let raw = k.perf.hw.counter(index - 1);
    // Sign-extended from 48 bits, as a reader does.
    let raw = ((raw << 16) as i64 >> 16) as u64;
    assert_eq!(offset.wrapping_add(raw), 40);
    k.disable(fd);
    // SAFETY: the mapping is one page.
    let (lock_index, offset) = unsafe { (page.add(1).read(), page.add(2).read()) };
    assert_eq!((lock_index >> 32, offset), (0, 40));
    // The same pages again.
    assert_eq!(k.mmap(fd, 1), page);
    k.check();
}
