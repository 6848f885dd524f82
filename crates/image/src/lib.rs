// SPDX-License-Identifier: GPL-2.0-only
//! Guest ELF images: what to load, and what the addresses in it mean.
//!
//! An [`Image`] is made from any static x86-64 ELF, in Rust or in C, and knows its segments,
//! symbols, source lines ([`Place`]) and structure layouts ([`StructLayout`]), the last two from
//! its debug information and only when asked. [`Image::guest`] is the kernel image that is
//! committed beside this crate; [`sources`] says what it is built from, and `cargo xtask guest`
//! rebuilds it. It never links the code inside: the guest is bytes, symbols and debug information.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod committed;
mod debug_info;
mod elf;
mod error;
mod layout;
mod name;
mod place;
mod raw;
pub mod sources;
mod types;

use std::fmt;
use std::sync::OnceLock;

pub use committed::{Manifest, guest_elf};
pub use elf::{Segment, Symbol, SymbolKind};
pub use error::ImageError;
pub use layout::{Field, StructLayout};
pub use place::{Frame, Place};

use crate::elf::Relocated;
use crate::layout::Layouts;
use crate::place::Lines;

/// Where a position-independent ELF is placed when nobody says otherwise.
pub const DEFAULT_BASE: u64 = abi::layout::KERNEL_BASE;

/// A parsed ELF.
pub struct Image {
    elf: elf::Elf,
    hash: [u8; 32],
    lines: OnceLock<Lines>,
    layouts: OnceLock<Layouts>,
}

impl Image {
    /// Parses a static x86-64 ELF; a position-independent one is placed at [`DEFAULT_BASE`].
    ///
    /// # Errors
    /// Says in words what is wrong with the file. Broken debug information is no error: lines and
    /// layouts are absent then.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::parse_at(bytes, DEFAULT_BASE)
    }

    /// As [`Image::parse`], with the base for a position-independent ELF. One that was linked to
    /// an address (`ET_EXEC`) stays there.
    ///
    /// # Errors
    /// As [`Image::parse`].
    pub fn parse_at(bytes: &[u8], base: u64) -> Result<Self, ImageError> {
        Self::new(bytes, base, Relocated::Here)
    }

    /// As [`Image::parse_at`], for a program that relocates itself: its relocations are left alone,
    /// as the kernel's loader leaves them.
    ///
    /// # Errors
    /// As [`Image::parse`].
    pub fn parse_unrelocated(bytes: &[u8], base: u64) -> Result<Self, ImageError> {
        Self::new(bytes, base, Relocated::ByItself)
    }

    fn new(bytes: &[u8], base: u64, relocated: Relocated) -> Result<Self, ImageError> {
        Ok(Self {
            elf: elf::Elf::parse(bytes, base, relocated)?,
            hash: *blake3::hash(bytes).as_bytes(),
            lines: OnceLock::new(),
            layouts: OnceLock::new(),
        })
    }

    /// The committed guest kernel, decompressed and parsed at the first call.
    ///
    /// # Panics
    /// When the committed files do not fit together: the repository is broken then.
    #[must_use]
    pub fn guest() -> std::sync::Arc<Self> {
        committed::guest()
    }

    /// Address of the first instruction.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.elf.entry
    }

    /// What was added to the addresses of the file: 0 unless it is position-independent.
    #[must_use]
    pub fn bias(&self) -> u64 {
        self.elf.bias
    }

    /// What to load, by address; the parts do not overlap.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.elf.segments
    }

    /// BLAKE3 of the file's bytes.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Functions and objects by address.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        &self.elf.symbols
    }

    /// Every symbol that `name` can mean, by address: those with this linkage name or full name,
    /// else those with this short name, else those whose path ends in it (`v10::remove_dup`).
    #[must_use]
    pub fn symbols_named(&self, name: &str) -> Vec<&Symbol> {
        let rank = |s: &Symbol| s.rank_of(name);
        let best = self.elf.symbols.iter().filter_map(rank).min();
        let symbols = self.elf.symbols.iter();
        symbols
            .filter(|s| best.is_some() && rank(s) == best)
            .collect()
    }

    /// The symbol that `name` means. None when there is none, and none when it could mean things
    /// with different paths: ask [`Image::symbols_named`] which, and write more of the path.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        let mut found = self.symbols_named(name).into_iter();
        let first = found.next()?;
        found.all(|s| s.path == first.path).then_some(first)
    }

    /// The function that holds the instruction at `addr`.
    #[must_use]
    pub fn function_at(&self, addr: u64) -> Option<&Symbol> {
        self.elf.function_at(addr)
    }

    /// The object that holds the byte at `addr`.
    #[must_use]
    pub fn object_at(&self, addr: u64) -> Option<&Symbol> {
        self.elf.object_at(addr)
    }

    /// What stands at `addr`: function, offset, source line, and what was inlined there.
    #[must_use]
    pub fn place(&self, addr: u64) -> Place {
        let function = self.function_at(addr);
        let mut code = self.segments().iter().filter(|s| s.exec);
        if !code.any(|s| s.contains(addr)) {
            return Place::unknown(addr);
        }
        let lines = self.lines.get_or_init(|| Lines::new(&self.elf.debug));
        lines.place(addr, self.elf.bias, function)
    }

    /// The layout of a structure by its name (`PerfEvent`) or by the end of its path
    /// (`types::PerfEvent`). None when there is none or when several with different layouts fit.
    #[must_use]
    pub fn layout(&self, type_name: &str) -> Option<&StructLayout> {
        self.all_layouts().find(type_name)
    }

    /// Every structure of the debug information, by path.
    #[must_use]
    pub fn layouts(&self) -> &[StructLayout] {
        self.all_layouts().as_slice()
    }

    fn all_layouts(&self) -> &Layouts {
        self.layouts.get_or_init(|| Layouts::new(&self.elf.debug))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("entry", &self.elf.entry)
            .field("segments", &self.elf.segments.len())
            .field("symbols", &self.elf.symbols.len())
            .finish_non_exhaustive()
    }
}
