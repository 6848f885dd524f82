// SPDX-License-Identifier: GPL-2.0-only
//! What a run with decisions shows that the run without them lacks.

use check::access_log::AccessLog;
use check::cause::{self, Cause};
use check::{Oracle, Violation};
use image::Image;
use machine::{Objects, Ordinal, Outcome};

use crate::execute::{Run, Touched};

/// Violations of `run` that `baseline` lacks, in order.
pub(crate) fn fresh<'a>(run: &'a [Violation], baseline: &Run) -> Vec<&'a Violation> {
    run.iter()
        .filter(|v| !baseline.violations.iter().any(|b| b.same_as(v)))
        .collect()
}

/// What makes two findings the same damage, whoever sees it: a later reader of a count that is
/// wrong for good is no news.
pub(crate) fn damage(violation: &Violation) -> (Oracle, &str, u64) {
    (violation.oracle, &violation.event, violation.error)
}

/// The run that a decision is added to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base<'a> {
    pub(crate) image: &'a Image,
    pub(crate) log: &'a AccessLog,
    pub(crate) objects: &'a Objects,
}

impl<'a> Base<'a> {
    /// Of a whole run.
    pub(crate) fn of(run: &'a Run) -> Self {
        Self {
            image: &run.image,
            log: &run.log,
            objects: &run.objects,
        }
    }
}

/// The causes of `violations`, without repetition: each with the window around the decisive
/// boundary `at` of `cpu`, which lies in `row`, among the fields that were touched there.
pub(crate) fn causes<'v>(
    violations: impl IntoIterator<Item = &'v Violation>,
    base: Base<'_>,
    touched: &Touched,
    (cpu, at): (usize, Ordinal),
    row: &str,
) -> Vec<Cause> {
    let log = &base.log.cpu(cpu).base;
    let (after, before) = cause::window(log, &touched.fields, base.objects, base.image, at);
    let mut causes: Vec<Cause> = violations
        .into_iter()
        .map(|violation| Cause {
            oracle: violation.oracle,
            event: violation.event.to_string(),
            row: row.to_owned(),
            after: after.clone(),
            before: before.clone(),
        })
        .collect();
    causes.sort();
    causes.dedup();
    causes
}

/// An outcome in a word.
#[must_use]
pub const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Pended => "pended",
        Outcome::Lost => "lost",
        Outcome::NotArmed => "not armed",
        Outcome::Absorbed => "absorbed",
    }
}
