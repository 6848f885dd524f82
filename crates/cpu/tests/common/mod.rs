// SPDX-License-Identifier: GPL-2.0-only
//! A small machine for tests: code at [`CODE`], data at [`DATA`], stacks, a GDT, an IDT and a TSS.
#![allow(dead_code, reason = "each test file uses its part")]

use cpu::{Cpu, DecodeCache, Memory, NoBus, Perm, Step, flat_gdt, interrupt_gate, step};
use iced_x86::code_asm::CodeAssembler;

pub(crate) const GDT: u64 = 0x1000;
pub(crate) const TSS: u64 = 0x2000;
pub(crate) const IDT: u64 = 0x3000;
pub(crate) const CODE: u64 = 0x1_0000;
pub(crate) const USER_CODE: u64 = 0x1_8000;
pub(crate) const DATA: u64 = 0x2_0000;
/// Tops of stacks.
pub(crate) const STACK: u64 = 0x3_0000;
pub(crate) const KERNEL_STACK: u64 = 0x3_4000;
pub(crate) const IST1: u64 = 0x3_8000;
pub(crate) const USER_STACK: u64 = 0x3_c000;
pub(crate) const SIZE: u64 = 0x4_0000;

pub(crate) const RAX: usize = 0;
pub(crate) const RCX: usize = 1;
pub(crate) const RDX: usize = 2;
pub(crate) const RBX: usize = 3;
pub(crate) const RSP: usize = 4;
pub(crate) const RBP: usize = 5;
pub(crate) const RSI: usize = 6;
pub(crate) const RDI: usize = 7;
pub(crate) const R11: usize = 11;

pub(crate) struct Machine {
    pub(crate) cpu: Cpu,
    pub(crate) mem: Memory,
    pub(crate) cache: DecodeCache,
}

pub(crate) fn assemble(at: u64, f: impl FnOnce(&mut CodeAssembler)) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).expect("64-bit");
    f(&mut a);
    a.assemble(at).expect("encodable")
}

impl Machine {
    pub(crate) fn new(code: &[u8]) -> Self {
        let mut mem = Memory::new(SIZE);
        let rw = Perm::READ | Perm::WRITE;
        mem.protect(GDT, 0x4000, rw);
        mem.protect(CODE, 0x8000, Perm::READ | Perm::EXEC);
        mem.protect(USER_CODE, 0x4000, Perm::READ | Perm::EXEC | Perm::USER);
        mem.protect(DATA, 0x8000, rw | Perm::USER);
        mem.protect(STACK - 0x4000, 0x4000, rw);
        mem.protect(KERNEL_STACK - 0x2000, 0x2000, rw);
        mem.protect(IST1 - 0x2000, 0x2000, rw);
        mem.protect(USER_STACK - 0x2000, 0x2000, rw | Perm::USER);
        for (i, d) in (0..).zip(flat_gdt(TSS)) {
            mem.write_u64(GDT + 8 * i, d).unwrap();
        }
        mem.write_u64(TSS + 4, KERNEL_STACK).unwrap();
        mem.write_u64(TSS + 0x24, IST1).unwrap();
        mem.write(CODE, code).unwrap();
        let mut cpu = Cpu::new();
        cpu.gdtr.base = GDT;
        cpu.gdtr.limit = 71;
        cpu.tr.base = TSS;
        cpu.tr.limit = 0x67;
        cpu.tr.selector = 0x38;
        cpu.rip = CODE;
        cpu.regs[RSP] = STACK - 0x100;
        Self {
            cpu,
            mem,
            cache: DecodeCache::new(),
        }
    }

    pub(crate) fn asm(f: impl FnOnce(&mut CodeAssembler)) -> Self {
        Self::new(&assemble(CODE, f))
    }

    /// Code for ring 3 at [`USER_CODE`], and the core there.
    pub(crate) fn user(mut self, f: impl FnOnce(&mut CodeAssembler)) -> Self {
        self.mem.write(USER_CODE, &assemble(USER_CODE, f)).unwrap();
        self.cpu.enter_user();
        self.cpu.rip = USER_CODE;
        self.cpu.regs[RSP] = USER_STACK - 0x100;
        self
    }

    pub(crate) fn gate(&mut self, vector: u8, handler: u64, ist: u8, dpl: u8) {
        self.cpu.idtr.base = IDT;
        self.cpu.idtr.limit = 0xfff;
        let at = IDT + 16 * u64::from(vector);
        for (i, q) in (0..).zip(interrupt_gate(handler, 0x10, ist, dpl)) {
            self.mem.write_u64(at + 8 * i, q).unwrap();
        }
    }

    pub(crate) fn step(&mut self) -> Step {
        step(&mut self.cpu, &mut self.mem, &mut self.cache, &mut NoBus)
    }

    /// Steps until HLT; at most `limit` steps.
    pub(crate) fn run(&mut self, limit: usize) {
        for _ in 0..limit {
            match self.step() {
                Step::Halted => return,
                Step::Stop(stop) => panic!("{stop}"),
                _ => {}
            }
        }
        panic!("no HLT in {limit} steps; rip {:#x}", self.cpu.rip);
    }

    pub(crate) fn instructions(&self) -> [u64; 2] {
        [self.cpu.totals.0[0][0], self.cpu.totals.0[1][0]]
    }
}
