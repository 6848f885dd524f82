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
    /// `read`.
    Read(String),
    /// About this many user instructions; the exact number is the assembled program's.
    Work(u64),
    /// Another task runs on this CPU from here on (`abi::syscall::SWITCH_TO`).
    Switch(SwitchTarget),
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
    pub const NAMES: [&'static str; 14] = [
        "open", "close", "enable", "disable", "reset", "refresh", "read", "work", "switch", "tick",
        "advance", "mmap", "probe", "exit",
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
            Self::Read(_) => "read",
            Self::Work(_) => "work",
            Self::Switch(_) => "switch",
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
            | Self::Read(event)
            | Self::Mmap(event)
            | Self::Probe(event) => Some(event),
            Self::Work(_) | Self::Switch(_) | Self::Tick | Self::Advance { .. } | Self::Exit => {
                None
            }
        }
    }

    /// Does the CPU enter the kernel for it? Such a step can be swept.
    #[must_use]
    pub const fn enters_kernel(&self) -> bool {
        !matches!(self, Self::Work(_) | Self::Advance { .. })
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
