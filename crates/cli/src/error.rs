// SPDX-License-Identifier: GPL-2.0-only
//! Why a command gives up, in words and as an exit code.

use std::io;

use report::InputError;
use scenario::Diagnostics;

use crate::exit::Exit;
use crate::files::json_name;

/// A command cannot do what it was asked to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Mistakes in input files, each with its place.
    Files(Vec<Diagnostics>),
    /// A mistake without a place in a file, and the exit code for it.
    Words(Exit, String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// An input error in words.
    pub(crate) fn input(words: impl Into<String>) -> Self {
        Self::Words(Exit::Input, words.into())
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Words(exit, _) => *exit,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
            Self::Files(_) | Self::Output(_) => Exit::Input,
        }
    }

    /// Text for people.
    pub(crate) fn render(&self, color: bool) -> String {
        match self {
            Self::Files(all) => {
                // A file that several others name is looked at for each of them.
                let mut texts: Vec<String> = all.iter().map(|d| d.render(color)).collect();
                let mut seen = std::collections::BTreeSet::new();
                texts.retain(|text| seen.insert(text.clone()));
                texts.join("\n\n")
            }
            Self::Words(_, words) => format!("{} {words}", report::paint(report::BAD, "error:")),
            Self::Output(error) => error.to_string(),
        }
    }

    /// The mistakes as plain values.
    pub(crate) fn errors(&self) -> Vec<InputError> {
        match self {
            Self::Files(all) => {
                let mut errors: Vec<InputError> = Vec::new();
                for error in all.iter().flat_map(|d| InputError::all(d, json_name)) {
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                }
                errors
            }
            Self::Words(_, words) => vec![InputError::plain(words.clone())],
            Self::Output(error) => vec![InputError::plain(error.to_string())],
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Files(vec![diagnostics])
    }
}
