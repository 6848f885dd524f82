// SPDX-License-Identifier: GPL-2.0-only
//! What can be taken out of a scenario or made plainer, as data: each pass lists the scenarios that
//! are one change smaller, the greatest change first.
//!
//! Nothing here asks whether a result is a valid scenario: the parser does, on the text.

use scenario::{Event, NmiSource, OnOverflow, Op, ReadFormat, Scenario, Step, TaskTarget};

/// The scenarios that are one change of a kind away.
pub(super) type Pass = fn(&Scenario) -> Vec<Scenario>;

/// What is taken out: in the order in which it pays. A result is minimal when none of these can be.
pub(super) const REMOVALS: [Pass; 6] = [
    without_injection,
    without_cpu,
    without_event,
    without_steps,
    without_step,
    without_attribute,
];

/// What is made plainer, beside.
pub(super) const PLAINER: [Pass; 1] = [smaller_numbers];

fn without_injection(scenario: &Scenario) -> Vec<Scenario> {
    (0..scenario.inject.len())
        .map(|i| {
            edited(scenario, |s| {
                s.inject.remove(i);
            })
        })
        .collect()
}

/// Only the last CPU, so that the others keep their numbers.
fn without_cpu(scenario: &Scenario) -> Vec<Scenario> {
    if scenario.programs.len() < 2 {
        return Vec::new();
    }
    vec![edited(scenario, |s| {
        s.programs.pop();
        let gone = s.programs.len();
        let is_gone = |cpu: &Option<u32>| cpu.is_some_and(|cpu| cpu as usize == gone);
        let lost = |event: &Event| is_gone(&event.cpu) || s.opener(&event.id).is_none();
        let lost: Vec<String> = s
            .events
            .iter()
            .filter(|e| lost(e))
            .map(|e| e.id.clone())
            .collect();
        for id in lost {
            drop_event(s, &id);
        }
        drop_dead_waits(s);
    })]
}

fn without_event(scenario: &Scenario) -> Vec<Scenario> {
    let ids = scenario.events.iter().rev().map(|event| event.id.clone());
    ids.map(|id| edited(scenario, |s| drop_event(s, &id)))
        .collect()
}

/// Runs of steps: halves of a program, quarters, down to pairs.
fn without_steps(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    for (cpu, program) in scenario.programs.iter().enumerate() {
        let steps = program.steps.len();
        let mut size = steps / 2;
        while size >= 2 {
            let starts = (0..steps).step_by(size);
            smaller.extend(starts.map(|from| {
                edited(scenario, |s| {
                    drop_steps(s, cpu, from, (from + size).min(steps));
                })
            }));
            size /= 2;
        }
    }
    smaller
}

fn without_step(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    for (cpu, program) in scenario.programs.iter().enumerate() {
        for at in (0..program.steps.len()).rev() {
            smaller.push(edited(scenario, |s| drop_steps(s, cpu, at, at + 1)));
        }
    }
    smaller
}

/// One attribute of one event, or one flag of one step, as it is when nobody says anything.
fn without_attribute(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    for at in 0..scenario.events.len() {
        for plain in ATTRIBUTES {
            smaller.push(edited(scenario, |s| plain(&mut s.events[at])));
        }
    }
    for_each_step(scenario, &mut smaller, |op| match op {
        Op::Enable { group, .. } | Op::Disable { group, .. } | Op::Reset { group, .. } => {
            *group = false;
        }
        Op::Pause { reset, .. } => *reset = false,
        _ => {}
    });
    smaller.retain(|smaller| smaller != scenario);
    smaller
}

/// Each sets an attribute of an event to its default.
const ATTRIBUTES: [fn(&mut Event); 16] = [
    |e| e.disabled = false,
    |e| e.pinned = false,
    |e| e.exclusive = false,
    |e| e.inherit_stat = false,
    |e| e.inherit = false,
    |e| e.enable_on_exec = false,
    |e| e.read = ReadFormat::Single,
    |e| e.group = None,
    |e| e.on_overflow = OnOverflow::Output,
    |e| e.buffer = false,
    |e| e.cpu = None,
    |e| e.task = TaskTarget::Cpu,
    |e| {
        if let TaskTarget::Task(_) = e.task {
            e.task = TaskTarget::Current;
        }
    },
    |e| e.exclude_user = false,
    |e| e.exclude_kernel = false,
    |e| e.sample_period = 0,
];

/// One of these attributes as it is when nobody says anything; `n` says which.
pub(crate) fn without_attribute_of(event: &mut Event, n: usize) {
    ATTRIBUTES[n % ATTRIBUTES.len()](event);
}

/// Round numbers, smallest first.
fn smaller_numbers(scenario: &Scenario) -> Vec<Scenario> {
    let mut plainer = Vec::new();
    for number in [1, 10, 100, 1000, 10_000, 1_000_000] {
        for_each_step(scenario, &mut plainer, |op| match op {
            Op::Work(n) | Op::Advance { ns: n } | Op::Period { n, .. } => {
                // Less than this is no work that any counter shows.
                let least = if matches!(number, 1 | 10) { *n } else { number };
                *n = least.min(*n);
            }
            Op::Refresh { n, .. } => *n = (*n).min(u32::try_from(number).unwrap_or(u32::MAX)),
            _ => {}
        });
    }
    plainer.retain(|plainer| plainer != scenario);
    plainer
}

/// The scenario with `change` done to one step, for every step.
fn for_each_step(scenario: &Scenario, into: &mut Vec<Scenario>, change: impl Fn(&mut Op)) {
    for (cpu, program) in scenario.programs.iter().enumerate() {
        for at in 0..program.steps.len() {
            into.push(edited(scenario, |s| {
                change(&mut s.programs[cpu].steps[at].op);
            }));
        }
    }
}

fn edited(scenario: &Scenario, edit: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut scenario = scenario.clone();
    edit(&mut scenario);
    scenario
}

/// Takes one step out; an event whose `open` it is is gone altogether.
pub(crate) fn drop_step(scenario: &mut Scenario, cpu: usize, at: usize) {
    drop_steps(scenario, cpu, at, at + 1);
}

/// Takes steps out; an event whose `open` goes is gone altogether.
fn drop_steps(scenario: &mut Scenario, cpu: usize, from: usize, to: usize) {
    let gone: Vec<Step> = scenario.programs[cpu].steps.drain(from..to).collect();
    for step in gone {
        if let Op::Open(event) = step.op {
            drop_event(scenario, &event);
        }
    }
    drop_dead_waits(scenario);
}

/// Takes an event out, with every step that is about it and every NMI that it sends.
fn drop_event(scenario: &mut Scenario, id: &str) {
    scenario.events.retain(|event| event.id != id);
    for event in &mut scenario.events {
        if event.group.as_deref() == Some(id) {
            event.group = None;
        }
        if event.on_overflow == OnOverflow::ReadLocal(id.to_owned()) {
            event.on_overflow = OnOverflow::Output;
        }
    }
    for program in &mut scenario.programs {
        program.steps.retain(|step| step.op.event() != Some(id));
    }
    scenario.inject.retain(|injection| {
        let by = match &injection.source {
            NmiSource::Pmi(event) | NmiSource::Late(event) => Some(event.as_str()),
            _ => None,
        };
        by != Some(id)
    });
    drop_dead_waits(scenario);
}

/// Nobody waits for a step that does not exist.
fn drop_dead_waits(scenario: &mut Scenario) {
    let labels: Vec<String> = scenario
        .programs
        .iter()
        .flat_map(|program| &program.steps)
        .filter_map(|step| step.label.clone())
        .collect();
    for program in &mut scenario.programs {
        program.steps.retain(|step| match &step.op {
            Op::Wait { step, .. } => labels.contains(step),
            _ => true,
        });
    }
}
