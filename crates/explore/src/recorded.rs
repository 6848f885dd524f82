// SPDX-License-Identifier: GPL-2.0-only
//! The files inside a trace.

use scenario::{Diagnostics, Machine, Scenario, Scheduler, Source, Texts};
use trace::{Inline, Trace};

/// What a trace was made from.
#[derive(Debug)]
pub struct Recorded {
    /// Its scenario.
    pub scenario: Scenario,
    /// Its machine.
    pub machine: Machine,
    /// Its scheduler, which is complete in itself.
    pub scheduler: Scheduler,
}

impl Recorded {
    /// Reads the files inside `trace`.
    ///
    /// # Errors
    /// One of them does not parse.
    pub fn of(trace: &Trace) -> Result<Self, Diagnostics> {
        let source = |file: &Inline| Source::new(&file.name, &file.text);
        Ok(Self {
            scenario: scenario::parse_scenario(&source(&trace.scenario))?,
            machine: scenario::parse_machine(&source(&trace.machine))?,
            scheduler: scenario::parse_scheduler(&source(&trace.scheduler), &Texts::default())?,
        })
    }
}
