// SPDX-License-Identifier: GPL-2.0-only
//! The system side of the x87: when exceptions are delivered, images of the state, who may use it.
//! What the instructions compute is compared with a processor in `native`; a few sums here hold on
//! every host.

mod common;

use common::*;
use cpu::{Cpu, Extended, Step, Stop};
use iced_x86::code_asm::*;

const HANDLER: u64 = CODE + 0x1000;
const NE: u64 = 1 << 5;
const TS: u64 = 1 << 3;

fn machine(f: impl FnOnce(&mut CodeAssembler)) -> Machine {
    let mut m = Machine::asm(f);
    m.cpu.cr4 |= 1 << 9;
    for vector in [6, 7, 13, 14, 16] {
        m.gate(vector, HANDLER, 0, 0);
    }
    m
}

fn raised(m: &mut Machine) -> Option<u8> {
    match m.step() {
        Step::Exception { vector } => Some(vector),
        Step::Retired => None,
        other => panic!("{other:?}"),
    }
}

fn retire(m: &mut Machine, times: usize) {
    for n in 0..times {
        assert_eq!(raised(m), None, "instruction {n}");
    }
}

fn put(m: &mut Machine, at: u64, v: f64) {
    m.mem.write_u64(at, v.to_bits()).unwrap();
}

#[test]
fn a_sum_of_long_doubles() {
    let mut m = machine(|a| {
        a.fld(qword_ptr(DATA)).unwrap();
        a.fld(qword_ptr(DATA + 8)).unwrap();
        a.fdivp(st1, st0).unwrap();
        a.fstp(tword_ptr(DATA + 16)).unwrap();
    });
    put(&mut m, DATA, 1.0);
    put(&mut m, DATA + 8, 3.0);
    retire(&mut m, 4);
    // 1/3, rounded up in its 64th bit.
    assert_eq!(m.mem.read_u64(DATA + 16).unwrap(), 0xaaaa_aaaa_aaaa_aaab);
    assert_eq!(m.mem.slice(DATA + 24, 2).unwrap(), [0xfd, 0x3f]);
    assert_eq!(m.cpu.x87.full, 0);
    assert_eq!(m.cpu.x87.status & 0x3f, 0x20);
    // Loads, stores.
    assert_eq!(m.cpu.totals.0[0][2..4], [2, 1]);
}

#[test]
fn precision_control_has_the_whole_range_of_exponents() {
    for (control, significand) in [
        (0x37f, 0xaaaa_aaaa_aaaa_aaab),
        (0x27f, 0xaaaa_aaaa_aaaa_a800),
        (0x07f, 0xaaaa_ab00_0000_0000),
        (0xf7f, 0xaaaa_aaaa_aaaa_aaaa),
        (0x47f, 0xaaaa_aa00_0000_0000_u64),
    ] {
        let mut m = machine(|a| a.fdivp(st1, st0).unwrap());
        m.cpu.fcw = control;
        m.cpu.x87.full = 3;
        m.cpu
            .x87
            .poke(1, Extended::from_bits(0x0100_8000_0000_0000_0000));
        m.cpu
            .x87
            .poke(0, Extended::from_bits(0x4000_c000_0000_0000_0000));
        retire(&mut m, 1);
        let r = m.cpu.x87.peek(0);
        assert_eq!(
            (r.high, r.significand),
            (0x00fe, significand),
            "{control:#x}"
        );
    }
}

#[test]
fn an_unmasked_exception_waits_for_the_next_instruction() {
    let mut m = machine(|a| {
        a.fldz().unwrap();
        a.fld1().unwrap();
        a.fdiv_2(st0, st1).unwrap();
        a.nop().unwrap();
        a.fnstsw(ax).unwrap();
        a.fld1().unwrap();
    });
    m.cpu.fcw = 0x37b;
    retire(&mut m, 5);
    // ZE, the summary and B; the dividend is still there.
    assert_eq!(m.cpu.regs[RAX] & 0x80ff, 0x8084);
    assert_eq!(m.cpu.x87.peek(0).bits(), 0x3fff << 64 | 1 << 63);
    let rip = m.cpu.rip;
    assert_eq!(raised(&mut m), Some(16));
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP]).unwrap(), rip);
}

#[test]
fn who_waits() {
    let waits = |f: fn(&mut CodeAssembler)| {
        let mut m = machine(f);
        m.cpu.x87.status = 0x8084;
        m.cpu.fcw = 0x37b;
        raised(&mut m) == Some(16)
    };
    assert!(waits(|a| a.wait().unwrap()));
    assert!(waits(|a| a.fnop().unwrap()));
    assert!(waits(|a| a.fldcw(word_ptr(DATA)).unwrap()));
    assert!(waits(|a| a.emms().unwrap()));
    assert!(!waits(|a| a.fnclex().unwrap()));
    assert!(!waits(|a| a.fninit().unwrap()));
    assert!(!waits(|a| a.fnstcw(word_ptr(DATA)).unwrap()));
    assert!(!waits(|a| a.fnstenv(ptr(DATA)).unwrap()));
    assert!(!waits(|a| a.fxsave64(ptr(DATA)).unwrap()));
}

#[test]
fn without_cr0_ne_a_chip_outside_would_have_to_answer() {
    let mut m = machine(|a| a.fld1().unwrap());
    m.cpu.cr0 &= !NE;
    m.cpu.x87.status = 0x8084;
    m.cpu.fcw = 0x37b;
    let before = m.cpu.clone();
    assert!(matches!(m.step(), Step::Stop(stop) if matches!(*stop, Stop::Unimplemented { .. })));
    assert!(m.cpu.same_state(&before));
}

#[test]
fn a_new_control_word_can_make_an_exception_due() {
    let mut m = machine(|a| {
        a.fldcw(word_ptr(DATA)).unwrap();
        a.fldcw(word_ptr(DATA)).unwrap();
    });
    m.cpu.x87.status = 4;
    m.mem.write_u64(DATA, 0x37b).unwrap();
    retire(&mut m, 1);
    assert_eq!(m.cpu.x87.status, 0x8084);
    assert_eq!(raised(&mut m), Some(16));
}

#[test]
fn the_stack_overflows_and_underflows() {
    let mut m = machine(|a| {
        for _ in 0..9 {
            a.fld1().unwrap();
        }
        a.fninit().unwrap();
        a.fstp(qword_ptr(DATA)).unwrap();
    });
    retire(&mut m, 8);
    assert_eq!((m.cpu.x87.full, m.cpu.x87.status), (0xff, 0));
    retire(&mut m, 1);
    // IE, SF, C1; the indefinite was pushed on what was at the bottom.
    assert_eq!(m.cpu.x87.status, 7 << 11 | 0x241);
    let indefinite = 0xffff_c000_0000_0000_0000;
    assert_eq!(m.cpu.x87.peek(0).bits(), indefinite);
    retire(&mut m, 2);
    assert_eq!(m.cpu.x87.status, 1 << 11 | 0x41);
    assert_eq!(m.mem.read_u64(DATA).unwrap(), 0xfff8 << 48);
}

#[test]
fn an_unmasked_stack_fault_changes_nothing() {
    let mut m = machine(|a| a.fstp(qword_ptr(DATA)).unwrap());
    m.cpu.fcw = 0x37e;
    m.mem.write_u64(DATA, 7).unwrap();
    retire(&mut m, 1);
    assert_eq!(m.mem.read_u64(DATA).unwrap(), 7);
    assert_eq!((m.cpu.x87.full, m.cpu.x87.status), (0, 0x80c1));
}

#[test]
fn a_store_that_faults_does_not_pop() {
    let mut m = machine(|a| a.fstp(tword_ptr(DATA + 0xff8)).unwrap());
    m.mem.protect(DATA + 0x1000, 0x1000, cpu::Perm::READ);
    m.cpu.x87.full = 1;
    m.cpu
        .x87
        .poke(0, Extended::from_bits(0x3fff_8000_0000_0000_0001));
    let before = m.cpu.x87;
    assert_eq!(raised(&mut m), Some(14));
    assert_eq!(m.cpu.x87, before);
    assert_eq!(m.mem.read_u64(DATA + 0xff8).unwrap(), 0);
}

#[test]
fn images_bring_the_state_back() {
    let fill = |m: &mut Machine| {
        m.cpu.fcw = 0x27f;
        m.cpu.x87.status = 5 << 11 | 0x4321;
        m.cpu.x87.full = 0b1110_0001;
        for (n, exp) in (0..8).zip([0x3fff_u16, 0, 0x7fff, 0x4000, 1, 2, 3, 4]) {
            let v = u128::from(exp) << 64 | if exp == 0 { 0 } else { 1 << 63 };
            m.cpu.x87.poke(n, Extended::from_bits(v));
        }
    };
    let mut m = machine(|a| {
        a.fxsave64(ptr(DATA)).unwrap();
        a.fninit().unwrap();
        a.fxrstor64(ptr(DATA)).unwrap();
    });
    fill(&mut m);
    let (x87, fcw) = (m.cpu.x87, m.cpu.fcw);
    retire(&mut m, 1);
    let image = m.mem.slice(DATA, 64).unwrap().to_vec();
    assert_eq!(image[..5], [0x7f, 0x02, 0x21, 0x6b, 0xe1]);
    // ST(0) first, whichever register it is.
    assert_eq!(image[32..42], [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
    retire(&mut m, 1);
    assert_eq!((m.cpu.x87.full, m.cpu.x87.status), (0, 0));
    retire(&mut m, 1);
    assert_eq!((m.cpu.x87, m.cpu.fcw), (x87, fcw));

    let mut m = machine(|a| {
        a.fnstenv(ptr(DATA)).unwrap();
        a.fninit().unwrap();
        a.fldenv(ptr(DATA)).unwrap();
    });
    fill(&mut m);
    m.cpu.fcw = 0x27b;
    retire(&mut m, 1);
    assert_eq!(m.cpu.fcw, 0x27f, "all masked behind it");
    assert_eq!(m.mem.read_u64(DATA).unwrap(), 0xffff_6b21_ffff_027b);
    // R5 is ST(0): a number, R6 zero, R7 infinity, R0 a number; the others empty.
    assert_eq!(m.mem.read_u64(DATA + 8).unwrap(), 0xffff_93fc);
    m.cpu.x87.full = 0xff;
    retire(&mut m, 2);
    assert_eq!((m.cpu.x87, m.cpu.fcw), (x87, 0x27b));
}

#[test]
fn task_switched() {
    let mut m = machine(|a| a.fld1().unwrap());
    m.cpu.cr0 |= TS;
    assert_eq!(raised(&mut m), Some(7));
    assert_eq!(m.cpu.x87, Cpu::new().x87);
}

#[test]
fn what_is_missing_stops_by_name() {
    for bytes in [
        // FSIN, F2XM1, FPATAN, FBSTP, FNSAVE, FRSTOR, FISTTP.
        &[0xd9, 0xfe][..],
        &[0xd9, 0xf0],
        &[0xd9, 0xf3],
        &[0xdf, 0x30],
        &[0xdd, 0x30],
        &[0xdd, 0x20],
        &[0xdd, 0x08],
    ] {
        let mut m = Machine::new(bytes);
        assert!(
            matches!(m.step(), Step::Stop(stop) if matches!(*stop, Stop::Unimplemented { .. })),
            "{bytes:02x?}"
        );
    }
}
