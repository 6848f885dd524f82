// SPDX-License-Identifier: GPL-2.0-only
//! Shifts, rotates, bits, CRC32.

use super::common::*;
use super::*;

#[test]
fn shifts_by_all_kinds_of_counts() {
    row(
        "by 0 keeps the flags",
        |a| a.shl(eax, cl),
        (&[(RAX, OLD), (RCX, 32)], ALL),
        &[(RAX, 0xcafe_f00d)],
        (ALL, ALL),
    );
    row(
        "by 64 of 64 is by 0",
        |a| a.sar(rax, cl),
        (&[(RAX, OLD), (RCX, 64)], 0),
        &[],
        (ALL, 0),
    );
    row(
        "bytes by 8",
        |a| a.shl(al, cl),
        (&[(RAX, 0x01), (RCX, 8)], 0),
        &[(RAX, 0)],
        (CF | ZF | PF | SF, CF | ZF | PF),
    );
    row(
        "bytes by 9",
        |a| a.shr(al, cl),
        (&[(RAX, 0xff), (RCX, 9)], 0),
        &[(RAX, 0)],
        (ZF | PF | SF, ZF | PF),
    );
    row(
        "sar of bytes by 31",
        |a| a.sar(al, cl),
        (&[(RAX, 0x80), (RCX, 31)], 0),
        &[(RAX, 0xff)],
        (CF | ZF | SF | PF, CF | SF | PF),
    );
    row(
        "shl by 1 sets OF",
        |a| a.shl(rax, 1),
        (&[(RAX, 1 << 62)], 0),
        &[(RAX, 1 << 63)],
        (ALL & !AF, OF | SF | PF),
    );
    row(
        "rol by 8 of bytes still sets CF",
        |a| a.rol(al, cl),
        (&[(RAX, 0x81), (RCX, 8)], 0),
        &[],
        (CF, CF),
    );
    row(
        "rol leaves the other flags",
        |a| a.rol(eax, 1),
        (&[(RAX, 0x8000_0000)], ZF | SF | PF | AF),
        &[(RAX, 1)],
        (ALL, ALL),
    );
    row(
        "ror by 1",
        |a| a.ror(rax, 1),
        (&[(RAX, 1)], 0),
        &[(RAX, 1 << 63)],
        (CF | OF, CF | OF),
    );
    row(
        "rcl by 9 of bytes is by 0",
        |a| a.rcl(al, cl),
        (&[(RAX, 0x55), (RCX, 9)], CF),
        &[],
        (CF, CF),
    );
    row(
        "rcr by 1",
        |a| a.rcr(rax, 1),
        (&[(RAX, 3)], CF),
        &[(RAX, 1 << 63 | 1)],
        (CF | OF, CF | OF),
    );
    row(
        "shld",
        |a| a.shld(eax, ecx, 4),
        (&[(RAX, 0x1234_5678), (RCX, 0xabcd_ef01)], 0),
        &[(RAX, 0x2345_678a)],
        (CF | ZF | SF, CF),
    );
    row(
        "shrd by cl",
        |a| a.shrd(rax, rdx, cl),
        (&[(RAX, 0x10), (RDX, 5), (RCX, 68)], 0),
        &[(RAX, 5 << 60 | 1)],
        (CF | ZF | SF, 0),
    );
    row(
        "shlx has no flags",
        |a| a.shlx(rax, rbx, rcx),
        (&[(RBX, 1), (RCX, 65)], ALL),
        &[(RAX, 2)],
        (ALL, ALL),
    );
    row(
        "sarx",
        |a| a.sarx(eax, ebx, ecx),
        (&[(RBX, 0x8000_0000), (RCX, 31)], 0),
        &[(RAX, 0xffff_ffff)],
        (ALL, 0),
    );
    row(
        "rorx",
        |a| a.rorx(eax, ebx, 36),
        (&[(RBX, 0x1234_5678)], 0),
        &[(RAX, 0x8123_4567)],
        (ALL, 0),
    );
}

#[test]
fn bits() {
    row(
        "bt takes the number modulo 64",
        |a| a.bt(rax, rcx),
        (&[(RAX, 2), (RCX, 65)], 0),
        &[],
        (CF, CF),
    );
    let m = row(
        "bts in memory goes where the number says",
        |a| a.bts(dword_ptr(rdi + 8), ecx),
        (&[(RCX, (-1_i64) as u64)], CF),
        &[],
        (CF, 0),
    );
    assert_eq!(m.mem.slice(DATA + 4, 4).unwrap(), [0, 0, 0, 0x80]);
    row(
        "bsf of zero keeps the register",
        |a| a.bsf(rax, rcx),
        (&[(RAX, OLD), (RCX, 0)], 0),
        &[],
        (ZF, ZF),
    );
    row(
        "bsr",
        |a| a.bsr(rax, rcx),
        (&[(RCX, 0x8001)], ZF),
        &[(RAX, 15)],
        (ZF, 0),
    );
    row(
        "tzcnt of zero is the width",
        |a| a.tzcnt(eax, ecx),
        (&[(RCX, 0)], 0),
        &[(RAX, 32)],
        (CF | ZF, CF),
    );
    row(
        "tzcnt of an odd number",
        |a| a.tzcnt(rax, rcx),
        (&[(RCX, 1)], 0),
        &[(RAX, 0)],
        (CF | ZF, ZF),
    );
    row(
        "lzcnt",
        |a| a.lzcnt(eax, ecx),
        (&[(RCX, 1)], 0),
        &[(RAX, 31)],
        (CF | ZF, 0),
    );
    row(
        "lzcnt of 16 bits",
        |a| a.lzcnt(ax, cx),
        (&[(RAX, 0), (RCX, 0)], 0),
        &[(RAX, 16)],
        (CF | ZF, CF),
    );
    row(
        "popcnt clears the rest",
        |a| a.popcnt(rax, rcx),
        (&[(RCX, u64::MAX)], ALL),
        &[(RAX, 64)],
        (ALL, 0),
    );
    row(
        "popcnt of zero",
        |a| a.popcnt(rax, rcx),
        (&[(RCX, 0)], CF),
        &[(RAX, 0)],
        (ALL, ZF),
    );
    row(
        "andn",
        |a| a.andn(rax, rbx, rcx),
        (&[(RBX, 0xf0), (RCX, 0xff)], CF | OF),
        &[(RAX, 0x0f)],
        (CF | OF | ZF | SF, 0),
    );
    row(
        "bextr",
        |a| a.bextr(eax, ebx, ecx),
        (&[(RBX, 0x1234_5678), (RCX, 0x0c08)], CF),
        &[(RAX, 0x456)],
        (CF | OF | ZF, 0),
    );
    row(
        "bextr from behind the end",
        |a| a.bextr(eax, ebx, ecx),
        (&[(RBX, u64::MAX), (RCX, 0xff40)], 0),
        &[(RAX, 0)],
        (ZF, ZF),
    );
    row(
        "blsi",
        |a| a.blsi(rax, rcx),
        (&[(RCX, 0b1100)], 0),
        &[(RAX, 0b100)],
        (CF | ZF | SF | OF, CF),
    );
    row(
        "blsi of zero",
        |a| a.blsi(rax, rcx),
        (&[(RCX, 0)], CF),
        &[(RAX, 0)],
        (CF | ZF | SF | OF, ZF),
    );
    row(
        "blsmsk of zero",
        |a| a.blsmsk(rax, rcx),
        (&[(RCX, 0)], 0),
        &[(RAX, u64::MAX)],
        (CF | ZF | SF | OF, CF | SF),
    );
    row(
        "blsr",
        |a| a.blsr(eax, ecx),
        (&[(RCX, 0b1100)], CF),
        &[(RAX, 0b1000)],
        (CF | ZF | SF | OF, 0),
    );
    row(
        "bzhi",
        |a| a.bzhi(rax, rbx, rcx),
        (&[(RBX, u64::MAX), (RCX, 0xff04)], CF),
        &[(RAX, 0xf)],
        (CF | ZF | OF, 0),
    );
    row(
        "bzhi beyond the width",
        |a| a.bzhi(eax, ebx, ecx),
        (&[(RBX, 7), (RCX, 32)], 0),
        &[(RAX, 7)],
        (CF | ZF | OF, CF),
    );
    row(
        "pdep",
        |a| a.pdep(rax, rbx, rcx),
        (&[(RBX, 0b1011), (RCX, 0xf0f0)], ALL),
        &[(RAX, 0b1011 << 4)],
        (ALL, ALL),
    );
    row(
        "pext",
        |a| a.pext(rax, rbx, rcx),
        (&[(RBX, 0x1234), (RCX, 0xf0f0)], 0),
        &[(RAX, 0x13)],
        (ALL, 0),
    );
}

#[test]
fn crc32_is_that_of_castagnoli() {
    let text = *b"123456789";
    let code = |wide: bool| {
        move |a: &mut CodeAssembler| {
            let whole = if wide { 8 } else { 0 };
            if wide {
                a.crc32(rax, qword_ptr(rdi))?;
            }
            for n in whole..9_i32 {
                a.crc32(eax, byte_ptr(rdi + n))?;
            }
            a.not(eax)
        }
    };
    for wide in [false, true] {
        let (mut m, count) = prepared(code(wide), &[(RAX, 0xffff_ffff)], ALL);
        m.mem.write(DATA, &text).unwrap();
        for _ in 0..count {
            assert_eq!(m.step(), Step::Retired);
        }
        assert_eq!(m.cpu.regs[RAX], 0xe306_9283);
        assert_eq!(m.cpu.rflags() & ALL, ALL);
    }
}
