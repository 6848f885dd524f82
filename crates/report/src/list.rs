// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim list`: names with a line about each.

use std::io;

use serde::Serialize;

use crate::style::{DIM, NAME};
use crate::table::Table;

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListItem {
    /// The name to use in commands and files.
    pub name: String,
    /// What it is, in a line.
    pub about: String,
    /// Where it comes from (`built-in`, a file); empty where that says nothing.
    pub origin: String,
}

/// A list of one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListReport {
    /// What is listed.
    pub what: String,
    /// The things, sorted as they are to be shown.
    pub items: Vec<ListItem>,
}

impl ListReport {
    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut table = Table::new();
        for item in &self.items {
            table.row([
                (NAME, item.name.clone()),
                (anstyle::Style::new(), item.about.clone()),
                (DIM, item.origin.clone()),
            ]);
        }
        table.write(out)
    }
}
