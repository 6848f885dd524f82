// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim check`: every mistake in every file, nothing executed.

use std::path::{Component, Path};

use report::{CheckReport, CheckedFile, InputError};
use scenario::Diagnostics;

use crate::args::CheckArgs;
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, Input, json_name};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scenario,
    Machine,
    Scheduler,
    Known,
    Trace,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Machine => "machine",
            Self::Scheduler => "scheduler",
            Self::Known => "known",
            Self::Trace => "trace",
        }
    }

    /// By what only one kind of file has, else by the folder, else a scenario.
    fn of(input: &Input) -> Self {
        let text = &input.source.text;
        if text.starts_with("pmusim-trace") {
            return Self::Trace;
        }
        for line in text.lines() {
            let line = line.trim();
            match line
                .split_once(['=', '#'])
                .map_or(line, |(key, _)| key)
                .trim()
            {
                "[[known]]" => return Self::Known,
                "[rows]" | "base" => return Self::Scheduler,
                "[pmu]" | "vendor" | "skid_max" => return Self::Machine,
                "[[cpu]]" | "[[event]]" | "event" | "title" => return Self::Scenario,
                _ => {}
            }
        }
        let path = input.path.as_deref().unwrap_or(Path::new(""));
        let below = |name: &str| {
            path.components()
                .any(|c| c == Component::Normal(name.as_ref()))
        };
        if path.extension().is_some_and(|e| e == "trace") {
            Self::Trace
        } else if path.file_name().is_some_and(|name| name == "known.toml") {
            Self::Known
        } else if below("machines") {
            Self::Machine
        } else if below("schedulers") {
            Self::Scheduler
        } else {
            Self::Scenario
        }
    }
}

/// What is wrong with a file.
enum Wrong {
    Diagnostics(Vec<Diagnostics>),
    Errors(Vec<InputError>),
}

pub(crate) fn run(context: &Context, args: &CheckArgs) -> Result<Exit, Failure> {
    let paths = files::expand(&args.files, &["toml", "trace"])?;
    let mut report = CheckReport { files: Vec::new() };
    for path in paths {
        report.files.push(check(context, &path));
    }
    if report.files.is_empty() {
        context.note("nothing to check: no .toml or .trace file there");
        return Ok(Exit::Nothing);
    }
    context.result("check", &report, |out| report.human(out))?;
    let (bad, errors) = report.bad();
    if bad == 0 {
        return Ok(Exit::Good);
    }
    context.note(&format!(
        "{errors} errors in {bad} of {} files",
        report.files.len()
    ));
    Ok(Exit::Input)
}

fn check(context: &Context, path: &Path) -> CheckedFile {
    let shown = &|name: &str| {
        if context.json() {
            json_name(name)
        } else {
            name.to_owned()
        }
    };
    let (kind, name, wrong) = match files::text(path) {
        Err(failure) => {
            context.note(&failure.render(context.colors_stderr()));
            let name = path.display().to_string();
            (Kind::Scenario, name, Some(Wrong::Errors(failure.errors())))
        }
        Ok(input) => {
            let kind = Kind::of(&input);
            let wrong = parse(kind, &input).err();
            (kind, input.source.name, wrong)
        }
    };
    let errors = match wrong {
        None => Vec::new(),
        Some(Wrong::Errors(errors)) => errors,
        Some(Wrong::Diagnostics(all)) => {
            for diagnostics in &all {
                context.note(&diagnostics.render(context.colors_stderr()));
                context.note("");
            }
            all.iter()
                .flat_map(|one| InputError::all(one, shown))
                .collect()
        }
    };
    CheckedFile {
        file: shown(&name),
        kind: kind.name(),
        errors,
    }
}

fn parse(kind: Kind, input: &Input) -> Result<(), Wrong> {
    let source = &input.source;
    let configs = Configs::around(input.path.as_deref());
    match kind {
        Kind::Scenario => scenario::parse_scenario(source)
            .and_then(|scenario| scenario::resolve(source, &scenario, &configs).map(|_| ())),
        Kind::Machine => scenario::parse_machine(source).map(|_| ()),
        Kind::Scheduler => scenario::parse_scheduler(source, &configs).map(|_| ()),
        Kind::Known => scenario::parse_known(source).map(|_| ()),
        Kind::Trace => return trace(source),
    }
    .map_err(|diagnostics| Wrong::Diagnostics(vec![diagnostics]))
}

/// A trace's own lines, then the files inside it.
fn trace(source: &scenario::Source) -> Result<(), Wrong> {
    let trace = trace::Trace::parse(&source.name, &source.text).map_err(|error| {
        Wrong::Errors(vec![InputError {
            line: u32::try_from(error.line).ok(),
            file: Some(source.name.clone()),
            ..InputError::plain(error.message)
        }])
    })?;
    let inner = |inline: &trace::Inline| {
        let name = format!("{} ({})", source.name, inline.name);
        scenario::Source::new(name, inline.text.clone())
    };
    let texts = scenario::Texts::default();
    let all: Vec<Diagnostics> = [
        scenario::parse_scenario(&inner(&trace.scenario)).err(),
        scenario::parse_machine(&inner(&trace.machine)).err(),
        scenario::parse_scheduler(&inner(&trace.scheduler), &texts).err(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if all.is_empty() {
        Ok(())
    } else {
        Err(Wrong::Diagnostics(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenario::Source;

    fn kind(path: &str, text: &str) -> Kind {
        Kind::of(&Input {
            path: Some(path.into()),
            source: Source::new(path, text),
        })
    }

    #[test]
    fn content_beats_the_folder() {
        assert_eq!(kind("x.toml", "format = 1\n[rows]\n"), Kind::Scheduler);
        assert_eq!(
            kind("machines/x.toml", "format = 1\n[rows]\n"),
            Kind::Scheduler
        );
        assert_eq!(
            kind("x.toml", "format = 1\nvendor = \"intel\"\n"),
            Kind::Machine
        );
        assert_eq!(kind("x.toml", "[[known]]\n"), Kind::Known);
        assert_eq!(kind("x", "pmusim-trace 1\n"), Kind::Trace);
        assert_eq!(
            kind("machines/x.toml", "format = 1\ntitle = \"[rows]\"\n"),
            Kind::Scenario
        );
    }

    #[test]
    fn the_folder_decides_what_the_content_does_not() {
        assert_eq!(kind("a/schedulers/x.toml", "format = 1\n"), Kind::Scheduler);
        assert_eq!(kind("a/machines/x.toml", ""), Kind::Machine);
        assert_eq!(kind("a/known.toml", "format = 1\n"), Kind::Known);
        assert_eq!(kind("a/x.trace", ""), Kind::Trace);
        assert_eq!(kind("x.toml", ""), Kind::Scenario);
    }
}
