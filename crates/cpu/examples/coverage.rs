// SPDX-License-Identifier: GPL-2.0-only
//! Which instructions of real programs this core lacks: sweeps the executable sections of ELF
//! files from end to end and lists by count what the decoder does not lower.
//!
//! ```console
//! $ cargo run --release -p cpu --example coverage -- /usr/bin/bash /lib/x86_64-linux-gnu/libc.so.6
//! ```
//!
//! A linear sweep also meets data between functions, so a count of a few may be no instruction.

use iced_x86::{Decoder, DecoderOptions, Instruction};
use object::{Object, ObjectSection, SectionKind};
use std::collections::BTreeMap;
use std::io::Write;

/// What is listed as one line: the set it belongs to, then the form.
fn name(i: &Instruction) -> (String, String) {
    let sets: Vec<_> = i
        .cpuid_features()
        .iter()
        .map(|f| format!("{f:?}"))
        .collect();
    (sets.join("+"), format!("{:?}", i.code()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let mut missing: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut all = 0_u64;
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let file = object::File::parse(&*bytes)?;
        let (mut here, mut lacking) = (0_u64, 0_u64);
        for section in file.sections() {
            if section.kind() != SectionKind::Text {
                continue;
            }
            let code = section.data()?;
            let mut decoder = Decoder::with_ip(64, code, section.address(), DecoderOptions::NONE);
            let mut i = Instruction::default();
            while decoder.can_decode() {
                let at = decoder.position();
                decoder.decode_out(&mut i);
                if i.is_invalid() {
                    continue;
                }
                here += 1;
                if !cpu::is_implemented(&code[at..at + i.len()]) {
                    lacking += 1;
                    *missing.entry(name(&i)).or_default() += 1;
                }
            }
        }
        writeln!(
            out,
            "{path}: {here} instructions, {lacking} not implemented"
        )?;
        all += here;
    }
    let mut sets: BTreeMap<&str, u64> = BTreeMap::new();
    for ((set, _), n) in &missing {
        *sets.entry(set).or_default() += n;
    }
    let mut rows: Vec<_> = missing.iter().collect();
    rows.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), (*name).clone()));
    writeln!(out, "of {all} instructions, by set:")?;
    for (set, n) in sets {
        writeln!(out, "{n:9}  {set}")?;
    }
    writeln!(out, "by form:")?;
    for ((set, form), n) in rows {
        writeln!(out, "{n:9}  {set}  {form}")?;
    }
    Ok(())
}
