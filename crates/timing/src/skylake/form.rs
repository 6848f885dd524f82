// SPDX-License-Identifier: GPL-2.0-only
//! The table of instruction forms (`sim-configs/timing/skylake.tsv`) and the search in it.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};
use std::collections::BTreeMap;
use std::fmt;

/// The table the model ships with.
const SHIPPED: &str = include_str!("../../../../sim-configs/timing/skylake.tsv");

/// Uops that may use the same ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortUops {
    /// How many.
    pub count: u16,
    /// Bit n: port n.
    pub ports: u8,
}

/// An input or output of a form, as the table's latency column names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Register operand n; implicit ones follow the explicit ones, flags come last.
    Register(u8),
    /// Memory: as an input its address, as an output its data.
    Memory,
    /// The address that LEA computes.
    Address,
    /// What memory holds (as an input).
    Data,
}

/// Cycles from an input to an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// From.
    pub input: Place,
    /// To.
    pub output: Place,
    /// Cycles; an input's own cost (load, store) included.
    pub cycles: u16,
}

/// What the table knows of one form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Fused uops from the decoders.
    pub decoded: u8,
    /// Issue and retirement slots.
    pub slots: u16,
    /// Uops from the microcode sequencer.
    pub microcode: u16,
    /// Only decoder 0 takes it.
    pub complex: bool,
    /// How many simple decoders may work beside it.
    pub beside: u8,
    /// Uops by ports.
    pub ports: Vec<PortUops>,
    /// Slots when the address has an index.
    pub indexed_slots: u16,
    /// Uops by ports when the address has an index.
    pub indexed_ports: Vec<PortUops>,
    /// Cycles in the divider.
    pub divider: u16,
    /// Fewest cycles between two of it where ports do not explain them.
    pub interval: u16,
    /// Uops when both register operands are the same; None: no difference.
    pub same_ports: Option<Vec<PortUops>>,
    /// Reads the carry flag; reads another one.
    pub reads_flags: (bool, bool),
    /// Writes the carry flag; writes another one.
    pub writes_flags: (bool, bool),
    /// Latencies by input and output.
    pub latencies: Vec<Latency>,
    /// One latency for everything, where no more is known.
    pub latency: Option<u16>,
}

/// Why a table cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for TableError {}

/// All forms by key.
#[derive(Debug, Clone)]
pub struct Table {
    forms: BTreeMap<String, Form>,
}

fn number<T: std::str::FromStr + Default>(text: &str) -> Result<T, String> {
    if text.is_empty() {
        return Ok(T::default());
    }
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// `2p06+1p23`; `0` is no uop.
fn ports(text: &str) -> Result<Vec<PortUops>, String> {
    if text.is_empty() || text == "0" {
        return Ok(Vec::new());
    }
    let one = |part: &str| {
        let (count, set) = part.split_once('p').ok_or("no port")?;
        let mut ports = 0;
        for digit in set.bytes() {
            if !(b'0'..=b'7').contains(&digit) {
                return Err(format!("no such port: {part}"));
            }
            ports |= 1 << (digit - b'0');
        }
        let count = number(count)?;
        Ok(PortUops { count, ports })
    };
    text.split('+').map(one).collect()
}

fn place(text: &str) -> Result<Place, String> {
    match text.split_at_checked(1) {
        Some(("r", n)) => Ok(Place::Register(number(n)?)),
        Some(("m", "")) => Ok(Place::Memory),
        Some(("a", "")) => Ok(Place::Address),
        Some(("d", "")) => Ok(Place::Data),
        _ => Err(format!("not an operand: {text}")),
    }
}

fn flags(text: &str) -> (bool, bool) {
    (text.contains('C'), text.bytes().any(|b| b != b'C'))
}

fn form(columns: &[&str]) -> Result<Form, String> {
    let column = |i: usize| columns.get(i).copied().unwrap_or("");
    let mut form = Form {
        decoded: number(column(1))?,
        slots: number(column(2))?,
        microcode: number(column(3))?,
        complex: column(4) == "1",
        beside: if column(5).is_empty() {
            if column(4) == "1" { 0 } else { 3 }
        } else {
            number(column(5))?
        },
        ports: ports(column(6))?,
        divider: number(column(9))?,
        interval: number(column(10))?,
        same_ports: None,
        reads_flags: flags(column(12)),
        writes_flags: flags(column(13)),
        ..Form::default()
    };
    form.indexed_slots = form.slots;
    if !column(7).is_empty() {
        form.indexed_slots = number(column(7))?;
    }
    form.indexed_ports = form.ports.clone();
    if !column(8).is_empty() {
        form.indexed_ports = ports(column(8))?;
    }
    if !column(11).is_empty() {
        form.same_ports = Some(ports(column(11))?);
    }
    for part in column(14).split(',').filter(|p| !p.is_empty()) {
        if let Some(all) = part.strip_prefix('*') {
            form.latency = Some(number(all)?);
            continue;
        }
        let wrong = || format!("not a latency: {part}");
        let (input, rest) = part.split_once('>').ok_or_else(wrong)?;
        let (output, cycles) = rest.split_once(':').ok_or_else(wrong)?;
        form.latencies.push(Latency {
            input: place(input)?,
            output: place(output)?,
            cycles: number::<i32>(cycles)?.max(0) as u16,
        });
    }
    Ok(form)
}

impl Table {
    /// The shipped Skylake table.
    ///
    /// # Panics
    /// If the shipped table does not parse; a test holds it to that.
    #[must_use]
    pub fn skylake() -> Self {
        Self::parse(SHIPPED).expect("the shipped table parses")
    }

    /// Reads a table: `#` lines, a header, one form a line, tab-separated.
    ///
    /// # Errors
    /// The first line that does not parse.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut forms = BTreeMap::new();
        let lines = text.lines().enumerate();
        for (i, line) in lines.filter(|(_, l)| !l.starts_with('#')).skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let form = form(&columns).map_err(|what| TableError { line: i + 1, what })?;
            forms.insert(columns[0].to_owned(), form);
        }
        Ok(Self { forms })
    }

    /// Number of forms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.forms.len()
    }

    /// No form at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The form of an instruction: most special first (a fixed register, a zero immediate).
    #[must_use]
    pub fn find(&self, instruction: &Instruction) -> Option<&Form> {
        self.entry(instruction).map(|(_, form)| form)
    }

    /// The form of an instruction with its key in the table.
    #[must_use]
    pub fn entry(&self, instruction: &Instruction) -> Option<(&str, &Form)> {
        let name = name(instruction);
        let mut special = Vec::new();
        let mut general = Vec::new();
        let string = instruction.is_string_instruction();
        let count = if string { 0 } else { instruction.op_count() };
        // Memory that the instruction does not name (MASKMOVQ) is not part of a key.
        let unnamed = OpKind::MemorySegSI..=OpKind::MemoryESRDI;
        let named = |&i: &u32| !unnamed.contains(&instruction.op_kind(i));
        for i in (0..count).filter(named) {
            let (s, g) = operand(instruction, i);
            special.push(s);
            general.push(g);
        }
        if matches!(
            instruction.mnemonic(),
            Mnemonic::Lea | Mnemonic::Reservednop
        ) {
            special.truncate(1);
            general.truncate(1);
        }
        let key = |ops: &[String]| match ops {
            [] => name.clone(),
            ops => format!("{name} {}", ops.join(",")),
        };
        let any_memory = |ops: &[String]| -> Vec<String> {
            ops.iter()
                .map(|o| match o.strip_prefix('m') {
                    Some(rest) if rest.bytes().all(|b| b.is_ascii_digit()) => "m".to_owned(),
                    _ => o.clone(),
                })
                .collect()
        };
        let code = format!(
            "code {}",
            format!("{:?}", instruction.code()).to_uppercase()
        );
        self.get(&key(&special))
            .or_else(|| self.get(&key(&general)))
            .or_else(|| self.get(&key(&any_memory(&general))))
            .or_else(|| self.other_size(&key(&[]), &general))
            .or_else(|| self.get(&code))
            .or_else(|| self.other_width(&key(&[]), &general))
    }

    /// The same operands with general registers of another width: an operand-size or REX.W prefix
    /// that changes nothing in what is computed (`movmskps r64, xmm`, `movzx r16, r16`).
    fn other_width(&self, name: &str, operands: &[String]) -> Option<(&str, &Form)> {
        let find = |other: &[String]| {
            self.get(&format!("{name} {}", other.join(",")))
                .or_else(|| self.other_size(name, other))
        };
        for (from, to) in [("r64", "r32"), ("r16", "r32"), ("r32", "r64")] {
            for at in (0..operands.len()).filter(|&i| operands[i] == from) {
                let mut other = operands.to_vec();
                to.clone_into(&mut other[at]);
                if let Some(form) = find(&other) {
                    return Some(form);
                }
            }
        }
        None
    }

    fn get(&self, key: &str) -> Option<(&str, &Form)> {
        let (key, form) = self.forms.get_key_value(key)?;
        Some((key, form))
    }

    /// The same operands with memory of another size.
    fn other_size(&self, name: &str, operands: &[String]) -> Option<(&str, &Form)> {
        let at = operands.iter().position(|o| {
            o.strip_prefix('m')
                .is_some_and(|r| r.bytes().all(|b| b.is_ascii_digit()))
        })?;
        ["m8", "m16", "m32", "m64", "m128", "m256", "m512"]
            .iter()
            .find_map(|m| {
                let mut other = operands.to_vec();
                other[at] = (*m).to_owned();
                self.get(&format!("{name} {}", other.join(",")))
            })
    }
}

/// The table's name of an instruction, prefixes included.
fn name(instruction: &Instruction) -> String {
    use std::fmt::Write;
    let mut name = String::new();
    // XCHG with memory locks the bus in any case.
    if instruction.has_lock_prefix() && instruction.mnemonic() != Mnemonic::Xchg {
        name.push_str("lock ");
    }
    if instruction.is_string_instruction() {
        if instruction.has_repne_prefix() {
            name.push_str("repne ");
        } else if instruction.has_rep_prefix() {
            name.push_str("rep ");
        }
    }
    let mnemonic = match instruction.mnemonic() {
        Mnemonic::Sal => Mnemonic::Shl,
        Mnemonic::Endbr64
        | Mnemonic::Endbr32
        | Mnemonic::Reservednop
        | Mnemonic::Cldemote
        | Mnemonic::Prefetchit0
        | Mnemonic::Prefetchit1 => Mnemonic::Nop,
        Mnemonic::Prefetchwt1 => Mnemonic::Prefetchw,
        m => m,
    };
    if mnemonic == Mnemonic::Lea {
        name.push_str("lea.");
        name.push_str(&lea(instruction));
        return name;
    }
    // Writing to a String does not fail.
    let _written = write!(name, "{mnemonic:?}");
    name.make_ascii_lowercase();
    name
}

/// `b`, `i` or `is`, `d8` or `d32`, by the parts of LEA's address; `r` is RIP.
fn lea(instruction: &Instruction) -> String {
    let mut parts = String::new();
    if instruction.is_ip_rel_memory_operand() {
        return "rd32".to_owned();
    }
    let base = instruction.memory_base();
    if base != Register::None {
        parts.push('b');
    }
    if instruction.memory_index() != Register::None {
        parts.push('i');
        if instruction.memory_index_scale() != 1 {
            parts.push('s');
        }
    }
    // An address whose base is RBP or R13 has a displacement byte, be it zero.
    let displacement = instruction.memory_displacement64() as i64;
    let forced = matches!(base.full_register(), Register::RBP | Register::R13);
    if displacement != 0 || forced || parts.is_empty() {
        let byte = i8::try_from(displacement).is_ok() && base != Register::None;
        parts.push_str(if byte { "d8" } else { "d32" });
    }
    parts
}

/// The special and the general name of an operand.
fn operand(instruction: &Instruction, i: u32) -> (String, String) {
    let both = |t: &str| (t.to_owned(), t.to_owned());
    match instruction.op_kind(i) {
        OpKind::Register => {
            let register = instruction.op_register(i);
            let general = match register {
                r if r.is_gpr8() => "r8",
                r if r.is_gpr16() => "r16",
                r if r.is_gpr32() => "r32",
                r if r.is_gpr64() => "r64",
                r if r.is_xmm() => "x",
                r if r.is_ymm() => "y",
                r if r.is_mm() => "q",
                r if r.is_segment_register() => "seg",
                r if r.is_st() => "st",
                _ => "other",
            };
            // Encodings without a ModRM byte are forms of their own.
            let fixed = matches!(
                instruction.op0_kind(),
                OpKind::Register if i == 0 && short_accumulator(instruction.code())
            ) || register == Register::CL && i > 0;
            if fixed {
                let special = format!("{register:?}").to_lowercase();
                return (special, general.to_owned());
            }
            both(general)
        }
        OpKind::Memory => {
            let bits = instruction.memory_size().size() * 8;
            let bits = if instruction.mnemonic() == Mnemonic::Nop && bits == 0 {
                32
            } else {
                bits
            };
            both(&if bits == 0 || bits > 512 {
                "m".to_owned()
            } else {
                format!("m{bits}")
            })
        }
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => both("rel"),
        OpKind::Immediate64 => both("i64"),
        _ => {
            let value = instruction.immediate(i);
            let special = if value <= 1 {
                value.to_string()
            } else {
                "i".to_owned()
            };
            (special, "i".to_owned())
        }
    }
}

/// Encodings whose accumulator is in the opcode (`add eax, imm32` as 05 id).
fn short_accumulator(code: Code) -> bool {
    let name = format!("{code:?}");
    ["_AL_imm8", "_AX_imm16", "_EAX_imm32", "_RAX_imm32"]
        .iter()
        .any(|end| name.ends_with(end))
}
