// SPDX-License-Identifier: GPL-2.0-only
//! The second pass over a scenario's tasks: who is there, who runs, who has exited. Each program is
//! followed by itself; what another one does meanwhile is a matter of the schedule.

use std::collections::BTreeMap;

use crate::{
    Code, Op, SwitchTarget, TaskTarget,
    check::{Draft, StepDraft},
    walk::Cx,
};

pub(crate) fn check(cx: &Cx, draft: &Draft) {
    let mut forked: BTreeMap<&str, &StepDraft> = BTreeMap::new();
    for program in &draft.programs {
        follow(cx, draft, program, &mut forked);
    }
}

/// The task that a step names.
fn named<'d>(draft: &'d Draft, step: &'d StepDraft) -> Option<&'d str> {
    match &step.step.op {
        Op::Switch(SwitchTarget::Task(name)) => Some(name),
        Op::Open(id) => match &draft.events.draft(id)?.event.task {
            TaskTarget::Task(name) => Some(name),
            TaskTarget::Cpu | TaskTarget::Current => None,
        },
        _ => None,
    }
}

fn follow<'d>(
    cx: &Cx,
    draft: &'d Draft,
    program: &'d [StepDraft],
    forked: &mut BTreeMap<&'d str, &'d StepDraft>,
) {
    // Where each task was mentioned first, and where it exited.
    let mut known: BTreeMap<&str, &StepDraft> = BTreeMap::new();
    let mut exited: BTreeMap<&str, &StepDraft> = BTreeMap::new();
    let mut current: Option<&str> = None;
    for step in program {
        if let Some(name) = named(draft, step) {
            if let Some(exit) = exited.get(name) {
                cx.push(
                    cx.diagnostic(Code::Order, format!("the task `{name}` has exited"))
                        .label(step.span.clone(), "used here")
                        .label(exit.span.clone(), "exited here"),
                );
            }
            known.entry(name).or_insert(step);
        }
        match &step.step.op {
            Op::Switch(SwitchTarget::Task(name)) => current = Some(name),
            Op::Switch(SwitchTarget::Idle) => current = None,
            Op::Fork(name) => {
                let before = known
                    .get(name.as_str())
                    .or_else(|| forked.get(name.as_str()));
                if let Some(before) = before {
                    cx.push(
                        cx.diagnostic(Code::Duplicate, format!("the task `{name}` exists already"))
                            .label(step.span.clone(), "forked here")
                            .label(before.span.clone(), "there since here")
                            .help("a name means one task: a fork makes a new one"),
                    );
                }
                known.entry(name).or_insert(step);
                forked.entry(name).or_insert(step);
            }
            Op::ExitTask => match current.take() {
                Some(name) => {
                    exited.insert(name, step);
                }
                None => cx.error(
                    Code::Order,
                    step.span.clone(),
                    "the idle task cannot exit",
                    "",
                    "switch to a task before: `{ switch = \"T\" }`",
                ),
            },
            _ => {}
        }
    }
}
