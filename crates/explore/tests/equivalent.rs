// SPDX-License-Identifier: GPL-2.0-only
//! A reduced sweep finds what the full one finds: the same bad boundaries with the same causes and
//! violations, the same outcomes. And it pays off, where counters count in the kernel too.

mod common;

use common::{Shipped, scenario_files};
use explore::{Plan, Progress, Source, Sweep, sweep};

/// Both sweeps of a scenario under a scheduler; what differs, in words, and the executions of each.
fn differences(
    shipped: &Shipped,
    scheduler: &str,
    source: Option<Source>,
) -> (Vec<String>, Option<[u64; 2]>) {
    let prepared = shipped.prepare(scheduler);
    let Some(mut plan) = prepared.plan(2) else {
        return (vec![], None);
    };
    plan.source = source.unwrap_or(plan.source);
    let run = |reduce| {
        let plan = Plan { reduce, ..plan };
        sweep(&prepared.setup, plan, &Progress::default()).unwrap()
    };
    let (full, reduced) = (run(false), run(true));
    let of = |what: &str, same: bool| {
        (!same).then(|| format!("{} under {scheduler}: {what} differ", shipped.name))
    };
    let bad = |sweep: &Sweep| -> Vec<_> {
        let one = |bad: &explore::Bad| {
            let causes = bad.causes.clone();
            (bad.ordinal, bad.rip, bad.rip_before, causes, bad.decision)
        };
        sweep.bad.iter().map(one).collect()
    };
    let violations = |sweep: &Sweep| -> Vec<_> {
        let all = sweep.bad.iter().flat_map(|bad| &bad.violations);
        all.cloned().collect()
    };
    let words = [
        of("boundaries", full.boundaries == reduced.boundaries),
        of("outcomes", full.outcomes == reduced.outcomes),
        of("sampled", full.sampled == reduced.sampled),
        of("quiet boundaries", full.quiet == reduced.quiet),
        of("failures", full.failed == reduced.failed),
        of("bad boundaries", bad(&full) == bad(&reduced)),
        of("violations", violations(&full) == violations(&reduced)),
    ];
    let executions = [full.executions, reduced.executions];
    (words.into_iter().flatten().collect(), Some(executions))
}

/// The schedulers under which a scenario shows most: all that find something, or the first.
fn schedulers(shipped: &Shipped) -> Vec<&String> {
    let expect = &shipped.scenario.expect;
    let finds = |s: &&String| ["v10"].contains(&s.as_str()) || s.starts_with("mutants");
    let found: Vec<&String> = expect.keys().filter(finds).collect();
    if found.is_empty() {
        expect.keys().take(1).collect()
    } else {
        found
    }
}

#[test]
fn a_reduced_sweep_finds_what_the_full_one_finds() {
    let mut failures = Vec::new();
    let (mut full, mut reduced) = (0, 0);
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
        for scheduler in schedulers(&shipped) {
            let (words, executions) = differences(&shipped, scheduler, None);
            failures.extend(words);
            let Some([one, other]) = executions else {
                continue;
            };
            full += one;
            reduced += other;
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(reduced * 3 < full, "{reduced} executions for {full}");
}

/// The sweep of a scenario whose events count what retires in the kernel too.
fn with_the_kernel(mut shipped: Shipped) -> Option<Shipped> {
    let sweep = shipped.scenario.sweep.as_ref()?;
    shipped.scenario.labelled(&sweep.step)?;
    for event in &mut shipped.scenario.events {
        event.exclude_kernel = false;
    }
    Some(shipped)
}

/// Compares both sweeps of `like` one in `each` shipped scenarios, under one scheduler after the
/// other, or, with `PMUSIM_WIDE` set, of every scenario under all. The executions of both ways.
fn compare(
    source: Option<Source>,
    each: usize,
    like: impl Fn(Shipped) -> Option<Shipped>,
) -> [u64; 2] {
    let all = ["none", "v10", "delta", "v11", "v11r", "v12", "retry"];
    let wide = std::env::var_os("PMUSIM_WIDE").is_some();
    let mut failures = Vec::new();
    let (mut full, mut reduced) = (0, 0);
    for (index, path) in scenario_files().iter().enumerate() {
        let Some(shipped) = like(Shipped::load(path)) else {
            continue;
        };
        for (turn, scheduler) in all.iter().enumerate() {
            if !wide && index % (each * all.len()) != each * turn {
                continue;
            }
            let (words, executions) = differences(&shipped, scheduler, source);
            if let Some([one, other]) = executions {
                full += one;
                reduced += other;
            }
            failures.extend(words);
        }
    }
    eprintln!("{full} executions where all are made, {reduced} with reduction");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    [full, reduced]
}

#[test]
fn where_counters_count_in_the_kernel_too() {
    let [full, reduced] = compare(None, 2, with_the_kernel);
    assert!(reduced * 3 < full, "{reduced} executions for {full}");
}

#[test]
fn with_ticks_on_the_stack_of_what_they_interrupt() {
    let [full, reduced] = compare(Some(Source::Tick), 4, Some);
    assert!(reduced * 3 < full, "{reduced} executions for {full}");
}
