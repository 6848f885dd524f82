// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim sweep`: what was tried, and each window of bad boundaries with the source
//! lines on both sides.

use std::collections::BTreeMap;
use std::io;

use check::Violation;
use explore::{Bad, Clock, Rates, Sweep, Verdict, Window};
use serde::Serialize;

use crate::finding::{Finding, MismatchReport};
use crate::instruction::Instruction;
use crate::search::ExploreReport;
use crate::style::{BAD, DIM, GOOD, HEAD, NAME, UNSURE, paint};

/// What the results of a sweep do not say about themselves.
#[derive(Debug, Clone)]
pub struct SweepContext {
    /// The scenario's file.
    pub file: String,
    /// Its title.
    pub title: String,
    /// The scheduler.
    pub scheduler: String,
    /// The machine.
    pub machine: String,
    /// Label of the step.
    pub step: String,
    /// Where the NMI comes from, as in the file: `pmi L`.
    pub source: String,
    /// The cycles of its boundaries; none where they are not known.
    pub clock: Clock,
    /// The rates that windows are judged by.
    pub rates: Rates,
}

/// How wide a window is, and what that means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WidthReport {
    /// Cycles on a Skylake core, by the model.
    pub cycles: f64,
    /// NMIs a second.
    pub nmis: f64,
    /// Operations a second.
    pub operations: f64,
    /// The chance that one operation is hit by an NMI.
    pub chance: f64,
    /// Seconds until the first hit, on average; absent where the window has no width.
    pub seconds: Option<f64>,
}

impl WidthReport {
    /// Of a window of so many cycles.
    #[must_use]
    pub fn new(cycles: f64, rates: &Rates) -> Self {
        let seconds = rates.seconds(cycles);
        Self {
            cycles,
            nmis: rates.nmis,
            operations: rates.operations,
            chance: rates.chance(cycles),
            seconds: seconds.is_finite().then_some(seconds),
        }
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let hit = match self.seconds {
            Some(s) if s < 120.0 => format!("first hit after {s:.1} s"),
            Some(s) if s < 7200.0 => format!("first hit after {:.1} minutes", s / 60.0),
            Some(s) if s < 172_800.0 => format!("first hit after {:.1} hours", s / 3600.0),
            Some(s) => format!("first hit after {:.1} days", s / 86400.0),
            None => "never hit".to_owned(),
        };
        format!(
            "{:.2} cycles; at {} NMIs/s and {} operations/s: chance {:.1e} an operation, {hit}",
            self.cycles, self.nmis, self.operations, self.chance
        )
    }
}

/// Neighbouring bad boundaries with equal causes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowReport {
    /// Bad boundaries in it.
    pub count: usize,
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The instruction before the first boundary.
    pub before: Instruction,
    /// The instruction after the last boundary.
    pub after: Instruction,
    /// How wide it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<WidthReport>,
    /// The causes.
    pub causes: Vec<String>,
    /// The finding of the first boundary.
    pub example: Option<Finding>,
    /// Why this is known, if it is.
    pub known: Option<String>,
    /// Trace of the first boundary, relative to the current folder.
    pub trace: Option<String>,
}

/// A sweep of one scenario under one scheduler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepReport {
    /// The scenario's file.
    pub file: String,
    /// Its title.
    pub title: String,
    /// The scheduler.
    pub scheduler: String,
    /// The machine.
    pub machine: String,
    /// Label of the step.
    pub step: String,
    /// Where the NMI comes from.
    pub source: String,
    /// First and last boundary of the step in the kernel.
    pub range: (u64, u64),
    /// Boundaries judged.
    pub boundaries: u64,
    /// What became of the NMIs.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Boundaries at which a reader ran inside the NMI.
    pub sampled: u64,
    /// Runs of the guest, the one without NMI included.
    pub executions: u64,
    /// Boundaries that needed no run of their own.
    pub saved: u64,
    /// Bad boundaries.
    pub bad: u64,
    /// Distinct causes, sorted.
    pub causes: Vec<String>,
    /// Findings of the run without NMI.
    pub baseline: Vec<Finding>,
    /// How many of these are not known.
    pub baseline_unknown: usize,
    /// The windows, in the order of boundaries.
    pub windows: Vec<WindowReport>,
    /// Boundaries after which the guest failed, with the words.
    pub failed: Vec<(u64, String)>,
    /// Nothing was delivered or nothing was sampled.
    pub vacuous: bool,
    /// Runs with more than one NMI, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deeper: Option<ExploreReport>,
    /// Oracles that had nothing to judge, and why.
    pub never_armed: Vec<String>,
    /// It was stopped before its end.
    pub interrupted: bool,
    /// Whether the file's expectations hold; absent when they were not asked.
    pub held: Option<bool>,
    /// Where they do not.
    pub mismatches: Vec<MismatchReport>,
    /// Digest of the state at the end of the run without NMI.
    pub digest: String,
}

impl SweepReport {
    /// The report of `sweep`. `known` says why a window is known, `known_baseline` why a finding
    /// without NMI is; `trace` names the file of a boundary's trace.
    #[must_use]
    pub fn new(
        context: SweepContext,
        sweep: &Sweep,
        known: impl Fn(&Window) -> Option<String>,
        known_baseline: impl Fn(&Violation) -> bool,
        trace: impl Fn(&Bad) -> Option<String>,
    ) -> Self {
        let machine = &sweep.baseline.machine;
        let (clock, rates) = (context.clock, context.rates);
        let window = |window: &Window| {
            let (first, last) = (&sweep.bad[window.first], &sweep.bad[window.last]);
            WindowReport {
                count: window.last + 1 - window.first,
                first: first.ordinal,
                last: last.ordinal,
                before: Instruction::at(machine, first.rip_before),
                after: Instruction::at(machine, last.rip),
                width: clock
                    .width(first.ordinal, last.ordinal)
                    .map(|cycles| WidthReport::new(cycles, &rates)),
                causes: window.causes.iter().map(ToString::to_string).collect(),
                example: first.violations.first().map(|v| Finding::new(machine, v)),
                known: known(window),
                trace: trace(first),
            }
        };
        let mut causes: Vec<String> = sweep
            .bad
            .iter()
            .flat_map(|bad| bad.causes.iter().map(ToString::to_string))
            .collect();
        causes.sort_unstable();
        causes.dedup();
        let outcomes = sweep.outcomes.iter();
        Self {
            file: context.file,
            title: context.title,
            scheduler: context.scheduler,
            machine: context.machine,
            step: context.step,
            source: context.source,
            range: sweep.range,
            boundaries: sweep.boundaries,
            outcomes: outcomes
                .map(|(o, n)| (explore::outcome_name(*o), *n))
                .collect(),
            sampled: sweep.sampled,
            executions: sweep.executions,
            saved: (sweep.boundaries + 1).saturating_sub(sweep.executions),
            bad: sweep.bad.len() as u64,
            causes,
            baseline: sweep
                .baseline
                .violations
                .iter()
                .map(|v| Finding::new(machine, v))
                .collect(),
            baseline_unknown: sweep
                .baseline
                .violations
                .iter()
                .filter(|violation| !known_baseline(violation))
                .count(),
            windows: sweep.windows().iter().map(window).collect(),
            failed: sweep.failed.clone(),
            vacuous: sweep.sampled == 0,
            deeper: None,
            never_armed: sweep
                .baseline
                .armed
                .idle()
                .into_iter()
                .filter(|(oracle, _)| sweep.sampled == 0 || !oracle.judges_values())
                .map(|(oracle, why)| format!("{oracle}: {why}"))
                .collect(),
            interrupted: sweep.interrupted,
            held: None,
            mismatches: Vec::new(),
            digest: sweep.baseline.digest.to_string(),
        }
    }

    /// Adds what runs with more than one NMI show.
    #[must_use]
    pub fn with(mut self, deeper: ExploreReport) -> Self {
        self.interrupted |= deeper.interrupted;
        self.deeper = Some(deeper);
        self
    }

    /// Adds what the file's expectations say.
    #[must_use]
    pub fn judged(mut self, verdict: &Verdict, mismatches: Vec<MismatchReport>) -> Self {
        self.held = Some(verdict.holds());
        self.vacuous = verdict.vacuous;
        self.mismatches = mismatches;
        self
    }

    /// Something was found that is not known.
    #[must_use]
    pub fn finds(&self) -> bool {
        !self.failed.is_empty()
            || self.baseline_unknown > 0
            || self.windows.iter().any(|window| window.known.is_none())
            || self.deeper.as_ref().is_some_and(ExploreReport::finds)
    }

    /// Text for people. `source` gives the text of a line of a source file, if it is at hand.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(
        &self,
        out: &mut dyn io::Write,
        source: &dyn Fn(&str, u32) -> Option<String>,
    ) -> io::Result<()> {
        writeln!(out, "{}", paint(HEAD, &self.title))?;
        let name = |text: &str| paint(NAME, text);
        let preempt = self.source.strip_prefix("preempt ");
        let (event, by) = match preempt {
            Some(cpu) => ("preemption", format!("preemption by cpu {cpu}")),
            None if self.source == "tick" => ("tick", "a tick".to_owned()),
            None => ("NMI", format!("NMI by {}", self.source)),
        };
        writeln!(
            out,
            "{} under {}: step `{}`, {by}, machine {}",
            name(&self.file),
            name(&self.scheduler),
            self.step,
            self.machine,
        )?;
        let outcomes: Vec<String> = self
            .outcomes
            .iter()
            .map(|(outcome, n)| format!("{n} {outcome}"))
            .collect();
        writeln!(
            out,
            "boundaries {} ({}..={}): {}; {} sampled",
            self.boundaries,
            self.range.0,
            self.range.1,
            if outcomes.is_empty() {
                "none tried".to_owned()
            } else {
                outcomes.join(", ")
            },
            self.sampled
        )?;
        writeln!(
            out,
            "executions {} run, {} saved",
            self.executions, self.saved
        )?;
        for (words, times) in counted(self.baseline.iter().map(|finding| finding.text.as_str())) {
            writeln!(
                out,
                "{} {words}{}",
                paint(UNSURE, format!("without {event}")),
                repeated(times)
            )?;
        }
        let found = format!(
            "{} bad, {} distinct causes, {} windows",
            self.bad,
            self.causes.len(),
            self.windows.len()
        );
        let style = if self.finds() { BAD } else { GOOD };
        writeln!(out, "{}", paint(style, found))?;
        // A known finding may span many functions: its windows are news to nobody.
        let same = |a: &WindowReport, b: &WindowReport| a.known.is_some() && a.known == b.known;
        for windows in self.windows.chunk_by(same) {
            match windows {
                [window] => window.human(out, source)?,
                _ => known(out, windows)?,
            }
        }
        for (at, words) in self.failed.iter().take(FAILED_SHOWN) {
            let at = paint(BAD, format!("guest fails with {event} at {at}"));
            writeln!(out, "\n{at}: {words}")?;
        }
        if self.failed.len() > FAILED_SHOWN {
            let more = self.failed.len() - FAILED_SHOWN;
            writeln!(out, "... and at {more} more boundaries")?;
        }
        if let Some(deeper) = &self.deeper {
            let most = deeper.nmis + deeper.preemptions + deeper.ticks;
            writeln!(out, "\n{}", paint(HEAD, format!("up to {most} in one run")))?;
            deeper.body(out)?;
        }
        if !self.never_armed.is_empty() {
            let words = format!(
                "oracles without anything to judge: {}",
                self.never_armed.join("; ")
            );
            writeln!(out, "\n{}", paint(DIM, words))?;
        }
        if self.vacuous {
            let words = match preempt {
                Some(_) => "vacuous: no preemption in which the other CPU looked at an event",
                None if self.source == "tick" => {
                    "vacuous: no tick whose handler looked at an event"
                }
                None => "vacuous: no NMI was delivered, or no reader ran in one",
            };
            writeln!(out, "\n{}", paint(UNSURE, words))?;
        }
        if self.interrupted {
            writeln!(
                out,
                "\n{}",
                paint(UNSURE, "interrupted: boundaries are missing")
            )?;
        }
        match self.held {
            Some(true) => writeln!(out, "\n{}", paint(GOOD, "the file's expectations hold")),
            Some(false) => {
                writeln!(
                    out,
                    "\n{}",
                    paint(BAD, "the file's expectations do not hold")
                )?;
                for mismatch in &self.mismatches {
                    writeln!(
                        out,
                        "  {}:{}: {}",
                        mismatch.file, mismatch.line, mismatch.text
                    )?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Failures of the guest that are shown in full.
const FAILED_SHOWN: usize = 3;

/// Each text once, with how often it occurs, in the order of first occurrence.
fn counted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut list: Vec<(&str, usize)> = Vec::new();
    for text in texts {
        match list.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += 1,
            None => list.push((text, 1)),
        }
    }
    list
}

fn repeated(times: usize) -> String {
    if times == 1 {
        String::new()
    } else {
        format!(" ({times} times)")
    }
}

/// Several windows in a row that the same entries explain.
fn known(out: &mut dyn io::Write, windows: &[WindowReport]) -> io::Result<()> {
    let (first, last) = (&windows[0], &windows[windows.len() - 1]);
    let boundaries: usize = windows.iter().map(|window| window.count).sum();
    let head = format!(
        "{boundaries} boundaries in {} windows, {}..={}",
        windows.len(),
        first.first,
        last.last
    );
    writeln!(out, "\n{}", paint(DIM, head))?;
    for (word, instruction) in [("after ", &first.before), ("before", &last.after)] {
        let symbol = instruction.symbol.as_ref().unwrap_or(&instruction.address);
        let place = paint(NAME, instruction.source());
        writeln!(out, "  {word} {place}  {}", paint(DIM, symbol))?;
    }
    if let Some(example) = &first.example {
        writeln!(out, "  e.g.   {}", example.text)?;
    }
    if let Some(known) = &first.known {
        writeln!(out, "  known  {known}")?;
    }
    if let Some(trace) = &first.trace {
        writeln!(out, "  pmusim replay {trace}")?;
    }
    Ok(())
}

impl WindowReport {
    fn human(
        &self,
        out: &mut dyn io::Write,
        source: &dyn Fn(&str, u32) -> Option<String>,
    ) -> io::Result<()> {
        let boundaries = if self.count == 1 {
            format!("boundary {}", self.first)
        } else {
            format!("{} boundaries {}..={}", self.count, self.first, self.last)
        };
        writeln!(out, "\n{}", paint(BAD, boundaries))?;
        for (word, instruction) in [("after ", &self.before), ("before", &self.after)] {
            let symbol = instruction.symbol.as_ref().unwrap_or(&instruction.address);
            writeln!(
                out,
                "  {word} {}  {}  {}",
                paint(NAME, instruction.source()),
                paint(DIM, symbol),
                instruction.text
            )?;
            let text = match (&instruction.file, instruction.line) {
                (Some(file), Some(line)) => source(file, line),
                _ => None,
            };
            if let Some(text) = text {
                writeln!(out, "         | {}", text.trim())?;
            }
        }
        for cause in &self.causes {
            writeln!(out, "  cause  {cause}")?;
        }
        if let Some(width) = &self.width {
            writeln!(out, "  width  {}", width.words())?;
        }
        if let Some(example) = &self.example {
            writeln!(out, "  e.g.   {}", example.text)?;
        }
        if let Some(known) = &self.known {
            writeln!(out, "  known  {known}")?;
        }
        if let Some(trace) = &self.trace {
            writeln!(out, "  pmusim replay {trace}")?;
        }
        Ok(())
    }
}
