// SPDX-License-Identifier: GPL-2.0-only
//! Fuzzing: whole programs and decisions by chance, every oracle on, findings by their cause.
//!
//! Case i is a function of the seed, of i, and of the corpus at the start of its epoch; an epoch
//! has a fixed number of cases, and results merge in the order of i (contract, section 10). So
//! neither the number of workers nor the clock shows in a result. Shard I of N does the cases i
//! with i mod N = I.

mod case;
mod choose;
mod context;
mod cover;
mod dice;
mod generate;
mod mutate;
mod small;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use check::Armed;
use crossbeam::channel;
use image::Image;
use machine::{Entry, Outcome, SetupError};
use scenario::{CausePattern, Known, Op, Scenario, Scheduler, Source, write_scenario};
use trace::Verdict;

use crate::findings::outcome_name;
use crate::prepare::{PrepareError, Prepared, prepare};
use crate::record::hex;
use crate::shrink::{Signature, drop_step};
use crate::sweep::Progress;
use case::{RUNS, Rules, Shown, Unfit};
use choose::Learned;
use cover::Cover;
use dice::Dice;
use generate::generate;
use mutate::mutate;

pub use case::Rigs;
pub use choose::Strategy;
pub use small::Small;

/// Cases between two looks at the corpus and at the bounds. Part of the result; the number of
/// workers is not.
const EPOCH: u64 = 128;

/// Programs of the corpus, at most, so that a campaign's memory does not grow with its time.
const CORPUS_MAX: usize = 8192;

/// Programs that are tried before a case is given up.
const ATTEMPTS: usize = 12;

/// What a campaign is a function of, beside its corpus.
#[derive(Debug, Clone)]
pub struct FuzzTerms<'a> {
    /// The machine.
    pub machine: &'a scenario::Machine,
    /// The text of its file.
    pub machine_text: &'a str,
    /// The scheduler.
    pub scheduler: &'a Scheduler,
    /// The guest.
    pub image: Arc<Image>,
    /// The list of known findings.
    pub known: &'a [Known],
    /// Causes that are looked out for: the first execution that shows each is noted.
    pub wanted: &'a [CausePattern],
    /// Seed of all choices.
    pub seed: u64,
    /// How decisions are chosen.
    pub strategy: Strategy,
    /// CPUs of a program, at most.
    pub cpus: usize,
    /// This shard, and of how many.
    pub shard: (u64, u64),
}

/// When a campaign ends.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Executions of all shards together, at most.
    pub executions: Option<u64>,
    /// Asked at the end of each epoch: is the time over?
    pub over: &'a dyn Fn() -> bool,
    /// End when every wanted cause was met.
    pub until_met: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases.
    pub cases: u64,
    /// Cases for which no program was valid.
    pub refused: u64,
    /// Runs of the guest that were judged.
    pub executions: u64,
    /// Runs in which a reader, a handler or another CPU looked at the events in between.
    pub looked: u64,
    /// What became of the last decision of each run.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// What the oracles had to judge in the runs without decisions.
    pub armed: Armed,
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
    /// Number of the first execution that shows it, or the first that nothing explains: all cases
    /// have as many numbers.
    pub execution: u64,
    /// What that one shows.
    pub verdict: Verdict,
    /// The finding in a sentence.
    pub example: String,
    /// The text of its scenario.
    pub text: String,
    /// Its decisions.
    pub decisions: Vec<Entry>,
}

/// A campaign, and how far it is.
#[derive(Debug)]
pub struct Campaign<'a> {
    terms: FuzzTerms<'a>,
    /// The first case that has not been done.
    next: u64,
    /// What was done.
    pub totals: Totals,
    corpus: Vec<Scenario>,
    /// Programs that were kept so far.
    kept: usize,
    cover: Cover,
    learned: Learned,
    /// By cause.
    pub found: BTreeMap<Signature, Found>,
    /// By wanted cause: number of the first execution that shows it.
    pub met: Vec<Option<u64>>,
    /// It was stopped before the end of an epoch.
    pub interrupted: bool,
}

/// A case that was done.
struct Done {
    scenario: Scenario,
    text: String,
    shown: Shown,
}

impl<'a> Campaign<'a> {
    /// A campaign that has not begun.
    ///
    /// # Errors
    /// The guest cannot run on the machine.
    pub fn new(terms: FuzzTerms<'a>) -> Result<Self, PrepareError> {
        let title = "probe".to_owned();
        let machine = terms.machine.name.clone();
        let programs = vec![scenario::Program::default()];
        let empty = Scenario::of_programs(title, machine, Vec::new(), programs);
        prepare(
            &empty,
            terms.machine,
            terms.scheduler,
            Arc::clone(&terms.image),
        )?;
        let met = vec![None; terms.wanted.len()];
        Ok(Self {
            terms,
            next: 0,
            totals: Totals::default(),
            corpus: Vec::new(),
            kept: 0,
            cover: Cover::default(),
            learned: Learned::default(),
            found: BTreeMap::new(),
            met,
            interrupted: false,
        })
    }

    /// Adds a scenario to start from; its sweep, injections and expectations are left out.
    pub fn add_to_corpus(&mut self, scenario: &Scenario) {
        let cpus = scenario.programs.len();
        if cpus <= self.terms.cpus {
            self.keep(Scenario::of_programs(
                scenario.title.clone(),
                self.terms.machine.name.clone(),
                scenario.events.clone(),
                scenario.programs.clone(),
            ));
        }
    }

    /// The programs that showed something new, as scenario files.
    #[must_use]
    pub fn corpus(&self) -> Vec<String> {
        self.corpus.iter().map(write_scenario).collect()
    }

    /// Features that were covered, and the map of them as text.
    #[must_use]
    pub fn covered(&self) -> (u64, String) {
        (self.cover.count(), self.cover.save())
    }

    /// Names the guest image.
    #[must_use]
    pub fn image(&self) -> String {
        hex(&self.terms.image.hash())
    }

    /// Goes on until the budget is spent or `progress` says stop.
    ///
    /// # Errors
    /// A machine cannot be built.
    pub fn run(
        &mut self,
        jobs: usize,
        budget: Budget<'_>,
        progress: &Progress,
    ) -> Result<(), SetupError> {
        let mut rigs: Vec<Rigs> = (0..jobs.max(1)).map(|_| Rigs::default()).collect();
        self.interrupted = false;
        if let Some(executions) = budget.executions {
            progress.total.store(executions, Ordering::Relaxed);
        }
        let end = budget.executions.map_or(u64::MAX, |n| n.div_ceil(RUNS));
        while self.next < end {
            if progress.stop.load(Ordering::Relaxed) {
                self.interrupted = true;
                break;
            }
            let met = self.met.iter().all(Option::is_some);
            if (budget.over)() || (budget.until_met && met) {
                break;
            }
            let cases = self.next..(self.next + EPOCH).min(end);
            let done = self.epoch(&mut rigs, cases.clone(), progress)?;
            let Some(done) = done else {
                self.interrupted = true;
                break;
            };
            for (number, case) in done {
                self.merge(number, case);
            }
            self.next = cases.end;
            progress.done.store(self.next * RUNS, Ordering::Relaxed);
            let news = self.found.values().filter(|found| found.unexplained > 0);
            progress.bad.store(news.count() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Does the cases of this shard among `cases`; `None` if that was stopped.
    #[expect(
        clippy::type_complexity,
        reason = "the numbered results of an epoch, named nowhere else"
    )]
    fn epoch(
        &self,
        rigs: &mut [Rigs],
        cases: Range<u64>,
        progress: &Progress,
    ) -> Result<Option<Vec<(u64, Option<Done>)>>, SetupError> {
        let (shard, of) = self.terms.shard;
        let mine: Vec<u64> = cases.filter(|i| i % of == shard).collect();
        let next = AtomicUsize::new(0);
        let (send, receive) = channel::unbounded();
        std::thread::scope(|scope| {
            for rigs in rigs.iter_mut() {
                let (next, mine, send) = (&next, &mine, send.clone());
                scope.spawn(move || {
                    while let at = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(&number) = mine.get(at)
                        && !progress.stop.load(Ordering::Relaxed)
                    {
                        // Whoever receives outlives this scope.
                        let _ = send.send((number, self.case(rigs, number)));
                    }
                });
            }
        });
        drop(send);
        let mut done: Vec<(u64, Option<Done>)> = Vec::with_capacity(mine.len());
        for (number, case) in receive {
            done.push((number, case?));
        }
        if done.len() < mine.len() {
            return Ok(None);
        }
        done.sort_by_key(|(number, _)| *number);
        Ok(Some(done))
    }

    /// One case; `None` if no program of it is valid.
    fn case(&self, rigs: &mut Rigs, number: u64) -> Result<Option<Done>, SetupError> {
        self.case_by(rigs, number, Dice::new(self.terms.seed, number))
    }

    /// One case with choices of somebody else, as a fuzzer makes them that drives from outside
    /// (libFuzzer): what it shows that no known finding explains, with the scenario.
    ///
    /// # Errors
    /// A machine cannot be built.
    pub fn case_of_bytes(
        &self,
        rigs: &mut Rigs,
        bytes: &[u8],
    ) -> Result<Vec<(String, String)>, SetupError> {
        let Some(done) = self.case_by(rigs, 0, Dice::of_bytes(bytes))? else {
            return Ok(Vec::new());
        };
        let news = done.shown.hits.iter().filter(|hit| hit.reason.is_none());
        Ok(news
            .map(|hit| {
                (
                    format!("{}: {}", hit.signature, hit.example),
                    done.text.clone(),
                )
            })
            .collect())
    }

    fn case_by(
        &self,
        rigs: &mut Rigs,
        number: u64,
        mut dice: Dice,
    ) -> Result<Option<Done>, SetupError> {
        let terms = &self.terms;
        let rules = Rules {
            known: terms.known,
            scheduler: terms.scheduler,
            wanted: terms.wanted,
            strategy: terms.strategy,
            learned: &self.learned,
        };
        let mut repaired: Option<Scenario> = None;
        for _ in 0..ATTEMPTS {
            let made = match repaired.take() {
                Some(scenario) => scenario,
                None => self.program(&mut dice, number),
            };
            let text = write_scenario(&made);
            let source = Source::new("case.toml", &text);
            let Ok(scenario) = scenario::parse_scenario(&source) else {
                continue;
            };
            if !maps_before_it_reads(&scenario) {
                continue;
            }
            let Ok(prepared) = self.prepare(&scenario) else {
                continue;
            };
            match case::run(rigs, rules, &scenario, &prepared, &mut dice)? {
                Ok(shown) => {
                    return Ok(Some(Done {
                        scenario,
                        text,
                        shown,
                    }));
                }
                // Without that step the rest may do.
                Err(Unfit::Refused(cpu, at)) => {
                    let mut without = scenario;
                    if at < without.programs[cpu].steps.len() {
                        drop_step(&mut without, cpu, at);
                        repaired = Some(without);
                    }
                }
                Err(Unfit::Stuck) => {}
            }
        }
        Ok(None)
    }

    fn program(&self, dice: &mut Dice, number: u64) -> Scenario {
        let FuzzTerms { seed, machine, .. } = &self.terms;
        if self.terms.strategy == Strategy::Coverage
            && dice.percent(60)
            && let Some(model) = dice.pick(&self.corpus)
        {
            let mut scenario = mutate(dice, model);
            scenario.title = title(*seed, number);
            return scenario;
        }
        generate(dice, &title(*seed, number), &machine.name, self.terms.cpus)
    }

    fn prepare(&self, scenario: &Scenario) -> Result<Prepared, PrepareError> {
        prepare(
            scenario,
            self.terms.machine,
            self.terms.scheduler,
            Arc::clone(&self.terms.image),
        )
    }

    /// Into the corpus, in place of the oldest when that is full.
    fn keep(&mut self, scenario: Scenario) {
        match self.corpus.get_mut(self.kept % CORPUS_MAX) {
            Some(oldest) => *oldest = scenario,
            None => self.corpus.push(scenario),
        }
        self.kept += 1;
    }

    fn merge(&mut self, number: u64, case: Option<Done>) {
        self.totals.cases += 1;
        let Some(Done {
            scenario,
            text,
            shown,
        }) = case
        else {
            self.totals.refused += 1;
            return;
        };
        self.totals.executions += shown.executions;
        self.totals.looked += shown.looked;
        self.totals.armed.add(&shown.armed);
        for (outcome, n) in &shown.outcomes {
            let outcome: Outcome = *outcome;
            *self
                .totals
                .outcomes
                .entry(outcome_name(outcome))
                .or_default() += n;
        }
        for place in shown.tried {
            *self.learned.tried.entry(place).or_default() += 1;
        }
        self.learned.handled.extend(shown.handled);
        if self.cover.join(&shown.cover) > 0 && self.terms.strategy == Strategy::Coverage {
            self.keep(scenario);
        }
        for (wanted, run) in shown.met {
            self.met[wanted].get_or_insert(number * RUNS + run);
        }
        for hit in shown.hits {
            let execution = number * RUNS + hit.run;
            let first = || Found {
                runs: 0,
                unexplained: 0,
                reason: None,
                execution,
                verdict: hit.verdict.clone(),
                example: hit.example.clone(),
                text: text.clone(),
                decisions: hit.decisions.clone(),
            };
            let found = self
                .found
                .entry(hit.signature.clone())
                .or_insert_with(first);
            found.runs += 1;
            match &hit.reason {
                // The least of them, so that shards agree.
                Some(reason) => match &mut found.reason {
                    Some(old) if *old <= *reason => {}
                    slot => *slot = Some(reason.clone()),
                },
                None if found.unexplained == 0 => {
                    let (runs, reason) = (found.runs, found.reason.take());
                    *found = Found {
                        runs,
                        unexplained: 1,
                        reason,
                        ..first()
                    };
                }
                None => found.unexplained += 1,
            }
        }
    }
}

/// The union of two maps of features as [`Campaign::covered`] gives them, and how many it has;
/// `None` where one is no such map.
#[must_use]
pub fn join_features(one: &str, other: &str) -> Option<(u64, String)> {
    let mut all = Cover::load(one)?;
    all.join(&Cover::load(other)?);
    Some((all.count(), all.save()))
}

/// Whether each user page is mapped before the program reads it: a fault of the program is none of
/// the kernel's.
fn maps_before_it_reads(scenario: &Scenario) -> bool {
    scenario.programs.iter().all(|program| {
        let steps = program.steps.iter().enumerate();
        let mut reads = steps.filter_map(|(at, step)| match &step.op {
            Op::UserRead(event) => Some((at, event)),
            _ => None,
        });
        reads.all(|(at, event)| {
            let maps = |step: &scenario::Step| step.op == Op::Mmap(event.clone());
            program.steps[..at].iter().any(maps)
        })
    })
}

/// The title of a case's scenario.
fn title(seed: u64, number: u64) -> String {
    format!("case {number} of seed {seed}")
}

impl std::fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("executions", &self.executions)
            .finish_non_exhaustive()
    }
}
