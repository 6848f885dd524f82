// SPDX-License-Identifier: GPL-2.0-only
//! The structures of the perf core, with the kernel's names (include/linux/perf_event.h, v5.5).
//!
//! Everything here is `repr(C)`: the host finds fields by name from the debug information. What
//! an NMI or another CPU may touch is a cell of [`crate::cell`]; the rest is guarded by
//! [`PerfEventContext::lock`] and only looked at through raw pointers.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32};

use abi::syscall::Attr;

use crate::cell::{Atomic32, Atomic64, Local64, Once, RawSpinlock};
use crate::list::ListHead;
use crate::mutex::Mutex;

/// `enum perf_event_state`. One numbering for all schedulers, `none` included: ENABLED = 1,
/// ACTIVE = 2. The order matters: the core compares with `<` and `>`.
pub mod state {
    /// Released.
    pub const DEAD: i32 = -4;
    /// The owning task died.
    pub const EXIT: i32 = -3;
    /// A pinned group that could not be scheduled.
    pub const ERROR: i32 = -2;
    /// Disabled by the user.
    pub const OFF: i32 = -1;
    /// Enabled, not on a PMU.
    pub const INACTIVE: i32 = 0;
    /// A master whose hardware counter runs for its duplicates while it does not count itself.
    pub const ENABLED: i32 = 1;
    /// Believed to be on a PMU.
    pub const ACTIVE: i32 = 2;
}

/// Bits of [`PerfEvent::attach_state`].
pub mod attach {
    /// In a context's list.
    pub const CONTEXT: u32 = 1;
    /// In a group.
    pub const GROUP: u32 = 2;
    /// Follows a task.
    pub const TASK: u32 = 4;
}

/// Bits of [`HwPerfEvent::state`] (`PERF_HES_*`).
pub mod hes {
    /// The counter is stopped.
    pub const STOPPED: u32 = 1;
    /// `count` is up to date.
    pub const UPTODATE: u32 = 2;
    /// Must not be restarted by the driver.
    pub const ARCH: u32 = 4;
}

/// Flags of pmu->add, start and stop (`PERF_EF_*`).
pub mod ef {
    /// Start the counter when adding.
    pub const START: u32 = 1;
    /// Reload the counter when starting.
    pub const RELOAD: u32 = 2;
    /// Update the count when stopping.
    pub const UPDATE: u32 = 4;
}

/// Transaction kinds (`PERF_PMU_TXN_*`).
pub mod txn {
    /// Events are being added.
    pub const ADD: u32 = 1;
    /// Events are being read.
    pub const READ: u32 = 2;
}

/// `struct hw_perf_event`: the driver's part of an event.
#[derive(Debug)]
#[repr(C)]
pub struct HwPerfEvent {
    /// Value of the select register without EN.
    pub config: u64,
    /// Control MSR of the assigned counter.
    pub config_base: Once<u64>,
    /// Counter MSR of the assigned counter; 0 before the first assignment.
    pub event_base: Once<u64>,
    /// RDPMC index of the assigned counter.
    pub event_base_rdpmc: Once<u32>,
    /// Assigned counter, -1 before the first assignment.
    pub idx: Once<i32>,
    /// CPU of the last assignment, -1 before.
    pub last_cpu: i32,
    /// Tag of the last assignment.
    pub last_tag: u32,
    /// Driver flags.
    pub flags: u32,
    /// [`hes`] bits.
    pub state: Once<u32>,
    /// Raw counter value at the last update.
    pub prev_count: Local64,
    /// Period of the event.
    pub sample_period: u64,
    /// Period that the last sample stands for.
    pub last_period: u64,
    /// Occurrences left until a full period has elapsed.
    pub period_left: Local64,
    /// Interrupts in this tick; `u64::MAX` when throttled.
    pub interrupts: Once<u64>,
    /// Tick that `interrupts` belongs to.
    pub interrupts_seq: Once<u64>,
    /// Task that the event follows, null for a CPU event.
    pub target: *mut Task,
}

/// What the kernel keeps beside the pages of a ring buffer (`struct ring_buffer`).
#[derive(Debug)]
#[repr(C)]
pub struct RingBuffer {
    /// Bytes ever written; `data_head` follows it.
    pub head: Local64,
    /// Records dropped since the last one that fitted.
    pub lost: Local64,
    /// Writers that are inside, interrupted ones included.
    pub nest: Once<u32>,
}

/// What runs when a sampling event overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum OverflowHandler {
    /// `perf_event_output`: write a sample into the ring buffer, if there is one.
    Output = 0,
    /// `perf_event_read_local` of [`PerfEvent::overflow_target`], as a BPF program would.
    ReadLocal = 1,
}

/// `struct perf_event`.
#[derive(Debug)]
#[repr(C)]
pub struct PerfEvent {
    /// Node in [`PerfEventContext::event_list`].
    pub event_entry: ListHead,
    /// Head of the siblings in a leader, node of that list in a sibling.
    pub sibling_list: ListHead,
    /// Node in the context's list of active leaders.
    pub active_list: ListHead,
    /// Node in the context's ordered list of leaders (the kernel's group tree).
    pub group_node: ListHead,
    /// Key in the group order.
    pub group_index: u64,
    /// This event, or the leader it belongs to.
    pub group_leader: *mut PerfEvent,
    /// Siblings of a leader.
    pub nr_siblings: Once<i32>,
    /// All members are software events.
    pub group_software: bool,
    /// [`state`].
    pub state: Once<i32>,
    /// [`attach`] bits.
    pub attach_state: u32,
    /// What the driver adds to.
    pub count: Local64,
    /// Sum of exited inherited children.
    pub child_count: Atomic64,
    /// Enabled time in nanoseconds.
    pub total_time_enabled: Once<u64>,
    /// Running time in nanoseconds.
    pub total_time_running: Once<u64>,
    /// Context time of the last update of the two above.
    pub tstamp: Once<u64>,
    /// Added to the clock gives the context time: lets NMI code tell it without the lock.
    pub shadow_ctx_time: Once<u64>,
    /// What the user asked for.
    pub attr: Attr,
    /// Bytes of one `read(2)`.
    pub read_size: u32,
    /// Bytes of the fixed part of one sample, behind the record's header.
    pub header_size: u32,
    /// CPU it is bound to, -1 any.
    pub cpu: i32,
    /// CPU it runs on, -1 none.
    pub oncpu: Once<i32>,
    /// Context it is installed in.
    pub ctx: *mut PerfEventContext,
    /// Event this one was inherited from.
    pub parent: *mut PerfEvent,
    /// Inherited children: head in the parent, node in the child.
    pub child_list: ListHead,
    /// `event->child_mutex`: guards the list of children.
    pub child_mutex: Mutex,
    /// `event->mmap_mutex`: guards the mapping.
    pub mmap_mutex: Mutex,
    /// References: the file's and one for each child.
    pub refcount: Atomic32,
    /// References to the file (`file->f_count`): the descriptor's and those of calls that run.
    pub file_count: Atomic32,
    /// Enabled time of exited children.
    pub child_total_time_enabled: Atomic64,
    /// Running time of exited children.
    pub child_total_time_running: Atomic64,
    /// The driver's part.
    pub hw: HwPerfEvent,
    /// Overflows left until the event disables itself; 0 without limit.
    pub event_limit: Atomic32,
    /// CPU that must disable it, -1 none.
    pub pending_disable: Once<i32>,
    /// Non-zero while the event is queued for `irq_work` (`event->pending`).
    pub pending_flags: AtomicU32,
    /// Next event in the queue of this CPU's `irq_work`.
    pub pending_next: Once<*mut PerfEvent>,
    /// What an overflow runs.
    pub overflow_handler: Once<OverflowHandler>,
    /// Event that [`OverflowHandler::ReadLocal`] reads.
    pub overflow_target: Once<*mut PerfEvent>,
    /// Ring buffer page array (first page is the user page), null without mmap.
    pub rb: Once<*mut u8>,
    /// Data pages of the ring buffer.
    pub rb_data_pages: u32,
    /// The kernel's side of the ring buffer.
    pub rb_state: RingBuffer,
    /// Unique number (`PERF_FORMAT_ID`), 1 upwards.
    pub id: u64,

    /// The event whose counter this one uses: null, itself, another, or [`TOMBSTONE`].
    pub dup_master: Once<*mut PerfEvent>,
    /// ACTIVE events whose master this is, itself included (v10: `dup_active_count`).
    pub dup_active: Once<i32>,
    /// Master's count at the last sync (v10: `dup_base_count`).
    pub dup_count: Local64,
    /// v10: master's child count at the last sync.
    pub dup_base_child_count: Once<u64>,
    /// A master's own value: its `count` belongs to the shared counter.
    pub master_count: Local64,
    /// v10: the same for child counts.
    pub master_child_count: Atomic64,
    /// v12: head of the ACTIVE sharers in a master, node of that list in a sharer.
    pub dup_active_list: ListHead,

    /// Next event whose file this CPU releases when it returns to user mode (`f_u.fu_rcuhead`). In the
    /// last place: what the sharing code uses stays where it is.
    pub task_work_next: Once<*mut PerfEvent>,
}

/// `EVENT_TOMBSTONE`: a `dup_master` that is being flipped; readers leave the event alone.
pub const TOMBSTONE: *mut PerfEvent = ptr::without_provenance_mut(usize::MAX);

/// Bits of [`PerfEventContext::is_active`] and kinds of events (`enum event_type_t`).
pub mod event_type {
    /// Flexible groups.
    pub const FLEXIBLE: u32 = 1;
    /// Pinned groups.
    pub const PINNED: u32 = 2;
    /// The context's clock runs.
    pub const TIME: u32 = 4;
    /// The event belongs to a CPU context.
    pub const CPU: u32 = 8;
    /// Pinned and flexible.
    pub const ALL: u32 = FLEXIBLE | PINNED;
}

/// `struct perf_event_context`.
#[derive(Debug)]
#[repr(C)]
pub struct PerfEventContext {
    /// `ctx->lock`. Interrupts are off while it is held.
    pub lock: RawSpinlock,
    /// `ctx->mutex`: taken by whoever changes which events there are.
    pub mutex: Mutex,
    /// [`event_type`] bits.
    pub is_active: Once<u32>,
    /// Task it belongs to, null for a CPU context, [`TASK_TOMBSTONE`] when the task has exited.
    pub task: *mut Task,
    /// Node in the CPU's list of contexts with ACTIVE events.
    pub active_ctx_list: ListHead,
    /// All events, newest first.
    pub event_list: ListHead,
    /// Pinned leaders by (cpu, group_index).
    pub pinned_groups: ListHead,
    /// Flexible leaders by (cpu, group_index).
    pub flexible_groups: ListHead,
    /// Pinned leaders on the PMU.
    pub pinned_active: ListHead,
    /// Flexible leaders on the PMU.
    pub flexible_active: ListHead,
    /// Last group index given out.
    pub group_index_last: u64,
    /// Events.
    pub nr_events: i32,
    /// ACTIVE events.
    pub nr_active: i32,
    /// Events with `inherit_stat`.
    pub nr_stat: i32,
    /// Some group did not fit.
    pub rotate_necessary: bool,
    /// Nanoseconds that this context has been active.
    pub time: u64,
    /// Clock at the last update of `time`.
    pub timestamp: u64,
    /// Changes with every attach and detach.
    pub generation: u64,
    /// The context that this one is a clone of, or null.
    pub parent_ctx: *mut PerfEventContext,
    /// Generation of `parent_ctx` that this one is a clone of.
    pub parent_gen: u64,
    /// Who needs the context to stay with its task.
    pub pin_count: i32,
    /// Somebody walks the flexible groups without the lock.
    pub rotate_disable: bool,
}

/// `TASK_TOMBSTONE`: the owner of a context whose task has exited.
pub const TASK_TOMBSTONE: *mut Task = ptr::without_provenance_mut(usize::MAX);

impl PerfEventContext {
    /// A context whose lists [`PerfEventContext::init`] has not made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lock: RawSpinlock::new(),
            mutex: Mutex::new(),
            is_active: Once::new(0),
            task: ptr::null_mut(),
            active_ctx_list: ListHead::null(),
            event_list: ListHead::null(),
            pinned_groups: ListHead::null(),
            flexible_groups: ListHead::null(),
            pinned_active: ListHead::null(),
            flexible_active: ListHead::null(),
            group_index_last: 0,
            nr_events: 0,
            nr_active: 0,
            nr_stat: 0,
            rotate_necessary: false,
            time: 0,
            timestamp: 0,
            generation: 0,
            parent_ctx: ptr::null_mut(),
            parent_gen: 0,
            pin_count: 0,
            rotate_disable: false,
        }
    }

    /// `__perf_event_init_context`: makes the lists, at the address where the context stays.
    pub fn init(&self) {
        self.active_ctx_list.init();
        self.event_list.init();
        self.pinned_groups.init();
        self.flexible_groups.init();
        self.pinned_active.init();
        self.flexible_active.init();
    }
}

impl Default for PerfEventContext {
    fn default() -> Self {
        Self::new()
    }
}

/// What the perf core needs of a task.
#[derive(Debug)]
#[repr(C)]
pub struct Task {
    /// Number, 0 is the idle task.
    pub pid: u32,
    /// CPU it runs on or ran on last.
    pub cpu: Once<i32>,
    /// CPU that has it, 0 none, else the number plus one: taken before a switch to it, given back
    /// behind a switch from it (`on_cpu`).
    pub on_cpu: Atomic32,
    /// Its context for hardware events (`perf_event_ctxp`), null before the first event and when it
    /// has exited. Two tasks may exchange theirs.
    pub ctx: Once<*mut PerfEventContext>,
    /// `task->perf_event_mutex`: guards the making of the context.
    pub perf_event_mutex: Mutex,
    /// It is exiting (`PF_EXITING`).
    pub exiting: Once<bool>,
}

/// What a [`TaskSlot`] holds.
pub mod slot {
    /// No task.
    pub const FREE: u32 = 0;
    /// A task that is being made: no number finds it.
    pub const NEW: u32 = 1;
    /// A task.
    pub const ALIVE: u32 = 2;
    /// A task that has exited; its number is not given out again.
    pub const DEAD: u32 = 3;
}

/// Room for a task and for the context that its first event gives it.
#[derive(Debug)]
#[repr(C)]
pub struct TaskSlot {
    /// The task.
    pub task: Task,
    /// What [`Task::ctx`] points to first.
    pub ctx: PerfEventContext,
    /// [`slot`].
    pub used: Once<u32>,
}

impl TaskSlot {
    /// No task.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            task: Task {
                pid: 0,
                cpu: Once::new(0),
                on_cpu: Atomic32::new(0),
                ctx: Once::new(ptr::null_mut()),
                perf_event_mutex: Mutex::new(),
                exiting: Once::new(false),
            },
            ctx: PerfEventContext::new(),
            used: Once::new(slot::FREE),
        }
    }
}

impl Default for TaskSlot {
    fn default() -> Self {
        Self::new()
    }
}

/// `struct perf_cpu_context`.
#[derive(Debug)]
#[repr(C)]
pub struct PerfCpuContext {
    /// The CPU's own context.
    pub ctx: PerfEventContext,
    /// Task context that is loaded, or null.
    pub task_ctx: *mut PerfEventContext,
    /// ACTIVE hardware events on this CPU.
    pub active_oncpu: i32,
    /// An exclusive group is on the PMU.
    pub exclusive: bool,
    /// Nesting depth of `perf_pmu_disable`.
    pub pmu_disable_count: i32,
    /// The multiplexing timer is armed: the next tick rotates.
    pub hrtimer_active: bool,
    /// The CPU takes events.
    pub online: Once<bool>,
}

impl PerfCpuContext {
    /// A CPU without events.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ctx: PerfEventContext::new(),
            task_ctx: ptr::null_mut(),
            active_oncpu: 0,
            exclusive: false,
            pmu_disable_count: 0,
            hrtimer_active: false,
            online: Once::new(true),
        }
    }
}

impl Default for PerfCpuContext {
    fn default() -> Self {
        Self::new()
    }
}

/// The perf core's other variables of one CPU.
#[derive(Debug)]
#[repr(C)]
pub struct PerfPercpu {
    /// The task that runs here.
    pub current: Once<*mut Task>,
    /// Ticks so far (`perf_throttled_seq`).
    pub throttled_seq: Once<u64>,
    /// Events throttled in this tick (`perf_throttled_count`).
    pub throttled_count: Local64,
    /// Contexts with ACTIVE events.
    pub active_ctx_list: ListHead,
    /// Events whose `irq_work` is to run, last queued first.
    pub irq_work_list: AtomicPtr<PerfEvent>,
    /// Calls from other CPUs, last queued first (`call_single_queue`).
    pub call_queue: AtomicPtr<()>,
    /// Events whose files the running task releases when it returns to user mode, last added first
    /// (`task_works`).
    pub task_works: Once<*mut PerfEvent>,
}

impl PerfPercpu {
    /// As before boot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            current: Once::new(ptr::null_mut()),
            throttled_seq: Once::new(0),
            throttled_count: Local64::new(0),
            active_ctx_list: ListHead::null(),
            irq_work_list: AtomicPtr::new(ptr::null_mut()),
            call_queue: AtomicPtr::new(ptr::null_mut()),
            task_works: Once::new(ptr::null_mut()),
        }
    }
}

impl Default for PerfPercpu {
    fn default() -> Self {
        Self::new()
    }
}
