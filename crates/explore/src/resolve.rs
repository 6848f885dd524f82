// SPDX-License-Identifier: GPL-2.0-only
//! From a point as people write it to the boundary it names (contract, section 1).
//!
//! A point is looked up in a run that has the decisions before it: up to the point the two runs
//! are the same, so the boundary is exact.

use std::ops::RangeInclusive;

use check::access_log::AccessLog;
use check::cause::row_of;
use image::Image;
use machine::{AccessKind, ObjectAccess, Objects, Observer, Ordinal, Schedule, Until, View};
use scenario::{Access, Point, Scenario, Side};

use crate::rig::Rig;
use crate::setup::RUN_LIMIT;

/// Why a point names no boundary.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The step has no boundary inside the kernel, or does not exist.
    #[error("step `{0}` never enters the kernel")]
    Step(String),
    /// The guest has no such function.
    #[error("the guest has no function `{0}`")]
    Symbol(String),
    /// The access or instruction is not reached so often.
    #[error("`{what}` is reached {found} times, not {wanted}")]
    Hits {
        /// The point in words.
        what: String,
        /// Times it was reached.
        found: usize,
        /// Times asked for.
        wanted: u32,
    },
}

/// The CPU and boundary that `point` names in the run under `schedule`.
///
/// # Errors
/// See [`ResolveError`].
pub(crate) fn resolve(
    rig: &mut Rig,
    scenario: &Scenario,
    schedule: &Schedule,
    point: &Point,
) -> Result<(usize, Ordinal), ResolveError> {
    let cpu = cpu_of(scenario, point);
    match point {
        Point::Exact { ordinal, .. } => Ok((cpu, *ordinal)),
        Point::Code {
            symbol,
            offset,
            hit,
            step,
            ..
        } => {
            let (mut hits, log) = reached(rig, schedule, cpu, (symbol, *offset))?;
            let range = step_range(scenario, &log, step.as_deref())?;
            hits.retain(|at| range.contains(at));
            Ok((cpu, nth(&hits, *hit, || format!("{symbol}+{offset:#x}"))?))
        }
        Point::Semantic {
            side,
            access,
            hit,
            step,
            ..
        } => {
            let run = rig.run(schedule.clone());
            let range = step_range(scenario, &run.log, step.as_deref())?;
            let hits: Vec<Ordinal> = matching(
                &run.log.cpu(cpu).base,
                &run.objects,
                &run.image,
                access,
                None,
            )
            .map(|a| a.ordinal)
            .filter(|at| range.contains(at))
            .collect();
            let at = nth(&hits, *hit, || access.to_string())?;
            let at = match side {
                Side::Before => at,
                Side::After => at + 1,
            };
            Ok((cpu, at))
        }
    }
}

/// Every boundary before an instruction, by symbol and offset, in the run under `schedule`; and what
/// that run accesses.
pub(crate) fn reached(
    rig: &mut Rig,
    schedule: &Schedule,
    cpu: usize,
    (symbol, offset): (&str, u64),
) -> Result<(Vec<Ordinal>, AccessLog), ResolveError> {
    let unknown = || ResolveError::Symbol(symbol.to_owned());
    let addr = rig.setup().image.symbol(symbol).ok_or_else(unknown)?.addr + offset;
    let machine = rig.reset();
    let watched = machine.watches_code(addr);
    machine.watch_code(addr);
    let reached = Reached {
        cpu,
        addr,
        at: vec![],
    };
    let mut reached = (reached, AccessLog::new());
    let end = Until::End { limit: RUN_LIMIT };
    machine.run(&mut schedule.clone(), &mut reached, end);
    if !watched {
        machine.unwatch_code(addr);
    }
    let (reached, log) = reached;
    Ok((reached.at, log))
}

/// The CPU that a point is about: as it says, or that of its step, or the first.
pub(crate) fn cpu_of(scenario: &Scenario, point: &Point) -> usize {
    let of_step = || Some(scenario.labelled(point.step()?)?.0);
    point
        .cpu()
        .map(|cpu| cpu as usize)
        .or_else(of_step)
        .unwrap_or(0)
}

/// The accesses that a pattern means; `row` stands in for a row that the pattern leaves out.
pub(crate) fn matching<'a>(
    accesses: &'a [ObjectAccess],
    objects: &'a Objects,
    image: &'a Image,
    pattern: &'a Access,
    row: Option<&'a str>,
) -> impl Iterator<Item = &'a ObjectAccess> {
    let kind = match pattern.kind {
        scenario::AccessKind::Read => AccessKind::Read,
        scenario::AccessKind::Write => AccessKind::Write,
    };
    let field = objects.layout().field(&pattern.field).cloned();
    accesses.iter().filter(move |a| {
        let touches = field.as_ref().is_some_and(|field| {
            a.offset < field.offset + field.size && field.offset < a.offset + u64::from(a.size)
        });
        touches
            && a.kind == kind
            && pattern
                .object
                .as_deref()
                .is_none_or(|name| &*objects.get(a.object).name == name)
            && pattern
                .row
                .as_deref()
                .or(row)
                .is_none_or(|row| in_row(image, a.rip, row))
    })
}

/// Whether `rip` lies in the function that `row` names, with or without its version.
fn in_row(image: &Image, rip: u64, row: &str) -> bool {
    row_of(image, rip) == row || image.function_at(rip).is_some_and(|f| f.name == row)
}

fn step_range(
    scenario: &Scenario,
    log: &AccessLog,
    label: Option<&str>,
) -> Result<RangeInclusive<Ordinal>, ResolveError> {
    let Some(label) = label else {
        return Ok(0..=Ordinal::MAX);
    };
    scenario
        .labelled(label)
        .and_then(|(cpu, step)| log.cpu(cpu).kernel.get(step).copied().flatten())
        .map(|(first, last)| first..=last)
        .ok_or_else(|| ResolveError::Step(label.to_owned()))
}

fn nth(hits: &[Ordinal], hit: u32, what: impl FnOnce() -> String) -> Result<Ordinal, ResolveError> {
    (hit as usize)
        .checked_sub(1)
        .and_then(|i| hits.get(i))
        .copied()
        .ok_or_else(|| ResolveError::Hits {
            what: what(),
            found: hits.len(),
            wanted: hit,
        })
}

/// Boundaries at which an instruction outside NMI handlers is next.
struct Reached {
    cpu: usize,
    addr: u64,
    at: Vec<Ordinal>,
}

impl Observer for Reached {
    fn code(&mut self, view: &View<'_>) {
        if view.cpu == self.cpu && view.core.cpu.rip == self.addr && view.core.nmi.is_none() {
            self.at.push(view.core.ordinal);
        }
    }
}
