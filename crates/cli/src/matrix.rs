// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim matrix`: the claims about the patch, under each of its versions.

use std::path::{Path, PathBuf};

use report::{MatrixCell, MatrixClaim, MatrixReport, MatrixRow, Outcome};
use scenario::{CLAIMS, CausePattern, Expect};

use crate::args::{MatrixArgs, RunArgs};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files;
use crate::prepared::Loaded;
use crate::run;

/// The scenarios of the claims, in a clone.
const DEFAULT: &str = "sim-configs/scenarios/review";

/// The versions in the order of their dates; others follow by name.
pub(crate) const VERSIONS: [&str; 7] = ["none", "v10", "delta", "v11", "v11r", "v12", "retry"];

pub(crate) fn run(context: &Context, args: &MatrixArgs) -> Result<Exit, Failure> {
    let asked = if args.files.is_empty() {
        vec![PathBuf::from(DEFAULT)]
    } else {
        args.files.clone()
    };
    let paths = files::expand(&asked, &["toml"])?;
    let run_args = RunArgs {
        files: asked,
        scheduler: args.scheduler.clone(),
        machine: None,
        write_traces: None,
    };
    let mut loaded = run::load(context, &run_args, &paths)?;
    loaded.retain(|scenario| scenario.scenario.claim.is_some());
    let total: usize = loaded.iter().map(|s| s.schedulers.len()).sum();
    if total == 0 {
        let why = "no scenario there names a claim";
        return Err(Failure::Words(
            Exit::Nothing,
            format!("nothing selected: {why}"),
        ));
    }
    let traces = traces(&loaded);
    let mut report = MatrixReport {
        schedulers: schedulers(&loaded),
        claims: CLAIMS
            .iter()
            .map(|claim| MatrixClaim {
                id: claim.id.to_owned(),
                class: claim.class.to_string(),
                says: claim.says.to_owned(),
                note: claim.note.to_owned(),
                scenarios: Vec::new(),
            })
            .collect(),
        interrupted: false,
    };
    let mut done = 0;
    'all: for scenario in &loaded {
        let id = scenario.scenario.claim.as_deref().unwrap_or_default();
        let mut row = MatrixRow {
            file: scenario.shown(context),
            name: scenario.input.stem().to_owned(),
            title: scenario.scenario.title.clone(),
            events_why: scenario.scenario.events_why.clone(),
            cells: Vec::new(),
        };
        for name in &report.schedulers {
            let Some(scheduler) = scenario.schedulers.iter().find(|s| s.name == *name) else {
                continue;
            };
            let Some(expect) = scenario.expect(scheduler) else {
                continue;
            };
            done += 1;
            let what = format!("{done}/{total} {} {name}", row.name);
            let run = run::cell(context, scenario, scheduler, expect, None, &what)?;
            if context.interrupt.pressed() {
                report.interrupted = true;
                break 'all;
            }
            row.cells.push(cell(id, &row.name, expect, run, &traces));
        }
        if let Some(claim) = report.claims.iter_mut().find(|claim| claim.id == id) {
            claim.scenarios.push(row);
        }
    }
    // Where only some files were asked for, claims without one are no news.
    if !args.files.is_empty() {
        report.claims.retain(|claim| !claim.scenarios.is_empty());
    }
    if args.markdown {
        context.text(&report.markdown())?;
    } else {
        context.result("matrix", &report, |out| report.human(out))?;
    }
    Ok(if report.interrupted {
        Exit::Interrupted
    } else if report.count(Outcome::Mismatch) > 0 {
        Exit::Finding
    } else if report.count(Outcome::Vacuous) > 0 {
        Exit::Cut
    } else {
        Exit::Good
    })
}

/// The columns.
fn schedulers(loaded: &[Loaded]) -> Vec<String> {
    let mut names: Vec<String> = loaded
        .iter()
        .flat_map(|scenario| {
            let expected = |s: &&scenario::Scheduler| scenario.expect(s).is_some();
            scenario.schedulers.iter().filter(expected)
        })
        .map(|scheduler| scheduler.name.clone())
        .collect();
    let age = |name: &String| VERSIONS.iter().position(|v| v == name);
    names.sort_by_key(|name| (age(name).unwrap_or(VERSIONS.len()), name.clone()));
    names.dedup();
    names
}

/// The names of the recorded traces, in order.
fn traces(loaded: &[Loaded]) -> Vec<String> {
    let beside = |scenario: &Loaded| {
        let path = scenario.input.path.clone()?;
        let mut folders = path.ancestors();
        let root = folders.find(|dir| dir.file_name().is_some_and(|name| name == "sim-configs"))?;
        Some(root.parent().unwrap_or(Path::new("")).join("traces"))
    };
    let Some(folder) = loaded.first().and_then(beside) else {
        return Vec::new();
    };
    let Ok(paths) = files::expand(&[folder], &["trace"]) else {
        return Vec::new();
    };
    let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
    paths.iter().filter_map(name).collect()
}

fn cell(
    claim: &str,
    name: &str,
    expect: &Expect,
    run: report::Cell,
    traces: &[String],
) -> MatrixCell {
    let outcome = if !run.mismatches.is_empty() {
        Outcome::Mismatch
    } else if run.vacuous {
        Outcome::Vacuous
    } else if expect.shows(claim).next().is_some() {
        Outcome::Violated
    } else if !run.known.is_empty() {
        Outcome::Known
    } else {
        Outcome::Held
    };
    let mut oracles: Vec<String> = expect
        .shows(claim)
        .map(|cause| cause.oracle.to_string())
        .collect();
    oracles.sort();
    oracles.dedup();
    if outcome != Outcome::Violated {
        oracles.clear();
    }
    let without = |cause: &&CausePattern| expect.baseline.iter().any(|b| std::ptr::eq(b, *cause));
    let words = |cause: &CausePattern| {
        let end = if without(&cause) {
            ", without an NMI"
        } else {
            ""
        };
        format!("{}{end}", explore::words(cause))
    };
    let mine = |cause: &CausePattern| expect.shows(claim).any(|c| std::ptr::eq(c, cause));
    let all = expect.baseline.iter().chain(&expect.violates);
    let others = all.filter(|cause| !mine(cause));
    // `NAME.SCHEDULER.trace`, with a word that tells several apart before or behind the scheduler.
    let version = run.scheduler.replace('/', "-");
    let is_mine = |trace: &str| {
        let words = trace.strip_prefix(name)?.strip_prefix('.')?;
        let words = words.strip_suffix(".trace")?;
        Some(words.split('.').any(|word| word == version))
    };
    MatrixCell {
        scheduler: run.scheduler.clone(),
        outcome,
        oracles,
        shows: expect.shows(claim).map(words).collect(),
        others: others
            .map(|cause| {
                let whose = cause.claim.as_ref();
                let whose = whose.map_or_else(String::new, |id| format!(" ({id})"));
                words(cause) + &whose
            })
            .collect(),
        why: expect.why.clone(),
        traces: traces
            .iter()
            .filter(|trace| is_mine(trace).unwrap_or(false))
            .cloned()
            .collect(),
        run,
    }
}
