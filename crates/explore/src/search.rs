// SPDX-License-Identifier: GPL-2.0-only
//! The search over several decisions: NMIs, preemptions and ticks, each at any boundary of the
//! kernel, up to a bound for each kind. With one decision more on each level, so that the first
//! run that shows something has the fewest of them.
//!
//! The nodes of a level are expanded in epochs of a fixed size and merged in their order, so that
//! neither the number of workers nor an interruption shows in the result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use check::cause::Cause;
use check::{Sight, Violation};
use machine::{Decision, Entry, Outcome, Schedule, SetupError};
use scenario::{CausePattern, Known, NmiSource, Op, Scenario, Scheduler, Step};

use crate::execute::{Execution, execute};
use crate::expand::{Common, Expansion, Node};
use crate::findings::{Base, outcome_name};
use crate::known::{KnownFindings, explains_by_itself, explains_somehow, has_own_nmi};
use crate::prepare::source;
use crate::record::{boundary, hex};
use crate::rig::Rig;
use crate::setup::Setup;
use crate::sweep::{Bad, Progress, Source, SweepError, check_end};
use crate::verdict::{Mismatch, expects, expects_violation};

/// Nodes that are expanded between two looks at the bounds. Part of the result; the number of
/// workers is not.
const EPOCH: usize = 32;

/// Why a program whose call is refused is no news.
const OUTRUN: &str = "another CPU's program came first, so that a call of this one was refused";

/// What is searched.
#[derive(Debug, Clone)]
pub struct Space {
    /// What may come in between, with its name in reports.
    pub sources: Vec<(Source, String)>,
    /// NMIs in one run, at most.
    pub nmis: u32,
    /// Preemptions in one run, at most.
    pub preemptions: u32,
    /// Choices in one run, at most, of another CPU than the next one where a CPU waits or ends.
    pub switches: u32,
    /// Ticks in one run, at most.
    pub ticks: u32,
    /// Only boundaries of this step (CPU, position in its program).
    pub step: Option<(usize, usize)>,
    /// Leave out what is known.
    pub reduce: bool,
    /// The search ends at the end of the epoch in which so many executions were made.
    pub max_executions: Option<u64>,
}

/// What a finding is held against.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The list of known findings.
    pub known: &'a [Known],
    /// The scheduler.
    pub scheduler: &'a Scheduler,
    /// Causes that the file expects.
    pub expected: &'a [CausePattern],
}

/// What was tried with so many decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level {
    /// Runs below which one more decision was tried.
    pub nodes: u64,
    /// Runs that were judged, those included that needed no execution of their own.
    pub judged: u64,
    /// Executions.
    pub executions: u64,
    /// Runs in which a reader ran in between.
    pub sampled: u64,
    /// Runs with a finding that the one with a decision less lacks.
    pub bad: u64,
    /// What became of the last decision.
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// A cause that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Runs that show it.
    pub runs: u64,
    /// Runs of these that nothing explains.
    pub unexplained: u64,
    /// Why the others are no news.
    pub reason: Option<String>,
    /// The first run that shows it, or the first that nothing explains.
    pub decisions: Vec<Entry>,
}

/// A search, and how far it is.
#[derive(Debug)]
pub struct Search<'a> {
    setup: &'a Setup,
    space: Space,
    terms: Terms<'a>,
    /// The run without decisions.
    pub baseline: Execution,
    frontier: Vec<Node>,
    done: usize,
    next: Vec<Node>,
    /// By the number of decisions, from 1.
    pub levels: Vec<Level>,
    /// Boundaries at which each source did something, by its position.
    pub acted: Vec<u64>,
    /// By the cause in words.
    pub found: BTreeMap<String, Found>,
    /// A bound on executions ended it.
    pub cut: bool,
    /// It was stopped.
    pub interrupted: bool,
}

impl<'a> Search<'a> {
    /// A search that has not begun.
    ///
    /// # Errors
    /// The machine cannot be built, or the run without decisions fails.
    pub fn new(setup: &'a Setup, space: Space, terms: Terms<'a>) -> Result<Self, SweepError> {
        let baseline = execute(setup, Schedule::empty())?;
        check_end(&baseline.end).map_err(SweepError::Baseline)?;
        let root = Node {
            decisions: Vec::new(),
            inside: false,
            switches: 0,
        };
        let acted = vec![0; space.sources.len()];
        Ok(Self {
            setup,
            space,
            terms,
            baseline,
            frontier: vec![root],
            done: 0,
            next: Vec::new(),
            levels: vec![Level::default()],
            acted,
            found: BTreeMap::new(),
            cut: false,
            interrupted: false,
        })
    }

    /// Findings of the run without decisions that are neither known nor among `expected`.
    #[must_use]
    pub fn unknown_baseline(&self, expected: &[CausePattern]) -> usize {
        let known = KnownFindings::of_run(self.terms.known, self.terms.scheduler);
        let image = &self.setup.image;
        let of = |p: &CausePattern, v| expects_violation(p, image, v);
        let unknown = self.baseline.violations.iter().filter(|violation| {
            known.baseline(&self.baseline, violation).is_none()
                && !expected.iter().any(|pattern| of(pattern, violation))
        });
        unknown.count()
    }

    /// What is searched.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Everything within the bounds was done.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.done == self.frontier.len() && self.next.is_empty()
    }

    /// Executions of all levels, and the one without decisions.
    #[must_use]
    pub fn executions(&self) -> u64 {
        1 + self
            .levels
            .iter()
            .map(|level| level.executions)
            .sum::<u64>()
    }

    /// Goes on until everything is done, a bound is reached, or `progress` says stop.
    ///
    /// # Errors
    /// A machine cannot be built.
    pub fn run(&mut self, jobs: usize, progress: &Progress) -> Result<(), SetupError> {
        let mut rigs = (0..jobs.max(1))
            .map(|_| Rig::new(self.setup).map(Mutex::new))
            .collect::<Result<Vec<_>, _>>()?;
        (self.cut, self.interrupted) = (false, false);
        loop {
            if self.done == self.frontier.len() {
                if self.next.is_empty() {
                    return Ok(());
                }
                self.frontier = std::mem::take(&mut self.next);
                self.done = 0;
                self.levels.push(Level::default());
            }
            let spent = self.executions();
            if self.space.max_executions.is_some_and(|max| spent >= max) {
                self.cut = true;
                return Ok(());
            }
            let to = (self.done + EPOCH).min(self.frontier.len());
            let expansions = self.epoch(&mut rigs, to, progress);
            for expansion in expansions {
                let Some(expansion) = expansion else {
                    self.interrupted = true;
                    return Ok(());
                };
                self.merge(expansion);
                self.done += 1;
            }
        }
    }

    /// Expands the nodes up to `to`; nothing for those that were not finished.
    fn epoch(
        &self,
        rigs: &mut [Mutex<Rig>],
        to: usize,
        progress: &Progress,
    ) -> Vec<Option<Expansion>> {
        let sight = Sight::new(&self.setup.image);
        let common = Common {
            setup: self.setup,
            space: &self.space,
            baseline: &self.baseline,
            sight: &sight,
            progress,
        };
        let nodes = &self.frontier[self.done..to];
        let results: Vec<Mutex<Option<Expansion>>> =
            nodes.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for rig in rigs.iter_mut() {
                let (next, results) = (&next, &results);
                scope.spawn(move || {
                    let Ok(rig) = rig.get_mut() else { return };
                    while let i = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(node) = nodes.get(i)
                        && !progress.stop.load(Ordering::Relaxed)
                    {
                        let expansion = common.expand(rig, node);
                        // What was stopped in the middle does not count.
                        if !progress.stop.load(Ordering::Relaxed)
                            && let Ok(mut slot) = results[i].lock()
                        {
                            *slot = Some(expansion);
                        }
                    }
                });
            }
        });
        let taken = results.into_iter().map(|slot| slot.into_inner().ok()?);
        taken.collect()
    }

    fn merge(&mut self, expansion: Expansion) {
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        level.nodes += 1;
        for (index, tried) in expansion.tried {
            level.judged += tried.boundaries;
            level.executions += tried.executions;
            level.sampled += tried.sampled;
            for (outcome, n) in tried.outcomes {
                *level.outcomes.entry(outcome_name(outcome)).or_default() += n;
                if outcome != Outcome::NotArmed {
                    self.acted[index] += n;
                }
            }
        }
        level.bad += expansion.bad.len() as u64;
        self.next.extend(expansion.children);
        for (decisions, words, outrun) in expansion.failed {
            let first = words.lines().next().unwrap_or_default();
            // Only a preemption has a program come first: what NMIs bring about stays news.
            let preempts = |&(_, _, decision): &Entry| matches!(decision, Decision::Preempt { .. });
            let reason = outrun && decisions.iter().any(preempts);
            let reason = reason.then(|| OUTRUN.to_owned());
            self.note(format!("the guest fails: {first}"), decisions, reason);
        }
        let Some(run) = expansion.run else {
            return;
        };
        for (decisions, bad) in expansion.bad {
            for cause in &bad.causes {
                let base = Base {
                    image: &self.baseline.image,
                    log: &run.log,
                    objects: &run.objects,
                };
                let reason = self.reason((cause, &bad), &decisions, base);
                self.note(cause.to_string(), decisions.clone(), reason);
            }
        }
    }

    /// Why a cause is no news.
    fn reason(
        &self,
        (cause, bad): (&Cause, &Bad),
        decisions: &[Entry],
        base: Base<'_>,
    ) -> Option<String> {
        let Terms {
            known,
            scheduler,
            expected,
        } = self.terms;
        let last = decisions.last().map(|&entry| (entry.0, boundary(entry)));
        let at = last.unwrap_or_default();
        let pattern = expected.iter().find(|p| expects(p, cause, base, at));
        if let Some(pattern) = pattern {
            return Some(format!("expected in line {}", pattern.line));
        }
        let news: Vec<&Violation> = bad.violations.iter().collect();
        let shown = (cause, news.as_slice());
        let by_itself = || {
            if !has_own_nmi(decisions, cause, &news) {
                return None;
            }
            let run = execute(self.setup, Schedule::new(decisions.to_vec())).ok()?;
            explains_by_itself(known, scheduler, decisions, shown, Base::of(&run))
        };
        explains_somehow(known, scheduler, decisions, shown, base)
            .or_else(by_itself)
            .map(|entry| entry.reason.clone())
    }

    fn note(&mut self, words: String, decisions: Vec<Entry>, reason: Option<String>) {
        let fresh = || Found {
            runs: 0,
            unexplained: 0,
            reason: None,
            decisions: decisions.clone(),
        };
        let found = self.found.entry(words).or_insert_with(fresh);
        found.runs += 1;
        match reason {
            Some(reason) => {
                found.reason.get_or_insert(reason);
            }
            None => {
                if found.unexplained == 0 {
                    found.decisions = decisions;
                }
                found.unexplained += 1;
            }
        }
    }

    /// Causes that nothing explains, as differences from what a file expects.
    #[must_use]
    pub fn unexplained(&self) -> Vec<Mismatch> {
        let news = self.found.iter().filter(|(_, found)| found.unexplained > 0);
        news.map(|(words, found)| Mismatch::Unexpected {
            what: words.clone(),
            boundaries: found
                .decisions
                .iter()
                .map(|&entry| boundary(entry))
                .collect(),
        })
        .collect()
    }

    /// How far the search is, as text; `key` names what is searched.
    #[must_use]
    pub fn save(&self, key: &str) -> String {
        let mut out = format!("{HEADER}\nkey {key}\ndone {}\n", self.done);
        for level in &self.levels {
            let Level {
                nodes,
                judged,
                executions,
                sampled,
                bad,
                outcomes,
            } = level;
            let _ = write!(out, "level {nodes} {judged} {executions} {sampled} {bad}");
            for (name, n) in outcomes {
                let _ = write!(out, " {}={n}", name.replace(' ', "-"));
            }
            out.push('\n');
        }
        let acted: Vec<String> = self.acted.iter().map(u64::to_string).collect();
        let _ = writeln!(out, "acted {}", acted.join(" "));
        for (what, nodes) in [("node", &self.frontier), ("next", &self.next)] {
            for node in nodes {
                let how = if node.inside { "inside" } else { "all" };
                let switches = node.switches;
                let _ = writeln!(out, "{what} {how} {switches}{}", decisions(&node.decisions));
            }
        }
        for (words, found) in &self.found {
            let Found {
                runs, unexplained, ..
            } = found;
            let _ = writeln!(
                out,
                "found {runs} {unexplained}{}\nwords {words}",
                decisions(&found.decisions)
            );
            if let Some(reason) = &found.reason {
                let _ = writeln!(out, "reason {reason}");
            }
        }
        out
    }

    /// Goes back to where a search of the same was saved.
    ///
    /// # Errors
    /// Words for a text that is none, or of another search.
    pub fn resume(&mut self, text: &str, key: &str) -> Result<(), String> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err("not a checkpoint of this version".to_owned());
        }
        if lines.next() != Some(&*format!("key {key}")) {
            return Err(
                "it belongs to another search: the guest, a file or a bound is not the same"
                    .to_owned(),
            );
        }
        (self.levels, self.frontier, self.next) = (Vec::new(), Vec::new(), Vec::new());
        let mut last: Option<String> = None;
        for (number, line) in lines.enumerate() {
            self.restore_line(line, &mut last)
                .ok_or_else(|| format!("line {} cannot be read: `{line}`", number + 3))?;
        }
        let sound = self.done <= self.frontier.len() && !self.levels.is_empty();
        sound
            .then_some(())
            .ok_or_else(|| "it is cut off".to_owned())
    }

    fn restore_line(&mut self, line: &str, last: &mut Option<String>) -> Option<()> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split(' ');
        match what {
            "done" => self.done = rest.parse().ok()?,
            "level" => {
                let mut number = || words.next()?.parse::<u64>().ok();
                let mut level = Level {
                    nodes: number()?,
                    judged: number()?,
                    executions: number()?,
                    sampled: number()?,
                    bad: number()?,
                    outcomes: BTreeMap::new(),
                };
                for word in words {
                    let (name, n) = word.split_once('=')?;
                    let name = OUTCOMES
                        .map(outcome_name)
                        .into_iter()
                        .find(|known| known.replace(' ', "-") == name)?;
                    level.outcomes.insert(name, n.parse().ok()?);
                }
                self.levels.push(level);
            }
            "acted" => {
                let list = words.filter(|w| !w.is_empty()).map(str::parse);
                self.acted = list.collect::<Result<_, _>>().ok()?;
                if self.acted.len() != self.space.sources.len() {
                    return None;
                }
            }
            "node" | "next" => {
                let node = Node {
                    inside: match words.next()? {
                        "inside" => true,
                        "all" => false,
                        _ => return None,
                    },
                    switches: words.next()?.parse().ok()?,
                    decisions: words.map(entry).collect::<Option<_>>()?,
                };
                let list = if what == "node" {
                    &mut self.frontier
                } else {
                    &mut self.next
                };
                list.push(node);
            }
            "found" => {
                *last = Some(rest.to_owned());
            }
            "words" => {
                let said = last.take()?;
                let mut said = said.split(' ');
                let found = Found {
                    runs: said.next()?.parse().ok()?,
                    unexplained: said.next()?.parse().ok()?,
                    reason: None,
                    decisions: said.map(entry).collect::<Option<_>>()?,
                };
                self.found.insert(rest.to_owned(), found);
                *last = Some(rest.to_owned());
            }
            "reason" => {
                let words = last.take()?;
                self.found.get_mut(&words)?.reason = Some(rest.to_owned());
            }
            _ => return None,
        }
        Some(())
    }
}

/// Everything that can come in between in a scenario: the overflow of each injector, and one whose
/// PMI lands up to `skid_max` boundaries late; an NMI from elsewhere, if a probe reads anything; the
/// other CPUs; with `ticks`, the timer.
#[must_use]
pub fn sources(scenario: &Scenario, skid_max: u32, ticks: bool) -> Vec<(Source, String)> {
    let mut all: Vec<NmiSource> = Vec::new();
    let opened = |id: &str| scenario.opener(id).is_some();
    let injectors = scenario
        .events
        .iter()
        .filter(|e| e.is_injector() && opened(&e.id));
    for event in injectors {
        all.push(NmiSource::Pmi(event.id.clone()));
        all.extend((skid_max > 0).then(|| NmiSource::Late(event.id.clone())));
    }
    let steps = scenario.programs.iter().flat_map(|program| &program.steps);
    let probed = |step: &Step| match &step.op {
        Op::Probe(event) => Some(NmiSource::External(event.clone())),
        _ => None,
    };
    all.extend(steps.into_iter().find_map(probed));
    let cpus = scenario.programs.len() as u32;
    all.extend((0..cpus).filter(|_| cpus > 1).map(NmiSource::Preempt));
    all.extend(ticks.then_some(NmiSource::Tick));
    all.iter()
        .filter_map(|from| Some((source(scenario, from)?, from.to_string())))
        .collect()
}

/// Names a search: equal for equal guests, texts and bounds. The bound on executions is not part of
/// it.
#[must_use]
pub fn search_key(setup: &Setup, space: &Space, texts: &[&str]) -> String {
    let space = Space {
        max_executions: None,
        ..space.clone()
    };
    let space = format!("{space:?}");
    let all: Vec<&str> = texts.iter().copied().chain([space.as_str()]).collect();
    let hash = text_hash(&all.join("\0"));
    format!("{} {hash:016x}", hex(&setup.image.hash()))
}

/// A number for a text (FNV-1a, 64 bits), to name it by.
#[must_use]
pub fn text_hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(FNV_FACTOR);
    text.bytes().fold(FNV_START, step)
}

const FNV_START: u64 = 14_695_981_039_346_656_037;
const FNV_FACTOR: u64 = 0x0100_0000_01b3;

const HEADER: &str = "pmusim-search 2";

const OUTCOMES: [Outcome; 5] = [
    Outcome::Delivered,
    Outcome::Pended,
    Outcome::Lost,
    Outcome::NotArmed,
    Outcome::Absorbed,
];

fn decisions(list: &[Entry]) -> String {
    list.iter().fold(String::new(), |mut out, entry| {
        let &(cpu, at, decision) = entry;
        let _ = match decision {
            Decision::Pmi { code } => write!(out, " {cpu}:{at}:pmi:{code}"),
            Decision::LatePmi {
                code,
                recognised_at,
            } => write!(out, " {cpu}:{at}:late:{code}:{recognised_at}"),
            Decision::ExternalNmi => write!(out, " {cpu}:{at}:external"),
            Decision::Tick => write!(out, " {cpu}:{at}:tick"),
            Decision::Preempt { to } => write!(out, " {cpu}:{at}:preempt:{to}"),
        };
        out
    })
}

fn entry(text: &str) -> Option<Entry> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |i: usize| parts.get(i)?.parse::<u64>().ok();
    let cpu = usize::try_from(number(0)?).ok()?;
    let decision = match (*parts.get(2)?, parts.len()) {
        ("pmi", 4) => Decision::Pmi { code: number(3)? },
        ("late", 5) => Decision::LatePmi {
            code: number(3)?,
            recognised_at: number(4)?,
        },
        ("external", 3) => Decision::ExternalNmi,
        ("tick", 3) => Decision::Tick,
        ("preempt", 4) => Decision::Preempt {
            to: usize::try_from(number(3)?).ok()?,
        },
        _ => return None,
    };
    Some((cpu, number(1)?, decision))
}
