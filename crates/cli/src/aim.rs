// SPDX-License-Identifier: GPL-2.0-only
//! `sweep --step` and `--source`: another step, or other sources, than the file says.

use explore::{aimed, sources_at};
use scenario::{NmiSource, write_scenario};

use crate::args::{SweepArgs, SweepSource};
use crate::error::Failure;
use crate::prepared::Loaded;

/// What is swept: the file as it is or, for each source that the flags ask for, the scenario that
/// says so.
pub(crate) fn aims(loaded: Loaded, args: &SweepArgs) -> Result<Vec<Loaded>, Failure> {
    let name = loaded.input.source.name.clone();
    let asked = loaded.scenario.sweep.as_ref();
    if args.step.is_none() && args.source.is_empty() {
        if asked.is_none() {
            return Err(Failure::input(format!(
                "{name} has no [sweep]: say which step by --step, and by --source what comes in between"
            )));
        }
        return Ok(vec![loaded]);
    }
    let place = match (&args.step, asked) {
        (Some(words), _) => step(&loaded, words)
            .ok_or_else(|| Failure::input(format!("{name} has no step `{words}`")))?,
        (None, Some(sweep)) => loaded.scenario.labelled(&sweep.step).unwrap_or_default(),
        (None, None) => {
            return Err(Failure::input(format!(
                "{name} has no [sweep]: say by --step which step"
            )));
        }
    };
    let possible = sources_at(&loaded.scenario, place);
    let mut sources: Vec<NmiSource> = Vec::new();
    for source in &args.source {
        match source {
            SweepSource::All => sources.extend(possible.iter().cloned()),
            SweepSource::One(source) if possible.contains(source) => sources.push(source.clone()),
            SweepSource::One(source) => {
                let possible: Vec<String> = possible.iter().map(flag).collect();
                return Err(Failure::input(format!(
                    "{name}: `{}` cannot come in between in that step; what can: {}",
                    flag(source),
                    possible.join(", ")
                )));
            }
        }
    }
    if args.source.is_empty() {
        let source = asked.map(|sweep| sweep.source.clone());
        sources.extend(source);
    }
    if sources.is_empty() {
        return Err(Failure::input(format!(
            "{name} has no [sweep]: say by --source what comes in between"
        )));
    }
    let nmis = asked.map_or(1, |sweep| sweep.nmis);
    sources
        .iter()
        .map(|source| {
            let mut aim = loaded.clone();
            let text = write_scenario(&aimed(&loaded.scenario, place, source, nmis));
            aim.input.source.text = text;
            aim.scenario = scenario::parse_scenario(&aim.input.source)?;
            // Its traces have a name of their own.
            let step = args.step.as_ref().map(|step| format!(".{step}"));
            let file = format!(
                "{}{}.{}.toml",
                loaded.input.stem(),
                step.unwrap_or_default().replace(':', "-"),
                flag(source).replace(':', "-")
            );
            aim.input.path = Some(file.into());
            Ok(aim)
        })
        .collect()
}

/// CPU and position of the step with this label, or with this number, from 1, on CPU 0 or another.
fn step(loaded: &Loaded, words: &str) -> Option<(usize, usize)> {
    if let Some(place) = loaded.scenario.labelled(words) {
        return Some(place);
    }
    let (cpu, number) = words.split_once(':').unwrap_or(("0", words));
    let (cpu, number): (usize, usize) = (cpu.parse().ok()?, number.parse().ok()?);
    let step = number.checked_sub(1)?;
    loaded.scenario.programs.get(cpu)?.steps.get(step)?;
    Some((cpu, step))
}

/// As `--source` takes it.
fn flag(source: &NmiSource) -> String {
    source.to_string().replace(' ', ":")
}
