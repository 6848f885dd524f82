// SPDX-License-Identifier: GPL-2.0-only
//! One case: a program run without decisions, then with one or several at places that were chosen
//! by chance; each run judged against the one with a decision less.

use std::collections::{BTreeMap, BTreeSet};

use check::cause::{Cause, row_on_stack};
use check::{Armed, Oracle, Violation};
use machine::{Decision, End, Entry, Machine, Outcome, Schedule, SetupError, Until};
use scenario::{CausePattern, Known, Scenario, Scheduler};
use trace::Verdict;

use super::choose::{Ground, Learned, Place, Spot, Strategy, codes, in_order, kind, sources};
use super::cover::{Cover, Scout};
use super::dice::Dice;
use crate::execute::{Outcomes, Run, Touched, hangs, outrun, watchers};
use crate::findings::damage;
use crate::findings::{Base, causes, fresh};
use crate::inject::counts;
use crate::known::{KnownFindings, explains_by_itself, explains_somehow, has_own_nmi};
use crate::prepare::Prepared;
use crate::record::{plain, verdict};
use crate::rig::Rig;
use crate::setup::{PATIENCE, Setup};
use crate::shrink::Signature;
use crate::sweep::{Source, check_end};
use crate::verdict::expects;

/// Runs of one case, the one without decisions included. Part of the numbering of executions.
pub(crate) const RUNS: u64 = 8;

/// What all cases of an epoch share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) known: &'a [Known],
    pub(crate) scheduler: &'a Scheduler,
    /// Causes that are looked out for; their windows name no events.
    pub(crate) wanted: &'a [CausePattern],
    pub(crate) strategy: Strategy,
    pub(crate) learned: &'a Learned,
}

/// A cause that a run showed.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) signature: Signature,
    pub(crate) verdict: Verdict,
    /// The finding in a sentence.
    pub(crate) example: String,
    /// Why it is no news.
    pub(crate) reason: Option<String>,
    pub(crate) decisions: Vec<Entry>,
    /// Which run of the case.
    pub(crate) run: u64,
}

/// What a case showed.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) executions: u64,
    pub(crate) cover: Cover,
    pub(crate) tried: Vec<Place>,
    /// Offsets of fields that NMI handlers touched.
    pub(crate) handled: BTreeSet<u64>,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// Runs in which somebody looked at the events in between.
    pub(crate) looked: u64,
    pub(crate) armed: Armed,
    pub(crate) hits: Vec<Hit>,
    /// Wanted causes, with the run that showed each.
    pub(crate) met: Vec<(usize, u64)>,
}

/// Why a program cannot be judged.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// A system call of this CPU's step is refused.
    Refused(usize, usize),
    /// Its CPUs wait for each other.
    Stuck,
}

/// The machines of one worker, by the number of CPUs; none at first.
#[derive(Debug, Default)]
pub struct Rigs(BTreeMap<usize, Rig>);

impl Rigs {
    fn load(&mut self, setup: &Setup) -> Result<&mut Rig, SetupError> {
        use std::collections::btree_map::Entry;
        Ok(match self.0.entry(setup.programs.len()) {
            Entry::Vacant(slot) => slot.insert(Rig::new(setup)?),
            Entry::Occupied(slot) => {
                let rig = slot.into_mut();
                rig.load(setup)?;
                rig
            }
        })
    }
}

/// A case that runs.
struct Case<'a> {
    rules: Rules<'a>,
    scenario: &'a Scenario,
    rig: &'a mut Rig,
    baseline: Run,
    scout: Scout,
    shown: Shown,
    /// Runs so far.
    run: u64,
    /// Hits that an NMI may explain which no decision brought, with what they are about.
    undecided: Vec<(usize, Cause, Vec<Violation>)>,
}

/// Runs a case.
///
/// # Errors
/// The machine cannot be built.
pub(crate) fn run(
    rigs: &mut Rigs,
    rules: Rules<'_>,
    scenario: &Scenario,
    prepared: &Prepared,
    dice: &mut Dice,
) -> Result<Result<Shown, Unfit>, SetupError> {
    let rig = rigs.load(&prepared.setup)?;
    let sources = sources(scenario);
    let (baseline, scout) = whole(rig, &sources, Schedule::empty());
    if let End::Exited(statuses) = &baseline.end
        && let Some((cpu, status)) = statuses.iter().enumerate().find(|(_, s)| **s != 0)
    {
        return Ok(Err(Unfit::Refused(cpu, (status >> 16) as usize)));
    }
    if matches!(baseline.end, End::Limit | End::Halted) && !baseline.hangs {
        return Ok(Err(Unfit::Stuck));
    }
    let mut case = Case {
        rules,
        scenario,
        rig,
        baseline,
        scout,
        shown: Shown::default(),
        run: 0,
        undecided: Vec::new(),
    };
    case.without_decisions();
    if check_end(&case.baseline.end).is_ok() && !case.is_broken() {
        case.with_decisions(dice, &sources);
        case.look_again();
    }
    case.shown.cover.join(&case.scout.cover);
    Ok(Ok(case.shown))
}

/// A run from reset to the end, with what a scout saw.
fn whole(rig: &mut Rig, sources: &[(u64, Source)], mut schedule: Schedule) -> (Run, Scout) {
    let skid = u64::from(rig.setup().hardware.skid_max);
    let scout = Scout::new(codes(sources), skid);
    let mut both = (watchers(rig.setup()), scout);
    let machine = rig.reset();
    let limit = PATIENCE;
    let end = machine.run(&mut schedule, &mut both, Until::End { limit });
    (Run::of(machine, end, both.0), both.1)
}

impl Case<'_> {
    fn without_decisions(&mut self) {
        self.shown.executions += 1;
        self.shown.armed.add(&self.baseline.armed);
        let known = KnownFindings::of_run(self.rules.known, self.rules.scheduler);
        let image = &self.baseline.image;
        for violation in &self.baseline.violations {
            let verdict = plain(image, violation);
            let reason = known.baseline(&self.baseline, violation);
            self.shown.hits.push(Hit {
                signature: Signature::of(&verdict, self.scenario),
                verdict,
                example: violation.to_string(),
                reason: reason.map(|entry| entry.reason.clone()),
                decisions: Vec::new(),
                run: 0,
            });
        }
        if !self.baseline.hangs
            && !self.is_broken()
            && let Err(words) = check_end(&self.baseline.end)
        {
            self.fails(&words, Vec::new());
        }
    }

    /// Whether events are used that are freed, or states contradict each other, without any decision:
    /// whatever shows then says nothing of a decision.
    fn is_broken(&self) -> bool {
        let broken = |v: &Violation| matches!(v.oracle, Oracle::Freed | Oracle::State);
        self.baseline.violations.iter().any(broken)
    }

    /// Words for an end that no program wanted.
    fn failure(machine: &Machine, end: &End, hangs: bool) -> Option<String> {
        let other = hangs || outrun(machine, end);
        check_end(end).err().filter(|_| !other)
    }

    /// A run in which the guest failed.
    fn fails(&mut self, words: &str, decisions: Vec<Entry>) {
        let first = words.lines().next().unwrap_or_default().to_owned();
        let verdict = Verdict {
            oracle: "guest".to_owned(),
            event: "-".to_owned(),
            row: "-".to_owned(),
            window: (format!("at {first}"), "-".to_owned()),
        };
        self.shown.hits.push(Hit {
            signature: Signature::of(&verdict, self.scenario),
            verdict,
            example: format!("the guest fails: {first}"),
            reason: None,
            decisions,
            run: self.run,
        });
    }

    fn with_decisions(&mut self, dice: &mut Dice, sources: &[(u64, Source)]) {
        let (mut single, mut several) = (Vec::new(), Vec::new());
        {
            let ground = self.ground(&self.scout.marks, &self.baseline, sources);
            let mut left = RUNS - 1;
            while left > 0 {
                let depth = (self.rules.strategy.depth(dice) as u64).min(left);
                left -= depth;
                let Some(spot) = ground.spot(dice, 0) else {
                    continue;
                };
                if depth == 1 {
                    single.push(spot);
                } else {
                    several.push((spot, depth));
                }
            }
        }
        self.walk(&in_order(single));
        for (first, depth) in several {
            self.deepen(dice, sources, first, depth);
        }
    }

    /// Looks at where NMIs came by themselves that may explain what nothing else does: the run with
    /// all decisions says it, as those before may have moved them.
    fn look_again(&mut self) {
        for (hit, cause, news) in std::mem::take(&mut self.undecided) {
            let hit = &mut self.shown.hits[hit];
            let run = self.rig.run(Schedule::new(hit.decisions.clone()));
            let Rules {
                known, scheduler, ..
            } = self.rules;
            let news: Vec<&Violation> = news.iter().collect();
            let (decisions, shown) = (&hit.decisions, (&cause, news.as_slice()));
            let entry = explains_by_itself(known, scheduler, decisions, shown, Base::of(&run));
            hit.reason = entry.map(|entry| entry.reason.clone());
        }
    }

    fn ground<'g>(
        &'g self,
        marks: &'g [super::cover::Mark],
        run: &'g Run,
        sources: &'g [(u64, Source)],
    ) -> Ground<'g> {
        let rules = (self.rules.strategy, self.rules.learned);
        Ground::new(self.scenario, (marks, run), sources, rules)
    }

    /// Runs with one decision each, from the run without, boundary after boundary.
    fn walk(&mut self, spots: &[Spot]) {
        let skid = u64::from(self.rig.setup().hardware.skid_max);
        let mut schedule = Schedule::empty();
        let mut oracles = self.rig.setup().oracles();
        self.rig.reset();
        for spot in spots {
            self.run += 1;
            self.shown.tried.extend(spot.place);
            let machine = self.rig.as_it_stands();
            let stand = match spot.source {
                Source::Late(_) => spot.at.saturating_sub(skid),
                _ => spot.at,
            };
            let stand = stand.max(machine.cores()[spot.cpu].ordinal);
            let to = Until::Boundary(spot.cpu, stand);
            if !matches!(machine.run(&mut schedule, &mut oracles, to), End::Boundary) {
                break;
            }
            let here = machine.snapshot();
            let decision = decision(machine, &schedule, spot);
            machine.restore(&here);
            if let Some(entry) = decision {
                let scout = Scout::default();
                let mut seen = (
                    oracles.clone(),
                    ((Outcomes::default(), Touched::default()), scout),
                );
                let mut with = schedule.with(entry);
                let limit = PATIENCE;
                let end = machine.run(&mut with, &mut seen, Until::End { limit });
                let (mut oracles_then, ((outcomes, touched), scout)) = seen;
                let hangs = matches!(end, End::Limit) && hangs(machine, &mut oracles_then);
                let looked = oracles_then.sampled > oracles.sampled || touched.by_others;
                let failed = Self::failure(machine, &end, hangs);
                machine.restore(&here);
                let mut before = schedule.clone();
                machine.run(&mut before, &mut (), Until::Boundary(spot.cpu, spot.at));
                let rip = machine.cores()[spot.cpu].cpu.rip;
                let row = row_on_stack(&machine.view(spot.cpu), rip);
                self.shown
                    .cover
                    .interrupted(u64::from(kind(spot.source)), rip);
                self.shown.cover.join(&scout.cover);
                let with = With {
                    violations: oracles_then.violations(),
                    touched: &touched,
                    outcomes: &outcomes.0,
                    looked,
                    failed,
                    row: &row,
                };
                self.judge(spot, &[entry], &with, None);
            } else {
                *self.shown.outcomes.entry(Outcome::NotArmed).or_default() += 1;
            }
            let machine = self.rig.as_it_stands();
            machine.restore(&here);
            machine.release(here);
        }
    }

    /// Runs with more and more decisions, each behind the ones before.
    fn deepen(&mut self, dice: &mut Dice, sources: &[(u64, Source)], first: Spot, depth: u64) {
        let mut decisions: Vec<Entry> = Vec::new();
        let mut before: Option<Run> = None;
        let mut spot = first;
        for level in 0..depth {
            self.run += 1;
            self.shown.tried.extend(spot.place);
            let schedule = Schedule::new(decisions.clone());
            let machine = self.rig.stand(schedule.clone(), (spot.cpu, spot.at));
            let core = &machine.cores()[spot.cpu];
            if core.ordinal != spot.at {
                return;
            }
            let rip = core.cpu.rip;
            let row = row_on_stack(&machine.view(spot.cpu), rip);
            if let Source::Late(_) = spot.source {
                let skid = u64::from(self.rig.setup().hardware.skid_max);
                let from = spot.at.saturating_sub(skid);
                self.rig.stand(schedule.clone(), (spot.cpu, from));
            }
            let machine = self.rig.as_it_stands();
            let Some(entry) = decision(machine, &schedule, &spot) else {
                *self.shown.outcomes.entry(Outcome::NotArmed).or_default() += 1;
                return;
            };
            decisions.push(entry);
            let (run, scout) = whole(self.rig, sources, Schedule::new(decisions.clone()));
            self.shown
                .cover
                .interrupted(u64::from(kind(spot.source)), rip);
            self.shown.cover.join(&scout.cover);
            let with = With {
                violations: &run.violations,
                touched: &run.touched,
                outcomes: &run.outcomes,
                looked: run.looked(),
                failed: Self::failure(self.rig.as_it_stands(), &run.end, run.hangs),
                row: &row,
            };
            let failed = with.failed.is_some() || run.hangs;
            self.judge(&spot, &decisions, &with, before.as_ref());
            if failed || level + 1 == depth {
                return;
            }
            let behind = scout
                .marks
                .iter()
                .position(|mark| mark.cpu == spot.cpu && mark.ordinal > spot.at);
            let Some(behind) = behind else { return };
            let next = self.ground(&scout.marks, &run, sources).spot(dice, behind);
            let Some(next) = next else { return };
            spot = next;
            before = Some(run);
        }
    }

    /// What a run shows beyond `before`, or beyond the run without decisions.
    fn judge(&mut self, spot: &Spot, decisions: &[Entry], with: &With<'_>, before: Option<&Run>) {
        self.shown.executions += 1;
        self.shown.looked += u64::from(with.looked);
        if !matches!(spot.source, Source::Tick | Source::Preempt(_)) {
            let offsets = with.touched.fields.iter().map(|(_, offset)| *offset);
            self.shown.handled.extend(offsets);
        }
        if let Some(&(_, outcome)) = with.outcomes.last() {
            *self.shown.outcomes.entry(outcome).or_default() += 1;
        }
        let freed = |v: &Violation| v.oracle == Oracle::Freed;
        if let Some(words) = &with.failed
            && !with.violations.iter().any(freed)
        {
            // Otherwise it is what the use of a freed event has led to.
            self.fails(words, decisions.to_vec());
        }
        let earlier = before.map_or(&[][..], |run| &run.violations);
        let news: Vec<&Violation> = fresh(with.violations, &self.baseline)
            .into_iter()
            .filter(|v| !earlier.iter().any(|k| damage(k) == damage(v)))
            .filter(|v| !spoilt(&self.baseline.violations, v))
            // A count that an earlier decision has damaged may be wrong by something else later.
            .filter(|v| !(v.oracle.judges_values() && spoilt(earlier, v)))
            .collect();
        if news.is_empty() {
            return;
        }
        let base = Base::of(before.unwrap_or(&self.baseline));
        let at = (spot.cpu, spot.at);
        let found = causes(news.iter().copied(), base, with.touched, at, with.row);
        for cause in &found {
            let Rules {
                known, scheduler, ..
            } = self.rules;
            let shown = (cause, news.as_slice());
            let reason = explains_somehow(known, scheduler, decisions, shown, base);
            let verdict = verdict(cause);
            let example = news
                .iter()
                .find(|v| v.oracle == cause.oracle && *v.event == *cause.event);
            if reason.is_none() && has_own_nmi(decisions, cause, &news) {
                let news = news.iter().map(|&v| v.clone()).collect();
                let hit = self.shown.hits.len();
                self.undecided.push((hit, cause.clone(), news));
            }
            for (i, pattern) in self.rules.wanted.iter().enumerate() {
                if expects(pattern, cause, base, at) {
                    self.shown.met.push((i, self.run));
                }
            }
            self.shown.hits.push(Hit {
                signature: Signature::of(&verdict, self.scenario),
                verdict,
                example: example.map_or_else(String::new, ToString::to_string),
                reason: reason.map(|entry| entry.reason.clone()),
                decisions: decisions.to_vec(),
                run: self.run,
            });
        }
    }
}

/// What a run with decisions showed.
struct With<'a> {
    violations: &'a [Violation],
    touched: &'a Touched,
    outcomes: &'a [(Decision, Outcome)],
    looked: bool,
    failed: Option<String>,
    /// The row that the last decision's boundary lies in.
    row: &'a str,
}

/// The run without decisions has damaged what this is about: that it is damaged otherwise now says
/// nothing of the decision.
fn spoilt(baseline: &[Violation], violation: &Violation) -> bool {
    let same_rule = |other: Oracle| {
        other == violation.oracle || (other.judges_values() && violation.oracle.judges_values())
    };
    baseline
        .iter()
        .any(|v| v.event == violation.event && same_rule(v.oracle))
}

/// The decision at a spot, if it would do something. The machine stands at the spot or, for a late
/// PMI, at or before it; where it stands afterwards does not matter.
fn decision(machine: &mut Machine, schedule: &Schedule, spot: &Spot) -> Option<Entry> {
    let cpu = spot.cpu;
    let at = spot.at;
    let made = match spot.source {
        Source::Pmi(code) => {
            return counts(machine, cpu, code).then_some((cpu, at, Decision::Pmi { code }));
        }
        Source::Late(code) => {
            let mut schedule = schedule.clone();
            let mut last = None;
            for boundary in machine.cores()[cpu].ordinal..=at {
                let to = Until::Boundary(cpu, boundary);
                if !matches!(machine.run(&mut schedule, &mut (), to), End::Boundary) {
                    break;
                }
                if counts(machine, cpu, code) {
                    last = Some(boundary);
                }
            }
            let late = Decision::LatePmi {
                code,
                recognised_at: at,
            };
            return last.map(|from| (cpu, from, late));
        }
        Source::External => Decision::ExternalNmi,
        Source::Tick => Decision::Tick,
        Source::Preempt(to) => {
            let there = machine.cores().get(to)?;
            if to == cpu || !there.runnable() || there.exited.is_some() {
                return None;
            }
            Decision::Preempt { to }
        }
    };
    Some((cpu, at, made))
}
