// SPDX-License-Identifier: GPL-2.0-only
//! The program as its users meet it: through the binary, by exit codes, messages and JSON.
#![forbid(unsafe_code)]

mod bisect;
mod documents;
mod exec;
mod explained;
mod explore;
mod fuzz;
mod input;
mod matrix;
mod paths;
mod programs;
mod results;
mod shrink;
mod support;
mod throughput;
mod traces;
