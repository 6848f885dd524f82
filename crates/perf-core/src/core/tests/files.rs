// SPDX-License-Identifier: GPL-2.0-only
//! Files: the last reference goes in a system call, the event when that returns to user mode.

use core::ptr;
use std::vec::Vec;

use abi::event_select::BRANCHES;
use abi::syscall::IOC_OVERFLOW_READ_LOCAL;

use super::{Kernel, VERSIONS, counting, sampling};
use crate::mock::Op;
use crate::types::{PerfEvent, state};

fn address(k: &Kernel, fd: i32) -> *const PerfEvent {
    ptr::from_ref(k.event(fd))
}

#[test]
fn an_event_lives_until_the_call_that_closes_it_returns() {
    let mut k = Kernel::new("none");
    let fds = [(); 3].map(|()| k.open(&counting(BRANCHES)));
    let [first, second, kept] = fds.map(|fd| k.event(fd));
    for fd in &fds[..2] {
        // SAFETY: a system call's context; it does not return yet.
        assert_eq!(unsafe { k.perf.sys_close(*fd) }, 0);
        assert!(k.perf.file(*fd).is_err());
    }
    k.occur(BRANCHES, 5);
    assert_eq!(k.perf.hw.take_died(), []);
    assert_eq!(
        [first, second, kept].map(|event| event.state.read()),
        [state::ACTIVE; 3]
    );
    let newest_first = [second, first].map(ptr::from_ref);
    // SAFETY: now they return.
    unsafe { k.perf.task_work_run() }
    assert_eq!(k.perf.hw.take_died(), newest_first);
    assert_eq!(k.read(fds[2]), 5);
    // SAFETY: as above; nothing is left to do.
    unsafe { k.perf.task_work_run() }
    assert_eq!(k.perf.hw.take_died(), []);
    k.close(fds[2]);
    k.check();
}

#[test]
fn a_call_on_a_file_that_another_cpu_closes_releases_it() {
    let k = Kernel::with_cpus("none", 2);
    let fd = k.open(&counting(BRANCHES));
    let event = address(&k, fd);
    let perf = k.perf;
    perf.hw.once_at(Op::Rdpmc, move || {
        perf.hw.set_cpu(1);
        // SAFETY: CPU 1's system call, whole, with its return.
        unsafe {
            assert_eq!(perf.sys_close(fd), 0);
            perf.task_work_run();
        }
        assert_eq!(perf.hw.take_died(), []);
        perf.hw.set_cpu(0);
    });
    assert_eq!(k.read_words(fd), [0]);
    assert_eq!(perf.hw.take_died(), [event]);
    k.check();
}

#[test]
fn a_target_is_not_released_under_the_mutex_of_its_context() {
    for version in VERSIONS {
        let k = Kernel::new(version);
        let target = k.open(&counting(BRANCHES));
        let reader = k.open(&sampling(1));
        let event = address(&k, target);
        // What another CPU's close does to a file that the ioctl holds: the descriptor's reference goes.
        k.event(target).file_count.dec_and_test();
        // SAFETY: a system call's context; it does not return yet.
        let ret = unsafe {
            k.perf
                .sys_ioctl(reader, IOC_OVERFLOW_READ_LOCAL, target as u64)
        };
        k.perf.put_unused_fd(target);
        assert_eq!(ret, 0);
        let handler_reads = || k.event(reader).overflow_target.read().cast_const();
        assert_eq!(handler_reads(), event);
        assert_eq!(k.perf.hw.take_died(), Vec::<*const PerfEvent>::new());
        // SAFETY: now it returns.
        unsafe { k.perf.task_work_run() }
        assert_eq!(k.perf.hw.take_died(), [event]);
        assert!(handler_reads().is_null());
        k.close(reader);
        k.check();
    }
}
