// SPDX-License-Identifier: GPL-2.0-only
//! A finding as it is shown: shrunk, with its trace.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use check::Violation;
use check::cause::row_on_stack;
use crossbeam::channel;
use machine::Schedule;
use scenario::{Known, Scenario, Scheduler, Source};
use trace::Trace;

use super::{Campaign, Found};
use crate::findings::{Base, causes, fresh};
use crate::inject::injections;
use crate::known::{KnownFindings, explains_by_itself, explains_somehow};
use crate::prepare::prepare;
use crate::record::{Files, boundary, plain, record, verdict};
use crate::resolve::ResolveError;
use crate::rig::Rig;
use crate::shrink::{Shrink, ShrinkError, Signature, Size};
use crate::sweep::Progress;

/// The scenario and the trace of a finding.
#[derive(Debug)]
pub struct Small {
    /// The scenario.
    pub text: String,
    /// Its trace.
    pub trace: Trace,
    /// Its size.
    pub size: Size,
    /// Names of its events.
    pub events: Vec<String>,
    /// It was made as small as it gets.
    pub shrunk: bool,
    /// Why it is no news after all: as small as this, a known finding explains it, of this version or
    /// of mainline, which shows it too.
    pub known: Option<String>,
}

impl Campaign<'_> {
    /// The findings, each with its scenario and trace, in their order: shrunk if `shrink` says
    /// so. `name` gives the name of a finding's scenario file.
    pub fn smaller(
        &self,
        found: &[&Found],
        name: impl Fn(usize) -> String + Sync,
        shrink: bool,
        jobs: usize,
        progress: &Progress,
    ) -> Vec<Result<Small, ShrinkError>> {
        let next = AtomicUsize::new(0);
        let (send, receive) = channel::unbounded();
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                let (next, send, name) = (&next, send.clone(), &name);
                scope.spawn(move || {
                    while let at = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(found) = found.get(at)
                    {
                        // Whoever receives outlives this scope.
                        let _ = send.send((at, self.small(found, &name(at), shrink, progress)));
                    }
                });
            }
        });
        drop(send);
        let mut all: Vec<_> = receive.into_iter().collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, small)| small).collect()
    }

    fn small(
        &self,
        found: &Found,
        name: &str,
        shrink: bool,
        progress: &Progress,
    ) -> Result<Small, ShrinkError> {
        let whole = self.as_found(found, name)?;
        // Each try would take as long as a run may.
        let endless = found.verdict.window.0.contains("no end within");
        if !shrink || endless {
            return Ok(whole);
        }
        let shrink = Shrink {
            machine: self.terms.machine,
            machine_text: self.terms.machine_text,
            scheduler: self.terms.scheduler,
            image: Arc::clone(&self.terms.image),
            verdict: &found.verdict,
            name,
            progress,
            rig: RefCell::default(),
        };
        let shrunk = shrink.run(&parse(name, &found.text)?, &whole.trace.decisions)?;
        let scenario = parse(name, &shrunk.text)?;
        let mut known = self.explained(found, &scenario, self.terms.scheduler)?;
        if known.is_none() && self.terms.scheduler.shares() {
            // A point that mainline does not come to is no error.
            let mainline = self.terms.scheduler.mainline();
            known = self.explained(found, &scenario, &mainline).ok().flatten();
        }
        Ok(Small {
            known,
            text: shrunk.text,
            trace: shrunk.trace,
            size: shrunk.after,
            events: ids(&scenario),
            shrunk: !shrunk.interrupted,
        })
    }

    /// A finding with the scenario that it was found in.
    ///
    /// # Errors
    /// The scenario cannot be run.
    pub fn as_found(&self, found: &Found, name: &str) -> Result<Small, ShrinkError> {
        let scenario = parse(name, &found.text)?;
        let files = Files {
            scenario: (&found.text, name),
            machine: (self.terms.machine_text, &self.terms.machine.name),
            scheduler: self.terms.scheduler,
        };
        let prepared = self.prepare(&scenario)?;
        Ok(Small {
            text: found.text.clone(),
            trace: record(&prepared, &scenario, files, &found.decisions)?,
            size: Size::of(&scenario, found.decisions.len()),
            events: ids(&scenario),
            shrunk: false,
            known: None,
        })
    }

    /// Why the finding of a shrunk scenario is no news: `scheduler` shows it too, and what is left of
    /// it lies in the window or at the place of a known one.
    fn explained(
        &self,
        found: &Found,
        scenario: &Scenario,
        scheduler: &Scheduler,
    ) -> Result<Option<String>, ShrinkError> {
        let wanted = Signature::of(&found.verdict, scenario);
        let known = self.terms.known;
        let image = Arc::clone(&self.terms.image);
        let prepared = prepare(scenario, self.terms.machine, scheduler, image)?;
        let mut rig = Rig::new(&prepared.setup)?;
        let judged = |(_, error): (usize, ResolveError)| ShrinkError::Judged(error.to_string());
        let decisions = injections(&mut rig, scenario).map_err(judged)?;
        let baseline = rig.run(Schedule::empty());
        let Some((&last, earlier)) = decisions.split_last() else {
            let places = KnownFindings::of_run(known, scheduler);
            let of_wanted =
                |v: &&Violation| Signature::of(&plain(&baseline.image, v), scenario) == wanted;
            let all = baseline.violations.iter().filter(of_wanted);
            let entries = all.map(|v| places.baseline(&baseline, v));
            return Ok(first_of(entries));
        };
        let before = rig.run(Schedule::new(earlier.to_vec()));
        let run = rig.run(Schedule::new(decisions.clone()));
        let at = (last.0, boundary(last));
        let machine = rig.stand(Schedule::new(earlier.to_vec()), at);
        let row = row_on_stack(&machine.view(at.0), machine.cores()[at.0].cpu.rip);
        let base = Base::of(&before);
        let news = fresh(&run.violations, &baseline);
        let all = causes(news.iter().copied(), base, &run.touched, at, &row);
        let entries = all
            .iter()
            .filter(|cause| Signature::of(&verdict(cause), scenario) == wanted)
            .map(|cause| {
                let shown = (cause, news.as_slice());
                let of_run = Base::of(&run);
                explains_somehow(known, scheduler, &decisions, shown, base)
                    .or_else(|| explains_by_itself(known, scheduler, &decisions, shown, of_run))
            });
        Ok(first_of(entries))
    }
}

/// The reason of the first of these entries, if none is missing.
fn first_of<'k>(entries: impl Iterator<Item = Option<&'k Known>>) -> Option<String> {
    let entries: Option<Vec<&Known>> = entries.collect();
    Some(entries?.first()?.reason.clone())
}

fn parse(name: &str, text: &str) -> Result<Scenario, ShrinkError> {
    scenario::parse_scenario(&Source::new(name, text))
        .map_err(|diagnostics| ShrinkError::Judged(diagnostics.render(false)))
}

fn ids(scenario: &Scenario) -> Vec<String> {
    scenario
        .events
        .iter()
        .map(|event| event.id.clone())
        .collect()
}
