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
    Encoder, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register, RflagsBits,
};

/// Value of every register and of every quadword of the page (BHive's harness).
const FILL: u64 = 0x232_4000;
/// RSP and RBP.
pub(super) const STACK: u64 = FILL + 0x800;
const FRAME: u64 = FILL + 0x7f0;
const PAGE: u64 = 0x1000;
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
        Self {
            plans,
            cpu,
            memory,
            cache: DecodeCache::new(),
            unknown: 0,
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
                if register.size() == 4 {
                    value &= 0xffff_ffff;
                }
                address = address.wrapping_add(value.wrapping_mul(scale));
            } else if register != Register::None {
                // Vector indices.
                return None;
            }
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
        let resource = if (16..20).contains(&resource.0) {
            Resource(resource.0 - 16)
        } else {
            resource
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

/// Both operands the same register, and the result is the same for all values.
fn constant(instruction: &Instruction) -> bool {
    instruction.op_count() == 2
        && instruction.op0_kind() == OpKind::Register
        && instruction.op1_kind() == OpKind::Register
        && instruction.op0_register() == instruction.op1_register()
        && matches!(instruction.mnemonic(), Mnemonic::Xor | Mnemonic::Sub)
}
