// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim bisect`: which boundary, which operation, which rows of the patch, which version.

use explore::{Bisect, BisectError, Question, Recorded};
use report::{BisectReport, BoundaryAnswer, HunkAnswer, OperationAnswer, VersionAnswer};
use scenario::{Scenario, Scheduler};

use crate::args::BisectArgs;
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::json_name;
use crate::prepared::guest;
use crate::progress::watched;
use crate::recorded;

/// The versions of the patch in order, as their scheduler files are named.
const VERSIONS: [&str; 7] = ["none", "v10", "delta", "v11", "v11r", "v12", "retry"];

pub(crate) fn run(context: &Context, args: &BisectArgs) -> Result<Exit, Failure> {
    let (input, trace) = recorded::read(&args.trace)?;
    let name = &input.source.name;
    let Recorded {
        scenario,
        machine,
        scheduler: bad,
    } = recorded::inside(context, name, &trace)?;
    let verdict = recorded::finding(name, &trace, args.finding, "bisect")?;
    // Its points are found again first, if it was made with another image.
    let replay = explore::replay(&trace, guest())
        .map_err(|error| Failure::Words(Exit::Stale, format!("{name}: {error}")))?;
    let configs = Configs::around(None);
    let good = args.good.as_ref().map(|name| configs.scheduler(name));
    let good = good.transpose()?;
    let versions = if args.versions.is_empty() {
        VERSIONS.map(str::to_owned).to_vec()
    } else {
        args.versions.clone()
    };
    let versions: Vec<Scheduler> = versions
        .iter()
        .map(|name| configs.scheduler(name))
        .collect::<Result<_, _>>()?;

    let (report, _) = watched(context, "bisect", |progress| {
        let bisect = Bisect::new(Question {
            scenario: &scenario,
            machine: &machine,
            scheduler: &bad,
            decisions: &replay.renewed.decisions,
            image: guest(),
            verdict,
            jobs: context.jobs(),
            progress,
        })?;
        answer(&bisect, &scenario, &bad, good.as_ref(), &versions)
    });
    let mut report = report.map_err(|error| {
        let exit = match &error {
            BisectError::NotShown(_) | BisectError::NoDifference(_) => Exit::Cut,
            BisectError::Interrupted => Exit::Interrupted,
            BisectError::Decision(_) => Exit::Stale,
            _ => Exit::Input,
        };
        Failure::Words(exit, format!("{name}: {error}"))
    })?;
    report.finding = verdict.to_string();
    report.trace = if context.json() {
        json_name(name)
    } else {
        name.clone()
    };
    context.result("bisect", &report, |out| report.human(out))?;
    Ok(Exit::Good)
}

fn answer(
    bisect: &Bisect<'_>,
    scenario: &Scenario,
    bad: &Scheduler,
    good: Option<&Scheduler>,
    versions: &[Scheduler],
) -> Result<BisectReport, BisectError> {
    let boundaries = match (bisect.sweep(bad)?, bisect.near()) {
        (Some(sweep), Some(near)) => BoundaryAnswer::new(bisect, &sweep, near),
        _ => None,
    };
    let shown = match bisect.near() {
        Some(_) => boundaries.is_some(),
        None => bisect.shows(bad)?,
    };
    if !shown {
        return Err(BisectError::NotShown(bad.name.clone()));
    }
    let hunks = match good {
        Some(good) => Some(HunkAnswer::new(&good.name, &bisect.hunks(good, bad)?)),
        None => None,
    };
    let versions = versions
        .iter()
        .map(|scheduler| {
            Ok(VersionAnswer {
                scheduler: scheduler.name.clone(),
                shows: bisect.shows(scheduler)?,
            })
        })
        .collect::<Result<Vec<_>, BisectError>>()?;
    Ok(BisectReport {
        trace: String::new(),
        finding: String::new(),
        bad: bad.name.clone(),
        boundaries,
        operation: operation(bisect, scenario),
        hunks,
        first_bad: versions
            .iter()
            .find(|version| version.shows)
            .map(|version| version.scheduler.clone()),
        versions,
    })
}

/// The step that the decision falls into.
fn operation(bisect: &Bisect<'_>, scenario: &Scenario) -> Option<OperationAnswer> {
    let (cpu, position) = bisect.step()?;
    let step = scenario.programs.get(cpu)?.steps.get(position)?;
    Some(OperationAnswer {
        cpu,
        step: position + 1,
        operation: step.op.name().to_owned(),
        event: step.op.event().map(str::to_owned),
        line: step.line,
    })
}
