// SPDX-License-Identifier: GPL-2.0-only
//! Predicts basic blocks by the BHive protocol: `throughput FILE` (or `-`) reads lines whose first
//! column is hexadecimal code and prints `hex,predicted` (cycles per 100 iterations). What it
//! cannot predict has an empty field, with the reason on standard error.
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use std::io::{BufWriter, Read, Write};
use timing::skylake::bhive::{from_hex, predict};
use timing::skylake::form::Table;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "-".to_owned());
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(path)?;
    }
    let table = Table::skylake();
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "hex,predicted")?;
    for (i, line) in text.lines().enumerate() {
        let hex = line.split(',').next().unwrap_or("").trim();
        if hex == "hex" || hex.is_empty() {
            continue;
        }
        match from_hex(hex).and_then(|block| predict(&table, &block)) {
            Ok(cycles) => writeln!(out, "{hex},{cycles}")?,
            Err(why) => {
                eprintln!("line {}: {why}", i + 1);
                writeln!(out, "{hex},")?;
            }
        }
    }
    out.flush()
}
