// SPDX-License-Identifier: GPL-2.0-only
//! The second pass over a scenario: names, groups, and the order of the steps.

use std::collections::BTreeMap;

use crate::{
    Code, EventKind, Injection, NmiSource, OnOverflow, Op, Point, Step, Sweep, check_tasks,
    parse_event::{Draft as EventDraft, Events},
    suggest::list,
    walk::{Cx, Span},
};

/// A scenario after the first pass, with the places that errors point at.
pub(crate) struct Draft {
    pub(crate) events: Events,
    pub(crate) programs: Vec<Vec<StepDraft>>,
    pub(crate) sweep: Option<SweepDraft>,
    pub(crate) inject: Vec<InjectDraft>,
}

pub(crate) struct StepDraft {
    pub(crate) step: Step,
    pub(crate) span: Span,
    /// The argument: the event's id, where the operation has one.
    pub(crate) event_span: Span,
    pub(crate) label_span: Option<Span>,
}

pub(crate) struct SweepDraft {
    pub(crate) sweep: Sweep,
    pub(crate) step_span: Span,
    pub(crate) event_span: Span,
}

pub(crate) struct InjectDraft {
    pub(crate) injection: Injection,
    pub(crate) event_span: Span,
    pub(crate) step_span: Option<Span>,
    pub(crate) cpu_span: Option<Span>,
}

/// Where each event is opened.
type Opened<'d> = BTreeMap<&'d str, (usize, &'d StepDraft)>;

pub(crate) fn check(cx: &Cx, draft: &Draft) {
    let opened = opened(cx, draft);
    for event in &draft.events.drafts {
        attributes(cx, event);
        group(cx, draft, event);
        target(cx, draft, event, &opened);
    }
    for cpu in 0..draft.programs.len() {
        order(cx, draft, cpu, &opened);
    }
    check_tasks::check(cx, draft);
    let labels = labels(cx, draft);
    if let Some(sweep) = &draft.sweep {
        nmi_source(cx, draft, &sweep.sweep.source, &sweep.event_span, &opened);
        if let Some(step) = label(cx, &labels, &sweep.sweep.step, &sweep.step_span)
            && !step.step.op.enters_kernel()
        {
            cx.push(
                cx.diagnostic(
                    Code::NotSwept,
                    format!("a `{}` step cannot be swept", step.step.op.name()),
                )
                .label(sweep.step_span.clone(), "this step")
                .label(step.span.clone(), "does not enter the kernel")
                .help("sweep a system call, a switch, a tick or an exit"),
            );
        }
    }
    waits(cx, draft, &labels);
    for inject in &draft.inject {
        let injection = &inject.injection;
        nmi_source(cx, draft, &injection.source, &inject.event_span, &opened);
        if let (Some(name), Some(span)) = (injection.at.step(), &inject.step_span) {
            label(cx, &labels, name, span);
        }
        let cpu = match &injection.at {
            Point::Exact { cpu, .. } => Some(*cpu),
            Point::Code { cpu, .. } | Point::Semantic { cpu, .. } => *cpu,
        };
        if let (Some(cpu), Some(span)) = (cpu, &inject.cpu_span) {
            cpu_exists(cx, draft, cpu, span);
        }
    }
}

/// Finds who opens what, and reports the second opening of an event.
fn opened<'d>(cx: &Cx, draft: &'d Draft) -> Opened<'d> {
    let mut opened = Opened::new();
    for (cpu, program) in draft.programs.iter().enumerate() {
        for step in program {
            let Op::Open(id) = &step.step.op else {
                continue;
            };
            if let Some((_, first)) = opened.get(id.as_str()) {
                cx.push(
                    cx.diagnostic(Code::Order, format!("the event `{id}` is opened twice"))
                        .label(step.event_span.clone(), "again here")
                        .label(first.event_span.clone(), "first here")
                        .help(format!(
                            "a name means one object: declare another event with `like = \"{id}\"`"
                        )),
                );
            } else {
                opened.insert(id, (cpu, step));
            }
        }
    }
    opened
}

/// A `wait` names a step of another CPU: one of its own would never come.
fn waits(cx: &Cx, draft: &Draft, labels: &BTreeMap<&str, &StepDraft>) {
    for program in &draft.programs {
        for step in program {
            let Op::Wait { step: name, .. } = &step.step.op else {
                continue;
            };
            let Some(awaited) = label(cx, labels, name, &step.event_span) else {
                continue;
            };
            if program.iter().any(|own| std::ptr::eq(own, awaited)) {
                cx.push(
                    cx.diagnostic(Code::Order, "the step waits for its own CPU")
                        .label(step.event_span.clone(), "waits here")
                        .label(awaited.span.clone(), "for this step of the same program")
                        .help("wait for a step of another `[[cpu]]`"),
                );
            }
        }
    }
}

fn attributes(cx: &Cx, draft: &EventDraft) {
    let event = &draft.event;
    let sampling = |message: String, label: &str, help: &str| {
        cx.error(
            Code::Sampling,
            draft.period_span.clone(),
            message,
            label,
            help,
        );
    };
    if event.kind == EventKind::Inject && event.sample_period < 2 {
        sampling(
            format!(
                "the injector `{}` needs a sample_period of at least 2",
                event.id
            ),
            "",
            "the x86 driver's minimum is 2: write `sample_period = 2`",
        );
    }
    if event.inherit && event.is_sampling() {
        sampling(
            format!("`{}` samples and is inherited", event.id),
            "perf refuses PERF_SAMPLE_READ with inherit",
            "",
        );
    }
    if event.buffer && !event.is_sampling() {
        cx.error(
            Code::Sampling,
            draft.buffer_span.clone(),
            format!("`{}` does not sample, so it has no ring buffer", event.id),
            "",
            format!(
                "map its user page with a step `{{ mmap = \"{}\" }}`",
                event.id
            ),
        );
    }
    if event.exclude_user && event.exclude_kernel {
        cx.error(
            Code::NeverCounts,
            draft.id_span.clone(),
            format!("`{}` excludes user and kernel", event.id),
            "counts nothing",
            "remove `exclude_user` or `exclude_kernel`",
        );
    }
}

fn group(cx: &Cx, draft: &Draft, sibling: &EventDraft) {
    let Some(name) = &sibling.event.group else {
        return;
    };
    let refuse = |message: String, label: &str, help: &str| {
        cx.error(
            Code::Group,
            sibling.group_span.clone(),
            message,
            label,
            help,
        );
    };
    let id = &sibling.event.id;
    if name == id {
        refuse(
            format!("`{id}` is its own group leader"),
            "",
            "leave `group` out: an event without it leads a group of its own",
        );
        return;
    }
    if !draft.events.check(cx, name, sibling.group_span.clone()) {
        return;
    }
    let Some(leader) = draft.events.draft(name) else {
        return;
    };
    if let Some(above) = &leader.event.group {
        refuse(
            format!("the leader `{name}` of `{id}` is itself in a group"),
            &format!("`{name}` is led by `{above}`"),
            &format!("write `group = \"{above}\"`, or `group = \"none\"` for `{name}`"),
        );
    }
    if leader.event.task != sibling.event.task || leader.event.cpu != sibling.event.cpu {
        refuse(
            format!("`{id}` and its leader `{name}` count in different contexts"),
            "another CPU or task",
            "give both the same `task` and `cpu`",
        );
    }
    if sibling.event.pinned || sibling.event.exclusive {
        refuse(
            format!("`{id}` is a sibling and pinned or exclusive"),
            "only a leader may be",
            &format!("set it on `{name}`"),
        );
    }
}

/// What the event names: its CPU, the event its overflow reads.
fn target(cx: &Cx, draft: &Draft, event: &EventDraft, opened: &Opened<'_>) {
    if let Some(cpu) = event.event.cpu {
        cpu_exists(cx, draft, cpu, &event.cpu_span);
    }
    let OnOverflow::ReadLocal(target) = &event.event.on_overflow else {
        return;
    };
    let span = event.overflow_span.clone();
    let id = &event.event.id;
    if !event.event.is_sampling() {
        cx.error(
            Code::Sampling,
            span,
            format!("`{id}` does not sample, so it has no overflow handler"),
            "",
            "give it a `sample_period`",
        );
    } else if target == id {
        cx.error(
            Code::Sampling,
            span,
            format!("the overflow of `{id}` would read `{id}` itself"),
            "",
            "name another event",
        );
    } else if draft.events.check(cx, target, span.clone()) {
        match (opened.get(id.as_str()), opened.get(target.as_str())) {
            (_, None) => never_opened(cx, target, span),
            (Some((one, _)), Some((other, _))) if one != other => cx.error(
                Code::Order,
                span,
                format!("`{id}` and `{target}` are opened by different programs"),
                "",
                "one program opens both and attaches the reader",
            ),
            _ => {}
        }
    }
}

fn never_opened(cx: &Cx, id: &str, span: Span) {
    cx.error(
        Code::Order,
        span,
        format!("the event `{id}` is never opened"),
        "",
        format!("add a step `{{ open = \"{id}\" }}` before"),
    );
}

fn cpu_exists(cx: &Cx, draft: &Draft, cpu: u32, span: &Span) {
    let cpus = draft.programs.len();
    // Without any `[[cpu]]` that is the error to report.
    if cpus > 0 && usize::try_from(cpu).is_ok_and(|cpu| cpu >= cpus) {
        cx.error(
            Code::OutOfRange,
            span.clone(),
            format!("there is no CPU {cpu}"),
            &format!("the file has {cpus} `[[cpu]]`"),
            "CPUs are numbered from 0",
        );
    }
}

/// Follows one program.
fn order(cx: &Cx, draft: &Draft, cpu: usize, opened: &Opened<'_>) {
    // The steps that opened and closed an event so far.
    let mut open: BTreeMap<&str, &StepDraft> = BTreeMap::new();
    let mut closed: BTreeMap<&str, &StepDraft> = BTreeMap::new();
    let mut ended = false;
    for step in &draft.programs[cpu] {
        if ended {
            cx.error(
                Code::Order,
                step.span.clone(),
                "the program has ended before this step",
                "never runs",
                "",
            );
            return;
        }
        ended = step.step.op == Op::Exit;
        let Some(id) = step.step.op.event() else {
            continue;
        };
        let span = || step.event_span.clone();
        if !draft.events.check(cx, id, span()) {
            continue;
        }
        let event = draft.events.draft(id);
        if matches!(step.step.op, Op::Open(_)) {
            open.insert(id, step);
            if let Some(leader) = event.and_then(|event| event.event.group.as_deref())
                && draft.events.has(leader)
                && leader != id
                && (!open.contains_key(leader) || closed.contains_key(leader))
            {
                cx.error(
                    Code::Group,
                    span(),
                    format!("`{id}` is opened without its leader `{leader}` open"),
                    "",
                    format!("open `{leader}` before, in the same program"),
                );
            }
            continue;
        }
        if let Some(close) = closed.get(id) {
            cx.push(
                cx.diagnostic(Code::Order, format!("`{id}` is used after it was closed"))
                    .label(span(), "used here")
                    .label(close.event_span.clone(), "closed here"),
            );
            continue;
        }
        match opened.get(id) {
            None => never_opened(cx, id, span()),
            Some((opener, first)) if *opener == cpu && !open.contains_key(id) => {
                cx.push(
                    cx.diagnostic(Code::Order, format!("`{id}` is used before it is opened"))
                        .label(span(), "used here")
                        .label(first.event_span.clone(), "opened here"),
                );
            }
            // Another program's event: which comes first is a matter of the schedule.
            Some(_) => {}
        }
        match (&step.step.op, event) {
            (Op::Close(_), _) => {
                closed.insert(id, step);
            }
            (Op::Refresh { .. } | Op::Period { .. }, Some(event)) if !event.event.is_sampling() => {
                let ioctl = step.step.op.name().to_uppercase();
                cx.error(
                    Code::Sampling,
                    span(),
                    format!("`{id}` does not sample"),
                    "",
                    format!("perf refuses PERF_EVENT_IOC_{ioctl} for a counting event"),
                );
            }
            (Op::Mmap(_), Some(event)) if event.event.inherit && event.event.cpu.is_none() => {
                cx.error(
                    Code::StepShape,
                    span(),
                    format!("`{id}` is inherited and counts on every CPU"),
                    "perf refuses to map it",
                    format!("bind it to a CPU: `cpu = {cpu}`"),
                );
            }
            (Op::Mmap(_), Some(event)) if event.event.buffer => cx.error(
                Code::StepShape,
                span(),
                format!("`{id}` is mapped when it is opened"),
                "",
                "declare it with `buffer = false` to choose the moment",
            ),
            _ => {}
        }
    }
}

/// The labelled steps; reports labels given twice.
fn labels<'d>(cx: &Cx, draft: &'d Draft) -> BTreeMap<&'d str, &'d StepDraft> {
    let mut labels: BTreeMap<&str, &StepDraft> = BTreeMap::new();
    for step in draft.programs.iter().flatten() {
        let (Some(name), Some(span)) = (&step.step.label, &step.label_span) else {
            continue;
        };
        if let Some(before) = labels.get(name.as_str()) {
            let first = before.label_span.clone().unwrap_or(0..0);
            cx.push(
                cx.diagnostic(
                    Code::Duplicate,
                    format!("two steps have the label `{name}`"),
                )
                .label(span.clone(), "again here")
                .label(first, "first here"),
            );
        } else {
            labels.insert(name, step);
        }
    }
    labels
}

fn label<'d>(
    cx: &Cx,
    labels: &BTreeMap<&str, &'d StepDraft>,
    name: &str,
    span: &Span,
) -> Option<&'d StepDraft> {
    let found = labels.get(name).copied();
    if found.is_none() {
        let names: Vec<&str> = labels.keys().copied().collect();
        if names.is_empty() {
            cx.error(
                Code::UnknownLabel,
                span.clone(),
                format!("no step has the label `{name}`"),
                "",
                format!("add `label = \"{name}\"` to the step that is meant"),
            );
        } else {
            cx.unknown(Code::UnknownLabel, span.clone(), "label", name, &names);
        }
    }
    found
}

fn nmi_source(cx: &Cx, draft: &Draft, source: &NmiSource, span: &Span, opened: &Opened<'_>) {
    let Some(id) = source.event() else {
        if let NmiSource::Preempt(cpu) = source {
            cpu_exists(cx, draft, *cpu, span);
        }
        return;
    };
    if !draft.events.check(cx, id, span.clone()) {
        return;
    }
    if !opened.contains_key(id) {
        never_opened(cx, id, span.clone());
        return;
    }
    if matches!(source, NmiSource::External(_)) {
        let probes = |step: &StepDraft| matches!(&step.step.op, Op::Probe(probed) if probed == id);
        if !draft.programs.iter().flatten().any(probes) {
            cx.error(
                Code::NmiSource,
                span.clone(),
                format!("an external NMI would not read `{id}`"),
                "",
                format!("attach it with a step `{{ probe = \"{id}\" }}`"),
            );
        }
        return;
    }
    let Some(event) = draft.events.draft(id) else {
        return;
    };
    // A missing period of an injector is an error of its own.
    if event.event.kind != EventKind::Inject {
        let injectors: Vec<&str> = draft
            .events
            .drafts
            .iter()
            .filter(|draft| draft.event.is_injector())
            .map(|draft| draft.event.id.as_str())
            .collect();
        let help = if injectors.is_empty() {
            "declare one: `{ id = \"L\", kind = \"inject\", sample_period = 2 }`".to_owned()
        } else {
            format!("possible: {}", list(injectors))
        };
        cx.error(
            Code::NmiSource,
            span.clone(),
            format!("`{id}` is not an injector"),
            "not of kind `inject`",
            help,
        );
    }
}
