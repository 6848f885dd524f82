// SPDX-License-Identifier: GPL-2.0-only
//! Traces that the user named, and the files inside them.

use std::path::Path;

use explore::Recorded;
use scenario::Diagnostics;
use trace::{Trace, Verdict};

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

/// Finding number `number`, from 1, of a trace that the user calls `name`; without any there is
/// nothing to do, which is what `what` says.
pub(crate) fn finding<'a>(
    name: &str,
    trace: &'a Trace,
    number: u16,
    what: &str,
) -> Result<&'a Verdict, Failure> {
    if let Some(verdict) = trace.verdicts.get(usize::from(number) - 1) {
        return Ok(verdict);
    }
    let (exit, words) = match trace.verdicts.len() {
        0 => (
            Exit::Cut,
            format!("the trace is clean, so there is nothing to {what}"),
        ),
        n => (
            Exit::Input,
            format!("the trace has {n} findings, no number {number}"),
        ),
    };
    Err(Failure::Words(exit, format!("{name}: {words}")))
}

/// A file inside a trace does not parse: what is wrong with it, and the failure that follows.
pub(crate) fn broken(context: &Context, name: &str, diagnostics: &Diagnostics) -> Failure {
    context.note(&diagnostics.render(context.colors_stderr()));
    let words = format!("{name}: a file inside the trace has errors");
    Failure::Words(Exit::Stale, words)
}
