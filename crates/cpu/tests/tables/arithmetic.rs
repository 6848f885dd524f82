// SPDX-License-Identifier: GPL-2.0-only
//! Moves, extensions, arithmetic, products and quotients.

use super::common::*;
use super::*;

#[test]
fn moves_and_extensions() {
    let none = (0, 0);
    row(
        "mov r32 clears the upper half",
        |a| a.mov(eax, ecx),
        (&[(RAX, OLD), (RCX, OLD)], 0),
        &[(RAX, 0xcafe_f00d)],
        none,
    );
    row(
        "mov r16 keeps the rest",
        |a| a.mov(ax, cx),
        (&[(RAX, u64::MAX), (RCX, 0x1234)], 0),
        &[(RAX, 0xffff_ffff_ffff_1234)],
        none,
    );
    row(
        "mov ah",
        |a| a.mov(ah, cl),
        (&[(RAX, 0), (RCX, 0x12)], 0),
        &[(RAX, 0x1200)],
        none,
    );
    row(
        "movsx from ah's kin",
        |a| a.movsx(ecx, bh),
        (&[(RBX, 0x8000), (RCX, OLD)], 0),
        &[(RCX, 0xffff_ff80)],
        none,
    );
    row(
        "movsxd",
        |a| a.movsxd(rax, ecx),
        (&[(RCX, 0x8000_0000)], 0),
        &[(RAX, 0xffff_ffff_8000_0000)],
        none,
    );
    row(
        "cmov that is false clears the upper half",
        |a| a.cmove(eax, ecx),
        (&[(RAX, OLD), (RCX, 1)], 0),
        &[(RAX, 0xcafe_f00d)],
        none,
    );
    row(
        "setcc writes one byte",
        |a| a.setb(al),
        (&[(RAX, OLD)], CF),
        &[(RAX, OLD & !0xff | 1)],
        (ALL, CF),
    );
    row(
        "bswap r64",
        |a| a.bswap(rax),
        (&[(RAX, 0x0102_0304_0506_0708)], 0),
        &[(RAX, 0x0807_0605_0403_0201)],
        none,
    );
    row(
        "bswap r32",
        |a| a.bswap(eax),
        (&[(RAX, OLD)], 0),
        &[(RAX, 0x0df0_feca)],
        none,
    );
    row(
        "xchg",
        |a| a.xchg(rax, rcx),
        (&[(RAX, 1), (RCX, 2)], 0),
        &[(RAX, 2), (RCX, 1)],
        none,
    );
    row(
        "lea wraps in 32 bits",
        |a| a.lea(eax, dword_ptr(rcx + rcx * 4)),
        (&[(RCX, 0x4000_0001)], 0),
        &[(RAX, 0x4000_0005)],
        none,
    );
    row(
        "cwde",
        CodeAssembler::cwde,
        (&[(RAX, OLD)], 0),
        &[(RAX, 0xffff_f00d)],
        none,
    );
    row(
        "cqo",
        CodeAssembler::cqo,
        (&[(RAX, 1 << 63)], 0),
        &[(RDX, u64::MAX)],
        none,
    );
    row(
        "xlat",
        CodeAssembler::xlatb,
        (&[(RAX, 0xffff_ff03), (RBX, DATA - 3)], 0),
        &[(RAX, 0xffff_ff00)],
        none,
    );
    let m = row(
        "movbe store",
        |a| a.movbe(dword_ptr(rdi), eax),
        (&[(RAX, 0x0102_0304)], 0),
        &[],
        none,
    );
    assert_eq!(m.mem.slice(DATA, 4).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn arithmetic_that_keeps_or_makes_flags() {
    row(
        "inc keeps CF",
        |a| a.inc(al),
        (&[(RAX, 0x7f)], CF),
        &[(RAX, 0x80)],
        (ALL, CF | OF | SF | AF),
    );
    row(
        "dec to zero",
        |a| a.dec(rcx),
        (&[(RCX, 1)], 0),
        &[(RCX, 0)],
        (ALL, ZF | PF),
    );
    row(
        "neg of zero has no carry",
        |a| a.neg(rax),
        (&[(RAX, 0)], CF),
        &[],
        (ALL, ZF | PF),
    );
    row(
        "neg of the least",
        |a| a.neg(eax),
        (&[(RAX, 0x8000_0000)], 0),
        &[],
        (ALL, CF | OF | SF | PF),
    );
    row(
        "not has none",
        |a| a.not(rax),
        (&[(RAX, 0)], ALL),
        &[(RAX, u64::MAX)],
        (ALL, ALL),
    );
    row(
        "adc with carry in",
        |a| a.adc(rax, rcx),
        (&[(RAX, u64::MAX), (RCX, 0)], CF),
        &[(RAX, 0)],
        (ALL, CF | ZF | PF | AF),
    );
    row(
        "sbb of itself",
        |a| a.sbb(eax, eax),
        (&[(RAX, OLD)], CF),
        &[(RAX, 0xffff_ffff)],
        (ALL, CF | SF | PF | AF),
    );
    row(
        "xadd",
        |a| a.xadd(rax, rcx),
        (&[(RAX, 3), (RCX, 4)], 0),
        &[(RAX, 7), (RCX, 3)],
        (ALL, 0),
    );
    row(
        "xadd of one register",
        |a| a.xadd(rax, rax),
        (&[(RAX, 3)], 0),
        &[(RAX, 6)],
        (ALL, PF),
    );
    row(
        "adcx touches CF alone",
        |a| a.adcx(rax, rcx),
        (&[(RAX, u64::MAX), (RCX, 1)], OF),
        &[(RAX, 0)],
        (ALL, CF | OF),
    );
    row(
        "adox touches OF alone",
        |a| a.adox(eax, ecx),
        (&[(RAX, 0xffff_ffff), (RCX, 0)], OF | ZF),
        &[(RAX, 0)],
        (ALL, OF | ZF),
    );
    row(
        "adox without a carry in",
        |a| a.adox(eax, ecx),
        (&[(RAX, 0xffff_ffff), (RCX, 0)], CF),
        &[],
        (ALL, CF),
    );
    row(
        "lahf",
        CodeAssembler::lahf,
        (&[(RAX, 0)], ALL),
        &[(RAX, (SF | ZF | AF | PF | 2 | CF) << 8)],
        (ALL, ALL),
    );
    row(
        "sahf leaves OF",
        CodeAssembler::sahf,
        (&[(RAX, 0xff00)], OF),
        &[],
        (ALL, ALL),
    );
    row("cmc", CodeAssembler::cmc, (&[], CF), &[], (ALL, 0));
    row(
        "stc and std",
        |a| a.stc().and_then(|()| a.std()),
        (&[], 0),
        &[],
        (ALL | DF, CF | DF),
    );
}

#[test]
fn products_and_quotients() {
    row(
        "mul with an upper half",
        |a| a.mul(rcx),
        (&[(RAX, 1 << 63), (RCX, 4)], 0),
        &[(RAX, 0), (RDX, 2)],
        (CF | OF, CF | OF),
    );
    row(
        "mul of bytes",
        |a| a.mul(cl),
        (&[(RAX, 0xff10), (RCX, 2)], CF),
        &[(RAX, 0x20)],
        (CF | OF, 0),
    );
    row(
        "imul that fits",
        |a| a.imul(cl),
        (&[(RAX, 0xff), (RCX, 2)], 0),
        &[(RAX, 0xfffe)],
        (CF | OF, 0),
    );
    row(
        "imul that does not",
        |a| a.imul_3(eax, ecx, 2),
        (&[(RCX, 0x4000_0000)], 0),
        &[(RAX, 0x8000_0000)],
        (CF | OF, CF | OF),
    );
    row(
        "mulx has no flags",
        |a| a.mulx(rax, rcx, rbx),
        (&[(RDX, u64::MAX), (RBX, 2)], ALL),
        &[(RAX, 1), (RCX, u64::MAX - 1)],
        (ALL, ALL),
    );
    row(
        "mulx into one register: the upper half stays",
        |a| a.mulx(rax, rax, rbx),
        (&[(RDX, 1 << 63), (RBX, 2)], 0),
        &[(RAX, 1)],
        (0, 0),
    );
    row(
        "div",
        |a| a.div(rcx),
        (&[(RDX, 1), (RAX, 1), (RCX, 2)], 0),
        &[(RAX, 1 << 63), (RDX, 1)],
        (0, 0),
    );
    row(
        "div of bytes",
        |a| a.div(cl),
        (&[(RAX, 0x1ff), (RCX, 2)], 0),
        &[(RAX, 0x01ff)],
        (0, 0),
    );
    row(
        "idiv truncates",
        |a| a.idiv(ecx),
        (&[(RDX, 0xffff_ffff), (RAX, 0xffff_fff9), (RCX, 2)], 0),
        &[(RAX, 0xffff_fffd), (RDX, 0xffff_ffff)],
        (0, 0),
    );
    divide_error("by zero", |a| a.div(ecx), &[(RCX, 0)]);
    divide_error("too large", |a| a.div(rcx), &[(RDX, 2), (RCX, 2)]);
    divide_error(
        "the least by -1",
        |a| a.idiv(rcx),
        &[(RDX, u64::MAX), (RAX, 1 << 63), (RCX, u64::MAX)],
    );
    divide_error("signed bytes", |a| a.idiv(cl), &[(RAX, 0x100), (RCX, 2)]);
    row(
        "and the last that fits",
        |a| a.idiv(cl),
        (&[(RAX, 0xff80), (RCX, 1)], 0),
        &[(RAX, 0x80)],
        (0, 0),
    );
}
