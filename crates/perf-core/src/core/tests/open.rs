// SPDX-License-Identifier: GPL-2.0-only
//! What `perf_event_open` and its neighbours refuse.

use abi::event_select::BRANCHES;
use abi::syscall::{Attr, IOC_PERIOD, IOC_REFRESH, SAMPLE_READ, SW_DUMMY, TYPE_SOFTWARE};

use super::{Kernel, counting, sampling};
use crate::core::errno::{E2BIG, EBADF, EINVAL, EMFILE, ENOENT, ENOTTY, EOPNOTSUPP, ESRCH};

fn refused(attr: Attr, pid: i32, cpu: i32, group: i32) -> i32 {
    let k = Kernel::new("none");
    let err = k.open_at(&attr, pid, cpu, group);
    // What failed leaves neither a descriptor nor an event that the host knows.
    assert!(k.perf.fget(3).is_err());
    assert_eq!(k.perf.hw.take_born().len(), k.perf.hw.take_died().len());
    k.check();
    -err as i32
}

#[test]
fn attributes_that_are_wrong_or_not_supported() {
    let good = counting(BRANCHES);
    let with = |flags| Attr { flags, ..good };
    assert_eq!(refused(Attr { size: 8, ..good }, -1, 0, -1), E2BIG);
    assert_eq!(refused(Attr { size: 5000, ..good }, -1, 0, -1), E2BIG);
    assert_eq!(refused(with(Attr::FREQ), -1, 0, -1), EOPNOTSUPP);
    let period = 1 << 63;
    let attr = Attr {
        sample_period: period,
        ..good
    };
    assert_eq!(refused(attr, -1, 0, -1), EINVAL);
    let attr = Attr {
        sample_type: 1,
        ..good
    };
    assert_eq!(refused(attr, -1, 0, -1), EOPNOTSUPP);
    let attr = Attr {
        read_format: 1 << 8,
        ..good
    };
    assert_eq!(refused(attr, -1, 0, -1), EINVAL);
    let attr = Attr {
        kind: TYPE_SOFTWARE,
        config: SW_DUMMY,
        ..good
    };
    assert_eq!(refused(attr, -1, 0, -1), ENOENT);
    let attr = Attr {
        sample_type: SAMPLE_READ,
        ..with(Attr::INHERIT)
    };
    assert_eq!(refused(attr, -1, 0, -1), EINVAL);
}

#[test]
fn targets_that_are_not_there() {
    let good = counting(BRANCHES);
    assert_eq!(refused(good, -1, -1, -1), EINVAL);
    assert_eq!(refused(good, -1, 1, -1), EINVAL);
    assert_eq!(refused(good, -2, 0, -1), ESRCH);
    assert_eq!(refused(good, -1, 0, 7), EBADF);
}

#[test]
fn an_older_and_a_newer_attribute_structure() {
    let k = Kernel::new("none");
    let old = Attr {
        size: 64,
        ..counting(BRANCHES)
    };
    assert!(k.open_at(&old, -1, 0, -1) >= 3);

    #[repr(C)]
    struct Newer {
        attr: Attr,
        more: u64,
    }
    let mut newer = Newer {
        attr: Attr {
            size: 120,
            ..counting(BRANCHES)
        },
        more: 0,
    };
    let at = (&raw const newer).cast::<Attr>();
    // SAFETY: the structure is live, 120 bytes.
    unsafe {
        assert!(k.system_call(|perf| perf.sys_perf_event_open(at, -1, 0, -1, 0)) >= 3);
        newer.more = 1;
        let at = (&raw const newer).cast::<Attr>();
        let err = k.system_call(|perf| perf.sys_perf_event_open(at, -1, 0, -1, 0));
        assert_eq!(err, -i64::from(E2BIG));
    }
    k.check();
}

#[test]
fn groups_that_may_not_be() {
    let k = Kernel::new("none");
    let leader = k.open(&counting(BRANCHES));
    let sibling = k.open_in(&counting(BRANCHES), leader);
    let invalid = -i64::from(EINVAL);
    assert_eq!(k.open_at(&counting(BRANCHES), -1, 0, sibling), invalid);
    assert_eq!(k.open_at(&counting(BRANCHES), 0, -1, leader), invalid);
    for flag in [Attr::PINNED, Attr::EXCLUSIVE] {
        let attr = Attr {
            flags: flag,
            ..counting(BRANCHES)
        };
        assert_eq!(k.open_at(&attr, -1, 0, leader), invalid);
    }
    // A group that no empty PMU could hold: branches count on four counters.
    k.open_in(&counting(BRANCHES), leader);
    k.open_in(&counting(BRANCHES), leader);
    assert_eq!(k.open_at(&counting(BRANCHES), -1, 0, leader), invalid);
    assert_eq!(k.read(leader), 0);
    k.check();
}

#[test]
fn descriptors_that_are_not_there() {
    let k = Kernel::new("none");
    let bad = -i64::from(EBADF);
    for fd in [-1, 0, 3, 100_000] {
        // SAFETY: nothing is touched.
        unsafe {
            assert_eq!(k.system_call(|perf| perf.sys_close(fd)), bad);
            assert_eq!(
                k.system_call(|perf| perf.sys_read(fd, core::ptr::null_mut(), 0)),
                bad
            );
            assert_eq!(k.system_call(|perf| perf.sys_mmap(4096, fd)), bad);
        }
        assert_eq!(k.ioctl(fd, IOC_REFRESH, 1), bad);
    }
}

#[test]
fn requests_that_do_not_fit() {
    let k = Kernel::new("none");
    let fd = k.open(&counting(BRANCHES));
    assert_eq!(k.ioctl(fd, 0x1234, 0), -i64::from(ENOTTY));
    assert_eq!(k.ioctl(fd, IOC_REFRESH, 1), -i64::from(EINVAL));
    let period = 5_u64;
    let arg = (&raw const period).expose_provenance() as u64;
    assert_eq!(k.ioctl(fd, IOC_PERIOD, arg), -i64::from(EINVAL));
    // SAFETY: a system call's context.
    unsafe {
        assert_eq!(
            k.system_call(|perf| perf.sys_mmap(4 * 4096, fd)),
            -i64::from(EINVAL)
        );
        assert_eq!(
            k.system_call(|perf| perf.sys_mmap(0, fd)),
            -i64::from(EINVAL)
        );
    }
    k.check();
}

#[test]
fn events_and_descriptors_run_out() {
    let k = Kernel::new("none");
    let attr = Attr {
        flags: Attr::DISABLED,
        ..sampling(1)
    };
    let mut opened = 0;
    let err = loop {
        let fd = k.open_at(&attr, -1, 0, -1);
        if fd < 0 {
            break fd;
        }
        opened += 1;
    };
    // 512 descriptors, of which three are never given out.
    assert_eq!((opened, err), (509, -i64::from(EMFILE)));
    k.check();
}
