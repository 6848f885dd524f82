// SPDX-License-Identifier: GPL-2.0-only
//! The committed guest image: fresh, complete, and free of what the core does not run.

use std::path::{Path, PathBuf};

use abi::layout::{CPUS_MAX, KERNEL_BASE, PAGE_SIZE, USER_TEXT};
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Formatter, IntelFormatter};
use image::{Image, Manifest, Segment, SymbolKind, sources};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn it_was_built_from_these_sources() {
    let now = sources::hash(&root()).unwrap();
    assert_eq!(
        now,
        Manifest::committed().sources,
        "the sources of the guest have changed since the image was built: run `cargo xtask guest`"
    );
}

#[test]
fn its_toolchain_is_the_pinned_one() {
    let pinned = std::fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let rustc = Manifest::committed().rustc;
    let version = rustc.split(' ').nth(1).unwrap();
    assert!(
        pinned.contains(&format!("channel = \"{version}\"")),
        "built by {rustc}"
    );
}

#[test]
fn its_segments_are_code_constants_data_and_stacks() {
    let image = Image::guest();
    let segments = image.segments();
    let rights = |s: &Segment| (s.read, s.write, s.exec);
    assert_eq!(rights(&segments[0]), (true, false, true));
    assert_eq!(rights(&segments[1]), (true, false, false));
    assert_eq!(rights(&segments[2]), (true, true, false));
    let stacks = &segments[3..];
    assert_eq!(stacks.len(), 3 * CPUS_MAX);
    for stack in stacks {
        assert_eq!(rights(stack), (true, true, false));
        assert!(stack.bytes.is_empty());
        assert_eq!(stack.size, 16 << 10);
    }
    assert_eq!(segments[0].addr, KERNEL_BASE);
    for segment in segments {
        assert_eq!(segment.addr % PAGE_SIZE, 0);
        assert!(segment.addr + segment.size <= USER_TEXT);
    }
    for pair in segments.windows(2) {
        let end = (pair[0].addr + pair[0].size).next_multiple_of(PAGE_SIZE);
        assert!(end < pair[1].addr, "an unmapped page lies between segments");
    }
}

#[test]
fn entry_boot_block_and_gates_are_there_by_name() {
    let image = Image::guest();
    assert_eq!(image.symbol("_start").unwrap().addr, image.entry());
    let boot = image.symbol("BOOT_INFO").unwrap();
    assert_eq!(boot.kind, SymbolKind::Object);
    assert_eq!(boot.size, size_of::<abi::boot::BootInfo>() as u64);
    // Only its version is set; it lies in writable memory.
    let data = &image.segments()[2];
    let at = usize::try_from(boot.addr - data.addr).unwrap();
    let block = &data.bytes[at..at + size_of::<abi::boot::BootInfo>()];
    assert_eq!(block[..4], abi::boot::BOOT_VERSION.to_le_bytes());
    assert!(block[4..].iter().all(|b| *b == 0));
    for name in ["nmi_entry", "syscall_entry", "entry::timer_entry", "PERF"] {
        assert!(image.symbol(name).is_some(), "{name}");
    }
}

#[test]
fn functions_that_are_equal_stay_two() {
    let image = Image::guest();
    let functions = image.symbols().iter();
    let functions: Vec<_> = functions
        .filter(|s| s.kind == SymbolKind::Function && s.size > 0)
        // The standard library comes compiled.
        .filter(|s| s.path.starts_with("perf_core::") || s.path.starts_with("guest::"))
        .collect();
    assert!(functions.len() > 20);
    for pair in functions.windows(2) {
        assert!(
            pair[0].addr < pair[1].addr,
            "{} and {} share an address",
            pair[0].full,
            pair[1].full
        );
    }
}

#[test]
fn no_instruction_needs_vector_or_x87_registers() {
    // Everything the compiler may use for this target; TZCNT is BSF with a prefix that older
    // processors ignore.
    let plain = [
        CpuidFeature::INTEL8086,
        CpuidFeature::INTEL186,
        CpuidFeature::INTEL286,
        CpuidFeature::INTEL386,
        CpuidFeature::INTEL486,
        CpuidFeature::X64,
        CpuidFeature::CMOV,
        CpuidFeature::CPUID,
        CpuidFeature::TSC,
        CpuidFeature::MSR,
        CpuidFeature::RDPMC,
        CpuidFeature::SYSCALL,
        CpuidFeature::PAUSE,
        CpuidFeature::MULTIBYTENOP,
        CpuidFeature::CX8,
        CpuidFeature::VMX,
        CpuidFeature::BMI1,
    ];
    let image = Image::guest();
    let text = &image.segments()[0];
    let mut decoder = Decoder::with_ip(64, &text.bytes, text.addr, DecoderOptions::NONE);
    let mut count = 0;
    for instruction in &mut decoder {
        let features = instruction.cpuid_features();
        let vector = instruction
            .op_kinds()
            .enumerate()
            .filter(|(_, kind)| *kind == iced_x86::OpKind::Register)
            .any(|(i, _)| {
                let register = instruction.op_register(u32::try_from(i).unwrap());
                register.is_vector_register() || register.is_mm() || register.is_st()
            });
        let mut words = String::new();
        IntelFormatter::new().format(&instruction, &mut words);
        assert!(
            !instruction.is_invalid() && !vector && features.iter().all(|f| plain.contains(f)),
            "{}: {words} ({features:?})",
            image.place(instruction.ip()),
        );
        count += 1;
    }
    assert!(count > 1000, "{count} instructions");
}

#[test]
fn every_compiled_function_has_a_line() {
    let image = Image::guest();
    for symbol in image.symbols() {
        if symbol.kind != SymbolKind::Function || !symbol.path.starts_with("perf_core::") {
            continue;
        }
        let place = image.place(symbol.addr);
        assert_eq!(place.function.as_ref(), Some(&symbol.name));
        let file = place.file.as_deref().unwrap_or_default();
        assert!(
            file.starts_with("crates/") || file.starts_with("library/"),
            "{place}"
        );
        assert!(place.line.is_some(), "{place}");
    }
    let place = image.place(image.symbol("handlers::system_call").unwrap().addr);
    let text = place.to_string();
    assert!(
        text.starts_with("system_call+0x0 (crates/guest/src/handlers.rs:"),
        "{text}"
    );
}

#[test]
fn no_path_of_the_build_machine_is_in_it() {
    let elf = image::guest_elf();
    let here = root().canonicalize().unwrap();
    for needle in [
        here.to_str().unwrap(),
        "/home/",
        "/root/",
        "/tmp/",
        ".cargo/registry",
        ".rustup",
    ] {
        let found = elf.windows(needle.len()).any(|w| w == needle.as_bytes());
        assert!(!found, "the image contains {needle}");
    }
}

#[test]
fn the_event_is_described_as_the_host_needs_it() {
    let image = Image::guest();
    let event = image.layout("PerfEvent").unwrap();
    assert_eq!(event.path, "perf_core::types::PerfEvent");
    // Wrappers are seen through to what they hold.
    for (name, size, type_name) in [
        ("dup_master", 8, "*mut perf_core::types::PerfEvent"),
        ("count", 8, "i64"),
        ("child_count", 8, "i64"),
        ("state", 4, "i32"),
        ("hw.prev_count", 8, "i64"),
        ("hw.idx", 4, "i32"),
        ("attr.sample_period", 8, "u64"),
        ("sibling_list.next", 8, "*mut perf_core::list::ListHead"),
        ("hw", event.field("hw").unwrap().size, "HwPerfEvent"),
    ] {
        let field = event.field(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(
            (field.size, field.type_name.as_deref()),
            (size, Some(type_name)),
            "{name}"
        );
        assert!(event.field_at(field.offset + size / 2).is_some());
    }
    let hw = event.field("hw").unwrap().offset;
    let prev = event.field("hw.prev_count").unwrap();
    assert_eq!(
        prev.offset,
        hw + image
            .layout("HwPerfEvent")
            .unwrap()
            .field("prev_count")
            .unwrap()
            .offset
    );
    assert_eq!(
        event.field_at(prev.offset + 7).unwrap().name,
        "hw.prev_count"
    );
    // repr(C): fields in the order of the declaration, without overlap at the top level.
    let top: Vec<_> = event
        .fields
        .iter()
        .filter(|f| !f.name.contains('.'))
        .collect();
    assert_eq!(top[0].name, "event_entry");
    for pair in top.windows(2) {
        assert!(pair[0].offset + pair[0].size <= pair[1].offset);
    }
    let attr = image.layout("Attr").unwrap();
    assert_eq!(attr.size, u64::from(abi::syscall::Attr::SIZE));
    assert_eq!(
        attr.field("read_format").unwrap().offset,
        core::mem::offset_of!(abi::syscall::Attr, read_format) as u64
    );
}

#[test]
fn its_hash_is_that_of_the_bytes() {
    let elf = image::guest_elf();
    assert_eq!(Image::guest().hash(), *blake3::hash(&elf).as_bytes());
    let mut other = elf.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_ne!(Image::parse(&other).unwrap().hash(), Image::guest().hash());
}
