// SPDX-License-Identifier: GPL-2.0-only
//! The programs that the CPUs run: steps in order.

/// Where a `switch` goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SwitchTarget {
    /// The idle task (number 0).
    Idle,
    /// A task by name; its number is [`crate::Scenario::task_number`].
    Task(String),
}

/// One operation. Strings are ids of events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `perf_event_open`, then the mmap of its ring buffer if the event has one.
    Open(String),
    /// `close`.
    Close(String),
    /// `ioctl(PERF_EVENT_IOC_ENABLE)`.
    Enable {
        /// The event.
        event: String,
        /// With `PERF_IOC_FLAG_GROUP`.
        group: bool,
    },
    /// `ioctl(PERF_EVENT_IOC_DISABLE)`.
    Disable {
        /// The event.
        event: String,
        /// With `PERF_IOC_FLAG_GROUP`.
        group: bool,
    },
    /// `ioctl(PERF_EVENT_IOC_RESET)`.
    Reset {
        /// The event.
        event: String,
        /// With `PERF_IOC_FLAG_GROUP`.
        group: bool,
    },
    /// `ioctl(PERF_EVENT_IOC_REFRESH)`.
    Refresh {
        /// The event.
        event: String,
        /// Overflows until it disables itself.
        n: u32,
    },
    /// `ioctl(PERF_EVENT_IOC_PERIOD)`.
    Period {
        /// The event.
        event: String,
        /// The new period.
        n: u64,
    },
    /// `perf_event_pause` (`abi::syscall::IOC_PAUSE`).
    Pause {
        /// The event.
        event: String,
        /// The count becomes 0.
        reset: bool,
    },
    /// `read`.
    Read(String),
    /// The user page protocol at CPL 3; what it makes of the event is told to the host.
    UserRead(String),
    /// About this many user instructions; the exact number is the assembled program's.
    Work(u64),
    /// Another task runs on this CPU from here on (`abi::syscall::SWITCH_TO`).
    Switch(SwitchTarget),
    /// The current task has a child, which inherits its events (`abi::syscall::FORK`).
    Fork(String),
    /// The current task ends; the idle task goes on (`abi::syscall::EXIT_TASK`).
    ExitTask,
    /// The current task executes a program (`abi::syscall::EXEC`).
    Exec,
    /// This CPU's events leave as if it went away (`abi::syscall::OFFLINE`).
    Offline,
    /// It takes events again (`abi::syscall::ONLINE`).
    Online,
    /// Waits until a step of another CPU has begun or is done.
    Wait {
        /// Label of the step.
        step: String,
        /// Until it has begun; otherwise until it is done.
        begun: bool,
    },
    /// A timer tick on this CPU.
    Tick,
    /// The guest's clock advances.
    Advance {
        /// Nanoseconds.
        ns: u64,
    },
    /// `mmap` of the ring buffer.
    Mmap(String),
    /// An NMI that the PMU does not claim reads this event (`abi::syscall::IOC_NMI_PROBE`).
    Probe(String),
    /// The program ends here.
    Exit,
}

impl Op {
    /// The keys of steps.
    pub const NAMES: [&'static str; 23] = [
        "open",
        "close",
        "enable",
        "disable",
        "reset",
        "refresh",
        "period",
        "pause",
        "read",
        "user_read",
        "work",
        "switch",
        "fork",
        "exit_task",
        "exec",
        "offline",
        "online",
        "wait",
        "tick",
        "advance",
        "mmap",
        "probe",
        "exit",
    ];

    /// The key of this operation.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Close(_) => "close",
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::Reset { .. } => "reset",
            Self::Refresh { .. } => "refresh",
            Self::Period { .. } => "period",
            Self::Pause { .. } => "pause",
            Self::Read(_) => "read",
            Self::UserRead(_) => "user_read",
            Self::Work(_) => "work",
            Self::Switch(_) => "switch",
            Self::Fork(_) => "fork",
            Self::ExitTask => "exit_task",
            Self::Exec => "exec",
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Wait { .. } => "wait",
            Self::Tick => "tick",
            Self::Advance { .. } => "advance",
            Self::Mmap(_) => "mmap",
            Self::Probe(_) => "probe",
            Self::Exit => "exit",
        }
    }

    /// The event it is about.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Open(event)
            | Self::Close(event)
            | Self::Enable { event, .. }
            | Self::Disable { event, .. }
            | Self::Reset { event, .. }
            | Self::Refresh { event, .. }
            | Self::Period { event, .. }
            | Self::Pause { event, .. }
            | Self::Read(event)
            | Self::UserRead(event)
            | Self::Mmap(event)
            | Self::Probe(event) => Some(event),
            Self::Work(_)
            | Self::Switch(_)
            | Self::Fork(_)
            | Self::ExitTask
            | Self::Exec
            | Self::Offline
            | Self::Online
            | Self::Wait { .. }
            | Self::Tick
            | Self::Advance { .. }
            | Self::Exit => None,
        }
    }

    /// Does the CPU enter the kernel for it? Such a step can be swept.
    #[must_use]
    pub const fn enters_kernel(&self) -> bool {
        !matches!(
            self,
            Self::Work(_) | Self::Wait { .. } | Self::Advance { .. }
        )
    }
}

/// A step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub op: Op,
    /// Its name for sweeps and points.
    pub label: Option<String>,
    /// Its line in the file, from 1.
    pub line: u32,
}

/// What one CPU does. The position in [`crate::Scenario::programs`] is the CPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// The steps, in order.
    pub steps: Vec<Step>,
}
