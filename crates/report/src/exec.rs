// SPDX-License-Identifier: GPL-2.0-only
//! The end of `pmusim exec`: registers, flags, retired instructions and the reason for the end.

use std::io;

use abi::totals::{HwEvent, Ring};
use cpu::flags;
use machine::{End, Machine, Reason};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::style::{BAD, DIM, GOOD, HEAD, UNSURE, paint};

/// Names of the general registers, in the order of [`cpu::Cpu::regs`].
const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Why the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecStop {
    /// It halted.
    Hlt,
    /// An exception without a working handler.
    Exception,
    /// The limit of instructions is used up.
    Limit,
    /// Something that this machine does not have: an instruction or a device.
    Unimplemented,
    /// The user interrupted it.
    Interrupted,
}

impl ExecStop {
    /// The word in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hlt => "hlt",
            Self::Exception => "exception",
            Self::Limit => "limit",
            Self::Unimplemented => "unimplemented",
            Self::Interrupted => "interrupted",
        }
    }
}

/// General registers in the order that debuggers print them; serialised as a map of hex strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterValues(Vec<(&'static str, u64)>);

impl Serialize for RegisterValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &format!("{value:#x}"))?;
        }
        map.end()
    }
}

/// Names of the flags that are set in an RFLAGS value, highest bit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u64);

impl Flags {
    /// The names, with blanks between them.
    #[must_use]
    pub fn names(self) -> String {
        let all = [
            (flags::ID, "ID"),
            (flags::AC, "AC"),
            (flags::RF, "RF"),
            (flags::NT, "NT"),
            (flags::OF, "OF"),
            (flags::DF, "DF"),
            (flags::IF, "IF"),
            (flags::TF, "TF"),
            (flags::SF, "SF"),
            (flags::ZF, "ZF"),
            (flags::AF, "AF"),
            (flags::PF, "PF"),
            (flags::CF, "CF"),
        ];
        let set: Vec<&str> = all
            .iter()
            .filter(|(bit, _)| self.0 & bit != 0)
            .map(|&(_, name)| name)
            .collect();
        set.join(" ")
    }
}

/// The result of `pmusim exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecReport {
    /// The registers, and `rip` and `rflags`.
    #[serde(flatten)]
    pub registers: RegisterValues,
    /// Instructions retired, in both rings.
    pub retired: u64,
    /// Why it ended.
    pub stop: ExecStop,
    /// The reason in words; empty for `hlt`.
    pub detail: String,
    /// Current privilege level at the end.
    pub cpl: u8,
    #[serde(skip)]
    rflags: u64,
    #[serde(skip)]
    place: String,
}

impl ExecReport {
    /// What CPU 0 of `machine` shows after `end`; `None` stands for an interruption.
    #[must_use]
    pub fn new(machine: &Machine, end: Option<&End>) -> Self {
        let core = &machine.cores()[0];
        let cpu = &core.cpu;
        let mut registers: Vec<(&'static str, u64)> =
            [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15]
                .map(|i: usize| (NAMES[i], cpu.regs[i]))
                .to_vec();
        registers.push(("rip", cpu.rip));
        registers.push(("rflags", cpu.rflags()));
        let (stop, detail) = stop_of(end);
        Self {
            registers: RegisterValues(registers),
            retired: retired(machine),
            stop,
            detail,
            cpl: cpu.cpl(),
            rflags: cpu.rflags(),
            place: machine.image().place(cpu.rip).to_string(),
        }
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for pair in self.registers.0.chunks(2) {
            for (i, (name, value)) in pair.iter().enumerate() {
                let gap = if i == 0 { "" } else { "   " };
                write!(out, "{gap}{name:<6} {value:#018x}")?;
            }
            writeln!(out)?;
        }
        let set = Flags(self.rflags).names();
        let set = if set.is_empty() {
            "none".to_owned()
        } else {
            set
        };
        writeln!(out, "{} {set}", paint(HEAD, "flags"))?;
        writeln!(out, "{} {}", paint(HEAD, "retired"), self.retired)?;
        let style = match self.stop {
            ExecStop::Hlt => GOOD,
            ExecStop::Exception | ExecStop::Unimplemented => BAD,
            ExecStop::Limit | ExecStop::Interrupted => UNSURE,
        };
        let stop = paint(style, self.stop.name());
        write!(
            out,
            "{} {stop} {}",
            paint(HEAD, "stop"),
            paint(DIM, format!("at {}", self.place))
        )?;
        if self.detail.is_empty() {
            writeln!(out)
        } else {
            writeln!(out, "\n{}", self.detail)
        }
    }
}

/// Instructions that CPU 0 has retired.
fn retired(machine: &Machine) -> u64 {
    let totals = &machine.cores()[0].cpu.totals;
    totals.get(Ring::Kernel, HwEvent::Instructions) + totals.get(Ring::User, HwEvent::Instructions)
}

fn stop_of(end: Option<&End>) -> (ExecStop, String) {
    let Some(end) = end else {
        return (ExecStop::Interrupted, "interrupted by the user".to_owned());
    };
    match end {
        End::Halted | End::Exited(_) => (ExecStop::Hlt, String::new()),
        End::Limit | End::Boundary | End::SystemCall => (
            ExecStop::Limit,
            "the limit of instructions is used up (--max-insns)".to_owned(),
        ),
        End::Failed(failure) => {
            let stop = match &failure.reason {
                Reason::Core(
                    cpu::Stop::UnhandledException { .. } | cpu::Stop::TripleFault { .. },
                )
                | Reason::Panic(_) => ExecStop::Exception,
                Reason::Core(cpu::Stop::Unimplemented { .. } | cpu::Stop::UnclaimedPort { .. })
                | Reason::UnknownCall(_) => ExecStop::Unimplemented,
            };
            (stop, failure.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    #[test]
    fn flags_by_name() {
        assert_eq!(Flags(0x246).names(), "IF ZF PF");
        assert_eq!(Flags(2).names(), "");
        assert_eq!(Flags(0x8d5).names(), "OF SF ZF AF PF CF");
    }
}
