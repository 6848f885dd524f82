// SPDX-License-Identifier: GPL-2.0-only
//! The fixed injections of a scenario (`[[inject]]`) as decisions.

use abi::totals::Ring;
use machine::{Decision, Entry, Machine, Ordinal, Schedule, Until};
use scenario::{Injection, Scenario};

use crate::prepare::source;
use crate::resolve::{ResolveError, resolve};
use crate::rig::Rig;
use crate::sweep::Source;

/// The decisions that the injections of `scenario` stand for, in the order of the file. Each point
/// is looked up in the run that has the decisions before it.
///
/// # Errors
/// A point names no boundary, with the position of its injection.
pub fn injections(rig: &mut Rig, scenario: &Scenario) -> Result<Vec<Entry>, (usize, ResolveError)> {
    let mut decisions: Vec<Entry> = Vec::new();
    for (i, fixed) in scenario.inject.iter().enumerate() {
        decisions.push(injection(rig, scenario, &decisions, fixed).map_err(|error| (i, error))?);
    }
    Ok(decisions)
}

/// The decision that one injection stands for, in the run that has the decisions `before`.
///
/// # Errors
/// Its point names no boundary.
pub(crate) fn injection(
    rig: &mut Rig,
    scenario: &Scenario,
    before: &[Entry],
    injection: &Injection,
) -> Result<Entry, ResolveError> {
    let schedule = Schedule::new(before.to_vec());
    let (cpu, at) = resolve(rig, scenario, &schedule, &injection.at)?;
    // The parser has checked that the source names an event that can be one.
    Ok(match source(scenario, &injection.source) {
        Some(Source::Pmi(code)) => (cpu, at, Decision::Pmi { code }),
        Some(Source::Late(code)) => {
            let from = last_armed(rig, &schedule, code, (cpu, at));
            let late = Decision::LatePmi {
                code,
                recognised_at: at,
            };
            (cpu, from, late)
        }
        Some(Source::Preempt(to)) => (cpu, at, Decision::Preempt { to }),
        Some(Source::Tick) => (cpu, at, Decision::Tick),
        Some(Source::External) | None => (cpu, at, Decision::ExternalNmi),
    })
}

/// The last boundary up to `at` where `code` counts, at most the machine's skid before it; `at`
/// itself when there is none, so that the decision shows as not armed.
fn last_armed(
    rig: &mut Rig,
    schedule: &Schedule,
    code: u64,
    (cpu, at): (usize, Ordinal),
) -> Ordinal {
    let first = at.saturating_sub(u64::from(rig.setup().hardware.skid_max));
    let machine = rig.reset();
    let mut chooser = schedule.clone();
    let mut last = at;
    for boundary in first..=at {
        machine.run(&mut chooser, &mut (), Until::Boundary(cpu, boundary));
        if counts(machine, cpu, code) {
            last = boundary;
        }
    }
    last
}

/// Whether an injector counts on `cpu` as it stands.
pub(crate) fn counts(machine: &Machine, cpu: usize, code: u64) -> bool {
    let core = &machine.cores()[cpu];
    let ring = if core.cpu.cpl() == 3 {
        Ring::User
    } else {
        Ring::Kernel
    };
    core.pmu.counts(code, ring)
}
