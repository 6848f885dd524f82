// SPDX-License-Identifier: GPL-2.0-only
//! What every command has: the terminal, the chosen format, the number of jobs, the interrupt.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use report::InputError;
use serde::Serialize;

use crate::args::{Color, Format, Global};
use crate::error::Failure;
use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// The surroundings of a command.
#[derive(Debug)]
pub(crate) struct Context {
    global: Global,
    /// Ctrl-C.
    pub(crate) interrupt: Interrupt,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            global,
            interrupt: Interrupt::install(),
        }
    }

    /// How results are written.
    pub(crate) fn format(&self) -> Format {
        self.global.format
    }

    /// Writes a result as `how` says.
    pub(crate) fn write(
        &self,
        how: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = self.out();
        how(&mut out)
            .and_then(|()| out.flush())
            .map_err(Failure::Output)
    }

    /// Results go to standard output as JSON.
    pub(crate) fn json(&self) -> bool {
        self.global.format == Format::Json
    }

    /// No progress and no rates.
    pub(crate) fn quiet(&self) -> bool {
        self.global.quiet
    }

    /// Says something on standard error that only `-v` asks for.
    pub(crate) fn verbose(&self, words: impl FnOnce() -> String) {
        if self.global.verbose {
            self.note(&words());
        }
    }

    /// Worker threads.
    pub(crate) fn jobs(&self) -> usize {
        self.global.jobs.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        )
    }

    /// A progress line may be drawn.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.global.quiet && io::stderr().is_terminal()
    }

    fn choice(&self) -> ColorChoice {
        match self.global.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    /// Standard output, which drops styles where they are not wanted.
    pub(crate) fn out(&self) -> AutoStream<io::Stdout> {
        AutoStream::new(io::stdout(), self.choice())
    }

    /// A line on standard error. That it cannot be written is nobody's business.
    pub(crate) fn note(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr(), self.choice());
        let _ = writeln!(err, "{text}");
    }

    /// Says on standard error how fast it was: results hold nothing of the host.
    pub(crate) fn rate(&self, what: &str, executions: u64, took: Duration) {
        if self.quiet() {
            return;
        }
        let seconds = took.as_secs_f64();
        let per_second = if seconds > 0.0 {
            format!(", {:.0}/s", executions as f64 / seconds)
        } else {
            String::new()
        };
        self.note(&format!(
            "{what}: {executions} executions in {seconds:.2} s{per_second}"
        ));
    }

    /// Styles are wanted on standard error.
    pub(crate) fn colors_stderr(&self) -> bool {
        match self.global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(&io::stderr()) != ColorChoice::Never,
        }
    }

    /// Writes a result: text by `human`, or `report` as JSON.
    pub(crate) fn result<T: Serialize>(
        &self,
        kind: &str,
        report: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = self.out();
        let written = if self.json() {
            report::json(&mut out, kind, report)
        } else {
            human(&mut out)
        };
        written.and_then(|()| out.flush()).map_err(Failure::Output)
    }

    /// Writes a text to standard output as it is.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut out = self.out();
        let written = writeln!(out, "{}", text.trim_end());
        written.and_then(|()| out.flush()).map_err(Failure::Output)
    }

    /// Tells what went wrong, on standard error and in JSON also on standard output, and turns it
    /// into the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> Exit {
        #[derive(Serialize)]
        struct Errors {
            exit: u8,
            errors: Vec<InputError>,
        }
        if let Failure::Output(error) = failure {
            // A reader that has seen enough (`| head`) is no error.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.note(&format!("error: cannot write the result: {error}"));
            }
            return failure.exit();
        }
        self.note(&failure.render(self.colors_stderr()));
        if self.json() {
            let report = Errors {
                exit: failure.exit().code(),
                errors: failure.errors(),
            };
            let _ = report::json(&mut self.out(), "error", &report);
        }
        failure.exit()
    }
}
