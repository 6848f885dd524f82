// SPDX-License-Identifier: GPL-2.0-only
//! Any bytes as choices of a program and its decisions, under the scheduler that `PMUSIM_SCHEDULER`
//! names (`retry`): a finding that is not known is a crash.
#![no_main]

#[path = "../../tests/fuzz/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
