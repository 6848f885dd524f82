// SPDX-License-Identifier: GPL-2.0-only
//! The command `pmusim`: arguments, files, terminal and exit codes. What it does is done by
//! `explore`, what it says is said by `report`; here they meet the host.
//!
//! Results go to standard output; progress, rates and errors to standard error.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod aim;
mod args;
mod args_campaign;
mod bisect;
mod campaign;
mod check;
mod configs;
mod context;
mod error;
mod exec;
mod exec_linux;
mod exit;
mod files;
mod fuzz;
mod interrupt;
mod list;
mod matrix;
mod paths;
mod prepared;
mod progress;
mod reanchor;
mod recorded;
mod reference;
mod replay;
mod run;
mod search;
mod shrink;
mod sources;
mod stat;
mod sweep;
mod throughput;
mod traces;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::context::Context;

fn main() -> ExitCode {
    // Wrong flags end here, with exit code 2.
    let cli = Cli::parse();
    let context = Context::new(cli.global);
    if let Err(failure) = cli.command.takes(context.format()) {
        return context.fail(&failure).into();
    }
    let result = match &cli.command {
        Command::Run(args) => run::run(&context, args),
        Command::Matrix(args) => matrix::run(&context, args),
        Command::Paths(args) => paths::run(&context, args),
        Command::Sweep(args) => sweep::run(&context, args),
        Command::Explore(args) => search::run(&context, args),
        Command::Fuzz(args) => fuzz::run(&context, args),
        Command::Merge(args) => fuzz::merge(&context, args),
        Command::Replay(args) => replay::run(&context, args),
        Command::Bisect(args) => bisect::run(&context, args),
        Command::Shrink(args) => shrink::run(&context, args),
        Command::Trace(command) => reanchor::run(&context, command),
        Command::Check(args) => check::run(&context, args),
        Command::List(args) => list::run(&context, args),
        Command::Explain(args) => reference::explain(&context, args),
        Command::Schema(args) => reference::schema(&context, args),
        Command::Exec(args) => exec::run(&context, args),
        Command::Stat(args) => stat::run(&context, args),
        Command::Throughput(args) => throughput::run(&context, args),
    };
    let exit = result.unwrap_or_else(|failure| context.fail(&failure));
    exit.into()
}
