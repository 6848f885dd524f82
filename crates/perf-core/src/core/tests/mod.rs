// SPDX-License-Identifier: GPL-2.0-only
//! The core on the mock hardware, through the system calls, without any NMI but those a test asks
//! for.

mod files;
mod groups;
mod inherit;
mod open;
mod sampling;
mod sharing;
mod single;
mod tasks;

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use abi::boot::{BOOT_VERSION, BootInfo};
use abi::event_select as sel;
use abi::rows::{Row, Rows};
use abi::syscall::{
    Attr, FORMAT_GROUP, FORMAT_ID, IOC_DISABLE, IOC_ENABLE, IOC_RESET, SAMPLE_READ, TYPE_RAW,
};
use abi::totals::Ring;

use crate::mock::MockHw;
use crate::perf::Perf;
use crate::types::PerfEvent;

/// A scheduler by name.
pub(super) fn scheduler(version: &str) -> Rows {
    let mut rows = Rows::default();
    for row in Row::ALL {
        let value = row.values().iter().position(|v| *v == version);
        rows.0[row as usize] = value.unwrap_or(0) as u8;
    }
    rows.0[Row::ShadowChildCount as usize] = u8::from(version == "v10");
    for row in [Row::RemoveDupOnDisable, Row::SetupDupInResched] {
        rows.0[row as usize] = u8::from(version == "v12");
    }
    rows
}

/// The versions that every plain test must pass.
pub(super) const VERSIONS: [&str; 6] = ["none", "v10", "delta", "v11", "v11r", "v12"];

/// A booted subsystem on one mock CPU.
pub(super) struct Kernel {
    pub(super) perf: &'static Perf<MockHw>,
    /// PMIs taken so far.
    pub(super) nmis: u32,
}

/// A raw counting event.
pub(super) fn counting(code: u64) -> Attr {
    Attr {
        kind: TYPE_RAW,
        size: Attr::SIZE,
        config: code,
        ..Attr::default()
    }
}

/// An injector event that samples its group every second occurrence.
pub(super) fn sampling(n: u8) -> Attr {
    Attr {
        sample_period: 2,
        sample_type: SAMPLE_READ,
        read_format: FORMAT_GROUP | FORMAT_ID,
        ..counting(sel::injector(n))
    }
}

impl Kernel {
    pub(super) fn new(version: &str) -> Self {
        Self::with_rows(scheduler(version))
    }

    pub(super) fn with_rows(rows: Rows) -> Self {
        Self::boot(rows, 1)
    }

    /// Several CPUs; the test says which one runs (`perf.hw.set_cpu`).
    pub(super) fn with_cpus(version: &str, cpus: u32) -> Self {
        Self::boot(scheduler(version), cpus)
    }

    fn boot(rows: Rows, cpus: u32) -> Self {
        let perf: &'static Perf<MockHw> = Box::leak(Box::new(Perf::new(MockHw::new())));
        let info = BootInfo {
            version: BOOT_VERSION,
            cpus,
            max_samples_per_tick: 10,
            rows,
            ..BootInfo::default()
        };
        // SAFETY: leaked, so it does not move; used by this thread only.
        unsafe {
            perf.boot(&info);
            for cpu in (0..cpus as usize).rev() {
                perf.hw.set_cpu(cpu);
                perf.boot_cpu();
            }
        }
        Self { perf, nmis: 0 }
    }

    /// A system call with its return to user mode, as the guest makes it.
    ///
    /// # Safety
    /// As for the call.
    pub(super) unsafe fn system_call<T>(&self, call: impl FnOnce(&Perf<MockHw>) -> T) -> T {
        let result = call(self.perf);
        // SAFETY: the call has returned.
        unsafe { self.perf.task_work_run() }
        result
    }

    pub(super) fn open_at(&self, attr: &Attr, pid: i32, cpu: i32, group: i32) -> i64 {
        // SAFETY: the attributes are live.
        unsafe { self.system_call(|perf| perf.sys_perf_event_open(attr, pid, cpu, group, 0)) }
    }

    /// On CPU 0.
    pub(super) fn open(&self, attr: &Attr) -> i32 {
        self.open_in(attr, -1)
    }

    /// On CPU 0, in a group.
    pub(super) fn open_in(&self, attr: &Attr, group: i32) -> i32 {
        let fd = self.open_at(attr, -1, 0, group);
        assert!(fd >= 0, "open: {fd}");
        fd as i32
    }

    pub(super) fn ioctl(&self, fd: i32, request: u64, arg: u64) -> i64 {
        // SAFETY: arguments that are addresses are live.
        unsafe { self.system_call(|perf| perf.sys_ioctl(fd, request, arg)) }
    }

    pub(super) fn enable(&self, fd: i32) {
        assert_eq!(self.ioctl(fd, IOC_ENABLE, 0), 0);
    }

    pub(super) fn disable(&self, fd: i32) {
        assert_eq!(self.ioctl(fd, IOC_DISABLE, 0), 0);
    }

    pub(super) fn reset(&self, fd: i32) {
        assert_eq!(self.ioctl(fd, IOC_RESET, 0), 0);
    }

    pub(super) fn close(&self, fd: i32) {
        // SAFETY: a system call's context.
        assert_eq!(unsafe { self.system_call(|perf| perf.sys_close(fd)) }, 0);
    }

    /// All words of one read.
    pub(super) fn read_words(&self, fd: i32) -> Vec<u64> {
        let mut buf = vec![0_u64; 64];
        // SAFETY: the buffer is live.
        let n =
            unsafe { self.system_call(|perf| perf.sys_read(fd, buf.as_mut_ptr().cast(), 64 * 8)) };
        assert!(n >= 0, "read: {n}");
        buf.truncate(n as usize / 8);
        buf
    }

    /// The first word: a single event's value.
    pub(super) fn read(&self, fd: i32) -> u64 {
        self.read_words(fd)[0]
    }

    pub(super) fn mmap(&self, fd: i32, pages: u64) -> *mut u64 {
        // SAFETY: a system call's context.
        let at = unsafe { self.system_call(|perf| perf.sys_mmap(pages * 4096, fd)) };
        assert!(at > 0, "mmap: {at}");
        core::ptr::with_exposed_provenance_mut(at as usize)
    }

    pub(super) fn event(&self, fd: i32) -> &'static PerfEvent {
        let event = self.perf.file(fd).expect("an open descriptor");
        // SAFETY: open descriptors refer to live events.
        unsafe { &*event }
    }

    pub(super) fn state(&self, fd: i32) -> i32 {
        self.event(fd).state.read()
    }

    /// Occurrences at CPL 3, with the PMIs and the irq_work that they cause.
    pub(super) fn occur(&mut self, code: u64, n: u64) {
        self.perf.hw.occur(code, Ring::User, n);
        self.perf.hw.advance_clock(n);
        self.settle();
    }

    fn settle(&mut self) {
        while self.perf.hw.take_pmi() {
            self.nmis += 1;
            // SAFETY: nothing is interrupted.
            unsafe { self.perf.nmi() };
        }
        if self.perf.hw.take_irq_work() {
            // SAFETY: nothing is interrupted.
            unsafe { self.perf.irq_work() };
        }
    }

    pub(super) fn tick(&mut self) {
        // SAFETY: nothing is interrupted.
        unsafe { self.perf.tick() };
        self.settle();
    }

    pub(super) fn switch_to(&self, task: u32) {
        // SAFETY: a system call's context.
        let result = unsafe { self.system_call(|perf| perf.sys_switch_to(task)) };
        assert_eq!(result, 0);
    }

    pub(super) fn fork(&self, task: u32) {
        // SAFETY: a system call's context.
        assert_eq!(unsafe { self.system_call(|perf| perf.sys_fork(task)) }, 0);
    }

    pub(super) fn exit_task(&self) {
        // SAFETY: a system call's context.
        assert_eq!(unsafe { self.system_call(|perf| perf.sys_exit_task()) }, 0);
    }

    /// The living children of an event, oldest first.
    pub(super) fn children(&self, fd: i32) -> Vec<&'static PerfEvent> {
        let event = core::ptr::from_ref(self.event(fd)).cast_mut();
        // SAFETY: nothing else runs; children in the list are live.
        unsafe { super::children(event).map(|child| &*child).collect() }
    }

    /// Nothing warned so far; interrupts are on, no lock and no PMU nesting is left over.
    pub(super) fn check(&self) {
        assert_eq!(self.perf.hw.take_warns(), Vec::<&str>::new());
        self.check_rest();
    }

    pub(super) fn check_rest(&self) {
        assert!(self.perf.hw.irqs_on());
        let cpuctx = self.perf.cpuctx();
        // SAFETY: nothing else runs.
        unsafe {
            assert_eq!((*cpuctx).pmu_disable_count, 0);
            assert!(!(*cpuctx).ctx.lock.is_locked());
        }
    }
}
