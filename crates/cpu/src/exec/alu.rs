// SPDX-License-Identifier: GPL-2.0-only
//! ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NEG, NOT.

use crate::access::{Place, Source, fast_first};
use crate::flags::Flags;
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};

/// Carry vector of `a + b (+ carry) = res`: bit i is the carry out of bit i.
#[inline(always)]
pub(crate) const fn carries(a: u64, b: u64, res: u64) -> u64 {
    a & b | (a | b) & !res
}

/// Borrow vector of `a - b (- borrow) = res`.
#[inline(always)]
pub(crate) const fn borrows(a: u64, b: u64, res: u64) -> u64 {
    !a & b | (!a | b) & res
}

/// A two-operand operation.
pub(crate) trait Alu {
    /// Result (upper bits arbitrary) and flags; operands are zero-extended.
    fn run<W: Word>(f: &mut Flags, a: u64, b: u64) -> u64;
}

macro_rules! operation {
    ($name:ident, |$w:ident, $f:ident, $a:ident, $b:ident| $body:expr) => {
        pub(crate) struct $name;
        impl Alu for $name {
            #[inline(always)]
            fn run<$w: Word>($f: &mut Flags, $a: u64, $b: u64) -> u64 {
                $body
            }
        }
    };
}

operation!(Add, |W, f, a, b| {
    let r = a.wrapping_add(b);
    f.arith::<W>(r, carries(a, b, r));
    r
});
operation!(Adc, |W, f, a, b| {
    let r = a.wrapping_add(b).wrapping_add(u64::from(f.cf()));
    f.arith::<W>(r, carries(a, b, r));
    r
});
operation!(Sub, |W, f, a, b| {
    let r = a.wrapping_sub(b);
    f.arith::<W>(r, borrows(a, b, r));
    r
});
operation!(Sbb, |W, f, a, b| {
    let r = a.wrapping_sub(b).wrapping_sub(u64::from(f.cf()));
    f.arith::<W>(r, borrows(a, b, r));
    r
});
operation!(And, |W, f, a, b| {
    let r = a & b;
    f.logic::<W>(r);
    r
});
operation!(Or, |W, f, a, b| {
    let r = a | b;
    f.logic::<W>(r);
    r
});
operation!(Xor, |W, f, a, b| {
    let r = a ^ b;
    f.logic::<W>(r);
    r
});

/// `dst = dst op src`.
pub(crate) fn binary<O: Alu, P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        binary_on::<O, P::FastPlace, S::Fast, W>,
        binary_on::<O, P, S, W>,
    )
}

#[inline(always)]
pub(crate) fn binary_on<O: Alu, P: Place, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let b = S::get::<W>(cpu, mem, op)?.zx();
    P::modify::<W>(cpu, mem, op, |cpu, a| {
        W::lo(O::run::<W>(&mut cpu.flags, a.zx(), b))
    })?;
    Ok(Flow::Next)
}

/// Flags of `dst op src` (CMP, TEST).
pub(crate) fn compare<O: Alu, P: Source, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        compare_on::<O, P::Fast, S::Fast, W>,
        compare_on::<O, P, S, W>,
    )
}

#[inline(always)]
pub(crate) fn compare_on<O: Alu, P: Source, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let a = P::get::<W>(cpu, mem, op)?.zx();
    let b = S::get::<W>(cpu, mem, op)?.zx();
    O::run::<W>(&mut cpu.flags, a, b);
    Ok(Flow::Next)
}

/// INC.
pub(crate) fn inc<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    fast_first(cpu, mem, op, inc_on::<P::FastPlace, W>, inc_on::<P, W>)
}

#[inline(always)]
pub(crate) fn inc_on<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    P::modify::<W>(cpu, mem, op, |cpu, a| {
        let a = a.zx();
        let r = a.wrapping_add(1);
        cpu.flags.arith_keep_cf::<W>(r, carries(a, 1, r));
        W::lo(r)
    })?;
    Ok(Flow::Next)
}

/// DEC.
pub(crate) fn dec<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    fast_first(cpu, mem, op, dec_on::<P::FastPlace, W>, dec_on::<P, W>)
}

#[inline(always)]
pub(crate) fn dec_on<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    P::modify::<W>(cpu, mem, op, |cpu, a| {
        let a = a.zx();
        let r = a.wrapping_sub(1);
        cpu.flags.arith_keep_cf::<W>(r, borrows(a, 1, r));
        W::lo(r)
    })?;
    Ok(Flow::Next)
}

/// NEG.
pub(crate) fn neg<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    P::modify::<W>(cpu, mem, op, |cpu, a| {
        W::lo(Sub::run::<W>(&mut cpu.flags, 0, a.zx()))
    })?;
    Ok(Flow::Next)
}

/// NOT: no flags.
pub(crate) fn not<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    P::modify::<W>(cpu, mem, op, |_, a| W::lo(!a.zx()))?;
    Ok(Flow::Next)
}
