// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim trace reanchor`.

use std::io;

use serde::Serialize;

use crate::style::{BAD, GOOD, HEAD, paint};

/// What became of one trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReanchorReport {
    /// The trace.
    pub trace: String,
    /// Its points or its digest are others with this guest image.
    pub changed: bool,
    /// The file holds the new ones.
    pub written: bool,
    /// Why it stays as it is: its cause changed, or it cannot be run.
    pub refused: Option<String>,
}

impl ReanchorReport {
    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let word = match (&self.refused, self.changed, self.written) {
            (Some(why), ..) => format!("{} {why}", paint(BAD, "refused:")),
            (None, false, _) => paint(GOOD, "up to date"),
            (None, true, true) => paint(GOOD, "renewed"),
            (None, true, false) => paint(HEAD, "would be renewed; --write does it"),
        };
        writeln!(out, "{}: {word}", self.trace)
    }
}
