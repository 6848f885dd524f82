// SPDX-License-Identifier: GPL-2.0-only
//! Reading a scenario file: the first pass.

use std::collections::BTreeMap;

use toml::{Spanned, de::DeArray};

use crate::{
    Access, CausePattern, Code, Diagnostics, Expect, Injection, NmiSource, Op, Oracle, Point,
    Program, Scenario, Side, Source, Step, Sweep, SwitchTarget, Window,
    check::{self, Draft, StepDraft},
    parse_event::{self, Events},
    scenario::limits,
    suggest::distance,
    walk::{Cx, Span, Table, Value},
};

pub(crate) const TOP: &[&str] = &[
    "format", "title", "source", "machine", "event", "cpu", "sweep", "inject", "expect",
];
pub(crate) const CPU: &[&str] = &["program"];
pub(crate) const SWEEP: &[&str] = &["step", "source", "nmis"];
pub(crate) const EXPECT: &[&str] = &["baseline", "violates", "exact"];
pub(crate) const CAUSE: &[&str] = &["oracle", "event", "row", "window", "place"];
pub(crate) const INJECT: &[&str] = &["pmi", "late", "external", "at"];
pub(crate) const EXACT: &[&str] = &["cpu", "ordinal", "rip"];
pub(crate) const POINT: &[&str] = &[
    "exact", "code", "before", "after", "hit", "step", "row", "cpu",
];
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
    let machine = top
        .string("machine")
        .filter(|name| cx.file_name(name, "a machine"));
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
    let machine = machine?;
    let events: Vec<_> = draft.events.drafts.into_iter().map(|d| d.event).collect();
    let programs: Vec<_> = draft.programs.into_iter().map(StepDraft::program).collect();
    Some(Scenario {
        title: title?.into_inner(),
        source: source.map(Spanned::into_inner),
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
    let mut ops = table
        .entries()
        .filter(|(key, _)| Op::NAMES.contains(&key.get_ref().as_str()));
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
        "tick" | "exit" => {
            Table::new(cx, argument, &what, &[])?;
            if name == "tick" { Op::Tick } else { Op::Exit }
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
    let nmis = table.number("nmis", (1, limits::NMIS), 1);
    let (step, (from, event_span)) = (step?, from?);
    Some(check::SweepDraft {
        step_span: step.span(),
        event_span,
        sweep: Sweep {
            step: step.into_inner(),
            source: from,
            nmis: u32::try_from(nmis?).ok()?,
            line: cx.line(&value.span()),
        },
    })
}

/// The one of `pmi`, `late` and `external` that a table has.
fn nmi_source(table: &Table<'_>) -> Option<(NmiSource, Span)> {
    let cx = table.cx;
    let mut given = NmiSource::NAMES
        .into_iter()
        .filter_map(|name| Some((name, table.get(name)?)));
    let (Some((name, value)), None) = (given.next(), given.next()) else {
        cx.error(
            Code::NmiSource,
            table.span.clone(),
            "an NMI has exactly one source",
            "",
            "give one of `pmi = ID`, `late = ID` or `external = ID`",
        );
        return None;
    };
    let event = cx.string(value, &format!("`{name}`"))?;
    let span = event.span();
    let event = event.into_inner();
    let source = match name {
        "pmi" => NmiSource::Pmi(event),
        "late" => NmiSource::Late(event),
        _ => NmiSource::External(event),
    };
    Some((source, span))
}

fn injection<'a>(cx: &'a Cx, value: Value<'a>, events: &Events) -> Option<check::InjectDraft> {
    let table = Table::new(cx, value, "`[[inject]]`", INJECT)?;
    let from = nmi_source(&table);
    let at = table.require("at")?;
    let point = point(cx, at, events);
    let (source, event_span) = from?;
    let (at, step_span, cpu_span) = point?;
    Some(check::InjectDraft {
        event_span,
        step_span,
        cpu_span,
        injection: Injection {
            source,
            at,
            line: cx.line(&value.span()),
        },
    })
}

/// A point, the place of its step's label and that of its CPU.
fn point<'a>(
    cx: &'a Cx,
    value: Value<'a>,
    events: &Events,
) -> Option<(Point, Option<Span>, Option<Span>)> {
    let table = Table::new(cx, value, "`at`", POINT)?;
    let ways = ["exact", "code", "before", "after"];
    let mut given = ways.into_iter().filter_map(|w| Some((w, table.get(w)?)));
    let (Some((way, place)), None) = (given.next(), given.next()) else {
        cx.error(
            Code::BadText,
            value.span(),
            "a point is given in exactly one way",
            "",
            "give one of `exact`, `code`, `before` or `after`",
        );
        return None;
    };
    // Keys that mean nothing beside this kind of point.
    let extra: &[&str] = match way {
        "exact" => &["hit", "step", "row", "cpu"],
        "code" => &["row"],
        _ => &[],
    };
    for key in extra {
        if let Some(value) = table.get(key) {
            cx.error(
                Code::UnknownKey,
                value.span(),
                format!("`{key}` does not go with `{way}`"),
                "",
                "",
            );
        }
    }
    if way == "exact" {
        let exact = Table::new(cx, place, "`exact`", EXACT)?;
        let cpu = exact.require_number("cpu", (0, limits::CPUS as u64 - 1));
        let ordinal = exact.require_number("ordinal", (0, u64::MAX));
        let rip = exact
            .get("rip")
            .map(|v| cx.number(v, "`rip`", (0, u64::MAX)));
        let point = Point::Exact {
            cpu: u32::try_from(cpu?).ok()?,
            ordinal: ordinal?,
            rip: match rip {
                None => None,
                Some(rip) => Some(rip?),
            },
        };
        return Some((point, None, exact.get("cpu").map(Spanned::span)));
    }
    let hit = table.number("hit", (1, u64::from(u32::MAX)), 1);
    let step = table.string("step");
    let step_span = step.as_ref().map(Spanned::span);
    let cpu_span = table.get("cpu").map(Spanned::span);
    let cpu = match table.get("cpu") {
        None => None,
        Some(v) => Some(cx.number(v, "`cpu`", (0, limits::CPUS as u64 - 1))?),
    };
    let row = table.string("row");
    let text = cx.string(place, &format!("`{way}`"))?;
    let hit = u32::try_from(hit?).ok()?;
    let step = step.map(Spanned::into_inner);
    let cpu = cpu.and_then(|cpu| u32::try_from(cpu).ok());
    let point = if way == "code" {
        let parsed = Point::parse_code(text.get_ref());
        let (symbol, offset) = bad_text(cx, &text, parsed)?;
        Point::Code {
            symbol,
            offset,
            hit,
            step,
            cpu,
        }
    } else {
        let mut access = access(cx, &text, events)?;
        if let Some(row) = row {
            check_row(cx, row.get_ref(), row.span());
            access.row = Some(row.into_inner());
        }
        Point::Semantic {
            side: if way == "before" {
                Side::Before
            } else {
                Side::After
            },
            access,
            hit,
            step,
            cpu,
        }
    };
    Some((point, step_span, cpu_span))
}

fn bad_text<T>(cx: &Cx, text: &Spanned<String>, parsed: Result<T, String>) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(why) => {
            cx.error(
                Code::BadText,
                text.span(),
                crate::walk::shorten(&why),
                "",
                "",
            );
            None
        }
    }
}

/// An access whose object, if it has one, is an event of the file.
pub(crate) fn access(cx: &Cx, text: &Spanned<String>, events: &Events) -> Option<Access> {
    /// Structures inside objects of the guest: the first part of a field's path, not an event.
    const PARTS: &[&str] = &["hw", "attr", "ctx", "cpuctx", "cpuc"];
    let parsed = Access::parse(text.get_ref(), |name| events.has(name));
    let access = bad_text(cx, text, parsed)?;
    if access.object.is_none()
        && let Some((first, _)) = access.field.split_once('.')
        && !PARTS.contains(&first)
        && !events.check(cx, first, text.span())
    {
        return None;
    }
    if let Some(row) = &access.row {
        check_row(cx, row, text.span());
    }
    Some(access)
}

/// Functions outside the table can be named too, so only what looks like a misspelt row is wrong.
pub(crate) fn check_row(cx: &Cx, name: &str, span: Span) {
    let rows = abi::rows::Row::ALL.map(abi::rows::Row::name);
    if rows.contains(&name) || name.len() < 6 || name.len() > 100 {
        return;
    }
    if rows.iter().any(|row| distance(row, name) <= 2) {
        cx.unknown_word(span, "row", name, &rows);
    }
}

type Expectations = BTreeMap<String, (Span, Expect)>;

fn expectations<'a>(cx: &'a Cx, value: Value<'a>, events: &Events) -> Expectations {
    let mut all = BTreeMap::new();
    let Some(table) = value.get_ref().as_table() else {
        cx.wrong_type(value, "`expect`", "a table for each scheduler");
        return all;
    };
    for (key, value) in table {
        let name = Spanned::new(key.span(), key.get_ref().clone().into_owned());
        if !value.get_ref().is_table() && cx.misplaced(name.get_ref(), key.span(), "`[expect]`") {
            continue;
        }
        if !cx.file_name(&name, "a scheduler") {
            continue;
        }
        let what = format!("`[expect.{}]`", name.get_ref());
        let Some(table) = Table::new(cx, value, what, EXPECT) else {
            continue;
        };
        let causes = |key: &str| -> Vec<CausePattern> {
            let list = table
                .get(key)
                .and_then(|v| cx.array(v, &format!("`{key}`")));
            list.map_or_else(Vec::new, |list| {
                list.iter().filter_map(|v| cause(cx, v, events)).collect()
            })
        };
        let expect = Expect {
            baseline: causes("baseline"),
            violates: causes("violates"),
            exact: table.flag("exact", false).unwrap_or(false),
            line: cx.line(&key.span()),
        };
        all.insert(name.get_ref().clone(), (key.span(), expect));
    }
    all
}

fn cause<'a>(cx: &'a Cx, value: Value<'a>, events: &Events) -> Option<CausePattern> {
    let table = Table::new(cx, value, "the cause", CAUSE)?;
    let oracle = table.require("oracle").and_then(|v| oracle(cx, v));
    let event = table.string("event");
    if let Some(event) = &event {
        events.check(cx, event.get_ref(), event.span());
    }
    let row = table.string("row");
    if let Some(row) = &row {
        check_row(cx, row.get_ref(), row.span());
    }
    let window = match table.get("window") {
        None => None,
        Some(value) => Some(window(cx, value, None, events)?),
    };
    Some(CausePattern {
        oracle: oracle?,
        event: event.map(Spanned::into_inner),
        row: row.map(Spanned::into_inner),
        window,
        place: table.string("place").map(Spanned::into_inner),
        line: cx.line(&value.span()),
    })
}

pub(crate) fn oracle(cx: &Cx, value: Value<'_>) -> Option<Oracle> {
    let names = Oracle::ALL.map(Oracle::name);
    let at = cx.word(value, "oracle", &names)?;
    Some(Oracle::ALL[at])
}

/// Two accesses; a row that is not written is that of the one before, or `row`.
pub(crate) fn window<'a>(
    cx: &'a Cx,
    value: Value<'a>,
    row: Option<&str>,
    events: &Events,
) -> Option<Window> {
    let texts = cx.strings(value, "`window`")?;
    let [from_text, to_text] = texts.as_slice() else {
        cx.error(
            Code::WrongType,
            value.span(),
            "a window has two ends",
            &format!("{} given", texts.len()),
            "such as `[\"init_dup_master: write master_count\", \"write dup_count\"]`",
        );
        return None;
    };
    let (from, to) = (access(cx, from_text, events), access(cx, to_text, events));
    let (mut from, mut to) = (from?, to?);
    if from.row.is_none() {
        from.row = row.map(str::to_owned);
    }
    if from.row.is_none() {
        cx.error(
            Code::BadText,
            from_text.span(),
            "the window does not say in which row it lies",
            "",
            format!("write `ROW: {from}`"),
        );
        return None;
    }
    if to.row.is_none() {
        to.row.clone_from(&from.row);
    }
    Some(Window { from, to })
}

impl StepDraft {
    fn program(steps: Vec<Self>) -> Program {
        Program {
            steps: steps.into_iter().map(|draft| draft.step).collect(),
        }
    }
}
