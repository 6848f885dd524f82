// SPDX-License-Identifier: GPL-2.0-only
//! From an instruction and its form to what the pipeline handles: queue entries, slots, uops.
//!
//! The table knows how many uops go to which ports and how long each input takes to each output,
//! not which uop does what. Uops that compute are therefore laid in a chain whose length is the
//! longest latency; an input joins where its own latency says, an output leaves likewise.

use super::form::{Form, Place, Table};
use super::resource::{Resource, high_byte};
use super::{fuse, uops};
use iced_x86::{
    Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register, RflagsBits,
};

/// What a uop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Computes.
    Compute,
    /// Loads memory operand n.
    Load(u8),
    /// Computes the address of the store to memory operand n.
    StoreAddress(u8),
    /// Brings the data of the store to memory operand n.
    StoreData(u8),
}

/// One unfused uop.
#[derive(Debug, Clone)]
pub struct Uop {
    /// What it does.
    pub kind: Kind,
    /// Bit n: may use port n. None: nothing to execute.
    pub ports: u8,
    /// What it waits for.
    pub inputs: Vec<Resource>,
    /// What it makes, and after how many cycles.
    pub outputs: Vec<(Resource, u16)>,
    /// Cycles for which the divider is taken.
    pub divider: u16,
    /// A load whose address is a base register and a small displacement: four cycles when the base
    /// comes from a load.
    pub simple_address: bool,
    /// A load of a vector instruction: forwarded data takes a cycle more.
    pub vector: bool,
}

/// Uops that take one issue slot.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    /// Indices into [`Lowered::uops`].
    pub uops: Vec<u16>,
}

/// One entry of the instruction decode queue: one slot, or more when it is un-laminated.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Its slots at rename.
    pub slots: Vec<Slot>,
}

/// A memory operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryOperand {
    /// Bytes.
    pub size: u16,
    /// It is read.
    pub read: bool,
    /// It is written.
    pub write: bool,
}

/// How a move between registers may disappear at rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// From.
    pub from: Resource,
    /// To.
    pub to: Resource,
    /// Ports when it does not disappear.
    pub ports: u8,
}

/// What the stack engine sees of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stack {
    /// Bytes by which RSP changes without a uop.
    pub change: i8,
    /// RSP is an operand or part of an address.
    pub explicit: bool,
    /// RSP gets a value of its own.
    pub written: bool,
}

/// An instruction as the pipeline sees it.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// Bytes.
    pub len: u8,
    /// Bytes before the primary opcode byte.
    pub opcode_at: u8,
    /// A length-changing prefix.
    pub length_changing: bool,
    /// Fused uops from the decoders.
    pub decoded: u8,
    /// Fused uops from the microcode sequencer.
    pub microcode: u16,
    /// Slots it takes in a line of the uop cache.
    pub cached: u8,
    /// Only decoder 0 takes it.
    pub complex: bool,
    /// Simple decoders that may work beside it.
    pub beside: u8,
    /// Jump, call or return.
    pub branch: bool,
    /// Conditions ([`super::pair`]) with which a conditional jump may become one with it.
    pub fuses: u8,
    /// A conditional jump: its condition's bit.
    pub condition: u8,
    /// Bytes of the jump that became one with it.
    pub fused_len: u8,
    /// Waits until everything before has retired, and holds up what follows.
    pub serializing: bool,
    /// Fewest cycles between two of it.
    pub interval: u16,
    /// Queue entries.
    pub entries: Vec<Entry>,
    /// Uops.
    pub uops: Vec<Uop>,
    /// Memory operands.
    pub memory: Vec<MemoryOperand>,
    /// A move that may disappear.
    pub moves: Option<Move>,
    /// Outputs that are ready at once (zero idioms).
    pub zeroes: Vec<Resource>,
    /// Stack engine.
    pub stack: Stack,
    /// High-byte registers that are merged into their wide register before it runs.
    pub reads_wide: Vec<Resource>,
}

/// Turns instructions into [`Lowered`].
#[derive(Debug)]
pub struct Lowering<'t> {
    table: &'t Table,
    info: InstructionInfoFactory,
}

/// Inputs and outputs of the computing part.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) inputs: Vec<(Resource, Option<u8>)>,
    pub(super) outputs: Vec<(Resource, Option<u8>)>,
    pub(super) address: Vec<Resource>,
}

pub(super) fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn takes_stack(m: Mnemonic) -> bool {
    matches!(
        m,
        Mnemonic::Push
            | Mnemonic::Pop
            | Mnemonic::Call
            | Mnemonic::Ret
            | Mnemonic::Pushfq
            | Mnemonic::Popfq
            | Mnemonic::Pushf
            | Mnemonic::Popf
    )
}

impl<'t> Lowering<'t> {
    /// With the forms of `table`.
    #[must_use]
    pub fn new(table: &'t Table) -> Self {
        Self {
            table,
            info: InstructionInfoFactory::new(),
        }
    }

    /// Lowers one instruction; None when the table has no such form. `bytes` are those of the
    /// instruction.
    pub fn lower(&mut self, instruction: &Instruction, bytes: &[u8]) -> Option<Lowered> {
        let form = self.table.find(instruction)?;
        let flow = self.flow(instruction, form);
        let registers: Vec<Register> = (0..instruction.op_count())
            .filter(|&i| instruction.op_kind(i) == OpKind::Register)
            .map(|i| instruction.op_register(i))
            .collect();
        // The same renamed register: EAX and AL are one, AL and AH are not.
        let same = registers.len() >= 2
            && Resource::of(registers[registers.len() - 1])
                .is_some_and(|last| Resource::of(registers[registers.len() - 2]) == Some(last))
            && instruction.op_kind(instruction.op_count() - 1) == OpKind::Register;
        let memory = self.memory(instruction);
        let prefixes = Prefixes::of(bytes);
        let mut lowered = Lowered {
            len: instruction.len() as u8,
            opcode_at: prefixes.len,
            length_changing: prefixes.operand_size && has_immediate16(instruction),
            decoded: form.decoded.max(1),
            microcode: form.microcode,
            cached: form.decoded.max(1) + wide_immediate(instruction),
            complex: form.complex,
            beside: form.beside,
            branch: instruction.flow_control() != iced_x86::FlowControl::Next
                && instruction.flow_control() != iced_x86::FlowControl::Interrupt,
            fuses: super::pair::fuses(instruction),
            condition: super::pair::condition(instruction),
            fused_len: 0,
            serializing: matches!(instruction.mnemonic(), Mnemonic::Lfence | Mnemonic::Cpuid),
            interval: form.interval,
            entries: Vec::new(),
            uops: Vec::new(),
            memory,
            moves: None,
            zeroes: Vec::new(),
            stack: stack(instruction, &flow),
            reads_wide: flow
                .inputs
                .iter()
                .map(|i| i.0)
                .chain(flow.address.iter().copied())
                .filter(|r| r.high_part().is_some())
                .collect(),
        };
        if matches!(instruction.mnemonic(), Mnemonic::Pop)
            && registers
                .first()
                .is_some_and(|r| matches!(r, Register::RSP | Register::R12))
        {
            lowered.complex = true;
        }
        let zero = same && form.same_ports.as_ref().is_some_and(Vec::is_empty);
        let vanishes = form.ports.is_empty()
            && registers.len() == 2
            && form.latencies.iter().any(|l| l.cycles == 0)
            && lowered.memory.is_empty();
        // Never shares a register: a move onto itself, a high byte (measured by uops.info).
        let alone = same || vanishes && registers.iter().any(|r| high_byte(*r));
        if zero {
            lowered.zeroes = flow.outputs.iter().map(|o| o.0).collect();
        } else if vanishes && !alone {
            let from = Resource::of(registers[1])?;
            let to = Resource::of(registers[0])?;
            let ports = if to.is_vector() {
                0b10_0011
            } else {
                0b110_0011
            };
            lowered.moves = Some(Move { from, to, ports });
        } else {
            let ports = match &form.same_ports {
                Some(other) if alone => other,
                _ => &form.ports,
            };
            uops::uops(&mut lowered, instruction, form, &flow, ports, same);
        }
        fuse::entries(&mut lowered, form, instruction);
        Some(lowered)
    }

    fn memory(&mut self, instruction: &Instruction) -> Vec<MemoryOperand> {
        let info = self.info.info(instruction);
        if instruction.mnemonic() == Mnemonic::Lea || instruction.mnemonic() == Mnemonic::Nop {
            return Vec::new();
        }
        let mut all = Vec::new();
        for m in info.used_memory() {
            let read = matches!(
                m.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            );
            let write = matches!(
                m.access(),
                OpAccess::Write
                    | OpAccess::CondWrite
                    | OpAccess::ReadWrite
                    | OpAccess::ReadCondWrite
            );
            if read || write {
                all.push(MemoryOperand {
                    size: m.memory_size().size() as u16,
                    read,
                    write,
                });
            }
        }
        all
    }

    /// What the instruction reads and writes, with the table's operand numbers.
    fn flow(&mut self, instruction: &Instruction, form: &Form) -> Flow {
        let mut flow = Flow::default();
        let stack = takes_stack(instruction.mnemonic());
        let info = self.info.info(instruction);
        let mut number = 0;
        let mut explicit = Vec::new();
        for i in 0..instruction.op_count() {
            if instruction.op_kind(i) != OpKind::Register {
                continue;
            }
            let register = instruction.op_register(i);
            explicit.push(register);
            let n = Some(number);
            number += 1;
            let Some(resource) = Resource::of(register) else {
                continue;
            };
            let access = info.op_access(i);
            let (mut read, write) = read_write(access);
            // Writing a part of a register keeps the rest.
            let part = register.size() < 4 && !high_byte(register);
            // So does what the silicon waits for in vain (POPCNT for its destination).
            if write && (part || waits_for_itself(form, number - 1)) {
                read = true;
            }
            if read {
                push(&mut flow.inputs, (resource, n));
            }
            if write {
                push(&mut flow.outputs, (resource, n));
            }
        }
        for register in [instruction.memory_base(), instruction.memory_index()] {
            if let Some(r) = Resource::of(register)
                && register != Register::RIP
            {
                push(&mut flow.address, r);
            }
        }
        let both = matches!(
            instruction.mnemonic(),
            Mnemonic::Mul
                | Mnemonic::Imul
                | Mnemonic::Div
                | Mnemonic::Idiv
                | Mnemonic::Cmpxchg
                | Mnemonic::Cmpxchg8b
                | Mnemonic::Cmpxchg16b
        );
        let mut implicit: Vec<(Resource, bool, bool)> = Vec::new();
        for used in info.used_registers() {
            let register = used.register();
            let Some(resource) = Resource::of(register) else {
                continue;
            };
            if explicit.iter().any(|e| Resource::of(*e) == Some(resource)) {
                continue;
            }
            let (read, write) = read_write(used.access());
            if stack && resource == Resource::RSP {
                push(&mut flow.address, resource);
                continue;
            }
            let accumulator = resource.0 == 0 || resource.0 == 2;
            if flow.address.contains(&resource) && !write && !(both && accumulator) {
                continue;
            }
            if let Some(known) = implicit.iter_mut().find(|k| k.0 == resource) {
                known.1 |= read;
                known.2 |= write;
            } else {
                implicit.push((resource, read, write));
            }
        }
        implicit.sort();
        // AL and the product in AX are operands of their own.
        let product = matches!(instruction.mnemonic(), Mnemonic::Mul | Mnemonic::Imul)
            && instruction.op_count() == 1
            && implicit.iter().all(|i| i.0.0 != 2);
        for (resource, read, write) in implicit {
            let mut n = Some(number);
            number += 1;
            if read {
                push(&mut flow.inputs, (resource, n));
            }
            if product && read && write {
                n = Some(number);
                number += 1;
            }
            if write {
                push(&mut flow.outputs, (resource, n));
            }
        }
        let n = Some(number);
        let (mut carry, mut other) = form.reads_flags;
        let read = instruction.rflags_read();
        carry |= read & RflagsBits::CF != 0;
        other |= read & (RflagsBits::ZF | RflagsBits::SF | RflagsBits::OF | RflagsBits::PF) != 0;
        if carry {
            push(&mut flow.inputs, (Resource::CARRY, n));
        }
        if other {
            push(&mut flow.inputs, (Resource::FLAGS, n));
        }
        let modified = instruction.rflags_modified();
        let (mut carry, mut other) = form.writes_flags;
        if form.writes_flags == (false, false) && form.latency.is_some() {
            carry = modified & RflagsBits::CF != 0;
            other = modified & (RflagsBits::ZF | RflagsBits::SF | RflagsBits::OF) != 0;
        }
        if carry {
            push(&mut flow.outputs, (Resource::CARRY, n));
        }
        if other {
            push(&mut flow.outputs, (Resource::FLAGS, n));
        }
        flow
    }
}

/// Does register operand `n` depend on what it held?
fn waits_for_itself(form: &Form, n: u8) -> bool {
    let own = Place::Register(n);
    let mut all = form.latencies.iter();
    all.any(|l| l.input == own && l.output == own && l.cycles > 0)
}

fn read_write(access: OpAccess) -> (bool, bool) {
    match access {
        OpAccess::Read | OpAccess::CondRead => (true, false),
        OpAccess::Write => (false, true),
        OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => (true, true),
        _ => (false, false),
    }
}

/// Prefix bytes and escapes before the primary opcode byte.
struct Prefixes {
    len: u8,
    operand_size: bool,
}

impl Prefixes {
    fn of(bytes: &[u8]) -> Self {
        let mut at = 0;
        let mut operand_size = false;
        while let Some(&b) = bytes.get(at) {
            match b {
                0x66 => operand_size = true,
                0x26
                | 0x2e
                | 0x36
                | 0x3e
                | 0x64
                | 0x65
                | 0x67
                | 0xf0
                | 0xf2
                | 0xf3
                | 0x40..=0x4f => {}
                _ => break,
            }
            at += 1;
        }
        match bytes.get(at) {
            Some(0xc5) => at += 2,
            Some(0xc4) => at += 3,
            Some(0x0f) => {
                at += 1;
                if matches!(bytes.get(at), Some(0x38 | 0x3a)) {
                    at += 1;
                }
            }
            _ => {}
        }
        Self {
            len: at as u8,
            operand_size,
        }
    }
}

/// One more slot in the uop cache for an immediate that does not fit beside the rest: of 64 bits
/// that are no extension of 32, or of more than 16 with a memory operand (uiCA).
fn wide_immediate(instruction: &Instruction) -> u8 {
    let kinds = || (0..instruction.op_count()).map(|i| instruction.op_kind(i));
    let memory = kinds().any(|k| k == OpKind::Memory);
    let wide = kinds().any(|k| match k {
        OpKind::Immediate64 => i32::try_from(instruction.immediate64() as i64).is_err(),
        OpKind::Immediate32 => memory && i16::try_from(instruction.immediate32() as i32).is_err(),
        OpKind::Immediate32to64 => memory && i16::try_from(instruction.immediate32to64()).is_err(),
        _ => false,
    });
    u8::from(wide)
}

fn has_immediate16(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|i| instruction.op_kind(i) == OpKind::Immediate16)
}

fn stack(instruction: &Instruction, flow: &Flow) -> Stack {
    let m = instruction.mnemonic();
    let mut stack = Stack::default();
    if takes_stack(m) {
        stack.change = instruction.stack_pointer_increment() as i8;
    }
    let operand = (0..instruction.op_count()).any(|i| {
        instruction.op_kind(i) == OpKind::Register
            && instruction.op_register(i).full_register() == Register::RSP
    });
    let address = instruction.memory_base().full_register() == Register::RSP;
    let read = flow.inputs.iter().any(|i| i.0 == Resource::RSP);
    stack.explicit = address || operand && read;
    stack.written = flow.outputs.iter().any(|o| o.0 == Resource::RSP);
    stack
}
