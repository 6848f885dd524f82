// SPDX-License-Identifier: GPL-2.0-only
//! The ELF file itself: segments and symbols, checked once, so that later rooms need not.

use object::elf;
use object::read::elf::{
    Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _, Rela as _, SectionHeader as _,
    Sym as _,
};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};

use crate::debug_info::DebugInfo;
use crate::error::ImageError;
use crate::name;

type File<'a> = ElfFile64<'a, LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// Loadable segments of a file, at most; a linker makes five or so.
const SEGMENTS_MAX: usize = 64;
/// Bytes of all segments in the file, at most.
const BYTES_MAX: u64 = 256 << 20;

/// A piece of memory to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub addr: u64,
    /// Bytes from the file.
    pub bytes: Vec<u8>,
    /// Bytes in memory: what exceeds `bytes` is zero.
    pub size: u64,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub exec: bool,
}

impl Segment {
    /// Whether the byte at `addr` belongs to it.
    #[must_use]
    pub const fn contains(&self, addr: u64) -> bool {
        addr.wrapping_sub(self.addr) < self.size
    }
}

/// What a symbol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Object,
}

/// A function or an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Short name: the last segment of the path (`event_sched_in`).
    pub name: String,
    /// Path without generic arguments (`perf_core::core::sched::event_sched_in`).
    pub path: String,
    /// Demangled name with everything.
    pub full: String,
    /// Name in the symbol table.
    pub raw: String,
    /// Address.
    pub addr: u64,
    /// Bytes; 0 when the file does not say.
    pub size: u64,
    /// Code or data.
    pub kind: SymbolKind,
}

impl Symbol {
    /// How well `name` names this symbol: 0 is best, none is not at all.
    pub(crate) fn rank_of(&self, name: &str) -> Option<u8> {
        if self.raw == name || self.full == name || self.path == name {
            Some(0)
        } else if self.name == name {
            Some(1)
        } else {
            let tail = self.path.strip_suffix(name)?;
            tail.ends_with("::").then_some(2)
        }
    }
}

/// Who applies the relocations of a position-independent file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relocated {
    /// This crate.
    Here,
    /// The program, when it starts.
    ByItself,
}

/// The parts of a file that stay.
pub(crate) struct Elf {
    pub(crate) entry: u64,
    /// What was added to the addresses of the file.
    pub(crate) bias: u64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) symbols: Vec<Symbol>,
    /// Positions in `symbols` of functions and objects.
    functions: Vec<usize>,
    objects: Vec<usize>,
    pub(crate) debug: DebugInfo,
}

impl Elf {
    pub(crate) fn parse(bytes: &[u8], base: u64, relocated: Relocated) -> Result<Self, ImageError> {
        check_ident(bytes)?;
        let file = File::parse(bytes).map_err(|e| ImageError::Damaged(e.to_string()))?;
        let header = file.elf_header();
        let bias = match header.e_type(LE) {
            elf::ET_EXEC => 0,
            elf::ET_DYN => base,
            elf::ET_REL => return Err(ImageError::Kind("a relocatable object".into())),
            elf::ET_CORE => return Err(ImageError::Kind("a core dump".into())),
            other => return Err(ImageError::Kind(format!("of type {other}"))),
        };
        check_static(&file, relocated)?;
        let mut segments = segments(&file, bytes, bias)?;
        if bias != 0 && relocated == Relocated::Here {
            relocate(&file, &mut segments, bias)?;
        }
        let entry = header.e_entry(LE).wrapping_add(bias);
        if !segments.iter().any(|s| s.exec && s.contains(entry)) {
            return Err(ImageError::Entry(entry));
        }
        let symbols = symbols(&file, &segments, bias);
        let of_kind = |kind| {
            let all = symbols.iter().enumerate();
            all.filter(move |(_, s)| s.kind == kind)
                .map(|(i, _)| i)
                .collect()
        };
        Ok(Self {
            entry,
            bias,
            functions: of_kind(SymbolKind::Function),
            objects: of_kind(SymbolKind::Object),
            symbols,
            segments,
            debug: DebugInfo::read(|name| section(&file, name)),
        })
    }

    /// The function around `addr`. One without a size (from assembly) reaches to the next.
    pub(crate) fn function_at(&self, addr: u64) -> Option<&Symbol> {
        let symbol = self.last_at_or_below(&self.functions, addr)?;
        if symbol.size > 0 {
            return (addr - symbol.addr < symbol.size).then_some(symbol);
        }
        let same = |s: &&Segment| s.exec && s.contains(addr) && s.contains(symbol.addr);
        self.segments.iter().find(same).map(|_| symbol)
    }

    /// The object around `addr`.
    pub(crate) fn object_at(&self, addr: u64) -> Option<&Symbol> {
        let symbol = self.last_at_or_below(&self.objects, addr)?;
        (addr - symbol.addr < symbol.size.max(1)).then_some(symbol)
    }

    /// The last of `list` that begins at or below `addr`; of several at one address, the first.
    fn last_at_or_below(&self, list: &[usize], addr: u64) -> Option<&Symbol> {
        let end = list.partition_point(|i| self.symbols[*i].addr <= addr);
        let start = self.symbols[*list.get(end.checked_sub(1)?)?].addr;
        let first = list.partition_point(|i| self.symbols[*i].addr < start);
        Some(&self.symbols[list[first]])
    }
}

fn check_ident(bytes: &[u8]) -> Result<(), ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::NotElf("the file is empty"));
    }
    if bytes.get(..4) != Some(&elf::ELFMAG) {
        return Err(ImageError::NotElf(
            "it does not begin with 7f 45 4c 46 (\"\\x7fELF\")",
        ));
    }
    let (Some(class), Some(data)) = (bytes.get(4), bytes.get(5)) else {
        return Err(ImageError::NotElf("it ends within the first header"));
    };
    if *class != elf::ELFCLASS64.0 {
        return Err(ImageError::Machine("a 32-bit or unknown class".into()));
    }
    if *data != elf::ELFDATA2LSB.0 {
        return Err(ImageError::Machine("another byte order".into()));
    }
    let Some(machine) = bytes.get(18..20) else {
        return Err(ImageError::NotElf("it ends within the first header"));
    };
    let machine = u16::from_le_bytes([machine[0], machine[1]]);
    if machine != elf::EM_X86_64.0 {
        return Err(ImageError::Machine(format!("machine {machine}")));
    }
    Ok(())
}

fn check_static(file: &File<'_>, relocated: Relocated) -> Result<(), ImageError> {
    for header in file.elf_program_headers() {
        let broken = |e: object::Error| ImageError::Damaged(e.to_string());
        if header.p_type(LE) == elf::PT_INTERP {
            return Err(ImageError::Dynamic("it asks for an interpreter".into()));
        }
        let entries = header.dynamic(LE, file.data()).map_err(broken)?;
        for entry in entries.unwrap_or_default() {
            match entry.d_tag(LE) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => {
                    return Err(ImageError::Dynamic("it needs a shared library".into()));
                }
                elf::DT_RELR if relocated == Relocated::Here => {
                    return Err(ImageError::Relocation("packed relocations (RELR)".into()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn segments(file: &File<'_>, bytes: &[u8], bias: u64) -> Result<Vec<Segment>, ImageError> {
    let mut out: Vec<Segment> = Vec::new();
    let mut total = 0;
    for (index, header) in file.elf_program_headers().iter().enumerate() {
        if header.p_type(LE) != elf::PT_LOAD || header.p_memsz(LE) == 0 {
            continue;
        }
        let bad = |reason: &str| ImageError::Segment {
            index,
            reason: reason.into(),
        };
        let (file_size, size) = (header.p_filesz(LE), header.p_memsz(LE));
        if file_size > size {
            return Err(bad("has more bytes in the file than in memory"));
        }
        let addr = header.p_vaddr(LE).checked_add(bias);
        let Some(addr) = addr.filter(|a| a.checked_add(size).is_some()) else {
            return Err(bad("does not fit into the address space"));
        };
        total += file_size;
        if total > BYTES_MAX || out.len() == SEGMENTS_MAX {
            return Err(bad("is too much: the file holds more than can be meant"));
        }
        let content = header
            .data(LE, bytes)
            .map_err(|()| bad("lies outside of the file: is it cut off?"))?;
        let flags = header.p_flags(LE).0;
        out.push(Segment {
            addr,
            bytes: content.to_vec(),
            size,
            read: flags & elf::PF_R.0 != 0,
            write: flags & elf::PF_W.0 != 0,
            exec: flags & elf::PF_X.0 != 0,
        });
    }
    out.sort_by_key(|s| s.addr);
    if let Some(pair) = out.windows(2).find(|p| p[0].addr + p[0].size > p[1].addr) {
        return Err(ImageError::Damaged(format!(
            "the segments at {:#x} and {:#x} overlap",
            pair[0].addr, pair[1].addr
        )));
    }
    Ok(out)
}

/// Applies the relocations of a position-independent executable: all are "base plus addend".
fn relocate(file: &File<'_>, segments: &mut [Segment], bias: u64) -> Result<(), ImageError> {
    for section in file.elf_section_table().iter() {
        let loaded = section.sh_flags(LE).0 & elf::SHF_ALLOC.0 != 0;
        if section.sh_type(LE) != elf::SHT_RELA || !loaded {
            continue;
        }
        let entries = section
            .rela(LE, file.data())
            .map_err(|e| ImageError::Damaged(e.to_string()))?;
        for entry in entries.map_or(&[][..], |(entries, _)| entries) {
            match entry.r_type(LE, false) {
                elf::R_X86_64_NONE => continue,
                elf::R_X86_64_RELATIVE => {}
                other => {
                    return Err(ImageError::Relocation(format!("relocation type {other}")));
                }
            }
            let at = entry.r_offset(LE).wrapping_add(bias);
            let value = bias.wrapping_add_signed(entry.r_addend(LE));
            let place = segments.iter_mut().find(|s| s.contains(at));
            let place = place.and_then(|s| {
                let offset = usize::try_from(at - s.addr).ok()?;
                s.bytes.get_mut(offset..offset.checked_add(8)?)
            });
            let Some(place) = place else {
                return Err(ImageError::Damaged(format!(
                    "a relocation points to {at:#x}, where no bytes are"
                )));
            };
            place.copy_from_slice(&value.to_le_bytes());
        }
    }
    Ok(())
}

fn symbols(file: &File<'_>, segments: &[Segment], bias: u64) -> Vec<Symbol> {
    let mut out: Vec<Symbol> = Vec::new();
    for symbol in file.symbols() {
        let Ok(raw) = symbol.name() else { continue };
        let section = symbol.elf_symbol().st_shndx(LE);
        if raw.is_empty() || section == elf::SHN_UNDEF || section == elf::SHN_ABS {
            continue;
        }
        let addr = symbol.address().wrapping_add(bias);
        let in_code = segments.iter().any(|s| s.exec && s.contains(addr));
        let kind = match symbol.elf_symbol().st_type() {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => SymbolKind::Function,
            elf::STT_OBJECT => SymbolKind::Object,
            // Labels of assembly.
            elf::STT_NOTYPE if in_code => SymbolKind::Function,
            _ => continue,
        };
        let full = name::demangle(raw);
        let path = name::path(&full);
        out.push(Symbol {
            name: name::short(&path).to_owned(),
            path,
            full,
            raw: raw.to_owned(),
            addr,
            size: symbol.size(),
            kind,
        });
    }
    // At one address, the largest first: that is the function, the others are labels in it.
    out.sort_by(|a, b| (a.addr, b.size, &a.raw).cmp(&(b.addr, a.size, &b.raw)));
    out
}

/// The bytes of a section; compressed or absent ones are as if they were not there.
fn section<'a>(file: &File<'a>, name: &str) -> &'a [u8] {
    let Some(section) = file.section_by_name(name) else {
        return &[];
    };
    match section.compressed_data() {
        Ok(data) if data.format == object::CompressionFormat::None => data.data,
        _ => &[],
    }
}
