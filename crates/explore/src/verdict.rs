// SPDX-License-Identifier: GPL-2.0-only
//! What was found against what the file expects.
//!
//! Every expected cause must occur and no other; a window is a set of boundaries, read from the
//! access log of the run without NMI, and unless the file says otherwise the bad boundaries must be
//! that set, not a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use check::Violation;
use check::cause::{Cause, row_of};
use image::Image;
use machine::Ordinal;
use scenario::{CausePattern, Expect, Window};

use crate::execute::Run;
use crate::findings::{Base, fresh};
use crate::known::KnownFindings;
use crate::resolve::matching;
use crate::sweep::{Sweep, check_end};

/// The verdict on one scenario under one scheduler.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Where findings and expectations part; empty when all expectations hold.
    pub mismatches: Vec<Mismatch>,
    /// Findings that are known, each with its reason and the boundaries it was found at.
    pub known: BTreeMap<String, BTreeSet<Ordinal>>,
    /// Nothing was delivered or nothing was sampled: the run proves nothing.
    pub vacuous: bool,
}

impl Verdict {
    /// Whether all expectations hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.mismatches.is_empty() && !self.vacuous
    }
}

/// A difference between findings and expectations.
#[derive(Debug, Clone)]
pub enum Mismatch {
    /// A finding that the file does not expect.
    Unexpected {
        /// The finding without an NMI, or the cause of the boundaries.
        what: String,
        /// Boundaries it was found at; empty for the baseline.
        boundaries: Vec<Ordinal>,
    },
    /// An expected cause did not occur.
    Missing {
        /// Line of the expectation in the file.
        line: u32,
        /// The expectation in words.
        what: String,
    },
    /// The bad boundaries are not all boundaries of the expected window.
    Window {
        /// Line of the expectation in the file.
        line: u32,
        /// The window in words.
        what: String,
        /// Boundaries of the window that are not bad.
        clean: Vec<Ordinal>,
    },
    /// The guest did not come to its end.
    Failed {
        /// The words.
        what: String,
        /// Boundary of the NMI, if there was one.
        boundary: Option<Ordinal>,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { what, boundaries } if boundaries.is_empty() => {
                write!(f, "not expected without an NMI: {what}")
            }
            Self::Unexpected { what, boundaries } => write!(
                f,
                "not expected, at {} boundaries from {}: {what}",
                boundaries.len(),
                boundaries[0]
            ),
            Self::Missing { line, what } => {
                write!(f, "expected in line {line}, but did not occur: {what}")
            }
            Self::Window { line, what, clean } => write!(
                f,
                "the window of line {line} ({what}) has {} boundaries that are not bad, the first {}",
                clean.len(),
                clean.first().copied().unwrap_or_default()
            ),
            Self::Failed { what, boundary } => match boundary {
                Some(at) => write!(f, "with an NMI at boundary {at} the guest fails: {what}"),
                None => write!(f, "the guest fails: {what}"),
            },
        }
    }
}

/// Judges a run with the injections of the file against the run without. What the file does not
/// expect but `known` explains is no mismatch.
#[must_use]
pub fn judge_run(
    expect: &Expect,
    baseline: &Run,
    injected: Option<&Run>,
    known: &KnownFindings<'_>,
) -> Verdict {
    let mut verdict = Verdict::default();
    judge_baseline(expect, baseline, known, &mut verdict);
    let fresh: Vec<&Violation> = injected
        .map(|run| fresh(&run.violations, baseline))
        .unwrap_or_default();
    if let Some(run) = injected {
        judge_end(expect, run, &mut verdict);
    }
    if let Some(words) = &expect.fails
        && !fails(baseline, words)
        && !injected.is_some_and(|run| fails(run, words))
    {
        verdict.mismatches.push(Mismatch::Missing {
            line: expect.line,
            what: format!("the guest fails: {words}"),
        });
    }
    let image = &baseline.image;
    let of = |pattern: &CausePattern, v: &Violation| expects_violation(pattern, image, v);
    for pattern in &expect.violates {
        if !fresh.iter().any(|v| of(pattern, v)) {
            verdict.mismatches.push(missing(pattern));
        }
    }
    for violation in fresh {
        if !expect.violates.iter().any(|p| of(p, violation)) {
            if let Some(entry) = known.by_place(image, violation) {
                let boundaries = verdict.known.entry(entry.reason.clone()).or_default();
                boundaries.extend(violation.at.nmi.map(|nmi| nmi.ordinal));
                continue;
            }
            verdict.mismatches.push(Mismatch::Unexpected {
                what: violation.to_string(),
                boundaries: violation.at.nmi.map_or(vec![], |nmi| vec![nmi.ordinal]),
            });
        }
    }
    verdict
}

/// Judges a sweep. What the file does not expect but `known` explains is no mismatch.
#[must_use]
pub fn judge_sweep(expect: &Expect, sweep: &Sweep, known: &KnownFindings<'_>) -> Verdict {
    let mut verdict = Verdict {
        vacuous: sweep.sampled == 0,
        ..Verdict::default()
    };
    judge_baseline(expect, &sweep.baseline, known, &mut verdict);
    for (at, what) in &sweep.failed {
        verdict.mismatches.push(Mismatch::Failed {
            what: what.clone(),
            boundary: Some(*at),
        });
    }
    // Each finding is a boundary with a cause; patterns take findings away.
    let mut left: BTreeSet<(&Cause, Ordinal)> = sweep
        .bad
        .iter()
        .flat_map(|bad| bad.causes.iter().map(move |cause| (cause, bad.ordinal)))
        .collect();
    let all = left.clone();
    for pattern in &expect.violates {
        let window = pattern.window.as_ref().map(|w| boundaries(sweep, w));
        let matched: Vec<(&Cause, Ordinal)> = all
            .iter()
            .filter(|(cause, at)| {
                names(pattern, cause.oracle.name(), &cause.event)
                    && pattern.row.as_deref().is_none_or(|row| cause.row == row)
                    && window.as_ref().is_none_or(|window| window.contains(at))
            })
            .copied()
            .collect();
        if matched.is_empty() {
            verdict.mismatches.push(missing(pattern));
        }
        if let Some(window) = window
            && expect.exact
            && !matched.is_empty()
        {
            let bad: BTreeSet<Ordinal> = matched.iter().map(|&(_, at)| at).collect();
            let clean: Vec<Ordinal> = window
                .difference(&bad)
                .filter(|at| !sweep.quiet.contains(at))
                .copied()
                .collect();
            if !clean.is_empty() {
                verdict.mismatches.push(Mismatch::Window {
                    line: pattern.line,
                    what: words(pattern),
                    clean,
                });
            }
        }
        for found in matched {
            left.remove(&found);
        }
    }
    let mut unexpected: Vec<(&Cause, Vec<Ordinal>)> = Vec::new();
    for (cause, at) in left {
        let bad = sweep.bad.binary_search_by_key(&at, |bad| bad.ordinal);
        let bad = bad.ok().map(|i| &sweep.bad[i]);
        if let Some(entry) = bad.and_then(|bad| known.at(&sweep.baseline.image, cause, bad)) {
            let boundaries = verdict.known.entry(entry.reason.clone()).or_default();
            boundaries.insert(at);
            continue;
        }
        match unexpected.last_mut() {
            Some((last, boundaries)) if *last == cause => boundaries.push(at),
            _ => unexpected.push((cause, vec![at])),
        }
    }
    verdict
        .mismatches
        .extend(
            unexpected
                .into_iter()
                .map(|(cause, boundaries)| Mismatch::Unexpected {
                    what: cause.to_string(),
                    boundaries,
                }),
        );
    verdict
}

/// The boundaries up to each access that ends `window`, from the nearest one before it that begins it.
pub(crate) fn boundaries(sweep: &Sweep, window: &Window) -> BTreeSet<Ordinal> {
    boundaries_in(Base::of(&sweep.baseline), sweep.cpu, sweep.range, window)
}

/// The same of CPU `cpu` in any run, between two boundaries.
pub(crate) fn boundaries_in(
    base: Base<'_>,
    cpu: usize,
    range: (Ordinal, Ordinal),
    window: &Window,
) -> BTreeSet<Ordinal> {
    let pairs = pairs_in(base, cpu, range, window);
    pairs.flat_map(|(from, to)| from + 1..=to).collect()
}

/// The boundaries of the accesses that begin and end `window`, each time that it occurs.
pub(crate) fn pairs_in(
    base: Base<'_>,
    cpu: usize,
    range: (Ordinal, Ordinal),
    window: &Window,
) -> impl Iterator<Item = (Ordinal, Ordinal)> {
    let log = &base.log.cpu(cpu).base;
    let of = |access, row| {
        matching(log, base.objects, base.image, access, row)
            .map(|a| a.ordinal)
            .filter(|at| (range.0..=range.1).contains(at))
            .collect::<Vec<Ordinal>>()
    };
    let ends = of(&window.to, window.from.row.as_deref());
    let begins = of(&window.from, None);
    ends.into_iter().filter_map(move |to| {
        let from = begins.iter().rev().find(|&&from| from < to)?;
        Some((*from, to))
    })
}

/// Whether `pattern` expects a finding by its place, without a window.
pub(crate) fn expects_violation(pattern: &CausePattern, image: &Image, v: &Violation) -> bool {
    names(pattern, v.oracle.name(), &v.event)
        && pattern.row.as_deref().is_none_or(|row| v.at.row == row)
        && pattern
            .place
            .as_deref()
            .is_none_or(|place| is_at(image, v, place))
}

/// Whether `pattern` expects a cause that was found at a boundary of a CPU in the run `base`.
pub(crate) fn expects(
    pattern: &CausePattern,
    cause: &Cause,
    base: Base<'_>,
    (cpu, at): (usize, Ordinal),
) -> bool {
    let anywhere = (0, Ordinal::MAX);
    let inside = |w| boundaries_in(base, cpu, anywhere, w).contains(&at);
    names(pattern, cause.oracle.name(), &cause.event)
        && pattern.row.as_deref().is_none_or(|row| cause.row == row)
        && pattern.window.as_ref().is_none_or(inside)
}

/// Whether a run ends in the guest's failure with these words.
fn fails(run: &Run, words: &str) -> bool {
    let end = check_end(&run.end);
    end.is_err_and(|what| !run.hangs && what.contains(words))
}

/// A run ends well, or hangs, which is for the oracle `progress` to say, or fails as expected.
fn judge_end(expect: &Expect, run: &Run, verdict: &mut Verdict) {
    let expected = expect.fails.as_ref().is_some_and(|words| fails(run, words));
    if let Err(what) = check_end(&run.end)
        && !run.hangs
        && !expected
    {
        verdict.mismatches.push(Mismatch::Failed {
            what,
            boundary: None,
        });
    }
}

fn judge_baseline(
    expect: &Expect,
    baseline: &Run,
    known: &KnownFindings<'_>,
    verdict: &mut Verdict,
) {
    judge_end(expect, baseline, verdict);
    let image = &baseline.image;
    let of = |pattern: &CausePattern, v: &Violation| expects_violation(pattern, image, v);
    for pattern in &expect.baseline {
        if !baseline.violations.iter().any(|v| of(pattern, v)) {
            verdict.mismatches.push(missing(pattern));
        }
    }
    for violation in &baseline.violations {
        if !expect.baseline.iter().any(|p| of(p, violation)) {
            if let Some(entry) = known.baseline(baseline, violation) {
                verdict.known.entry(entry.reason.clone()).or_default();
                continue;
            }
            verdict.mismatches.push(Mismatch::Unexpected {
                what: format!("{violation}, in row {}", violation.at.row),
                boundaries: vec![],
            });
        }
    }
}

fn names(pattern: &CausePattern, oracle: &str, event: &str) -> bool {
    pattern.oracle.name() == oracle && pattern.event.as_deref().is_none_or(|e| e == event)
}

/// Whether a finding lies in the function `place`, with or without its version.
pub(crate) fn is_at(image: &Image, violation: &Violation, place: &str) -> bool {
    row_of(image, violation.at.rip) == place
        || image
            .function_at(violation.at.rip)
            .is_some_and(|f| f.name == place)
}

fn missing(pattern: &CausePattern) -> Mismatch {
    Mismatch::Missing {
        line: pattern.line,
        what: words(pattern),
    }
}

/// An expected cause in words.
#[must_use]
pub fn words(pattern: &CausePattern) -> String {
    let mut words = pattern.oracle.to_string();
    if let Some(event) = &pattern.event {
        words += &format!(" of {event}");
    }
    if let Some(row) = &pattern.row {
        words += &format!(" in {row}");
    }
    if let Some(window) = &pattern.window {
        words += &format!(", window {window}");
    }
    if let Some(place) = &pattern.place {
        words += &format!(", at {place}");
    }
    words
}
