// SPDX-License-Identifier: GPL-2.0-only
//! What can be wrong with an ELF.

/// Why a file is not an image that the machine can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file does not begin like an ELF.
    #[error("not an ELF file: {0}")]
    NotElf(&'static str),
    /// Not for x86-64.
    #[error("the ELF is made for {0}, not for 64-bit little-endian x86-64")]
    Machine(String),
    /// Relocatable object, core dump or other kind.
    #[error("the ELF is {0}, not an executable")]
    Kind(String),
    /// Dynamically linked.
    #[error("the ELF is dynamically linked ({0}): link it statically")]
    Dynamic(String),
    /// A relocation that the loader does not apply.
    #[error("the ELF needs {0}, which this loader does not apply: link it to a fixed address")]
    Relocation(String),
    /// A header or table points outside of the file or makes no sense.
    #[error("the ELF is damaged: {0}")]
    Damaged(String),
    /// A loadable segment is impossible.
    #[error("segment {index} of the ELF {reason}")]
    Segment {
        /// Number of the program header.
        index: usize,
        /// What is wrong, as the end of a sentence.
        reason: String,
    },
    /// Nothing to run.
    #[error("the entry point {0:#x} of the ELF is in no executable segment")]
    Entry(u64),
}
