// SPDX-License-Identifier: GPL-2.0-only
//! Calls from the guest to the host: `VMCALL` with the number in RAX and the arguments in RDI,
//! RSI, RDX and RCX. No register changes. They tell the host what it could not know (which object
//! was born, which value was emitted); they never change what the guest does.

/// An event exists: RDI address of its `PerfEvent`, RSI its file descriptor (`u64::MAX` for an
/// inherited child), RDX address of its parent or 0.
pub const EVENT_BORN: u64 = 1;
/// An event was freed: RDI its address. The memory is quarantined, never used again.
pub const EVENT_DIED: u64 = 2;
/// A reader emitted a value: RDI address of the event, RSI the value, RDX a [`Reader`].
/// Issued right after the value was stored where the reader wants it.
pub const VALUE: u64 = 3;
/// The kernel warns: RDI and RSI address and length of the text, RDX the place, or 0 for the caller's.
pub const WARN: u64 = 4;
/// The guest panicked: RDI and RSI address and length of the text. The machine stops.
pub const PANIC: u64 = 5;
/// Text for the user: RDI and RSI address and length.
pub const CONSOLE: u64 = 6;
/// The program of this CPU has ended: RDI the exit status.
pub const EXIT: u64 = 7;

/// Who emitted a value ([`VALUE`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u64)]
pub enum Reader {
    /// `read(2)` of a single event.
    Read = 0,
    /// A member of a group in `read(2)`.
    ReadGroup = 1,
    /// A member of a group in a sample: stored into the ring buffer by NMI (R1).
    Sample = 2,
    /// `perf_event_read_local` (R2).
    ReadLocal = 3,
    /// The user page protocol at CPL 3.
    UserPage = 4,
    /// What `perf_event_pause` returns: the count without children's.
    Pause = 5,
}

impl Reader {
    /// The reader with number `n`.
    #[must_use]
    pub const fn from_number(n: u64) -> Option<Self> {
        Some(match n {
            0 => Self::Read,
            1 => Self::ReadGroup,
            2 => Self::Sample,
            3 => Self::ReadLocal,
            4 => Self::UserPage,
            5 => Self::Pause,
            _ => return None,
        })
    }
}
