// SPDX-License-Identifier: GPL-2.0-only
//! Which rows of the patch make a finding: delta debugging over the scheduler table (contract,
//! section 5), and which version of a list shows it first.
//!
//! A finding is looked for by sweeping the scenario's step: with other rows the code is other code,
//! and no boundary keeps its number. It is the same finding when oracle, event and row agree and so
//! does the field that was written last before the boundary.

use std::sync::Arc;

use abi::rows::{Row, Rows};
use image::Image;
use scenario::{COUPLINGS, Scenario, Scheduler};
use trace::Verdict;

use crate::prepare::{PrepareError, prepare};
use crate::sweep::{Progress, Sweep, SweepError, sweep};

/// What is asked: does this finding show in this scenario under some rows?
#[derive(Debug)]
pub struct Bisect<'a> {
    /// The scenario; its sweep is what is run.
    pub scenario: &'a Scenario,
    /// Its machine.
    pub machine: &'a scenario::Machine,
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
    /// There is no `[sweep]`.
    #[error("the trace's scenario has no [sweep], so there are no other boundaries to look at")]
    NoSweep,
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

impl Bisect<'_> {
    /// The sweep under `scheduler`.
    ///
    /// # Errors
    /// See [`BisectError`].
    pub fn sweep(&self, scheduler: &Scheduler) -> Result<Sweep, BisectError> {
        let image = Arc::clone(&self.image);
        let prepared = prepare(self.scenario, self.machine, scheduler, image)?;
        let plan = prepared.plan(self.jobs).ok_or(BisectError::NoSweep)?;
        let swept = sweep(&prepared.setup, plan, self.progress)?;
        if swept.interrupted {
            return Err(BisectError::Interrupted);
        }
        Ok(swept)
    }

    /// Whether boundary number `i` of `sweep`'s bad ones shows the finding.
    #[must_use]
    pub fn is_it(&self, sweep: &Sweep, i: usize) -> bool {
        // A part of a composed function is a function of its own: only the field is compared.
        let wanted = self.verdict.window.0.rsplit_once("write ");
        sweep.bad[i].causes.iter().any(|cause| {
            let after = cause.after.as_ref().map(|write| write.field.as_str());
            cause.oracle.name() == self.verdict.oracle
                && cause.event == self.verdict.event
                && cause.row == self.verdict.row
                && after == wanted.map(|(_, field)| field)
        })
    }

    /// Whether the finding shows under `scheduler`. Rows under which the guest does not run to its
    /// end do not show it.
    ///
    /// # Errors
    /// See [`BisectError`].
    pub fn shows(&self, scheduler: &Scheduler) -> Result<bool, BisectError> {
        match self.sweep(scheduler) {
            Ok(sweep) => Ok((0..sweep.bad.len()).any(|i| self.is_it(&sweep, i))),
            Err(BisectError::Sweep(SweepError::Baseline(_))) => Ok(false),
            Err(error) => Err(error),
        }
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
        let own = |row: Row| row.name() == self.verdict.row;
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
            .filter(|change| change.row.name() != self.verdict.row)
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
