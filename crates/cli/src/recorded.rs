// SPDX-License-Identifier: GPL-2.0-only
//! Traces that the user named, and the files inside them.

use std::path::Path;

use explore::Recorded;
use scenario::Diagnostics;
use trace::Trace;

use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, Input};

/// The trace at `path`, or on standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<(Input, Trace), Failure> {
    let input = files::text(path)?;
    let trace = Trace::parse(&input.source.name, &input.source.text)
        .map_err(|error| Failure::Words(Exit::Stale, error.to_string()))?;
    Ok((input, trace))
}

/// The files inside `trace`, which the user calls `name`.
pub(crate) fn inside(context: &Context, name: &str, trace: &Trace) -> Result<Recorded, Failure> {
    Recorded::of(trace).map_err(|diagnostics| broken(context, name, &diagnostics))
}

/// A file inside a trace does not parse: what is wrong with it, and the failure that follows.
pub(crate) fn broken(context: &Context, name: &str, diagnostics: &Diagnostics) -> Failure {
    context.note(&diagnostics.render(context.colors_stderr()));
    let words = format!("{name}: a file inside the trace has errors");
    Failure::Words(Exit::Stale, words)
}
