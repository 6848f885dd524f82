// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim run`: scenarios down, schedulers across, and below the table what does
//! not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use anstyle::Style;
use serde::Serialize;

use crate::finding::MismatchReport;
use crate::style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE, paint};
use crate::table::Table;

/// A scenario under one scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The scheduler.
    pub scheduler: String,
    /// All expectations hold, and the run proves something.
    pub held: bool,
    /// No NMI was delivered or nothing was sampled.
    pub vacuous: bool,
    /// Boundaries swept; absent without a sweep.
    pub boundaries: Option<u64>,
    /// Bad ones among them.
    pub bad: Option<u64>,
    /// Findings that are known, each by its reason with the boundaries it was found at.
    pub known: BTreeMap<String, BTreeSet<u64>>,
    /// Violations of the run without NMI.
    pub baseline: usize,
    /// Digest of the state at the end of the run without NMI.
    pub digest: String,
    /// Where findings and expectations part.
    pub mismatches: Vec<MismatchReport>,
}

/// Mismatches of one cell that are shown to people.
const MISMATCHES_SHOWN: usize = 8;

impl Cell {
    fn text(&self) -> (Style, String) {
        let (style, word) = match (self.held, self.vacuous && self.mismatches.is_empty()) {
            (true, _) => (GOOD, "held"),
            (false, true) => (UNSURE, "vacuous"),
            (false, false) => (BAD, "VIOLATED"),
        };
        let found = match (self.bad, self.boundaries) {
            (Some(bad), Some(all)) => format!(" {bad}/{all} bad"),
            _ => String::new(),
        };
        let known: BTreeSet<u64> = self.known.values().flatten().copied().collect();
        let known = match known.len() {
            0 => String::new(),
            n => format!(", {n} known"),
        };
        let baseline = match self.baseline {
            0 => String::new(),
            n => format!(" +{n} base"),
        };
        (style, format!("{word}{found}{known}{baseline}"))
    }
}

/// One scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// Its file.
    pub file: String,
    /// Its title.
    pub title: String,
    /// The schedulers that it was run under.
    pub cells: Vec<Cell>,
}

/// Everything that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The scenarios, in the order of their files.
    pub scenarios: Vec<RunRow>,
    /// The user interrupted it: later scenarios are missing.
    pub interrupted: bool,
}

impl RunReport {
    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.scenarios.iter().flat_map(|row| &row.cells)
    }

    /// Scenario-scheduler pairs that were run.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cells().count()
    }

    /// Pairs whose expectations do not hold.
    #[must_use]
    pub fn violated(&self) -> usize {
        self.cells()
            .filter(|cell| !cell.mismatches.is_empty())
            .count()
    }

    /// Pairs that prove nothing.
    #[must_use]
    pub fn vacuous(&self) -> usize {
        self.cells()
            .filter(|cell| cell.vacuous && cell.mismatches.is_empty())
            .count()
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut schedulers: Vec<&str> = self.cells().map(|c| c.scheduler.as_str()).collect();
        schedulers.sort_unstable();
        schedulers.dedup();

        let mut table = Table::new();
        let heading = schedulers.iter().map(|name| (HEAD, *name));
        table.row(std::iter::once((HEAD, "scenario")).chain(heading));
        for row in &self.scenarios {
            let cells = schedulers.iter().map(|name| {
                let cell = row.cells.iter().find(|cell| cell.scheduler == *name);
                cell.map_or((DIM, "-".to_owned()), Cell::text)
            });
            table.row(std::iter::once((NAME, short(&row.file))).chain(cells));
        }
        table.write(out)?;

        for row in &self.scenarios {
            for cell in row.cells.iter().filter(|cell| !cell.held) {
                let what = format!("{} under {}", row.file, cell.scheduler);
                writeln!(out, "\n{}: {}", paint(BAD, what), row.title)?;
                if cell.vacuous {
                    let words = "no NMI was delivered, or no reader ran in one: nothing is proved";
                    writeln!(out, "  {}", paint(UNSURE, words))?;
                }
                for mismatch in cell.mismatches.iter().take(MISMATCHES_SHOWN) {
                    let place = format!("{}:{}", mismatch.file, mismatch.line);
                    writeln!(out, "  {place}: {}", mismatch.text)?;
                }
                let more = cell.mismatches.len().saturating_sub(MISMATCHES_SHOWN);
                if more > 0 {
                    writeln!(out, "  ... and {more} more (--format json has all)")?;
                }
                if cell.boundaries.is_some() {
                    let scheduler = &cell.scheduler;
                    writeln!(out, "  pmusim sweep {} --scheduler {scheduler}", row.file)?;
                }
            }
        }
        let (all, violated, vacuous) = (self.count(), self.violated(), self.vacuous());
        let held = all - violated - vacuous;
        write!(out, "\n{held} of {all} hold")?;
        if violated > 0 {
            write!(out, ", {}", paint(BAD, format!("{violated} violated")))?;
        }
        if vacuous > 0 {
            write!(out, ", {}", paint(UNSURE, format!("{vacuous} vacuous")))?;
        }
        if self.interrupted {
            write!(out, "; interrupted, the rest was not run")?;
        }
        writeln!(out)
    }
}

/// A scenario's file without what is the same in every line.
fn short(file: &str) -> String {
    let name = file
        .rsplit_once("scenarios/")
        .map_or(file, |(_, rest)| rest);
    name.strip_suffix(".toml").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(scheduler: &str, mismatches: Vec<MismatchReport>, vacuous: bool) -> Cell {
        Cell {
            scheduler: scheduler.to_owned(),
            held: mismatches.is_empty() && !vacuous,
            vacuous,
            boundaries: Some(100),
            bad: Some(3),
            known: BTreeMap::new(),
            baseline: 0,
            digest: String::new(),
            mismatches,
        }
    }

    #[test]
    fn the_table_has_a_column_for_each_scheduler_and_lists_what_fails() {
        let missing = MismatchReport {
            file: "a.toml".to_owned(),
            line: 7,
            text: "expected, but did not occur".to_owned(),
            boundaries: vec![],
        };
        let report = RunReport {
            scenarios: vec![
                RunRow {
                    file: "sim-configs/scenarios/review/a.toml".to_owned(),
                    title: "A".to_owned(),
                    cells: vec![
                        cell("none", vec![], false),
                        cell("v10", vec![missing], false),
                    ],
                },
                RunRow {
                    file: "b.toml".to_owned(),
                    title: "B".to_owned(),
                    cells: vec![cell("delta", vec![], true)],
                },
            ],
            interrupted: false,
        };
        assert_eq!(
            (report.count(), report.violated(), report.vacuous()),
            (3, 1, 1)
        );
        let mut out = Vec::new();
        report.human(&mut out).unwrap();
        let text = anstyle_strip(&String::from_utf8(out).unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "scenario  delta              none            v10");
        assert_eq!(
            lines[1],
            "review/a  -                  held 3/100 bad  VIOLATED 3/100 bad"
        );
        assert!(
            text.contains("a.toml:7: expected, but did not occur"),
            "{text}"
        );
        assert!(
            text.contains("1 of 3 hold, 1 violated, 1 vacuous"),
            "{text}"
        );
    }

    fn anstyle_strip(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\x1b') {
            out += before;
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        out + rest
    }
}
