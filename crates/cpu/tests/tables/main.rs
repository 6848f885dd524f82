// SPDX-License-Identifier: GPL-2.0-only
//! One row for each rule of an instruction that the manual's own pages state (SDM vol. 2): results,
//! defined flags, what stays. Random operands are in `families` and `model`, and `native` compares
//! with a processor; these rows hold on any host.

#[path = "../common/mod.rs"]
mod common;

mod arithmetic;
mod bits;
mod memory;

use common::*;
use cpu::{Features, Step, flags::*};
use iced_x86::IcedError;
use iced_x86::code_asm::*;

type Assembled = Result<(), IcedError>;
type Values<'a> = &'a [(usize, u64)];

const R8: usize = 8;
const ALL: u64 = STATUS;
/// A pattern that shows what was written.
const OLD: u64 = 0xdead_beef_cafe_f00d;

/// A machine about to execute, with RDI at [`DATA`] and everything else as `regs` and `status` say.
fn prepared(
    f: impl Fn(&mut CodeAssembler) -> Assembled,
    regs: Values<'_>,
    status: u64,
) -> (Machine, usize) {
    let mut count = 0;
    let mut m = Machine::asm(|a| {
        f(a).expect("encodable");
        count = a.instructions().len();
    });
    m.cpu.regs[RDI] = DATA;
    for &(n, v) in regs {
        m.cpu.regs[n] = v;
    }
    m.cpu.set_rflags(status | 2);
    (m, count)
}

/// Executes and compares: the registers in `want`, no other one changed, the flags in `defined`.
fn row(
    name: &str,
    f: impl Fn(&mut CodeAssembler) -> Assembled,
    (regs, status): (Values<'_>, u64),
    want: Values<'_>,
    (defined, expected): (u64, u64),
) -> Machine {
    let (mut m, count) = prepared(f, regs, status);
    let mut expected_regs = m.cpu.regs;
    for &(n, v) in want {
        expected_regs[n] = v;
    }
    for _ in 0..count {
        assert_eq!(m.step(), Step::Retired, "{name}");
    }
    assert_eq!(m.cpu.regs, expected_regs, "{name}");
    let got = m.cpu.rflags() & defined;
    assert_eq!(got, expected, "{name}: flags {got:#x}, not {expected:#x}");
    m
}

/// The instruction raises #DE and changes nothing.
fn divide_error(name: &str, f: impl Fn(&mut CodeAssembler) -> Assembled, regs: Values<'_>) {
    let (mut m, _) = prepared(f, regs, CF | ZF);
    m.gate(0, CODE + 0x1000, 0, 0);
    let mut before = m.cpu.regs;
    assert_eq!(m.step(), Step::Exception { vector: 0 }, "{name}");
    before[RSP] = m.cpu.regs[RSP];
    assert_eq!(m.cpu.regs, before, "{name}");
    let saved = m.mem.read_u64(m.cpu.regs[RSP] + 16).unwrap();
    assert_eq!(saved & STATUS, CF | ZF, "{name}: flags");
}
