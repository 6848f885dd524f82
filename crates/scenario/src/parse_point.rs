// SPDX-License-Identifier: GPL-2.0-only
//! Reading sources of NMIs, points, accesses and windows.

use toml::Spanned;

use crate::{
    Access, Code, Injection, NmiSource, Point, Side, Window, check,
    parse_event::Events,
    scenario::limits,
    suggest::distance,
    walk::{Cx, Span, Table, Value},
};

pub(crate) const INJECT: &[&str] = &["pmi", "late", "external", "preempt", "tick", "at"];
pub(crate) const EXACT: &[&str] = &["cpu", "ordinal", "rip"];
pub(crate) const POINT: &[&str] = &[
    "exact", "code", "before", "after", "hit", "step", "row", "cpu",
];

/// The one of `pmi`, `late`, `external`, `preempt` and `tick` that a table has.
pub(crate) fn nmi_source(table: &Table<'_>) -> Option<(NmiSource, Span)> {
    let cx = table.cx;
    let mut given = NmiSource::NAMES
        .into_iter()
        .filter_map(|name| Some((name, table.get(name)?)));
    let (Some((name, value)), None) = (given.next(), given.next()) else {
        cx.error(
            Code::NmiSource,
            table.span.clone(),
            "what comes in between has exactly one source",
            "",
            "give one of `pmi = ID`, `late = ID`, `external = ID`, `preempt = CPU` or `tick = {}`",
        );
        return None;
    };
    if name == "preempt" {
        let cpu = cx.number(value, "`preempt`", (0, limits::CPUS as u64 - 1))?;
        let source = NmiSource::Preempt(u32::try_from(cpu).ok()?);
        return Some((source, value.span()));
    }
    if name == "tick" {
        Table::new(cx, value, "`tick`", &[])?;
        return Some((NmiSource::Tick, value.span()));
    }
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

pub(crate) fn injection<'a>(
    cx: &'a Cx,
    value: Value<'a>,
    events: &Events,
) -> Option<check::InjectDraft> {
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
    const PARTS: &[&str] = &[
        "hw",
        "attr",
        "ctx",
        "cpuctx",
        "cpuc",
        "active_list",
        "child_list",
        "dup_active_list",
        "event_entry",
        "group_node",
        "sibling_list",
    ];
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
    let near = |row: &str| row.len().abs_diff(name.len()) <= 2 && distance(row, name) <= 2;
    if rows.into_iter().any(near) {
        cx.unknown_word(span, "row", name, &rows);
    }
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
