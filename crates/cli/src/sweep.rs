// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim sweep`: one NMI at every boundary of a scenario's step, and what that shows.

use std::collections::BTreeSet;

use explore::{
    Bad, Clock, KnownFindings, Mismatch, Plan, Search, Sweep, SweepError, Terms, Window,
};
use report::{ExploreContext, ExploreReport, SweepContext, SweepReport, mismatches};
use scenario::{Known, Scheduler};
use serde::Serialize;

use crate::aim::aims;
use crate::args::{SweepArgs, SweepSource};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::prepared::Loaded;
use crate::progress::watched;
use crate::search;
use crate::sources::Sources;
use crate::traces::Traces;

#[derive(Serialize)]
struct Report {
    sweeps: Vec<SweepReport>,
}

pub(crate) fn run(context: &Context, args: &SweepArgs) -> Result<Exit, Failure> {
    let loaded = Loaded::read(
        context,
        &args.file,
        args.machine.as_deref(),
        &args.scheduler,
    )?;
    loaded.demand_schedulers(args.expect)?;
    let known = loaded.configs.known()?;

    let sources = Sources::of_guest(loaded.configs.roots());
    let schedulers = loaded.schedulers.clone();
    let aims = aims(loaded, args)?;
    let runs = schedulers
        .iter()
        .flat_map(|scheduler| aims.iter().map(move |aim| (scheduler, aim)));
    let mut sweeps = Vec::new();
    for (scheduler, aim) in runs {
        let report = one(context, args, aim, scheduler, &known)?;
        if !context.json() {
            if !sweeps.is_empty() {
                context.result("", &(), |out| writeln!(out))?;
            }
            context.result("sweep", &(), |out| {
                report.human(out, &|file, line| sources.line(file, line))
            })?;
        }
        sweeps.push(report);
        if context.interrupt.pressed() {
            break;
        }
    }
    let exit = decide(context, args, &sweeps);
    if context.json() {
        context.result("sweep", &Report { sweeps }, |_| Ok(()))?;
    }
    Ok(exit)
}

fn decide(context: &Context, args: &SweepArgs, sweeps: &[SweepReport]) -> Exit {
    let bad = |sweep: &SweepReport| {
        if args.expect {
            !sweep.mismatches.is_empty()
        } else {
            sweep.finds()
        }
    };
    // Of all sources that there can be, some need not lead to a look at an event.
    let vacuous = if args.source.contains(&SweepSource::All) {
        sweeps.iter().all(|sweep| sweep.vacuous)
    } else {
        sweeps.iter().any(|sweep| sweep.vacuous)
    };
    if context.interrupt.pressed() {
        Exit::Interrupted
    } else if sweeps.iter().any(bad) {
        Exit::Finding
    } else if vacuous {
        Exit::Cut
    } else {
        Exit::Good
    }
}

fn one(
    context: &Context,
    args: &SweepArgs,
    loaded: &Loaded,
    scheduler: &Scheduler,
    known: &[Known],
) -> Result<SweepReport, Failure> {
    let prepared = loaded.prepare(scheduler)?;
    let plan = prepared.plan(context.jobs()).map(|plan| Plan {
        reduce: !args.no_reduction,
        nmis: args.nmis.unwrap_or(plan.nmis),
        ..plan
    });
    let (Some(plan), Some(asked)) = (plan, &loaded.scenario.sweep) else {
        let name = &loaded.input.source.name;
        return Err(Failure::input(format!(
            "{name}: the step of [sweep] cannot be swept"
        )));
    };
    let (sweep, took) = watched(context, &scheduler.name, |progress| {
        explore::sweep(&prepared.setup, plan, progress)
    });
    let sweep = sweep.map_err(|error| match error {
        SweepError::Baseline(words) => Failure::Words(
            Exit::Finding,
            format!(
                "under {} the run without NMI does not end well: {words}",
                scheduler.name
            ),
        ),
        error => Failure::input(format!("{}: {error}", loaded.input.source.name)),
    })?;
    context.rate(&scheduler.name, sweep.executions, took);

    let files = Traces::new(context, &args.write_traces, loaded, scheduler, &prepared);
    let traces = files.of_windows(&sweep)?;
    let expected = loaded.expect(scheduler).filter(|_| args.expect);
    let terms = Terms {
        known,
        scheduler,
        expected: expected.map_or(&[], |expect| expect.violates.as_slice()),
    };
    let mut deeper = None;
    if let Some(space) = plan.deeper(&asked.source.to_string())
        && !context.interrupt.pressed()
    {
        let mut search = Search::new(&prepared.setup, space, terms)
            .map_err(|error| search::cannot(loaded, scheduler, &error))?;
        let (result, took) = watched(context, &scheduler.name, |progress| {
            search.run(context.jobs(), progress)
        });
        result.map_err(|error| Failure::input(error.to_string()))?;
        context.rate(&scheduler.name, search.executions(), took);
        let facts = ExploreContext {
            file: loaded.shown(context),
            title: loaded.scenario.title.clone(),
            scheduler: scheduler.name.clone(),
            machine: loaded.machine.name.clone(),
            step: Some(asked.step.clone()),
            // The sweep has told of them.
            baseline_unknown: 0,
        };
        deeper = Some(search::outcomes(&files, &search, "k", facts)?);
    }
    let known = KnownFindings::new(known, scheduler, &sweep);
    let facts = SweepContext {
        file: loaded.shown(context),
        title: loaded.scenario.title.clone(),
        scheduler: scheduler.name.clone(),
        machine: loaded.machine.name.clone(),
        step: asked.step.clone(),
        source: asked.source.to_string(),
        clock: if sweep.bad.is_empty() {
            Clock::default()
        } else {
            Clock::new(&prepared.setup, sweep.cpu)
                .map_err(|error| Failure::input(error.to_string()))?
        },
        rates: args.rates.rates(),
    };
    let mut report = SweepReport::new(
        facts,
        &sweep,
        |window| reason(&known, &sweep, window),
        |violation| known.baseline(&sweep.baseline, violation).is_some(),
        |bad: &Bad| traces.get(&bad.ordinal).cloned(),
    );
    let unexpected = deeper.as_ref().map(unexplained).unwrap_or_default();
    if let Some(deeper) = deeper {
        report = report.with(deeper);
    }
    let Some(expect) = loaded.expect(scheduler) else {
        return Ok(report);
    };
    let mut verdict = explore::judge_sweep(expect, &sweep, &known);
    if args.expect {
        verdict.mismatches.extend(unexpected);
    }
    let list = mismatches(&verdict.mismatches, &loaded.shown(context), expect.line);
    Ok(report.judged(&verdict, list))
}

/// Causes of runs with several NMIs that nothing explains.
fn unexplained(deeper: &ExploreReport) -> Vec<Mismatch> {
    let outcomes = deeper.outcomes.iter().filter(|o| o.unexplained > 0);
    outcomes
        .map(|outcome| Mismatch::Unexpected {
            what: outcome.cause.clone(),
            boundaries: outcome.points.iter().map(|point| point.boundary).collect(),
        })
        .collect()
}

/// Why everything in a window is known; `None` when something is not.
fn reason(known: &KnownFindings<'_>, sweep: &Sweep, window: &Window) -> Option<String> {
    let reasons: Option<BTreeSet<&str>> = sweep.bad[window.first..=window.last]
        .iter()
        .flat_map(|bad| bad.causes.iter().map(move |cause| (cause, bad)))
        .map(|(cause, bad)| {
            let entry = known.at(&sweep.baseline.image, cause, bad)?;
            Some(entry.reason.as_str())
        })
        .collect();
    let reasons: Vec<&str> = reasons?.into_iter().collect();
    Some(reasons.join("; "))
}
