// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim replay`.

use std::io;

use serde::Serialize;

use crate::style::{BAD, GOOD, HEAD, paint};

/// A trace that was run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
        writeln!(out, "  state {}", self.digest)
    }
}
