// SPDX-License-Identifier: GPL-2.0-only
//! Writing a trace: a run, its decisions with all their points, and what it showed.

use check::Violation;
use check::cause::{Cause, row_of, row_on_stack};
use image::Image;
use machine::{
    Decision, Entry, ObjectAccess, Observer, Ordinal, Schedule, SetupError, Until, View,
    access_word,
};
use scenario::{Scenario, Scheduler};
use trace::{Inline, Kind, Trace, Verdict};

use crate::execute::{Run, execute};
use crate::findings::{Base, causes, damage, fresh};
use crate::prepare::Prepared;
use crate::rig::Rig;

/// The texts that a trace inlines.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The scenario's text and file name, no path.
    pub scenario: (&'a str, &'a str),
    /// The machine's text and name.
    pub machine: (&'a str, &'a str),
    /// The scheduler.
    pub scheduler: &'a Scheduler,
}

/// Runs `prepared` under `decisions` (CPU, boundary, what; in order) and records it. The points of
/// each are those of the run that has the decisions before it. Without any decision it is the plain
/// run that is recorded.
///
/// # Errors
/// The machine cannot be built.
pub fn record(
    prepared: &Prepared,
    scenario: &Scenario,
    files: Files<'_>,
    decisions: &[Entry],
) -> Result<Trace, SetupError> {
    let setup = &prepared.setup;
    let mut rig = Rig::new(setup)?;
    let baseline = rig.run(Schedule::empty());
    let run = execute(setup, Schedule::new(decisions.to_vec()))?;
    let inline = |(text, name): (&str, &str)| Inline {
        name: name.to_owned(),
        text: normalised(text),
    };
    let recorded: Vec<trace::Decision> = decisions
        .iter()
        .enumerate()
        .map(|(i, &entry)| decision(&mut rig, scenario, &baseline, &decisions[..i], entry))
        .collect();
    Ok(Trace {
        image: hex(&setup.image.hash()),
        scenario: inline(files.scenario),
        machine: inline(files.machine),
        scheduler: Inline {
            name: files.scheduler.name.clone(),
            text: files.scheduler.to_toml(),
        },
        verdicts: verdicts(&mut rig, &baseline, &run, decisions),
        decisions: recorded,
        digest: run.digest.to_string(),
    })
}

/// A decision with all its points, which are those of the run with the `earlier` ones.
pub(crate) fn decision(
    rig: &mut Rig,
    scenario: &Scenario,
    baseline: &Run,
    earlier: &[Entry],
    (cpu, at, decision): Entry,
) -> trace::Decision {
    let boundary = boundary((cpu, at, decision));
    let (rip, hit) = code_hit(rig, earlier, cpu, boundary);
    let without = under(rig, earlier);
    let without = without.as_ref().unwrap_or(baseline);
    trace::Decision {
        cpu,
        kind: kind(scenario, at, decision),
        semantic: semantic_point(without, scenario, cpu, boundary),
        code: without.image.function_at(rip).map(|function| {
            format!(
                "{}+{:#x} hit {hit}",
                function.name,
                rip.wrapping_sub(function.addr)
            )
        }),
        ordinal: boundary,
        rip,
    }
}

/// The boundary at which a decision is seen.
pub(crate) fn boundary((_, at, decision): Entry) -> Ordinal {
    match decision {
        Decision::LatePmi { recognised_at, .. } => recognised_at,
        _ => at,
    }
}

fn kind(scenario: &Scenario, at: Ordinal, decision: Decision) -> Kind {
    let event = |code: u64| {
        scenario
            .events
            .iter()
            .find(|event| event.is_injector() && event.attr().config == code)
            .map_or_else(|| format!("{code:#x}"), |event| event.id.clone())
    };
    match decision {
        Decision::Pmi { code } => Kind::Pmi(event(code)),
        Decision::LatePmi { code, .. } => Kind::Late {
            event: event(code),
            occurs_at: at,
        },
        Decision::ExternalNmi => Kind::External,
        Decision::Tick => Kind::Tick,
        Decision::Preempt { to } => Kind::Preempt(to),
    }
}

/// What `run` shows: with decisions, what the run without them lacks, each finding around the
/// decision that brings it, the last decision's first; the findings themselves where there are none.
pub(crate) fn verdicts(
    rig: &mut Rig,
    baseline: &Run,
    run: &Run,
    decisions: &[Entry],
) -> Vec<Verdict> {
    if decisions.is_empty() {
        let of = |v| plain(&run.image, v);
        let mut list: Vec<Verdict> = run.violations.iter().map(of).collect();
        list.sort_by(|a, b| key(a).cmp(&key(b)));
        list.dedup();
        return list;
    }
    let in_the_end = fresh(&run.violations, baseline);
    let mut list: Vec<Verdict> = Vec::new();
    let mut less: Option<Run> = None;
    for (i, &decisive) in decisions.iter().enumerate() {
        let (earlier, all) = (&decisions[..i], i + 1 == decisions.len());
        let more = (!all).then(|| rig.run(Schedule::new(decisions[..=i].to_vec())));
        let without = less.as_ref().unwrap_or(baseline);
        let with = more.as_ref().unwrap_or(run);
        let among =
            |list: &[&Violation], v: &Violation| list.iter().any(|w| damage(w) == damage(v));
        let known = fresh(&without.violations, baseline);
        let mut brought = fresh(&with.violations, baseline);
        brought.retain(|v| !among(&known, v) && among(&in_the_end, v));
        let (cpu, at) = (decisive.0, boundary(decisive));
        // Up to the decision the run with it is the one without.
        let machine = rig.stand(Schedule::new(earlier.to_vec()), (cpu, at));
        let row = row_on_stack(&machine.view(cpu), machine.cores()[cpu].cpu.rip);
        let causes = causes(brought, Base::of(without), &with.touched, (cpu, at), &row);
        let mut found: Vec<Verdict> = causes.iter().map(verdict).collect();
        found.append(&mut list);
        list = found;
        less = more;
    }
    list.dedup();
    list
}

/// The run under `decisions`; none where there are none, as that is the run without NMI.
fn under(rig: &mut Rig, decisions: &[Entry]) -> Option<Run> {
    (!decisions.is_empty()).then(|| rig.run(Schedule::new(decisions.to_vec())))
}

fn key(verdict: &Verdict) -> (&str, &str, &str, &str) {
    let Verdict {
        oracle,
        event,
        row,
        window,
    } = verdict;
    (oracle, event, row, &window.0)
}

/// A finding that needs no decision: its place is the function that the access lies in.
pub(crate) fn plain(image: &Image, violation: &Violation) -> Verdict {
    Verdict {
        oracle: violation.oracle.to_string(),
        event: violation.event.to_string(),
        row: violation.at.row.clone(),
        window: (
            format!("at {}", row_of(image, violation.at.rip)),
            "-".to_owned(),
        ),
    }
}

pub(crate) fn verdict(cause: &Cause) -> Verdict {
    let words = |write: &Option<check::cause::NamedWrite>| {
        write
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    Verdict {
        oracle: cause.oracle.to_string(),
        event: cause.event.clone(),
        row: cause.row.clone(),
        window: (words(&cause.after), words(&cause.before)),
    }
}

/// The nearest access to a named object as a semantic point: the one right before the boundary, if
/// the boundary follows it at once, otherwise the first one from the boundary on.
fn semantic_point(baseline: &Run, scenario: &Scenario, cpu: usize, at: Ordinal) -> Option<String> {
    let log = baseline.log.cpu(cpu);
    let step = log
        .kernel
        .iter()
        .position(|range| range.is_some_and(|(first, last)| (first..=last).contains(&at)))?;
    let label = scenario
        .programs
        .get(cpu)
        .and_then(|program| program.steps.get(step)?.label.clone());
    let first = match label {
        Some(_) => log.kernel[step]?.0,
        None => 0,
    };
    let accesses = &log.base;
    let next = accesses.partition_point(|a| a.ordinal < at);
    let follows = |i: usize| accesses.get(i).is_some_and(|a| a.ordinal + 1 == at);
    let exact = accesses.get(next).is_some_and(|a| a.ordinal == at);
    let (side, position) = match next.checked_sub(1) {
        Some(last) if !exact && follows(last) => ("after", last),
        _ => ("before", next),
    };
    let target = accesses.get(position)?;
    let same = |a: &&ObjectAccess| {
        a.ordinal >= first
            && (a.kind, a.object, a.offset) == (target.kind, target.object, target.offset)
    };
    let hit = accesses[..=position].iter().filter(same).count();
    let label = label.map_or_else(String::new, |label| format!(" in {label}"));
    Some(format!(
        "{side} {} {}.{} hit {hit}{label}",
        access_word(target.kind),
        baseline.objects.get(target.object).name,
        baseline.objects.field_name(target.offset)
    ))
}

/// The address that boundary `at` of `cpu` precedes in the run with the decisions before it, and how
/// often it has been reached by then.
fn code_hit(rig: &mut Rig, earlier: &[Entry], cpu: usize, at: Ordinal) -> (u64, u64) {
    struct Count {
        cpu: usize,
        rip: u64,
        until: Ordinal,
        hits: u64,
    }
    impl Observer for Count {
        fn code(&mut self, view: &View<'_>) {
            let here =
                view.cpu == self.cpu && view.core.cpu.rip == self.rip && view.core.nmi.is_none();
            if here && view.core.ordinal <= self.until {
                self.hits += 1;
            }
        }
    }
    let mut schedule = Schedule::new(earlier.to_vec());
    let rip = rig.stand(schedule.clone(), (cpu, at)).cores()[cpu].cpu.rip;
    let mut count = Count {
        cpu,
        rip,
        until: at,
        hits: 0,
    };
    let machine = rig.reset();
    let watched = machine.watches_code(rip);
    machine.watch_code(rip);
    machine.run(&mut schedule, &mut count, Until::Boundary(cpu, at + 1));
    if !watched {
        machine.unwatch_code(rip);
    }
    (rip, count.hits)
}

/// Text with a final newline, as a trace holds it.
fn normalised(text: &str) -> String {
    text.lines().map(|line| format!("{line}\n")).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
