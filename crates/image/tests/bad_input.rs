// SPDX-License-Identifier: GPL-2.0-only
//! Files that are no good images: each is refused with words, none panics.

use image::{Image, ImageError};
use proptest::prelude::*;

/// Offset of a field in the ELF header.
const TYPE: usize = 16;
const MACHINE: usize = 18;
const ENTRY: usize = 24;
const PROGRAM_HEADERS: usize = 32;
const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;

/// A little ELF with one program header for each `(type, flags, vaddr, file size, memory size)`;
/// the bytes of each are the whole file from its start.
fn elf(kind: u16, entry: u64, headers: &[(u32, u32, u64, u64, u64)]) -> Vec<u8> {
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    out.resize(HEADER_SIZE, 0);
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(TYPE, &kind.to_le_bytes());
    put(MACHINE, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(ENTRY, &entry.to_le_bytes());
    put(PROGRAM_HEADERS, &(HEADER_SIZE as u64).to_le_bytes());
    put(52, &(HEADER_SIZE as u16).to_le_bytes());
    put(54, &(PROGRAM_HEADER_SIZE as u16).to_le_bytes());
    put(56, &(headers.len() as u16).to_le_bytes());
    for (kind, flags, vaddr, file_size, size) in headers {
        out.extend(kind.to_le_bytes());
        out.extend(flags.to_le_bytes());
        for word in [0, *vaddr, *vaddr, *file_size, *size, 1] {
            out.extend(word.to_le_bytes());
        }
    }
    out
}

const LOAD: u32 = 1;
const RX: u32 = 5;
const RW: u32 = 6;
const EXEC: u16 = 2;
const DYN: u16 = 3;

fn error(bytes: &[u8]) -> ImageError {
    Image::parse(bytes).unwrap_err()
}

#[test]
fn the_smallest_good_elf_is_taken() {
    let image = Image::parse(&elf(EXEC, 0x1000, &[(LOAD, RX, 0x1000, 64, 0x2000)])).unwrap();
    assert_eq!(image.entry(), 0x1000);
    let segment = &image.segments()[0];
    assert_eq!(
        (segment.addr, segment.bytes.len(), segment.size),
        (0x1000, 64, 0x2000)
    );
    assert!(segment.read && segment.exec && !segment.write);
    assert!(image.symbols().is_empty());
    assert!(image.layout("PerfEvent").is_none());
    assert_eq!(image.place(0x1004).to_string(), "0x1004");
}

#[test]
fn a_position_independent_one_is_moved_to_its_base() {
    let bytes = elf(DYN, 0x40, &[(LOAD, RX, 0, 64, 128)]);
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(image.entry(), image::DEFAULT_BASE + 0x40);
    let image = Image::parse_at(&bytes, 0x7000).unwrap();
    assert_eq!((image.entry(), image.segments()[0].addr), (0x7040, 0x7000));
}

#[test]
fn each_defect_has_its_own_words() {
    let good = elf(EXEC, 0x1000, &[(LOAD, RX, 0x1000, 64, 64)]);
    assert_eq!(error(b""), ImageError::NotElf("the file is empty"));
    assert!(matches!(error(b"#!/bin/sh\n"), ImageError::NotElf(_)));
    assert!(matches!(error(&good[..10]), ImageError::NotElf(_)));
    assert!(matches!(error(&good[..40]), ImageError::Damaged(_)));
    assert!(matches!(error(&good[..100]), ImageError::Damaged(_)));
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    assert!(matches!(error(&with(4, 1)), ImageError::Machine(_)));
    assert!(matches!(error(&with(5, 2)), ImageError::Machine(_)));
    assert_eq!(
        error(&with(MACHINE, 183)),
        ImageError::Machine("machine 183".into())
    );
    assert!(matches!(error(&with(TYPE, 1)), ImageError::Kind(_)));
    assert!(matches!(error(&with(TYPE, 4)), ImageError::Kind(_)));
    assert!(matches!(error(&with(TYPE, 9)), ImageError::Kind(_)));
    assert_eq!(error(&elf(EXEC, 0x1000, &[])), ImageError::Entry(0x1000));
    assert_eq!(
        error(&elf(EXEC, 0x1000, &[(LOAD, RW, 0x1000, 64, 64)])),
        ImageError::Entry(0x1000)
    );
    let interpreter = elf(EXEC, 0x1000, &[(LOAD, RX, 0x1000, 64, 64), (3, 4, 0, 0, 0)]);
    assert!(matches!(error(&interpreter), ImageError::Dynamic(_)));
}

#[test]
fn impossible_segments_are_refused() {
    let of = |header| error(&elf(EXEC, 0x1000, &[(LOAD, RX, 0x1000, 64, 64), header]));
    for header in [
        (LOAD, RW, 0x4000, 64, 32),
        (LOAD, RW, u64::MAX - 8, 0, 64),
        (LOAD, RW, 0x4000, 1 << 40, 1 << 40),
        (LOAD, RW, 0x4000, 4096, 4096),
    ] {
        let error = of(header);
        assert!(
            matches!(error, ImageError::Segment { index: 1, .. }),
            "{error}"
        );
    }
    let overlap = of((LOAD, RW, 0x1020, 0, 64));
    assert!(overlap.to_string().contains("overlap"), "{overlap}");
}

#[test]
fn a_cut_guest_is_refused_or_loses_only_its_names() {
    let elf = image::guest_elf();
    for length in (0..elf.len()).step_by(elf.len() / 97) {
        match Image::parse(&elf[..length]) {
            Ok(image) => assert_eq!(image.segments(), Image::guest().segments()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Asks everything that can be asked.
fn use_it(bytes: &[u8]) {
    let Ok(image) = Image::parse(bytes) else {
        return;
    };
    let mut answers = 0;
    for symbol in image.symbols().iter().take(64) {
        answers += image.place(symbol.addr).inlined.len();
        answers += usize::from(image.symbol(&symbol.name).is_some());
        let end = symbol.addr.wrapping_add(symbol.size);
        answers += usize::from(image.function_at(end).is_some());
        answers += usize::from(image.object_at(end).is_some());
    }
    for addr in [0, image.entry(), u64::MAX] {
        answers += image.place(addr).to_string().len();
    }
    for layout in image.layouts() {
        let field = layout.field_at(layout.size / 2);
        answers += usize::from(field.is_some_and(|f| layout.field(&f.name).is_some()));
    }
    assert!(answers > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        use_it(&bytes);
    }

    #[test]
    fn no_bytes_behind_a_good_header_panic(
        tail in prop::collection::vec(any::<u8>(), 0..512),
        kind in 2u16..4,
        headers in prop::collection::vec((0u32..8, 0u32..8, 0u64..0x4000, 0u64..256, 0u64..512), 0..4),
        sections in any::<[u8; 8]>(),
    ) {
        let mut bytes = elf(kind, 0x1000, &headers);
        bytes[40..48].copy_from_slice(&sections);
        bytes[42..48].fill(0);
        bytes[58] = 64;
        bytes[60] = sections[7] % 8;
        bytes.extend(tail);
        use_it(&bytes);
    }
}

#[test]
fn no_damage_to_the_guest_panics() {
    // Deterministic damage all over the file: headers, tables, debug information.
    let elf = image::guest_elf();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for round in 0..40 {
        let mut bytes = elf.clone();
        for _ in 0..1 << (round % 8) {
            let at = next(bytes.len());
            bytes[at] = next(256) as u8;
        }
        use_it(&bytes);
    }
}
