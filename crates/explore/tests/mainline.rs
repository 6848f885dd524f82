// SPDX-License-Identifier: GPL-2.0-only
//! Mainline without sharing has no finding but known ones, whatever NMI comes in between.
//! `shipped.rs` sweeps what the files say; here the step that a file sweeps is swept by every source
//! there can be: each injector's PMI, prompt and late, and an NMI from elsewhere that reads an event.
//! With `MAINLINE_STEPS=all` in the environment every step of every program is swept, and every
//! event that is open there is read. Of a program of one CPU only what stands before the step is run,
//! and what is open is read afterwards, so that what many files begin with is swept once.
//! `MAINLINE_FILES=tasks/,sched/pause` limits that to files whose path has one of these in it, and
//! `MAINLINE_SHARD=0/4` to the first of four parts; each case that has something is printed.

mod common;

use common::{Shipped, known, scenario_files};
use std::collections::BTreeSet;

use explore::{
    KnownFindings, Mismatch, Progress, Source, aimed, judge_sweep, prepare, sources_at, sweep,
};
use scenario::{NmiSource, Op, Scenario, Step, write_scenario};

/// The NMIs that a step is swept by: every injector's, and one whose reader looks at every event that
/// is open or else at the one that the step is about, or the newest.
fn sources(scenario: &Scenario, (cpu, step): (usize, usize), all: bool) -> Vec<NmiSource> {
    let every = sources_at(scenario, (cpu, step)).into_iter();
    let nmis = every.filter(|source| source.event().is_some());
    let (externals, mut sources): (Vec<_>, Vec<_>) =
        nmis.partition(|source| matches!(source, NmiSource::External(_)));
    if all {
        sources.extend(externals);
    } else {
        let named = scenario.programs[cpu].steps[step].op.event();
        let about = externals.iter().find(|source| source.event() == named);
        sources.extend(about.or(externals.last()).cloned());
    }
    sources
}

/// The program of the only CPU up to this step, and a look at everything that is open then.
fn beginning(scenario: &Scenario, step: usize) -> Scenario {
    let mut short = scenario.clone();
    let steps = &mut short.programs[0].steps;
    steps.truncate(step + 1);
    let mut open: Vec<String> = Vec::new();
    for step in steps.iter() {
        match &step.op {
            Op::Open(event) => open.push(event.clone()),
            Op::Close(event) => open.retain(|name| name != event),
            Op::Exit => return short,
            _ => {}
        }
    }
    let ops = std::iter::once(Op::Work(1000)).chain(open.into_iter().map(Op::Read));
    steps.extend(ops.map(|op| Step {
        op,
        label: None,
        line: 0,
    }));
    // The numbers of injectors go by all events of a file: those stay.
    (short.title, short.source, short.claim) = (String::new(), None, None);
    (short.sweep, short.inject, short.events_why) = (None, Vec::new(), None);
    short.expect.clear();
    for step in &mut short.programs[0].steps {
        step.label = None;
    }
    short
}

/// What is found under `none` and `none-v59` that is not known.
fn findings(shipped: &Shipped, case: &Scenario, place: &str) -> Vec<String> {
    let list = known();
    let mut words = Vec::new();
    for name in ["none", "none-v59"] {
        let Some(expect) = shipped.scenario.expect.get(name) else {
            continue;
        };
        let scheduler = &shipped.resolved.schedulers[name];
        let machine = &shipped.resolved.machine;
        let image = image::Image::guest();
        let prepared = prepare(case, machine, scheduler, image).unwrap();
        let plan = prepared.plan(2).unwrap();
        let sweep = match sweep(&prepared.setup, plan, &Progress::default()) {
            Ok(sweep) => sweep,
            // A step may end before it enters the kernel: an exit of the last task.
            Err(explore::SweepError::NoKernel) => continue,
            // Another CPU has closed the event that the probe was to read.
            Err(explore::SweepError::Baseline(_)) if plan.source == Source::External => continue,
            Err(error) => panic!("{} {place}: {error}", shipped.name),
        };
        let known = KnownFindings::new(&list, scheduler, &sweep);
        let verdict = judge_sweep(expect, &sweep, &known);
        // What a file expects need not be reached by another source, or in another step.
        let found =
            |m: &Mismatch| matches!(m, Mismatch::Unexpected { .. } | Mismatch::Failed { .. });
        for mismatch in verdict.mismatches.into_iter().filter(found) {
            words.push(format!(
                "{} under {name}, {place}: {mismatch}",
                shipped.name
            ));
        }
    }
    words
}

/// The part that the environment asks for, `(0, 1)` for all.
fn shard() -> (usize, usize) {
    let shard = std::env::var("MAINLINE_SHARD").unwrap_or_else(|_| "0/1".to_owned());
    let (part, of) = shard.split_once('/').expect("MAINLINE_SHARD=part/of");
    (part.parse().unwrap(), of.parse().unwrap())
}

/// Whether the environment asks for this file.
fn asked_for(path: &std::path::Path) -> bool {
    let path = path.to_string_lossy();
    std::env::var("MAINLINE_FILES").map_or(true, |parts| {
        parts.split(',').any(|part| path.contains(part))
    })
}

#[test]
fn no_nmi_of_any_source_finds_what_is_not_known() {
    let all = std::env::var_os("MAINLINE_STEPS").is_some_and(|word| word == "all");
    let (part, parts) = shard();
    let mut failures = Vec::new();
    let mut seen = BTreeSet::new();
    for path in scenario_files().iter().filter(|path| asked_for(path)) {
        let shipped = Shipped::load(path);
        let scenario = &shipped.scenario;
        let steps: Vec<(usize, usize)> = if all {
            let kernel = |(cpu, program): (usize, &scenario::Program)| {
                let steps = program.steps.iter().enumerate();
                let list = steps.filter(|(_, step)| step.op.enters_kernel());
                list.map(|(step, _)| (cpu, step)).collect::<Vec<_>>()
            };
            scenario
                .programs
                .iter()
                .enumerate()
                .flat_map(kernel)
                .collect()
        } else {
            let step = scenario.sweep.as_ref();
            step.and_then(|sweep| scenario.labelled(&sweep.step))
                .into_iter()
                .collect()
        };
        for (cpu, step) in steps {
            let short;
            let mut scenario = scenario;
            if all && scenario.programs.len() == 1 {
                short = beginning(scenario, step);
                scenario = &short;
            }
            for source in sources(scenario, (cpu, step), all) {
                let case = aimed(scenario, (cpu, step), &source, 1);
                if !seen.insert(write_scenario(&case)) || seen.len() % parts != part {
                    continue;
                }
                let place = format!("cpu {cpu} step {}, {source}", step + 1);
                let found = findings(&shipped, &case, &place);
                for words in &found {
                    eprintln!("{words}");
                }
                failures.extend(found);
            }
        }
    }
    eprintln!("{} steps and sources", seen.len());
    let limited = std::env::var_os("MAINLINE_FILES").is_some();
    assert!(
        limited || seen.len() > 100,
        "only {} steps and sources",
        seen.len()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
