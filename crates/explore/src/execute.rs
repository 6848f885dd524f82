// SPDX-License-Identifier: GPL-2.0-only
//! One run from reset to the end, with every oracle on.

use check::Violation;
use check::access_log::AccessLog;
use machine::{
    Decision, Digest, End, Machine, Objects, Observer, Outcome, Schedule, SetupError, Until, View,
};

use crate::setup::{RUN_LIMIT, Setup};

/// What a run showed.
#[derive(Debug)]
pub struct Execution {
    /// How it ended.
    pub end: End,
    /// What the oracles found, in order.
    pub violations: Vec<Violation>,
    /// What became of each decision.
    pub outcomes: Vec<(Decision, Outcome)>,
    /// Values emitted by readers inside NMI handlers.
    pub sampled: u64,
    /// Accesses to named objects.
    pub log: AccessLog,
    /// The objects at the end.
    pub objects: Objects,
    /// Digest of the state at the end.
    pub digest: Digest,
    /// The machine at the end.
    pub machine: Machine,
}

/// Remembers what became of decisions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes(pub(crate) Vec<(Decision, Outcome)>);

impl Observer for Outcomes {
    fn decided(&mut self, _view: &View<'_>, decision: Decision, outcome: Outcome) {
        self.0.push((decision, outcome));
    }
}

/// Runs `setup` under `schedule`.
///
/// # Errors
/// The machine cannot be built.
pub fn execute(setup: &Setup, mut schedule: Schedule) -> Result<Execution, SetupError> {
    let mut machine = setup.machine()?;
    let mut observer = (setup.oracles(), (AccessLog::new(), Outcomes::default()));
    let end = machine.run(
        &mut schedule,
        &mut observer,
        Until::End { limit: RUN_LIMIT },
    );
    let (oracles, (log, outcomes)) = observer;
    Ok(Execution {
        end,
        violations: oracles.violations().to_vec(),
        outcomes: outcomes.0,
        sampled: oracles.sampled,
        log,
        objects: machine.objects().clone(),
        digest: machine.digest(),
        machine,
    })
}
