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
            let field = |offset, size| {
                let at = at.checked_add(offset);
                at.and_then(|at| word(bytes, at, size)).unwrap_or(0)
            };
            let (kind, offset, addr, size) = (field(0, 4), field(8, 8), field(16, 8), field(32, 8));
            if kind == u64::from(PT_PHDR) {
                headers = addr.wrapping_add(bias);
                break;
            }
            if kind == u64::from(PT_LOAD) && table.wrapping_sub(offset) < size && headers == 0 {
                headers = addr
                    .wrapping_add(table.wrapping_sub(offset))
                    .wrapping_add(bias);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header whose program header table lies at `table`, and one header there.
    fn file(table: u64, kind: u32, offset: u64, addr: u64, size: u64) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[32..40].copy_from_slice(&table.to_le_bytes());
        bytes[56] = 1;
        if table == 64 {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 4]);
            for word in [offset, addr, addr, size, size, 0x1000] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes
    }

    fn headers(bytes: &[u8], bias: u64) -> u64 {
        let image = Image::raw(0x40_0000, &[0x90]).unwrap();
        Layout::of(bytes, &image, bias).headers
    }

    #[test]
    fn headers_are_found_by_their_own_entry_or_by_the_segment_around_them() {
        assert_eq!(headers(&file(64, PT_PHDR, 64, 0x40_0040, 56), 0), 0x40_0040);
        assert_eq!(
            headers(&file(64, PT_PHDR, 64, 0x40, 56), 0x10_0000),
            0x10_0040
        );
        assert_eq!(
            headers(&file(64, PT_LOAD, 0, 0x40_0000, 0x200), 0),
            0x40_0040
        );
        assert_eq!(headers(&file(64, PT_LOAD, 0x1000, 0x40_0000, 0x200), 0), 0);
    }

    #[test]
    fn nonsense_is_no_panic() {
        for table in [1, 4096, u64::MAX, u64::MAX - 20] {
            assert_eq!(headers(&file(table, 0, 0, 0, 0), 0), 0, "{table:#x}");
        }
        let _ = headers(&file(64, PT_LOAD, u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        let _ = headers(&[], 0);
    }

    #[test]
    fn a_syscall_makes_a_linux_program() {
        let image = |code: &[u8]| Image::raw(0x40_0000, code).unwrap();
        assert!(looks_like_linux(&image(&[0x90, 0x0f, 0x05, 0xf4])));
        assert!(!looks_like_linux(&image(&[0x0f, 0x0b, 0x05, 0xf4])));
    }
}
