// SPDX-License-Identifier: GPL-2.0-only
//! The shipped files, for tests that run them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use explore::{
    KnownFindings, Prepared, Progress, Verdict, execute, injections, judge_run, judge_sweep,
    prepare, sweep,
};
use machine::Schedule;
use scenario::{Diagnostics, Library, Resolved, Scenario, Scheduler, Source};

/// A shipped scenario with everything it names.
pub(crate) struct Shipped {
    pub(crate) name: String,
    pub(crate) scenario: Scenario,
    pub(crate) resolved: Resolved,
}

struct Disk;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sim-configs")
}

fn find(folder: &str, name: &str) -> Option<(String, String)> {
    let file = configs().join(folder).join(format!("{name}.toml"));
    let text = std::fs::read_to_string(file).ok()?;
    Some((format!("{folder}/{name}.toml"), text))
}

impl Library for Disk {
    fn machine(&self, name: &str) -> Option<(String, String)> {
        find("machines", name)
    }
    fn scheduler(&self, name: &str) -> Option<(String, String)> {
        find("schedulers", name).or_else(|| find("schedulers/mutants", name))
    }
    fn machine_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn scheduler_names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn show<T>(result: Result<T, Diagnostics>) -> T {
    result.unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

/// The list of known findings.
pub(crate) fn known() -> Vec<scenario::Known> {
    let text = std::fs::read_to_string(configs().join("known.toml")).unwrap();
    show(scenario::parse_known(&Source {
        name: "known.toml".to_owned(),
        text,
    }))
}

/// All scenario files, in order.
pub(crate) fn scenario_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![configs().join("scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "toml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What `work` makes of each item, in their order, on all cores.
pub(crate) fn on_all_cores<I: Sync, O: Send>(items: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return done;
            };
            done.push((at, work(item)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(usize, O)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(ScopedJoinHandle::join);
        let parts = ended.map(|part| part.unwrap_or_else(|panic| resume_unwind(panic)));
        parts.flatten().collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, made)| made).collect()
}

/// A shipped scheduler.
pub(crate) fn scheduler(name: &str) -> Scheduler {
    show(scenario::scheduler_by_name(name, &Disk))
}

/// The text of a shipped machine.
pub(crate) fn machine_text(name: &str) -> String {
    find("machines", name).expect("a shipped machine").1
}

/// The text of a shipped scenario.
pub(crate) fn text_of(name: &str) -> String {
    std::fs::read_to_string(configs().join("scenarios").join(name)).unwrap()
}

impl Shipped {
    pub(crate) fn load(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        Self::parse(&name, text)
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::load(&configs().join("scenarios").join(name))
    }

    pub(crate) fn parse(name: &str, text: String) -> Self {
        let source = Source {
            name: name.to_owned(),
            text,
        };
        let scenario = show(scenario::parse_scenario(&source));
        let resolved = show(scenario::resolve(&source, &scenario, &Disk));
        Self {
            name: name.to_owned(),
            scenario,
            resolved,
        }
    }

    pub(crate) fn prepare(&self, scheduler: &str) -> Prepared {
        let scheduler = match self.resolved.schedulers.get(scheduler) {
            Some(found) => found.clone(),
            None => self::scheduler(scheduler),
        };
        prepare(
            &self.scenario,
            &self.resolved.machine,
            &scheduler,
            image::Image::guest(),
        )
        .unwrap()
    }

    pub(crate) fn sweep(&self, scheduler: &str, jobs: usize) -> explore::Sweep {
        let prepared = self.prepare(scheduler);
        let plan = prepared.plan(jobs).expect("the scenario has a sweep");
        sweep(&prepared.setup, plan, &Progress::default()).unwrap()
    }

    /// The injections of the file.
    pub(crate) fn injected(&self, prepared: &Prepared) -> Schedule {
        let mut rig = explore::Rig::new(&prepared.setup).unwrap();
        let decisions = injections(&mut rig, &self.scenario).unwrap();
        Schedule::new(decisions)
    }

    /// Mismatches in words, and the reasons of known findings that were met.
    pub(crate) fn judge(&self, scheduler: &str) -> (Vec<String>, Vec<String>) {
        let expect = &self.scenario.expect[scheduler];
        let mut verdict = Verdict::default();
        if self.scenario.sweep.is_some() {
            let sweep = self.sweep(scheduler, 1);
            let list = known();
            let known = KnownFindings::new(&list, &self.resolved.schedulers[scheduler], &sweep);
            verdict = judge_sweep(expect, &sweep, &known);
        }
        if self.scenario.sweep.is_none() || !self.scenario.inject.is_empty() {
            let prepared = self.prepare(scheduler);
            let baseline = execute(&prepared.setup, Schedule::empty()).unwrap();
            let injected = (!self.scenario.inject.is_empty())
                .then(|| execute(&prepared.setup, self.injected(&prepared)).unwrap());
            let list = known();
            let known = KnownFindings::of_run(&list, &self.resolved.schedulers[scheduler]);
            let run = judge_run(expect, &baseline, injected.as_deref(), &known);
            verdict.known.extend(run.known);
            verdict.mismatches.extend(run.mismatches);
            verdict.vacuous |= injected.is_some_and(|run| !run.looked());
        }
        let mut words: Vec<String> = verdict.mismatches.iter().map(ToString::to_string).collect();
        if verdict.vacuous {
            words.push("nothing was sampled".to_owned());
        }
        (words, verdict.known.into_keys().collect())
    }
}
