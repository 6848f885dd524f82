// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim replay`: a trace is run again; verdict and digest must be as recorded.

use explore::ReplayError;
use report::{ReplayReport, ReplayWindowReport, WidthReport};

use crate::args::ReplayArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::json_name;
use crate::prepared::guest;
use crate::recorded;

/// Boundaries to each side of the trace's own that are tried for the window's ends.
const NEIGHBOURS: u64 = 256;

pub(crate) fn run(context: &Context, args: &ReplayArgs) -> Result<Exit, Failure> {
    let result = replay(context, args);
    if !args.for_bisect {
        let (exit, _) = result?;
        return Ok(exit);
    }
    match result {
        Ok((_, Some(true))) => Ok(Exit::Finding),
        Ok((_, Some(false))) => Ok(Exit::Good),
        Ok((_, None)) => {
            context.note("the trace records no finding: git can tell nothing by it");
            Ok(Exit::Skip)
        }
        Err(failure) => {
            context.fail(&failure);
            Ok(Exit::Skip)
        }
    }
}

/// The exit code, and whether every recorded finding shows again, if there is one.
fn replay(context: &Context, args: &ReplayArgs) -> Result<(Exit, Option<bool>), Failure> {
    let (input, trace) = recorded::read(&args.trace)?;
    let name = &input.source.name;
    let stale = |words: String| Failure::Words(Exit::Stale, words);
    let replay = explore::replay(&trace, guest()).map_err(|error| match error {
        ReplayError::Files(diagnostics) => recorded::broken(context, name, &diagnostics),
        error => stale(format!("{name}: {error}")),
    })?;
    let mut verdict: Vec<String> = replay.verdicts.iter().map(ToString::to_string).collect();
    if verdict.is_empty() {
        verdict.push("clean".to_owned());
    }
    // Whoever bisects wants the exit code alone.
    let windows = if args.for_bisect {
        Vec::new()
    } else {
        replay
            .windows(NEIGHBOURS)
            .map_err(|error| stale(format!("{name}: {error}")))?
    };
    let rates = args.rates.rates();
    let windows = windows.into_iter().map(|window| ReplayWindowReport {
        decision: trace.decisions[window.decision].kind.to_string(),
        first: window.first,
        last: window.last,
        cut: window.cut,
        width: window.cycles.map(|cycles| WidthReport::new(cycles, &rates)),
    });
    let report = ReplayReport {
        windows: windows.collect(),
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
    let again = |verdict| replay.verdicts.contains(verdict);
    let shows = (!trace.verdicts.is_empty()).then(|| trace.verdicts.iter().all(again));
    let exit = if report.matches {
        Exit::Good
    } else {
        Exit::Finding
    };
    Ok((exit, shows))
}
