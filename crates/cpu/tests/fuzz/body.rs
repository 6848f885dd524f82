// SPDX-License-Identifier: GPL-2.0-only
//! What fuzzing and the property test do with some bytes: they are registers, settings and code.
//! Whatever they say, no step panics, hangs or miscounts, and a rollback leads to the same end, in
//! threaded code too.

use super::common::*;
use cpu::{Event, Extended, Features, Memory, NoBus, Perm, Step, deliver};

const STEPS: u64 = 300;
/// Steps between two NMIs.
const NMI_EVERY: u64 = 50;
const RW: Perm = Perm(Perm::READ.0 | Perm::WRITE.0);
/// Bits of MXCSR that exist.
const MXCSR_MASK: u32 = 0xffff;

/// Takes values off the front; zeros behind the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = N.min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        out
    }
    fn byte(&mut self) -> u8 {
        let [b] = self.take();
        b
    }
    fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
    /// Anything, an address in memory, or one in the data pages.
    fn register(&mut self) -> u64 {
        let v = self.word();
        match v >> 62 {
            0 => v % SIZE,
            1 | 2 => DATA + v % 0x8000,
            _ => v << 2,
        }
    }
}

fn machine(data: &[u8]) -> Machine {
    let mut bytes = Bytes(data);
    let settings = bytes.byte();
    let has = |bit: u8| settings >> bit & 1 != 0;
    let flags = bytes.word();
    let control = bytes.byte();
    let regs: [u64; 16] = std::array::from_fn(|_| bytes.register());
    let xmm: [u128; 4] = std::array::from_fn(|_| u128::from_le_bytes(bytes.take()));
    let mxcsr = bytes.word() as u32;
    let x87: [u16; 3] = std::array::from_fn(|_| u16::from_le_bytes(bytes.take()));
    let st: [[u8; 10]; 4] = std::array::from_fn(|_| bytes.take());
    let code = bytes.0;
    let code = &code[..code.len().min(0x800)];
    let mut m = Machine::new(code);
    m.mem.write(USER_CODE, code).unwrap();
    for vector in 0..=255 {
        m.gate(vector, CODE + u64::from(vector % 64), vector % 2, 3);
    }
    m.cpu.regs = regs;
    m.cpu.xmm[..4].copy_from_slice(&xmm);
    m.cpu.mxcsr = mxcsr & MXCSR_MASK;
    m.cpu.fcw = x87[0] & 0x1f3f | 0x40;
    m.cpu.x87.full = x87[1] as u8;
    m.cpu.x87.status = x87[2] & 0x7f7f;
    for (n, v) in (0..).zip(st) {
        let mut bits = [0; 16];
        bits[..10].copy_from_slice(&v);
        m.cpu
            .x87
            .poke(n, Extended::from_bits(u128::from_le_bytes(bits)));
    }
    m.cpu.cr0 |= u64::from(control & 0xe);
    m.cpu.cr4 |= u64::from(control >> 4) << 8 | u64::from(control & 1) << 16;
    if has(3) {
        // Breakpoints on what the registers point to, and on the code.
        m.cpu.dr[..4].copy_from_slice(&regs[..4]);
        m.cpu.dr[3] = CODE + regs[3] % 64;
        m.cpu.dr[7] = 0x400 | u64::from(mxcsr.reverse_bits()) & 0xffff_23ff;
    }
    m.cpu.set_rflags(flags);
    if has(0) {
        m.cpu.enter_user();
        m.cpu.rip = USER_CODE;
    }
    if has(1) {
        m.mem.protect(CODE, 0x8000, RW | Perm::EXEC);
        m.mem.watch(DATA, 0x100);
    }
    if has(2) {
        let less = Features::NAMES[usize::from(settings >> 4) % Features::NAMES.len()].1;
        m.cpu.features = Features::ALL.without(less);
    }
    m
}

fn whole(mem: &Memory) -> &[u8] {
    mem.slice(0, SIZE as usize).unwrap()
}

/// The next steps until one is no plain instruction, at most `most` of them: how many, and the last.
type Advance = fn(&mut Machine, most: u64) -> (u64, Option<Step>);

/// One step, checked.
fn single(m: &mut Machine, _: u64) -> (u64, Option<Step>) {
    let retired: u64 = m.instructions().iter().sum();
    let step = m.step();
    let now: u64 = m.instructions().iter().sum();
    match step {
        Step::Retired | Step::RingChanged | Step::Bus | Step::Paused => {
            assert_eq!(now, retired + 1);
        }
        Step::Iterated | Step::Exception { .. } => assert_eq!(now, retired),
        _ => {}
    }
    (1, Some(step))
}

/// Threaded code where it goes.
fn chained(m: &mut Machine, most: u64) -> (u64, Option<Step>) {
    let ran = cpu::run(
        &mut m.cpu,
        &mut m.mem,
        &mut m.cache,
        &mut NoBus,
        most,
        false,
    );
    assert!(ran.boundaries <= most);
    let last = u64::from(ran.last.is_some());
    (ran.boundaries + last, ran.last)
}

fn execute(m: &mut Machine, advance: Advance) {
    let mut done = 0;
    while done < STEPS {
        let next_nmi = (done / NMI_EVERY + 1) * NMI_EVERY;
        let (steps, last) = advance(m, next_nmi - done);
        done += steps;
        match last {
            Some(Step::Stop(stop)) => {
                assert!(!stop.to_string().is_empty());
                return;
            }
            Some(Step::Halted) => m.cpu.halted = false,
            Some(Step::Watch) => panic!("no watch point was set"),
            _ => {}
        }
        assert_eq!(m.cpu.mxcsr & !MXCSR_MASK, 0);
        assert_eq!(
            m.cpu.rip << 16 >> 63,
            m.cpu.rip >> 63,
            "rip is not canonical"
        );
        if done == next_nmi && cpu::can_take_nmi(&m.cpu) {
            let _ = deliver(&mut m.cpu, &mut m.mem, Event::Nmi);
        }
    }
}

/// One execution, three times: twice step by step, and once in threaded code.
pub(crate) fn run(data: &[u8]) {
    let mut m = machine(data);
    let start = m.cpu.clone();
    let before = whole(&m.mem).to_vec();
    let mark = m.mem.mark();
    let mut ends = Vec::new();
    for advance in [single as Advance, single, chained] {
        execute(&mut m, advance);
        let cpu = &m.cpu;
        ends.push((
            (cpu.regs, cpu.rip, cpu.rflags(), cpu.totals),
            (cpu.xmm, cpu.mxcsr, cpu.dr, cpu.x87, cpu.fcw),
            whole(&m.mem).to_vec(),
        ));
        m.mem.rollback(&mark);
        assert!(whole(&m.mem) == before, "the rollback left something");
        m.cpu = start.clone();
    }
    assert!(ends[0] == ends[1], "the second run ended elsewhere");
    assert!(ends[0].0 == ends[2].0, "threaded code has other registers");
    assert!(ends[0] == ends[2], "threaded code ended elsewhere");
}
