// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim fuzz`: whole programs and decisions by chance, and what they show, in a folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use explore::{Budget, Campaign, FuzzFound, FuzzTerms, Signature, Small};
use report::{FuzzFinding, FuzzReport};

use crate::args_campaign::{FuzzArgs, MergeArgs, Shard};
use crate::campaign::{Folder, slug};
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files;
use crate::prepared::guest;
use crate::progress::watched;

pub(crate) fn run(context: &Context, args: &FuzzArgs) -> Result<Exit, Failure> {
    let configs = Configs::around(args.files.first().map(std::path::PathBuf::as_path));
    let (machine, machine_text) = configs.machine(&args.machine)?;
    let scheduler = configs.scheduler(&args.scheduler)?;
    let known = configs.known()?;
    let Shard { index, of } = args.shard;
    let terms = FuzzTerms {
        machine: &machine,
        machine_text: &machine_text,
        scheduler: &scheduler,
        image: guest(),
        known: &known,
        wanted: &[],
        seed: args.seed,
        strategy: args.strategy.into(),
        cpus: usize::from(args.cpus),
        shard: (index, of),
    };
    let wrong = |error: explore::PrepareError| Failure::input(error.to_string());
    let mut campaign = Campaign::new(terms).map_err(wrong)?;
    let mut given = files::expand(&args.files, &["toml"])?;
    if let Some(folder) = args.corpus.as_deref().filter(|folder| folder.is_dir()) {
        let mut found = Vec::new();
        files::walk(folder, &["toml"], &mut found)?;
        found.sort();
        given.extend(found);
    }
    for file in &given {
        let scenario = scenario::parse_scenario(&files::text(file)?.source)?;
        campaign.add_to_corpus(&scenario);
    }
    let given: BTreeSet<String> = campaign.corpus().into_iter().collect();

    let executions = match (args.max_execs, args.max_time) {
        (None, None) => Some(DEFAULT_EXECUTIONS),
        (bound, _) => bound,
    };
    let begun = Instant::now();
    let over = || args.max_time.is_some_and(|time| begun.elapsed() >= time);
    let budget = Budget {
        executions,
        over: &over,
        until_met: false,
    };
    let (done, took) = watched(context, "fuzz", |progress| {
        campaign.run(context.jobs(), budget, progress)
    });
    done.map_err(|error| Failure::input(error.to_string()))?;
    context.rate("fuzz", campaign.totals.executions, took);

    let folder = Folder::begin(&args.output)?;
    let report = findings(context, args, &campaign, &folder)?;
    let programs: Vec<String> = campaign
        .corpus()
        .into_iter()
        .filter(|text| !given.contains(text))
        .collect();
    folder.write_report(&report)?;
    folder.write_corpus(&programs)?;
    if let Some(corpus) = &args.corpus {
        Folder::write_programs(corpus, &programs)?;
    }
    folder.show(context, "fuzz", &report)
}

/// Executions where no bound is given.
const DEFAULT_EXECUTIONS: u64 = 20_000;

/// The report, with the scenario and trace of each finding that is not known in `folder`.
fn findings(
    context: &Context,
    args: &FuzzArgs,
    campaign: &Campaign<'_>,
    folder: &Folder,
) -> Result<FuzzReport, Failure> {
    let (news, known): (Vec<_>, Vec<_>) = campaign
        .found
        .iter()
        .partition(|(_, found)| found.unexplained > 0);
    let list: Vec<&FuzzFound> = news.iter().map(|(_, found)| *found).collect();
    let name = |i: usize| format!("{}.toml", slug(news[i].0));
    let (smaller, _) = watched(context, "shrink", |progress| {
        campaign.smaller(&list, name, !args.no_shrink, context.jobs(), progress)
    });
    let mut report = report(args, campaign);
    for (i, ((signature, found), small)) in news.iter().zip(smaller).enumerate() {
        let small = match small {
            Ok(small) => small,
            Err(error) => {
                context.note(&format!(
                    "warning: {signature} is shown as it was found: {error}"
                ));
                campaign
                    .as_found(found, &name(i))
                    .map_err(|error| Failure::input(error.to_string()))?
            }
        };
        let mut finding = finding(signature, found, Some(&small));
        if finding.unexplained > 0 {
            let (scenario, trace) = folder.write_finding(&slug(signature), &small)?;
            (finding.scenario, finding.trace) = (Some(scenario), Some(trace));
        }
        report.findings.push(finding);
    }
    for (signature, found) in known {
        report.findings.push(finding(signature, found, None));
    }
    report.sort();
    report.interrupted |= context.interrupt.pressed();
    Ok(report)
}

fn report(args: &FuzzArgs, campaign: &Campaign<'_>) -> FuzzReport {
    let totals = &campaign.totals;
    let (covered, features) = campaign.covered();
    let mut warnings: Vec<String> = totals
        .armed
        .idle()
        .into_iter()
        .map(|(oracle, why)| format!("oracle {oracle} had nothing to judge: {why}"))
        .collect();
    if totals.looked == 0 {
        warnings.push("nobody looked at events in between: this proves nothing".to_owned());
    }
    FuzzReport {
        scheduler: args.scheduler.clone(),
        machine: args.machine.clone(),
        image: campaign.image(),
        seed: args.seed,
        strategy: explore::Strategy::from(args.strategy).name().to_owned(),
        cpus: usize::from(args.cpus),
        shards: vec![args.shard.index],
        of: args.shard.of,
        cases: totals.cases,
        refused: totals.refused,
        executions: totals.executions,
        looked: totals.looked,
        outcomes: totals
            .outcomes
            .iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect(),
        corpus: campaign.corpus().len(),
        covered,
        findings: Vec::new(),
        warnings,
        interrupted: campaign.interrupted,
        features,
    }
}

fn finding(signature: &Signature, found: &FuzzFound, small: Option<&Small>) -> FuzzFinding {
    let known = small.and_then(|small| small.known.clone());
    let unexplained = if known.is_some() {
        0
    } else {
        found.unexplained
    };
    let places = match small {
        Some(small) if !small.trace.decisions.is_empty() => {
            let place = |d: &trace::Decision| {
                let code = d.code.as_deref().unwrap_or("?");
                let near = d.semantic.as_deref().unwrap_or("-");
                format!("{} on cpu {}: {code} | {near}", d.kind, d.cpu)
            };
            small.trace.decisions.iter().map(place).collect()
        }
        _ => signature.place.iter().cloned().collect(),
    };
    let text = small.map_or("", |small| &small.text);
    let line = text.lines().position(|line| line == "[[inject]]");
    FuzzFinding {
        oracle: signature.oracle.clone(),
        cause: signature.to_string(),
        example: found.example.clone(),
        known: known.or_else(|| found.reason.clone()),
        events: small.map_or_else(Vec::new, |small| small.events.clone()),
        places,
        scenario: None,
        line: line.map_or(1, |line| line as u32 + 1),
        trace: None,
        operations: small.map_or(0, |small| small.size.operations),
        decisions: small.map_or(found.decisions.len(), |small| small.size.decisions),
        shrunk: small.is_some_and(|small| small.shrunk),
        runs: found.runs,
        unexplained,
        execution: found.execution,
    }
}

/// `pmusim merge`: the results of shards as one.
pub(crate) fn merge(context: &Context, args: &MergeArgs) -> Result<Exit, Failure> {
    let mut joined: Option<FuzzReport> = None;
    let mut read: Vec<(&Path, FuzzReport)> = Vec::new();
    for folder in &args.folders {
        let report = Folder::read(folder)?;
        read.push((folder, report.clone()));
        match &mut joined {
            None => joined = Some(report),
            Some(all) => {
                let features = explore::join_features(&all.features, &report.features);
                all.join(report)
                    .map_err(|error| Failure::input(format!("{}: {error}", folder.display())))?;
                let unreadable = || {
                    let file = folder.join(Folder::REPORT);
                    Failure::input(format!("{}: `features` is no map", file.display()))
                };
                (all.covered, all.features) = features.ok_or_else(unreadable)?;
            }
        }
    }
    let Some(mut joined) = joined else {
        let words = "nothing selected: name the folders that `pmusim fuzz` has written";
        return Err(Failure::Words(Exit::Nothing, words.to_owned()));
    };
    // Everything is read before anything is written.
    let mut kept = Vec::new();
    for finding in joined.news() {
        let from = read.iter().find(|(_, report)| {
            let same =
                |f: &FuzzFinding| f.cause == finding.cause && f.execution == finding.execution;
            report.findings.iter().any(same)
        });
        if let Some((folder, _)) = from {
            kept.extend(Folder::files_of(folder, finding)?);
        }
    }
    let mut programs = BTreeSet::new();
    for (folder, _) in &read {
        programs.extend(Folder::programs(folder)?);
    }
    joined.corpus = programs.len();
    let folder = Folder::begin(&args.output)?;
    for (name, text) in &kept {
        folder.write(name, text)?;
    }
    folder.write_report(&joined)?;
    folder.write_corpus(&programs.into_iter().collect::<Vec<_>>())?;
    folder.show(context, "merge", &joined)
}
