// SPDX-License-Identifier: GPL-2.0-only
//! `run` does what a loop around `step` does: random programs with branches, calls, loops, faults,
//! watched memory, undo marks, watch points and changed code, stopped at random boundaries.
#![cfg(target_arch = "x86_64")]

#[allow(dead_code, reason = "some of it is for the native comparison")]
#[path = "native/generate.rs"]
mod generate;

/// What the generator asks its surroundings.
mod child {
    pub(crate) const CODE: u64 = 0x10_0000;
    pub(crate) const DATA: u64 = 0x20_0000;
}

use child::{CODE, DATA};
use cpu::{Access, Cpu, DecodeCache, Memory, NoBus, Perm, Step, run, step, step_over_watch};
use generate::Random;
use iced_x86::{FlowControl, Mnemonic as N};

const DATA_SIZE: u64 = 0x4000;
/// Address of a subroutine.
const SUB: u64 = CODE + 0x2800;
/// Address of its address.
const SUB_POINTER: u64 = SUB + 0x20;

/// One of two machines that must agree.
#[derive(Clone)]
struct Side {
    cpu: Cpu,
    mem: Memory,
    cache: DecodeCache,
    boundaries: u64,
    accesses: Vec<Access>,
}

impl Side {
    fn new(code: &[u8], data: &[u8], user: bool) -> Self {
        let mut mem = Memory::new(DATA + DATA_SIZE);
        mem.protect(CODE, 0x3000, Perm::READ | Perm::EXEC | Perm::USER);
        mem.protect(DATA, DATA_SIZE, Perm::READ | Perm::WRITE | Perm::USER);
        mem.write(CODE, code).unwrap();
        // add rax, rcx; lea rdx, [rax + rcx * 4 + 5]; ret
        let sub = [0x48, 0x01, 0xc8, 0x48, 0x8d, 0x54, 0x88, 0x05, 0xc3];
        mem.write(SUB, &sub).unwrap();
        mem.write_u64(SUB_POINTER, SUB).unwrap();
        mem.write(DATA, data).unwrap();
        let mut cpu = Cpu::new();
        if user {
            cpu.enter_user();
        }
        cpu.rip = CODE;
        cpu.gs_base = 0x18;
        Self {
            cpu,
            mem,
            cache: DecodeCache::new(),
            boundaries: 0,
            accesses: Vec::new(),
        }
    }

    fn over_watch(&mut self) -> Step {
        step_over_watch(&mut self.cpu, &mut self.mem, &mut self.cache, &mut NoBus)
    }

    /// What a step means; true if the program goes on.
    fn count(&mut self, step: &Step) -> bool {
        match step {
            Step::Retired | Step::Iterated => self.boundaries += 1,
            Step::Watch => {
                let over = self.over_watch();
                return self.count(&over);
            }
            // Faults, and whatever changed code has become.
            _ => return false,
        }
        true
    }

    /// One instruction after the other up to a boundary.
    fn step_to(&mut self, boundary: u64) -> Option<Step> {
        while self.boundaries < boundary {
            let step = step(&mut self.cpu, &mut self.mem, &mut self.cache, &mut NoBus);
            let goes_on = self.count(&step);
            self.accesses.append(self.mem.accesses());
            if !goes_on {
                return Some(step);
            }
        }
        None
    }

    /// The same by `run`.
    fn run_to(&mut self, boundary: u64, careful: bool) -> Option<Step> {
        while self.boundaries < boundary {
            let most = boundary - self.boundaries;
            let ran = run(
                &mut self.cpu,
                &mut self.mem,
                &mut self.cache,
                &mut NoBus,
                most,
                careful,
            );
            self.boundaries += ran.boundaries;
            assert!(ran.boundaries <= most);
            let Some(step) = ran.last else {
                assert_eq!(self.boundaries, boundary);
                break;
            };
            let goes_on = self.count(&step);
            self.accesses.append(self.mem.accesses());
            if !goes_on {
                assert!(!matches!(step, Step::Stop(_)) || ran.rip == self.cpu.rip);
                return Some(step);
            }
        }
        self.accesses.append(self.mem.accesses());
        None
    }

    fn state(&self) -> impl PartialEq + std::fmt::Debug {
        let cpu = &self.cpu;
        (
            self.boundaries,
            cpu.rip,
            cpu.regs,
            cpu.rflags(),
            cpu.totals,
            cpu.cpl(),
            self.accesses.len(),
        )
    }
}

/// `mov r64, imm64`.
fn set(code: &mut Vec<u8>, reg: u8, value: u64) {
    code.extend([0x48 | reg >> 3, 0xb8 | reg & 7]);
    code.extend(value.to_le_bytes());
}

fn program(r: &mut Random) -> Vec<u8> {
    let mut code = Vec::new();
    let mut regs = [0; 16];
    for _ in 0..60 {
        let (bytes, i) = generate::instruction(r);
        if i.flow_control() != FlowControl::Next {
            continue;
        }
        generate::registers(r, &i, &mut regs);
        let all = i.is_string_instruction()
            || matches!(
                i.mnemonic(),
                N::Leave | N::Enter | N::Div | N::Idiv | N::Bt | N::Bts
            )
            || r.below(8) == 0;
        // Sometimes a stale register makes an access fault, and the program ends there.
        let kept = r.below(100) == 0;
        for reg in 0..16u8 {
            if !kept && (all || matches!(reg, 3 | 4 | 14)) {
                set(&mut code, reg, regs[usize::from(reg)]);
            }
        }
        match r.below(10) {
            0 => code.extend([0x70 | r.below(16) as u8, bytes.len() as u8]),
            1 => {
                let from = CODE + code.len() as u64 + 5;
                code.push(0xe8);
                code.extend((SUB.wrapping_sub(from) as i32).to_le_bytes());
            }
            2 => {
                set(&mut code, 0, SUB);
                // call rax
                code.extend([0xff, 0xd0]);
            }
            3 => {
                // call [SUB_POINTER]
                code.extend([0xff, 0x14, 0x25]);
                code.extend((SUB_POINTER as u32).to_le_bytes());
            }
            // lea rax, [rip + 2]; jmp rax
            4 => code.extend([0x48, 0x8d, 0x05, 2, 0, 0, 0, 0xff, 0xe0]),
            5 => {
                // mov gs:[disp32], rdx or mov rdx, gs:[disp32], 64 or 32 bits
                let wide = [0x40, 0x48][r.below(2) as usize];
                code.extend([0x65, wide, [0x89, 0x8b][r.below(2) as usize], 0x14, 0x25]);
                code.extend(((DATA + r.below(0x1000)) as u32).to_le_bytes());
            }
            _ => {}
        }
        code.extend(bytes);
        if r.below(8) == 0 {
            // cmp eax, ecx; jcc over a nop
            code.extend([0x39, 0xc8, 0x70 | r.below(16) as u8, 1, 0x90]);
        }
    }
    let back = -(code.len() as i64 + 5) as i32;
    code.push(0xe9);
    code.extend(back.to_le_bytes());
    assert!(CODE + (code.len() as u64) < SUB);
    code
}

fn compare(seed: u64) -> u64 {
    let mut r = Random(seed);
    let code = program(&mut r);
    let mut data = Vec::new();
    for _ in 0..DATA_SIZE / 8 {
        data.extend(r.value().to_le_bytes());
    }
    let mut a = Side::new(&code, &data, r.below(2) == 0);
    let mut b = a.clone();
    if r.below(2) == 0 {
        let at = DATA + 0x1000 + r.below(0x800);
        a.mem.watch(at, 8);
        b.mem.watch(at, 8);
    }
    if r.below(2) == 0 {
        let at = CODE + r.below(code.len() as u64);
        a.cache.watch(at);
        b.cache.watch(at);
    }
    let (mark_a, mark_b) = (a.mem.mark(), b.mem.mark());
    let mut inner = None;
    for _ in 0..40 {
        let most = if r.below(3) == 0 { 3 } else { 300 };
        let to = a.boundaries + 1 + r.below(most);
        let careful = r.below(2) == 0;
        let (x, y) = (a.step_to(to), b.run_to(to, careful));
        assert_eq!(x, y, "seed {seed} to {to}");
        assert_eq!(a.state(), b.state(), "seed {seed} to {to}");
        assert_eq!(a.accesses, b.accesses, "seed {seed} to {to}");
        let all = |side: &Side| side.mem.slice(DATA, DATA_SIZE as usize).unwrap().to_vec();
        assert!(all(&a) == all(&b), "seed {seed} to {to}: memory");
        if x.is_some() {
            break;
        }
        match (r.below(8), inner.take()) {
            (0, None) => inner = Some((a.clone().cpu, a.mem.mark(), b.mem.mark())),
            (0, Some((cpu, m, n))) => {
                a.mem.rollback(&m);
                b.mem.rollback(&n);
                (a.cpu, b.cpu) = (cpu.clone(), cpu);
            }
            (1, kept) => {
                inner = kept;
                // A byte of an immediate, most often.
                let at = CODE + r.below(code.len() as u64);
                let byte = [r.next() as u8];
                a.mem.write(at, &byte).unwrap();
                b.mem.write(at, &byte).unwrap();
            }
            (_, kept) => inner = kept,
        }
    }
    a.mem.rollback(&mark_a);
    b.mem.rollback(&mark_b);
    let all = |side: &Side| side.mem.slice(DATA, DATA_SIZE as usize).unwrap().to_vec();
    assert!(all(&a) == data && all(&b) == data, "seed {seed}: undo");
    a.boundaries
}

#[test]
fn chains_do_what_single_steps_do() {
    let programs =
        std::env::var("PMUSIM_CHAIN_PROGRAMS").map_or(300, |v| v.parse().expect("a number"));
    let mut boundaries = 0;
    for seed in 0..programs {
        boundaries += compare(seed);
    }
    assert!(
        boundaries > programs * 500,
        "the programs end too early: {boundaries} boundaries"
    );
}

#[test]
fn what_is_more_than_computation_ends_a_run() {
    // Each behind a NOP that has run before, so that a chain comes to it.
    for (code, expected) in [(&[0xf3, 0x90][..], Step::Paused), (&[0xf4], Step::Halted)] {
        let mut side = Side::new(&[&[0x90], code].concat(), &[], false);
        for _ in 0..2 {
            side.cpu.rip = CODE;
            side.cpu.halted = false;
            side.cpu.set_rflags(2);
            let cache = &mut side.cache;
            let ran = run(&mut side.cpu, &mut side.mem, cache, &mut NoBus, 10, false);
            assert_eq!((ran.boundaries, ran.last), (1, Some(expected.clone())));
        }
    }
}

#[test]
fn a_string_store_over_code_is_noticed_in_a_chain() {
    // It turns NOPs that are decoded already, and have run, into HLTs.
    for moves in [false, true] {
        let mut code = vec![0xf3, if moves { 0xa4 } else { 0xaa }];
        code.extend([0x90; 6]);
        code.push(0xf4);
        let mut ends = Vec::new();
        for most in [1, 1000] {
            let mut side = Side::new(&code, &[0xf4; 64], false);
            side.mem
                .protect(CODE, 0x1000, Perm::READ | Perm::WRITE | Perm::EXEC);
            side.cpu.set_rflags(2);
            side.cpu.regs[0] = 0xf4;
            side.cpu.regs[1] = 4;
            side.cpu.regs[6] = DATA;
            side.cpu.regs[7] = CODE + 3;
            // Warm: the NOPs are decoded and run as they are.
            side.cpu.rip = CODE + 2;
            while side.cpu.rip != CODE + 8 {
                run(
                    &mut side.cpu,
                    &mut side.mem,
                    &mut side.cache,
                    &mut NoBus,
                    1,
                    false,
                );
            }
            side.cpu.rip = CODE;
            let last = loop {
                let cache = &mut side.cache;
                let ran = run(&mut side.cpu, &mut side.mem, cache, &mut NoBus, most, false);
                if let Some(step) = ran.last {
                    break step;
                }
            };
            assert_eq!(last, Step::Halted);
            // One NOP is left, then the first HLT.
            assert_eq!(side.cpu.rip, CODE + 4, "moves {moves}, {most} at a time");
            ends.push((side.cpu.regs, side.cpu.totals));
        }
        assert_eq!(ends[0], ends[1]);
    }
}
