// SPDX-License-Identifier: GPL-2.0-only
//! Taking a TOML tree apart key by key, going on after every error.

use std::{cell::RefCell, collections::BTreeSet, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::{
    Code, Diagnostic, Diagnostics, FORMAT, Source,
    suggest::{list, nearest},
};

/// Bytes of the file.
pub(crate) type Span = Range<usize>;
/// A value of the tree with its place.
pub(crate) type Value<'a> = &'a Spanned<DeValue<'a>>;

/// What one reading of a file collects.
pub(crate) struct Cx {
    pub(crate) source: Arc<Source>,
    errors: RefCell<Vec<Diagnostic>>,
    /// Keys of the file's top found in a table below: their absence is no second error.
    misplaced: RefCell<BTreeSet<&'static str>>,
    /// The keys of the file's top.
    top: &'static [&'static str],
}

impl Cx {
    pub(crate) fn new(source: &Source, top: &'static [&'static str]) -> Self {
        Self {
            source: Arc::new(source.clone()),
            errors: RefCell::default(),
            misplaced: RefCell::default(),
            top,
        }
    }

    pub(crate) fn diagnostic(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Arc::clone(&self.source), code, message.into())
    }

    pub(crate) fn push(&self, diagnostic: Diagnostic) {
        self.errors.borrow_mut().push(diagnostic);
    }

    /// Takes over the errors of another file.
    pub(crate) fn extend(&self, errors: Diagnostics) {
        self.errors.borrow_mut().extend(errors.into_list());
    }

    /// An error with one mark and one help line.
    pub(crate) fn error(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        label: &str,
        help: impl Into<String>,
    ) {
        let mut diagnostic = self.diagnostic(code, message).label(span, label);
        let help = help.into();
        if !help.is_empty() {
            diagnostic = diagnostic.help(help);
        }
        self.push(diagnostic);
    }

    pub(crate) fn finish<T>(&self, value: Option<T>) -> Result<T, Diagnostics> {
        let errors = self.errors.take();
        match value {
            Some(value) if errors.is_empty() => Ok(value),
            _ => {
                assert!(!errors.is_empty(), "a file was refused without an error");
                Err(Diagnostics::new(errors))
            }
        }
    }

    pub(crate) fn line(&self, span: &Span) -> u32 {
        self.source.position(span.start).0
    }

    /// Parses the text; `None` if it is not TOML (all syntax errors are reported).
    pub(crate) fn document<'a>(&self, text: &'a str) -> Option<Spanned<DeTable<'a>>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Some(table);
        }
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.error(Code::Syntax, span, error.message().trim_end(), "", "");
        }
        None
    }

    /// An unknown word, with the valid ones.
    pub(crate) fn unknown_word(&self, span: Span, what: &str, word: &str, valid: &[&str]) {
        self.unknown(Code::UnknownWord, span, what, word, valid);
    }

    /// An unknown name of any kind, with "did you mean" and the valid names.
    pub(crate) fn unknown(&self, code: Code, span: Span, what: &str, word: &str, valid: &[&str]) {
        let message = format!("unknown {what} `{}`", shorten(word));
        let mut diagnostic = self.diagnostic(code, message);
        let near = nearest(word, valid.iter().copied());
        diagnostic = diagnostic.label(
            span,
            near.map_or_else(String::new, |near| format!("did you mean `{near}`?")),
        );
        diagnostic = diagnostic.help(if valid.is_empty() {
            "there is none here".to_owned()
        } else {
            format!("possible: {}", list(valid.iter().copied()))
        });
        self.push(diagnostic);
    }

    /// Reports a key of the file's top that stands in a table below.
    pub(crate) fn misplaced(&self, name: &str, span: Span, what: &str) -> bool {
        let Some(top) = self.top.iter().find(|top| **top == name) else {
            return false;
        };
        self.misplaced.borrow_mut().insert(top);
        self.error(
            Code::MisplacedKey,
            span,
            format!("`{name}` stands inside {what}"),
            "belongs to the top of the file",
            format!(
                "in TOML a plain key belongs to the table header above it: move `{name}` above \
                 the first `[table]` line"
            ),
        );
        true
    }

    /// The keys of the file's top that are required and absent, `format` always among them. To be
    /// called when all tables were walked, since a key may stand in one of them.
    pub(crate) fn missing_at_top(&self, table: &Table<'_>, keys: &[&'static str]) {
        let absent = |key: &str| table.get(key).is_none() && !self.misplaced.borrow().contains(key);
        if absent("format") {
            self.error(
                Code::Format,
                0..0,
                "the file does not say which format it has",
                "",
                format!("begin the file with `format = {FORMAT}`"),
            );
        }
        for key in keys.iter().filter(|key| absent(key)) {
            table.missing(key);
        }
    }

    /// Checks the value of `format`; `false` if the rest of the file cannot be judged.
    pub(crate) fn format(&self, table: &Table<'_>) -> bool {
        let Some(value) = table.get("format") else {
            return true;
        };
        let Some(number) = integer(value.get_ref()) else {
            self.wrong_type(value, "`format`", "an integer");
            return true;
        };
        if number == i128::from(FORMAT) {
            return true;
        }
        let newer = number > i128::from(FORMAT);
        self.error(
            Code::Format,
            value.span(),
            format!("format {number} is not one that this program reads"),
            &format!("this program reads format {FORMAT}"),
            if newer {
                "the file was written for a newer version of pmusim: update the program"
            } else {
                "the first format is 1"
            },
        );
        false
    }

    pub(crate) fn wrong_type(&self, value: Value<'_>, what: &str, wanted: &str) {
        let got = match value.get_ref().type_str() {
            got @ ("integer" | "array") => format!("an {got}"),
            got => format!("a {got}"),
        };
        self.error(
            Code::WrongType,
            value.span(),
            format!("{what} takes {wanted}, not {got}"),
            &format!("expected {wanted}"),
            "",
        );
    }

    pub(crate) fn string(&self, value: Value<'_>, what: &str) -> Option<Spanned<String>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(value, what, "a string");
            return None;
        };
        Some(Spanned::new(value.span(), text.to_owned()))
    }

    pub(crate) fn boolean(&self, value: Value<'_>, what: &str) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(value, what, "true or false");
        }
        flag
    }

    /// An integer within `range` (inclusive).
    pub(crate) fn number(&self, value: Value<'_>, what: &str, range: (u64, u64)) -> Option<u64> {
        if !value.get_ref().is_integer() {
            self.wrong_type(value, what, "an integer");
            return None;
        }
        let (low, high) = range;
        let number = integer(value.get_ref()).and_then(|n| u64::try_from(n).ok());
        match number {
            Some(n) if (low..=high).contains(&n) => Some(n),
            _ => {
                let rule = if high == u64::MAX {
                    format!("must be at least {low}")
                } else {
                    format!("must be from {low} to {high}")
                };
                self.error(
                    Code::OutOfRange,
                    value.span(),
                    format!("{what} is out of range"),
                    &rule,
                    "",
                );
                None
            }
        }
    }

    pub(crate) fn array<'a>(&self, value: Value<'a>, what: &str) -> Option<&'a DeArray<'a>> {
        let array = value.get_ref().as_array();
        if array.is_none() {
            self.wrong_type(value, what, "an array");
        }
        array
    }

    /// An array of strings; wrong elements are reported and left out.
    pub(crate) fn strings(&self, value: Value<'_>, what: &str) -> Option<Vec<Spanned<String>>> {
        let array = self.array(value, what)?;
        Some(
            array
                .iter()
                .filter_map(|item| self.string(item, &format!("an element of {what}")))
                .collect(),
        )
    }

    /// One of `words`, by position.
    pub(crate) fn word(&self, value: Value<'_>, what: &str, words: &[&str]) -> Option<usize> {
        let word = self.string(value, &format!("`{what}`"))?;
        let found = words.iter().position(|w| w == word.get_ref());
        if found.is_none() {
            self.unknown_word(value.span(), what, word.get_ref(), words);
        }
        found
    }

    /// Reports a name that is not an identifier or is reserved.
    pub(crate) fn identifier(&self, name: &Spanned<String>, what: &str) -> bool {
        const RESERVED: &[&str] = &["none", "idle", "current", "cpu", "init"];
        let text = name.get_ref();
        if !is_identifier(text) {
            self.error(
                Code::BadName,
                name.span(),
                format!("`{}` is not a name for {what}", shorten(text)),
                "not an identifier",
                "use a letter or underscore, then letters, digits and underscores",
            );
            return false;
        }
        if RESERVED.contains(&text.as_str()) {
            self.error(
                Code::BadName,
                name.span(),
                format!("`{text}` is reserved and cannot name {what}"),
                "reserved word",
                "",
            );
            return false;
        }
        true
    }

    /// Reports a name that cannot be that of a file of the library.
    pub(crate) fn file_name(&self, name: &Spanned<String>, what: &str) -> bool {
        let ok = is_file_name(name.get_ref());
        if !ok {
            self.error(
                Code::BadName,
                name.span(),
                format!("`{}` is not a name for {what}", shorten(name.get_ref())),
                "not a name",
                "use letters, digits, `_`, `-`, `.`, and `/` between folders",
            );
        }
        ok
    }
}

/// An integer of the tree, whatever its radix.
fn integer(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// `text`, cut for a message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN)
        .collect();
    if text.chars().count() > SHOWN {
        format!("{clean}...")
    } else {
        clean
    }
}

/// A letter or underscore, then letters, digits and underscores; at most 40.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.len() <= 40
}

fn is_file_name(text: &str) -> bool {
    text.len() <= 100
        && text.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        })
}

/// A table whose keys are known. Unknown keys are reported when it is made.
pub(crate) struct Table<'a> {
    pub(crate) cx: &'a Cx,
    table: &'a DeTable<'a>,
    pub(crate) span: Span,
    what: String,
    /// Keys that misspelt ones were probably meant to be: their absence is no second error.
    guessed: Vec<String>,
}

impl<'a> Table<'a> {
    /// The top of a file.
    pub(crate) fn top(cx: &'a Cx, table: &'a Spanned<DeTable<'a>>, what: &str) -> Self {
        let mut this = Self {
            cx,
            table: table.get_ref(),
            span: 0..0,
            what: what.to_owned(),
            guessed: Vec::new(),
        };
        // A later format may have other keys; that it is later is the one error then.
        let format = this.get("format").map(Spanned::get_ref);
        if format.and_then(integer).unwrap_or(1) == i128::from(FORMAT) {
            this.unknown_keys(cx.top);
        }
        this
    }

    /// A table below the top.
    pub(crate) fn new(
        cx: &'a Cx,
        value: Value<'a>,
        what: impl Into<String>,
        keys: &[&str],
    ) -> Option<Self> {
        let what = what.into();
        let Some(table) = value.get_ref().as_table() else {
            cx.wrong_type(value, &what, "a table");
            return None;
        };
        let mut this = Self {
            cx,
            table,
            span: value.span(),
            what,
            guessed: Vec::new(),
        };
        this.unknown_keys(keys);
        Some(this)
    }

    fn unknown_keys(&mut self, keys: &[&str]) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if keys.contains(&name) {
                continue;
            }
            if self.cx.misplaced(name, key.span(), &self.what) {
                continue;
            }
            self.guessed
                .extend(nearest(name, keys.iter().copied()).map(str::to_owned));
            self.cx.unknown(
                Code::UnknownKey,
                key.span(),
                &format!("key in {}:", self.what),
                name,
                keys,
            );
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.table.get(key)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Spanned<String>, Value<'a>)> {
        self.table.iter().map(|(key, value)| {
            let name = Spanned::new(key.span(), key.get_ref().clone().into_owned());
            (name, value)
        })
    }

    pub(crate) fn missing(&self, key: &str) {
        if self.guessed.iter().any(|guess| guess == key) {
            return;
        }
        let form = match key {
            "pmu" => "[pmu]".to_owned(),
            "cpu" => "[[cpu]]".to_owned(),
            _ => format!("{key} = ..."),
        };
        self.cx.error(
            Code::MissingKey,
            self.span.clone(),
            format!("{} has no `{key}`", self.what),
            "",
            format!("add `{form}`"),
        );
    }

    /// The value of `key`, or an error that it is missing.
    pub(crate) fn require(&self, key: &str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(key);
        }
        value
    }

    pub(crate) fn string(&self, key: &str) -> Option<Spanned<String>> {
        self.cx.string(self.get(key)?, &format!("`{key}`"))
    }

    pub(crate) fn require_string(&self, key: &str) -> Option<Spanned<String>> {
        self.cx.string(self.require(key)?, &format!("`{key}`"))
    }

    /// A flag; absent means `default`.
    pub(crate) fn flag(&self, key: &str, default: bool) -> Option<bool> {
        match self.get(key) {
            None => Some(default),
            Some(value) => self.cx.boolean(value, &format!("`{key}`")),
        }
    }

    /// A number within `range`; absent means `default`.
    pub(crate) fn number(&self, key: &str, range: (u64, u64), default: u64) -> Option<u64> {
        match self.get(key) {
            None => Some(default),
            Some(value) => self.cx.number(value, &format!("`{key}`"), range),
        }
    }

    pub(crate) fn require_number(&self, key: &str, range: (u64, u64)) -> Option<u64> {
        self.cx
            .number(self.require(key)?, &format!("`{key}`"), range)
    }
}
