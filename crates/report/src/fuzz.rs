// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim fuzz`, and what `pmusim merge` makes of several: what was done, and every
//! cause with the smallest scenario that shows it. It is read again by `merge`, so it is the whole
//! state of a campaign but for the files that it names.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE, paint};

/// A cause that a campaign found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FuzzFinding {
    /// By whose rule; `guest` where the guest failed.
    pub oracle: String,
    /// The cause: row, and the writes on both sides of the boundary, whatever the events are called.
    pub cause: String,
    /// What the run shows, in a sentence.
    pub example: String,
    /// Why it is no news, if it is not.
    pub known: Option<String>,
    /// Events of the scenario.
    pub events: Vec<String>,
    /// Where the decisions are, or the function that it shows in without one.
    pub places: Vec<String>,
    /// The scenario file, if one was written.
    pub scenario: Option<String>,
    /// Line of the scenario that the finding is about: its first injection.
    pub line: u32,
    /// The trace.
    pub trace: Option<String>,
    /// Steps of the scenario.
    pub operations: usize,
    /// Decisions of the trace.
    pub decisions: usize,
    /// Nothing more can be taken out.
    pub shrunk: bool,
    /// Runs that show it.
    pub runs: u64,
    /// Runs of these that no known finding explains.
    pub unexplained: u64,
    /// Number of the first execution that shows it.
    pub execution: u64,
}

/// A campaign, or some of its shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FuzzReport {
    /// The scheduler.
    pub scheduler: String,
    /// The machine.
    pub machine: String,
    /// The guest image.
    pub image: String,
    /// Seed of all choices.
    pub seed: u64,
    /// How decisions are chosen.
    pub strategy: String,
    /// CPUs of a program, at most.
    pub cpus: usize,
    /// The shards whose results these are.
    pub shards: Vec<u64>,
    /// Of how many.
    pub of: u64,
    /// Cases that were done.
    pub cases: u64,
    /// Cases for which no program was valid.
    pub refused: u64,
    /// Executions that were judged.
    pub executions: u64,
    /// Executions in which somebody looked at the events in between.
    pub looked: u64,
    /// What became of the last decision of each.
    pub outcomes: BTreeMap<String, u64>,
    /// Programs that showed something new.
    pub corpus: usize,
    /// Features that were covered.
    pub covered: u64,
    /// Every cause, those that are not known first.
    pub findings: Vec<FuzzFinding>,
    /// What to be careful with.
    pub warnings: Vec<String>,
    /// It was stopped before its end.
    pub interrupted: bool,
    /// The map of features.
    pub features: String,
}

/// Why results cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// They are of different campaigns.
    #[error("they are not of one campaign: the {what} is {first} there and {second} here")]
    Other {
        /// What differs.
        what: &'static str,
        /// Of the first.
        first: String,
        /// Of the second.
        second: String,
    },
    /// A shard comes twice.
    #[error("shard {0} is there twice")]
    Twice(u64),
}

impl FuzzReport {
    /// Whether it has a finding that is not known.
    #[must_use]
    pub fn finds(&self) -> bool {
        self.news().next().is_some()
    }

    /// Findings that are not known.
    pub fn news(&self) -> impl Iterator<Item = &FuzzFinding> {
        self.findings.iter().filter(|f| f.unexplained > 0)
    }

    /// Nobody ever looked at events in between: it proves nothing.
    #[must_use]
    pub fn vacuous(&self) -> bool {
        self.looked == 0
    }

    /// Takes over the results of another shard; `corpus` and the features are the caller's.
    ///
    /// # Errors
    /// It is not one of the same campaign, or is there already.
    pub fn join(&mut self, other: Self) -> Result<(), JoinError> {
        let differs = |what, first: &dyn ToString, second: &dyn ToString| JoinError::Other {
            what,
            first: first.to_string(),
            second: second.to_string(),
        };
        let pairs: [(&'static str, &dyn ToString, &dyn ToString); 7] = [
            ("scheduler", &self.scheduler, &other.scheduler),
            ("machine", &self.machine, &other.machine),
            ("guest image", &self.image, &other.image),
            ("seed", &self.seed, &other.seed),
            ("strategy", &self.strategy, &other.strategy),
            ("bound on CPUs", &self.cpus, &other.cpus),
            ("number of shards", &self.of, &other.of),
        ];
        for (what, first, second) in pairs {
            if first.to_string() != second.to_string() {
                return Err(differs(what, first, second));
            }
        }
        if let Some(&twice) = other.shards.iter().find(|s| self.shards.contains(s)) {
            return Err(JoinError::Twice(twice));
        }
        self.shards.extend(&other.shards);
        self.shards.sort_unstable();
        self.cases += other.cases;
        self.refused += other.refused;
        self.executions += other.executions;
        self.looked += other.looked;
        for (outcome, n) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += n;
        }
        self.interrupted |= other.interrupted;
        self.warnings
            .retain(|warning| other.warnings.contains(warning));
        for theirs in other.findings {
            let same = |own: &&mut FuzzFinding| own.cause == theirs.cause;
            match self.findings.iter_mut().find(same) {
                Some(own) => own.join(theirs),
                None => self.findings.push(theirs),
            }
        }
        self.sort();
        Ok(())
    }

    /// Findings in the order in which they are shown.
    pub fn sort(&mut self) {
        self.findings
            .sort_by(|a, b| (a.unexplained == 0, &a.cause).cmp(&(b.unexplained == 0, &b.cause)));
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "{} on machine {}, seed {}, strategy {}, up to {} CPUs{}",
            paint(NAME, &self.scheduler),
            self.machine,
            self.seed,
            self.strategy,
            self.cpus,
            self.shard_words()
        )?;
        let outcomes: Vec<String> = self
            .outcomes
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        writeln!(
            out,
            "{} cases, {} executions ({}); {} looked in between; {} features, {} programs kept",
            self.cases,
            self.executions,
            outcomes.join(", "),
            self.looked,
            self.covered,
            self.corpus
        )?;
        for finding in self.news() {
            finding.human(out)?;
        }
        let known: BTreeMap<&str, (usize, u64)> = self
            .findings
            .iter()
            .filter(|f| f.unexplained == 0)
            .filter_map(|f| Some((f.known.as_deref()?, f.runs)))
            .fold(BTreeMap::new(), |mut all, (reason, runs)| {
                let entry = all.entry(reason).or_default();
                *entry = (entry.0 + 1, entry.1 + runs);
                all
            });
        if !known.is_empty() {
            writeln!(out, "\n{}", paint(HEAD, "known"))?;
        }
        for (reason, (causes, runs)) in known {
            writeln!(
                out,
                "{causes:>5} causes, {runs} runs  {}",
                paint(DIM, reason)
            )?;
        }
        writeln!(out)?;
        for warning in &self.warnings {
            writeln!(out, "{} {warning}", paint(UNSURE, "warning"))?;
        }
        let news = self.news().count();
        let words = match news {
            _ if self.interrupted => paint(UNSURE, "interrupted; what was found is above"),
            0 => paint(GOOD, "nothing that is not known"),
            1 => paint(BAD, "1 cause that is not known"),
            n => paint(BAD, format!("{n} causes that are not known")),
        };
        writeln!(out, "{words}")
    }

    fn shard_words(&self) -> String {
        if self.of == 1 {
            return String::new();
        }
        if self.shards.len() as u64 == self.of {
            return format!(", all {} shards", self.of);
        }
        let shards: Vec<String> = self.shards.iter().map(u64::to_string).collect();
        format!(", shard {} of {}", shards.join(", "), self.of)
    }
}

impl FuzzFinding {
    /// The same cause in another shard: the run with the lowest number stands for all.
    fn join(&mut self, other: Self) {
        let runs = self.runs + other.runs;
        let unexplained = self.unexplained + other.unexplained;
        let known = match (self.known.take(), other.known.clone()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let first = (self.unexplained == 0, self.execution);
        if (other.unexplained == 0, other.execution) < first {
            *self = other;
        }
        (self.runs, self.unexplained, self.known) = (runs, unexplained, known);
    }

    fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "\n{}", paint(BAD, &self.cause))?;
        writeln!(out, "  e.g.   {}", self.example)?;
        for place in &self.places {
            writeln!(out, "  at     {}", paint(DIM, place))?;
        }
        let minimal = if self.shrunk { "" } else { " (not shrunk)" };
        writeln!(
            out,
            "  {} operations, {} decisions{minimal}; {} runs, the first is execution {}",
            self.operations, self.decisions, self.runs, self.execution
        )?;
        if let Some(scenario) = &self.scenario {
            writeln!(out, "  pmusim run {scenario}")?;
        }
        if let Some(trace) = &self.trace {
            writeln!(out, "  pmusim replay {trace}")?;
            writeln!(out, "  pmusim bisect {trace}")?;
        }
        Ok(())
    }
}
