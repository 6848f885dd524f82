// SPDX-License-Identifier: GPL-2.0-only
//! A reduced sweep finds what the full one finds: the same bad boundaries with the same causes and
//! violations, the same outcomes. And it pays off.

mod common;

use common::{Shipped, scenario_files};
use explore::{Plan, Progress, Sweep, sweep};

/// Both sweeps of a scenario under a scheduler; what differs, in words.
fn differences(shipped: &Shipped, scheduler: &str) -> (Vec<String>, Option<[u64; 2]>) {
    let prepared = shipped.prepare(scheduler);
    let Some(plan) = prepared.plan(2) else {
        return (vec![], None);
    };
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
            let (words, executions) = differences(&shipped, scheduler);
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
