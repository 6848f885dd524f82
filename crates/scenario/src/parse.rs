// SPDX-License-Identifier: GPL-2.0-only
//! Reading a scenario file: the first pass.

use std::collections::BTreeMap;

use toml::{Spanned, de::DeArray};

use crate::{
    Code, Diagnostics, NmiSource, Op, Program, Scenario, Source, Step, Sweep, SwitchTarget,
    check::{self, Draft, StepDraft},
    memory,
    parse_event::{self, Events},
    parse_expect::{claim, expectations},
    parse_point::{injection, nmi_source},
    scenario::limits,
    walk::{Cx, Span, Table, Value},
};

pub(crate) const TOP: &[&str] = &[
    "format",
    "title",
    "source",
    "claim",
    "events_why",
    "machine",
    "memory",
    "event",
    "cpu",
    "sweep",
    "inject",
    "expect",
];
pub(crate) const CPU: &[&str] = &["program"];
pub(crate) const SWEEP: &[&str] = &["step", "source", "nmis"];
/// What a `wait` step waits for.
pub(crate) const WAIT: [&str; 2] = ["begun", "done"];
/// Keys of a step beside its operation.
pub(crate) const STEP: &[&str] = &["label", "group"];

/// Reads a scenario file and checks it in itself. Machine and schedulers are names until
/// [`crate::resolve`].
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_scenario(source: &Source) -> Result<Scenario, Diagnostics> {
    let cx = Cx::new(source, TOP);
    let scenario = cx
        .document(&source.text)
        .and_then(|document| read(&Table::top(&cx, &document, "the scenario file")));
    cx.finish(scenario)
}

fn read(top: &Table<'_>) -> Option<Scenario> {
    let cx = top.cx;
    if !cx.format(top) {
        return None;
    }
    let title = top.string("title");
    let source = top.string("source");
    let claim = top.get("claim").and_then(|value| claim(cx, value));
    let events_why = top.string("events_why");
    let machine = top
        .string("machine")
        .filter(|name| cx.file_name(name, "a machine"));
    let memory = memory::check(top);
    let events = top
        .get("event")
        .and_then(|value| cx.array(value, "`event`"))
        .map_or_else(Events::default, |list| parse_event::read(cx, list));
    let programs = top
        .get("cpu")
        .and_then(|value| cx.array(value, "`cpu`"))
        .map_or_else(Vec::new, |list| programs(cx, list));
    let sweep = top.get("sweep").and_then(|value| sweep(cx, value));
    let inject = top
        .get("inject")
        .and_then(|value| cx.array(value, "`inject`"))
        .map_or_else(Vec::new, |list| {
            list.iter()
                .filter_map(|value| injection(cx, value, &events))
                .collect()
        });
    let expect = top
        .get("expect")
        .map_or_else(BTreeMap::new, |value| expectations(cx, value, &events));
    cx.missing_at_top(top, &["title", "machine", "cpu"]);

    let draft = Draft {
        events,
        programs,
        sweep,
        inject,
    };
    check::check(cx, &draft);

    let (expect, expect_spans) = expect
        .into_iter()
        .map(|(name, (span, expect))| ((name.clone(), expect), (name, span)))
        .unzip();
    memory?;
    let machine = machine?;
    let events: Vec<_> = draft.events.drafts.into_iter().map(|d| d.event).collect();
    let programs: Vec<_> = draft.programs.into_iter().map(StepDraft::program).collect();
    Some(Scenario {
        title: title?.into_inner(),
        source: source.map(Spanned::into_inner),
        claim,
        events_why: events_why.map(Spanned::into_inner),
        machine_span: machine.span(),
        machine: machine.into_inner(),
        tasks: Scenario::tasks_of(&programs, &events),
        events,
        programs,
        sweep: draft.sweep.map(|sweep| sweep.sweep),
        expect,
        inject: draft.inject.into_iter().map(|i| i.injection).collect(),
        expect_spans,
    })
}

fn programs<'a>(cx: &'a Cx, list: &'a DeArray<'a>) -> Vec<Vec<StepDraft>> {
    if list.len() > limits::CPUS
        && let Some(extra) = list.get(limits::CPUS)
    {
        cx.error(
            Code::TooMuch,
            extra.span(),
            format!("{} CPUs are described", list.len()),
            &format!("the guest has room for {}", limits::CPUS),
            "",
        );
    }
    let program = |value| {
        let steps = Table::new(cx, value, "`[[cpu]]`", CPU)
            .and_then(|table| table.require("program"))
            .and_then(|value| cx.array(value, "`program`"));
        steps.map_or_else(Vec::new, |steps| {
            if steps.len() > limits::STEPS {
                cx.error(
                    Code::TooMuch,
                    value.span(),
                    format!("the program has {} steps", steps.len()),
                    &format!("a program has at most {}", limits::STEPS),
                    "",
                );
            }
            steps
                .iter()
                .take(limits::STEPS)
                .filter_map(|value| step(cx, value))
                .collect()
        })
    };
    list.iter().take(limits::CPUS).map(program).collect()
}

fn step<'a>(cx: &'a Cx, value: Value<'a>) -> Option<StepDraft> {
    let keys: Vec<&str> = Op::NAMES.iter().chain(STEP).copied().collect();
    let table = Table::new(cx, value, "the step", &keys)?;
    let mut ops: Vec<_> = table
        .entries()
        .filter(|(key, _)| Op::NAMES.contains(&key.get_ref().as_str()))
        .collect();
    ops.sort_by_key(|(key, _)| key.span().start);
    let mut ops = ops.into_iter();
    let Some((key, argument)) = ops.next() else {
        // An unknown key was reported already, and was most likely meant to be the operation.
        let strange = |(key, _): (Spanned<String>, _)| !keys.contains(&key.get_ref().as_str());
        if !table.entries().any(strange) {
            cx.error(
                Code::StepShape,
                value.span(),
                "the step has no operation",
                "",
                format!("possible: {}", crate::suggest::list(Op::NAMES)),
            );
        }
        return None;
    };
    if let Some((second, _)) = ops.next() {
        cx.push(
            cx.diagnostic(
                Code::StepShape,
                format!(
                    "the step has two operations, `{}` and `{}`",
                    key.get_ref(),
                    second.get_ref()
                ),
            )
            .label(second.span(), "the second one")
            .label(key.span(), "the first one")
            .help("make it two steps: `{ ... }, { ... }`"),
        );
        return None;
    }
    let label = table.string("label");
    let label = match label {
        Some(label) if cx.identifier(&label, "a step") => Some(label),
        _ => None,
    };
    let group = table.flag("group", false)?;
    let name = key.get_ref().as_str();
    if group && !["enable", "disable", "reset"].contains(&name) {
        cx.error(
            Code::StepShape,
            table.get("group")?.span(),
            format!("`{name}` has no group form"),
            "",
            "`group = true` goes with enable, disable and reset",
        );
        return None;
    }
    let (op, event_span) = operation(cx, name, argument, group)?;
    Some(StepDraft {
        label_span: label.as_ref().map(Spanned::span),
        step: Step {
            op,
            label: label.map(Spanned::into_inner),
            line: cx.line(&value.span()),
        },
        event_span,
        span: value.span(),
    })
}

fn operation<'a>(cx: &'a Cx, name: &str, argument: Value<'a>, group: bool) -> Option<(Op, Span)> {
    let what = format!("`{name}`");
    let span = argument.span();
    let op = match name {
        "work" => Op::Work(cx.number(argument, &what, (1, limits::WORK))?),
        "advance" => Op::Advance {
            ns: cx.number(argument, &what, (1, limits::ADVANCE_NS))?,
        },
        "tick" | "exit" | "exit_task" | "exec" | "offline" | "online" => {
            Table::new(cx, argument, &what, &[])?;
            match name {
                "tick" => Op::Tick,
                "exit_task" => Op::ExitTask,
                "exec" => Op::Exec,
                "offline" => Op::Offline,
                "online" => Op::Online,
                _ => Op::Exit,
            }
        }
        "fork" => {
            let task = cx.string(argument, &what)?;
            cx.identifier(&task, "a task")
                .then(|| Op::Fork(task.into_inner()))?
        }
        "pause" => {
            let table = Table::new(cx, argument, &what, &["event", "reset"])?;
            let (event, reset) = (table.require_string("event"), table.flag("reset", false));
            let event = event?;
            let (span, reset) = (event.span(), reset?);
            let event = event.into_inner();
            return Some((Op::Pause { event, reset }, span));
        }
        "period" => {
            let table = Table::new(cx, argument, &what, &["event", "n"])?;
            let (event, n) = (
                table.require_string("event"),
                table.require_number("n", (2, limits::PERIOD)),
            );
            let event = event?;
            let (span, n) = (event.span(), n?);
            let event = event.into_inner();
            return Some((Op::Period { event, n }, span));
        }
        "switch" => {
            let task = cx.string(argument, &what)?;
            if task.get_ref() == "idle" {
                Op::Switch(SwitchTarget::Idle)
            } else {
                cx.identifier(&task, "a task")
                    .then(|| Op::Switch(SwitchTarget::Task(task.into_inner())))?
            }
        }
        "wait" => {
            let table = Table::new(cx, argument, &what, &WAIT)?;
            let mut given = WAIT.into_iter().filter(|key| table.get(key).is_some());
            let (Some(key), None) = (given.next(), given.next()) else {
                cx.error(
                    Code::StepShape,
                    span,
                    "`wait` names one step of another CPU",
                    "",
                    "write `wait = { begun = LABEL }` or `wait = { done = LABEL }`",
                );
                return None;
            };
            let step = table.require_string(key)?;
            let span = step.span();
            let (step, begun) = (step.into_inner(), key == "begun");
            return Some((Op::Wait { step, begun }, span));
        }
        "refresh" => {
            let table = Table::new(cx, argument, &what, &["event", "n"])?;
            let (event, n) = (
                table.require_string("event"),
                table.require_number("n", (1, 1 << 20)),
            );
            let event = event?;
            let n = u32::try_from(n?).ok()?;
            let span = event.span();
            let event = event.into_inner();
            return Some((Op::Refresh { event, n }, span));
        }
        _ => {
            let event = cx.string(argument, &what)?.into_inner();
            match name {
                "open" => Op::Open(event),
                "close" => Op::Close(event),
                "enable" => Op::Enable { event, group },
                "disable" => Op::Disable { event, group },
                "reset" => Op::Reset { event, group },
                "read" => Op::Read(event),
                "user_read" => Op::UserRead(event),
                "mmap" => Op::Mmap(event),
                "probe" => Op::Probe(event),
                _ => unreachable!("`{name}` is in Op::NAMES"),
            }
        }
    };
    Some((op, span))
}

fn sweep<'a>(cx: &'a Cx, value: Value<'a>) -> Option<check::SweepDraft> {
    let table = Table::new(cx, value, "`[sweep]`", SWEEP)?;
    let step = table.require_string("step");
    let from = table.require("source").and_then(|value| {
        let table = Table::new(cx, value, "`source`", &NmiSource::NAMES)?;
        nmi_source(&table)
    });
    // A wrong number is reported; the rest is still worth checking.
    let nmis = table.number("nmis", (1, limits::NMIS), 1).unwrap_or(1);
    let (step, (from, event_span)) = (step?, from?);
    Some(check::SweepDraft {
        step_span: step.span(),
        event_span,
        sweep: Sweep {
            step: step.into_inner(),
            source: from,
            nmis: u32::try_from(nmis).ok()?,
            line: cx.line(&value.span()),
        },
    })
}

impl StepDraft {
    fn program(steps: Vec<Self>) -> Program {
        Program {
            steps: steps.into_iter().map(|draft| draft.step).collect(),
        }
    }
}
