// SPDX-License-Identifier: GPL-2.0-only
//! Floating-point arithmetic on every host: to nearest it is what the host computes, and the other
//! modes bracket the exact result.

mod common;

use common::*;
use cpu::Step;
use proptest::prelude::*;

const MASKED: u32 = 0x1f80;
const PE: u32 = 1 << 5;
const NEAREST: u32 = 0;
const DOWN: u32 = 1 << 13;
const UP: u32 = 2 << 13;
const ZERO: u32 = 3 << 13;

/// ADDSD, MULSD, SUBSD, DIVSD, SQRTSD of xmm0 and xmm1.
const OPS: [u8; 5] = [0x58, 0x59, 0x5c, 0x5e, 0x51];

/// F2 or F3 0F `opcode` on xmm0 and xmm1 (or EAX/RAX in their places): xmm0, RAX and MXCSR after.
fn run(prefix: u8, opcode: u8, wide: bool, a: u64, b: u64, mxcsr: u32) -> (u64, u64, u32) {
    let mut code = vec![prefix];
    if wide {
        code.push(0x48);
    }
    code.extend([0x0f, opcode, 0xc1]);
    let mut m = Machine::new(&code);
    m.cpu.cr4 |= 3 << 9;
    m.cpu.mxcsr = mxcsr;
    m.cpu.xmm[0] = u128::from(a);
    m.cpu.xmm[1] = u128::from(b);
    m.cpu.regs[RCX] = b;
    assert_eq!(m.step(), Step::Retired);
    (m.cpu.xmm[0] as u64, m.cpu.regs[RAX], m.cpu.mxcsr)
}

fn host(opcode: u8, a: f64, b: f64) -> f64 {
    match opcode {
        0x58 => a + b,
        0x59 => a * b,
        0x5c => a - b,
        0x5e => a / b,
        _ => b.sqrt(),
    }
}

fn host_single(opcode: u8, a: f32, b: f32) -> f32 {
    match opcode {
        0x58 => a + b,
        0x59 => a * b,
        0x5c => a - b,
        0x5e => a / b,
        _ => b.sqrt(),
    }
}

/// Any number, but often one of a middling exponent or with few bits.
fn double() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        any::<u64>().prop_map(|v| v & 0x803f_ffff_ffff_ffff | 0x3fc0_0000_0000_0000),
        (any::<u64>(), 0..53u32).prop_map(|(v, n)| v >> n << n),
        any::<u64>().prop_map(|v| v & 0x800f_ffff_ffff_ffff),
        any::<i32>().prop_map(|v| f64::from(v).to_bits()),
        prop::sample::select(vec![
            0,
            1 << 63,
            0x7ff0 << 48,
            0xfff0 << 48,
            1,
            0x0010 << 48
        ]),
    ]
}

fn single() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u32>(),
        any::<u32>().prop_map(|v| v & 0x83ff_ffff | 0x3c00_0000),
        any::<u32>().prop_map(|v| v & 0x807f_ffff),
        any::<i16>().prop_map(|v| f32::from(v).to_bits()),
    ]
    .prop_map(u64::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn double_precision(which in 0..5usize, a in double(), b in double()) {
        let opcode = OPS[which];
        let of = |mode: u32| run(0xf2, opcode, false, a, b, MASKED | mode);
        let (nearest, _, mxcsr) = of(NEAREST);
        let wanted = host(opcode, f64::from_bits(a), f64::from_bits(b));
        if wanted.is_nan() {
            prop_assert!(f64::from_bits(nearest).is_nan());
            return Ok(());
        }
        prop_assert_eq!(nearest, wanted.to_bits());
        // The same by the shorter way that is open once PE is set.
        prop_assert_eq!(of(PE).0, nearest);
        let number = |mode| f64::from_bits(of(mode).0);
        let (down, up, zero) = (number(DOWN), number(UP), number(ZERO));
        let exact = mxcsr & PE == 0;
        if exact {
            prop_assert!(down == wanted && up == wanted && zero == wanted);
        } else {
            prop_assert!(down < up, "{down} {up}");
            prop_assert!(down.next_up() == up, "{down} {up}");
            prop_assert!(wanted == down || wanted == up);
            prop_assert_eq!(zero.abs(), down.abs().min(up.abs()));
        }
    }

    #[test]
    fn single_precision(which in 0..5usize, a in single(), b in single()) {
        let opcode = OPS[which];
        let of = |mode: u32| run(0xf3, opcode, false, a, b, MASKED | mode);
        let (nearest, _, mxcsr) = of(NEAREST);
        let wanted = host_single(opcode, f32::from_bits(a as u32), f32::from_bits(b as u32));
        if wanted.is_nan() {
            prop_assert!(f32::from_bits(nearest as u32).is_nan());
            return Ok(());
        }
        prop_assert_eq!(nearest, u64::from(wanted.to_bits()));
        prop_assert_eq!(of(PE).0, nearest);
        let number = |mode| f32::from_bits(of(mode).0 as u32);
        let (down, up) = (number(DOWN), number(UP));
        if mxcsr & PE == 0 {
            prop_assert!(down == wanted && up == wanted);
        } else {
            prop_assert!(down.next_up() == up, "{down} {up}");
            prop_assert!(wanted == down || wanted == up);
        }
    }

    /// CVTSD2SS, CVTSS2SD, CVTSI2SD, CVTSI2SS, CVTTSD2SI, CVTTSS2SI.
    #[test]
    fn conversions(v in double(), s in single(), n in any::<i64>(), wide in any::<bool>()) {
        let double = f64::from_bits(v);
        let single = f32::from_bits(s as u32);
        if !double.is_nan() {
            let (r, _, _) = run(0xf2, 0x5a, false, 0, v, MASKED);
            prop_assert_eq!(r as u32, (double as f32).to_bits());
        }
        if !single.is_nan() {
            let (r, _, _) = run(0xf3, 0x5a, false, 0, s, MASKED);
            prop_assert_eq!(r, f64::from(single).to_bits());
        }
        let int = if wide { n } else { i64::from(n as i32) };
        let (r, _, _) = run(0xf2, 0x2a, wide, 0, n as u64, MASKED);
        prop_assert_eq!(r, (int as f64).to_bits());
        let (r, _, _) = run(0xf3, 0x2a, wide, 0, n as u64, MASKED);
        prop_assert_eq!(r as u32, (int as f32).to_bits());
        let whole = |v: f64| {
            let (limit, indefinite) = if wide {
                (9_223_372_036_854_775_808.0, 1 << 63)
            } else {
                (2_147_483_648.0, 1 << 31)
            };
            let t = v.trunc();
            if t >= -limit && t < limit {
                let r = t as i64 as u64;
                (if wide { r } else { r & 0xffff_ffff }, u32::from(t != v) * PE)
            } else {
                (indefinite, 1)
            }
        };
        let truncated = |prefix, bits| {
            let (_, r, mxcsr) = run(prefix, 0x2c, wide, 0, bits, MASKED);
            (r, mxcsr & 0x3f)
        };
        prop_assert_eq!(truncated(0xf2, v), whole(double));
        prop_assert_eq!(truncated(0xf3, s), whole(f64::from(single)));
    }
}
