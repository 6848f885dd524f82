// SPDX-License-Identifier: GPL-2.0-only
//! Any bytes as registers and code: no panic, no hang.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

#[path = "../../tests/fuzz/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
