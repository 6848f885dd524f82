// SPDX-License-Identifier: GPL-2.0-only
//! Arithmetic against a model in wide integers that shares no code with the core: results and
//! flags of each operation from its definition in the manual.

mod common;

use common::*;
use cpu::flags::{AF, CF, OF, PF, SF, ZF};
use proptest::prelude::*;

fn mask(bits: u32) -> u128 {
    (1 << bits) - 1
}

fn signed(v: u128, bits: u32) -> i128 {
    ((v << (128 - bits)) as i128) >> (128 - bits)
}

/// ZF, SF, PF of a result.
fn zsp(r: u128, bits: u32) -> u64 {
    let mut f = 0;
    if r & mask(bits) == 0 {
        f |= ZF;
    }
    if r >> (bits - 1) & 1 != 0 {
        f |= SF;
    }
    if (r as u8).count_ones().is_multiple_of(2) {
        f |= PF;
    }
    f
}

/// Operation `n` as in bits 5:3 of the opcode; result and flags.
fn alu(n: u8, a: u128, b: u128, carry: u128, bits: u32) -> (u128, u64) {
    let (c, sub) = match n {
        0 | 5 | 7 => (0, n != 0),
        2 => (carry, false),
        3 => (carry, true),
        _ => {
            let r = match n {
                1 => a | b,
                4 => a & b,
                _ => a ^ b,
            };
            return (r, zsp(r, bits));
        }
    };
    let (wide, exact, half) = if sub {
        (
            a as i128 - b as i128 - c as i128,
            signed(a, bits) - signed(b, bits) - c as i128,
            (a & 15) as i128 - (b & 15) as i128 - c as i128,
        )
    } else {
        (
            a as i128 + b as i128 + c as i128,
            signed(a, bits) + signed(b, bits) + c as i128,
            (a & 15) as i128 + (b & 15) as i128 + c as i128,
        )
    };
    let r = wide as u128 & mask(bits);
    let mut f = zsp(r, bits);
    if wide < 0 || wide > mask(bits) as i128 {
        f |= CF;
    }
    if exact != signed(r, bits) {
        f |= OF;
    }
    if !(0..16).contains(&half) {
        f |= AF;
    }
    (r, f)
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        prop::sample::select(vec![
            0,
            1,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x7fff_ffff
        ]),
        prop::sample::select(vec![
            0x8000_0000,
            0xffff_ffff,
            i64::MAX as u64,
            1 << 63,
            u64::MAX
        ]),
        any::<i8>().prop_map(|v| i64::from(v) as u64),
    ]
}

/// What writing the low `bits` of a register makes of it.
fn merged(old: u64, r: u128, bits: u32) -> u64 {
    match bits {
        64 | 32 => r as u64,
        _ => (u128::from(old) & !mask(bits) | r) as u64,
    }
}

/// Encodes `op r/m, r` of a width on RAX, RCX.
fn encode(width: u32, opcode: u8) -> Vec<u8> {
    let mut code = match width {
        16 => vec![0x66],
        64 => vec![0x48],
        _ => vec![],
    };
    code.extend([if width == 8 { opcode } else { opcode + 1 }, 0xc8]);
    code
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn two_operand_arithmetic(
        n in 0..8u8,
        bits in prop::sample::select(vec![8u32, 16, 32, 64]),
        a in value(),
        b in value(),
        carry in any::<bool>(),
    ) {
        let mut m = Machine::new(&encode(bits, n << 3));
        m.cpu.regs[RAX] = a;
        m.cpu.regs[RCX] = b;
        m.cpu.set_rflags(if carry { CF | OF | AF } else { OF | AF });
        m.step();
        let (r, f) = alu(
            n,
            u128::from(a) & mask(bits),
            u128::from(b) & mask(bits),
            u128::from(carry),
            bits,
        );
        let expected = if n == 7 { a } else { merged(a, r, bits) };
        prop_assert_eq!(m.cpu.regs[RAX], expected);
        let defined = if matches!(n, 1 | 4 | 6) { !AF } else { u64::MAX };
        prop_assert_eq!(m.cpu.rflags() & defined, (f | 2) & defined);
    }

    /// INC, DEC, NEG leave or set CF as the manual says.
    #[test]
    fn one_operand_arithmetic(
        which in 0..3u8,
        bits in prop::sample::select(vec![8u32, 16, 32, 64]),
        a in value(),
        carry in any::<bool>(),
    ) {
        let (opcode, modrm) = [(0xfe, 0xc0), (0xfe, 0xc8), (0xf6, 0xd8)][usize::from(which)];
        let mut code = encode(bits, opcode);
        *code.last_mut().unwrap() = modrm;
        let mut m = Machine::new(&code);
        m.cpu.regs[RAX] = a;
        m.cpu.set_rflags(u64::from(carry));
        m.step();
        let low = u128::from(a) & mask(bits);
        let (r, f) = match which {
            0 => alu(0, low, 1, 0, bits),
            1 => alu(5, low, 1, 0, bits),
            _ => alu(5, 0, low, 0, bits),
        };
        let f = if which < 2 { f & !CF | u64::from(carry) } else { f };
        prop_assert_eq!(m.cpu.regs[RAX], merged(a, r, bits));
        prop_assert_eq!(m.cpu.rflags(), f | 2);
    }

    /// Every condition code, from any flags.
    #[test]
    fn conditions(cc in 0..16u8, flags in any::<u64>()) {
        let mut m = Machine::new(&[0x0f, 0x90 | cc, 0xc0]);
        let status = flags & (CF | ZF | SF | OF | PF | AF);
        m.cpu.set_rflags(status);
        m.step();
        let on = |f: u64| status & f != 0;
        let base = match cc >> 1 {
            0 => on(OF),
            1 => on(CF),
            2 => on(ZF),
            3 => on(CF) || on(ZF),
            4 => on(SF),
            5 => on(PF),
            6 => on(SF) != on(OF),
            _ => on(ZF) || on(SF) != on(OF),
        };
        prop_assert_eq!(m.cpu.regs[RAX] != 0, base != (cc & 1 != 0));
        prop_assert_eq!(m.cpu.rflags(), status | 2);
    }

    /// Multiplication and division undo each other.
    #[test]
    fn multiply_and_divide(a in value(), b in value(), c in value()) {
        prop_assume!(b != 0);
        let mut m = Machine::new(&[0x48, 0xf7, 0xe1, 0x48, 0xf7, 0xf1]);
        m.cpu.regs[RAX] = a;
        m.cpu.regs[RCX] = b;
        m.step();
        let wide = u128::from(a) * u128::from(b);
        prop_assert_eq!(
            (m.cpu.regs[RAX], m.cpu.regs[RDX]),
            (wide as u64, (wide >> 64) as u64)
        );
        prop_assert_eq!(m.cpu.rflags() & (CF | OF) != 0, wide >> 64 != 0);
        let add = c % b;
        let dividend = wide + u128::from(add);
        m.cpu.regs[RAX] = dividend as u64;
        m.cpu.regs[RDX] = (dividend >> 64) as u64;
        m.step();
        prop_assert_eq!((m.cpu.regs[RAX], m.cpu.regs[RDX]), (a, add));
    }
}
