// SPDX-License-Identifier: GPL-2.0-only
//! Does a scenario show the finding? First where its injections say, then at every boundary of the
//! finding's window in this scenario, from the earliest on.

use std::cell::RefMut;
use std::collections::BTreeSet;
use std::fmt;

use check::cause::row_of;
use machine::{End, Entry, Ordinal, Schedule, SetupError};
use scenario::{Access, Injection, Point, Scenario, Source, write_scenario};
use trace::Verdict;

use super::Shrink;
use crate::execute::Run;
use crate::inject::{injection, injections};
use crate::prepare::{Prepared, prepare};
use crate::record::{boundary, decision, verdicts};
use crate::replay::parse_semantic;
use crate::resolve::{cpu_of, matching, reached};
use crate::rig::Rig;
use crate::sweep::check_end;

/// Boundaries that are tried at most: more would cost more than they are worth.
const TRIED: usize = 64;

/// A window with fewer boundaries is tried whole.
const NARROW: Ordinal = 24;

/// What makes two findings the same, whatever their events are called: oracle, row, and the writes
/// on both sides of the decisive boundary (contract, section 8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// By whose rule.
    pub oracle: String,
    /// The function that the decisive boundary lies in.
    pub row: String,
    /// Last write before it and first write after it: function and field.
    pub window: [Option<(String, String)>; 2],
    /// For a finding that needs no decision: the function that the violating access lies in.
    pub place: Option<String>,
}

impl Signature {
    /// That of a recorded finding; `scenario` tells events from fields.
    #[must_use]
    pub fn of(verdict: &Verdict, scenario: &Scenario) -> Self {
        let write = |words: &str| {
            let access = access(words, scenario)?;
            Some((access.row.unwrap_or_default(), access.field))
        };
        Self {
            oracle: verdict.oracle.clone(),
            row: verdict.row.clone(),
            window: [write(&verdict.window.0), write(&verdict.window.1)],
            place: verdict.window.0.strip_prefix("at ").map(str::to_owned),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.oracle, self.row)?;
        if let Some(place) = &self.place {
            return write!(f, " at {place}, without an NMI");
        }
        let words = |write: &Option<(String, String)>| match write {
            Some((row, field)) => format!("{row}: write {field}"),
            None => "-".to_owned(),
        };
        let [after, before] = &self.window;
        write!(f, ": between {} and {}", words(after), words(before))
    }
}

fn access(words: &str, scenario: &Scenario) -> Option<Access> {
    Access::parse(words, |name| scenario.event(name).is_some()).ok()
}

/// A scenario that shows the finding.
#[derive(Debug)]
pub(super) struct Shown {
    /// The scenario, as its text says it; its injections are where the finding is.
    pub(super) scenario: Scenario,
    /// The decisions that the injections stand for.
    pub(super) decisions: Vec<Entry>,
    /// It, ready to run.
    pub(super) prepared: Prepared,
    /// The run without decisions.
    pub(super) baseline: Run,
    /// The run with them.
    pub(super) run: Run,
}

/// One scenario, looked at.
struct Candidate<'a> {
    shrink: &'a Shrink<'a>,
    wanted: &'a Signature,
    scenario: Scenario,
    prepared: Prepared,
    baseline: Run,
}

/// `scenario`, where it is a valid one that shows `wanted`: with its last injection moved, if that
/// is what it takes.
pub(super) fn seek(
    shrink: &Shrink<'_>,
    wanted: &Signature,
    scenario: &Scenario,
) -> Result<Option<Shown>, SetupError> {
    let text = write_scenario(scenario);
    let Ok(scenario) = scenario::parse_scenario(&Source::new("shrunk.toml", text)) else {
        return Ok(None);
    };
    let image = std::sync::Arc::clone(&shrink.image);
    let Ok(prepared) = prepare(&scenario, shrink.machine, shrink.scheduler, image) else {
        return Ok(None);
    };
    let baseline = shrink.rig(&prepared.setup)?.run(Schedule::empty());
    shrink.count();
    // What shows without a decision may be what the guest fails of in the end.
    let failed =
        (matches!(baseline.end, End::Failed(_)) || baseline.hangs) && wanted.place.is_some();
    if check_end(&baseline.end).is_err() && !failed {
        return Ok(None);
    }
    let candidate = Candidate {
        shrink,
        wanted,
        scenario,
        prepared,
        baseline,
    };
    let decisions = injections(&mut *candidate.rig()?, &candidate.scenario);
    if let Ok(decisions) = decisions
        && let Some(run) = candidate.shows(&decisions)?
    {
        return Ok(Some(candidate.shown(decisions, run)));
    }
    candidate.moved()
}

/// `best` with its last injection at the first boundary of the window that shows the finding, where
/// that is not where it stands already.
pub(super) fn earliest(
    shrink: &Shrink<'_>,
    wanted: &Signature,
    best: &Shown,
) -> Result<Option<Shown>, SetupError> {
    let candidate = Candidate {
        shrink,
        wanted,
        scenario: best.scenario.clone(),
        prepared: best.prepared.clone(),
        baseline: best.baseline.clone(),
    };
    let at = |shown: &Shown| shown.decisions.last().map(|&entry| boundary(entry));
    Ok(candidate.moved()?.filter(|earlier| at(earlier) < at(best)))
}

impl Candidate<'_> {
    fn rig(&self) -> Result<RefMut<'_, Rig>, SetupError> {
        self.shrink.rig(&self.prepared.setup)
    }

    /// The run under `decisions`, if it shows the finding.
    fn shows(&self, decisions: &[Entry]) -> Result<Option<Run>, SetupError> {
        let mut rig = self.rig()?;
        self.shrink.count();
        let run = rig.run(Schedule::new(decisions.to_vec()));
        if self.wanted.oracle == "guest" {
            let words = check_end(&run.end).err().unwrap_or_default();
            let fails = self.wanted.place.as_deref() == words.lines().next();
            return Ok(fails.then_some(run));
        }
        let again = |v: &check::Violation| {
            v.oracle.name() == self.wanted.oracle
                && !self.baseline.violations.iter().any(|b| b.same_as(v))
        };
        if !decisions.is_empty() && !run.violations.iter().any(again) {
            return Ok(None);
        }
        let found = verdicts(&mut rig, &self.baseline, &run, decisions);
        let is_it = |verdict| Signature::of(verdict, &self.scenario) == *self.wanted;
        Ok(found.iter().any(is_it).then_some(run))
    }

    fn shown(self, decisions: Vec<Entry>, run: Run) -> Shown {
        Shown {
            scenario: self.scenario,
            decisions,
            prepared: self.prepared,
            baseline: self.baseline,
            run,
        }
    }

    /// With the last injection at another boundary of the window.
    fn moved(mut self) -> Result<Option<Shown>, SetupError> {
        let Some(last) = self.scenario.inject.pop() else {
            return Ok(None);
        };
        let before = injections(&mut *self.rig()?, &self.scenario);
        let Ok(before) = before else {
            return Ok(None);
        };
        let cpu = cpu_of(&self.scenario, &last.at);
        let schedule = Schedule::new(before.clone());
        let under = match before.as_slice() {
            [] => None,
            _ => Some(self.rig()?.run(schedule.clone())),
        };
        let mut boundaries = self.window(cpu, under.as_ref().unwrap_or(&self.baseline));
        if let Point::Code { symbol, offset, .. } = &last.at {
            // Without what went out it is reached less often.
            let hits = reached(&mut *self.rig()?, &schedule, cpu, (symbol, *offset));
            let hits = hits.map(|(hits, _)| hits).unwrap_or_default();
            boundaries.extend(hits.into_iter().take(TRIED));
        }
        for at in boundaries {
            if self.shrink.stopped() {
                break;
            }
            let mut exact = last.clone();
            exact.at = Point::Exact {
                cpu: u32::try_from(cpu).unwrap_or(0),
                ordinal: at,
                rip: None,
            };
            let entry = injection(&mut *self.rig()?, &self.scenario, &before, &exact);
            let Ok(entry) = entry else {
                continue;
            };
            let decisions = [before.as_slice(), &[entry]].concat();
            if self.shows(&decisions)?.is_some() {
                return self.named(&before, &last, entry);
            }
        }
        Ok(None)
    }

    /// With the last injection, which is `entry`, at a point that a person can read and that other
    /// builds of the guest have, or else by its place in the code.
    fn named(
        mut self,
        before: &[Entry],
        last: &Injection,
        entry: Entry,
    ) -> Result<Option<Shown>, SetupError> {
        let recorded = decision(
            &mut *self.rig()?,
            &self.scenario,
            &self.baseline,
            before,
            entry,
        );
        for at in points(&recorded, &self.scenario) {
            let mut injection_there = last.clone();
            injection_there.at = at;
            let entry = injection(&mut *self.rig()?, &self.scenario, before, &injection_there);
            let Ok(entry) = entry else {
                continue;
            };
            let decisions = [before, &[entry]].concat();
            if let Some(run) = self.shows(&decisions)? {
                self.scenario.inject.push(injection_there);
                return Ok(Some(self.shown(decisions, run)));
            }
        }
        Ok(None)
    }

    /// The boundaries of `cpu` between the finding's two writes, from the earliest on, in the run
    /// with the decisions before the one that is looked for.
    fn window(&self, cpu: usize, under: &Run) -> Vec<Ordinal> {
        let [after, before] = &self.wanted.window;
        let log = &under.log.cpu(cpu).base;
        let writes = |(row, field): &(String, String)| -> Vec<Ordinal> {
            let pattern = Access {
                row: Some(row.clone()),
                kind: scenario::AccessKind::Write,
                object: None,
                field: field.clone(),
            };
            matching(
                log,
                &under.objects,
                &self.prepared.setup.image,
                &pattern,
                None,
            )
            .map(|access| access.ordinal)
            .collect()
        };
        let end = log.last().map_or(0, |access| access.ordinal + 1);
        let begins = after.as_ref().map_or_else(|| vec![0], writes);
        let ends = before.as_ref().map_or_else(|| vec![end], writes);
        let windows = begins.iter().filter_map(|&from| {
            let to = *ends.iter().find(|&&to| to > from)?;
            Some(from + 1..=to)
        });
        let image = &self.prepared.setup.image;
        let mut boundaries = BTreeSet::new();
        for window in windows {
            let accesses = log
                .iter()
                .filter(|a| window.contains(&a.ordinal) && row_of(image, a.rip) == self.wanted.row);
            // Between two accesses to events one boundary is as good as the other, nearly always.
            let beside = accesses.flat_map(|a| [a.ordinal, a.ordinal + 1]);
            boundaries.extend(beside.filter(|at| window.contains(at)));
            if window.end() - window.start() < NARROW {
                boundaries.extend(window);
            }
        }
        // A window without an end is long: what is looked for may lie in the last step as well.
        let skipped = TRIED / 2..boundaries.len().saturating_sub(TRIED / 2);
        let all = boundaries.into_iter().enumerate();
        all.filter(|(i, _)| !skipped.contains(i))
            .map(|(_, at)| at)
            .collect()
    }
}

/// The ways to name a recorded decision's boundary, the most lasting first.
pub(super) fn points(decision: &trace::Decision, scenario: &Scenario) -> Vec<Point> {
    let cpu = u32::try_from(decision.cpu).ok();
    let semantic = decision
        .semantic
        .as_deref()
        .and_then(|words| parse_semantic(words, scenario, decision.cpu))
        .map(|mut point| {
            // A labelled step says which CPU.
            if let Point::Semantic {
                step: Some(_), cpu, ..
            } = &mut point
            {
                *cpu = None;
            }
            point
        });
    let code = decision.code.as_deref().and_then(|words| {
        let (place, hit) = words.rsplit_once(" hit ")?;
        let (symbol, offset) = Point::parse_code(place).ok()?;
        Some(Point::Code {
            symbol,
            offset,
            hit: hit.parse().ok()?,
            step: None,
            cpu,
        })
    });
    let exact = Point::Exact {
        cpu: cpu.unwrap_or(0),
        ordinal: decision.ordinal,
        rip: None,
    };
    semantic.into_iter().chain(code).chain([exact]).collect()
}
