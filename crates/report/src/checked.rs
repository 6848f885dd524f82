// SPDX-License-Identifier: GPL-2.0-only
//! Errors in input files as plain values, and the result of `pmusim check`.

use std::io;

use scenario::{Diagnostic, Diagnostics};
use serde::Serialize;

use crate::style::{GOOD, paint};

/// One error in an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputError {
    /// Stable code (`E0102`), where the kind of mistake has one.
    pub code: Option<String>,
    /// The mistake in a sentence.
    pub message: String,
    /// File, as errors call it; absent for an argument.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// How to mend it.
    pub help: Vec<String>,
}

impl InputError {
    /// A mistake without a place.
    #[must_use]
    pub fn plain(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            file: None,
            line: None,
            column: None,
            help: Vec::new(),
        }
    }

    /// Every mistake of `diagnostics`; `shown` turns a file's name into the one to show.
    #[must_use]
    pub fn all(diagnostics: &Diagnostics, shown: impl Fn(&str) -> String) -> Vec<Self> {
        let one = |d: &Diagnostic| {
            let position = d.position();
            let mut help: Vec<String> = d
                .labels
                .iter()
                .map(|label| label.text.clone())
                .filter(|text| !text.is_empty())
                .collect();
            help.extend(d.help.iter().cloned());
            Self {
                code: Some(d.code.to_string()),
                message: d.message.clone(),
                file: position.map(|_| shown(&d.source().name)),
                line: position.map(|(line, _)| line),
                column: position.map(|(_, column)| column),
                help,
            }
        };
        diagnostics.list().iter().map(one).collect()
    }
}

/// One file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedFile {
    /// The file.
    pub file: String,
    /// What it was taken for: `scenario`, `machine`, `scheduler`, `known` or `trace`.
    pub kind: &'static str,
    /// What is wrong with it; empty for a good file.
    pub errors: Vec<InputError>,
}

/// The result of `pmusim check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The files, in the order given.
    pub files: Vec<CheckedFile>,
}

impl CheckReport {
    /// A line for each good file; errors are rendered by whoever has the texts.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for file in self.files.iter().filter(|file| file.errors.is_empty()) {
            writeln!(out, "{} {} ({})", paint(GOOD, "ok"), file.file, file.kind)?;
        }
        Ok(())
    }

    /// Files with errors, and errors in all.
    #[must_use]
    pub fn bad(&self) -> (usize, usize) {
        let bad = self.files.iter().filter(|file| !file.errors.is_empty());
        bad.fold((0, 0), |(files, errors), file| {
            (files + 1, errors + file.errors.len())
        })
    }
}
