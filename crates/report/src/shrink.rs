// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim shrink`.

use std::io;

use explore::{Shrunk, Size};
use serde::Serialize;

use crate::style::{DIM, GOOD, HEAD, UNSURE, paint};

/// One trace, shrunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShrinkReport {
    /// The trace.
    pub trace: String,
    /// The finding that is kept.
    pub finding: String,
    /// How big its scenario was.
    pub before: SizeAnswer,
    /// How big it is.
    pub after: SizeAnswer,
    /// Scenarios that were tried.
    pub tried: u64,
    /// Runs of the guest.
    pub executions: u64,
    /// It was stopped: more could go.
    pub interrupted: bool,
    /// The scenario.
    pub scenario: String,
    /// File of the scenario.
    pub scenario_file: String,
    /// File of its trace.
    pub trace_file: String,
}

/// How big a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SizeAnswer {
    /// CPUs.
    pub cpus: usize,
    /// Declared events.
    pub events: usize,
    /// Steps of all programs.
    pub operations: usize,
    /// NMIs and preemptions.
    pub decisions: usize,
}

impl From<Size> for SizeAnswer {
    fn from(size: Size) -> Self {
        Self {
            cpus: size.cpus,
            events: size.events,
            operations: size.operations,
            decisions: size.decisions,
        }
    }
}

impl ShrinkReport {
    /// The report on `trace`, with the files that hold the result.
    #[must_use]
    pub fn new(
        trace: String,
        finding: String,
        shrunk: &Shrunk,
        scenario_file: String,
        trace_file: String,
    ) -> Self {
        Self {
            trace,
            finding,
            before: shrunk.before.into(),
            after: shrunk.after.into(),
            tried: shrunk.tried,
            executions: shrunk.executions,
            interrupted: shrunk.interrupted,
            scenario: shrunk.text.clone(),
            scenario_file,
            trace_file,
        }
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{}", paint(HEAD, &self.trace))?;
        writeln!(out, "finding    {}", self.finding)?;
        for (word, before, after) in [
            ("CPUs", self.before.cpus, self.after.cpus),
            ("events", self.before.events, self.after.events),
            ("operations", self.before.operations, self.after.operations),
            ("decisions", self.before.decisions, self.after.decisions),
        ] {
            writeln!(out, "{word:<11}{before} to {}", paint(GOOD, after))?;
        }
        let minimal = if self.interrupted {
            paint(UNSURE, "stopped: more could go")
        } else {
            "without any one of them the cause is another or none".to_owned()
        };
        writeln!(
            out,
            "tried      {} scenarios, {} executions; {minimal}",
            self.tried, self.executions
        )?;
        writeln!(out, "scenario   {}", self.scenario_file)?;
        writeln!(out, "trace      {}", self.trace_file)?;
        for line in self.scenario.lines() {
            writeln!(out, "{} {line}", paint(DIM, "|"))?;
        }
        Ok(())
    }
}
