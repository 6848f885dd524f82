// SPDX-License-Identifier: GPL-2.0-only
//! The list of known findings: bugs that are real but not this project's to fix.

use crate::{
    Code, Diagnostics, Oracle, Source, Window,
    parse_event::Events,
    parse_expect::oracle,
    parse_point::{check_row, window},
    walk::{Cx, Table, Value},
};

/// What reaches a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// A PMI at the boundary.
    Pmi,
    /// A PMI that lands late.
    Late,
    /// An NMI from elsewhere.
    External,
    /// Another CPU that runs in between.
    Preempt,
    /// A timer interrupt.
    Tick,
}

/// A value of the row `read_guard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadGuard {
    /// As in Linux 5.5.
    V5_5,
    /// As in Linux 5.9.
    V5_9,
}

/// A known finding. It is matched by where it happens, not by its symptom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who reports it.
    pub oracle: Oracle,
    /// The row or function it happens in.
    pub row: String,
    /// The window of the decisive boundary.
    pub window: Option<Window>,
    /// The violating access by symbol; at least one of `window` and `place` is there.
    pub place: Option<String>,
    /// Under which guards it exists; not empty.
    pub read_guard: Vec<ReadGuard>,
    /// What reaches it; not empty.
    pub reaches: Vec<Reach>,
    /// Schedulers it is known for; empty means all.
    pub schedulers: Vec<String>,
    /// Why it happens, in words.
    pub reason: String,
    /// Where that can be read.
    pub source: String,
    /// Line in the file, from 1.
    pub line: u32,
}

pub(crate) const TOP: &[&str] = &["format", "known"];
pub(crate) const KEYS: &[&str] = &[
    "oracle",
    "row",
    "window",
    "place",
    "read_guard",
    "reaches",
    "schedulers",
    "reason",
    "source",
];
pub(crate) const REACHES: [(&str, Reach); 5] = [
    ("pmi", Reach::Pmi),
    ("late", Reach::Late),
    ("external", Reach::External),
    ("preempt", Reach::Preempt),
    ("tick", Reach::Tick),
];
pub(crate) const GUARDS: [(&str, ReadGuard); 2] =
    [("v5.5", ReadGuard::V5_5), ("v5.9", ReadGuard::V5_9)];

/// Reads the list of known findings. Without a `[[known]]` it is empty.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_known(source: &Source) -> Result<Vec<Known>, Diagnostics> {
    let cx = Cx::new(source, TOP);
    let list = cx.document(&source.text).and_then(|document| {
        let top = Table::top(&cx, &document, "the list of known findings");
        if !cx.format(&top) {
            return None;
        }
        let entries = top.get("known").and_then(|v| cx.array(v, "`known`"));
        let list = entries.map_or_else(Vec::new, |list| {
            list.iter().filter_map(|v| entry(&cx, v)).collect()
        });
        cx.missing_at_top(&top, &[]);
        Some(list)
    });
    cx.finish(list)
}

fn entry<'a>(cx: &'a Cx, value: Value<'a>) -> Option<Known> {
    let table = Table::new(cx, value, "`[[known]]`", KEYS)?;
    let oracle = table.require("oracle").and_then(|v| oracle(cx, v));
    let row = table.require_string("row");
    if let Some(row) = &row {
        check_row(cx, row.get_ref(), row.span());
    }
    let row = row.map(toml::Spanned::into_inner);
    // A finding is about any events, so its accesses name no objects.
    let window = table
        .get("window")
        .map(|v| window(cx, v, row.as_deref(), &Events::default()));
    let place = table.string("place").map(toml::Spanned::into_inner);
    if table.get("window").is_none() && table.get("place").is_none() {
        cx.error(
            Code::NoPlace,
            table.span.clone(),
            "the finding does not say where it happens",
            "",
            "add `window = [FROM, TO]` or `place = SYMBOL`",
        );
    }
    let read_guard = words(&table, "read_guard", &GUARDS);
    let reaches = words(&table, "reaches", &REACHES);
    let schedulers = match table.get("schedulers") {
        None => Some(Vec::new()),
        Some(value) => cx.strings(value, "`schedulers`").map(|names| {
            let valid = names.into_iter().filter(|n| cx.file_name(n, "a scheduler"));
            valid.map(toml::Spanned::into_inner).collect()
        }),
    };
    let reason = table.require_string("reason");
    let source = table.require_string("source");
    Some(Known {
        oracle: oracle?,
        row: row?,
        window: match window {
            None => None,
            Some(window) => Some(window?),
        },
        place,
        read_guard: read_guard?,
        reaches: reaches?,
        schedulers: schedulers?,
        reason: reason?.into_inner(),
        source: source?.into_inner(),
        line: cx.line(&value.span()),
    })
}

/// A non-empty list of words.
fn words<T: Copy>(table: &Table<'_>, key: &str, words: &[(&str, T)]) -> Option<Vec<T>> {
    let cx = table.cx;
    let value = table.require(key)?;
    let array = cx.array(value, &format!("`{key}`"))?;
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    if array.is_empty() {
        cx.error(
            Code::MissingKey,
            value.span(),
            format!("`{key}` is empty"),
            "",
            format!("possible: {}", crate::suggest::list(names)),
        );
        return None;
    }
    let found: Vec<Option<T>> = array
        .iter()
        .map(|item| cx.word(item, key, &names).map(|at| words[at].1))
        .collect();
    found.into_iter().collect()
}
