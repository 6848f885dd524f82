// SPDX-License-Identifier: GPL-2.0-only
//! The ELF as the kernel's loader looks at it (fs/binfmt_elf.c): where the program headers end up in
//! memory, and where the heap begins.

use image::Image;

/// Bytes of a program header.
const HEADER_SIZE: usize = 56;
const PT_LOAD: u32 = 1;
const PT_PHDR: u32 = 6;
/// SYSCALL.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Whether an ELF is a program for Linux rather than code for the bare core: its code has a SYSCALL,
/// without which a program can neither say anything nor end.
#[must_use]
pub fn looks_like_linux(image: &Image) -> bool {
    let mut code = image.segments().iter().filter(|segment| segment.exec);
    code.any(|segment| segment.bytes.windows(2).any(|pair| pair == SYSCALL))
}

/// Where things of the file are in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Address of the program headers; 0 if no segment holds them.
    pub(crate) headers: u64,
    /// Number of program headers.
    pub(crate) header_count: u64,
    /// First byte behind all segments.
    pub(crate) end: u64,
}

impl Layout {
    /// `bytes` is the file that `image` was parsed from; what the image accepted is not judged again.
    pub(crate) fn of(bytes: &[u8], image: &Image, bias: u64) -> Self {
        let table = word(bytes, 32, 8).unwrap_or(0);
        let count = word(bytes, 56, 2).unwrap_or(0);
        let mut headers = 0;
        for i in 0..count {
            let Some(at) = usize::try_from(table)
                .ok()
                .and_then(|table| table.checked_add(i as usize * HEADER_SIZE))
            else {
                break;
            };
            let field = |offset, size| word(bytes, at + offset, size).unwrap_or(0);
            let (kind, offset, addr, size) = (field(0, 4), field(8, 8), field(16, 8), field(32, 8));
            if kind == u64::from(PT_PHDR) {
                headers = addr.wrapping_add(bias);
                break;
            }
            if kind == u64::from(PT_LOAD) && table.wrapping_sub(offset) < size && headers == 0 {
                headers = addr.wrapping_add(table - offset).wrapping_add(bias);
            }
        }
        let segments = image.segments().iter();
        Self {
            headers,
            header_count: count,
            end: segments.map(|s| s.addr + s.size).max().unwrap_or(0),
        }
    }
}

/// A little-endian number of the file.
fn word(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    let mut out = [0; 8];
    out[..size].copy_from_slice(field);
    Some(u64::from_le_bytes(out))
}
