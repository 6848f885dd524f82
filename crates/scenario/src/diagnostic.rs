// SPDX-License-Identifier: GPL-2.0-only
//! Errors that point into a file: collected, sorted, rendered with line and caret.

use std::{fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::Code;

/// A file as text, with the name that errors show (a path, or `-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// What errors call the file.
    pub name: String,
    /// Its contents.
    pub text: String,
}

impl Source {
    /// A source from its name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Line and column (both from 1; the column in characters) of a byte offset. An offset past
    /// the end is taken as the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(column).unwrap_or(u32::MAX),
        )
    }
}

/// A marked piece of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// First byte marked.
    pub start: usize,
    /// First byte after the mark.
    pub end: usize,
    /// Text at the mark; may be empty.
    pub text: String,
}

impl Label {
    /// The bytes marked.
    #[must_use]
    pub const fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// One error in an input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake.
    pub code: Code,
    /// The mistake in one sentence.
    pub message: String,
    /// The places it is about; the first is the primary one. Empty if the mistake is not in a file
    /// (an unknown name given as an argument).
    pub labels: Vec<Label>,
    /// How to mend it: "did you mean", valid names, the rule's reason.
    pub help: Vec<String>,
    source: Arc<Source>,
}

impl Diagnostic {
    pub(crate) const fn new(source: Arc<Source>, code: Code, message: String) -> Self {
        Self {
            code,
            message,
            labels: Vec::new(),
            help: Vec::new(),
            source,
        }
    }

    pub(crate) fn label(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            start: span.start,
            end: span.end,
            text: text.into(),
        });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// The file that the labels point into.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Line and column (from 1) of the primary label; `None` without one.
    #[must_use]
    pub fn position(&self) -> Option<(u32, u32)> {
        let first = self.labels.first()?;
        Some(self.source.position(first.start))
    }

    fn key(&self) -> (&str, usize, Code, &str) {
        let start = self.labels.first().map_or(0, |label| label.start);
        (&self.source.name, start, self.code, &self.message)
    }

    fn render(&self, renderer: &Renderer) -> String {
        let text = &self.source.text;
        let mut group: Group<'_> = Level::ERROR
            .primary_title(&self.message)
            .id(self.code.id())
            .elements(std::iter::empty::<annotate_snippets::Element<'_>>());
        if !self.labels.is_empty() {
            let annotations = self.labels.iter().enumerate().map(|(i, label)| {
                let kind = if i == 0 {
                    AnnotationKind::Primary
                } else {
                    AnnotationKind::Context
                };
                let annotation = kind.span(caret(text, label.span()));
                if label.text.is_empty() {
                    annotation
                } else {
                    annotation.label(label.text.as_str())
                }
            });
            group = group.element(
                Snippet::source(text.as_str())
                    .path(self.source.name.as_str())
                    .annotations(annotations),
            );
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

/// Cuts a span to one line and to character boundaries: a mark over a whole table tells nothing.
fn caret(text: &str, span: Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
    start..line_end.max(start)
}

/// All errors of an input, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts by file and place and drops what was found twice.
    pub(crate) fn new(mut list: Vec<Diagnostic>) -> Self {
        list.sort_by(|a, b| a.key().cmp(&b.key()));
        list.dedup_by(|a, b| a.key() == b.key());
        Self(list)
    }

    /// The errors, sorted by file and place.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.0
    }

    /// Text for people: each error with file name, line, caret and help, an empty line between
    /// them. With `color`, ANSI colours.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        }
        .term_width(140);
        let texts: Vec<String> = self.0.iter().map(|d| d.render(&renderer)).collect();
        texts.join("\n\n")
    }

    pub(crate) fn into_list(self) -> Vec<Diagnostic> {
        self.0
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
