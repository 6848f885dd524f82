// SPDX-License-Identifier: GPL-2.0-only
//! Shifts, rotates and double shifts. Counts are taken modulo 32, or 64 for 64-bit operands; a
//! count of zero leaves the flags. Undefined cases: OF for counts above 1 is computed as for 1 on
//! the last step's result; CF of SHL and SHR by more than the width is 0; AF is 0.

use crate::access::{Place, Source, fast_first};
use crate::flags::Flags;
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};

/// An operation with a count that is not zero.
pub(crate) trait Shift {
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64;
}

const fn bit(v: u64, n: u32) -> bool {
    v >> n & 1 != 0
}

fn top<W: Word>(v: u64) -> bool {
    bit(v, W::BITS - 1)
}

fn second<W: Word>(v: u64) -> bool {
    bit(v, W::BITS - 2)
}

pub(crate) struct Shl;
pub(crate) struct Shr;
pub(crate) struct Sar;
pub(crate) struct Rol;
pub(crate) struct Ror;
pub(crate) struct Rcl;
pub(crate) struct Rcr;

impl Shift for Shl {
    #[inline(always)]
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let r = a << n;
        let cf = if W::BITS == 64 {
            bit(a, 64 - n)
        } else {
            bit(r, W::BITS)
        };
        f.result::<W>(r, cf, top::<W>(r) ^ cf);
        r
    }
}

impl Shift for Shr {
    #[inline(always)]
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let r = a >> n;
        f.result::<W>(r, bit(a, n - 1), top::<W>(r) ^ second::<W>(r));
        r
    }
}

impl Shift for Sar {
    #[inline(always)]
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let a = W::sx(a);
        let r = (a as i64 >> n) as u64;
        f.result::<W>(r, bit(a, n - 1), false);
        r
    }
}

impl Shift for Rol {
    #[inline(always)]
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let k = n % W::BITS;
        let r = if k == 0 {
            a
        } else {
            W::lo(a << k | a >> (W::BITS - k)).zx()
        };
        let cf = bit(r, 0);
        f.set_cf_of(cf, top::<W>(r) ^ cf);
        r
    }
}

impl Shift for Ror {
    #[inline(always)]
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let k = n % W::BITS;
        let r = if k == 0 {
            a
        } else {
            W::lo(a >> k | a << (W::BITS - k)).zx()
        };
        f.set_cf_of(top::<W>(r), top::<W>(r) ^ second::<W>(r));
        r
    }
}

/// Rotates the `BITS + 1` bits of CF and operand left by `n`.
fn through_carry<W: Word>(cf: bool, a: u64, n: u32) -> (u64, bool) {
    let width = W::BITS + 1;
    let n = n % width;
    let v = u128::from(cf) << W::BITS | u128::from(a);
    let r = if n == 0 { v } else { v << n | v >> (width - n) };
    (W::lo(r as u64).zx(), r >> W::BITS & 1 != 0)
}

impl Shift for Rcl {
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let (r, cf) = through_carry::<W>(f.cf(), a, n);
        f.set_cf_of(cf, top::<W>(r) ^ cf);
        r
    }
}

impl Shift for Rcr {
    fn run<W: Word>(f: &mut Flags, a: u64, n: u32) -> u64 {
        let width = W::BITS + 1;
        let (r, cf) = through_carry::<W>(f.cf(), a, width - n % width);
        f.set_cf_of(cf, top::<W>(r) ^ second::<W>(r));
        r
    }
}

const fn count_mask<W: Word>() -> u32 {
    if W::BITS == 64 { 63 } else { 31 }
}

/// `dst = dst shifted by the count`.
pub(crate) fn shift<O: Shift, P: Place, C: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        shift_on::<O, P::FastPlace, C::Fast, W>,
        shift_on::<O, P, C, W>,
    )
}

#[inline(always)]
pub(crate) fn shift_on<O: Shift, P: Place, C: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let n = u32::from(C::get::<u8>(cpu, mem, op)?) & count_mask::<W>();
    P::modify::<W>(cpu, mem, op, |cpu, a| {
        if n == 0 {
            a
        } else {
            W::lo(O::run::<W>(&mut cpu.flags, a.zx(), n))
        }
    })?;
    Ok(Flow::Next)
}

/// SHLD (`LEFT`) and SHRD of `dst` and register `src`. A 16-bit operand with a count above 16
/// (undefined) shifts zeros in behind `src`.
pub(crate) fn double<const LEFT: bool, P: Place, C: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let n = u32::from(C::get::<u8>(cpu, mem, op)?) & count_mask::<W>();
    let b = u128::from(W::reg(&cpu.regs, op.src).zx());
    P::modify::<W>(cpu, mem, op, |cpu, old| {
        if n == 0 {
            return old;
        }
        let a = u128::from(old.zx());
        let (r, cf) = if LEFT {
            let v = a << W::BITS | b;
            ((v << n >> W::BITS) as u64, v >> (2 * W::BITS - n) & 1 != 0)
        } else {
            let v = b << W::BITS | a;
            ((v >> n) as u64, v >> (n - 1) & 1 != 0)
        };
        let r = W::lo(r);
        cpu.flags
            .result::<W>(r.zx(), cf, top::<W>(r.zx()) != top::<W>(old.zx()));
        r
    })?;
    Ok(Flow::Next)
}
