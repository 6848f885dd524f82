// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim shrink`: the smallest scenario that shows the finding of a trace.

use std::cell::RefCell;
use std::fs;

use explore::{Recorded, Shrink, ShrinkError};
use report::ShrinkReport;

use crate::args::ShrinkArgs;
use crate::configs::relative;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::json_name;
use crate::prepared::guest;
use crate::progress::watched;
use crate::recorded;

pub(crate) fn run(context: &Context, args: &ShrinkArgs) -> Result<Exit, Failure> {
    let (input, trace) = recorded::read(&args.trace)?;
    let name = &input.source.name;
    let stale = |words: String| Failure::Words(Exit::Stale, words);
    let Recorded {
        scenario,
        machine,
        scheduler,
    } = recorded::inside(context, name, &trace)?;
    let verdict = recorded::finding(name, &trace, args.finding, "shrink")?;
    // Its points are found again first, if it was made with another image.
    let replay =
        explore::replay(&trace, guest()).map_err(|error| stale(format!("{name}: {error}")))?;
    let stem = format!("{}.min", input.stem());
    let scenario_name = format!("{stem}.toml");
    let (shrunk, _) = watched(context, "shrink", |progress| {
        Shrink {
            machine: &machine,
            machine_text: &trace.machine.text,
            scheduler: &scheduler,
            image: guest(),
            verdict,
            name: &scenario_name,
            progress,
            rig: RefCell::default(),
        }
        .run(&scenario, &replay.renewed.decisions)
    });
    let shrunk = shrunk.map_err(|error| {
        let exit = match &error {
            ShrinkError::NotShown(_) => Exit::Cut,
            _ => Exit::Input,
        };
        Failure::Words(exit, format!("{name}: {error}"))
    })?;

    let folder = &args.write;
    let cannot = |error: std::io::Error| {
        Failure::input(format!("cannot write to `{}`: {error}", folder.display()))
    };
    fs::create_dir_all(folder).map_err(cannot)?;
    let write = |name: String, text: &str| -> Result<String, Failure> {
        let path = folder.join(name);
        fs::write(&path, text).map_err(cannot)?;
        let shown = relative(&path);
        Ok(if context.json() {
            json_name(&shown)
        } else {
            shown
        })
    };
    let report = ShrinkReport::new(
        if context.json() {
            json_name(name)
        } else {
            name.clone()
        },
        format!("{verdict} under {}", scheduler.name),
        &shrunk,
        write(scenario_name.clone(), &shrunk.text)?,
        write(format!("{stem}.trace"), &shrunk.trace.to_string())?,
    );
    context.result("shrink", &report, |out| report.human(out))?;
    Ok(if context.interrupt.pressed() {
        Exit::Interrupted
    } else {
        Exit::Good
    })
}
