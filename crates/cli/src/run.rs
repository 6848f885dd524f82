// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim run`: scenarios under the schedulers that they expect something of.

use std::path::Path;

use explore::{Execution, Prepared, Search, Terms, Verdict};
use machine::{Entry, Schedule};
use report::{Cell, RunReport, RunRow, mismatches};
use scenario::{Expect, Scheduler};

use crate::args::RunArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files;
use crate::prepared::Loaded;
use crate::progress::watched;
use crate::traces::Traces;

pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<Exit, Failure> {
    let paths = files::expand(&args.files, &["toml"])?;
    let loaded = load(context, args, &paths)?;
    let pairs = |scenario: &Loaded| {
        scenario
            .schedulers
            .iter()
            .filter(|s| scenario.expect(s).is_some())
            .count()
    };
    let total: usize = loaded.iter().map(pairs).sum();
    if total == 0 {
        let why = "no scenario there expects anything of the schedulers asked for";
        return Err(Failure::Words(
            Exit::Nothing,
            format!("nothing selected: {why}"),
        ));
    }

    let mut report = RunReport {
        scenarios: Vec::new(),
        interrupted: false,
    };
    let mut done = 0;
    'all: for scenario in &loaded {
        let mut row = RunRow {
            file: scenario.shown(context),
            title: scenario.scenario.title.clone(),
            cells: Vec::new(),
        };
        for scheduler in &scenario.schedulers {
            let Some(expect) = scenario.expect(scheduler) else {
                continue;
            };
            done += 1;
            let what = format!(
                "{done}/{total} {} {}",
                scenario.input.stem(),
                scheduler.name
            );
            let traces = args.write_traces.as_deref();
            let cell = cell(context, scenario, scheduler, expect, traces, &what)?;
            if context.interrupt.pressed() {
                report.interrupted = true;
                if !row.cells.is_empty() {
                    report.scenarios.push(row);
                }
                break 'all;
            }
            row.cells.push(cell);
        }
        if !row.cells.is_empty() {
            report.scenarios.push(row);
        }
    }
    context.result("run", &report, |out| report.human(out))?;
    Ok(if report.interrupted {
        Exit::Interrupted
    } else if report.violated() > 0 {
        Exit::Finding
    } else if report.vacuous() > 0 {
        Exit::Cut
    } else {
        Exit::Good
    })
}

/// Reads every file before anything runs, and tells of the mistakes in all of them.
pub(crate) fn load(
    context: &Context,
    args: &RunArgs,
    paths: &[std::path::PathBuf],
) -> Result<Vec<Loaded>, Failure> {
    let mut loaded = Vec::new();
    let mut failures: Vec<Failure> = Vec::new();
    for path in paths {
        match Loaded::read(context, path, args.machine.as_deref(), &args.scheduler) {
            Ok(scenario) => loaded.push(scenario),
            Err(failure) => failures.push(failure),
        }
    }
    let mut all = Vec::new();
    for failure in failures {
        match failure {
            Failure::Files(diagnostics) => all.extend(diagnostics),
            other => return Err(other),
        }
    }
    if all.is_empty() {
        Ok(loaded)
    } else {
        Err(Failure::Files(all))
    }
}

/// Everything that the file says about one scheduler: its sweep, and its injections or plain run.
/// Traces of these go to folder `traces`, if there is one.
pub(crate) fn cell(
    context: &Context,
    loaded: &Loaded,
    scheduler: &Scheduler,
    expect: &Expect,
    traces: Option<&Path>,
    what: &str,
) -> Result<Cell, Failure> {
    let prepared = loaded.prepare(scheduler)?;
    let broken = |words: String| {
        Failure::input(format!(
            "{} under {}: {words}",
            loaded.input.source.name, scheduler.name
        ))
    };
    let mut verdict = Verdict::default();
    let mut swept = None;
    let mut base = None;
    let traces = traces.map(|folder| Traces::new(context, folder, loaded, scheduler, &prepared));
    if let Some(plan) = prepared.plan(context.jobs()) {
        let (sweep, _) = watched(context, what, |progress| {
            explore::sweep(&prepared.setup, plan, progress)
        });
        let sweep = sweep.map_err(|error| broken(error.to_string()))?;
        let list = loaded.configs.known()?;
        let known = explore::KnownFindings::new(&list, scheduler, &sweep);
        verdict = explore::judge_sweep(expect, &sweep, &known);
        swept = Some((sweep.boundaries, sweep.bad.len() as u64));
        base = Some((sweep.baseline.violations.len(), sweep.baseline.digest));
        if let Some(traces) = &traces {
            traces.of_windows(&sweep)?;
        }
        let name = loaded.scenario.sweep.as_ref().map(|s| s.source.to_string());
        if let Some(space) = plan.deeper(&name.unwrap_or_default()) {
            let terms = Terms {
                known: &list,
                scheduler,
                expected: &expect.violates,
            };
            let mut search = Search::new(&prepared.setup, space, terms)
                .map_err(|error| broken(error.to_string()))?;
            let (result, _) = watched(context, what, |progress| {
                search.run(context.jobs(), progress)
            });
            result.map_err(|error| broken(error.to_string()))?;
            verdict.mismatches.extend(search.unexplained());
        }
    }
    if swept.is_none() || !loaded.scenario.inject.is_empty() {
        let (baseline, injected) = execute(loaded, &prepared).map_err(broken)?;
        if let (Some(traces), Some((_, decisions))) = (&traces, &injected) {
            traces.write("inject", decisions)?;
        }
        let injected = injected.map(|(run, _)| run);
        let list = loaded.configs.known()?;
        let known = explore::KnownFindings::of_run(&list, scheduler);
        let judged = explore::judge_run(expect, &baseline, injected.as_deref(), &known);
        for (reason, at) in judged.known {
            verdict.known.entry(reason).or_default().extend(at);
        }
        verdict.mismatches.extend(judged.mismatches);
        verdict.vacuous |= injected.as_ref().is_some_and(|run| !run.looked());
        base = Some((baseline.violations.len(), baseline.digest));
    }
    let file = loaded.shown(context);
    if let (Some(traces), Some((findings, _))) = (&traces, &base) {
        let plain = swept.is_none() && loaded.scenario.inject.is_empty();
        if *findings > 0 || plain {
            traces.write("base", &[])?;
        }
    }
    let (baseline, digest) = base.map_or((0, String::new()), |(n, d)| (n, d.to_string()));
    Ok(Cell {
        scheduler: scheduler.name.clone(),
        held: verdict.holds(),
        vacuous: verdict.vacuous,
        boundaries: swept.map(|(all, _)| all),
        bad: swept.map(|(_, bad)| bad),
        known: verdict.known,
        baseline,
        digest,
        mismatches: mismatches(&verdict.mismatches, &file, expect.line),
    })
}

/// A run with the decisions that it had.
type Injected = (Execution, Vec<Entry>);

/// The run without decisions, and the one with the file's injections if it has any.
fn execute(loaded: &Loaded, prepared: &Prepared) -> Result<(Execution, Option<Injected>), String> {
    let setup = &prepared.setup;
    let baseline = explore::execute(setup, Schedule::empty()).map_err(|e| e.to_string())?;
    if loaded.scenario.inject.is_empty() {
        return Ok((baseline, None));
    }
    let mut rig = explore::Rig::new(setup).map_err(|e| e.to_string())?;
    let decisions = explore::injections(&mut rig, &loaded.scenario).map_err(|(at, error)| {
        let line = loaded
            .scenario
            .inject
            .get(at)
            .map_or(0, |injection| injection.line);
        format!("the injection of line {line}: {error}")
    })?;
    let schedule = Schedule::new(decisions.clone());
    let injected = explore::execute(setup, schedule).map_err(|e| e.to_string())?;
    Ok((baseline, Some((injected, decisions))))
}
