// SPDX-License-Identifier: GPL-2.0-only
//! A scenario that is a little different from one that showed something new. What comes out need
//! not be valid: the parser says so, and another change is tried.

use scenario::{Event, Op, Scenario};

use super::context::{current_at, target, task_of};
use super::dice::Dice;
use super::generate::step;
use crate::shrink::{drop_step, without_attribute_of};

/// Changes in one go, at most.
const CHANGES: usize = 3;

/// `scenario` with some changes.
pub(crate) fn mutate(dice: &mut Dice, scenario: &Scenario) -> Scenario {
    type Change = fn(&mut Dice, &mut Scenario);
    const ALL: [(u64, Change); 9] = [
        (4, another_like),
        (4, again),
        (4, look_at),
        (3, drop_one),
        (3, swap),
        (3, toggle),
        (2, attribute),
        (2, regroup),
        (2, cut),
    ];
    let mut changed = scenario.clone();
    for _ in 0..=dice.below(CHANGES) {
        let at = dice.weighted(ALL.iter().map(|(weight, _)| *weight));
        (ALL[at.unwrap_or(0)].1)(dice, &mut changed);
    }
    Scenario::of_programs(
        changed.title,
        changed.machine,
        changed.events,
        changed.programs,
    )
}

/// CPU and position of a step.
fn place(dice: &mut Dice, scenario: &Scenario) -> Option<(usize, usize)> {
    let cpu = dice.below(scenario.programs.len());
    let steps = scenario.programs.get(cpu)?.steps.len();
    (steps > 0).then(|| (cpu, dice.below(steps)))
}

/// Another event with the attributes of one that is there, of the same context, opened somewhere
/// behind it.
fn another_like(dice: &mut Dice, scenario: &mut Scenario) {
    let Some(model) = dice.pick(&scenario.events).cloned() else {
        return;
    };
    if model.is_injector() {
        return;
    }
    let free = ('A'..='Z').map(String::from).find(|name| {
        let taken = scenario.event(name).is_some();
        !taken && name != "L" && !scenario.tasks.contains(name)
    });
    let Some(id) = free else { return };
    let opened = scenario.programs.iter().enumerate().find_map(|(cpu, p)| {
        let opens = |s: &scenario::Step| s.op == Op::Open(model.id.clone());
        Some((cpu, p.steps.iter().position(opens)?))
    });
    let Some((cpu, at)) = opened else { return };
    let steps = &mut scenario.programs[cpu].steps;
    let behind = at + 1 + dice.below(steps.len() - at);
    let whose = task_of(&model, current_at(steps, at));
    let task = target(whose, current_at(steps, behind));
    steps.insert(behind, step(Op::Open(id.clone())));
    scenario.events.push(Event { id, task, ..model });
}

/// A step that is there, once more somewhere behind.
fn again(dice: &mut Dice, scenario: &mut Scenario) {
    let Some((cpu, at)) = place(dice, scenario) else {
        return;
    };
    let steps = &mut scenario.programs[cpu].steps;
    let mut same = step(steps[at].op.clone());
    if let Op::Open(id) = &same.op {
        same.op = match dice.below(4) {
            0 => Op::Close(id.clone()),
            1 => Op::Read(id.clone()),
            2 => Op::Disable {
                event: id.clone(),
                group: false,
            },
            _ => Op::Probe(id.clone()),
        };
    }
    let behind = at + 1 + dice.below(steps.len() - at);
    steps.insert(behind, same);
}

/// From some step on, NMIs from outside look at some event.
fn look_at(dice: &mut Dice, scenario: &mut Scenario) {
    let Some((cpu, at)) = place(dice, scenario) else {
        return;
    };
    let steps = &mut scenario.programs[cpu].steps;
    let opened: Vec<&String> = steps[..at]
        .iter()
        .filter_map(|step| match &step.op {
            Op::Open(id) => Some(id),
            _ => None,
        })
        .collect();
    if let Some(&id) = dice.pick(&opened) {
        let probe = Op::Probe(id.clone());
        steps.insert(at, step(probe));
    }
}

fn drop_one(dice: &mut Dice, scenario: &mut Scenario) {
    if let Some((cpu, at)) = place(dice, scenario) {
        drop_step(scenario, cpu, at);
    }
}

fn swap(dice: &mut Dice, scenario: &mut Scenario) {
    if let Some((cpu, at)) = place(dice, scenario)
        && at > 0
    {
        scenario.programs[cpu].steps.swap(at - 1, at);
    }
}

/// Enabling becomes disabling, closing reading, and the other way round.
fn toggle(dice: &mut Dice, scenario: &mut Scenario) {
    let Some((cpu, at)) = place(dice, scenario) else {
        return;
    };
    let op = &mut scenario.programs[cpu].steps[at].op;
    *op = match op.clone() {
        Op::Enable { event, group } => Op::Disable { event, group },
        Op::Disable { event, group } => Op::Enable { event, group },
        Op::Close(event) => Op::Disable {
            event,
            group: false,
        },
        Op::Read(event) => Op::Close(event),
        Op::Reset { event, .. } => Op::Pause { event, reset: true },
        Op::Work(n) => Op::Work(if n > 500 { 100 } else { 3000 }),
        other => other,
    };
}

fn attribute(dice: &mut Dice, scenario: &mut Scenario) {
    if scenario.events.is_empty() {
        return;
    }
    let at = dice.below(scenario.events.len());
    let event = &mut scenario.events[at];
    match dice.below(8) {
        0 => event.disabled ^= true,
        1 => event.pinned ^= true,
        2 => event.exclude_kernel ^= true,
        3 => event.inherit ^= true,
        4 => event.exclusive ^= true,
        5 => event.enable_on_exec ^= true,
        _ => without_attribute_of(event, dice.below(64)),
    }
}

/// Joins a group, or leaves it.
fn regroup(dice: &mut Dice, scenario: &mut Scenario) {
    let mut steps = scenario.programs.iter().flat_map(|program| &program.steps);
    // Groups and CPUs that go away do not go together, see `generate`.
    if scenario.events.is_empty() || steps.any(|step| step.op == Op::Offline) {
        return;
    }
    let at = dice.below(scenario.events.len());
    let leader = scenario.events[dice.below(scenario.events.len())]
        .id
        .clone();
    let event = &mut scenario.events[at];
    event.group = match event.group {
        None if leader != event.id => Some(leader),
        _ => None,
    };
}

/// Nothing happens behind some step.
fn cut(dice: &mut Dice, scenario: &mut Scenario) {
    if let Some((cpu, at)) = place(dice, scenario)
        && at > 3
    {
        while let steps = scenario.programs[cpu].steps.len()
            && steps > at
        {
            drop_step(scenario, cpu, steps - 1);
        }
    }
}
