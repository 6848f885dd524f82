// SPDX-License-Identifier: GPL-2.0-only
//! The end of a Linux program under `pmusim exec`: how it ended, and what the machine's counters saw.

use abi::totals::{HwEvent, Ring};
use linux::{Ended, Process};
use machine::Reason;
use serde::Serialize;

use crate::style::{BAD, GOOD, UNSURE, paint};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramStop {
    /// By exit or exit_group.
    Exited,
    /// By a signal that it sent itself.
    Killed,
    /// An exception.
    Exception,
    /// A system call or an instruction that is not implemented.
    Unimplemented,
    /// The limit of instructions is used up.
    Limit,
    /// The user interrupted it.
    Interrupted,
}

/// Occurrences in user mode; `null` where the machine has no counter for the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProgramCounts {
    /// Instructions retired.
    pub instructions: Option<u64>,
    /// Branches retired.
    pub branches: Option<u64>,
    /// Memory reads.
    pub loads: Option<u64>,
    /// Memory writes.
    pub stores: Option<u64>,
}

/// The result of `pmusim exec` of a Linux program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramReport {
    /// How it ended.
    pub stop: ProgramStop,
    /// Its exit status, if it exited.
    pub status: Option<u8>,
    /// The signal's name, if it was killed.
    pub signal: Option<String>,
    /// The reason in words; empty for an exit.
    pub detail: String,
    /// What the machine's counters say.
    pub counts: ProgramCounts,
    /// Instructions retired at CPL 3.
    pub retired: u64,
    /// What it wrote to standard output, if that was kept.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
}

impl ProgramReport {
    /// What there is to say after `ended`; `None` stands for an interruption.
    #[must_use]
    pub fn new(process: &Process, ended: Option<&Ended>, out: &[u8], err: &[u8]) -> Self {
        let (stop, detail) = stop_of(ended);
        let counts = process.counts();
        let totals = process.machine().cores()[0].totals();
        Self {
            stop,
            status: match ended {
                Some(Ended::Exited(status)) => Some(*status),
                _ => None,
            },
            signal: match ended {
                Some(Ended::Killed(signal)) => Some(linux::signal_name(*signal)),
                _ => None,
            },
            detail,
            counts: ProgramCounts {
                instructions: counts.instructions,
                branches: counts.branches,
                loads: counts.loads,
                stores: counts.stores,
            },
            retired: totals.get(Ring::User, HwEvent::Instructions),
            stdout: String::from_utf8_lossy(out).into_owned(),
            stderr: String::from_utf8_lossy(err).into_owned(),
        }
    }

    /// A few lines for people, which go beside the program's output.
    #[must_use]
    pub fn summary(&self) -> String {
        let end = match (self.stop, self.status, &self.signal) {
            (_, Some(0), _) => paint(GOOD, "exited with 0"),
            (_, Some(status), _) => paint(BAD, format!("exited with {status}")),
            (_, _, Some(signal)) => paint(BAD, format!("killed by {signal}")),
            (ProgramStop::Limit | ProgramStop::Interrupted, _, _) => paint(UNSURE, &self.detail),
            _ => paint(BAD, &self.detail),
        };
        let counts = [
            ("instructions", self.counts.instructions),
            ("branches", self.counts.branches),
            ("loads", self.counts.loads),
            ("stores", self.counts.stores),
        ];
        let counts = counts.map(|(what, count)| match count {
            Some(count) => format!("{count} {what}"),
            None => format!("{what} not counted"),
        });
        format!("{end}\nin user mode: {}", counts.join(", "))
    }
}

fn stop_of(ended: Option<&Ended>) -> (ProgramStop, String) {
    let Some(ended) = ended else {
        return (
            ProgramStop::Interrupted,
            "interrupted by the user".to_owned(),
        );
    };
    match ended {
        Ended::Exited(_) => (ProgramStop::Exited, String::new()),
        Ended::Killed(signal) => (
            ProgramStop::Killed,
            format!("killed by {}", linux::signal_name(*signal)),
        ),
        Ended::Unsupported(call) => (ProgramStop::Unimplemented, call.to_string()),
        Ended::Limit => (
            ProgramStop::Limit,
            "the limit of instructions is used up (--max-insns)".to_owned(),
        ),
        Ended::Failed(failure) => {
            let stop = match &failure.reason {
                Reason::Core(
                    cpu::Stop::UnhandledException { .. } | cpu::Stop::TripleFault { .. },
                )
                | Reason::Panic(_) => ProgramStop::Exception,
                Reason::Core(_) | Reason::UnknownCall(_) => ProgramStop::Unimplemented,
            };
            (stop, failure.to_string())
        }
    }
}
