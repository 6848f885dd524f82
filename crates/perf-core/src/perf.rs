// SPDX-License-Identifier: GPL-2.0-only
//! The perf subsystem as one value: the hardware it runs on, the scheduler rows it was given, and
//! what each CPU keeps.
//!
//! Everything is reached through `&Perf`: an NMI enters with the same reference while other code
//! is in the middle of something, so all state is behind raw pointers, as in the kernel.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::AtomicU64;

use abi::{layout::CPUS_MAX, rows::Rows};

use crate::cell::Once;
use crate::core::arena::Arena;
use crate::core::boot::MAX_SAMPLES_PER_TICK;
use crate::hw::Hardware;
use crate::mutex::Mutex;
use crate::types::{PerfCpuContext, PerfEvent, PerfPercpu, Task, TaskSlot};
use crate::x86::CpuHwEvents;

/// Tasks beside the idle tasks.
pub const TASKS_MAX: usize = 16;
/// File descriptors.
pub const FDS_MAX: usize = 512;

/// The perf subsystem of one machine.
#[derive(Debug)]
#[repr(C)]
pub struct Perf<H: Hardware> {
    /// The processor and the host.
    pub hw: H,
    /// Which version of each sharing function runs; set once by [`Perf::boot`].
    pub rows: UnsafeCell<Rows>,
    /// The driver's state of each CPU (`cpu_hw_events`).
    pub cpu_hw_events: [UnsafeCell<CpuHwEvents>; CPUS_MAX],
    /// CPUs that boot (`nr_cpu_ids`).
    pub cpus: Once<u32>,
    /// Samples of one event per tick before it is throttled.
    pub max_samples_per_tick: Once<u64>,
    /// The contexts of each CPU.
    pub cpu_contexts: [UnsafeCell<PerfCpuContext>; CPUS_MAX],
    /// The other variables of each CPU.
    pub percpu: [UnsafeCell<PerfPercpu>; CPUS_MAX],
    /// The idle task of each CPU, then the others.
    pub tasks: [UnsafeCell<TaskSlot>; CPUS_MAX + TASKS_MAX],
    /// Guards the making of tasks (`tasklist_lock`).
    pub tasks_mutex: Mutex,
    /// Guards the table of descriptors (`files->file_lock`).
    pub files_mutex: Mutex,
    /// Open file descriptors: null, reserved (dangling), or an event.
    pub files: [Once<*mut PerfEvent>; FDS_MAX],
    /// All descriptors from here on were never used.
    pub files_end: Once<usize>,
    /// Event that an NMI reads which the PMU does not claim, or null.
    pub nmi_probe: Once<*mut PerfEvent>,
    /// Event numbers given out so far (`perf_event_id`).
    pub event_id_last: AtomicU64,
    /// Memory of events.
    pub arena: Arena,
}

// SAFETY: like the kernel's globals; every access follows the port's locking (ctx.lock, interrupts
// off, single whole accesses for what an NMI may see).
unsafe impl<H: Hardware> Sync for Perf<H> {}

impl<H: Hardware> Perf<H> {
    /// The subsystem before boot.
    pub const fn new(hw: H) -> Self {
        Self {
            hw,
            rows: UnsafeCell::new(Rows([0; abi::rows::Row::ALL.len()])),
            cpu_hw_events: [const { UnsafeCell::new(CpuHwEvents::new()) }; CPUS_MAX],
            cpus: Once::new(0),
            max_samples_per_tick: Once::new(MAX_SAMPLES_PER_TICK),
            cpu_contexts: [const { UnsafeCell::new(PerfCpuContext::new()) }; CPUS_MAX],
            percpu: [const { UnsafeCell::new(PerfPercpu::new()) }; CPUS_MAX],
            tasks: [const { UnsafeCell::new(TaskSlot::new()) }; CPUS_MAX + TASKS_MAX],
            tasks_mutex: Mutex::new(),
            files_mutex: Mutex::new(),
            files: [const { Once::new(ptr::null_mut()) }; FDS_MAX],
            files_end: Once::new(0),
            nmi_probe: Once::new(ptr::null_mut()),
            event_id_last: AtomicU64::new(0),
            arena: Arena::new(),
        }
    }

    /// This CPU's driver state (`this_cpu_ptr(&cpu_hw_events)`).
    #[inline(always)]
    pub fn cpuc(&self) -> *mut CpuHwEvents {
        self.cpu_hw_events[self.hw.cpu()].get()
    }

    /// This CPU's contexts (`__get_cpu_context`).
    #[inline(always)]
    pub fn cpuctx(&self) -> *mut PerfCpuContext {
        self.cpu_contexts[self.hw.cpu()].get()
    }

    /// The other variables of this CPU.
    #[inline(always)]
    pub fn this_cpu(&self) -> *mut PerfPercpu {
        self.percpu[self.hw.cpu()].get()
    }

    /// The task that runs on this CPU (`current`).
    #[inline(always)]
    pub fn current(&self) -> *mut Task {
        // SAFETY: the per-CPU variables live as long as `self`; one whole load.
        unsafe { (*self.this_cpu()).current.read() }
    }

    /// `WARN_ON_ONCE`: tells the host and returns the condition.
    #[inline(always)]
    pub(crate) fn warn_on(&self, condition: bool, text: &'static str) -> bool {
        if condition {
            self.hw.warn(text);
        }
        condition
    }

    /// The value of a row.
    #[inline(always)]
    pub fn row(&self, row: abi::rows::Row) -> u8 {
        // SAFETY: written only before the first event exists.
        unsafe { (*self.rows.get()).get(row) }
    }
}
