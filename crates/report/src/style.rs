// SPDX-License-Identifier: GPL-2.0-only
//! The few styles of human text. They are always written; the terminal's owner strips them where
//! they are not wanted.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Headings.
pub const HEAD: Style = Style::new().bold();
/// What holds.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What does not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What proves nothing.
pub const UNSURE: Style = AnsiColor::Yellow.on_default();
/// Names of fields, functions and files.
pub const NAME: Style = AnsiColor::Cyan.on_default();
/// What stands aside.
pub const DIM: Style = Style::new().dimmed();

/// `value` in `style`.
pub fn paint(style: Style, value: impl fmt::Display) -> String {
    format!("{style}{value}{style:#}")
}
