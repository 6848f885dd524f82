// SPDX-License-Identifier: GPL-2.0-only
//! A trace as text.

use std::fmt;

use crate::{Decision, Inline, Kind, Trace, VERSION, Verdict};

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pmusim-trace {VERSION}")?;
        writeln!(f, "image {}", self.image)?;
        for (kind, file) in [
            ("scenario", &self.scenario),
            ("machine", &self.machine),
            ("scheduler", &self.scheduler),
        ] {
            inline(f, kind, file)?;
        }
        for decision in &self.decisions {
            writeln!(f, "decision {decision}")?;
        }
        for verdict in &self.verdicts {
            writeln!(f, "end {verdict}")?;
        }
        if self.verdicts.is_empty() {
            writeln!(f, "end clean")?;
        }
        writeln!(f, "digest {}", self.digest)
    }
}

/// Lines of the file, each behind a bar, so that no content can look like a line of the trace.
fn inline(f: &mut fmt::Formatter<'_>, kind: &str, file: &Inline) -> fmt::Result {
    writeln!(f, "begin {kind} {}", file.name)?;
    for line in file.text.lines() {
        writeln!(f, "|{line}")?;
    }
    writeln!(f, "end {kind}")
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu{} {}", self.cpu, self.kind)?;
        write!(f, " | {}", self.semantic.as_deref().unwrap_or("-"))?;
        write!(f, " | {}", self.code.as_deref().unwrap_or("-"))?;
        write!(f, " | ordinal={} rip={:#x}", self.ordinal, self.rip)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pmi(event) => write!(f, "pmi {event}"),
            Self::Late { event, occurs_at } => write!(f, "late {event} from {occurs_at}"),
            Self::External => f.write_str("nmi"),
            Self::Tick => f.write_str("tick"),
            Self::Preempt(to) => write!(f, "run cpu{to}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} row={} window={}..{}",
            self.oracle, self.event, self.row, self.window.0, self.window.1
        )
    }
}
