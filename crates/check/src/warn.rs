// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `warn`: the kernel does not warn, by `WARN_ON_ONCE` or of an MSR access that faults.

use machine::View;

use crate::violation::{Moment, Oracle, Violation};

/// The violation that a warning is.
pub(crate) fn violation(view: &View<'_>, text: u64, len: u64, rip: u64) -> Violation {
    let mut bytes = vec![0; len.min(512) as usize];
    let words = match view.mem.read(text, &mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => "(text outside memory)".to_owned(),
    };
    Violation {
        oracle: Oracle::Warn,
        event: "kernel".into(),
        reader: None,
        expected: "no warning".to_owned(),
        got: format!("WARN: {words} at {}", view.image.place(rip)),
        error: rip,
        tolerated: None,
        at: Moment::of(view, rip),
    }
}
