// SPDX-License-Identifier: GPL-2.0-only
//! Mainline without sharing has no finding but known ones, whatever NMI comes in between.
//! `shipped.rs` sweeps what the files say; here the step that a file sweeps is swept by every source
//! there can be: each injector's PMI, prompt and late, and an NMI from elsewhere that reads an event.
//! With `MAINLINE_STEPS=all` in the environment every step of every program is swept, and every
//! event that is open there is read, which takes hours.

mod common;

use common::{Shipped, known, scenario_files};
use explore::{KnownFindings, Plan, Progress, Source, judge_sweep, prepare, sweep};
use scenario::{Op, Scenario, Step};

/// A step with one source of NMIs: the scenario may have a probe more than its file.
struct Case {
    scenario: Scenario,
    cpu: usize,
    step: usize,
    source: Source,
    words: String,
}

/// Events of this program that are open before `step`, and that `perf_event_read_local` takes.
fn readable(scenario: &Scenario, cpu: usize, step: usize) -> Vec<String> {
    let steps = &scenario.programs[cpu].steps[..step];
    let mut open: Vec<&str> = Vec::new();
    for step in steps {
        match &step.op {
            Op::Open(event) => open.push(event),
            Op::Close(event) => open.retain(|name| name != event),
            _ => {}
        }
    }
    let counts = |name: &&str| {
        let event = scenario.event(name).unwrap();
        !event.is_injector() && !event.inherit
    };
    open.into_iter().filter(counts).map(str::to_owned).collect()
}

fn cases(scenario: &Scenario, cpu: usize, step: usize, all: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let place = format!("cpu {cpu} step {}", step + 1);
    for event in scenario.events.iter().filter(|event| event.is_injector()) {
        let code = event.attr().config;
        for (source, word) in [(Source::Pmi(code), "pmi"), (Source::Late(code), "late")] {
            cases.push(Case {
                scenario: scenario.clone(),
                cpu,
                step,
                source,
                words: format!("{place}, {word} {}", event.id),
            });
        }
    }
    let events = readable(scenario, cpu, step);
    // The event that the step is about, or the newest.
    let named = scenario.programs[cpu].steps[step].op.event();
    let chosen: Vec<&String> = match events.iter().find(|name| Some(name.as_str()) == named) {
        Some(event) if !all => vec![event],
        _ if all => events.iter().collect(),
        _ => events.last().into_iter().collect(),
    };
    for event in chosen {
        let mut scenario = scenario.clone();
        let steps = &mut scenario.programs[cpu].steps;
        let line = steps[step].line;
        let probe = Step {
            op: Op::Probe(event.clone()),
            label: None,
            line,
        };
        steps.insert(step, probe);
        cases.push(Case {
            scenario,
            cpu,
            step: step + 1,
            source: Source::External,
            words: format!("{place}, external {event}"),
        });
    }
    cases
}

/// What is found under `none` and `none-v59` that is not known.
fn findings(shipped: &Shipped, case: &Case) -> Vec<String> {
    let list = known();
    let mut words = Vec::new();
    for name in ["none", "none-v59"] {
        let Some(expect) = shipped.scenario.expect.get(name) else {
            continue;
        };
        let scheduler = &shipped.resolved.schedulers[name];
        let machine = &shipped.resolved.machine;
        let image = image::Image::guest();
        let prepared = prepare(&case.scenario, machine, scheduler, image).unwrap();
        let plan = Plan {
            cpu: case.cpu,
            step: case.step,
            source: case.source,
            jobs: 2,
            reduce: true,
            only_first: false,
            nmis: 1,
        };
        let sweep = match sweep(&prepared.setup, plan, &Progress::default()) {
            Ok(sweep) => sweep,
            // A step may end before it enters the kernel: an exit of the last task.
            Err(explore::SweepError::NoKernel) => continue,
            // Another CPU has closed the event that the probe was to read.
            Err(explore::SweepError::Baseline(_)) if case.source == Source::External => continue,
            Err(error) => panic!("{} {}: {error}", shipped.name, case.words),
        };
        let known = KnownFindings::new(&list, scheduler, &sweep);
        let verdict = judge_sweep(expect, &sweep, &known);
        for mismatch in verdict.mismatches {
            words.push(format!(
                "{} under {name}, {}: {mismatch}",
                shipped.name, case.words
            ));
        }
    }
    words
}

#[test]
fn no_nmi_of_any_source_finds_what_is_not_known() {
    let all = std::env::var_os("MAINLINE_STEPS").is_some_and(|word| word == "all");
    let mut failures = Vec::new();
    let mut swept = 0;
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
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
            for case in cases(scenario, cpu, step, all) {
                swept += 1;
                let found = findings(&shipped, &case);
                for words in &found {
                    eprintln!("{words}");
                }
                failures.extend(found);
            }
        }
    }
    assert!(swept > 100, "only {swept} steps and sources");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
