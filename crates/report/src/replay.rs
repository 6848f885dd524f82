// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim replay`.

use std::io;

use serde::Serialize;

use crate::style::{BAD, GOOD, HEAD, paint};
use crate::sweep::WidthReport;

/// A trace that was run again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayReport {
    /// The trace.
    pub trace: String,
    /// Verdict and digest are as recorded.
    pub matches: bool,
    /// The trace was made with another guest image: its decisions were found again by their
    /// semantic points, and only the verdict is compared.
    pub reanchored: bool,
    /// Where they are not.
    pub differences: Vec<String>,
    /// The verdict of the new run.
    pub verdict: Vec<String>,
    /// Digest of the state at the end of the new run.
    pub digest: String,
    /// For each decision the boundaries around its own that show the same.
    pub windows: Vec<ReplayWindowReport>,
}

/// The window of one decision of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayWindowReport {
    /// The decision, in the words of the trace.
    pub decision: String,
    /// Its first boundary.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// The search for its ends was cut: it may be wider.
    pub cut: bool,
    /// How wide it is, and what that means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<WidthReport>,
}

impl ReplayWindowReport {
    /// `name`: which decision it is, where there are several.
    fn human(&self, name: &str, out: &mut dyn io::Write) -> io::Result<()> {
        let count = self.last - self.first + 1;
        let more = if self.cut { " or more" } else { "" };
        let plural = if count == 1 { "y" } else { "ies" };
        writeln!(
            out,
            "  window {name}{count}{more} boundar{plural} {}..={}",
            self.first, self.last
        )?;
        match &self.width {
            Some(width) => writeln!(out, "  width  {}", width.words()),
            None => Ok(()),
        }
    }
}

impl ReplayReport {
    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let word = if self.matches {
            paint(GOOD, "as recorded")
        } else {
            paint(BAD, "not as recorded")
        };
        writeln!(out, "{}: {word}", paint(HEAD, &self.trace))?;
        if self.reanchored {
            writeln!(
                out,
                "  found again in another guest image: only the verdict is compared"
            )?;
        }
        for line in &self.verdict {
            writeln!(out, "  {line}")?;
        }
        for line in &self.differences {
            writeln!(out, "  {} {line}", paint(BAD, "differs:"))?;
        }
        for (i, window) in self.windows.iter().enumerate() {
            let name = match self.windows.len() {
                1 => String::new(),
                _ => format!("of decision {}, {}: ", i + 1, window.decision),
            };
            window.human(&name, out)?;
        }
        writeln!(out, "  state {}", self.digest)
    }
}
