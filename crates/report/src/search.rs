// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim explore`, and of `sweep` with more than one NMI: what was tried on each
//! level, and every cause with the first run that shows it.

use std::collections::BTreeMap;
use std::io;

use explore::{Search, Source};
use serde::Serialize;

use crate::finding::Finding;
use crate::style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE, paint};

/// What was tried with so many decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LevelReport {
    /// Decisions in each run.
    pub decisions: usize,
    /// Runs with one decision less that these go on from.
    pub nodes: u64,
    /// Runs that were judged.
    pub judged: u64,
    /// Executions of their own.
    pub executions: u64,
    /// Runs that needed none.
    pub saved: u64,
    /// What became of the last decision.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Runs in which a reader ran in between.
    pub sampled: u64,
    /// Runs with a finding that the one with a decision less lacks.
    pub bad: u64,
}

/// A decision of the first run that shows a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PointReport {
    /// CPU.
    pub cpu: usize,
    /// The boundary.
    pub boundary: u64,
    /// What happens there: `pmi L`.
    pub what: String,
    /// Place in the code: `remove_dup_v10+0x3c`.
    pub code: Option<String>,
    /// The nearest access to an event: `after write A.dup_count hit 1 in target`.
    pub semantic: Option<String>,
}

impl PointReport {
    /// That of a recorded decision.
    #[must_use]
    pub fn new(decision: &trace::Decision) -> Self {
        Self {
            cpu: decision.cpu,
            boundary: decision.ordinal,
            what: decision.kind.to_string(),
            code: decision.code.clone(),
            semantic: decision.semantic.clone(),
        }
    }
}

/// A cause, and the runs that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeReport {
    /// The cause.
    pub cause: String,
    /// Runs that show it.
    pub runs: u64,
    /// Runs that nothing explains.
    pub unexplained: u64,
    /// Why it is no news, if it is not.
    pub known: Option<String>,
    /// The decisions of the first run.
    pub points: Vec<PointReport>,
    /// Its trace.
    pub trace: Option<String>,
}

/// A search of one scenario under one scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExploreReport {
    /// The scenario's file.
    pub file: String,
    /// Its title.
    pub title: String,
    /// The scheduler.
    pub scheduler: String,
    /// The machine.
    pub machine: String,
    /// The bounds: NMIs in one run.
    pub nmis: u32,
    /// Preemptions in one run.
    pub preemptions: u32,
    /// Choices in one run of another CPU than the next one where one waits or ends.
    pub switches: u32,
    /// Ticks in one run.
    pub ticks: u32,
    /// What may come in between, with the boundaries at which it did something.
    pub sources: BTreeMap<String, u64>,
    /// By the number of decisions.
    pub levels: Vec<LevelReport>,
    /// Runs of the guest, the one without decisions included.
    pub executions: u64,
    /// Findings of the run without decisions.
    pub baseline: Vec<Finding>,
    /// How many of these are not known.
    pub baseline_unknown: usize,
    /// Every cause, those with the fewest decisions first.
    pub outcomes: Vec<OutcomeReport>,
    /// Runs that show nothing new.
    pub clean: u64,
    /// What the search covers.
    pub covered: Vec<String>,
    /// What it does not.
    pub not_covered: Vec<String>,
    /// What to be careful with.
    pub warnings: Vec<String>,
    /// Everything within the bounds was done.
    pub complete: bool,
    /// A bound on executions ended it.
    pub cut: bool,
    /// Nothing did anything, or no reader ran in between.
    pub vacuous: bool,
    /// It was stopped before its end.
    pub interrupted: bool,
    /// Digest of the state at the end of the run without decisions.
    pub digest: String,
}

/// What a search does not say about itself.
#[derive(Debug, Clone)]
pub struct ExploreContext {
    /// The scenario's file.
    pub file: String,
    /// Its title.
    pub title: String,
    /// The scheduler.
    pub scheduler: String,
    /// The machine.
    pub machine: String,
    /// Label of the step, if only one is searched.
    pub step: Option<String>,
    /// Findings without a decision that are not known.
    pub baseline_unknown: usize,
}

impl ExploreReport {
    /// The report of `search`; `shown` gives the points of a cause's first run and the file of its
    /// trace.
    #[must_use]
    pub fn new(
        context: ExploreContext,
        search: &Search<'_>,
        mut shown: impl FnMut(usize, &explore::Found) -> (Vec<PointReport>, Option<String>),
    ) -> Self {
        let space = search.space();
        let machine = &search.baseline.machine;
        let levels: Vec<LevelReport> = search
            .levels
            .iter()
            .enumerate()
            .map(|(i, level)| LevelReport {
                decisions: i + 1,
                nodes: level.nodes,
                judged: level.judged,
                executions: level.executions,
                saved: level.judged.saturating_sub(level.executions),
                outcomes: level.outcomes.clone(),
                sampled: level.sampled,
                bad: level.bad,
            })
            .collect();
        let mut found: Vec<(&String, &explore::Found)> = search.found.iter().collect();
        found.sort_by_key(|(words, found)| (found.decisions.len(), *words));
        let outcomes = found
            .into_iter()
            .enumerate()
            .map(|(i, (words, found))| {
                let (points, trace) = shown(i, found);
                OutcomeReport {
                    cause: words.clone(),
                    runs: found.runs,
                    unexplained: found.unexplained,
                    known: found.reason.clone().filter(|_| found.unexplained == 0),
                    points,
                    trace,
                }
            })
            .collect();
        let sources: BTreeMap<String, u64> = space
            .sources
            .iter()
            .zip(&search.acted)
            .map(|((_, name), &n)| (name.clone(), n))
            .collect();
        let judged: u64 = levels.iter().map(|level| level.judged).sum();
        let bad: u64 = levels.iter().map(|level| level.bad).sum();
        let sampled: u64 = levels.iter().map(|level| level.sampled).sum();
        let mut warnings: Vec<String> = sources
            .iter()
            .filter(|&(_, &n)| n == 0)
            .map(|(name, _)| format!("{name} did nothing at any boundary"))
            .collect();
        if sampled == 0 {
            warnings.push("no reader ran in between: nothing was judged that NMIs change".into());
        }
        let armed = &search.baseline.armed;
        warnings.extend(
            armed
                .idle()
                .into_iter()
                .filter(|(oracle, _)| sampled == 0 || !oracle.judges_values())
                .map(|(oracle, why)| format!("oracle {oracle} was never armed: {why}")),
        );
        Self {
            file: context.file,
            title: context.title,
            scheduler: context.scheduler,
            machine: context.machine,
            nmis: space.nmis,
            preemptions: space.preemptions,
            switches: space.switches,
            ticks: space.ticks,
            covered: covered(search, context.step.as_deref()),
            not_covered: not_covered(search, context.step.as_deref()),
            sources,
            executions: search.executions(),
            baseline: search
                .baseline
                .violations
                .iter()
                .map(|v| Finding::new(machine, v))
                .collect(),
            baseline_unknown: context.baseline_unknown,
            outcomes,
            clean: judged.saturating_sub(bad),
            warnings,
            complete: search.complete(),
            cut: search.cut,
            vacuous: sampled == 0,
            interrupted: search.interrupted,
            digest: search.baseline.digest.to_string(),
            levels,
        }
    }

    /// Something was found that is not known.
    #[must_use]
    pub fn finds(&self) -> bool {
        self.baseline_unknown > 0 || self.outcomes.iter().any(|o| o.unexplained > 0)
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{}", paint(HEAD, &self.title))?;
        writeln!(
            out,
            "{} under {}: machine {}; up to {} NMIs, {} preemptions, {} ticks",
            paint(NAME, &self.file),
            paint(NAME, &self.scheduler),
            self.machine,
            self.nmis,
            self.preemptions,
            self.ticks
        )?;
        for finding in &self.baseline {
            writeln!(out, "{} {}", paint(UNSURE, "without NMI"), finding.text)?;
        }
        self.body(out)?;
        for words in &self.covered {
            writeln!(out, "{} {words}", paint(GOOD, "covered    "))?;
        }
        for words in &self.not_covered {
            writeln!(out, "{} {words}", paint(UNSURE, "not covered"))?;
        }
        self.end(out)
    }

    /// The levels and the outcome table.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn body(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for level in &self.levels {
            let outcomes: Vec<String> = level
                .outcomes
                .iter()
                .map(|(name, n)| format!("{n} {name}"))
                .collect();
            writeln!(
                out,
                "{} decisions: {} runs from {} ({}); {} sampled, {} bad; {} executed, {} saved",
                level.decisions,
                level.judged,
                level.nodes,
                outcomes.join(", "),
                level.sampled,
                level.bad,
                level.executions,
                level.saved
            )?;
        }
        writeln!(out, "\n{:>10}  outcome", "runs")?;
        writeln!(out, "{:>10}  nothing new", self.clean)?;
        for outcome in &self.outcomes {
            let style = if outcome.unexplained > 0 { BAD } else { UNSURE };
            writeln!(
                out,
                "{:>10}  {}",
                outcome.runs,
                paint(style, &outcome.cause)
            )?;
            for point in &outcome.points {
                let place = point.code.as_deref().unwrap_or("?");
                let near = point.semantic.as_deref().unwrap_or("-");
                writeln!(
                    out,
                    "            {} on cpu {} at {}: {}",
                    point.what,
                    point.cpu,
                    point.boundary,
                    paint(DIM, format!("{place} | {near}"))
                )?;
            }
            if let Some(known) = &outcome.known {
                writeln!(out, "            known  {known}")?;
            }
            if let Some(trace) = &outcome.trace {
                writeln!(out, "            pmusim replay {trace}")?;
            }
        }
        writeln!(out)
    }

    fn end(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for warning in &self.warnings {
            writeln!(out, "{} {warning}", paint(UNSURE, "warning"))?;
        }
        let words = if self.interrupted {
            paint(UNSURE, "interrupted: the search is not complete")
        } else if self.cut {
            paint(UNSURE, "cut: the bound on executions was reached")
        } else if self.finds() {
            paint(BAD, "complete, with findings that are not known")
        } else {
            paint(GOOD, "complete, nothing that is not known")
        };
        writeln!(out, "{words}")
    }
}

fn cpus(search: &Search<'_>) -> usize {
    search.baseline.machine.cores().len()
}

fn covered(search: &Search<'_>, step: Option<&str>) -> Vec<String> {
    let space = search.space();
    let within = |source: &Source| match source {
        Source::Preempt(_) => space.preemptions > 0,
        Source::Tick => space.ticks > 0,
        Source::Pmi(_) | Source::Late(_) | Source::External => space.nmis > 0,
    };
    let tried = space.sources.iter().filter(|(source, _)| within(source));
    let names: Vec<&str> = tried.map(|(_, name)| &**name).collect();
    let place = match step {
        Some(label) => format!("every boundary of the kernel in step `{label}`"),
        None => "every boundary of the kernel in every step of every program".to_owned(),
    };
    let mut covered = Vec::new();
    if !names.is_empty() {
        covered.push(format!("{} at {place}", names.join(", ")));
    }
    if space.switches > 0 && cpus(search) > 2 {
        let most = space.switches;
        covered.push(format!(
            "up to {most} times in one run, where a CPU waits or ends, every other one that can go on"
        ));
    }
    let deepest = space.nmis + space.preemptions + space.ticks;
    if deepest > 1 {
        let words = "further ones at every such boundary behind, those inside of handlers included";
        covered.push(words.to_owned());
    }
    covered
}

fn not_covered(search: &Search<'_>, step: Option<&str>) -> Vec<String> {
    let space = search.space();
    let mut list = vec![format!(
        "runs with more than {} NMIs, {} preemptions or {} ticks",
        space.nmis, space.preemptions, space.ticks
    )];
    match step {
        Some(_) => list.push("boundaries outside of the step, and of user code".to_owned()),
        None => list.push("boundaries of user code".to_owned()),
    }
    if cpus(search) > 2 {
        let most = space.switches;
        list.push(format!(
            "runs in which CPUs go on otherwise than round and round more than {most} times where one waits or ends"
        ));
    }
    if cpus(search) > 1 {
        list.push("store buffers".to_owned());
    }
    if !search.complete() {
        list.push("what lies behind the point at which the search ended".to_owned());
    }
    list
}
