// SPDX-License-Identifier: GPL-2.0-only
//! Fork, exit, exec, clones that change places, and CPUs that go away.

use abi::event_select::{BRANCHES, INSTRUCTIONS};
use abi::syscall::{
    Attr, FORMAT_GROUP, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING, IOC_PAUSE,
};
use std::vec::Vec;

use super::{Kernel, VERSIONS, counting, sampling};
use crate::core::arena::EVENTS_MAX;
use crate::types::{PerfEvent, state};

fn inherited(code: u64, flags: u64) -> Attr {
    Attr {
        flags: Attr::INHERIT | flags,
        ..counting(code)
    }
}

fn open(k: &Kernel, attr: &Attr, pid: i32) -> i32 {
    let fd = k.open_at(attr, pid, -1, -1);
    assert!(fd >= 0, "open: {fd}");
    fd as i32
}

/// Task 1 runs, with one event.
fn with_one(version: &str, flags: u64) -> (Kernel, i32) {
    let k = Kernel::new(version);
    k.switch_to(1);
    let fd = open(&k, &inherited(BRANCHES, flags), 0);
    (k, fd)
}

fn context_of(event: &PerfEvent) -> *const () {
    event.ctx.cast_const().cast()
}

#[test]
fn a_child_counts_into_what_its_parent_reads() {
    for version in VERSIONS {
        let (mut k, fd) = with_one(version, 0);
        k.occur(BRANCHES, 10);
        k.fork(2);
        k.occur(BRANCHES, 20);
        assert_eq!((k.children(fd).len(), k.read(fd)), (1, 30));
        k.switch_to(2);
        k.occur(BRANCHES, 300);
        assert_eq!(k.read(fd), 330);
        k.switch_to(0);
        k.occur(BRANCHES, 7000);
        k.switch_to(2);
        k.occur(BRANCHES, 4000);
        k.exit_task();
        // The contexts had changed places: what has exited is the first event.
        assert_eq!((k.children(fd).len(), k.read(fd)), (1, 4330));
        assert_eq!(k.state(fd), state::EXIT);
        k.switch_to(1);
        k.occur(BRANCHES, 1);
        assert_eq!(k.read(fd), 4331);
        k.close(fd);
        k.check();
        // SAFETY: a system call's context.
        assert_eq!(unsafe { k.perf.sys_switch_to(2) }, -3);
        // SAFETY: as above.
        assert_eq!(unsafe { k.perf.sys_fork(1) }, -17);
    }
}

#[test]
fn clones_change_places_and_go_on_counting() {
    let (mut k, fd) = with_one("none", 0);
    k.fork(2);
    let child = k.children(fd)[0];
    k.switch_to(2);
    // The first event runs the child now.
    assert_eq!(
        (k.state(fd), child.state.read()),
        (state::ACTIVE, state::INACTIVE)
    );
    k.occur(BRANCHES, 5);
    assert_eq!((k.event(fd).count.read(), child.count.read()), (0, 0));
    assert_eq!(k.read(fd), 5);
    // Another switch, to a task that is no clone: the contexts stay exchanged.
    k.switch_to(0);
    k.switch_to(1);
    assert_eq!(
        (k.state(fd), child.state.read()),
        (state::INACTIVE, state::ACTIVE)
    );
    k.occur(BRANCHES, 70);
    assert_eq!(k.read(fd), 75);
    k.check();
}

#[test]
fn a_context_that_changed_is_no_clone() {
    for version in VERSIONS {
        let (mut k, fd) = with_one(version, 0);
        k.fork(2);
        let own = open(&k, &counting(INSTRUCTIONS), 0);
        k.switch_to(2);
        assert_eq!(k.children(fd)[0].state.read(), state::ACTIVE);
        assert_eq!(k.state(own), state::INACTIVE);
        k.occur(INSTRUCTIONS, 10);
        assert_eq!(k.read(own), 0);
        // And a grandchild is a clone of nobody but the child.
        k.fork(3);
        k.switch_to(3);
        k.occur(BRANCHES, 9);
        k.switch_to(1);
        assert_eq!(k.read(fd), 9);
        k.check();
    }
}

#[test]
fn grandchildren_belong_to_the_first_event_and_share_its_clones() {
    let (mut k, fd) = with_one("none", 0);
    k.fork(2);
    k.switch_to(2);
    k.fork(3);
    assert_eq!(k.children(fd).len(), 2);
    let first = core::ptr::from_ref(k.event(fd));
    for child in k.children(fd) {
        assert!(core::ptr::eq(child.parent, first));
    }
    k.occur(BRANCHES, 1);
    k.switch_to(3);
    // Exchanged twice: the first event runs the grandchild.
    assert_eq!(k.state(fd), state::ACTIVE);
    k.occur(BRANCHES, 20);
    k.exit_task();
    // It stays with its descriptor; nobody has exited but it.
    assert_eq!((k.state(fd), k.children(fd).len()), (state::EXIT, 2));
    k.switch_to(1);
    k.occur(BRANCHES, 300);
    k.switch_to(2);
    k.exit_task();
    assert_eq!((k.read(fd), k.children(fd).len()), (321, 1));
    k.close(fd);
    k.switch_to(1);
    k.check();
}

#[test]
fn counts_follow_tasks_with_inherit_stat() {
    let times = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING;
    let mut k = Kernel::new("none");
    k.switch_to(1);
    let attr = Attr {
        read_format: times,
        ..inherited(BRANCHES, Attr::INHERIT_STAT)
    };
    let fd = open(&k, &attr, 0);
    k.occur(BRANCHES, 10);
    k.fork(2);
    let child = k.children(fd)[0];
    k.switch_to(2);
    // The first event runs the child, with the child's count.
    assert_eq!((k.event(fd).count.read(), child.count.read()), (0, 10));
    k.occur(BRANCHES, 500);
    k.switch_to(1);
    assert_eq!((k.event(fd).count.read(), child.count.read()), (10, 500));
    assert_eq!(k.event(fd).total_time_running.read(), 10);
    assert_eq!(child.total_time_running.read(), 500);
    assert_eq!(k.read_words(fd), [510, 510, 510]);
    k.check();
}

#[test]
fn lists_in_different_orders_exchange_the_counts_of_different_events() {
    // Mainline: a child has its pinned events first, whatever came first in the parent.
    let mut k = Kernel::new("none");
    k.switch_to(1);
    let flexible = open(&k, &inherited(BRANCHES, Attr::INHERIT_STAT), 0);
    let pinned = inherited(INSTRUCTIONS, Attr::INHERIT_STAT | Attr::PINNED);
    let pinned = open(&k, &pinned, 0);
    k.fork(2);
    k.occur(BRANCHES, 10);
    k.switch_to(2);
    k.switch_to(1);
    assert_eq!(k.event(flexible).count.read(), 10);
    k.switch_to(2);
    assert_eq!((k.read(flexible), k.read(pinned)), (0, 10));
    k.check();
}

#[test]
fn a_child_starts_as_its_parent_is() {
    for version in VERSIONS {
        let (mut k, fd) = with_one(version, Attr::DISABLED);
        k.fork(2);
        assert_eq!(k.children(fd)[0].state.read(), state::OFF);
        k.enable(fd);
        assert_eq!(k.children(fd)[0].state.read(), state::INACTIVE);
        k.fork(3);
        assert_eq!(k.children(fd)[1].state.read(), state::INACTIVE);
        k.disable(fd);
        for child in k.children(fd) {
            assert_eq!(child.state.read(), state::OFF);
        }
        k.switch_to(3);
        k.occur(BRANCHES, 5);
        k.enable(fd);
        k.occur(BRANCHES, 6);
        assert_eq!(k.read(fd), 6);
        k.reset(fd);
        assert_eq!(k.read(fd), 0);
        k.exit_task();
        k.check();
    }
}

#[test]
fn groups_are_inherited_as_groups() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        k.switch_to(1);
        let leader = Attr {
            read_format: FORMAT_GROUP,
            ..inherited(BRANCHES, 0)
        };
        let l = open(&k, &leader, 0);
        let s = k.open_at(&inherited(INSTRUCTIONS, 0), 0, -1, i64::from(l) as i32) as i32;
        assert!(s >= 0);
        k.fork(2);
        let (child, sub) = (k.children(l)[0], k.children(s)[0]);
        assert_eq!(child.nr_siblings.read(), 1);
        assert!(core::ptr::eq(sub.group_leader, child));
        k.switch_to(2);
        k.occur(BRANCHES, 3);
        k.occur(INSTRUCTIONS, 40);
        assert_eq!(k.read_words(l), [2, 3, 40]);
        k.exit_task();
        assert_eq!(k.read_words(l), [2, 3, 40]);
        k.close(l);
        k.close(s);
        k.check();
    }
}

#[test]
fn closing_takes_living_children_along() {
    // v10 and delta leave a closed master on the PMU.
    let (mut k, fd) = with_one("none", 0);
    let stays = open(&k, &inherited(BRANCHES, 0), 0);
    k.fork(2);
    k.fork(3);
    k.switch_to(2);
    k.occur(BRANCHES, 5);
    k.perf.hw.take_died();
    k.close(fd);
    assert_eq!(k.perf.hw.take_died().len(), 3);
    k.occur(BRANCHES, 6);
    k.switch_to(3);
    k.occur(BRANCHES, 7);
    assert_eq!(k.read(stays), 18);
    k.exit_task();
    k.switch_to(2);
    k.exit_task();
    k.switch_to(1);
    k.exit_task();
    assert_eq!((k.read(stays), k.state(stays)), (18, state::EXIT));
    k.close(stays);
    k.check();
}

#[test]
fn the_event_of_an_exited_task_can_be_changed_and_closed() {
    let (mut k, fd) = with_one("none", 0);
    k.occur(BRANCHES, 5);
    k.exit_task();
    k.enable(fd);
    k.disable(fd);
    assert_eq!((k.state(fd), k.read(fd)), (state::EXIT, 5));
    k.reset(fd);
    assert_eq!(k.read(fd), 0);
    k.close(fd);
    assert_eq!(k.open_at(&counting(BRANCHES), 1, -1, -1), -3);
    // SAFETY: a system call's context; the idle task runs.
    assert_eq!(unsafe { k.perf.sys_exit_task() }, -22);
    k.check();
}

#[test]
fn exec_enables_once_and_unclones() {
    for version in VERSIONS {
        let (mut k, fd) = with_one(version, Attr::DISABLED | Attr::ENABLE_ON_EXEC);
        k.fork(2);
        k.switch_to(2);
        k.occur(BRANCHES, 5);
        // SAFETY: a system call's context.
        assert_eq!(unsafe { k.perf.sys_exec() }, 0);
        k.occur(BRANCHES, 60);
        k.switch_to(1);
        k.occur(BRANCHES, 700);
        assert_eq!(k.read(fd), 60);
        // SAFETY: as above.
        assert_eq!(unsafe { k.perf.sys_exec() }, 0);
        k.occur(BRANCHES, 8000);
        k.disable(fd);
        // SAFETY: as above.
        assert_eq!(unsafe { k.perf.sys_exec() }, 0);
        k.occur(BRANCHES, 10_000);
        assert_eq!(k.read(fd), 8060);
        k.check();
    }
}

#[test]
fn a_fork_without_room_leaves_nothing_behind() {
    let (k, fd) = with_one("none", 0);
    let second = open(&k, &inherited(INSTRUCTIONS, 0), 0);
    let mut task = 2;
    // Slots are never used again: fork and exit until there is one left.
    let mut used = 2;
    while used < EVENTS_MAX - 1 {
        k.close(open(&k, &counting(BRANCHES), 0));
        used += 1;
    }
    // SAFETY: a system call's context.
    assert_eq!(unsafe { k.perf.sys_fork(task) }, -12);
    assert!(k.children(fd).is_empty() && k.children(second).is_empty());
    assert_eq!(k.event(fd).refcount.read(), 1);
    // The number is free again.
    k.close(fd);
    k.close(second);
    k.fork(task);
    task += 1;
    k.fork(task);
    k.check();
}

#[test]
fn an_event_of_another_cpu_makes_its_master_enabled_without_rotation() {
    for (version, m_state) in [
        ("none", state::INACTIVE),
        ("v10", state::ENABLED),
        ("delta", state::ENABLED),
    ] {
        let mut k = Kernel::with_cpus(version, 2);
        k.switch_to(1);
        let m = k.open_at(&counting(BRANCHES), 0, 1, -1) as i32;
        k.occur(BRANCHES, 5);
        let s = open(&k, &counting(BRANCHES), 0);
        assert_eq!(
            (k.state(m), k.state(s)),
            (m_state, state::ACTIVE),
            "{version}"
        );
        k.occur(BRANCHES, 60);
        assert_eq!((k.read(m), k.read(s)), (0, 60));
        // The task migrates.
        k.switch_to(0);
        k.perf.hw.set_cpu(1);
        k.switch_to(1);
        assert_eq!((k.state(m), k.state(s)), (state::ACTIVE, state::ACTIVE));
        k.occur(BRANCHES, 700);
        assert_eq!((k.read(m), k.read(s)), (700, 760));
        k.check();
    }
}

#[test]
fn a_cpu_that_goes_loses_its_events() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let a = k.open(&counting(BRANCHES));
        let b = k.open(&counting(BRANCHES));
        let task = open(&k, &counting(BRANCHES), 0);
        let group = k.open(&sampling(1));
        let member = k.open_in(&counting(INSTRUCTIONS), group);
        k.occur(BRANCHES, 10);
        // SAFETY: a system call's context.
        assert_eq!(unsafe { k.perf.sys_offline() }, 0);
        let states: Vec<i32> = [a, b, group, member].map(|fd| k.state(fd)).to_vec();
        assert_eq!(states, [state::OFF; 4], "{version}");
        assert_eq!(k.open_at(&counting(BRANCHES), -1, 0, -1), -19);
        k.occur(BRANCHES, 5);
        assert_eq!((k.read(a), k.read(b), k.read(task)), (10, 10, 15));
        // SAFETY: as above.
        assert_eq!(unsafe { k.perf.sys_online() }, 0);
        for fd in [a, b, group, member] {
            k.close(fd);
        }
        let again = k.open(&counting(BRANCHES));
        k.occur(BRANCHES, 1);
        assert_eq!(k.read(again), 1);
        k.check();
    }
}

#[test]
fn pause_disables_and_tells_the_count() {
    let mut k = Kernel::new("none");
    let fd = k.open(&counting(BRANCHES));
    k.occur(BRANCHES, 10);
    assert_eq!(k.ioctl(fd, IOC_PAUSE, 0), 0);
    assert_eq!((k.state(fd), k.read(fd)), (state::OFF, 10));
    k.enable(fd);
    k.occur(BRANCHES, 5);
    assert_eq!(k.ioctl(fd, IOC_PAUSE, 1), 0);
    assert_eq!(k.read(fd), 0);
    let told: Vec<u64> = k.perf.hw.take_values().iter().map(|v| v.value).collect();
    assert_eq!(told, [10, 10, 15, 0]);
    k.check();
}

#[test]
fn contexts_live_where_their_task_began() {
    let (k, fd) = with_one("none", 0);
    k.fork(2);
    let before = context_of(k.event(fd));
    k.switch_to(2);
    assert_eq!(context_of(k.event(fd)), before);
    k.check();
}
