// SPDX-License-Identifier: GPL-2.0-only
//! Events of a scenario and the `perf_event_attr` that opens them.

use abi::{event_select, syscall, syscall::Attr};

/// What an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Only what decisions deliver (`abi::event_select::INJECTOR`).
    Inject,
    /// Instructions retired (`PERF_COUNT_HW_INSTRUCTIONS`).
    Instructions,
    /// Core cycles (`PERF_COUNT_HW_CPU_CYCLES`).
    Cycles,
    /// Reference cycles (`PERF_COUNT_HW_REF_CPU_CYCLES`).
    RefCycles,
    /// Branches retired (`PERF_COUNT_HW_BRANCH_INSTRUCTIONS`).
    Branches,
    /// Mispredicted branches (`PERF_COUNT_HW_BRANCH_MISSES`).
    BranchMisses,
    /// Nanoseconds while it is scheduled (`PERF_COUNT_SW_CPU_CLOCK`): a software event, in the group of
    /// a hardware event.
    CpuClock,
    /// A raw event select (`PERF_TYPE_RAW`): code, unit mask, EDGE, ANY, INV, CMASK.
    Raw(u64),
}

impl EventKind {
    /// The words for kinds in files, but for `raw`.
    pub(crate) const WORDS: [(&'static str, Self); 7] = [
        ("inject", Self::Inject),
        ("instructions", Self::Instructions),
        ("cycles", Self::Cycles),
        ("ref-cycles", Self::RefCycles),
        ("branches", Self::Branches),
        ("branch-misses", Self::BranchMisses),
        ("cpu-clock", Self::CpuClock),
    ];

    /// Bits of a raw event select that the driver takes from the user (`X86_RAW_EVENT_MASK` and
    /// ANY).
    pub(crate) const RAW_MASK: u64 = event_select::CODE_MASK
        | event_select::EDGE
        | event_select::ANY
        | event_select::INV
        | 0xff << event_select::CMASK_SHIFT;
}

/// What a read of the event returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ReadFormat {
    /// The event alone.
    #[default]
    Single,
    /// The whole group (`PERF_FORMAT_GROUP`).
    Group,
}

/// Which context an event is opened in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TaskTarget {
    /// The CPU's, whatever runs there (pid -1).
    #[default]
    Cpu,
    /// The task that opens it (pid 0).
    Current,
    /// A task by name.
    Task(String),
}

/// What an overflow of a sampling event runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnOverflow {
    /// `perf_event_output`: a sample into the ring buffer (reader R1).
    #[default]
    Output,
    /// `perf_event_read_local` of the event with this id (reader R2,
    /// `abi::syscall::IOC_OVERFLOW_READ_LOCAL`).
    ReadLocal(String),
}

/// A declared event. It exists in the guest from its `open` step on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name in the file, in points and in reports.
    pub id: String,
    /// What it counts.
    pub kind: EventKind,
    /// Number of the injector, in the order of the file; `Some` exactly for [`EventKind::Inject`].
    pub injector: Option<u8>,
    /// Occurrences per sample; 0 for a counting event.
    pub sample_period: u64,
    /// What a read returns.
    pub read: ReadFormat,
    /// Id of the group leader.
    pub group: Option<String>,
    /// CPU or task context.
    pub task: TaskTarget,
    /// The CPU it counts on; `None`: the one that opens it, or every CPU for a task's event.
    pub cpu: Option<u32>,
    /// Opened disabled.
    pub disabled: bool,
    /// Must always be on the PMU.
    pub pinned: bool,
    /// Its group alone may be on the PMU.
    pub exclusive: bool,
    /// Children of the task inherit it.
    pub inherit: bool,
    /// Counts follow the tasks when two exchange their events.
    pub inherit_stat: bool,
    /// The next exec enables it.
    pub enable_on_exec: bool,
    /// Does not count at CPL 3.
    pub exclude_user: bool,
    /// Does not count at CPL 0.
    pub exclude_kernel: bool,
    /// The program maps its ring buffer right after opening it.
    pub buffer: bool,
    /// What an overflow runs.
    pub on_overflow: OnOverflow,
    /// Line of the declaration, from 1.
    pub line: u32,
}

impl Event {
    /// A counting event of the CPU's context with every attribute as when nobody says anything.
    #[must_use]
    pub fn plain(id: &str, kind: EventKind) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            injector: None,
            sample_period: 0,
            read: ReadFormat::Single,
            group: None,
            task: TaskTarget::Cpu,
            cpu: None,
            disabled: false,
            pinned: false,
            exclusive: false,
            inherit: false,
            inherit_stat: false,
            enable_on_exec: false,
            exclude_user: false,
            exclude_kernel: false,
            buffer: false,
            on_overflow: OnOverflow::Output,
            line: 0,
        }
    }

    /// Does it sample?
    #[must_use]
    pub const fn is_sampling(&self) -> bool {
        self.sample_period != 0
    }

    /// Can decisions make it overflow?
    #[must_use]
    pub fn is_injector(&self) -> bool {
        self.kind == EventKind::Inject && self.is_sampling()
    }

    /// The attribute for `perf_event_open`. Every event reads its times and id; a sampling event
    /// samples with `PERF_SAMPLE_READ`.
    #[must_use]
    pub fn attr(&self) -> Attr {
        let (kind, config) = match self.kind {
            EventKind::Inject => (
                syscall::TYPE_RAW,
                event_select::injector(self.injector.unwrap_or(0)),
            ),
            EventKind::Instructions => (syscall::TYPE_HARDWARE, syscall::HW_INSTRUCTIONS),
            EventKind::Cycles => (syscall::TYPE_HARDWARE, syscall::HW_CPU_CYCLES),
            EventKind::RefCycles => (syscall::TYPE_HARDWARE, syscall::HW_REF_CPU_CYCLES),
            EventKind::Branches => (syscall::TYPE_HARDWARE, syscall::HW_BRANCH_INSTRUCTIONS),
            EventKind::BranchMisses => (syscall::TYPE_HARDWARE, syscall::HW_BRANCH_MISSES),
            EventKind::CpuClock => (syscall::TYPE_SOFTWARE, syscall::SW_CPU_CLOCK),
            EventKind::Raw(config) => (syscall::TYPE_RAW, config),
        };
        let mut read_format = syscall::FORMAT_TOTAL_TIME_ENABLED
            | syscall::FORMAT_TOTAL_TIME_RUNNING
            | syscall::FORMAT_ID;
        if self.read == ReadFormat::Group {
            read_format |= syscall::FORMAT_GROUP;
        }
        let flags = [
            (self.disabled, Attr::DISABLED),
            (self.inherit, Attr::INHERIT),
            (self.inherit_stat, Attr::INHERIT_STAT),
            (self.enable_on_exec, Attr::ENABLE_ON_EXEC),
            (self.pinned, Attr::PINNED),
            (self.exclusive, Attr::EXCLUSIVE),
            (self.exclude_user, Attr::EXCLUDE_USER),
            (self.exclude_kernel, Attr::EXCLUDE_KERNEL),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .fold(0, |flags, (_, bit)| flags | bit);
        Attr {
            kind,
            size: Attr::SIZE,
            config,
            sample_period: self.sample_period,
            sample_type: if self.is_sampling() {
                syscall::SAMPLE_READ
            } else {
                0
            },
            read_format,
            flags,
            ..Attr::default()
        }
    }
}
