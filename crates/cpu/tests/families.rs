// SPDX-License-Identifier: GPL-2.0-only
//! Shifts, rotates, bit tests, scans and string instructions against models that follow the
//! manual's tables one bit or one element at a time; on every host.

mod common;

use common::*;
use cpu::{Step, flags};
use flags::{AF, CF, DF, OF, PF, SF, ZF};
use proptest::prelude::*;

const STATUS: u64 = CF | PF | AF | ZF | SF | OF;

fn low(v: u64, bits: u32) -> u64 {
    if bits == 64 { v } else { v & ((1 << bits) - 1) }
}

/// What writing the low `bits` of a register makes of it.
fn merged(old: u64, r: u64, bits: u32) -> u64 {
    match bits {
        32 | 64 => r,
        _ => old & !low(u64::MAX, bits) | r,
    }
}

fn prefixed(bits: u32, code: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = match bits {
        16 => &[0x66],
        64 => &[0x48],
        _ => &[],
    };
    [prefix, code].concat()
}

fn widths() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![8u32, 16, 32, 64])
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        prop::sample::select(vec![0, 1, u64::MAX, 1 << 63, 0x8000_8000_8000_8080, 0x7f7f]),
        (0..64u32).prop_map(|n| 1 << n),
    ]
}

/// One shift or rotate by one bit, of a value of `bits` with carry: the manual's pseudocode.
fn shift_once(n: u8, v: u64, carry: bool, bits: u32) -> (u64, bool) {
    let top = v >> (bits - 1) & 1;
    let bottom = v & 1;
    let left = |into: u64| (low(v << 1 | into, bits), top != 0);
    let right = |into: u64| (v >> 1 | into << (bits - 1), bottom != 0);
    match n {
        0 => left(top),
        1 => right(bottom),
        2 => left(u64::from(carry)),
        3 => right(u64::from(carry)),
        4 | 6 => left(0),
        5 => right(0),
        _ => right(top),
    }
}

fn zsp(r: u64, bits: u32) -> u64 {
    let flag = |on: bool, f: u64| if on { f } else { 0 };
    flag(r == 0, ZF)
        | flag(r >> (bits - 1) & 1 != 0, SF)
        | flag((r as u8).count_ones().is_multiple_of(2), PF)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR by CL.
    #[test]
    fn shifts_and_rotates(
        n in 0..8u8,
        bits in widths(),
        v in value(),
        count in any::<u8>(),
        before in any::<u64>(),
    ) {
        let opcode = if bits == 8 { 0xd2 } else { 0xd3 };
        let mut m = Machine::new(&prefixed(bits, &[opcode, 0xc0 | n << 3]));
        let before = before & STATUS;
        m.cpu.regs[RAX] = v;
        m.cpu.regs[RCX] = u64::from(count);
        m.cpu.set_rflags(before);
        prop_assert_eq!(m.step(), Step::Retired);
        // The count is masked first; only RCL and RCR of 8 and 16 bits go round further.
        let masked = count & if bits == 64 { 63 } else { 31 };
        let (mut r, mut carry) = (low(v, bits), before & CF != 0);
        for _ in 0..masked {
            (r, carry) = shift_once(n, r, carry, bits);
        }
        prop_assert_eq!(m.cpu.regs[RAX], merged(v, r, bits), "{} by {}", n, count);
        let now = m.cpu.rflags() & STATUS;
        if masked == 0 {
            prop_assert_eq!(now, before);
            return Ok(());
        }
        let shift = n >= 4;
        // CF of SHL and SHR by more than the operand has bits is undefined.
        if !(matches!(n, 4..=6) && u32::from(masked) > bits) {
            prop_assert_eq!(now & CF != 0, carry);
        }
        if masked == 1 {
            let sign = |v: u64| v >> (bits - 1) & 1 != 0;
            let over = match n {
                0 | 2 | 4 | 6 => sign(r) != carry,
                1 | 3 => sign(r) != (r >> (bits - 2) & 1 != 0),
                5 => sign(v & low(u64::MAX, bits)),
                _ => false,
            };
            prop_assert_eq!(now & OF != 0, over, "OF of {}", n);
        }
        if shift {
            prop_assert_eq!(now & (ZF | SF | PF), zsp(r, bits));
        } else {
            prop_assert_eq!(now & (ZF | SF | PF | AF), before & (ZF | SF | PF | AF));
        }
    }

    /// SHLD and SHRD by an immediate.
    #[test]
    fn double_shifts(
        right in any::<bool>(),
        bits in prop::sample::select(vec![16u32, 32, 64]),
        a in value(),
        b in value(),
        count in any::<u8>(),
    ) {
        let opcode = if right { 0xac } else { 0xa4 };
        let masked = u32::from(count) & if bits == 64 { 63 } else { 31 };
        prop_assume!(masked <= bits);
        let mut m = Machine::new(&prefixed(bits, &[0x0f, opcode, 0xc8, count]));
        m.cpu.regs[RAX] = a;
        m.cpu.regs[RCX] = b;
        m.cpu.set_rflags(STATUS);
        m.step();
        let (mut r, mut other, mut carry) = (low(a, bits), low(b, bits), true);
        for _ in 0..masked {
            if right {
                carry = r & 1 != 0;
                r = r >> 1 | (other & 1) << (bits - 1);
                other >>= 1;
            } else {
                carry = r >> (bits - 1) & 1 != 0;
                r = low(r << 1 | other >> (bits - 1), bits);
                other = low(other << 1, bits);
            }
        }
        // The 32-bit form clears the upper half even if it shifts by nothing.
        prop_assert_eq!(m.cpu.regs[RAX], merged(a, r, bits));
        let now = m.cpu.rflags() & STATUS;
        if masked == 0 {
            prop_assert_eq!(now, STATUS);
        } else {
            prop_assert_eq!(now & (CF | ZF | SF | PF), zsp(r, bits) | u64::from(carry));
        }
    }

    /// BT, BTS, BTR, BTC: a register's bit by the offset modulo the width, memory's by all of it.
    #[test]
    fn bit_tests(
        which in 0..4u8,
        bits in prop::sample::select(vec![16u32, 32, 64]),
        v in value(),
        offset in -600..600i64,
        memory in any::<bool>(),
    ) {
        let modrm = if memory { 0x0b } else { 0xc8 };
        let mut m = Machine::new(&prefixed(bits, &[0x0f, 0xa3 | which << 3, modrm]));
        let base = DATA + 0x100;
        m.mem.write(DATA, &v.to_le_bytes().repeat(0x40)).unwrap();
        m.cpu.regs[RAX] = v;
        m.cpu.regs[RBX] = base;
        m.cpu.regs[RCX] = offset as u64;
        m.cpu.set_rflags(ZF);
        let before = m.mem.slice(DATA, 0x200).unwrap().to_vec();
        prop_assert_eq!(m.step(), Step::Retired);
        let change = |old: bool| match which {
            0 => old,
            1 => true,
            2 => false,
            _ => !old,
        };
        let old = if memory {
            // The bit string begins at the base and goes on in both directions.
            let at = (0x100 + offset.div_euclid(8)) as usize;
            let bit = offset.rem_euclid(8);
            let old = before[at] >> bit & 1 != 0;
            let mut after = before.clone();
            after[at] = after[at] & !(1 << bit) | u8::from(change(old)) << bit;
            prop_assert_eq!(m.mem.slice(DATA, 0x200).unwrap(), &after[..]);
            old
        } else {
            let bit = offset.rem_euclid(i64::from(bits));
            let old = v >> bit & 1 != 0;
            let r = low(v & !(1 << bit) | u64::from(change(old)) << bit, bits);
            let want = if which == 0 { v } else { merged(v, r, bits) };
            prop_assert_eq!(m.cpu.regs[RAX], want);
            old
        };
        prop_assert_eq!(m.cpu.rflags() & (CF | ZF), ZF | u64::from(old));
    }

    /// BSF, BSR, TZCNT, LZCNT, POPCNT.
    #[test]
    fn scans(bits in prop::sample::select(vec![16u32, 32, 64]), v in value()) {
        let run = |code: &[u8]| {
            let mut m = Machine::new(code);
            m.cpu.regs[RAX] = 0x5555;
            m.cpu.regs[RCX] = v;
            m.step();
            (m.cpu.regs[RAX], m.cpu.rflags())
        };
        let counted = |opcode: u8| {
            // F3 stands before REX.
            let mut code = prefixed(bits, &[0x0f, opcode, 0xc1]);
            code.insert(usize::from(bits == 16), 0xf3);
            run(&code)
        };
        let value = low(v, bits);
        let ones: Vec<u32> = (0..bits).filter(|n| value >> n & 1 != 0).collect();
        let zero = ones.is_empty();
        let first = ones.first().copied();
        let last = ones.last().copied();
        let set = |r: u32| merged(0x5555, u64::from(r), bits);
        // A scan of zero leaves the destination, with a 32-bit one's upper half.
        let (r, f) = run(&prefixed(bits, &[0x0f, 0xbc, 0xc1]));
        prop_assert_eq!((r, f & ZF != 0), (first.map_or(0x5555, set), zero));
        let (r, f) = run(&prefixed(bits, &[0x0f, 0xbd, 0xc1]));
        prop_assert_eq!((r, f & ZF != 0), (last.map_or(0x5555, set), zero));
        let (r, f) = counted(0xbc);
        let n = first.unwrap_or(bits);
        prop_assert_eq!((r, f & CF != 0, f & ZF != 0), (set(n), zero, n == 0));
        let (r, f) = counted(0xbd);
        let n = last.map_or(bits, |n| bits - 1 - n);
        prop_assert_eq!((r, f & CF != 0, f & ZF != 0), (set(n), zero, n == 0));
        let (r, f) = counted(0xb8);
        prop_assert_eq!(r, set(ones.len() as u32));
        prop_assert_eq!(f & STATUS, if zero { ZF } else { 0 });
    }

    /// REP MOVS and STOS, REPE CMPS, REPNE SCAS: element by element, in both directions, with a
    /// boundary behind each iteration but the last.
    #[test]
    fn repeated_strings(
        which in 0..4u8,
        size in prop::sample::select(vec![1u64, 2, 4, 8]),
        count in 0..12u64,
        distance in 0..24u64,
        down in any::<bool>(),
        alike in 0..12usize,
    ) {
        let (repeat, opcode) = [(0xf3, 0xa4), (0xf3, 0xaa), (0xf3, 0xa6), (0xf2, 0xae)][usize::from(which)];
        let mut code = vec![repeat];
        match size {
            1 => code.push(opcode),
            2 => code.extend([0x66, opcode + 1]),
            4 => code.push(opcode + 1),
            _ => code.extend([0x48, opcode + 1]),
        }
        let mut m = Machine::new(&code);
        let (from, to) = (DATA + 0x100, DATA + 0x100 + distance);
        // Equal pieces up to a point, so that comparisons end somewhere.
        let mut memory: Vec<u8> = (0..0x200).map(|n| if n < 0x100 + alike { 7 } else { n as u8 }).collect();
        m.mem.write(DATA, &memory).unwrap();
        m.cpu.regs[RSI] = from;
        m.cpu.regs[RDI] = to;
        m.cpu.regs[RCX] = count;
        m.cpu.regs[RAX] = 0x0706_0504_0302_0107;
        m.cpu.set_rflags(if down { DF } else { 0 } | CF);
        let step = if down { size.wrapping_neg() } else { size };
        let (mut si, mut di, mut left) = (from, to, count);
        let mut iterations = 0;
        let mut equal = None;
        let get = |memory: &[u8], at: u64| {
            let at = (at - DATA) as usize;
            memory[at..at + size as usize].to_vec()
        };
        while left > 0 {
            let element = match which {
                0 | 2 => get(&memory, si),
                _ => m.cpu.regs[RAX].to_le_bytes()[..size as usize].to_vec(),
            };
            if which < 2 {
                let at = (di - DATA) as usize;
                memory[at..at + size as usize].copy_from_slice(&element);
            } else {
                equal = Some(element == get(&memory, di));
            }
            if matches!(which, 0 | 2) {
                si = si.wrapping_add(step);
            }
            di = di.wrapping_add(step);
            left -= 1;
            iterations += 1;
            if equal.is_some_and(|e| e == (which == 3)) {
                break;
            }
        }
        for n in 1..iterations {
            prop_assert_eq!(m.step(), Step::Iterated, "{} of {}", n, iterations);
        }
        prop_assert_eq!(m.step(), Step::Retired);
        prop_assert_eq!(m.instructions(), [1, 0]);
        prop_assert_eq!((m.cpu.regs[RSI], m.cpu.regs[RDI], m.cpu.regs[RCX]), (si, di, left));
        prop_assert_eq!(m.mem.slice(DATA, 0x200).unwrap(), &memory[..]);
        match equal {
            Some(e) => prop_assert_eq!(m.cpu.rflags() & ZF != 0, e),
            None => prop_assert_eq!(m.cpu.rflags() & STATUS, CF),
        }
    }
}
