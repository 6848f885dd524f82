// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim list`: names that files and flags can use.

use abi::rows::Row;
use report::{ListItem, ListReport};
use scenario::{Machine, Scheduler, Vendor};
use timing::skylake::names::EVENTS as NAMED;

use crate::args::{ListArgs, What};
use crate::configs::{Configs, Kind, relative};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, json_name};

/// Event kinds of scenario files, in words.
const EVENTS: [(&str, &str); 8] = [
    (
        "inject",
        "counts only what decisions deliver; overflows at the boundary of an injected NMI",
    ),
    ("instructions", "instructions retired"),
    ("cycles", "unhalted core cycles"),
    (
        "ref-cycles",
        "unhalted cycles at the rate of the time-stamp counter",
    ),
    ("branches", "branch instructions retired"),
    ("branch-misses", "mispredicted branches retired"),
    (
        "cpu-clock",
        "nanoseconds: a software event, in the group of a hardware event",
    ),
    (
        "{ raw = 0x1c2 }",
        "an event select: code, unit mask, EDGE, ANY, INV, CMASK",
    ),
];

pub(crate) fn run(context: &Context, args: &ListArgs) -> Result<Exit, Failure> {
    let configs = Configs::around(None);
    let mut items = match args.what {
        What::Scenarios => scenarios(&configs)?,
        What::Oracles => check::Oracle::ALL
            .iter()
            .map(|oracle| item(oracle.name(), oracle.about(), ""))
            .collect(),
        What::Machines => named(&configs, Kind::Machine),
        What::Schedulers => named(&configs, Kind::Scheduler),
        What::Events => EVENTS
            .iter()
            .map(|(name, about)| item(name, about, ""))
            .chain(NAMED.iter().map(|event| {
                let code = if event.fixed {
                    format!("fixed counter {}", event.umask.saturating_sub(1))
                } else if event.cmask == 0 {
                    format!("{:#04x}{:02x}", event.umask, event.code)
                } else {
                    format!(
                        "{:#04x}{:02x}, CMASK {}",
                        event.umask, event.code, event.cmask
                    )
                };
                item(event.name, event.meaning, &code)
            }))
            .collect(),
    };
    if context.json() {
        for item in &mut items {
            item.origin = json_name(&item.origin);
        }
    }
    let empty = items.is_empty();
    let report = ListReport {
        what: args.what.name().to_owned(),
        items,
    };
    context.result("list", &report, |out| report.human(out))?;
    if empty {
        context.note("nothing found: is there a folder sim-configs here or above?");
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Good)
}

fn item(name: &str, about: &str, origin: &str) -> ListItem {
    ListItem {
        name: name.to_owned(),
        about: about.to_owned(),
        origin: origin.to_owned(),
    }
}

fn scenarios(configs: &Configs) -> Result<Vec<ListItem>, Failure> {
    let mut items = Vec::new();
    for root in configs.roots() {
        let folder = root.join("scenarios");
        if !folder.is_dir() {
            continue;
        }
        let mut found = Vec::new();
        files::walk(&folder, &["toml"], &mut found)?;
        found.sort();
        for file in found {
            let name = relative(&file);
            let about = match files::text(&file) {
                Ok(input) => match scenario::parse_scenario(&input.source) {
                    Ok(scenario) => scenario.title,
                    Err(errors) => format!("{} errors: pmusim check {name}", errors.list().len()),
                },
                Err(_) => "cannot be read".to_owned(),
            };
            let name = json_name(&name);
            items.push(item(&name, &about, ""));
        }
    }
    Ok(items)
}

fn named(configs: &Configs, kind: Kind) -> Vec<ListItem> {
    let about = |name: &str| match kind {
        Kind::Machine => configs
            .machine(name)
            .map(|(machine, _)| about_machine(&machine)),
        Kind::Scheduler => configs
            .scheduler(name)
            .map(|scheduler| about_scheduler(&scheduler)),
    };
    configs
        .names(kind)
        .iter()
        .map(|(name, origin)| {
            let about = about(name).unwrap_or_else(|failure| {
                let n = failure.errors().len();
                format!("{n} errors: pmusim check {origin}")
            });
            item(name, &about, origin)
        })
        .collect()
}

fn about_machine(machine: &Machine) -> String {
    let pmu = &machine.pmu;
    let general = format!("{} counters of {} bits", pmu.gp_counters, pmu.gp_width);
    match machine.vendor {
        Vendor::Amd => {
            let kind = match (pmu.version, pmu.core_extension) {
                (2, _) => "PerfMonV2",
                (_, true) => "extended core counters",
                (_, false) => "legacy counters",
            };
            format!("AMD, {kind}: {general}; no guest, `exec` only")
        }
        Vendor::Intel => {
            let fixed = u32::from(pmu.fixed_counters).max(pmu.fixed_bitmap.count_ones());
            let guest = match machine.guest_refusal() {
                Some(_) => "; no guest, `exec` only",
                None => "",
            };
            format!(
                "Intel, perfmon version {}: {general}, {fixed} fixed of {}{guest}",
                pmu.version, pmu.fixed_width
            )
        }
    }
}

/// The version that most functions are of, and the rows that differ from it.
fn about_scheduler(scheduler: &Scheduler) -> String {
    let value = |row: Row| scheduler.value(row);
    let main = value(Row::CanShare);
    let rest: Vec<String> = Row::ALL
        .into_iter()
        .filter(|&row| {
            let usual = match row.values() {
                ["false", "true"] | ["v5.5", ..] => row.values()[0],
                _ => main,
            };
            value(row) != usual
        })
        .map(|row| format!("{} = {}", row.name(), value(row)))
        .collect();
    let shares = if scheduler.shares() {
        format!("functions of {main}")
    } else {
        "no sharing".to_owned()
    };
    if rest.is_empty() {
        shares
    } else {
        format!("{shares}; {}", rest.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenario::Source;

    #[test]
    fn every_listed_event_kind_parses() {
        for (kind, _) in EVENTS {
            let kind = if kind.starts_with('{') {
                kind.to_owned()
            } else {
                format!("{kind:?}")
            };
            let period = if kind.contains("inject") {
                ", sample_period = 2"
            } else {
                ""
            };
            let text = format!(
                "format = 1\ntitle = \"t\"\nmachine = \"skylake\"\n\
                 event = [{{ id = \"A\", kind = {kind}{period} }}]\n\
                 [[cpu]]\nprogram = [{{ open = \"A\" }}]\n"
            );
            let parsed = scenario::parse_scenario(&Source::new("test", text));
            assert!(parsed.is_ok(), "{kind}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn the_oracles_of_checks_and_of_files_have_the_same_names() {
        for oracle in check::Oracle::ALL {
            assert!(
                scenario::Oracle::from_name(oracle.name()).is_some(),
                "{oracle}"
            );
        }
    }
}
