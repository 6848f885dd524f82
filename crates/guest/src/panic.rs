// SPDX-License-Identifier: GPL-2.0-only
//! Where a Rust panic of the guest ends.

use core::panic::PanicInfo;

use crate::host;
use crate::text::Line;

/// Tells the host the place and, where the message is a plain text, the message; never returns.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut line = Line::new();
    if let Some(at) = info.location() {
        line.text(at.file()).text(":").decimal(at.line().into());
    }
    if let Some(message) = info.message().as_str() {
        line.text(": ").text(message);
    }
    host::panic(line.as_bytes())
}
