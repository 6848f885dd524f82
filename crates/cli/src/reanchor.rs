// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim trace`: what is done to traces as files.

use std::fs;

use explore::ReplayError;
use report::ReanchorReport;
use trace::Trace;

use crate::args::{ReanchorArgs, TraceCommand};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, json_name};
use crate::prepared::guest;

pub(crate) fn run(context: &Context, command: &TraceCommand) -> Result<Exit, Failure> {
    match command {
        TraceCommand::Reanchor(args) => reanchor(context, args),
    }
}

/// Points and digests as this guest image has them; a trace whose cause changed stays as it is.
fn reanchor(context: &Context, args: &ReanchorArgs) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    let mut reports = Vec::new();
    for path in &args.traces {
        let input = files::text(path)?;
        let name = &input.source.name;
        let (renewed, refused) = match renew(name, &input.source.text) {
            Ok(trace) => (Some(trace.to_string()), None),
            Err(words) => (None, Some(words)),
        };
        let changed = renewed
            .as_ref()
            .is_some_and(|text| *text != input.source.text);
        if let (true, true, Some(text)) = (args.write, changed, &renewed) {
            let cannot =
                |error: std::io::Error| Failure::input(format!("cannot write `{name}`: {error}"));
            // The old trace stays whole until the new one is.
            let beside = path.with_extension("trace.new");
            fs::write(&beside, text).map_err(cannot)?;
            fs::rename(&beside, path).map_err(cannot)?;
        }
        if refused.is_some() {
            exit = Exit::Stale;
        }
        reports.push(ReanchorReport {
            trace: if context.json() {
                json_name(name)
            } else {
                name.clone()
            },
            changed,
            written: changed && args.write,
            refused,
        });
    }
    context.result("trace-reanchor", &reports, |out| {
        reports.iter().try_for_each(|report| report.human(out))
    })?;
    Ok(exit)
}

/// The trace as this image would record it, or why it must not be.
fn renew(name: &str, text: &str) -> Result<Trace, String> {
    let trace = Trace::parse(name, text).map_err(|error| error.to_string())?;
    let replay = explore::replay(&trace, guest()).map_err(|error| match error {
        ReplayError::Files(diagnostics) => diagnostics.render(false),
        error => error.to_string(),
    })?;
    if replay.matches() {
        Ok(replay.renewed)
    } else {
        Err(replay.differences.join("; "))
    }
}
