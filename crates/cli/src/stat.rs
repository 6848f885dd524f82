// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim stat`: a program or a scenario on a machine with a pipeline model, and what it counted.

use std::sync::Arc;

use image::Image;
use linux::{Ended, Process};
use machine::{End, Hardware, Machine, Schedule, Timing};
use report::StatReport;
use timing::skylake::names::{EVENTS, Named, by_name};

use crate::args::StatArgs;
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exec::{execute, for_linux};
use crate::exec_linux::{self, Sink};
use crate::exit::Exit;
use crate::files;
use crate::prepared::Loaded;

/// Without `-e`.
const USUAL: [&str; 14] = [
    "CPU_CLK_UNHALTED.THREAD",
    "INST_RETIRED.ANY",
    "UOPS_ISSUED.ANY",
    "UOPS_EXECUTED.THREAD",
    "BR_INST_RETIRED.ALL_BRANCHES",
    "BR_MISP_RETIRED.ALL_BRANCHES",
    "MEM_INST_RETIRED.ALL_LOADS",
    "MEM_INST_RETIRED.ALL_STORES",
    "MEM_LOAD_RETIRED.L1_MISS",
    "MEM_LOAD_RETIRED.L3_MISS",
    "IDQ_UOPS_NOT_DELIVERED.CORE",
    "RESOURCE_STALLS.ANY",
    "INT_MISC.RECOVERY_CYCLES",
    "CYCLE_ACTIVITY.STALLS_TOTAL",
];
/// Where a machine without a pipeline model is the default of `exec`, this one is meant.
const MACHINE: (&str, &str) = ("skylake", "skylake-ooo");
/// Instructions without `--max-insns`.
const INSTRUCTIONS_MAX: u64 = 1_000_000_000;

pub(crate) fn run(context: &Context, args: &StatArgs) -> Result<Exit, Failure> {
    let events = events(&args.events)?;
    let program = &args.exec.program;
    let toml = program.extension().is_some_and(|e| e == "toml");
    let (end, exit, machine) = if toml {
        scenario(context, args)?
    } else {
        executable(context, args)?
    };
    // The machine stays as it is; the pipeline of a copy catches up.
    let mut core = machine.cores()[0].clone();
    if let Some(model) = &mut core.model {
        model.drain();
    }
    let name = program.display().to_string();
    let report = StatReport::new(
        if context.json() {
            files::json_name(&name)
        } else {
            name
        },
        machine_name(args).to_owned(),
        end,
        &events,
        &core.totals(),
    );
    context.result("stat", &report, |out| report.human(out))?;
    Ok(exit)
}

/// The events by their names; every name that is none is told.
fn events(names: &[String]) -> Result<Vec<&'static Named>, Failure> {
    let usual = USUAL.map(str::to_owned);
    let names = if names.is_empty() { &usual[..] } else { names };
    let unknown: Vec<&str> = names
        .iter()
        .filter(|name| by_name(name).is_none())
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(names.iter().filter_map(|name| by_name(name)).collect());
    }
    Err(Failure::input(format!(
        "no event `{}`; `pmusim list events` has all {}",
        unknown.join("`, `"),
        EVENTS.len()
    )))
}

fn machine_name(args: &StatArgs) -> &str {
    match args.exec.machine.as_str() {
        name if name == MACHINE.0 => MACHINE.1,
        name => name,
    }
}

/// Under `unit` the counts would say nothing.
fn timed(hardware: &Hardware, args: &StatArgs) -> Result<(), Failure> {
    if hardware.timing == Timing::Unit {
        return Err(Failure::input(format!(
            "machine {} has timing `unit`: it has no cycles of its own to count",
            machine_name(args)
        )));
    }
    Ok(())
}

type Done = (String, Exit, Machine);

fn scenario(context: &Context, args: &StatArgs) -> Result<Done, Failure> {
    let exec = &args.exec;
    let loaded = Loaded::read(
        context,
        &exec.program,
        Some(machine_name(args)),
        &args.scheduler,
    )?;
    let Some(scheduler) = loaded.schedulers.first() else {
        return Err(Failure::input(
            "the file expects nothing of any scheduler; name one with --scheduler",
        ));
    };
    let prepared = loaded.prepare(scheduler)?;
    timed(&prepared.setup.hardware, args)?;
    let done = explore::execute(&prepared.setup, Schedule::empty())
        .map_err(|error| Failure::input(error.to_string()))?;
    let exit = match explore::check_end(&done.end) {
        Ok(()) => Exit::Good,
        Err(_) => Exit::Finding,
    };
    let end = match explore::check_end(&done.end) {
        Ok(()) => format!("under {}, to its end", scheduler.name),
        Err(words) => words,
    };
    Ok((end, exit, done.machine))
}

fn executable(context: &Context, args: &StatArgs) -> Result<Done, Failure> {
    let exec = &args.exec;
    let name = exec.program.display();
    let bytes = files::bytes(&exec.program)?;
    let (machine, _) = Configs::around(None).machine(machine_name(args))?;
    let hardware =
        explore::hardware(&machine).map_err(|error| Failure::input(error.to_string()))?;
    timed(&hardware, args)?;
    let bad = |error: &dyn std::fmt::Display| Failure::input(format!("{name}: {error}"));
    let most = exec.max_insns.unwrap_or(INSTRUCTIONS_MAX);
    let elf = bytes.starts_with(b"\x7fELF") && !exec.raw;
    if elf && !exec.bare && (exec.linux || for_linux(&bytes, exec.base)) {
        let mut process = Process::load(&bytes, &hardware, &exec_linux::options(exec))
            .map_err(|error| bad(&error))?;
        // With JSON standard output is the report's.
        let mut sink = Sink::new(context.json());
        let ended = exec_linux::execute(context, &mut process, most, &mut sink);
        let (end, exit) = match &ended {
            Some(Ended::Exited(0)) => ("exited with 0".to_owned(), Exit::Good),
            Some(Ended::Exited(n)) => (format!("exited with {n}"), Exit::Finding),
            Some(Ended::Limit) => ("limit of instructions".to_owned(), Exit::Cut),
            Some(other) => (format!("{other:?}"), Exit::Finding),
            None => ("interrupted".to_owned(), Exit::Interrupted),
        };
        return Ok((end, exit, process.machine().clone()));
    }
    let image = if elf {
        Image::parse_at(&bytes, exec.base)
    } else {
        Image::raw(exec.base, &bytes)
    };
    let image = image.map_err(|error| bad(&error))?;
    let mut machine = Machine::bare(Arc::new(image), &hardware).map_err(|error| bad(&error))?;
    let ended = execute(context, &mut machine, most);
    let (end, exit) = match ended {
        Some(End::Halted) => ("halted".to_owned(), Exit::Good),
        Some(End::Failed(failure)) => (failure.to_string(), Exit::Finding),
        Some(End::Limit) => ("limit of instructions".to_owned(), Exit::Cut),
        Some(end) => (format!("{end:?}"), Exit::Finding),
        None => ("interrupted".to_owned(), Exit::Interrupted),
    };
    Ok((end, exit, machine))
}
