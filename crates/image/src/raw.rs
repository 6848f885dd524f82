// SPDX-License-Identifier: GPL-2.0-only
//! Images of plain machine code: no file format, no symbols.

use object::elf;

use crate::{Image, ImageError};

/// Bytes of an ELF header and one program header.
const HEADERS: u64 = 64 + 56;

impl Image {
    /// An image of one segment that holds `bytes` at `base`, may be read, written and executed,
    /// and is entered at its first byte.
    ///
    /// # Errors
    /// There are no bytes, or they do not fit behind `base`.
    pub fn raw(base: u64, bytes: &[u8]) -> Result<Self, ImageError> {
        // One way to make an image is enough: the bytes get the headers that a linker would write.
        let size = bytes.len() as u64;
        let mut file = Vec::with_capacity(HEADERS as usize + bytes.len());
        file.extend(elf::ELFMAG);
        file.extend([elf::ELFCLASS64.0, elf::ELFDATA2LSB.0, elf::EV_CURRENT.0]);
        file.resize(16, 0);
        let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
        let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
        let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
        half(&mut file, elf::ET_EXEC.0);
        half(&mut file, elf::EM_X86_64.0);
        word(&mut file, elf::EV_CURRENT.0.into());
        long(&mut file, base);
        // Program headers follow, section headers do not exist.
        long(&mut file, 64);
        long(&mut file, 0);
        word(&mut file, 0);
        for value in [64, 56, 1, 64, 0, 0] {
            half(&mut file, value);
        }
        word(&mut file, elf::PT_LOAD.0);
        word(&mut file, (elf::PF_R | elf::PF_W | elf::PF_X).0);
        for value in [HEADERS, base, base, size, size, 1] {
            long(&mut file, value);
        }
        file.extend(bytes);
        Self::parse(&file)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Image, ImageError};

    #[test]
    fn bytes_become_a_segment() {
        let image = Image::raw(0x1234, &[0x90, 0xf4]).unwrap();
        assert_eq!(image.entry(), 0x1234);
        let [segment] = image.segments() else {
            panic!("one segment: {:?}", image.segments());
        };
        assert_eq!((segment.addr, segment.size), (0x1234, 2));
        assert_eq!(segment.bytes, [0x90, 0xf4]);
        assert!(segment.read && segment.write && segment.exec);
        assert!(image.symbols().is_empty());
        assert_eq!(image.place(0x1235).to_string(), "0x1235");
    }

    #[test]
    fn no_bytes_or_no_room_is_an_error() {
        assert_eq!(
            Image::raw(0x1000, &[]).unwrap_err(),
            ImageError::Entry(0x1000)
        );
        let error = Image::raw(u64::MAX, &[0x90, 0xf4]).unwrap_err();
        assert!(matches!(error, ImageError::Segment { .. }), "{error}");
    }
}
