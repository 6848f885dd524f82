// SPDX-License-Identifier: GPL-2.0-only
//! Batches of instructions here and there.

use super::child::{BATCH, CHANGE_MAX, CODE, Case, Change, Child, DATA, DATA_SIZE, Outcome, State};
use super::generate::{self, Random};
use super::vector;
use super::x87;
use cpu::{Cpu, DecodeCache, Extended, Memory, NoBus, Perm, Step, Stop, flags, step};
use iced_x86::{Instruction, Mnemonic as N, OpKind, Register, RflagsBits};
use std::collections::BTreeMap;

const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];
/// Compared where defined.
const OPEN: u64 = flags::STATUS | flags::DF;
const CR4_SSE: u64 = 3 << 9;

/// Flags that the manual leaves open after `i`.
fn undefined(i: &Instruction, rcx: u64) -> u64 {
    let bits = i.rflags_undefined();
    let mut mask = 0;
    for (theirs, ours) in [
        (RflagsBits::OF, flags::OF),
        (RflagsBits::SF, flags::SF),
        (RflagsBits::ZF, flags::ZF),
        (RflagsBits::AF, flags::AF),
        (RflagsBits::CF, flags::CF),
        (RflagsBits::PF, flags::PF),
    ] {
        if bits & theirs != 0 {
            mask |= ours;
        }
    }
    let count = || {
        let raw = if i.op_kind(1) == OpKind::Register {
            rcx
        } else {
            u64::from(i.immediate8())
        };
        raw as u32 & 31
    };
    if matches!(i.mnemonic(), N::Shl | N::Sal | N::Shr) {
        let bits = 8 * operand_size(i) as u32;
        if bits < 32 && count() >= bits {
            mask |= flags::CF;
        }
    }
    // A whole turn through CF is none of one bit, nor one of none.
    if matches!(i.mnemonic(), N::Rcl | N::Rcr) && count() > 1 {
        mask |= flags::OF;
    }
    mask
}

fn operand_size(i: &Instruction) -> usize {
    match i.op_kind(0) {
        OpKind::Register => i.op_register(0).size(),
        _ => i.memory_size().size(),
    }
}

/// 16-bit double shifts by more than 16 give an undefined result.
fn skipped(i: &Instruction, rcx: u64) -> bool {
    if !matches!(i.mnemonic(), N::Shld | N::Shrd) {
        return false;
    }
    let count = match i.op_kind(2) {
        OpKind::Register => rcx,
        _ => u64::from(i.immediate8()),
    };
    operand_size(i) == 2 && count & 31 > 16
}

/// What the core made of a case.
struct Expected {
    instruction: Instruction,
    /// The vector of the exception it raised.
    vector: Option<u8>,
    state: State,
    change: Change,
    /// Flags to compare.
    mask: u64,
}

/// The core's side.
struct Simulated {
    cpu: Cpu,
    mem: Memory,
    cache: DecodeCache,
    state: State,
    shadow: Vec<u8>,
    /// The last instruction was executed as threaded code, if it has any.
    threaded: bool,
}

impl Simulated {
    fn new(data: &[u8]) -> Self {
        let mut mem = Memory::new(DATA + DATA_SIZE as u64);
        mem.protect(CODE, 0x1000, Perm::READ | Perm::EXEC | Perm::USER);
        let rw = Perm::READ | Perm::WRITE | Perm::USER;
        mem.protect(DATA, DATA_SIZE as u64, rw);
        mem.write(DATA, data).unwrap();
        let mut cpu = Cpu::new();
        cpu.enter_user();
        cpu.cr4 |= CR4_SSE;
        Self {
            cpu,
            mem,
            cache: DecodeCache::new(),
            state: State {
                xmm: [0; 16],
                regs: [0; 16],
                rip: CODE,
                flags: 2,
                mxcsr: 0x1f80,
                st: [0; 8],
                fcw: 0x37f,
                fsw: 0,
                ftw: 0,
            },
            shadow: data.to_vec(),
            threaded: false,
        }
    }

    /// Makes up a case and executes it.
    fn next(&mut self, r: &mut Random) -> (Case, Expected) {
        let (bytes, i) = loop {
            let (bytes, i) = match r.below(3) {
                0 => vector::instruction(r),
                1 => x87::instruction(r),
                _ => generate::instruction(r),
            };
            generate::registers(r, &i, &mut self.state.regs);
            if !skipped(&i, self.state.regs[1]) {
                break (bytes, i);
            }
        };
        vector::registers(r, &i, &mut self.state);
        x87::registers(r, &mut self.state);
        let regs = &mut self.state.regs;
        let mut patch = [0; 16];
        let mut patch_at = 0;
        if i.mnemonic() == N::Ret {
            patch_at = regs[4];
            patch[..8].copy_from_slice(&(CODE + r.below(0x800)).to_le_bytes());
        } else if i.mnemonic() == N::Maskmovdqu {
            regs[7] = DATA + 0x1000 + r.below(0x800);
        } else if let Some(at) = generate::address(&i, regs)
            && (i.mnemonic() == N::Ldmxcsr || touches_vectors(&i) && r.below(2) == 0)
        {
            patch_at = at;
            patch = vector::operand(r, &i);
        } else if let Some(at) = generate::address(&i, regs)
            && x87::is_one(&i)
        {
            patch_at = at;
            patch = x87::operand(r, &i);
        }
        self.state.rip = CODE;
        self.state.flags = r.next() & OPEN | 2;
        self.state.mxcsr = vector::mxcsr(r);
        // HLT behind it: decoding goes no further.
        let mut code = [0xf4; 16];
        code[..bytes.len()].copy_from_slice(&bytes);
        let case = Case {
            state: self.state,
            code,
            patch,
            patch_at,
            forgive: i.mnemonic() == N::Enter,
        };
        let expected = self.execute(&case, i);
        (case, expected)
    }

    fn execute(&mut self, case: &Case, instruction: Instruction) -> Expected {
        let (cpu, mem) = (&mut self.cpu, &mut self.mem);
        mem.write(CODE, &case.code).unwrap();
        if case.patch_at != 0 {
            mem.write(case.patch_at, &case.patch).unwrap();
            let at = (case.patch_at - DATA) as usize;
            self.shadow[at..at + 16].copy_from_slice(&case.patch);
        }
        cpu.regs = case.state.regs;
        cpu.rip = case.state.rip;
        cpu.xmm = case.state.xmm;
        cpu.mxcsr = case.state.mxcsr;
        cpu.fcw = case.state.fcw;
        cpu.x87.status = case.state.fsw;
        cpu.x87.full = case.state.ftw;
        for (n, v) in (0..).zip(case.state.st) {
            cpu.x87.poke(n, Extended::from_bits(v));
        }
        cpu.set_rflags(case.state.flags);
        let cache = &mut self.cache;
        self.threaded = !self.threaded;
        let done = if self.threaded {
            // A first go, which is undone, decodes it; then simple writes need no saving.
            let mark = mem.mark();
            step(&mut cpu.clone(), mem, cache, &mut NoBus);
            mem.rollback(&mark);
            mem.release(mark);
            let data = mem.slice(DATA, DATA_SIZE).unwrap().to_vec();
            mem.write(DATA, &data).unwrap();
            let ran = cpu::run(cpu, mem, cache, &mut NoBus, 1, true);
            ran.last.unwrap_or(Step::Retired)
        } else {
            step(cpu, mem, cache, &mut NoBus)
        };
        let vector = match done {
            Step::Retired | Step::Iterated => None,
            Step::Stop(stop) => match *stop {
                Stop::UnhandledException { vector, .. } => Some(vector),
                other => panic!("{other}"),
            },
            other => panic!("{other:?} after {instruction}"),
        };
        self.state = State {
            xmm: cpu.xmm,
            regs: cpu.regs,
            rip: cpu.rip,
            flags: cpu.rflags(),
            mxcsr: cpu.mxcsr,
            st: std::array::from_fn(|n| cpu.x87.peek(n as u8).bits()),
            fcw: cpu.fcw,
            fsw: cpu.x87.status,
            ftw: cpu.x87.full,
        };
        if vector.is_some() && case.forgive {
            mem.write(DATA, &self.shadow).unwrap();
        }
        let now = mem.slice(DATA, DATA_SIZE).unwrap();
        let change = Change::between(&self.shadow, now);
        if change.len > 0 {
            self.shadow.copy_from_slice(now);
        }
        // A repeated string instruction with RCX 0 changes no flag; iced calls none undefined.
        let mut open = undefined(&instruction, case.state.regs[1]);
        // Between two iterations of a comparison Intel's processors show the flags from before the
        // first one, AMD's those of the last one.
        let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
        if repeated && self.state.rip == case.state.rip {
            open |= flags::STATUS;
        }
        Expected {
            instruction,
            vector,
            state: self.state,
            change,
            mask: if vector.is_some() || x87::stopped(&instruction, &self.state) {
                0
            } else {
                OPEN & !open
            },
        }
    }
}

fn touches_vectors(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_xmm())
        || i.mnemonic() == N::Ldmxcsr && i.memory_base() != Register::None
}

fn describe(case: &Case, expected: &Expected) -> String {
    let i = &expected.instruction;
    let named: Vec<_> = NAMES.iter().zip(case.state.regs).collect();
    let vectors: Vec<_> = (0..16)
        .map(|n| format!("xmm{n} {:032x}", case.state.xmm[n]))
        .chain((0..8).map(|n| format!("st{n} {:020x}", case.state.st[n])))
        .collect();
    format!(
        "{i} ({:02x?}) mxcsr {:#x} fcw {:#x} fsw {:#x} ftw {:#x} flags {:#x}\npatch {:#x}: {:032x}\nbefore {named:x?}\n{}",
        &case.code[..i.len()],
        case.state.mxcsr,
        case.state.fcw,
        case.state.fsw,
        case.state.ftw,
        case.state.flags,
        case.patch_at,
        u128::from_le_bytes(case.patch),
        vectors.join("\n"),
    )
}

/// The first difference.
fn difference(expected: &Expected, outcome: &Outcome) -> Option<String> {
    let codes = !x87::undefined(&expected.instruction, &expected.state);
    let signal = match expected.vector {
        None => libc::SIGTRAP,
        Some(0 | 16 | 19) => libc::SIGFPE,
        Some(6) => libc::SIGILL,
        // Both of them, by the kind of fault.
        Some(12..=14) if outcome.signal == libc::SIGBUS => libc::SIGBUS,
        Some(_) => libc::SIGSEGV,
    };
    if signal != outcome.signal {
        let vector = expected.vector;
        return Some(format!(
            "vector {vector:?}, native signal {}",
            outcome.signal
        ));
    }
    let (core, native) = (&expected.state, &outcome.state);
    for (n, name) in NAMES.iter().enumerate() {
        if core.regs[n] != native.regs[n] {
            let (a, b) = (core.regs[n], native.regs[n]);
            return Some(format!("{name}: core {a:#x}, native {b:#x}"));
        }
    }
    for n in 0..16 {
        if core.xmm[n] != native.xmm[n] {
            let (a, b) = (core.xmm[n], native.xmm[n]);
            return Some(format!("xmm{n}: core {a:032x}, native {b:032x}"));
        }
    }
    for n in 0..8 {
        if core.st[n] != native.st[n] {
            let (a, b) = (core.st[n], native.st[n]);
            return Some(format!("st{n}: core {a:020x}, native {b:020x}"));
        }
    }
    let differ = |name: &str, a: u64, b: u64| {
        (a != b).then(|| format!("{name}: core {a:#x}, native {b:#x}"))
    };
    let mask = expected.mask;
    differ("mxcsr", core.mxcsr.into(), native.mxcsr.into())
        .or_else(|| differ("fcw", core.fcw.into(), native.fcw.into()))
        .or_else(|| {
            differ(
                "fsw",
                (core.fsw & codes).into(),
                (native.fsw & codes).into(),
            )
        })
        .or_else(|| differ("ftw", core.ftw.into(), native.ftw.into()))
        .or_else(|| differ("rip", core.rip, native.rip))
        .or_else(|| differ("flags", core.flags & mask, native.flags & mask))
        .or_else(|| {
            let (a, b) = (&expected.change, &outcome.change);
            assert!(a.len.max(b.len) < CHANGE_MAX, "a change too large");
            ((a.at, a.bytes()) != (b.at, b.bytes())).then(|| {
                format!(
                    "memory: core {:#x} {:02x?}, native {:#x} {:02x?}",
                    a.at,
                    a.bytes(),
                    b.at,
                    b.bytes()
                )
            })
        })
}

/// Data pages full of something, and a child that has them too.
///
/// # Errors
/// Why this host has no such child.
pub(crate) fn start(seed: u64) -> Result<(Child, Vec<u8>), String> {
    let mut r = Random(seed);
    let noise: Vec<u8> = (0..DATA_SIZE / 8)
        .flat_map(|_| r.value().to_le_bytes())
        .collect();
    let mut child = Child::start(&noise)?;
    let mut simulated = Simulated::new(&noise);
    let mut case = simulated.next(&mut r).0;
    case.code = [0x90; 16];
    case.patch_at = 0;
    match child.run(&[case]) {
        Ok([outcome]) if outcome.signal == libc::SIGTRAP && outcome.state.rip == CODE + 1 => {
            Ok((child, noise))
        }
        _ => Err("a process may not single-step itself here".into()),
    }
}

/// Compares `steps` instructions; how many of each mnemonic there were.
pub(crate) fn run(child: &mut Child, data: &[u8], seed: u64, steps: u64) -> BTreeMap<String, u64> {
    let mut r = Random(seed);
    let mut simulated = Simulated::new(data);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut done = 0;
    while done < steps {
        let count = BATCH.min((steps - done) as usize);
        let (cases, expected): (Vec<Case>, Vec<Expected>) =
            (0..count).map(|_| simulated.next(&mut r)).unzip();
        let outcomes = match child.run(&cases) {
            Ok(outcomes) => outcomes,
            Err(n) => {
                let n = n.min(count - 1);
                panic!("the child died at {}", describe(&cases[n], &expected[n]));
            }
        };
        for (n, expected) in expected.iter().enumerate() {
            let number = done + n as u64;
            if let Some(what) = difference(expected, &outcomes[n]) {
                panic!(
                    "{what}\nseed {seed}, instruction {number}: {}",
                    describe(&cases[n], expected)
                );
            }
            let name = format!("{:?}", expected.instruction.mnemonic());
            *seen.entry(name).or_default() += 1;
        }
        done += count as u64;
    }
    seen
}
