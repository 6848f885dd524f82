// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim paths`: instructions of the guest's functions against the number of
//! compatible events, as text, JSON and Markdown.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use anstyle::Style;
use explore::paths::{COUNTED, Cost, Order};
use serde::Serialize;

use crate::style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE};
use crate::table::Table;

/// Events with which everything that sharing has takes part: a master and two sharers. What a path
/// costs may differ below; if it stays the same from here on, it does not depend on the number.
const ALL_PARTS: usize = 3;

/// Numbers that a cell shows one by one.
const SHOWN: usize = 3;

/// How a path depends on the number of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Growth {
    /// It was never taken.
    NotCalled,
    /// Its calls cost the same from three events on, or from one or two on.
    Constant,
    /// They cost the same from this number of events on.
    ConstantFrom {
        /// Events.
        events: usize,
    },
    /// They differ up to the last number that was tried.
    Grows,
}

impl Growth {
    /// That of calls with 1, 2, ... events.
    fn of(calls: &[Vec<u64>]) -> Self {
        let Some(last) = calls.last() else {
            return Self::NotCalled;
        };
        if calls.iter().all(Vec::is_empty) {
            return Self::NotCalled;
        }
        // The last number of events with other costs than the greatest one, and the one behind it.
        let other = calls.iter().rposition(|calls| calls != last);
        match other.map_or(1, |at| at + 2) {
            from if from <= ALL_PARTS => Self::Constant,
            from if from == calls.len() => Self::Grows,
            events => Self::ConstantFrom { events },
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::NotCalled => DIM,
            Self::Constant => GOOD,
            Self::ConstantFrom { .. } => UNSURE,
            Self::Grows => BAD,
        }
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCalled => f.write_str("-"),
            Self::Constant => f.write_str("constant"),
            Self::ConstantFrom { events } => write!(f, "constant from {events} on"),
            Self::Grows => f.write_str("grows"),
        }
    }
}

/// A function under one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathAnswer {
    /// The version.
    pub scheduler: String,
    /// How it depends on the number of events.
    pub growth: Growth,
    /// With 1, 2, ... events: instructions of its calls, each number once.
    pub instructions: Vec<Vec<u64>>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionPaths {
    /// Its name in the guest.
    pub function: String,
    /// The patch calls it O(1).
    pub claimed: bool,
    /// Under each version.
    pub versions: Vec<PathAnswer>,
}

/// Counters under one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountersHeld {
    /// The version.
    pub scheduler: String,
    /// With 1, 2, ... events, all open and enabled.
    pub counters: Vec<usize>,
}

/// What was counted with the events coming in one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderPaths {
    /// Which, in words.
    pub order: String,
    /// Counters that count.
    pub counters: Vec<CountersHeld>,
    /// Calls.
    pub functions: Vec<FunctionPaths>,
}

/// The whole result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathsReport {
    /// The machine.
    pub machine: String,
    /// In which order the events come.
    pub orders: Vec<OrderPaths>,
}

impl OrderPaths {
    /// From the costs under each version, by 1, 2, ... events.
    #[must_use]
    pub fn new(order: Order, versions: &[(String, Vec<Cost>)]) -> Self {
        let words = match order {
            Order::OldestFirst => "opened enabled, one after the other",
            Order::NewestFirst => "opened disabled, enabled from the newest to the oldest",
        };
        let counters = versions.iter().map(|(scheduler, costs)| CountersHeld {
            scheduler: scheduler.clone(),
            counters: costs.iter().map(|cost| cost.counters).collect(),
        });
        let functions = COUNTED.iter().enumerate().map(|(i, counted)| {
            let answer = |(scheduler, costs): &(String, Vec<Cost>)| {
                let plain = |set: &BTreeSet<u64>| set.iter().copied().collect();
                let calls: Vec<Vec<u64>> =
                    costs.iter().map(|c| plain(&c.instructions[i])).collect();
                PathAnswer {
                    scheduler: scheduler.clone(),
                    growth: Growth::of(&calls),
                    instructions: calls,
                }
            };
            FunctionPaths {
                function: counted.function.to_owned(),
                claimed: counted.claimed,
                versions: versions.iter().map(answer).collect(),
            }
        });
        Self {
            order: words.to_owned(),
            counters: counters.collect(),
            functions: functions.collect(),
        }
    }

    /// Functions down, versions across.
    fn summary(&self) -> Sheet {
        let mut sheet = self.sheet("function");
        let held = |held: &CountersHeld| {
            let most = held.counters.iter().max().copied().unwrap_or(0);
            let style = if most == 1 { GOOD } else { UNSURE };
            (style, format!("at most {most}"))
        };
        sheet.push("counters held", self.counters.iter().map(held).collect());
        for function in &self.functions {
            let cells = function.versions.iter().map(|answer| {
                let growth = answer.growth;
                (growth.style(), growth.to_string())
            });
            let mark = if function.claimed { " (O(1))" } else { "" };
            let name = format!("{}{mark}", function.function);
            sheet.push(&name, cells.collect());
        }
        sheet
    }

    /// Numbers of events down, versions across.
    fn by_events(&self, cell: impl Fn(usize, usize) -> String) -> Sheet {
        let mut sheet = self.sheet("n");
        let rows = self.counters.first().map_or(0, |held| held.counters.len());
        for row in 0..rows {
            let cells = (0..self.counters.len()).map(|version| (Style::new(), cell(row, version)));
            sheet.push(&(row + 1).to_string(), cells.collect());
        }
        sheet
    }

    fn held(&self) -> Sheet {
        self.by_events(|row, version| self.counters[version].counters[row].to_string())
    }

    fn calls(&self, function: &FunctionPaths) -> Sheet {
        self.by_events(|row, version| words(&function.versions[version].instructions[row]))
    }

    fn sheet(&self, corner: &str) -> Sheet {
        let versions = self.counters.iter().map(|held| held.scheduler.clone());
        Sheet {
            heading: std::iter::once(corner.to_owned()).chain(versions).collect(),
            rows: Vec::new(),
        }
    }
}

/// Costs of calls in a cell.
fn words(calls: &[u64]) -> String {
    match calls {
        [] => "-".to_owned(),
        [first, .., last] if calls.len() > SHOWN => format!("{first}..{last}"),
        _ => {
            let each: Vec<String> = calls.iter().map(u64::to_string).collect();
            each.join(", ")
        }
    }
}

/// A table before anyone says how it is written.
struct Sheet {
    heading: Vec<String>,
    rows: Vec<Vec<(Style, String)>>,
}

impl Sheet {
    fn push(&mut self, name: &str, cells: Vec<(Style, String)>) {
        let name = std::iter::once((NAME, name.to_owned()));
        self.rows.push(name.chain(cells).collect());
    }

    fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut table = Table::new();
        table.row(self.heading.iter().map(|text| (HEAD, text.clone())));
        for row in &self.rows {
            table.row(row.iter().cloned());
        }
        table.write(out)
    }

    fn markdown(&self, text: &mut String) {
        let mut line = |cells: Vec<&str>| {
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        };
        line(self.heading.iter().map(String::as_str).collect());
        line(vec!["---"; self.heading.len()]);
        for row in &self.rows {
            line(row.iter().map(|(_, cell)| cell.as_str()).collect());
        }
    }
}

impl PathsReport {
    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for (i, order) in self.orders.iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            let title = format!("{HEAD}compatible events, {}{HEAD:#}", order.order);
            writeln!(out, "{title}")?;
            order.summary().human(out)?;
            writeln!(out, "\ncounters held")?;
            order.held().human(out)?;
            for function in &order.functions {
                writeln!(out, "\ninstructions in {}", function.function)?;
                order.calls(function).human(out)?;
            }
        }
        Ok(())
    }

    /// The tables of docs/paths.md.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for order in &self.orders {
            text.push_str(&format!("\n## Events {}\n\n", order.order));
            order.summary().markdown(&mut text);
            text.push_str("\n### Counters held\n\n");
            order.held().markdown(&mut text);
            for function in &order.functions {
                text.push_str(&format!("\n### {}\n\n", function.function));
                order.calls(function).markdown(&mut text);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Growth, words};

    fn growth(calls: &[&[u64]]) -> Growth {
        let calls: Vec<Vec<u64>> = calls.iter().map(|c| c.to_vec()).collect();
        Growth::of(&calls)
    }

    #[test]
    fn growth_is_judged_by_every_call() {
        assert_eq!(growth(&[&[], &[], &[], &[]]), Growth::NotCalled);
        assert_eq!(growth(&[&[5], &[5, 9], &[5, 9], &[5, 9]]), Growth::Constant);
        assert_eq!(growth(&[&[5], &[9], &[7], &[7]]), Growth::Constant);
        // The cheapest and the dearest call stay the same, and one between them does not.
        assert_eq!(
            growth(&[&[1, 9], &[1, 2, 9], &[1, 3, 9], &[1, 4, 9]]),
            Growth::Grows
        );
        assert_eq!(
            growth(&[&[1], &[2], &[3], &[4], &[4], &[4]]),
            Growth::ConstantFrom { events: 4 }
        );
    }

    #[test]
    fn cells_show_few_numbers_one_by_one() {
        assert_eq!(words(&[]), "-");
        assert_eq!(words(&[3, 5, 9]), "3, 5, 9");
        assert_eq!(words(&[3, 5, 9, 11]), "3..11");
    }
}
