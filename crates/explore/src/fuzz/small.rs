// SPDX-License-Identifier: GPL-2.0-only
//! A finding as it is shown: shrunk, with its trace.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::channel;
use scenario::{Scenario, Source};
use trace::Trace;

use super::{Campaign, Found};
use crate::record::{Files, record};
use crate::shrink::{Shrink, ShrinkError, Size};
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
    /// It was made as small as it gets.
    pub shrunk: bool,
}

impl Campaign<'_> {
    /// The findings, each with its scenario and trace, in their order: shrunk if `shrink` says so
    /// and the finding is one of an oracle. `name` gives the name of a finding's scenario file.
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
        let source = Source::new(name, &found.text);
        let scenario: Scenario = scenario::parse_scenario(&source)
            .map_err(|diagnostics| ShrinkError::Judged(diagnostics.render(false)))?;
        let files = Files {
            scenario: (&found.text, name),
            machine: (self.terms.machine_text, &self.terms.machine.name),
            scheduler: self.terms.scheduler,
        };
        let trace = record(&self.prepare(&scenario)?, &scenario, files, &found.decisions)?;
        let size = Size::of(&scenario, found.decisions.len());
        let whole = Small {
            text: found.text.clone(),
            trace,
            size,
            shrunk: false,
        };
        if !shrink || found.verdict.oracle == "guest" {
            return Ok(whole);
        }
        let shrunk = Shrink {
            machine: self.terms.machine,
            machine_text: self.terms.machine_text,
            scheduler: self.terms.scheduler,
            image: Arc::clone(&self.terms.image),
            verdict: &found.verdict,
            name,
            progress,
            rig: RefCell::default(),
        }
        .run(&scenario, &whole.trace.decisions)?;
        Ok(Small {
            text: shrunk.text,
            trace: shrunk.trace,
            size: shrunk.after,
            shrunk: !shrunk.interrupted,
        })
    }
}
