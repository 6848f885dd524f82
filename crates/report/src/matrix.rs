// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim matrix`: claims down, versions of the patch across, as text, JSON and
//! Markdown. Every cell is a run of a scenario whose expectations decide.

use std::fmt::Write as _;
use std::io;

use anstyle::Style;
use serde::Serialize;

use crate::run::Cell;
use crate::style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE, paint};
use crate::table::Table;

/// What a version does with a claim's scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing lies in the claim's window.
    Held,
    /// The symptom shows, as expected.
    Violated,
    /// Only findings that are known.
    Known,
    /// The run is not what the file expects.
    Mismatch,
    /// Nothing was delivered or sampled.
    Vacuous,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Violated => "violated",
            Self::Known => "known",
            Self::Mismatch => "MISMATCH",
            Self::Vacuous => "vacuous",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Held => GOOD,
            Self::Violated | Self::Known => NAME,
            Self::Mismatch => BAD,
            Self::Vacuous => UNSURE,
        }
    }
}

/// A scenario under one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixCell {
    /// The version.
    pub scheduler: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Oracles that show the claim, each once.
    pub oracles: Vec<String>,
    /// The causes that show it, in words: oracle, event, window.
    pub shows: Vec<String>,
    /// Causes of the same run that other claims are about.
    pub others: Vec<String>,
    /// What justifies the expectation.
    pub why: Option<String>,
    /// Recorded traces of it.
    pub traces: Vec<String>,
    /// The run.
    pub run: Cell,
}

/// A scenario of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// Its file.
    pub file: String,
    /// Its name, without folder and ending.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Which kind of events it uses, and why.
    pub events_why: Option<String>,
    /// The versions that it expects something of.
    pub cells: Vec<MatrixCell>,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixClaim {
    /// Its number.
    pub id: String,
    /// How it is judged.
    pub class: String,
    /// What it says.
    pub says: String,
    /// What else must be known.
    pub note: String,
    /// Its scenarios.
    pub scenarios: Vec<MatrixRow>,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixReport {
    /// The columns, oldest version first.
    pub schedulers: Vec<String>,
    /// The rows.
    pub claims: Vec<MatrixClaim>,
    /// The user interrupted it: later scenarios are missing.
    pub interrupted: bool,
}

/// The heading of the last column: mutants and variants, which stand in folders of their own.
const MUTANT: &str = "mutant or variant";

/// The shown place of a cell that nobody expects anything of.
const NOT_APPLICABLE: &str = "-";

impl MatrixReport {
    /// The headings: versions, then one for all mutants and variants if there are any.
    fn columns(&self) -> Vec<&str> {
        let version = |name: &&str| !name.contains('/');
        let names = self.schedulers.iter().map(String::as_str);
        let mut columns: Vec<&str> = names.filter(version).collect();
        if columns.len() < self.schedulers.len() {
            columns.push(MUTANT);
        }
        columns
    }

    fn rows(&self) -> impl Iterator<Item = (&MatrixClaim, &MatrixRow)> {
        self.claims
            .iter()
            .flat_map(|claim| claim.scenarios.iter().map(move |row| (claim, row)))
    }

    fn cells(&self) -> impl Iterator<Item = &MatrixCell> {
        self.rows().flat_map(|(_, row)| &row.cells)
    }

    /// Cells with this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.cells().filter(|cell| cell.outcome == outcome).count()
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut table = Table::new();
        let columns = self.columns();
        let heading = columns.iter().map(|name| (HEAD, (*name).to_owned()));
        table.row(
            [(HEAD, "claim".to_owned()), (HEAD, "scenario".to_owned())]
                .into_iter()
                .chain(heading),
        );
        for claim in &self.claims {
            if claim.scenarios.is_empty() {
                table.row([(NAME, claim.id.clone()), (DIM, claim.class.clone())]);
            }
            for (i, row) in claim.scenarios.iter().enumerate() {
                let id = if i == 0 {
                    claim.id.clone()
                } else {
                    String::new()
                };
                let cells = columns.iter().map(|name| {
                    let cell = row.cell(name);
                    cell.map_or((DIM, NOT_APPLICABLE.to_owned()), |cell| {
                        (cell.outcome.style(), cell.short())
                    })
                });
                table.row(
                    [(NAME, id), (NAME, row.name.clone())]
                        .into_iter()
                        .chain(cells),
                );
            }
        }
        table.write(out)?;
        for (claim, row) in self.rows() {
            for cell in &row.cells {
                if cell.shows.is_empty() && cell.run.mismatches.is_empty() {
                    continue;
                }
                let head = format!("{} {} under {}", claim.id, row.name, cell.scheduler);
                writeln!(
                    out,
                    "\n{}: {}",
                    paint(cell.outcome.style(), head),
                    cell.outcome.word()
                )?;
                for cause in &cell.shows {
                    writeln!(out, "  {cause}")?;
                }
                for mismatch in &cell.run.mismatches {
                    writeln!(
                        out,
                        "  {}:{}: {}",
                        mismatch.file, mismatch.line, mismatch.text
                    )?;
                }
            }
        }
        let of = |outcome| self.count(outcome);
        write!(
            out,
            "\n{} cells: {} held, {} violated as expected, {} known",
            self.cells().count(),
            of(Outcome::Held),
            of(Outcome::Violated),
            of(Outcome::Known),
        )?;
        for bad in [Outcome::Mismatch, Outcome::Vacuous] {
            if of(bad) > 0 {
                write!(
                    out,
                    ", {}",
                    paint(bad.style(), format!("{} {}", of(bad), bad.word()))
                )?;
            }
        }
        if self.interrupted {
            write!(out, "; interrupted, the rest was not run")?;
        }
        writeln!(out)
    }

    /// The page for docs/claims.md: the table, then each claim with its scenarios.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from("| claim | scenario |");
        let columns = self.columns();
        for name in &columns {
            let _ = write!(text, " {name} |");
        }
        text.push_str("\n|---|---|");
        text.push_str(&"---|".repeat(columns.len()));
        text.push('\n');
        for claim in &self.claims {
            if claim.scenarios.is_empty() {
                let _ = writeln!(
                    text,
                    "| {} | {} |{}",
                    claim.id,
                    claim.class,
                    " |".repeat(columns.len())
                );
            }
            for row in &claim.scenarios {
                let _ = write!(text, "| {} | {} |", claim.id, row.name);
                for name in &columns {
                    let cell = row.cell(name);
                    let words = cell.map_or_else(|| NOT_APPLICABLE.to_owned(), MatrixCell::short);
                    let _ = write!(text, " {words} |");
                }
                text.push('\n');
            }
        }
        for claim in &self.claims {
            let _ = write!(
                text,
                "\n## {}: {}\n\nClass: {}.",
                claim.id, claim.says, claim.class
            );
            if !claim.note.is_empty() {
                let _ = write!(text, " {}", claim.note);
            }
            text.push('\n');
            for row in &claim.scenarios {
                row.markdown(&mut text);
            }
        }
        text
    }
}

impl MatrixCell {
    /// The words in the table.
    fn short(&self) -> String {
        if self.oracles.is_empty() {
            return self.outcome.word().to_owned();
        }
        format!("{}: {}", self.outcome.word(), self.oracles.join(", "))
    }
}

impl MatrixRow {
    /// The cell of a column.
    fn cell(&self, column: &str) -> Option<&MatrixCell> {
        self.cells.iter().find(|cell| {
            cell.scheduler == column || column == MUTANT && cell.scheduler.contains('/')
        })
    }

    fn markdown(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n### {}\n\n`{}`: {}.",
            self.name, self.file, self.title
        );
        if let Some(why) = &self.events_why {
            let _ = writeln!(text, "\nEvents: {why}");
        }
        text.push('\n');
        for cell in &self.cells {
            let _ = write!(text, "* **{}**: {}.", cell.scheduler, cell.outcome.word());
            if let Some(why) = &cell.why {
                let _ = write!(text, " {why}");
            }
            text.push('\n');
            for cause in &cell.shows {
                let _ = writeln!(text, "  * {cause}");
            }
            for cause in &cell.others {
                let _ = writeln!(text, "  * beside it: {cause}");
            }
            if !cell.traces.is_empty() {
                let traces: Vec<String> = cell
                    .traces
                    .iter()
                    .map(|name| format!("`traces/{name}`"))
                    .collect();
                let _ = writeln!(text, "  * recorded: {}", traces.join(", "));
            }
        }
    }
}
