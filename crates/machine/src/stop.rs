// SPDX-License-Identifier: GPL-2.0-only
//! How a run ends: one closed list, with data; the words are here and nowhere else.

use std::fmt;

use image::Place;

/// The end of [`crate::Machine::run`].
#[derive(Debug, Clone)]
pub enum End {
    /// Every CPU's program has ended; the exit statuses, by CPU.
    Exited(Vec<u64>),
    /// The boundary that the caller named is next.
    Boundary,
    /// The caller's limit of boundaries is used up.
    Limit,
    /// The core halted with nothing that could wake it.
    Halted,
    /// A program made a system call, on a machine that stops there ([`crate::Machine::process`]).
    SystemCall,
    /// The guest cannot go on.
    Failed(Box<Failure>),
}

/// Why a guest cannot go on, and where.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What happened.
    pub reason: Reason,
    /// CPU it happened on.
    pub cpu: usize,
    /// Boundary of the instruction.
    pub ordinal: u64,
    /// Its address.
    pub rip: u64,
    /// Symbol and source line of that address.
    pub place: Place,
    /// Return addresses found by the frame pointers, innermost first.
    pub backtrace: Vec<(u64, Place)>,
}

/// What happened to the guest.
#[derive(Debug, Clone)]
pub enum Reason {
    /// The core stopped: not implemented, or an exception without a handler.
    Core(cpu::Stop),
    /// The guest panicked, with its own words.
    Panic(String),
    /// A guest call with a number that does not exist.
    UnknownCall(u64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(stop) => stop.fmt(f),
            Self::Panic(text) => write!(f, "the guest panicked: {text}"),
            Self::UnknownCall(number) => write!(f, "guest call {number} does not exist"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        write!(
            f,
            "  at {:#x} {} (cpu {}, boundary {})",
            self.rip, self.place, self.cpu, self.ordinal
        )?;
        for (addr, place) in &self.backtrace {
            write!(f, "\n  from {addr:#x} {place}")?;
        }
        Ok(())
    }
}
