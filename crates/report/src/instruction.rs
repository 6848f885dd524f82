// SPDX-License-Identifier: GPL-2.0-only
//! An instruction as reports show it: where it comes from and what it says.

use std::fmt;

use machine::Machine;
use serde::Serialize;

/// An instruction on one side of a boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instruction {
    /// Its address, in hexadecimal.
    pub address: String,
    /// Function in the symbol table and offset, as `remove_dup+0x3c`.
    pub symbol: Option<String>,
    /// Source file, relative to the repository for the guest's own sources.
    pub file: Option<String>,
    /// Source line, from 1.
    pub line: Option<u32>,
    /// Functions that were inlined there, innermost first.
    pub inlined: Vec<String>,
    /// The instruction, Intel syntax.
    pub text: String,
}

impl Instruction {
    /// The instruction at `rip` of `machine`'s memory and image.
    #[must_use]
    pub fn at(machine: &Machine, rip: u64) -> Self {
        let place = machine.image().place(rip);
        // An access goes through a chain of inlined helpers. What people look for is the line of
        // the function's own file: the innermost frame there. The last frame is the function.
        let own = place.inlined.last().and_then(|outer| {
            let mut frames = place.inlined.iter();
            frames.find(|frame| frame.file == outer.file && frame.line.is_some())
        });
        let (file, line) = match own {
            Some(frame) => (frame.file.clone(), frame.line),
            None => (place.file.clone(), place.line),
        };
        let inlined = place.inlined.split_last().map_or(&[][..], |(_, rest)| rest);
        Self {
            address: format!("{rip:#x}"),
            symbol: place
                .function
                .as_ref()
                .map(|function| format!("{function}+{:#x}", place.offset)),
            inlined: inlined.iter().map(|frame| frame.function.clone()).collect(),
            file,
            line,
            text: cpu::disassemble(machine.mem(), rip),
        }
    }

    /// `file:line`, or what is known instead.
    #[must_use]
    pub fn source(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            (None, _) => "no source line".to_owned(),
        }
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = self.symbol.as_ref().unwrap_or(&self.address);
        write!(f, "{}  {symbol}  {}", self.source(), self.text)
    }
}
