// SPDX-License-Identifier: GPL-2.0-only
//! Groups, pinned and flexible scheduling, rotation.

use abi::event_select::BRANCHES;
use abi::guest_call::Reader;
use abi::syscall::{
    Attr, FORMAT_GROUP, FORMAT_ID, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING,
    IOC_DISABLE, IOC_ENABLE, IOC_FLAG_GROUP, IOC_RESET,
};

use super::{Kernel, VERSIONS, counting};
use crate::types::state;

/// A leader of `n` members that read as a group, each on a general-purpose counter. The unit mask
/// tells groups apart, so that nothing is shared between them.
fn group(k: &Kernel, flags: u64, umask: u64, n: usize) -> i32 {
    let leader = k.open(&Attr {
        flags,
        read_format: FORMAT_GROUP,
        ..counting(BRANCHES | umask << 8)
    });
    for i in 1..n {
        k.open_in(&counting(BRANCHES | (umask + i as u64) << 8), leader);
    }
    leader
}

#[test]
fn a_group_reads_as_one() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let format =
            FORMAT_GROUP | FORMAT_ID | FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING;
        let leader = k.open(&Attr {
            read_format: format,
            ..counting(BRANCHES)
        });
        let sibling = k.open_in(&counting(BRANCHES | 0x100), leader);
        k.occur(BRANCHES, 30);
        k.occur(BRANCHES | 0x100, 4);
        k.perf.hw.take_values();
        assert_eq!(k.read_words(leader), [2, 34, 34, 30, 1, 4, 2]);
        let values = k.perf.hw.take_values();
        let seen = values.iter().map(|v| (v.event, v.value, v.reader));
        assert!(seen.eq([
            (core::ptr::from_ref(k.event(leader)), 30, Reader::ReadGroup),
            (core::ptr::from_ref(k.event(sibling)), 4, Reader::ReadGroup),
        ]));
        k.check();
    }
}

#[test]
fn ioctls_reach_the_whole_group() {
    let mut k = Kernel::new("none");
    let leader = group(&k, 0, 0, 3);
    k.occur(BRANCHES, 1);
    k.occur(BRANCHES | 0x200, 2);
    assert_eq!(k.ioctl(leader, IOC_DISABLE, IOC_FLAG_GROUP), 0);
    k.occur(BRANCHES, 50);
    assert_eq!(k.read_words(leader), [3, 1, 0, 2]);
    assert_eq!(k.ioctl(leader, IOC_RESET, IOC_FLAG_GROUP), 0);
    assert_eq!(k.ioctl(leader, IOC_ENABLE, IOC_FLAG_GROUP), 0);
    k.occur(BRANCHES | 0x100, 9);
    assert_eq!(k.read_words(leader), [3, 0, 9, 0]);
    k.check();
}

#[test]
fn a_disabled_leader_takes_its_siblings_out() {
    let mut k = Kernel::new("none");
    let leader = k.open(&counting(BRANCHES));
    let sibling = k.open_in(&counting(BRANCHES | 0x100), leader);
    k.occur(BRANCHES | 0x100, 5);
    k.disable(leader);
    assert_eq!(
        (k.state(leader), k.state(sibling)),
        (state::OFF, state::INACTIVE)
    );
    k.occur(BRANCHES | 0x100, 5);
    assert_eq!(k.read(sibling), 5);
    // Enabling the sibling alone does nothing while the leader is off.
    k.disable(sibling);
    k.enable(sibling);
    assert_eq!(k.state(sibling), state::INACTIVE);
    k.enable(leader);
    assert_eq!(k.state(sibling), state::ACTIVE);
    k.check();
}

#[test]
fn a_closed_leader_leaves_its_siblings_running() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let leader = k.open(&counting(BRANCHES));
        let siblings = [0x100, 0x200].map(|umask| k.open_in(&counting(BRANCHES | umask), leader));
        k.occur(BRANCHES | 0x100, 5);
        k.close(leader);
        for fd in siblings {
            assert_eq!(k.state(fd), state::ACTIVE);
            assert!(core::ptr::eq(k.event(fd).group_leader, k.event(fd)));
        }
        k.occur(BRANCHES | 0x100, 5);
        assert_eq!((k.read(siblings[0]), k.read(siblings[1])), (10, 0));
        k.disable(siblings[0]);
        k.close(siblings[0]);
        k.close(siblings[1]);
        k.check();
    }
}

#[test]
fn a_pinned_group_that_does_not_fit_is_in_error() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let first = group(&k, Attr::PINNED, 0x10, 3);
        let second = group(&k, Attr::PINNED, 0x20, 1);
        assert_eq!(k.state(second), state::ACTIVE);
        let third = group(&k, Attr::PINNED, 0x30, 1);
        assert_eq!(k.state(third), state::ERROR);
        assert!(k.read_words(third).is_empty());
        assert_eq!(k.state(first), state::ACTIVE);
        // Only an explicit enable leaves ERROR.
        k.close(second);
        assert_eq!(k.state(third), state::ERROR);
        k.enable(third);
        assert_eq!(k.state(third), state::ACTIVE);
        k.occur(BRANCHES | 0x3000, 8);
        assert_eq!(k.read_words(third), [1, 8]);
        k.check();
    }
}

#[test]
fn pinned_goes_before_flexible() {
    let mut k = Kernel::new("none");
    let flexible = group(&k, 0, 0x10, 3);
    k.occur(BRANCHES | 0x1000, 6);
    let pinned = group(&k, Attr::PINNED, 0x20, 3);
    assert_eq!(
        (k.state(pinned), k.state(flexible)),
        (state::ACTIVE, state::INACTIVE)
    );
    assert_eq!(k.read_words(flexible)[1], 6);
    k.check();
}

#[test]
fn an_exclusive_group_is_alone() {
    let k = Kernel::new("none");
    let shared = group(&k, 0, 0x10, 1);
    let exclusive = group(&k, Attr::EXCLUSIVE, 0x20, 1);
    assert_eq!(
        (k.state(shared), k.state(exclusive)),
        (state::ACTIVE, state::INACTIVE)
    );
    k.disable(shared);
    k.disable(exclusive);
    k.enable(exclusive);
    k.enable(shared);
    // Both are taken out and in again by age: the older one wins.
    assert_eq!(k.state(shared), state::ACTIVE);
    k.check();
}

#[test]
fn groups_that_do_not_fit_together_take_turns() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let groups = [0x10, 0x20, 0x30].map(|umask| group(&k, 0, umask, 2));
        let on = |k: &Kernel| groups.map(|fd| k.state(fd) == state::ACTIVE);
        assert_eq!(on(&k), [true, true, false]);
        k.tick();
        assert_eq!(on(&k), [false, true, true]);
        k.occur(BRANCHES | 0x1000, 3);
        k.occur(BRANCHES | 0x2000, 3);
        k.tick();
        assert_eq!(on(&k), [true, false, true]);
        k.occur(BRANCHES | 0x1000, 4);
        assert_eq!(k.read_words(groups[0]), [2, 4, 0]);
        assert_eq!(k.read_words(groups[1]), [2, 3, 0]);
        // Without competition nothing rotates.
        k.close(groups[2]);
        k.tick();
        k.tick();
        k.tick();
        assert_eq!(k.state(groups[0]), state::ACTIVE);
        assert_eq!(k.state(groups[1]), state::ACTIVE);
        k.check();
    }
}

#[test]
fn enabled_time_runs_while_running_time_waits() {
    let mut k = Kernel::new("none");
    let a = group(&k, 0, 0x10, 4);
    let b = k.open(&Attr {
        read_format: FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING,
        ..counting(BRANCHES)
    });
    assert_eq!(k.state(a), state::ACTIVE);
    k.occur(BRANCHES, 100);
    assert_eq!(k.read_words(b), [0, 100, 0]);
    k.tick();
    k.occur(BRANCHES, 40);
    assert_eq!(k.read_words(b), [40, 140, 40]);
    k.check();
}
