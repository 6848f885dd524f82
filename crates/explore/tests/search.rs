// SPDX-License-Identifier: GPL-2.0-only
//! Searches over several decisions, ticks, and what the reduction rests on: handlers that do not
//! depend on the registers of what they interrupt.

mod common;

use common::{Shipped, known, scenario_files};
use explore::{Plan, Prepared, Progress, Search, Setup, Space, Terms, sources, sweep};
use machine::{Decision, End, Observer, Schedule, Until, View};

const SMALL: &str = "mainline/read-local-enable-external.toml";
const REMOTE: &str = "cpus/remote-read.toml";
/// Of the machines that these run on.
const SKID_MAX: u32 = 8;

fn space(shipped: &Shipped, nmis: u32, preemptions: u32, reduce: bool) -> Space {
    Space {
        sources: sources(&shipped.scenario, SKID_MAX, false),
        nmis,
        preemptions,
        switches: 0,
        ticks: 0,
        step: shipped.scenario.labelled("target"),
        reduce,
        max_executions: None,
    }
}

/// What is found, and the state at the end as text.
fn searched(
    shipped: &Shipped,
    prepared: &Prepared,
    space: Space,
    jobs: usize,
) -> (Vec<String>, u64, String) {
    let list = known();
    let terms = Terms {
        known: &list,
        scheduler: &shipped.resolved.schedulers["none"],
        expected: &[],
    };
    let mut search = Search::new(&prepared.setup, space, terms).unwrap();
    search.run(jobs, &Progress::default()).unwrap();
    assert_eq!(search.complete(), !search.cut);
    let found = search.found.keys().cloned().collect();
    (found, search.executions(), search.save("key"))
}

#[test]
fn a_reduced_search_finds_the_causes_of_the_full_one() {
    let shipped = Shipped::named(REMOTE);
    let prepared = shipped.prepare("v10");
    let run = |reduce| searched(&shipped, &prepared, space(&shipped, 0, 1, reduce), 2);
    let (full, all, _) = run(false);
    let (reduced, some, _) = run(true);
    assert_eq!(full, reduced);
    assert!(some * 4 < all, "{some} executions for {all}");
}

#[test]
fn a_reduced_search_finds_what_a_tick_and_an_nmi_inside_of_it_show() {
    let shipped = Shipped::named("userpage/sweep.toml");
    let label = &shipped.scenario.sweep.as_ref().unwrap().step;
    let prepared = shipped.prepare("v10");
    let run = |reduce| {
        let space = Space {
            sources: sources(&shipped.scenario, SKID_MAX, true),
            step: shipped.scenario.labelled(label),
            ticks: 1,
            ..space(&shipped, 1, 0, reduce)
        };
        searched(&shipped, &prepared, space, 2)
    };
    let (full, all, _) = run(false);
    let (reduced, some, _) = run(true);
    assert_eq!(full, reduced);
    assert!(some * 4 < all, "{some} executions for {all}");
}

/// N1 in any order. What is read through the closed master's counter depends on whether CPU 0, whom
/// CPU 1 asks for an answer, gives that before CPU 2 closes the master or in the middle of it.
const ORDERED: &str = r#"
format = 1
title = "a group is enabled and its member closed by two CPUs that a third one waits for"
machine = "skylake"
event = [
  { id = "L", kind = "cycles", exclude_kernel = true },
  { id = "A", kind = "instructions", group = "L", exclude_kernel = true },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { open = "B" }, { disable = "L" },
  { work = 1000, label = "off" },
  { wait = { done = "on" } }, { wait = { done = "closed" } },
  { work = 1000 }, { read = "B" }, { close = "B" },
]
[[cpu]]
program = [{ wait = { done = "off" } }, { enable = "L", label = "on" }]
[[cpu]]
program = [{ wait = { done = "off" } }, { close = "A", label = "closed" }]
[expect.v10]
violates = []
[expect.none]
violates = []
"#;

#[test]
fn where_a_cpu_waits_any_other_one_may_go_on() {
    let shipped = Shipped::parse("ordered.toml", ORDERED.to_owned());
    let found = |scheduler: &str, switches| {
        let prepared = shipped.prepare(scheduler);
        let space = Space {
            step: None,
            switches,
            ..space(&shipped, 0, 0, true)
        };
        searched(&shipped, &prepared, space, 2).0
    };
    assert_eq!(found("v10", 0), [""; 0]);
    assert_eq!(found("none", 2), [""; 0]);
    let by_order = found("v10", 1);
    assert!(!by_order.is_empty());
    assert_eq!(found("v10", 3), by_order);
}

#[test]
fn the_number_of_workers_does_not_show() {
    let shipped = Shipped::named(SMALL);
    let prepared = shipped.prepare("none");
    let run = |jobs| {
        let space = Space {
            max_executions: Some(500),
            ..space(&shipped, 2, 0, true)
        };
        searched(&shipped, &prepared, space, jobs).2
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}

#[test]
fn a_tick_is_taken_where_interrupts_are_on() {
    let text = r#"
format = 1
title = "a tick at any boundary of closing an event"
machine = "skylake"
event = [
  { id = "A", kind = "branches", exclude_kernel = true },
  { id = "C", kind = { raw = 0x01c2 }, exclude_kernel = true },
  { id = "D", kind = { raw = 0x01c3 }, exclude_kernel = true },
  { id = "E", kind = { raw = 0x01c6 }, exclude_kernel = true },
  { id = "F", kind = { raw = 0x01c7 }, exclude_kernel = true },
]
[[cpu]]
program = [
  { open = "A" }, { open = "C" }, { open = "D" }, { open = "E" }, { open = "F" },
  { work = 300 }, { close = "A", label = "target" }, { work = 300 }, { read = "C" },
]
[sweep]
step = "target"
source = { tick = {} }
[expect.none]
violates = []
"#;
    let shipped = Shipped::parse("tick.toml", text.to_owned());
    assert_eq!(shipped.judge("none").0, [""; 0]);
    let prepared = shipped.prepare("none");
    let plan = prepared.plan(2).unwrap();
    let run = |reduce| {
        let plan = Plan { reduce, ..plan };
        sweep(&prepared.setup, plan, &Progress::default()).unwrap()
    };
    let (full, reduced) = (run(false), run(true));
    assert_eq!(full.outcomes, reduced.outcomes);
    assert_eq!(full.sampled, reduced.sampled);
    // Rotation touches events wherever the tick lands; where interrupts are off it waits.
    assert_eq!(full.outcomes.len(), 2, "{:?}", full.outcomes);
    assert_eq!(full.sampled, full.boundaries);
    assert!(reduced.executions < full.executions);
}

/// RSP where the handler begins.
#[derive(Default)]
struct Entry(u64);

impl Observer for Entry {
    fn nmi_entry(&mut self, view: &View<'_>) {
        self.0 = view.core.cpu.regs[4];
    }
}

/// Runs the NMI at boundary `at` of CPU 0 to its end; the memory that it leaves changed, but for its
/// own stack, and the registers.
fn handled(setup: &Setup, at: u64, decision: Decision, scramble: bool) -> Option<Vec<u8>> {
    let mut machine = setup.machine().unwrap();
    machine.run(&mut Schedule::empty(), &mut (), Until::Boundary(0, at));
    if scramble {
        let regs = &mut machine.core_mut(0).cpu.regs;
        for (i, reg) in regs.iter_mut().enumerate().filter(|(i, _)| *i != 4) {
            *reg = 0x1234_5678_9abc_def0 ^ (i as u64) << 40;
        }
    }
    let before = machine.cores()[0].cpu.regs;
    let snapshot = machine.snapshot();
    let mut schedule = Schedule::new(vec![(0, at, decision)]);
    let mut entry = Entry::default();
    let until = Until::NmiExit { limit: 100_000 };
    let end = machine.run(&mut schedule, &mut entry, until);
    if !matches!(end, End::Boundary) || entry.0 == 0 {
        return None;
    }
    assert_eq!(before, machine.cores()[0].cpu.regs, "registers come back");
    let stack = entry.0.saturating_sub(16 << 10)..entry.0 + 256;
    let mut changes: Vec<(u64, Vec<u8>)> = machine
        .changes_since(&snapshot)
        .filter(|(addr, _, _)| !stack.contains(addr))
        .map(|(addr, _, now)| (addr, now.to_vec()))
        .collect();
    changes.sort();
    Some(changes.into_iter().flat_map(|(_, bytes)| bytes).collect())
}

#[test]
fn handlers_do_not_depend_on_the_registers_of_what_they_interrupt() {
    let mut compared = 0;
    for path in scenario_files().iter().step_by(3) {
        let shipped = Shipped::load(path);
        let Some(scheduler) = shipped.scenario.expect.keys().next() else {
            continue;
        };
        let prepared = shipped.prepare(scheduler);
        let Some(plan) = prepared.plan(1) else {
            continue;
        };
        let decision = match plan.source {
            explore::Source::Pmi(code) => Decision::Pmi { code },
            explore::Source::External => Decision::ExternalNmi,
            _ => continue,
        };
        if plan.cpu != 0 {
            continue;
        }
        let plan = Plan {
            reduce: true,
            ..plan
        };
        let swept = sweep(&prepared.setup, plan, &Progress::default()).unwrap();
        let (first, last) = swept.range;
        for at in (first..=last).step_by(((last - first) / 6 + 1) as usize) {
            let plain = handled(&prepared.setup, at, decision, false);
            let scrambled = handled(&prepared.setup, at, decision, true);
            assert_eq!(plain, scrambled, "{} at {at}", shipped.name);
            compared += u32::from(plain.is_some());
        }
    }
    assert!(compared > 20, "{compared}");
}
