// SPDX-License-Identifier: GPL-2.0-only
//! LAR, LSL, VERR and VERW over one descriptor of each kind, seen from both rings.

mod common;

use common::*;
use cpu::{Perm, Step, flags};
use iced_x86::code_asm::*;

/// Descriptors behind those of the flat GDT: selectors from 48H on.
const EXTRA: [u64; 8] = [
    // 48H: execute-only code, ring 0, limit 123 bytes.
    0x0020_9900_0000_0123,
    // 50H: conforming readable code, ring 0.
    0x00af_9f00_0000_ffff,
    // 58H: read-only data, ring 3.
    0x00cf_f100_0000_ffff,
    // 60H: an LDT of ring 3, with its upper half.
    0x0000_e200_0000_0017,
    0,
    // 70H: a call gate of ring 3, with its upper half.
    0x0000_ec00_0010_0000,
    0,
    // 80H: an interrupt gate, which no GDT has.
    0x0000_8e00_0010_0000,
];

/// What the four instructions say of `selector` (EAX, EBX, ZF of VERR and VERW); `None` where ZF
/// is clear.
fn asked(selector: u16, user: bool) -> (Option<u64>, Option<u64>, bool, bool) {
    let code = |a: &mut CodeAssembler| {
        a.lar(eax, ecx).unwrap();
        a.lsl(ebx, ecx).unwrap();
        a.verr(cx).unwrap();
        a.verw(cx).unwrap();
    };
    let mut m = Machine::asm(code);
    if user {
        m = m.user(code);
    }
    for (i, d) in (0..).zip(EXTRA) {
        m.mem.write_u64(GDT + 0x48 + 8 * i, d).unwrap();
    }
    m.cpu.gdtr.limit = 0x87;
    m.cpu.regs[RCX] = selector.into();
    let old = 0x1111_2222_3333_4444;
    m.cpu.regs[RAX] = old;
    m.cpu.regs[RBX] = old;
    let yes = |m: &mut Machine| {
        m.cpu.set_rflags(flags::STATUS | 2);
        assert_eq!(m.step(), Step::Retired);
        assert_eq!(m.cpu.rflags() | flags::ZF, flags::STATUS | 2, "ZF alone");
        m.cpu.rflags() & flags::ZF != 0
    };
    let lar = yes(&mut m);
    let lsl = yes(&mut m);
    let (verr, verw) = (yes(&mut m), yes(&mut m));
    let of = |set: bool, v: u64| {
        assert!(set || v == old, "changed without ZF");
        set.then_some(v)
    };
    (
        of(lar, m.cpu.regs[RAX]),
        of(lsl, m.cpu.regs[RBX]),
        verr,
        verw,
    )
}

#[test]
fn every_kind_of_descriptor_from_ring_0() {
    let none = (None, None, false, false);
    let all = Some(0xffff_ffff);
    let cases = [
        (0x00, none),
        // The local table is empty; beyond the limit there is nothing.
        (0x14, none),
        (0x88, none),
        (0x10, (Some(0x00a0_9b00), all, true, false)),
        (0x18, (Some(0x00c0_9300), all, true, true)),
        (0x28, (Some(0x00c0_f300), all, true, true)),
        (0x30, (Some(0x00a0_fb00), all, true, false)),
        // The TSS, available; its upper half is nothing.
        (0x38, (Some(0x8900), Some(0x67), false, false)),
        (0x40, none),
        (0x48, (Some(0x0020_9900), Some(0x123), false, false)),
        (0x50, (Some(0x00a0_9f00), all, true, false)),
        (0x58, (Some(0x00c0_f100), all, true, false)),
        (0x60, (Some(0xe200), Some(0x17), false, false)),
        (0x70, (Some(0xec00), None, false, false)),
        (0x80, none),
        // RPL 3 is too little for ring 0's data, not for conforming code.
        (0x1b, none),
        (0x53, (Some(0x00a0_9f00), all, true, false)),
    ];
    for (selector, expected) in cases {
        assert_eq!(asked(selector, false), expected, "{selector:#x}");
    }
}

#[test]
fn ring_3_sees_what_is_its_own() {
    let none = (None, None, false, false);
    let all = Some(0xffff_ffff);
    for selector in [0x10, 0x18, 0x38, 0x48] {
        assert_eq!(asked(selector, true), none, "{selector:#x}");
    }
    assert_eq!(asked(0x28, true), (Some(0x00c0_f300), all, true, true));
    assert_eq!(asked(0x30, true), (Some(0x00a0_fb00), all, true, false));
    assert_eq!(asked(0x50, true), (Some(0x00a0_9f00), all, true, false));
    assert_eq!(asked(0x58, true), (Some(0x00c0_f100), all, true, false));
    assert_eq!(asked(0x60, true), (Some(0xe200), Some(0x17), false, false));
}

#[test]
fn operand_sizes_and_memory() {
    let mut m = Machine::asm(|a| {
        a.lar(ax, word_ptr(DATA)).unwrap();
        a.lsl(ebx, word_ptr(DATA)).unwrap();
        a.verr(word_ptr(DATA + 0x10_0000)).unwrap();
    });
    m.gate(14, CODE + 0x1000, 0, 0);
    m.cpu.regs[RAX] = u64::MAX;
    m.cpu.regs[RBX] = u64::MAX;
    m.mem.write(DATA, &[0x18, 0]).unwrap();
    for _ in 0..2 {
        assert_eq!(m.step(), Step::Retired);
    }
    assert_eq!(m.cpu.regs[RAX], 0xffff_ffff_ffff_9300, "16 bits of it");
    assert_eq!(m.cpu.regs[RBX], 0xffff_ffff);
    assert_eq!(m.step(), Step::Exception { vector: 14 });
}

#[test]
fn a_fault_in_the_table_is_a_fault() {
    let mut m = Machine::asm(|a| {
        a.lar(eax, ecx).unwrap();
    });
    m.gate(14, CODE + 0x1000, 0, 0);
    m.cpu.gdtr.base = DATA + 0x7ff8;
    m.mem.protect(DATA + 0x8000, 0x1000, Perm(0));
    m.cpu.gdtr.limit = 0xff;
    m.cpu.regs[RCX] = 0x10;
    let step = m.step();
    assert!(!matches!(step, Step::Retired), "{step:?}");
    assert_eq!(m.cpu.regs[RAX], 0);
}
