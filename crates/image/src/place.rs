// SPDX-License-Identifier: GPL-2.0-only
//! From an address to a function and a source line.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::debug_info::{DebugInfo, Reader};
use crate::elf::Symbol;
use crate::{name, sources};

/// One source position in a chain of inlined functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Short name of the function.
    pub function: String,
    /// File, relative to the repository for the guest's own sources.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
}

/// What stands at an address. Displayed as `remove_dup+0x3c (crates/perf-core/src/x.rs:41)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address itself.
    pub addr: u64,
    /// Short name of the function in the symbol table, into which everything else was inlined.
    pub function: Option<String>,
    /// Offset from that function's start; from 0 when there is none.
    pub offset: u64,
    /// File of the innermost source position.
    pub file: Option<String>,
    /// Line of it, from 1.
    pub line: Option<u32>,
    /// Column of it, from 1.
    pub column: Option<u32>,
    /// When the instruction comes from an inlined function: the whole chain, innermost first, the
    /// function itself last. Empty otherwise.
    pub inlined: Vec<Frame>,
}

impl Place {
    /// A place that is not in the code.
    pub(crate) const fn unknown(addr: u64) -> Self {
        Self {
            addr,
            function: None,
            offset: addr,
            file: None,
            line: None,
            column: None,
            inlined: Vec::new(),
        }
    }
}

impl Place {
    /// File and line in the function itself: for an instruction that comes from an inlined
    /// function, where that was called.
    #[must_use]
    pub fn own_line(&self) -> Option<(&str, Option<u32>)> {
        match self.inlined.last() {
            Some(frame) => frame.file.as_deref().map(|file| (file, frame.line)),
            None => self.file.as_deref().map(|file| (file, self.line)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => write!(f, "{function}+{:#x}", self.offset)?,
            None => write!(f, "{:#x}", self.addr)?,
        }
        match self.own_line() {
            Some((file, Some(line))) => write!(f, " ({file}:{line})"),
            Some((file, None)) => write!(f, " ({file})"),
            None => Ok(()),
        }
    }
}

/// The line tables of a file.
pub(crate) struct Lines {
    /// The parser fills itself while it is asked, hence the lock; reports ask, runs do not.
    context: Option<Mutex<addr2line::Context<Reader>>>,
}

impl Lines {
    pub(crate) fn new(debug: &DebugInfo) -> Self {
        Self {
            context: addr2line::Context::from_dwarf(debug.dwarf())
                .ok()
                .map(Mutex::new),
        }
    }

    pub(crate) fn place(&self, addr: u64, bias: u64, function: Option<&Symbol>) -> Place {
        let chain = self.frames(addr.wrapping_sub(bias));
        let first = chain.first();
        Place {
            addr,
            function: function.map(|f| f.name.clone()),
            offset: addr - function.map_or(0, |f| f.addr),
            file: first.and_then(|f| f.file.clone()),
            line: first.and_then(|f| f.line),
            column: first.and_then(|f| f.column),
            inlined: if chain.len() > 1 { chain } else { Vec::new() },
        }
    }

    fn frames(&self, addr: u64) -> Vec<Frame> {
        let Some(context) = &self.context else {
            return Vec::new();
        };
        // A panic of another asker leaves nothing half-done that matters.
        let context = context.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        let Ok(mut frames) = context.find_frames(addr).skip_all_loads() else {
            return out;
        };
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref().and_then(|f| f.raw_name().ok());
            let location = frame.location.as_ref();
            out.push(Frame {
                function: function.map_or_else(String::new, |raw| {
                    name::short(&name::path(&name::demangle(&raw))).to_owned()
                }),
                file: location.and_then(|l| l.file).map(tidy),
                line: location.and_then(|l| l.line),
                column: location.and_then(|l| l.column),
            });
        }
        out
    }
}

/// Paths of the guest become relative to the repository, those of the standard library lose the
/// compiler's hash.
fn tidy(file: &str) -> String {
    let own = file
        .strip_prefix(sources::REMAPPED_ROOT)
        .and_then(|f| f.strip_prefix('/'));
    let library = file
        .strip_prefix("/rustc/")
        .and_then(|f| f.split_once('/'))
        .map(|(_, rest)| rest);
    own.or(library).unwrap_or(file).to_owned()
}
