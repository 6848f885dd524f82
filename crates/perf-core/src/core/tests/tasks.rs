// SPDX-License-Identifier: GPL-2.0-only
//! Task contexts and switches.

use abi::event_select::BRANCHES;
use abi::syscall::{Attr, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING};

use super::{Kernel, VERSIONS, counting};
use crate::types::state;

fn task_event(k: &Kernel, attr: &Attr, pid: i32) -> i32 {
    let fd = k.open_at(attr, pid, -1, -1);
    assert!(fd >= 0, "open: {fd}");
    fd as i32
}

#[test]
fn an_event_follows_its_task() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let own = task_event(&k, &counting(BRANCHES), 0);
        let other = task_event(&k, &counting(BRANCHES), 7);
        let cpu = k.open(&counting(BRANCHES));
        assert_eq!(k.state(other), state::INACTIVE);
        k.occur(BRANCHES, 10);
        k.switch_to(7);
        assert_eq!(
            (k.state(own), k.state(other)),
            (state::INACTIVE, state::ACTIVE)
        );
        k.occur(BRANCHES, 200);
        assert_eq!(k.read(other), 200);
        k.switch_to(0);
        k.occur(BRANCHES, 3000);
        assert_eq!([own, other, cpu].map(|fd| k.read(fd)), [3010, 200, 3210]);
        k.check();
    }
}

#[test]
fn an_event_of_a_task_that_does_not_run_is_changed_in_place() {
    for version in VERSIONS {
        let mut k = Kernel::new(version);
        let fd = task_event(&k, &counting(BRANCHES), 7);
        k.disable(fd);
        assert_eq!(k.state(fd), state::OFF);
        k.switch_to(7);
        k.occur(BRANCHES, 5);
        k.switch_to(0);
        k.enable(fd);
        assert_eq!(k.state(fd), state::INACTIVE);
        k.switch_to(7);
        k.occur(BRANCHES, 6);
        k.switch_to(0);
        assert_eq!(k.read(fd), 6);
        k.close(fd);
        k.switch_to(7);
        k.check();
    }
}

#[test]
fn enabled_time_stands_still_while_the_task_does_not_run() {
    let mut k = Kernel::new("none");
    let attr = Attr {
        read_format: FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING,
        ..counting(BRANCHES)
    };
    let fd = task_event(&k, &attr, 7);
    k.occur(BRANCHES, 100);
    k.switch_to(7);
    k.occur(BRANCHES, 20);
    k.switch_to(0);
    k.occur(BRANCHES, 100);
    assert_eq!(k.read_words(fd), [20, 20, 20]);
    k.check();
}

#[test]
fn the_last_event_of_a_running_task_unloads_its_context() {
    let k = Kernel::new("none");
    let fd = task_event(&k, &counting(BRANCHES), 0);
    let cpuctx = k.perf.cpuctx();
    // SAFETY: nothing else runs.
    unsafe {
        assert!(!(*cpuctx).task_ctx.is_null());
        k.close(fd);
        assert!((*cpuctx).task_ctx.is_null());
    }
    k.switch_to(3);
    k.switch_to(0);
    k.check();
}

#[test]
fn an_event_bound_to_a_cpu_keeps_to_it() {
    let k = Kernel::new("none");
    let fd = k.open_at(&counting(BRANCHES), 0, 0, -1);
    assert!(fd >= 0);
    assert_eq!(k.state(fd as i32), state::ACTIVE);
    k.check();
}

#[test]
fn priorities_across_the_two_contexts() {
    let k = Kernel::new("none");
    let with = |flags, umask: u64| Attr {
        flags,
        ..counting(BRANCHES | umask << 8)
    };
    let cpu: [i32; 4] = core::array::from_fn(|i| k.open(&with(0, i as u64)));
    // A pinned event of the task pushes out a flexible one of the CPU.
    let fd = task_event(&k, &with(Attr::PINNED, 9), 7);
    k.switch_to(7);
    assert_eq!(k.state(fd), state::ACTIVE);
    let on = cpu.map(|fd| k.state(fd) == state::ACTIVE);
    assert_eq!(on, [true, true, true, false]);
    k.switch_to(0);
    k.check();
}

#[test]
fn tasks_run_out() {
    let k = Kernel::new("none");
    for pid in 1..=crate::perf::TASKS_MAX as u32 {
        k.switch_to(pid);
    }
    // SAFETY: a system call's context.
    assert_eq!(unsafe { k.perf.sys_switch_to(1000) }, -12);
    k.switch_to(1);
}
