// SPDX-License-Identifier: GPL-2.0-only
//! The smallest scenario as a file: a title that says what it shows, labels only where something
//! names them, and expectations that it holds.

use std::collections::BTreeSet;

use check::Violation;
use machine::End;
use scenario::{CausePattern, Expect, Op, Oracle, Scenario, Source, write_scenario};
use trace::Trace;

use super::seek::Shown;
use super::{Shrink, ShrinkError, Size};
use crate::execute::Run;
use crate::findings::fresh;
use crate::inject::injections;
use crate::known::KnownFindings;
use crate::prepare::prepare;
use crate::record::{Files, record};
use crate::sweep::check_end;
use crate::verdict::judge_run;

/// The text, its trace and its size.
pub(super) fn finish(
    shrink: &Shrink<'_>,
    shown: Shown,
) -> Result<(String, Trace, Size), ShrinkError> {
    let mut scenario = shown.scenario;
    scenario.title = title(shrink);
    unlabel(&mut scenario);
    let expected = expect(&scenario, &shown.baseline, &shown.run);
    scenario
        .expect
        .insert(shrink.scheduler.name.clone(), expected);
    let text = write_scenario(&scenario);
    let source = Source::new(shrink.name, text.clone());
    let judged = |words: String| ShrinkError::Judged(words);
    let scenario = scenario::parse_scenario(&source)
        .map_err(|diagnostics| judged(diagnostics.render(false)))?;
    let image = std::sync::Arc::clone(&shrink.image);
    let prepared = prepare(&scenario, shrink.machine, shrink.scheduler, image)?;
    let decisions = injections(&mut *shrink.rig(&prepared.setup)?, &scenario)
        .map_err(|(_, error)| judged(error.to_string()))?;
    let verdict = judge_run(
        &scenario.expect[&shrink.scheduler.name],
        &shown.baseline,
        Some(&shown.run),
        &KnownFindings::default(),
    );
    if let Some(mismatch) = verdict.mismatches.first() {
        return Err(judged(mismatch.to_string()));
    }
    let files = Files {
        scenario: (&text, shrink.name),
        machine: (shrink.machine_text, &shrink.machine.name),
        scheduler: shrink.scheduler,
    };
    let trace = record(&prepared, &scenario, files, &decisions)?;
    let size = Size::of(&scenario, decisions.len());
    Ok((text, trace, size))
}

/// What it shows, in a line.
fn title(shrink: &Shrink<'_>) -> String {
    let verdict = shrink.verdict;
    let (after, before) = &verdict.window;
    // The row has been named.
    let own = format!("{}: ", verdict.row);
    let [after, before] = [after, before].map(|words| words.strip_prefix(&own).unwrap_or(words));
    let window = match (after, before) {
        ("-", "-") => String::new(),
        (place, "-") if place.starts_with("at ") => format!(", {place}, without an NMI"),
        (after, "-") => format!(", after {after}"),
        ("-", before) => format!(", before {before}"),
        (after, before) => format!(", between {after} and {before}"),
    };
    format!(
        "{} of {} in {}{window}",
        verdict.oracle, verdict.event, verdict.row
    )
}

/// Takes away the labels that nothing names.
fn unlabel(scenario: &mut Scenario) {
    let steps = scenario.programs.iter().flat_map(|program| &program.steps);
    let waited = steps.filter_map(|step| match &step.op {
        Op::Wait { step, .. } => Some(step.as_str()),
        _ => None,
    });
    let pointed = scenario.inject.iter().filter_map(|i| i.at.step());
    let named: BTreeSet<String> = waited.chain(pointed).map(str::to_owned).collect();
    for program in &mut scenario.programs {
        for step in &mut program.steps {
            step.label.take_if(|label| !named.contains(label));
        }
    }
}

/// What the runs show.
fn expect(scenario: &Scenario, baseline: &Run, run: &Run) -> Expect {
    let patterns = |violations: &mut dyn Iterator<Item = &Violation>| -> Vec<CausePattern> {
        let all: BTreeSet<CausePattern> = violations.map(|v| pattern(scenario, v)).collect();
        all.into_iter().collect()
    };
    let failure = [baseline, run]
        .into_iter()
        .filter(|run| !run.hangs)
        .find_map(|run| failure(&run.end));
    Expect {
        fails: failure,
        baseline: patterns(&mut baseline.violations.iter()),
        violates: patterns(&mut fresh(&run.violations, baseline).into_iter()),
        ..Expect::default()
    }
}

/// The first line of what a guest says that ends in failure, as far as another build says it too.
fn failure(end: &End) -> Option<String> {
    let words = check_end(end).err()?;
    let line = words.lines().next()?;
    let place = line.find(" at rip").unwrap_or(line.len());
    Some(line[..place].to_owned())
}

fn pattern(scenario: &Scenario, violation: &Violation) -> CausePattern {
    let event = violation.event.to_string();
    // A child is named by its parent.
    let parent = event.split('.').next().unwrap_or_default();
    let is_declared = scenario.event(parent).is_some();
    CausePattern {
        oracle: Oracle::from_name(violation.oracle.name()).expect("the names are the same"),
        event: is_declared.then_some(event),
        row: Some(violation.at.row.clone()),
        window: None,
        place: None,
        claim: None,
        line: 0,
    }
}
