// SPDX-License-Identifier: GPL-2.0-only
//! Time to the first violation of one scheduler, and to exhaust another, by sweeps of a scenario:
//! `races SCENARIO BAD GOOD`. One worker; CPU time of its thread where the kernel tells it.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use explore::{Plan, Progress, prepare, sweep};
use scenario::Source;

/// Sweeps that the median is taken of.
const TIMES: usize = 9;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, bad, good] = arguments.as_slice() else {
        return Err("usage: races SCENARIO BAD GOOD".into());
    };
    let read = |path: &Path| -> Result<Source, Box<dyn Error>> {
        let name = path.display().to_string();
        Ok(Source::new(&name, fs::read_to_string(path)?))
    };
    let wrong = |errors: scenario::Diagnostics| errors.render(false);
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sim-configs");
    let scenario = scenario::parse_scenario(&read(Path::new(file))?).map_err(wrong)?;
    let machine = configs
        .join("machines")
        .join(format!("{}.toml", scenario.machine));
    let machine = scenario::parse_machine(&read(&machine)?).map_err(wrong)?;
    for (name, only_first) in [(bad, true), (good, false)] {
        let path = configs.join("schedulers").join(format!("{name}.toml"));
        let texts = scenario::Texts::default();
        let scheduler = scenario::parse_scheduler(&read(&path)?, &texts).map_err(wrong)?;
        let prepared = prepare(&scenario, &machine, &scheduler, image::Image::guest())?;
        let plan = prepared.plan(1).ok_or("the scenario has no [sweep]")?;
        let plan = Plan { only_first, ..plan };
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..TIMES {
            let before = seconds();
            let found = sweep(&prepared.setup, plan, &Progress::default())?;
            times.push(seconds() - before);
            last = Some(found);
        }
        times.sort_by(f64::total_cmp);
        let found = last.ok_or("nothing was swept")?;
        println!(
            "{name}: {} in {:.1} ms, {} executions for {} boundaries, {} bad",
            if only_first {
                "first violation"
            } else {
                "exhausted"
            },
            times[TIMES / 2] * 1e3,
            found.executions,
            found.boundaries,
            found.bad.len()
        );
    }
    Ok(())
}

/// CPU time of this thread, which other work on the host does not stretch; wall time where there is
/// no such clock. One worker needs no other thread.
fn seconds() -> f64 {
    thread_local!(static START: Instant = Instant::now());
    let own = fs::read_to_string("/proc/thread-self/schedstat").ok();
    own.and_then(|text| Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9))
        .unwrap_or_else(|| START.with(Instant::elapsed).as_secs_f64())
}
