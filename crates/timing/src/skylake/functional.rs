// SPDX-License-Identifier: GPL-2.0-only
//! Executes a block on the simulated core in BHive's environment, for true addresses.
//!
//! Every page is the same physical page. The core has no page walks, so each memory operand is
//! rewritten once to a window of its own: before an instruction its bytes are copied in from the
//! page, afterwards what it wrote is copied back. Registers that address memory without naming it
//! (stack, strings) are folded into the page for the step.
//!
//! What the core does not execute, and what depends on that, is unknown, not guessed. An unknown
//! address gets a name that equal base, index and displacement share.

use super::resource::Resource;
use super::trace::{Address, OPERANDS};
use cpu::{Cpu, DecodeCache, Memory, NoBus, Perm, Step, Stop, step};
use iced_x86::{
    Code, CpuidFeature, Encoder, FlowControl, Instruction, InstructionInfoFactory, MemoryOperand,
    Mnemonic, OpAccess, OpKind, Register, RflagsBits,
};

/// Value of every register and of every quadword of the page (BHive's harness).
const FILL: u64 = 0x232_4000;
/// RSP and RBP.
pub(super) const STACK: u64 = FILL + 0x800;
const FRAME: u64 = FILL + 0x7f0;
const PAGE: u64 = 0x1000;
/// CR4.OSFXSR and CR4.OSXMMEXCPT: programs may use XMM registers.
const VECTORS: u64 = 1 << 9 | 1 << 10;
/// MXCSR with every exception masked, denormals flushed and taken for zero (BHive's harness).
const MXCSR: u32 = 0x1f80 | 1 << 15 | 1 << 6;
/// Where code, the windows and the page are in the simulated memory; the page has a neighbour on
/// each side for accesses across its ends.
const CODE: u64 = 0x1_0000;
const CODE_STRIDE: u64 = 16;
const WINDOW: u64 = 0x2000;
const DATA: u64 = 0x4000;
const WINDOW_BYTES: usize = 64;
/// A REP string instruction ends in that many iterations, or its effect is unknown.
const ITERATIONS: usize = 1 << 12;

/// Bits by [`Resource`].
type Set = u128;

const fn bit(resource: Resource) -> Set {
    1 << resource.0
}

/// XMM and MMX registers.
const VECTOR_REGISTERS: Set = ((1 << 40) - 1) << 24;
/// The x87 as a whole: its registers turn with its stack.
const X87: Resource = Resource(64);

/// What is done for one instruction of the block.
#[derive(Debug)]
struct Plan {
    instruction: Instruction,
    at: u64,
    reads: Set,
    writes: Set,
    /// Registers in addresses.
    addressing: Set,
    operands: Vec<Operand>,
    /// The core may execute it.
    runs: bool,
    /// Its outputs do not depend on its inputs.
    constant: bool,
    /// Registers that address memory unnamed.
    folded: Vec<usize>,
}

/// A memory operand.
#[derive(Debug, Clone, Copy)]
struct Operand {
    base: Register,
    index: Register,
    scale: u64,
    displacement: u64,
    size: usize,
    read: bool,
    write: bool,
    /// It is rewritten to the window.
    window: bool,
    /// The register whose bits beyond the operand's size are part of the address (BT).
    bits: Option<Register>,
}

/// The block and its state.
#[derive(Debug)]
pub struct Functional {
    plans: Vec<Plan>,
    cpu: Cpu,
    memory: Memory,
    cache: DecodeCache,
    unknown: Set,
    unknown_bytes: Vec<bool>,
    versions: [u64; 128],
    version: u64,
    /// An instruction that raises a divide error whatever is not known.
    pub(super) divide_error: Option<usize>,
}

fn used(access: OpAccess) -> (bool, bool) {
    match access {
        OpAccess::Read | OpAccess::CondRead => (true, false),
        OpAccess::Write => (false, true),
        OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => (true, true),
        _ => (false, false),
    }
}

/// Its result depends on something that is not simulated.
fn outside(m: Mnemonic) -> bool {
    matches!(
        m,
        Mnemonic::Rdtsc
            | Mnemonic::Rdtscp
            | Mnemonic::Cpuid
            | Mnemonic::Rdpmc
            | Mnemonic::Rdrand
            | Mnemonic::Rdseed
            | Mnemonic::Xgetbv
    )
}

impl Functional {
    /// A block in the harness's initial state.
    #[must_use]
    pub fn new(instructions: &[Instruction]) -> Self {
        let size = CODE + CODE_STRIDE * instructions.len() as u64 + PAGE;
        let mut memory = Memory::new(size);
        let mut info = InstructionInfoFactory::new();
        let mut plans = Vec::new();
        for (i, instruction) in instructions.iter().enumerate() {
            let at = CODE + CODE_STRIDE * i as u64;
            plans.push(plan(&mut info, instruction, at, &mut memory));
        }
        memory.protect(0, CODE, Perm::READ | Perm::WRITE);
        memory.protect(CODE, size - CODE, Perm::READ | Perm::EXEC);
        for at in (DATA..DATA + PAGE).step_by(8) {
            fill(&mut memory, at, &FILL.to_le_bytes());
        }
        let mut cpu = Cpu::new();
        cpu.regs = [FILL; 16];
        cpu.regs[4] = STACK;
        cpu.regs[5] = FRAME;
        cpu.cr4 |= VECTORS;
        cpu.mxcsr = MXCSR;
        Self {
            plans,
            cpu,
            memory,
            cache: DecodeCache::new(),
            // The harness says nothing of them.
            unknown: VECTOR_REGISTERS,
            unknown_bytes: vec![false; PAGE as usize],
            versions: [0; 128],
            version: 0,
            divide_error: None,
        }
    }

    /// Executes instruction `i`; `next` is the address of the one after it in the real layout.
    /// The addresses of its memory operands.
    pub fn execute(&mut self, i: usize, next: u64) -> [Address; OPERANDS] {
        let plan = &self.plans[i];
        let mut addresses = [Address::default(); OPERANDS];
        let mut known = plan.constant || (plan.reads | plan.addressing) & self.unknown == 0;
        let mut places = [None; OPERANDS];
        for (n, operand) in plan.operands.iter().enumerate().take(OPERANDS) {
            let place = self.place(operand, next);
            addresses[n] = match place {
                Some(linear) => Address {
                    linear,
                    physical: linear % PAGE,
                },
                None => self.name(operand),
            };
            places[n] = place;
            known &= place.is_some();
            if let Some(linear) = place
                && operand.read
            {
                known &= !self
                    .bytes(linear, operand.size)
                    .any(|b| self.unknown_bytes[b]);
            }
        }
        known = known && plan.runs && self.run(i, &places);
        self.settle(i, known, &places);
        addresses
    }

    /// The operand's linear address, if its registers are known.
    fn place(&self, operand: &Operand, next: u64) -> Option<u64> {
        let mut address = operand.displacement;
        for (register, scale) in [(operand.base, 1), (operand.index, operand.scale)] {
            if register == Register::RIP {
                // The decoder made it absolute for the first copy.
                return Some(address.wrapping_add(next));
            }
            if let Some(r) = Resource::of(register).filter(|r| r.is_gpr()) {
                if self.unknown & bit(r) != 0 {
                    return None;
                }
                let mut value = self.cpu.regs[usize::from(r.0)];
                match register.size() {
                    4 => value &= 0xffff_ffff,
                    // XLAT's index is AL.
                    1 => value &= 0xff,
                    _ => {}
                }
                address = address.wrapping_add(value.wrapping_mul(scale));
            } else if register != Register::None {
                // Vector indices.
                return None;
            }
        }
        if let Some(register) = operand.bits {
            let r = Resource::of(register)?;
            if self.unknown & bit(r) != 0 {
                return None;
            }
            let value = self.cpu.regs[usize::from(r.0)];
            let unused = 64 - 8 * register.size() as u32;
            let bytes = (value << unused) as i64 >> (unused + 3);
            address = address.wrapping_add(bytes as u64 & !(operand.size as u64 - 1));
        }
        Some(address)
    }

    /// A name for an unknown address.
    fn name(&self, operand: &Operand) -> Address {
        let mut name = 0;
        for (register, scale) in [(operand.base, 1), (operand.index, operand.scale)] {
            if let Some(r) = Resource::of(register) {
                let value = self.versions[usize::from(r.0)] << 8 | u64::from(r.0);
                name ^= value
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .wrapping_mul(scale);
            }
        }
        // Beyond every page offset.
        let name = (name | 1 << 40).wrapping_add(operand.displacement);
        Address {
            linear: 0,
            physical: name,
        }
    }

    fn bytes(&self, linear: u64, size: usize) -> impl Iterator<Item = usize> + use<> {
        (0..size as u64).map(move |k| (linear.wrapping_add(k) % PAGE) as usize)
    }

    /// Steps the core; false when it cannot.
    fn run(&mut self, i: usize, places: &[Option<u64>; OPERANDS]) -> bool {
        let plan = &self.plans[i];
        let windowed = plan.operands.iter().zip(places).find(|(o, _)| o.window);
        if let Some((operand, Some(linear))) = windowed {
            for k in 0..operand.size.min(WINDOW_BYTES) as u64 {
                let from = DATA + linear.wrapping_add(k) % PAGE;
                copy(&mut self.memory, from, WINDOW + k);
            }
        }
        let before = self.cpu.regs;
        for &r in &plan.folded {
            // The middle half of the page's surroundings, so that small steps stay inside.
            self.cpu.regs[r] = DATA + before[r] % PAGE;
        }
        if !plan.folded.is_empty() {
            // The neighbours show the same page.
            for k in 0..64 {
                copy(&mut self.memory, DATA + k, DATA + PAGE + k);
                copy(&mut self.memory, DATA + PAGE - 64 + k, DATA - 64 + k);
            }
        }
        let number = windowed.and_then(|(o, _)| Some((o.size, Resource::of(o.bits?)?)));
        if let Some((size, r)) = number {
            // The rest of the number is in the window's place.
            self.cpu.regs[usize::from(r.0)] &= 8 * size as u64 - 1;
        }
        let folded = self.cpu.regs;
        self.cpu.rip = plan.at;
        let mut done = false;
        for _ in 0..ITERATIONS {
            match step(&mut self.cpu, &mut self.memory, &mut self.cache, &mut NoBus) {
                Step::Retired => {
                    done = true;
                    break;
                }
                Step::Iterated => {}
                Step::Stop(stop) => {
                    if matches!(*stop, Stop::UnhandledException { vector: 0, .. }) {
                        self.divide_error.get_or_insert(i);
                    }
                    break;
                }
                _ => break,
            }
        }
        let plan = &self.plans[i];
        for &r in &plan.folded {
            if self.cpu.regs[r].abs_diff(folded[r]) <= PAGE {
                let moved = self.cpu.regs[r].wrapping_sub(folded[r]);
                self.cpu.regs[r] = before[r].wrapping_add(moved);
            }
        }
        if let Some((_, r)) = number {
            self.cpu.regs[usize::from(r.0)] = before[usize::from(r.0)];
        }
        if !done {
            self.cpu.regs = before;
            return false;
        }
        if let Some((operand, Some(linear))) =
            plan.operands.iter().zip(places).find(|(o, _)| o.window)
            && operand.write
        {
            for k in 0..operand.size.min(WINDOW_BYTES) as u64 {
                let to = DATA + linear.wrapping_add(k) % PAGE;
                copy(&mut self.memory, WINDOW + k, to);
            }
        }
        for (operand, place) in plan.operands.iter().zip(places) {
            if let Some(linear) = place
                && operand.write
                && !operand.window
            {
                // What went over an end of the page.
                let start = linear % PAGE;
                let end = start + operand.size as u64;
                for k in PAGE..end.max(PAGE) {
                    copy(&mut self.memory, DATA + k, DATA + k - PAGE);
                }
            }
        }
        true
    }

    /// Notes what is known after instruction `i`.
    fn settle(&mut self, i: usize, known: bool, places: &[Option<u64>; OPERANDS]) {
        let plan = &self.plans[i];
        let writes = plan.writes;
        if known {
            self.unknown &= !writes;
        } else {
            self.unknown |= writes;
            // RSP moves by a constant even when the data is not known.
            if plan.folded.first() == Some(&4) && self.unknown & !writes & bit(Resource::RSP) == 0 {
                let change = plan.instruction.stack_pointer_increment();
                if change != 0 {
                    self.cpu.regs[4] = self.cpu.regs[4].wrapping_add(i64::from(change) as u64);
                    self.unknown &= !bit(Resource::RSP);
                }
            }
        }
        let mut left = writes;
        while left != 0 {
            self.version += 1;
            self.versions[left.trailing_zeros() as usize] = self.version;
            left &= left - 1;
        }
        let operands: Vec<(Operand, Option<u64>)> = plan
            .operands
            .iter()
            .copied()
            .zip(places.iter().copied())
            .filter(|(o, _)| o.write)
            .collect();
        for (operand, place) in operands {
            if let Some(linear) = place {
                for b in self.bytes(linear, operand.size) {
                    self.unknown_bytes[b] = !known;
                }
            }
        }
    }
}

fn fill(memory: &mut Memory, at: u64, bytes: &[u8]) {
    memory
        .write(at, bytes)
        .expect("the layout fits into the memory");
}

fn copy(memory: &mut Memory, from: u64, to: u64) {
    let mut byte = [0];
    memory
        .read(from, &mut byte)
        .expect("the layout fits into the memory");
    fill(memory, to, &byte);
}

fn plan(
    info: &mut InstructionInfoFactory,
    instruction: &Instruction,
    at: u64,
    memory: &mut Memory,
) -> Plan {
    let uses = info.info(instruction);
    let explicit = (0..instruction.op_count()).any(|i| instruction.op_kind(i) == OpKind::Memory);
    let lea = instruction.mnemonic() == Mnemonic::Lea || instruction.mnemonic() == Mnemonic::Nop;
    let mut plan = Plan {
        instruction: *instruction,
        at,
        reads: 0,
        writes: 0,
        addressing: 0,
        operands: Vec::new(),
        runs: instruction.flow_control() == FlowControl::Next && !outside(instruction.mnemonic()),
        constant: constant(instruction),
        folded: Vec::new(),
    };
    for r in uses.used_registers() {
        let Some(resource) = Resource::of(r.register()) else {
            continue;
        };
        // AH and RAX are one here.
        let resource = match resource.0 {
            16..20 => Resource(resource.0 - 16),
            64..80 => X87,
            _ => resource,
        };
        let (mut read, write) = used(r.access());
        read |= write && resource.is_gpr() && r.register().size() < 4;
        plan.reads |= bit(resource) * Set::from(read);
        plan.writes |= bit(resource) * Set::from(write);
    }
    let flags = |set: u32| -> Set {
        let carry = set & RflagsBits::CF != 0;
        let other = set & !(RflagsBits::CF | RflagsBits::DF) != 0;
        (bit(Resource::CARRY) * Set::from(carry)) | (bit(Resource::FLAGS) * Set::from(other))
    };
    plan.reads |= flags(instruction.rflags_read());
    plan.writes |= flags(instruction.rflags_modified());
    if x87(instruction) {
        plan.reads |= bit(X87);
        plan.writes |= bit(X87);
    }
    if !lea {
        for m in uses.used_memory() {
            let (read, write) = used(m.access());
            if !read && !write {
                continue;
            }
            let named = explicit
                && m.base() == instruction.memory_base()
                && m.index() == instruction.memory_index();
            let rip = m.base() == Register::None && instruction.is_ip_rel_memory_operand();
            let displacement = if rip {
                // Relative to the next instruction, whose address moves from copy to copy.
                instruction
                    .ip_rel_memory_address()
                    .wrapping_sub(instruction.next_ip())
            } else {
                m.displacement()
            };
            plan.operands.push(Operand {
                base: if rip { Register::RIP } else { m.base() },
                index: m.index(),
                scale: u64::from(m.scale()),
                displacement,
                size: m.memory_size().size().max(1),
                read: m.access() != OpAccess::Write,
                write,
                window: named || rip,
                bits: bit_string(instruction),
            });
        }
    }
    let several = plan.operands.iter().filter(|o| o.window).count() > 1;
    let too_large = plan
        .operands
        .iter()
        .any(|o| o.window && o.size > WINDOW_BYTES);
    plan.runs &= !several && !too_large && plan.operands.len() <= OPERANDS;
    for operand in plan.operands.iter().filter(|o| !o.window) {
        if let Some(r) = Resource::of(operand.base).filter(|r| r.is_gpr()) {
            let r = usize::from(r.0);
            if !plan.folded.contains(&r) {
                plan.folded.push(r);
            }
        }
    }
    let mut rewritten = *instruction;
    if instruction.mnemonic() == Mnemonic::Xlatb {
        // It has no other address than its own; what it does is a load.
        rewritten = Instruction::with2(
            Code::Mov_r8_rm8,
            Register::AL,
            MemoryOperand::with_displ(0, 4),
        )
        .expect("a load");
    }
    if explicit && !lea {
        rewritten.set_memory_base(Register::None);
        rewritten.set_memory_index(Register::None);
        rewritten.set_memory_displacement64(WINDOW);
        rewritten.set_memory_displ_size(4);
        rewritten.set_segment_prefix(Register::None);
    }
    let mut encoder = Encoder::new(64);
    if encoder.encode(&rewritten, at).is_ok() {
        let bytes = encoder.take_buffer();
        plan.runs &= bytes.len() as u64 <= CODE_STRIDE;
        if plan.runs {
            fill(memory, at, &bytes);
        }
    } else {
        plan.runs = false;
    }
    plan
}

/// The register by which BT and its kin walk through memory.
fn bit_string(instruction: &Instruction) -> Option<Register> {
    use Mnemonic as M;
    let walks = matches!(instruction.mnemonic(), M::Bt | M::Bts | M::Btr | M::Btc)
        && instruction.op0_kind() == OpKind::Memory
        && instruction.op1_kind() == OpKind::Register;
    walks.then(|| instruction.op1_register())
}

/// Does it belong to the x87?
fn x87(instruction: &Instruction) -> bool {
    use CpuidFeature as F;
    let of = instruction.cpuid_features();
    of.iter()
        .any(|f| matches!(f, F::FPU | F::FPU287 | F::FPU387))
}

/// Both operands the same register, and the result is the same for all values.
fn constant(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    instruction.op_count() == 2
        && instruction.op0_kind() == OpKind::Register
        && instruction.op1_kind() == OpKind::Register
        && instruction.op0_register() == instruction.op1_register()
        && matches!(
            instruction.mnemonic(),
            M::Xor
                | M::Sub
                | M::Pxor
                | M::Xorps
                | M::Xorpd
                | M::Psubb
                | M::Psubw
                | M::Psubd
                | M::Psubq
                | M::Pcmpeqb
                | M::Pcmpeqw
                | M::Pcmpeqd
                | M::Pcmpgtb
                | M::Pcmpgtw
                | M::Pcmpgtd
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions};

    /// Whatever the core executes on its own is executed here too, and its results are known.
    #[test]
    fn nothing_that_the_core_executes_is_refused() {
        let openings: [&[u8]; 9] = [
            &[],
            &[0x0f],
            &[0x66, 0x0f],
            &[0xf2, 0x0f],
            &[0xf3, 0x0f],
            &[0x48],
            &[0x66, 0x48, 0x0f],
            &[0xc4, 0xe2],
            &[0x0f, 0x38],
        ];
        let mut executed = std::collections::BTreeSet::new();
        for n in 0..openings.len() * 256 * 3 {
            let (opening, rest) = (openings[n % openings.len()], n / openings.len());
            // ModRM: register and register, [RBX], another row of the group.
            let modrm = [0xcb, 0x0b, 0x33][rest / 256];
            let mut bytes = opening.to_vec();
            if opening == [0xc4, 0xe2] {
                bytes.push(0x70);
            }
            bytes.extend([rest as u8, modrm, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
            let instruction = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE).decode();
            let memory = instruction.op0_kind() == OpKind::Memory
                || instruction.op_kinds().any(|k| k == OpKind::Memory);
            if instruction.is_invalid()
                || instruction.flow_control() != FlowControl::Next
                || instruction.is_privileged()
                || outside(instruction.mnemonic())
                || memory && instruction.memory_base() != Register::RBX
            {
                continue;
            }
            if alone(&bytes[..instruction.len()]) {
                let mut functional = Functional::new(&[instruction]);
                functional.unknown = 0;
                let _addresses = functional.execute(0, 0);
                let unknown = functional.unknown & functional.plans[0].writes;
                assert_eq!(unknown, 0, "{instruction}");
                executed.insert(instruction.code() as u32);
            }
        }
        assert!(executed.len() > 500, "{}", executed.len());
    }

    #[test]
    fn bit_strings_and_tables_are_where_their_registers_say() {
        let address = |hex: &[u8]| {
            let instruction = Decoder::with_ip(64, hex, 0, DecoderOptions::NONE).decode();
            let mut functional = Functional::new(&[instruction]);
            functional.cpu.regs[6] = (-9_i64) as u64;
            functional.execute(0, 0)[0].linear
        };
        assert_eq!(
            address(&[0x48, 0x0f, 0xab, 0x37]),
            FILL - 8,
            "bts [rdi], rsi"
        );
        assert_eq!(
            address(&[0x66, 0x0f, 0xb3, 0x37]),
            FILL - 2,
            "btr [rdi], si"
        );
        assert_eq!(address(&[0xd7]), FILL + (FILL & 0xff), "xlat");
    }

    /// Does the core execute these bytes with the harness's registers, RBX and the pointers at the page?
    fn alone(bytes: &[u8]) -> bool {
        let mut memory = Memory::new(2 * CODE);
        fill(&mut memory, CODE, bytes);
        memory.protect(0, CODE, Perm::READ | Perm::WRITE);
        memory.protect(CODE, CODE, Perm::READ | Perm::EXEC);
        for at in (DATA..DATA + PAGE).step_by(8) {
            fill(&mut memory, at, &FILL.to_le_bytes());
        }
        let mut cpu = Cpu::new();
        cpu.regs = [FILL; 16];
        for r in [3, 4, 5, 6, 7] {
            cpu.regs[r] = DATA + 0x800;
        }
        cpu.cr4 |= VECTORS;
        cpu.mxcsr = MXCSR;
        cpu.rip = CODE;
        let mut cache = DecodeCache::new();
        matches!(
            step(&mut cpu, &mut memory, &mut cache, &mut NoBus),
            Step::Retired
        )
    }
}
