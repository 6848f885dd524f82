// SPDX-License-Identifier: GPL-2.0-only
//! Scheduler files: which version of each sharing function the guest runs.

use std::{collections::BTreeMap, ops::Range};

use abi::rows::{Row, Rows};
use toml::{Spanned, de::DeValue};

use crate::{
    COUPLINGS, Code, Diagnostic, Diagnostics, Library, Source,
    coupling::value,
    suggest::{list, nearest},
    walk::{Cx, Table, Value, shorten},
};

/// A scheduler: a choice for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduler {
    /// Its name; also that of its file.
    pub name: String,
    /// The choices.
    pub rows: Rows,
}

impl Scheduler {
    /// The name of the value of a row.
    #[must_use]
    pub fn value(&self, row: Row) -> &'static str {
        value(&self.rows, row)
    }

    /// The scheduler as a file of its own, without a base: what a trace takes along.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!(
            "format = {}\nname = \"{}\"\n\n[rows]\n",
            crate::FORMAT,
            self.name
        );
        for row in Row::ALL {
            let value = self.value(row);
            if row.values() == ["false", "true"] {
                text.push_str(&format!("{} = {value}\n", row.name()));
            } else {
                text.push_str(&format!("{} = \"{value}\"\n", row.name()));
            }
        }
        text
    }

    /// Does it share counters at all? (`none` does not, even with another read guard.)
    #[must_use]
    pub fn shares(&self) -> bool {
        self.value(Row::CanShare) != "none"
    }

    /// Linux without sharing, with the same read guard.
    #[must_use]
    pub fn mainline(&self) -> Self {
        let mut rows = Rows::default();
        rows.0[Row::ReadGuard as usize] = self.rows.get(Row::ReadGuard);
        let name = "none".to_owned();
        Self { name, rows }
    }
}

pub(crate) const TOP: &[&str] = &["format", "name", "base", "rows"];

/// Reads a scheduler file. Rows that neither the file nor its bases set are those of `none`.
///
/// # Errors
/// Everything that is wrong with it; errors of a base file point into that file.
pub fn parse_scheduler(source: &Source, base: &dyn Library) -> Result<Scheduler, Diagnostics> {
    load(source, base, &mut Vec::new())
}

fn load(
    source: &Source,
    library: &dyn Library,
    stack: &mut Vec<String>,
) -> Result<Scheduler, Diagnostics> {
    let cx = Cx::new(source, TOP);
    let scheduler = cx.document(&source.text).and_then(|document| {
        let top = Table::top(&cx, &document, "the scheduler file");
        read(&top, library, stack)
    });
    cx.finish(scheduler)
}

fn read(top: &Table<'_>, library: &dyn Library, stack: &mut Vec<String>) -> Option<Scheduler> {
    let cx = top.cx;
    if !cx.format(top) {
        return None;
    }
    let names: Vec<&str> = Row::ALL.iter().map(|row| row.name()).collect();
    let table = top
        .get("rows")
        .and_then(|value| Table::new(cx, value, "`[rows]`", &names));
    cx.missing_at_top(top, &["name"]);
    let name = top
        .string("name")
        .filter(|name| cx.file_name(name, "a scheduler"));

    let base = top.string("base");
    let mut rows = Rows::default();
    let mut known = true;
    if let Some(base) = &base {
        stack.push(
            name.as_ref()
                .map_or_else(String::new, |name| name.get_ref().clone()),
        );
        match base_rows(cx, base, library, stack) {
            Some(found) => rows = found,
            None => known = false,
        }
        stack.pop();
    }

    let mut places: BTreeMap<Row, Range<usize>> = BTreeMap::new();
    if let Some(table) = &table {
        for row in Row::ALL {
            let Some(given) = table.get(row.name()) else {
                continue;
            };
            places.insert(row, given.span());
            match row_value(cx, row, given) {
                Some(choice) => rows.0[row as usize] = choice,
                None => known = false,
            }
        }
    }
    if known {
        couplings(cx, &rows, &places, base.as_ref());
    }
    let name = name?.into_inner();
    known.then_some(Scheduler { name, rows })
}

fn base_rows(
    cx: &Cx,
    base: &Spanned<String>,
    library: &dyn Library,
    stack: &mut Vec<String>,
) -> Option<Rows> {
    let name = base.get_ref();
    if stack.contains(name) {
        cx.error(
            Code::BaseCycle,
            base.span(),
            format!("the base of `{name}` leads back to `{name}`"),
            "",
            format!("the way there: {}", stack.join(" -> ")),
        );
        return None;
    }
    let Some((path, text)) = library.scheduler(name) else {
        let names = library.scheduler_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        cx.unknown(Code::UnknownFile, base.span(), "scheduler", name, &names);
        return None;
    };
    match load(&Source::new(path, text), library, stack) {
        Ok(scheduler) => Some(scheduler.rows),
        Err(errors) => {
            cx.extend(errors);
            None
        }
    }
}

/// The position of a row's value. Switches take `true` and `false` with or without quotes.
fn row_value(cx: &Cx, row: Row, given: Value<'_>) -> Option<u8> {
    let values = row.values();
    let word = match given.get_ref() {
        DeValue::String(word) => word.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        _ => {
            let what = format!("`{}`", row.name());
            cx.wrong_type(
                given,
                &what,
                &format!("one of {}", list(values.iter().copied())),
            );
            return None;
        }
    };
    let found = values.iter().position(|value| *value == word);
    if found.is_none() {
        cx.push(unknown_value(cx, row, given.span(), &word));
    }
    u8::try_from(found?).ok()
}

fn unknown_value(cx: &Cx, row: Row, span: Range<usize>, word: &str) -> Diagnostic {
    let values = row.values();
    let message = format!("row `{}` has no version `{}`", row.name(), shorten(word));
    let label = nearest(word, values.iter().copied())
        .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
    cx.diagnostic(Code::UnknownWord, message)
        .label(span, label)
        .help(format!(
            "this guest image offers {}",
            list(values.iter().copied())
        ))
}

fn couplings(
    cx: &Cx,
    rows: &Rows,
    places: &BTreeMap<Row, Range<usize>>,
    base: Option<&Spanned<String>>,
) {
    for rule in COUPLINGS.iter().filter(|rule| !rule.allows(rows)) {
        let (when, needs) = (rule.when.0, rule.needs.0);
        let place = |row: Row| {
            places
                .get(&row)
                .cloned()
                .or_else(|| base.map(Spanned::span))
                .unwrap_or(0..0)
        };
        let (first, second) = (place(when), place(needs));
        let mut diagnostic = cx.diagnostic(
            Code::Coupling,
            format!(
                "`{} = {}` does not go with `{} = {}`",
                when.name(),
                value(rows, when),
                needs.name(),
                value(rows, needs),
            ),
        );
        diagnostic = diagnostic.label(first.clone(), "this version");
        if second != first && second != (0..0) {
            diagnostic = diagnostic.label(second, "with this one");
        }
        cx.push(diagnostic.help(rule.text).help(format!(
            "with it, `{}` may be {}",
            needs.name(),
            list(rule.needs.1.iter().copied())
        )));
    }
}
