// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim exec` of a Linux program: its output is passed through, or part of the JSON report.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};

use linux::{Ended, Options, Process, Stream};
use report::ProgramReport;

use crate::args::ExecArgs;
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exec::{BOUNDARIES_MORE, BOUNDARIES_PER_INSTRUCTION, CHUNK, retired};
use crate::exit::Exit;

/// Instructions without `--max-insns`: some minutes.
const INSTRUCTIONS_MAX: u64 = 10_000_000_000;

/// Where the program's output goes.
#[derive(Debug)]
pub(crate) struct Sink {
    /// Kept for the report instead of passed through.
    keep: bool,
    out: Vec<u8>,
    err: Vec<u8>,
    /// The first write that failed.
    error: Option<io::Error>,
}

impl Sink {
    /// Nothing taken yet.
    pub(crate) const fn new(keep: bool) -> Self {
        Self {
            keep,
            out: Vec::new(),
            err: Vec::new(),
            error: None,
        }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let result = match (self.keep, stream) {
            (true, Stream::Out) => self.out.write_all(bytes),
            (true, Stream::Err) => self.err.write_all(bytes),
            (false, Stream::Out) => io::stdout().write_all(bytes),
            (false, Stream::Err) => io::stderr().write_all(bytes),
        };
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }
}

pub(crate) fn run(context: &Context, args: &ExecArgs, bytes: &[u8]) -> Result<Exit, Failure> {
    let name = args.program.display();
    context.verbose(|| format!("{name}: a Linux program"));
    let (machine, _) = Configs::around(None).machine(&args.machine)?;
    let hardware =
        explore::hardware(&machine).map_err(|error| Failure::input(error.to_string()))?;
    let mut process = Process::load(bytes, &hardware, &options(args))
        .map_err(|error| Failure::input(format!("{name}: {error}")))?;
    let mut sink = Sink::new(context.json());
    let most = args.max_insns.unwrap_or(INSTRUCTIONS_MAX);
    let ended = execute(context, &mut process, most, &mut sink);
    if !sink.keep
        && let Err(error) = io::stdout().flush()
    {
        sink.error.get_or_insert(error);
    }
    if let Some(error) = sink.error {
        return Err(Failure::Output(error));
    }
    let report = ProgramReport::new(&process, ended.as_ref(), &sink.out, &sink.err);
    if context.json() {
        context.result("exec", &report, |_| Ok(()))?;
    } else if !context.quiet() {
        context.note(&report.summary());
    }
    Ok(match ended {
        Some(Ended::Exited(0)) => Exit::Good,
        Some(Ended::Limit) => Exit::Cut,
        None => Exit::Interrupted,
        Some(_) => Exit::Finding,
    })
}

pub(crate) fn options(args: &ExecArgs) -> Options {
    let path = args.program.as_os_str();
    let exe = args.program.canonicalize();
    // Programs rely on the link being an absolute path; standard input has none.
    let exe = exe.map_or_else(|_| OsString::from("/program"), OsString::from);
    let mut all = vec![raw(path)];
    all.extend(args.args.iter().map(|arg| raw(arg)));
    Options {
        args: all,
        env: args.env.iter().map(|variable| raw(variable)).collect(),
        path: raw(path),
        exe: raw(&exe),
        seed: args.seed,
        memory: u64::from(args.memory) << 20,
        base: args.base,
    }
}

/// The bytes of a text of the host.
fn raw(text: &OsStr) -> Vec<u8> {
    text.as_encoded_bytes().to_vec()
}

/// Runs to an end, or until `max_insns` instructions have retired; `None` when interrupted.
pub(crate) fn execute(
    context: &Context,
    process: &mut Process,
    max_insns: u64,
    sink: &mut Sink,
) -> Option<Ended> {
    let boundaries_max = max_insns
        .saturating_mul(BOUNDARIES_PER_INSTRUCTION)
        .saturating_add(BOUNDARIES_MORE);
    loop {
        if context.interrupt.pressed() {
            return None;
        }
        // A boundary retires one instruction at most, so this never runs past the limit.
        let left = max_insns.saturating_sub(retired(process.machine()));
        if left == 0 || process.machine().cores()[0].ordinal >= boundaries_max {
            return Some(Ended::Limit);
        }
        let ended = process.run(left.min(CHUNK), &mut |stream, bytes| {
            sink.take(stream, bytes);
        });
        if sink.error.is_some() || !matches!(ended, Ended::Limit) {
            return Some(ended);
        }
    }
}
