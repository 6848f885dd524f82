// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim explore`: NMIs, preemptions and ticks at any boundary of a scenario, several in one run.

use std::fs;
use std::path::Path;

use explore::{Prepared, Search, Space, SweepError, Terms};
use report::{ExploreContext, ExploreReport, PointReport};
use scenario::{Known, Scheduler};
use serde::Serialize;

use crate::args::ExploreArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::prepared::Loaded;
use crate::progress::watched;
use crate::traces::Traces;

#[derive(Serialize)]
struct Report {
    searches: Vec<ExploreReport>,
}

pub(crate) fn run(context: &Context, args: &ExploreArgs) -> Result<Exit, Failure> {
    let loaded = Loaded::read(
        context,
        &args.file,
        args.machine.as_deref(),
        &args.scheduler,
    )?;
    loaded.demand_schedulers(args.expect)?;
    if args.checkpoint.is_some() && loaded.schedulers.len() != 1 {
        let words = "--checkpoint holds one search: name one scheduler with --scheduler";
        return Err(Failure::input(words.to_owned()));
    }
    let known = loaded.configs.known()?;
    let mut searches = Vec::new();
    for scheduler in &loaded.schedulers {
        let report = one(context, args, &loaded, scheduler, &known)?;
        if !context.json() {
            if !searches.is_empty() {
                context.result("", &(), |out| writeln!(out))?;
            }
            context.result("explore", &(), |out| report.human(out))?;
        }
        searches.push(report);
        if context.interrupt.pressed() {
            break;
        }
    }
    let exit = if context.interrupt.pressed() {
        Exit::Interrupted
    } else if searches.iter().any(ExploreReport::finds) {
        Exit::Finding
    } else if searches.iter().any(|s| s.vacuous || s.cut) {
        Exit::Cut
    } else {
        Exit::Good
    };
    if context.json() {
        context.result("explore", &Report { searches }, |_| Ok(()))?;
    }
    Ok(exit)
}

fn one(
    context: &Context,
    args: &ExploreArgs,
    loaded: &Loaded,
    scheduler: &Scheduler,
    known: &[Known],
) -> Result<ExploreReport, Failure> {
    let prepared = loaded.prepare(scheduler)?;
    let step = match &args.step {
        Some(label) => Some(loaded.scenario.labelled(label).ok_or_else(|| {
            let name = &loaded.input.source.name;
            Failure::input(format!("{name} has no step labelled `{label}`"))
        })?),
        None => None,
    };
    let space = Space {
        sources: explore::sources(
            &loaded.scenario,
            prepared.setup.hardware.skid_max,
            args.ticks > 0,
        ),
        nmis: args.nmis,
        preemptions: args.preemptions,
        switches: args.switches,
        ticks: args.ticks,
        step,
        reduce: !args.no_reduction,
        max_executions: args.max_execs,
    };
    if space.sources.is_empty() {
        let words = "nothing can come in between: no injector, no probe, one CPU; --ticks N adds timer interrupts";
        return Err(Failure::input(format!(
            "{}: {words}",
            loaded.input.source.name
        )));
    }
    let texts = [
        loaded.input.source.text.as_str(),
        loaded.machine_text.as_str(),
        &scheduler.to_toml(),
    ];
    let key = explore::search_key(&prepared.setup, &space, &texts);
    let expected = match loaded.expect(scheduler) {
        Some(expect) if args.expect => expect.violates.as_slice(),
        _ => &[],
    };
    let baseline_expected = match loaded.expect(scheduler) {
        Some(expect) if args.expect => expect.baseline.as_slice(),
        _ => &[],
    };
    let terms = Terms {
        known,
        scheduler,
        expected,
    };
    let mut search = Search::new(&prepared.setup, space, terms)
        .map_err(|error| cannot(loaded, scheduler, &error))?;
    if let Some(file) = &args.checkpoint
        && file.exists()
    {
        let text = fs::read_to_string(file).map_err(|error| unusable(file, &error.to_string()))?;
        search
            .resume(&text, &key)
            .map_err(|words| unusable(file, &words))?;
    }
    let before = search.executions();
    let (result, took) = watched(context, &scheduler.name, |progress| {
        search.run(context.jobs(), progress)
    });
    result.map_err(|error| Failure::input(error.to_string()))?;
    context.rate(&scheduler.name, search.executions() - before, took);
    if let Some(file) = &args.checkpoint {
        fs::write(file, search.save(&key)).map_err(|error| unusable(file, &error.to_string()))?;
        if !search.complete() {
            context.note(&format!(
                "saved in {}: the same command goes on from there",
                file.display()
            ));
        }
    }
    let unknown = search.unknown_baseline(baseline_expected);
    report(
        context, args, loaded, scheduler, &prepared, &search, unknown,
    )
}

fn report(
    context: &Context,
    args: &ExploreArgs,
    loaded: &Loaded,
    scheduler: &Scheduler,
    prepared: &Prepared,
    search: &Search<'_>,
    baseline_unknown: usize,
) -> Result<ExploreReport, Failure> {
    let facts = ExploreContext {
        file: loaded.shown(context),
        title: loaded.scenario.title.clone(),
        scheduler: scheduler.name.clone(),
        machine: loaded.machine.name.clone(),
        step: args.step.clone(),
        baseline_unknown,
    };
    let traces = Traces::new(context, &args.write_traces, loaded, scheduler, prepared);
    outcomes(&traces, search, "x", facts)
}

/// The report, with a trace of the first run that shows each cause.
pub(crate) fn outcomes(
    traces: &Traces<'_>,
    search: &Search<'_>,
    letter: &str,
    facts: ExploreContext,
) -> Result<ExploreReport, Failure> {
    let mut failure = None;
    let report = ExploreReport::new(facts, search, |i, found| {
        let which = format!("{letter}{}", i + 1);
        match traces.write_recorded(&which, &found.decisions) {
            Ok((path, trace)) => {
                let points = trace.decisions.iter().map(PointReport::new);
                (points.collect(), Some(path))
            }
            Err(error) => {
                failure.get_or_insert(error);
                (Vec::new(), None)
            }
        }
    });
    match failure {
        Some(failure) => Err(failure),
        None => Ok(report),
    }
}

/// Why a search cannot begin.
pub(crate) fn cannot(loaded: &Loaded, scheduler: &Scheduler, error: &SweepError) -> Failure {
    match error {
        SweepError::Baseline(words) => Failure::Words(
            Exit::Finding,
            format!(
                "under {} the run without NMI does not end well: {words}",
                scheduler.name
            ),
        ),
        error => Failure::input(format!("{}: {error}", loaded.input.source.name)),
    }
}

fn unusable(file: &Path, words: &str) -> Failure {
    Failure::input(format!("checkpoint `{}`: {words}", file.display()))
}
