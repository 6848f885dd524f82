// SPDX-License-Identifier: GPL-2.0-only
//! Which rows of the patch make a finding: delta debugging over the scheduler table (contract,
//! section 5), and which version of a list shows it first.
//!
//! A finding is looked for by sweeping the step into which the decision falls that brings it, with
//! the decisions before it at their semantic points: with other rows the code is other code, and no
//! boundary keeps its number. It is the same finding when oracle, event and row agree and so does the
//! field that was written last before the boundary. One that needs no decision is looked for in the
//! plain run.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::rows::{Row, Rows};
use image::Image;
use machine::{Entry, Ordinal, Schedule};
use scenario::{COUPLINGS, Scenario, Scheduler};
use trace::Verdict;

use crate::prepare::{PrepareError, prepare};
use crate::record::verdicts;
use crate::replay::{ReplayError, anchor, decode};
use crate::rig::Rig;
use crate::setup::Setup;
use crate::sweep::{Plan, Progress, Source, Sweep, SweepError, check_end, sweep, sweep_behind};

/// What is asked: does this finding show in this scenario under some rows?
#[derive(Debug)]
pub struct Bisect<'a> {
    question: Question<'a>,
    /// Where the finding was recorded, if a decision brings it.
    place: Option<Place<'a>>,
}

/// The decision that brings a finding.
#[derive(Debug)]
struct Place<'a> {
    /// Those before it.
    earlier: &'a [trace::Decision],
    /// The boundary.
    near: Ordinal,
    /// CPU and step of its program.
    step: (usize, usize),
    /// What comes in.
    source: Source,
}

/// The finding of a trace, and with what it is looked for.
#[derive(Debug)]
pub struct Question<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its machine.
    pub machine: &'a scenario::Machine,
    /// The scheduler that it was recorded under.
    pub scheduler: &'a Scheduler,
    /// The decisions, at their boundaries in `image`.
    pub decisions: &'a [trace::Decision],
    /// The guest.
    pub image: Arc<Image>,
    /// The finding.
    pub verdict: &'a Verdict,
    /// Worker threads.
    pub jobs: usize,
    /// How far a sweep is, and whether to stop.
    pub progress: &'a Progress,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The scenario cannot be put together.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A sweep failed under the rows that ought to run.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A decision does not fit the trace's scenario.
    #[error(transparent)]
    Decision(#[from] ReplayError),
    /// The decision that brings the finding came outside of the kernel.
    #[error("boundary {0} lies in no step inside the kernel, so there are no others to look at")]
    NoStep(Ordinal),
    /// The finding does not show where it ought to.
    #[error("the finding does not show under {0}, so there is nothing to bisect")]
    NotShown(String),
    /// It shows on both sides.
    #[error("the finding shows under {0} too: the two do not differ in it")]
    NoDifference(String),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A row that differs between the two schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub row: Row,
    /// Its value without the finding.
    pub good: &'static str,
    /// Its value with the finding.
    pub bad: &'static str,
}

/// The answer in rows.
#[derive(Debug, Clone)]
pub struct Hunks {
    /// Every row that differs.
    pub differ: Vec<Change>,
    /// The least that brings the finding into the good scheduler: none of them can be left out.
    pub minimal: Vec<Change>,
    /// Those of [`Hunks::minimal`] that only a coupling rule asks for, with the rule.
    pub coupled: Vec<(Row, &'static str)>,
    /// Mixes that were swept.
    pub tried: u64,
}

/// remove_dup's parts in each version that is made of them.
const PARTS: [(&str, [(Row, &str); 4]); 3] = [
    (
        "v10",
        parts("base-first", "second-sharer", "false", "false"),
    ),
    ("delta", parts("tombstone", "at-flip", "true", "false")),
    ("v11", parts("tombstone", "at-flip", "true", "true")),
];

const fn parts(
    flip: &'static str,
    master_count: &'static str,
    state: &'static str,
    del: &'static str,
) -> [(Row, &'static str); 4] {
    [
        (Row::Flip, flip),
        (Row::MasterCount, master_count),
        (Row::StateBeforeEnable, state),
        (Row::DelOld, del),
    ]
}

impl<'a> Bisect<'a> {
    /// Finds the decision that brings the finding: the first one with which it shows.
    ///
    /// # Errors
    /// See [`BisectError`].
    pub fn new(question: Question<'a>) -> Result<Self, BisectError> {
        let Question {
            scenario,
            scheduler,
            decisions,
            verdict,
            ..
        } = question;
        let mut bisect = Self {
            question,
            place: None,
        };
        let setup = bisect.setup(scheduler)?;
        let failed = |error| BisectError::Sweep(SweepError::Setup(error));
        let mut rig = Rig::new(&setup).map_err(failed)?;
        let baseline = rig.run(Schedule::empty());
        let mut entries: Vec<Entry> = Vec::new();
        let mut without = None;
        for (i, decision) in decisions.iter().enumerate() {
            entries.push(decode(scenario, i, decision)?);
            let with = rig.run(Schedule::new(entries.clone()));
            let found = verdicts(&mut rig, &baseline, &with, &entries);
            if found.contains(verdict) {
                let log = &without.as_ref().unwrap_or(&baseline).log;
                let kernel = &log.cpu(decision.cpu).kernel;
                let holds = |range: &Option<(Ordinal, Ordinal)>| {
                    range.is_some_and(|(first, last)| (first..=last).contains(&decision.ordinal))
                };
                let step = kernel.iter().position(holds);
                bisect.place = Some(Place {
                    earlier: &decisions[..i],
                    near: decision.ordinal,
                    step: (
                        decision.cpu,
                        step.ok_or(BisectError::NoStep(decision.ordinal))?,
                    ),
                    source: Source::of(entries[i].2),
                });
                return Ok(bisect);
            }
            without = Some(with);
        }
        if decisions.is_empty() {
            return Ok(bisect);
        }
        Err(BisectError::NotShown(scheduler.name.clone()))
    }

    /// The sweep under `scheduler`, around the decision that brings the finding; `None` where the
    /// finding needs none, or the decisions before it have no boundary under these rows.
    ///
    /// # Errors
    /// See [`BisectError`].
    pub fn sweep(&self, scheduler: &Scheduler) -> Result<Option<Sweep>, BisectError> {
        let Some(place) = &self.place else {
            return Ok(None);
        };
        let setup = self.setup(scheduler)?;
        let mut rig = Rig::new(&setup).map_err(SweepError::Setup)?;
        let mut earlier: Vec<Entry> = Vec::new();
        for (i, decision) in place.earlier.iter().enumerate() {
            let before = Schedule::new(earlier.clone());
            let anchored = anchor(&mut rig, self.question.scenario, &before, i, decision);
            match anchored {
                Ok(decision) => earlier.push(decode(self.question.scenario, i, &decision)?),
                Err(ReplayError::Stale { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let plan = Plan {
            cpu: place.step.0,
            step: place.step.1,
            source: place.source,
            jobs: self.question.jobs,
            reduce: true,
            only_first: false,
            nmis: 1,
        };
        let swept = match earlier.as_slice() {
            [] => sweep(&setup, plan, self.question.progress)?,
            earlier => sweep_behind(&setup, plan, earlier, self.question.progress)?,
        };
        if swept.interrupted {
            return Err(BisectError::Interrupted);
        }
        Ok(Some(swept))
    }

    fn setup(&self, scheduler: &Scheduler) -> Result<Setup, PrepareError> {
        let image = Arc::clone(&self.question.image);
        Ok(prepare(
            self.question.scenario,
            self.question.machine,
            scheduler,
            image,
        )?
        .setup)
    }

    /// CPU and position in its program of the step that the decision falls into.
    #[must_use]
    pub fn step(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| place.step)
    }

    /// The boundary of the decision that brings the finding.
    #[must_use]
    pub fn near(&self) -> Option<Ordinal> {
        self.place.as_ref().map(|place| place.near)
    }

    /// Whether boundary number `i` of `sweep`'s bad ones shows the finding.
    #[must_use]
    pub fn is_it(&self, sweep: &Sweep, i: usize) -> bool {
        // A part of a composed function is a function of its own: only the field is compared.
        let wanted = self.question.verdict.window.0.rsplit_once("write ");
        sweep.bad[i].causes.iter().any(|cause| {
            let after = cause.after.as_ref().map(|write| write.field.as_str());
            cause.oracle.name() == self.question.verdict.oracle
                && cause.event == self.question.verdict.event
                && cause.row == self.question.verdict.row
                && after == wanted.map(|(_, field)| field)
        })
    }

    /// Whether the finding shows under `scheduler`. Rows under which the guest does not run to its
    /// end do not show it.
    ///
    /// # Errors
    /// See [`BisectError`].
    pub fn shows(&self, scheduler: &Scheduler) -> Result<bool, BisectError> {
        if self.place.is_none() {
            return self.shows_plainly(scheduler);
        }
        match self.sweep(scheduler) {
            Ok(Some(sweep)) => Ok((0..sweep.bad.len()).any(|i| self.is_it(&sweep, i))),
            Ok(None) | Err(BisectError::Sweep(SweepError::Baseline(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The same without any decision.
    fn shows_plainly(&self, scheduler: &Scheduler) -> Result<bool, BisectError> {
        if self.question.progress.stop.load(Ordering::Relaxed) {
            return Err(BisectError::Interrupted);
        }
        let setup = self.setup(scheduler)?;
        let mut rig = Rig::new(&setup).map_err(SweepError::Setup)?;
        let run = rig.run(Schedule::empty());
        let found = verdicts(&mut rig, &run, &run, &[]);
        Ok(check_end(&run.end).is_ok() && found.contains(self.question.verdict))
    }

    /// The least set of rows that brings the finding from `bad` into `good`.
    ///
    /// # Errors
    /// The finding shows under both or under neither, or a sweep fails.
    pub fn hunks(&self, good: &Scheduler, bad: &Scheduler) -> Result<Hunks, BisectError> {
        if !self.shows(bad)? {
            return Err(BisectError::NotShown(bad.name.clone()));
        }
        if self.shows(good)? {
            return Err(BisectError::NoDifference(good.name.clone()));
        }
        let mut tried = 2;
        let mut mixed = |from: Rows, changes: &[Change]| {
            tried += 1;
            self.shows(&Scheduler {
                name: format!("{} with rows of {}", good.name, bad.name),
                rows: apply(from, changes),
            })
        };
        // In parts the answer is finer, if the parts show the finding too.
        let (mut from, to) = by_parts(good.rows, bad.rows);
        let mut differ = changes(from, to);
        if from != good.rows && !mixed(from, &differ)? {
            from = good.rows;
            differ = changes(from, bad.rows);
        }
        let mut minimal = differ.clone();
        // Most findings come from the function they show in, and what it asks for.
        let own = |row: Row| row.name() == self.question.verdict.row;
        let part = |row: Row| own(Row::RemoveDup) && PARTS[0].1.iter().any(|&(p, _)| p == row);
        for change in differ.iter().filter(|c| own(c.row) || part(c.row)) {
            if let Some(seed) = with_what_it_needs(from, &differ, *change)
                && seed.len() < minimal.len()
                && mixed(from, &seed)?
            {
                minimal = seed;
            }
        }
        // Leave rows out one by one, each with what the rules then ask for, until none can be.
        loop {
            let before = minimal.len();
            for change in minimal.clone() {
                let Some(smaller) = without(from, &minimal, change.row) else {
                    continue;
                };
                if mixed(from, &smaller)? {
                    minimal = smaller;
                    break;
                }
            }
            if minimal.len() == before {
                break;
            }
        }
        let coupled = minimal
            .iter()
            .filter(|change| change.row.name() != self.question.verdict.row)
            .filter_map(|change| {
                let rest: Vec<Change> = minimal
                    .iter()
                    .filter(|other| other.row != change.row)
                    .copied()
                    .collect();
                let rows = apply(from, &rest);
                let rule = COUPLINGS.iter().find(|rule| !rule.allows(&rows))?;
                Some((change.row, rule.text))
            })
            .collect();
        Ok(Hunks {
            differ,
            minimal,
            coupled,
            tried,
        })
    }
}

/// Both with remove_dup in parts, where both versions are made of parts.
fn by_parts(good: Rows, bad: Rows) -> (Rows, Rows) {
    let composed = |rows: Rows| -> Option<Rows> {
        let version = Row::RemoveDup.values()[usize::from(rows.get(Row::RemoveDup))];
        let (_, parts) = PARTS.iter().find(|(name, _)| *name == version)?;
        let mut rows = rows;
        rows.0[Row::RemoveDup as usize] = Row::RemoveDup.number("composed");
        for &(row, value) in parts {
            rows.0[row as usize] = row.number(value);
        }
        COUPLINGS
            .iter()
            .all(|rule| rule.allows(&rows))
            .then_some(rows)
    };
    match (composed(good), composed(bad)) {
        (Some(g), Some(b)) => (g, b),
        _ => (good, bad),
    }
}

fn changes(good: Rows, bad: Rows) -> Vec<Change> {
    let value = |rows: &Rows, row: Row| row.values()[usize::from(rows.get(row))];
    Row::ALL
        .into_iter()
        .filter(|&row| good.get(row) != bad.get(row))
        .map(|row| Change {
            row,
            good: value(&good, row),
            bad: value(&bad, row),
        })
        .collect()
}

fn apply(good: Rows, changes: &[Change]) -> Rows {
    let mut rows = good;
    for change in changes {
        rows.0[change.row as usize] = change.row.number(change.bad);
    }
    rows
}

/// `set` without `row` and without what the coupling rules then do not allow; `None` when the rules
/// leave nothing, or ask for a row that does not differ.
fn without(good: Rows, set: &[Change], row: Row) -> Option<Vec<Change>> {
    let mut smaller: Vec<Change> = set.iter().filter(|c| c.row != row).copied().collect();
    loop {
        let rows = apply(good, &smaller);
        let Some(broken) = COUPLINGS.iter().find(|rule| !rule.allows(&rows)) else {
            return (!smaller.is_empty()).then_some(smaller);
        };
        let sides = [broken.when.0, broken.needs.0];
        let before = smaller.len();
        smaller.retain(|change| !sides.contains(&change.row));
        if smaller.len() == before {
            return None;
        }
    }
}

/// `change` and the others that the coupling rules then ask for; `None` when they ask for a row that
/// does not differ.
fn with_what_it_needs(good: Rows, differ: &[Change], change: Change) -> Option<Vec<Change>> {
    let mut set = vec![change];
    loop {
        let rows = apply(good, &set);
        let Some(broken) = COUPLINGS.iter().find(|rule| !rule.allows(&rows)) else {
            return Some(set);
        };
        let sides = [broken.when.0, broken.needs.0];
        let missing = |c: &&Change| sides.contains(&c.row) && !set.contains(c);
        let missing = *differ.iter().find(missing)?;
        set.push(missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Rows {
        let mut rows = Rows::default();
        for row in Row::ALL.iter().filter(|row| row.values()[0] == "none") {
            rows.0[*row as usize] = row.number(name);
        }
        rows
    }

    #[test]
    fn remove_dup_is_taken_apart_where_both_sides_have_parts() {
        let (good, bad) = by_parts(version("delta"), version("v10"));
        let rows: Vec<Row> = changes(good, bad).iter().map(|c| c.row).collect();
        assert!(!rows.contains(&Row::RemoveDup), "{rows:?}");
        assert!(rows.contains(&Row::Flip) && rows.contains(&Row::MasterCount));
        assert!(!rows.contains(&Row::DelOld), "neither version deletes");
        let (good, bad) = by_parts(version("v12"), version("v10"));
        assert!(changes(good, bad).iter().any(|c| c.row == Row::RemoveDup));
    }

    #[test]
    fn what_is_left_obeys_the_rules() {
        let (good, bad) = by_parts(version("delta"), version("v10"));
        let all = changes(good, bad);
        for change in &all {
            if let Some(smaller) = without(good, &all, change.row) {
                assert!(smaller.iter().all(|c| c.row != change.row));
                let rows = apply(good, &smaller);
                assert!(COUPLINGS.iter().all(|rule| rule.allows(&rows)));
            }
        }
    }
}
