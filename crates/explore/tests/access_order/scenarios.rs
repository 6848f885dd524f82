// SPDX-License-Identifier: GPL-2.0-only
//! The runs in which the rows take all their branches.

use abi::rows::Row;
use explore::check_end;
use machine::{Decision, Schedule};

use crate::Told;
use crate::common::Shipped;
use crate::record::{Recorded, run};
use crate::tell;

/// Everything that happens to sharers: joining, leaving and coming back, reads, a master that is
/// disabled while others run, masters that are closed with three, two, one and no slaves.
const LIFE: &str = r#"
format = 1
title = "the life of sharers"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L", exclude_kernel = true },
  { id = "X", kind = "cycles" },
  { id = "B", like = "A", group = "none" },
  { id = "C", like = "A", group = "none" },
  { id = "D", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { open = "X" }, { work = 100 }, { read = "X" }, { read = "A" },
  { open = "B" }, { work = 100 }, { read = "A" }, { read = "B" },
  { disable = "B" }, { read = "B" }, { enable = "B" }, { work = 100 },
  { open = "C" }, { work = 100 }, { read = "C" },
  { disable = "A" }, { work = 100 }, { read = "A" }, { enable = "A" }, { work = 100 },
  { disable = "L" }, { work = 100 }, { read = "A" }, { enable = "L" }, { work = 100 },
  { open = "D" }, { work = 100 },
  { close = "A" }, { work = 100 }, { read = "B" }, { read = "D" },
  { close = "B" }, { read = "C" }, { close = "D" }, { read = "C" }, { close = "C" },
  { close = "X" }, { close = "L" },
]
[expect.none]
"#;

/// The master's group is scheduled out while others run: it is ENABLED, is read, and closed so.
const ENABLED: &str = r#"
format = 1
title = "a master that is ENABLED"
machine = "skylake"
event = [
  { id = "L", kind = "cycles" },
  { id = "A", kind = "instructions", group = "L", exclude_kernel = true },
  { id = "B", like = "A", group = "none" },
  { id = "C", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { open = "B" }, { open = "C" }, { work = 100 },
  { disable = "L" }, { work = 100 }, { read = "A" }, { disable = "C" }, { read = "A" },
  { disable = "B" }, { read = "A" }, { enable = "B" }, { work = 100 },
  { close = "A" }, { work = 100 }, { read = "B" }, { close = "B" },
]
[expect.none]
"#;

/// Events that are opened disabled, and join as OFF.
const OFF: &str = r#"
format = 1
title = "a master that is OFF"
machine = "skylake"
event = [
  { id = "A", kind = "instructions", exclude_kernel = true, disabled = true },
  { id = "B", like = "A" },
  { id = "C", like = "A" },
]
[[cpu]]
program = [
  { open = "A" }, { open = "B" }, { read = "A" }, { read = "B" },
  { enable = "B" }, { work = 100 }, { read = "B" }, { read = "A" }, { disable = "B" },
  { enable = "A" }, { work = 100 }, { disable = "A" },
  { open = "C" }, { close = "A" }, { enable = "B" }, { work = 100 }, { read = "B" },
  { close = "C" }, { close = "B" },
]
[expect.none]
"#;

/// The newest slave is INACTIVE while an older one runs: it becomes the master, ENABLED.
const INACTIVE: &str = r#"
format = 1
title = "a new master that is INACTIVE"
machine = "skylake"
event = [
  { id = "G", kind = "cycles", disabled = true },
  { id = "A", kind = "instructions", exclude_kernel = true },
  { id = "B", like = "A" },
  { id = "C", like = "A", group = "G" },
]
[[cpu]]
program = [
  { open = "G" }, { open = "A" }, { open = "B" }, { open = "C" }, { work = 100 },
  { disable = "A" }, { close = "A" }, { work = 100 }, { read = "B" }, { read = "C" },
  { close = "C" }, { read = "B" }, { close = "B" },
]
[expect.none]
"#;

/// A master that is removed as it is the only one left, and one event that never shares.
const ALONE: &str = r#"
format = 1
title = "a master without slaves"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2 },
  { id = "A", kind = "instructions", exclude_kernel = true },
  { id = "B", like = "A" },
  { id = "C", like = "A" },
]
[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { open = "B" }, { work = 100 }, { close = "B" },
  { work = 100 }, { read = "A" }, { open = "C" }, { close = "C" }, { close = "A" }, { close = "L" },
]
[expect.none]
"#;

/// More events than counters: the master cannot be added.
const FULL: &str = r#"
format = 1
title = "a master that does not fit"
machine = "minimal"
event = [
  { id = "P", kind = "cycles" },
  { id = "Q", kind = "branch-misses" },
  { id = "R", kind = "instructions" },
  { id = "A", kind = "branches", exclude_kernel = true },
  { id = "B", like = "A" },
]
[[cpu]]
program = [
  { open = "P" }, { open = "Q" }, { open = "R" }, { open = "A" }, { open = "B" }, { work = 100 },
  { read = "A" }, { read = "B" }, { close = "A" }, { close = "B" },
]
[expect.none]
"#;

/// A pinned group that cannot be scheduled is in ERROR; it is removed so.
const ERROR: &str = r#"
format = 1
title = "removed in ERROR"
machine = "minimal"
event = [
  { id = "A", kind = "branches", exclude_kernel = true, pinned = true },
  { id = "Z", kind = "cycles", pinned = true },
  { id = "S", like = "A" },
  { id = "P", kind = "branch-misses", group = "S" },
]
[[cpu]]
program = [
  { open = "A" }, { open = "Z" }, { open = "S" }, { open = "P" }, { work = 100 },
  { read = "A" }, { close = "S" }, { close = "A" },
]
[expect.none]
"#;

/// The events belong to a task that does not run.
const TASK: &str = r#"
format = 1
title = "a context that is not active"
machine = "skylake"
event = [
  { id = "A", kind = "instructions", exclude_kernel = true, disabled = true, task = "t" },
  { id = "B", like = "A" },
]
[[cpu]]
program = [
  { open = "A" }, { open = "B" }, { enable = "B" }, { enable = "A" }, { read = "A" },
  { switch = "t" }, { work = 100 }, { read = "A" }, { read = "B" }, { switch = "idle" },
  { close = "A" }, { read = "B" }, { close = "B" },
]
[expect.none]
"#;

/// L's overflow handler reads A locally: alone, as a master, as a slave.
const LOCAL: &str = r#"
format = 1
title = "local reads"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, on_overflow = { read_local = "A" } },
  { id = "K", kind = "instructions", exclude_kernel = true },
  { id = "A", like = "K" },
  { id = "B", like = "K" },
]
[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { work = 100 },
  { open = "B" }, { work = 100 },
  { disable = "A" }, { open = "K" }, { close = "A" }, { work = 100 },
]
[expect.none]
"#;

/// The same with A a slave.
const LOCAL_SLAVE: &str = r#"
format = 1
title = "local reads of a slave"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, on_overflow = { read_local = "A" } },
  { id = "K", kind = "instructions", exclude_kernel = true },
  { id = "A", like = "K" },
]
[[cpu]]
program = [ { open = "L" }, { open = "K" }, { open = "A" }, { work = 100 } ]
[expect.none]
"#;

/// L's sample reads S, a slave, while S is read or its master is removed.
const SAMPLED: &str = r#"
format = 1
title = "a slave that is sampled"
machine = "skylake"
event = [
  { id = "A", kind = "instructions", exclude_kernel = true },
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "S", like = "A", group = "L" },
]
[[cpu]]
program = [
  { open = "A" }, { open = "L" }, { open = "S" }, { work = 100 }, { read = "S" }, { close = "A" },
]
[expect.none]
"#;

/// A master with five sharers is closed.
const MANY: &str = r#"
format = 1
title = "many sharers"
machine = "skylake"
event = [
  { id = "A", kind = "instructions", exclude_kernel = true },
  { id = "B", like = "A" },
  { id = "C", like = "A" },
  { id = "D", like = "A" },
  { id = "E", like = "A" },
  { id = "F", like = "A" },
]
[[cpu]]
program = [
  { open = "A" }, { open = "B" }, { open = "C" }, { open = "D" }, { open = "E" }, { open = "F" },
  { work = 100 }, { disable = "C" }, { enable = "C" }, { close = "A" }, { work = 100 }, { close = "F" },
  { disable = "E" }, { close = "D" }, { close = "B" }, { close = "E" }, { close = "C" },
]
[expect.none]
"#;

/// User pages of a master and of its sharers, and a reset of each.
const PAGE: &str = r#"
format = 1
title = "user pages"
machine = "skylake"
event = [
  { id = "L", kind = "cycles" },
  { id = "A", kind = "instructions", group = "L", exclude_kernel = true },
  { id = "B", like = "A", group = "none" },
  { id = "C", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { mmap = "A" }, { open = "B" }, { mmap = "B" }, { open = "C" },
  { mmap = "C" }, { work = 100 }, { reset = "A" }, { reset = "B" }, { disable = "L" }, { work = 100 },
  { disable = "B" }, { enable = "B" }, { enable = "L" }, { work = 100 }, { disable = "C" }, { disable = "B" },
  { disable = "L" }, { reset = "A" }, { close = "A" }, { close = "B" }, { close = "C" }, { close = "L" },
]
[expect.none]
"#;

const SCHEDULERS: [&str; 5] = ["v10", "delta", "v11", "v11r", "v12"];

/// v10 without the copies of child counts, as mixed schedulers run it.
const NO_CHILDREN: &str = "v10 without child counts";

fn shipped(text: &str) -> Shipped {
    Shipped::parse("access-order.toml", text.to_owned())
}

fn recorded(scenario: &Shipped, scheduler: &str, schedule: Schedule) -> Recorded {
    let setup = if scheduler == NO_CHILDREN {
        let mut setup = scenario.prepare("v10").setup;
        setup.rows.0[Row::ShadowChildCount as usize] = 0;
        setup
    } else {
        scenario.prepare(scheduler).setup
    };
    let recorded = run(&setup, schedule);
    if let Err(error) = check_end(&recorded.end) {
        panic!("{} under {scheduler}: {error}", scenario.scenario.title);
    }
    recorded
}

fn told(recorded: &Recorded) -> Vec<Told> {
    let calls = recorded.recorder.calls.iter();
    calls.map(|call| tell(call, &recorded.objects)).collect()
}

/// A PMI of injector L at this boundary.
fn pmi(scenario: &Shipped, at: u64) -> Schedule {
    let code = scenario.scenario.event("L").unwrap().attr().config;
    Schedule::new(vec![(0, at, Decision::Pmi { code })])
}

/// The boundary behind the first access `line` of `function`, in a call that has all of `with`.
fn behind(calls: &[Told], function: &str, line: &str, with: &[&str]) -> u64 {
    calls
        .iter()
        .filter(|call| call.function == function)
        .filter(|call| with.iter().all(|w| call.lines.iter().any(|l| l == w)))
        .find_map(|call| call.ordinals[call.lines.iter().position(|l| l == line)?])
        .unwrap_or_else(|| panic!("no `{line}` in {function}"))
        + 1
}

/// What each call of `function` does when it runs in place of `scheduler`'s remove_dup, which is
/// given by `rows`, in every scenario.
pub(crate) fn with_rows(scheduler: &str, rows: &[(Row, &str)], function: &str) -> Vec<Told> {
    let mut calls = Vec::new();
    for text in [
        LIFE, ENABLED, OFF, INACTIVE, ALONE, FULL, ERROR, TASK, MANY, PAGE,
    ] {
        let mut setup = shipped(text).prepare(scheduler).setup;
        for (row, value) in rows {
            setup.rows.0[*row as usize] = row.number(value);
        }
        let recorded = run(&setup, Schedule::empty());
        calls.extend(told(&recorded));
    }
    calls.retain(|call| call.function == function);
    calls
}

/// All calls of all runs.
pub(crate) fn all() -> Vec<Told> {
    let mut calls = Vec::new();
    for scheduler in SCHEDULERS {
        for text in [
            LIFE, ENABLED, OFF, INACTIVE, ALONE, FULL, ERROR, TASK, MANY, PAGE,
        ] {
            calls.extend(told(&recorded(
                &shipped(text),
                scheduler,
                Schedule::empty(),
            )));
        }
        for text in [LOCAL, LOCAL_SLAVE] {
            let scenario = shipped(text);
            let steps = recorded(&scenario, scheduler, Schedule::empty())
                .recorder
                .steps;
            // Inside each step of work, in a run of its own.
            for (step, first) in scenario.scenario.programs[0].steps.iter().zip(steps) {
                if matches!(step.op, scenario::Op::Work(_)) {
                    let schedule = pmi(&scenario, first + 10);
                    calls.extend(told(&recorded(&scenario, scheduler, schedule)));
                }
            }
        }
    }
    calls.extend(told(&recorded(&shipped(LIFE), "retry", Schedule::empty())));
    for text in [ENABLED, INACTIVE] {
        let scenario = shipped(text);
        calls.extend(told(&recorded(&scenario, NO_CHILDREN, Schedule::empty())));
    }
    let scenario = shipped(SAMPLED);
    let quiet = told(&recorded(&scenario, "delta", Schedule::empty()));
    let points = [
        // The base moves under a sync, which tries again.
        behind(&quiet, "read_dup_delta", "R E.dup_count", &["RMW E.count"]),
        // S changes masters.
        behind(
            &quiet,
            "remove_dup_delta",
            "W NM.dup_master = TOMBSTONE",
            &[],
        ),
    ];
    for at in points {
        calls.extend(told(&recorded(&scenario, "delta", pmi(&scenario, at))));
    }
    calls
}
