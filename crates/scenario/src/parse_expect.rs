// SPDX-License-Identifier: GPL-2.0-only
//! Reading expectations and causes.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::{
    CLAIMS, CausePattern, Expect, Oracle,
    parse_event::Events,
    parse_point::{check_row, window},
    walk::{Cx, Span, Table, Value},
};

pub(crate) const EXPECT: &[&str] = &["baseline", "violates", "exact", "fails", "why"];
pub(crate) const CAUSE: &[&str] = &["oracle", "event", "row", "window", "place", "claim"];

/// By scheduler, with the place of its name.
pub(crate) type Expectations = BTreeMap<String, (Span, Expect)>;

pub(crate) fn expectations<'a>(cx: &'a Cx, value: Value<'a>, events: &Events) -> Expectations {
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
            fails: table.string("fails").map(Spanned::into_inner),
            why: table.string("why").map(Spanned::into_inner),
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
        // A child is named by its parent: `A.child[0]`.
        let name = event.get_ref();
        let root = name.split('.').next().unwrap_or(name);
        events.check(cx, root, event.span());
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
        claim: table.get("claim").and_then(|v| claim(cx, v)),
        line: cx.line(&value.span()),
    })
}

/// The number of a claim.
pub(crate) fn claim(cx: &Cx, value: Value<'_>) -> Option<String> {
    let ids: Vec<&str> = CLAIMS.iter().map(|claim| claim.id).collect();
    cx.word(value, "claim", &ids).map(|at| ids[at].to_owned())
}

pub(crate) fn oracle(cx: &Cx, value: Value<'_>) -> Option<Oracle> {
    let names = Oracle::ALL.map(Oracle::name);
    let at = cx.word(value, "oracle", &names)?;
    Some(Oracle::ALL[at])
}
