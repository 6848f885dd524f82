// SPDX-License-Identifier: GPL-2.0-only
//! Sweeps a flat image (see `explore::flat`): `sweep_image FILE [--stride K] [--reduced] [--work N]`.
//!
//! Prints what was found on one line; how long it took (CPU time of this process, where the kernel
//! tells it) goes to standard error. `--reduced` leaves out what is known to repeat the run without
//! an NMI, and must find the same. With `--work N` it then runs N turns of the image's
//! `long_kern` and prints their speed there too. Exits with 1 if an execution failed and with 2 if
//! the image or an argument is wrong.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this example is for"
)]

use std::process::ExitCode;
use std::time::Instant;

use explore::flat::{Flat, Work};

const USAGE: &str = "usage: sweep_image FILE [--stride K] [--reduced] [--work N]";

/// What a sweep prints.
pub(crate) struct Report {
    /// What was found, one line: standard output.
    pub(crate) found: String,
    /// How long it took, a line for each work: standard error.
    pub(crate) speed: String,
    failed: bool,
}

fn main() -> ExitCode {
    match sweep(std::env::args().skip(1)) {
        Ok(report) => {
            print!("{}", report.found);
            eprint!("{}", report.speed);
            ExitCode::from(u8::from(report.failed))
        }
        Err(words) => {
            eprintln!("error: {words}");
            ExitCode::from(2)
        }
    }
}

/// Sweeps as these arguments say; what is wrong with them, or with the image, in words.
pub(crate) fn sweep(args: impl Iterator<Item = String>) -> Result<Report, String> {
    let args = Args::parse(args)?;
    let file = &args.file;
    let bytes = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let mut flat = Flat::new(&bytes).map_err(|e| format!("{file}: {e}"))?;
    let clock = Clock::start();
    let found = flat
        .sweep(args.stride, args.reduced)
        .map_err(|e| format!("{file}: {e}"))?;
    let seconds = clock.seconds();
    let rate = found.executions as f64 / seconds;
    let mut speed = format!(
        "{} executions, {} of them ended behind the handler, in {seconds:.4} s: {rate:.0} executions/s\n",
        found.executions, found.skipped
    );
    if args.work > 0 {
        let clock = Clock::start();
        let done = flat
            .work(Work::Kern, args.work)
            .map_err(|e| format!("{file}: {e}"))?;
        let seconds = clock.seconds();
        let mips = done as f64 / seconds / 1e6;
        speed += &format!("{done} instructions of long_kern in {seconds:.4} s: {mips:.0} MIPS\n");
    }
    Ok(Report {
        found: format!(
            "N={} fail={} bad={} agg={:016x}\n",
            found.boundaries, found.fail, found.bad, found.aggregate
        ),
        speed,
        failed: found.fail > 0,
    })
}

struct Args {
    file: String,
    stride: u64,
    reduced: bool,
    work: u64,
}

impl Args {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut file = None;
        let (mut stride, mut reduced, mut work) = (1, false, 0);
        while let Some(arg) = given.next() {
            let mut number = || {
                let value = given.next().unwrap_or_default();
                let wrong = |_| format!("{arg} needs a number, not {value:?}\n{USAGE}");
                value.parse::<u64>().map_err(wrong)
            };
            match arg.as_str() {
                "--stride" => stride = number()?,
                "--reduced" => reduced = true,
                "--work" => work = number()?,
                _ if arg.starts_with('-') => return Err(format!("no option {arg}\n{USAGE}")),
                _ if file.is_some() => return Err(format!("more than one FILE\n{USAGE}")),
                _ => file = Some(arg),
            }
        }
        Ok(Self {
            file: file.ok_or(USAGE)?,
            stride,
            reduced,
            work,
        })
    }
}

/// CPU time of this thread, which other work on the host does not stretch; wall time where there
/// is no such clock.
struct Clock {
    wall: Instant,
    cpu: Option<f64>,
}

impl Clock {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    fn seconds(&self) -> f64 {
        match (self.cpu, cpu_seconds()) {
            (Some(then), Some(now)) => now - then,
            _ => self.wall.elapsed().as_secs_f64(),
        }
        .max(1e-9)
    }
}

fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(ns / 1e9)
}
