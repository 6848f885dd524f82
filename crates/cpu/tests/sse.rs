// SPDX-License-Identifier: GPL-2.0-only
//! The system side of SSE: who may use it, alignment, MXCSR, exceptions, FXSAVE. What the
//! instructions compute is compared with a processor in `native`.

mod common;

use common::*;
use cpu::{Perm, Step, Stop, flags};
use iced_x86::code_asm::*;

const HANDLER: u64 = CODE + 0x1000;
const EM: u64 = 4;
const TS: u64 = 8;
const OSFXSR: u64 = 1 << 9;
const OSXMMEXCPT: u64 = 1 << 10;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const THREE: u64 = 0x4008_0000_0000_0000;

/// A machine with SSE switched on and handlers for its exceptions.
fn machine(f: impl FnOnce(&mut CodeAssembler)) -> Machine {
    let mut m = Machine::asm(f);
    m.cpu.cr4 |= OSFXSR | OSXMMEXCPT;
    for vector in [6, 7, 13, 14, 19] {
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

#[test]
fn control_registers_decide_who_may_use_it() {
    // CR0, CR4, what ADDPD, FNSTCW and MOVNTI raise.
    let cases = [
        (0, OSFXSR, None, None),
        (0, 0, Some(6), None),
        (EM, OSFXSR, Some(6), Some(7)),
        (TS, OSFXSR, Some(7), Some(7)),
        (EM | TS, OSFXSR, Some(6), Some(7)),
        (TS, 0, Some(6), Some(7)),
    ];
    for (zero, four, sse, x87) in cases {
        for n in 0..3 {
            let mut m = machine(|a| match n {
                0 => a.addpd(xmm0, xmm1).unwrap(),
                1 => a.fnstcw(word_ptr(DATA)).unwrap(),
                _ => a.movnti(qword_ptr(DATA), rax).unwrap(),
            });
            m.cpu.cr0 |= zero;
            m.cpu.cr4 = m.cpu.cr4 & !(OSFXSR | OSXMMEXCPT) | four;
            let want = [sse, x87, None][n];
            assert_eq!(raised(&mut m), want, "CR0 {zero:#x} CR4 {four:#x} case {n}");
        }
    }
}

#[test]
fn whole_operands_must_be_aligned() {
    for (at, want) in [(DATA, None), (DATA + 8, Some(13)), (DATA + 1, Some(13))] {
        let mut m = machine(|a| a.addps(xmm0, xmmword_ptr(rbx)).unwrap());
        m.cpu.regs[RBX] = at;
        assert_eq!(raised(&mut m), want);
        let mut m = machine(|a| a.movaps(xmmword_ptr(rbx), xmm0).unwrap());
        m.cpu.regs[RBX] = at;
        assert_eq!(raised(&mut m), want);
        let mut m = machine(|a| a.movdqu(xmm0, xmmword_ptr(rbx)).unwrap());
        m.cpu.regs[RBX] = at;
        assert_eq!(raised(&mut m), None);
    }
}

#[test]
fn an_access_across_pages_needs_both() {
    let mut m = machine(|a| {
        a.movdqu(xmmword_ptr(rbx), xmm0).unwrap();
    });
    m.mem.protect(DATA + 0x1000, 0x1000, Perm::READ);
    m.cpu.regs[RBX] = DATA + 0xff8;
    m.cpu.xmm[0] = u128::MAX;
    assert_eq!(raised(&mut m), Some(14));
    assert_eq!(m.cpu.cr2, DATA + 0x1000);
    assert_eq!(m.mem.read_u64(DATA + 0xff8).unwrap(), 0);
    assert_eq!(m.instructions(), [0, 0]);
}

#[test]
fn an_unmasked_exception_changes_only_mxcsr() {
    // 1 / 3 is inexact; PE is the only exception not masked.
    for (four, vector) in [(OSFXSR | OSXMMEXCPT, 19), (OSFXSR, 6)] {
        let mut m = machine(|a| a.divsd(xmm0, qword_ptr(DATA)).unwrap());
        m.cpu.cr4 = m.cpu.cr4 & !OSXMMEXCPT | four;
        m.cpu.mxcsr = 0x0f80;
        m.cpu.xmm[0] = u128::from(ONE);
        m.mem.write_u64(DATA, THREE).unwrap();
        assert_eq!(raised(&mut m), Some(vector));
        assert_eq!(m.cpu.mxcsr, 0x0fa0);
        assert_eq!(m.cpu.xmm[0], u128::from(ONE));
        assert_eq!(m.cpu.totals.0[0][2], 0, "a load that did not retire");
    }
}

#[test]
fn an_exception_before_the_operation_hides_those_after() {
    // Lane 0: 0 / 0, invalid and not masked. Lane 1: 1 / 3, inexact.
    let mut m = machine(|a| a.divpd(xmm0, xmm1).unwrap());
    m.cpu.mxcsr = 0x1f00;
    m.cpu.xmm[0] = u128::from(ONE) << 64;
    m.cpu.xmm[1] = u128::from(THREE) << 64;
    assert_eq!(raised(&mut m), Some(19));
    assert_eq!(m.cpu.mxcsr, 0x1f01);
}

#[test]
fn reserved_bits_of_mxcsr() {
    for (value, want) in [(0x9fff, None), (0xffff, None), (0x1_0000, Some(13))] {
        let mut m = machine(|a| a.ldmxcsr(dword_ptr(DATA)).unwrap());
        m.mem.write_u64(DATA, value).unwrap();
        assert_eq!(raised(&mut m), want);
        let now = if want.is_none() { value as u32 } else { 0x1f80 };
        assert_eq!(m.cpu.mxcsr, now);
    }
}

#[test]
fn fxsave_and_fxrstor() {
    let mut m = machine(|a| {
        a.fxsave64(ptr(DATA)).unwrap();
        a.fxrstor64(ptr(DATA)).unwrap();
        a.fxrstor64(ptr(DATA)).unwrap();
    });
    m.mem.write(DATA, &[0xee; 512]).unwrap();
    m.cpu.mxcsr = 0x7f80;
    m.cpu.fcw = 0x27f;
    for (n, v) in (1..).zip(&mut m.cpu.xmm) {
        *v = n << 100 | n;
    }
    let before = m.cpu.xmm;
    assert_eq!(raised(&mut m), None);
    let area = m.mem.slice(DATA, 512).unwrap().to_vec();
    assert_eq!(area[..2], [0x7f, 0x02]);
    assert!(area[2..24].iter().all(|&b| b == 0));
    assert_eq!(area[24..28], 0x7f80_u32.to_le_bytes());
    assert_eq!(area[28..32], 0xffff_u32.to_le_bytes());
    assert!(area[32..160].iter().all(|&b| b == 0));
    assert_eq!(area[176..192], before[1].to_le_bytes());
    assert!(area[416..].iter().all(|&b| b == 0xee));
    m.cpu.xmm = [0; 16];
    m.cpu.mxcsr = 0x1f80;
    m.cpu.fcw = 0x37f;
    assert_eq!(raised(&mut m), None);
    assert_eq!((m.cpu.xmm, m.cpu.mxcsr, m.cpu.fcw), (before, 0x7f80, 0x27f));
}

#[test]
fn comparison_sets_the_flags() {
    let nan = 0x7ff8_0000_0000_0000;
    let cases = [
        (ONE, THREE, flags::CF),
        (THREE, ONE, 0),
        (ONE, ONE, flags::ZF),
        (0, 1 << 63, flags::ZF),
        (ONE, nan, flags::ZF | flags::PF | flags::CF),
    ];
    for (a, b, want) in cases {
        let mut m = machine(|a| a.ucomisd(xmm0, xmm1).unwrap());
        m.cpu.set_rflags(flags::STATUS);
        m.cpu.xmm[0] = u128::from(a);
        m.cpu.xmm[1] = u128::from(b);
        assert_eq!(raised(&mut m), None);
        assert_eq!(m.cpu.rflags(), 2 | want);
        assert_eq!(m.cpu.mxcsr, 0x1f80);
    }
}

#[test]
fn masked_stores_touch_only_chosen_bytes() {
    let mut m = machine(|a| a.maskmovdqu(xmm1, xmm2).unwrap());
    m.cpu.regs[RDI] = DATA + 0xffe;
    m.mem.protect(DATA + 0x1000, 0x1000, Perm::READ);
    m.cpu.xmm[1] = 0x1122;
    m.cpu.xmm[2] = 0x80_80;
    assert_eq!(raised(&mut m), None);
    assert_eq!(m.mem.slice(DATA + 0xffd, 4).unwrap(), [0, 0x22, 0x11, 0]);
    m.cpu.rip = CODE;
    m.cpu.xmm[2] = 0x80_80_80;
    assert_eq!(raised(&mut m), Some(14));
}

#[test]
fn mmx_stops_by_name() {
    for bytes in [&[0x0f, 0xfc, 0xc1][..], &[0x0f, 0x2a, 0xc1]] {
        let mut m = Machine::new(bytes);
        m.cpu.cr4 |= OSFXSR;
        assert!(
            matches!(m.step(), Step::Stop(stop) if matches!(*stop, Stop::Unimplemented { .. })),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn approximations_ignore_mxcsr_and_raise_nothing() {
    let mut m = machine(|a| {
        a.rcpps(xmm0, xmm1).unwrap();
        a.rsqrtss(xmm0, dword_ptr(DATA)).unwrap();
        a.rsqrtps(xmm0, xmmword_ptr(DATA + 4)).unwrap();
    });
    // 2, a denormal number, -0.5, infinity; rounding up, DAZ and FTZ off, nothing masked.
    m.cpu.xmm[1] = 0x7f80_0000_bf00_0000_0000_0001_4000_0000;
    m.cpu.mxcsr = 2 << 13;
    m.mem.write(DATA, &4.0_f32.to_le_bytes()).unwrap();
    assert_eq!(raised(&mut m), None);
    assert_eq!(m.cpu.xmm[0], 0x0000_0000_c000_0000_7f80_0000_3f00_0000);
    assert_eq!(raised(&mut m), None);
    assert_eq!(m.cpu.xmm[0], 0x0000_0000_c000_0000_7f80_0000_3f00_0000);
    assert_eq!(m.cpu.mxcsr, 2 << 13);
    assert_eq!(raised(&mut m), Some(13), "the packed form needs alignment");
}
