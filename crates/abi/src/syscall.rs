// SPDX-License-Identifier: GPL-2.0-only
//! System calls by their Linux x86-64 numbers, the perf ioctls, and the layout of
//! `struct perf_event_attr` (include/uapi/linux/perf_event.h). Private calls start at
//! [`PRIVATE_BASE`].

/// `read(fd, buf, len)`.
pub const READ: u64 = 0;
/// `close(fd)`.
pub const CLOSE: u64 = 3;
/// `mmap(addr, len, prot, flags, fd, offset)`.
pub const MMAP: u64 = 9;
/// `ioctl(fd, request, arg)`.
pub const IOCTL: u64 = 16;
/// `exit(status)`: ends the program of this CPU.
pub const EXIT: u64 = 60;
/// `perf_event_open(attr, pid, cpu, group_fd, flags)`.
pub const PERF_EVENT_OPEN: u64 = 298;

/// First private system call.
pub const PRIVATE_BASE: u64 = 0x1000;
/// `switch_to(task)`: the task that runs on this CPU from here on; task 0 is the idle task, others
/// are created at their first mention. The instruction stream goes on: it is that task's now.
pub const SWITCH_TO: u64 = 0x1000;
/// `fork(task)`: the current task has a child with this number, which inherits its events. The
/// child runs when somebody switches to it.
pub const FORK: u64 = 0x1001;
/// `exit_task()`: the current task ends; this CPU's idle task goes on with the instruction stream.
pub const EXIT_TASK: u64 = 0x1002;
/// `exec()`: the current task executes a program, which is the same one: what its events do then.
pub const EXEC: u64 = 0x1003;
/// `offline()`: what happens to this CPU's events when the CPU goes away (`perf_event_exit_cpu`).
/// It does not go: its instruction stream goes on.
pub const OFFLINE: u64 = 0x1004;
/// `online()`: it is back (`perf_event_init_cpu`).
pub const ONLINE: u64 = 0x1005;
/// `user_value(fd, value)`: tells the host what the user page protocol made of this event.
pub const USER_VALUE: u64 = 0x1006;

/// `PERF_EVENT_IOC_ENABLE`.
pub const IOC_ENABLE: u64 = 0x2400;
/// `PERF_EVENT_IOC_DISABLE`.
pub const IOC_DISABLE: u64 = 0x2401;
/// `PERF_EVENT_IOC_REFRESH`.
pub const IOC_REFRESH: u64 = 0x2402;
/// `PERF_EVENT_IOC_RESET`.
pub const IOC_RESET: u64 = 0x2403;
/// `PERF_EVENT_IOC_PERIOD`.
pub const IOC_PERIOD: u64 = 0x4008_2404;
/// Private: the overflow handler of this sampling event becomes `perf_event_read_local` of the
/// event whose descriptor is the argument (what a BPF program attached to it does; reader R2).
pub const IOC_OVERFLOW_READ_LOCAL: u64 = 0x7001;
/// Private: an NMI that the PMU does not claim runs `perf_event_read_local` of this event on the
/// CPU that takes it.
pub const IOC_NMI_PROBE: u64 = 0x7002;
/// Private: `perf_event_pause` with the argument as `reset`; what it returns is told to the host.
pub const IOC_PAUSE: u64 = 0x7003;
/// `PERF_IOC_FLAG_GROUP`.
pub const IOC_FLAG_GROUP: u64 = 1;

/// `PERF_TYPE_HARDWARE`.
pub const TYPE_HARDWARE: u32 = 0;
/// `PERF_TYPE_SOFTWARE`.
pub const TYPE_SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_CPU_CLOCK`.
pub const SW_CPU_CLOCK: u64 = 0;
/// `PERF_TYPE_RAW`.
pub const TYPE_RAW: u32 = 4;
/// `PERF_COUNT_HW_CPU_CYCLES`.
pub const HW_CPU_CYCLES: u64 = 0;
/// `PERF_COUNT_HW_INSTRUCTIONS`.
pub const HW_INSTRUCTIONS: u64 = 1;
/// `PERF_COUNT_HW_BRANCH_INSTRUCTIONS`.
pub const HW_BRANCH_INSTRUCTIONS: u64 = 4;
/// `PERF_COUNT_HW_BRANCH_MISSES`.
pub const HW_BRANCH_MISSES: u64 = 5;
/// `PERF_COUNT_HW_REF_CPU_CYCLES`.
pub const HW_REF_CPU_CYCLES: u64 = 9;
/// `PERF_COUNT_SW_DUMMY`.
pub const SW_DUMMY: u64 = 9;

/// `PERF_FORMAT_TOTAL_TIME_ENABLED`.
pub const FORMAT_TOTAL_TIME_ENABLED: u64 = 1;
/// `PERF_FORMAT_TOTAL_TIME_RUNNING`.
pub const FORMAT_TOTAL_TIME_RUNNING: u64 = 2;
/// `PERF_FORMAT_ID`.
pub const FORMAT_ID: u64 = 4;
/// `PERF_FORMAT_GROUP`.
pub const FORMAT_GROUP: u64 = 8;
/// `PERF_SAMPLE_READ`.
pub const SAMPLE_READ: u64 = 1 << 4;

/// `struct perf_event_attr`, version 5 (112 bytes), as the guest reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Attr {
    /// Major type.
    pub kind: u32,
    /// Size of this structure in bytes.
    pub size: u32,
    /// Type-specific configuration.
    pub config: u64,
    /// Period, or frequency with [`Attr::FREQ`]; 0 for a counting event.
    pub sample_period: u64,
    /// `PERF_SAMPLE_*`.
    pub sample_type: u64,
    /// `PERF_FORMAT_*`.
    pub read_format: u64,
    /// The bit field: `Attr::DISABLED` and its neighbours.
    pub flags: u64,
    /// Wake-up after so many events or bytes.
    pub wakeup: u32,
    /// Breakpoint type; unused.
    pub bp_type: u32,
    /// Extension of `config`.
    pub config1: u64,
    /// Extension of `config1`.
    pub config2: u64,
    /// Branch stack selection; unused.
    pub branch_sample_type: u64,
    /// User registers in samples; unused.
    pub sample_regs_user: u64,
    /// User stack in samples; unused.
    pub sample_stack_user: u32,
    /// Clock of the event; unused.
    pub clockid: i32,
    /// Registers at interrupt in samples; unused.
    pub sample_regs_intr: u64,
    /// Watermark of the AUX area; unused.
    pub aux_watermark: u32,
    /// Frames in a call chain; unused.
    pub sample_max_stack: u32,
}

impl Attr {
    /// Size of the structure in bytes (`PERF_ATTR_SIZE_VER5`).
    pub const SIZE: u32 = 112;
    /// Off by default.
    pub const DISABLED: u64 = 1 << 0;
    /// Children inherit it.
    pub const INHERIT: u64 = 1 << 1;
    /// Must always be on the PMU.
    pub const PINNED: u64 = 1 << 2;
    /// Only group on the PMU.
    pub const EXCLUSIVE: u64 = 1 << 3;
    /// Do not count at CPL 3.
    pub const EXCLUDE_USER: u64 = 1 << 4;
    /// Do not count at CPL 0.
    pub const EXCLUDE_KERNEL: u64 = 1 << 5;
    /// `sample_period` is a frequency.
    pub const FREQ: u64 = 1 << 10;
    /// Per-task counts are inherited.
    pub const INHERIT_STAT: u64 = 1 << 11;
    /// Next exec enables.
    pub const ENABLE_ON_EXEC: u64 = 1 << 12;
}

const _: () = assert!(size_of::<Attr>() == Attr::SIZE as usize);
