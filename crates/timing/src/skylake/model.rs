// SPDX-License-Identifier: GPL-2.0-only
//! The pipeline behind a simulated core: it is told of each instruction before and after it
//! executes, and turns the stream into cycles and events by ring.
//!
//! The pipeline runs behind the instructions by what it has to know in advance and by what is in
//! flight. A drain lets it catch up; whoever reads a clock or a counter, changes rings or writes an
//! MSR waits for it, as most of these do on silicon. What comes after a drain begins with an empty
//! pipeline: a second read costs some twenty cycles more than on silicon.
//!
//! Costs that no table knows (general literature, not measured here) stand as constants below.

use super::branch::{Branch, Predictor};
use super::events::Event;
use super::form::Table;
use super::log::{Log, Stage};
use super::lower::{Lowered, Lowering};
use super::pair;
use super::pipeline::Pipeline;
use super::resource::Resource;
use super::trace::{Address, Executed, Feed, OPERANDS};
use abi::totals::{HwEvent, Ring, Totals};
use cpu::{Cpu, Memory};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use std::sync::LazyLock;

static TABLE: LazyLock<Table> = LazyLock::new(Table::skylake);

/// SYSCALL and SYSRET.
const SYSTEM_CALL: u64 = 45;
/// IRET.
const INTERRUPT_RETURN: u64 = 80;
/// Entry of an interrupt, exception or NMI through a gate, with its stack switch.
const DELIVERY: u64 = 150;
/// WRMSR and other instructions that let the pipeline run empty.
const SERIALIZING: u64 = 90;
/// A machine clear by a store into code (general literature).
const SELF_MODIFYING: u64 = 150;
/// A privileged instruction that the table does not have.
const PRIVILEGED: u64 = 20;
/// REP string instructions: to get going, and bytes a cycle of MOVS and STOS.
const REP_START: u64 = 30;
const REP_BYTES: u64 = 32;
/// Cycles an iteration of the other REP string instructions takes.
const REP_COMPARE: u64 = 2;
/// Cycles in which whatever is in flight retires.
const MOST: u64 = 1_000_000;
/// Entries of the table of known instructions.
const KNOWN: usize = 1 << 14;

/// What the model does about an instruction besides sending it through the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    None,
    Branch(Branch),
    /// Reads the clock or counters: the pipeline catches up before.
    Reads,
    /// Costs that many cycles, all but one of them before it takes effect.
    Serializing(u64),
    /// REP with elements of that many bytes; MOVS or STOS.
    Repeated {
        bytes: u64,
        fast: bool,
    },
}

/// A memory operand's address, ready to compute.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Register number plus one; 0: none.
    base: u8,
    index: u8,
    scale: u8,
    /// 1 FS, 2 GS.
    segment: u8,
    narrow: bool,
    displacement: u64,
}

/// An instruction at an address.
#[derive(Debug, Clone, Copy)]
struct Known {
    rip: u64,
    version: u64,
    len: u8,
    operands: u8,
    special: Special,
    /// Index of the lowered instruction; the next one is the taken branch.
    code: u32,
    places: [Place; OPERANDS],
}

/// The instruction that is being executed.
#[derive(Debug, Clone, Copy)]
struct Pending {
    known: Known,
    memory: [Address; OPERANDS],
    iterations: u64,
}

/// The Skylake model of one core.
#[derive(Debug, Clone)]
pub struct Model {
    feed: Feed,
    pipeline: Pipeline,
    predictor: Predictor,
    known: Vec<Option<Box<Known>>>,
    /// Lowered pairs by (first, jump's index).
    pairs: std::collections::BTreeMap<(u32, u32), u32>,
    pending: Option<Pending>,
    /// The state of code that was seen last, and whether the last instruction wrote to memory.
    version: u64,
    wrote: bool,
    ring: Ring,
    /// Events of each ring up to the last drain or look.
    by_ring: [[u64; HwEvent::COUNT]; 2],
    seen: [u64; HwEvent::COUNT],
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// A core with empty caches that begins in the kernel.
    #[must_use]
    pub fn new() -> Self {
        Self {
            feed: Feed::new(Vec::new()),
            pipeline: Pipeline::new(true),
            predictor: Predictor::default(),
            known: vec![None; KNOWN],
            pairs: std::collections::BTreeMap::new(),
            pending: None,
            version: 0,
            wrote: false,
            ring: Ring::Kernel,
            by_ring: [[0; HwEvent::COUNT]; 2],
            seen: [0; HwEvent::COUNT],
        }
    }

    /// Keeps the cycle in which each instruction retires from here on.
    pub fn record(&mut self) {
        self.pipeline.log = Some(Log::retirements());
    }

    /// Instructions told so far; the number of the next one in [`Self::retirements`].
    #[must_use]
    pub fn instructions(&self) -> usize {
        self.feed.pushed
    }

    /// (instruction, cycle in which it retired) since [`Self::record`], oldest first.
    pub fn retirements(&self) -> impl Iterator<Item = (usize, u64)> {
        let notes = self.pipeline.log.as_ref().map_or(&[][..], |l| &l.notes);
        notes
            .iter()
            .filter(|n| n.1 == Stage::Retired)
            .map(|n| (n.0, n.2))
    }

    /// Cycles since reset, by the pipeline as far as it has come.
    #[must_use]
    pub const fn cycles(&self) -> u64 {
        self.pipeline.now()
    }

    /// The core is in this ring, however it came there.
    #[inline]
    pub fn enter(&mut self, ring: Ring) {
        if self.ring != ring {
            self.drain();
            self.ring = ring;
        }
    }

    /// The instruction at `cpu.rip` is about to execute.
    #[inline]
    pub fn before(&mut self, cpu: &Cpu, mem: &Memory) {
        if let Some(pending) = &mut self.pending
            && pending.known.rip == cpu.rip
            && matches!(pending.known.special, Special::Repeated { .. })
        {
            return;
        }
        let slot = (cpu.rip ^ cpu.rip >> 14) as usize % KNOWN;
        let version = mem.code_version();
        if version != self.version {
            self.version = version;
            if std::mem::take(&mut self.wrote) {
                self.drain();
                self.stand(SELF_MODIFYING);
            }
        }
        let hit = self.known[slot]
            .as_deref()
            .is_some_and(|k| k.rip == cpu.rip && k.version == version);
        if !hit {
            match self.learn(cpu.rip, version, mem) {
                Some(known) => self.known[slot] = Some(Box::new(known)),
                None => {
                    // It faults; its delivery is what is told.
                    self.pending = None;
                    return;
                }
            }
        }
        let Some(known) = self.known[slot].as_deref().copied() else {
            return;
        };
        let mut memory = [Address::default(); OPERANDS];
        for (address, place) in memory
            .iter_mut()
            .zip(&known.places[..usize::from(known.operands)])
        {
            let linear = place.linear(cpu);
            *address = Address {
                linear,
                physical: linear,
            };
        }
        self.pending = Some(Pending {
            known,
            memory,
            iterations: 0,
        });
        match known.special {
            Special::Reads => self.drain(),
            Special::Serializing(cycles) => {
                self.drain();
                self.stand(cycles.saturating_sub(1));
            }
            _ => {}
        }
    }

    /// An iteration of a REP string instruction is done, more to come.
    pub const fn iterated(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.iterations += 1;
        }
    }

    /// It retired, and the next one is at `next`.
    #[inline]
    pub fn after(&mut self, next: u64) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let Known { rip, len, code, .. } = pending.known;
        let lowered = self.feed.code.get(code as usize);
        self.wrote = lowered.is_some_and(|l| l.memory.iter().any(|m| m.write));
        let mut executed = Executed {
            code,
            at: rip,
            memory: pending.memory,
            ..Executed::default()
        };
        match pending.known.special {
            Special::None | Special::Reads => {}
            Special::Branch(kind) => {
                let end = rip + u64::from(len);
                executed.taken = next != end || kind != Branch::Conditional;
                let outcome =
                    self.predictor
                        .retire(kind, rip, u64::from(len), executed.taken, next);
                executed.mispredicted = outcome.mispredicted;
                executed.bubble = outcome.bubble;
                let ring = &mut self.by_ring[self.ring as usize];
                ring[HwEvent::TakenBranches as usize] += u64::from(executed.taken);
                ring[HwEvent::ConditionalBranches as usize] +=
                    u64::from(kind == Branch::Conditional);
                executed.code += u32::from(executed.taken);
                if kind == Branch::Conditional {
                    self.fuse(&executed);
                }
            }
            Special::Serializing(_) => {
                // What it costs has passed; nothing of it is in the pipeline.
                self.stand(1);
                return;
            }
            Special::Repeated { bytes, fast } => {
                let iterations = pending.iterations + 1;
                self.drain();
                self.stand(if fast {
                    REP_START + (iterations * bytes).div_ceil(REP_BYTES)
                } else {
                    REP_START + iterations * REP_COMPARE
                });
                return;
            }
        }
        self.feed.push(executed);
        self.pipeline.advance(&self.feed);
    }

    /// It retired and the ring changed, or may have (SYSCALL, SYSRET, IRET, INT).
    pub fn ring_changed(&mut self, ring: Ring) {
        // It paid before it took effect.
        self.pending = None;
        self.drain();
        self.stand(1);
        self.ring = ring;
    }

    /// An interrupt, an exception or an NMI was delivered; the handler runs in the kernel.
    pub fn delivered(&mut self) {
        self.pending = None;
        self.drain();
        self.ring = Ring::Kernel;
        self.stand(DELIVERY);
    }

    /// Lets the pipeline catch up with all instructions told.
    ///
    /// # Panics
    /// If that takes more cycles than any instruction explains: a fault of the model.
    pub fn drain(&mut self) {
        let drained = self.pipeline.drain(&self.feed, MOST);
        assert!(drained, "the pipeline stands still");
        self.account();
    }

    fn stand(&mut self, cycles: u64) {
        self.pipeline.stand(&self.feed, cycles);
        self.account();
    }

    /// What happened since the last time belongs to the ring that ran.
    fn account(&mut self) {
        let now = self.pipeline.events.words();
        let ring = &mut self.by_ring[self.ring as usize];
        for ((total, now), seen) in ring.iter_mut().zip(now).zip(&mut self.seen) {
            *total += now - *seen;
            *seen = *now;
        }
    }

    /// What has retired, with the pipeline's share as far as it has come.
    #[must_use]
    pub fn totals(&self, retired: &Totals) -> Totals {
        let mut totals = *retired;
        let now = self.pipeline.events.words();
        for (ring, told) in totals.0.iter_mut().zip(&self.by_ring) {
            ring[HwEvent::FIRST_TIMED..].copy_from_slice(&told[HwEvent::FIRST_TIMED..]);
        }
        let ring = &mut totals.0[self.ring as usize];
        for e in HwEvent::FIRST_TIMED..HwEvent::COUNT {
            ring[e] += now[e] - self.seen[e];
        }
        // The time-stamp counter runs at the core's rate.
        for ring in &mut totals.0 {
            ring[HwEvent::RefCycles as usize] = ring[HwEvent::Cycles as usize];
        }
        totals
    }

    /// The model's state in words: clock, counts by ring, instructions told. Two runs with the same
    /// decisions have the same.
    pub fn digest_words(&self, out: &mut Vec<u64>) {
        out.push(self.pipeline.now());
        out.push(self.feed.pushed as u64);
        out.push(self.pipeline.retired as u64);
        out.extend(self.by_ring.iter().flatten());
        out.extend(self.pipeline.events.words());
    }

    /// Makes one of a conditional jump and the instruction before it, if they are of that kind.
    fn fuse(&mut self, jump: &Executed) {
        let pushed = self.feed.pushed;
        if pushed == 0 || self.pipeline.retired == pushed {
            return;
        }
        let first = *self.feed.at(pushed - 1);
        let lowered = &self.feed.code[first.code as usize];
        if lowered.fuses == 0 || first.at + u64::from(lowered.len) != jump.at {
            return;
        }
        let both = &self.feed.code[jump.code as usize];
        if !pair::together(lowered, both, jump.at) {
            return;
        }
        let key = (first.code, jump.code);
        let code = match self.pairs.get(&key) {
            Some(&code) => code,
            None => {
                let code = self.feed.code.len() as u32;
                let fused = pair::fused(lowered, both, jump.taken);
                self.feed.code.push(fused);
                self.pairs.insert(key, code);
                code
            }
        };
        let first = self.feed.at_mut(pushed - 1);
        first.code = code;
        first.fused = true;
    }

    /// Decodes and lowers the instruction at `rip`.
    fn learn(&mut self, rip: u64, version: u64, mem: &Memory) -> Option<Known> {
        let mut bytes = [0; 15];
        let mut len = bytes.len();
        while mem.read(rip, &mut bytes[..len]).is_err() {
            len -= 1;
            if len == 0 {
                return None;
            }
        }
        let instruction = Decoder::with_ip(64, &bytes[..len], rip, DecoderOptions::NONE).decode();
        if instruction.is_invalid() {
            return None;
        }
        let own = &bytes[..instruction.len()];
        let mut special = special(&instruction);
        let lowered = Lowering::new(&TABLE).lower(&instruction, own);
        let code = self.feed.code.len() as u32;
        let mut operands = 0;
        let mut places = [Place::default(); OPERANDS];
        match lowered {
            Some(lowered) => {
                let mut info = InstructionInfoFactory::new();
                for m in info.info(&instruction).used_memory() {
                    let counts = !matches!(m.access(), OpAccess::None | OpAccess::NoMemAccess);
                    if counts && usize::from(operands) < OPERANDS.min(lowered.memory.len()) {
                        places[usize::from(operands)] = Place::of(m);
                        operands += 1;
                    }
                }
                if lowered.branch {
                    self.feed.code.push(lowered.clone());
                    self.feed.code.push(pair::taken(&lowered));
                } else {
                    self.feed.code.push(lowered);
                }
            }
            None if special == Special::None || special == Special::Reads => {
                special = Special::Serializing(PRIVILEGED);
            }
            None => {}
        }
        if matches!(special, Special::Branch(_)) && self.feed.code.len() as u32 != code + 2 {
            special = Special::Serializing(PRIVILEGED);
        }
        Some(Known {
            rip,
            version,
            len: instruction.len() as u8,
            operands,
            special,
            code,
            places,
        })
    }
}

fn special(instruction: &Instruction) -> Special {
    use Mnemonic as M;
    if instruction.is_string_instruction()
        && (instruction.has_rep_prefix() || instruction.has_repne_prefix())
    {
        let bytes = (0..instruction.op_count())
            .map(|i| match instruction.op_kind(i) {
                OpKind::Register => instruction.op_register(i).size(),
                _ => instruction.memory_size().size(),
            })
            .max()
            .unwrap_or(1);
        let name = format!("{:?}", instruction.mnemonic());
        return Special::Repeated {
            bytes: bytes as u64,
            fast: name.starts_with("Movs") || name.starts_with("Stos"),
        };
    }
    match instruction.mnemonic() {
        M::Rdpmc | M::Rdtsc | M::Rdtscp | M::Rdmsr => return Special::Reads,
        M::Wrmsr | M::Invlpg | M::Lgdt | M::Lidt | M::Ltr | M::Lldt | M::Vmcall | M::Wbinvd => {
            return Special::Serializing(SERIALIZING);
        }
        M::Syscall | M::Sysret | M::Sysretq => return Special::Serializing(SYSTEM_CALL),
        M::Iretq | M::Iretd | M::Iret => return Special::Serializing(INTERRUPT_RETURN),
        M::Int | M::Int3 | M::Int1 => return Special::Serializing(DELIVERY),
        M::Hlt => return Special::Serializing(1),
        M::Swapgs | M::In | M::Out | M::Xgetbv | M::Xsetbv => {
            return Special::Serializing(PRIVILEGED);
        }
        M::Mov if control(instruction) => return Special::Serializing(SERIALIZING),
        _ => {}
    }
    Special::Branch(match instruction.flow_control() {
        FlowControl::ConditionalBranch => Branch::Conditional,
        FlowControl::UnconditionalBranch => Branch::Direct,
        FlowControl::IndirectBranch => Branch::Indirect,
        FlowControl::Call => Branch::Call,
        FlowControl::IndirectCall => Branch::IndirectCall,
        FlowControl::Return => Branch::Return,
        _ => return Special::None,
    })
}

/// A move to or from a control, debug or segment register.
fn control(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|i| {
        let r = instruction.op_register(i);
        r.is_cr() || r.is_dr() || r.is_segment_register() && i == 0
    })
}

impl Place {
    fn of(m: &iced_x86::UsedMemory) -> Self {
        let number = |r: Register| match Resource::of(r) {
            Some(resource) if resource.is_gpr() => resource.0 + 1,
            _ => 0,
        };
        Self {
            base: number(m.base()),
            index: number(m.index()),
            scale: m.scale() as u8,
            segment: match m.segment() {
                Register::FS => 1,
                Register::GS => 2,
                _ => 0,
            },
            narrow: m.base().is_gpr32() || m.index().is_gpr32(),
            displacement: m.displacement(),
        }
    }

    #[inline]
    fn linear(&self, cpu: &Cpu) -> u64 {
        let register = |r: u8| match r {
            0 => 0,
            r => cpu.regs[usize::from(r - 1)],
        };
        let scaled = register(self.index).wrapping_mul(u64::from(self.scale));
        let mut linear = self
            .displacement
            .wrapping_add(register(self.base))
            .wrapping_add(scaled);
        if self.narrow {
            linear &= 0xffff_ffff;
        }
        match self.segment {
            1 => linear.wrapping_add(cpu.fs_base),
            2 => linear.wrapping_add(cpu.gs_base),
            _ => linear,
        }
    }
}

/// The lowered code of an instruction, for those who want to look at it.
#[must_use]
pub fn lowered(instruction: &Instruction, bytes: &[u8]) -> Option<Lowered> {
    Lowering::new(&TABLE).lower(instruction, bytes)
}

/// The events of [`Totals`] that a program's cycles go by.
#[must_use]
pub fn cycles(totals: &Totals) -> u64 {
    totals.get(Ring::Kernel, Event::Cycles) + totals.get(Ring::User, Event::Cycles)
}
