// SPDX-License-Identifier: GPL-2.0-only
//! The files inside a trace.

use scenario::{Machine, Scenario, Scheduler, Texts};
use trace::{Inline, Trace};

use crate::error::Failure;
use crate::exit::Exit;

/// What a trace was made from.
#[derive(Debug)]
pub(crate) struct Inlined {
    /// Its scenario.
    pub(crate) scenario: Scenario,
    /// Its machine.
    pub(crate) machine: Machine,
    /// Its scheduler, which is complete in itself.
    pub(crate) scheduler: Scheduler,
}

impl Inlined {
    /// Reads the files inside `trace`, which the user calls `name`.
    pub(crate) fn of(name: &str, trace: &Trace) -> Result<Self, Failure> {
        let broken = |what: &str| {
            let words = format!("{name}: the {what} inside the trace has errors");
            Failure::Words(Exit::Stale, words)
        };
        let source = |file: &Inline| scenario::Source {
            name: file.name.clone(),
            text: file.text.clone(),
        };
        Ok(Self {
            scenario: scenario::parse_scenario(&source(&trace.scenario))
                .map_err(|_| broken("scenario"))?,
            machine: scenario::parse_machine(&source(&trace.machine))
                .map_err(|_| broken("machine"))?,
            scheduler: scenario::parse_scheduler(&source(&trace.scheduler), &Texts::default())
                .map_err(|_| broken("scheduler"))?,
        })
    }
}
