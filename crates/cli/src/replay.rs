// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim replay`: a trace is run again; verdict and digest must be as recorded.

use explore::ReplayError;
use report::ReplayReport;
use trace::Trace;

use crate::args::ReplayArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, json_name};
use crate::prepared::guest;

pub(crate) fn run(context: &Context, args: &ReplayArgs) -> Result<Exit, Failure> {
    let input = files::text(&args.trace)?;
    let name = &input.source.name;
    let stale = |words: String| Failure::Words(Exit::Stale, words);
    let trace = Trace::parse(name, &input.source.text).map_err(|error| stale(error.to_string()))?;
    let replay = explore::replay(&trace, guest()).map_err(|error| match error {
        ReplayError::Files(diagnostics) => {
            context.note(&diagnostics.render(context.colors_stderr()));
            stale(format!("{name}: a file inside the trace has errors"))
        }
        error => stale(format!("{name}: {error}")),
    })?;
    let mut verdict: Vec<String> = replay.verdicts.iter().map(ToString::to_string).collect();
    if verdict.is_empty() {
        verdict.push("clean".to_owned());
    }
    let report = ReplayReport {
        trace: if context.json() {
            json_name(name)
        } else {
            name.clone()
        },
        matches: replay.matches(),
        reanchored: replay.reanchored,
        differences: replay.differences.clone(),
        verdict,
        digest: replay.run.digest.to_string(),
    };
    context.result("replay", &report, |out| report.human(out))?;
    Ok(if report.matches {
        Exit::Good
    } else {
        Exit::Finding
    })
}
