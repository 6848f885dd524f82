// SPDX-License-Identifier: GPL-2.0-only
//! MUL, IMUL, DIV, IDIV. After multiplications ZF, SF and PF (undefined) follow the low half and
//! AF is 0; divisions (all undefined) leave the flags.

use crate::access::{Source, fast_first};
use crate::cpu::{RAX, RDX};
use crate::op::{Flow, Op, Outcome, Raised};
use crate::word::Word;
use crate::{Cpu, Memory};

/// Writes a double-width value to AX, DX:AX, EDX:EAX or RDX:RAX.
fn set_wide<W: Word>(cpu: &mut Cpu, v: u128) {
    if W::BITS == 8 {
        (v as u16).set_reg(&mut cpu.regs, RAX as u8);
    } else {
        W::lo(v as u64).set_reg(&mut cpu.regs, RAX as u8);
        W::lo((v >> W::BITS) as u64).set_reg(&mut cpu.regs, RDX as u8);
    }
}

/// Reads what [`set_wide`] writes.
fn wide<W: Word>(cpu: &Cpu) -> u128 {
    if W::BITS == 8 {
        u128::from(cpu.regs[RAX] as u16)
    } else {
        u128::from(W::lo(cpu.regs[RAX]).zx()) | u128::from(W::lo(cpu.regs[RDX]).zx()) << W::BITS
    }
}

fn sx128<W: Word>(v: W) -> i128 {
    i128::from(W::sx(v.zx()) as i64)
}

/// MUL.
pub(crate) fn mul<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let b = S::get::<W>(cpu, mem, op)?.zx();
    let r = u128::from(W::lo(cpu.regs[RAX]).zx()) * u128::from(b);
    set_wide::<W>(cpu, r);
    let over = r >> W::BITS != 0;
    cpu.flags.result::<W>(r as u64, over, over);
    Ok(Flow::Next)
}

/// IMUL with one operand.
pub(crate) fn imul1<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let b = sx128(S::get::<W>(cpu, mem, op)?);
    let r = sx128(W::lo(cpu.regs[RAX])) * b;
    set_wide::<W>(cpu, r as u128);
    let over = sx128(W::lo(r as u64)) != r;
    cpu.flags.result::<W>(r as u64, over, over);
    Ok(Flow::Next)
}

/// IMUL with two or three operands: `dst = A * B`.
pub(crate) fn imul<A: Source, B: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    fast_first(
        cpu,
        mem,
        op,
        imul_on::<A::Fast, B::Fast, W>,
        imul_on::<A, B, W>,
    )
}

#[inline(always)]
pub(crate) fn imul_on<A: Source, B: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let a = W::sx(A::get::<W>(cpu, mem, op)?.zx()) as i64;
    let b = W::sx(B::get::<W>(cpu, mem, op)?.zx()) as i64;
    let (r, mut over) = a.overflowing_mul(b);
    if W::BITS < 64 {
        over = W::sx(r as u64) != r as u64;
    }
    let w = W::lo(r as u64);
    w.set_reg(&mut cpu.regs, op.dst);
    cpu.flags.result::<W>(w.zx(), over, over);
    Ok(Flow::Next)
}

fn set_quotient<W: Word>(cpu: &mut Cpu, quotient: u64, remainder: u64) {
    if W::BITS == 8 {
        ((quotient & 0xff | (remainder & 0xff) << 8) as u16).set_reg(&mut cpu.regs, RAX as u8);
    } else {
        W::lo(quotient).set_reg(&mut cpu.regs, RAX as u8);
        W::lo(remainder).set_reg(&mut cpu.regs, RDX as u8);
    }
}

/// #DE; the read of an instruction that does not retire is not counted.
#[cold]
fn divide_error(cpu: &mut Cpu, loads: u64) -> Raised {
    cpu.set_loads(loads);
    cpu.raise(0, 0)
}

/// DIV: #DE if the divisor is zero or the quotient does not fit.
pub(crate) fn div<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let loads = cpu.loads();
    let b = S::get::<W>(cpu, mem, op)?.zx();
    let a = wide::<W>(cpu);
    if b == 0 {
        return Err(divide_error(cpu, loads));
    }
    // The narrow division is several times faster on the host.
    let (q, r) = if let Ok(a) = u64::try_from(a) {
        (u128::from(a / b), a % b)
    } else {
        (a / u128::from(b), (a % u128::from(b)) as u64)
    };
    if q >> W::BITS != 0 {
        return Err(divide_error(cpu, loads));
    }
    set_quotient::<W>(cpu, q as u64, r);
    Ok(Flow::Next)
}

/// IDIV: #DE if the divisor is zero or the quotient does not fit.
pub(crate) fn idiv<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let loads = cpu.loads();
    let b = sx128(S::get::<W>(cpu, mem, op)?);
    let raw = wide::<W>(cpu);
    let a = (raw << (128 - 2 * W::BITS)) as i128 >> (128 - 2 * W::BITS);
    // None: the divisor is zero, or i128::MIN / -1.
    let (Some(q), Some(r)) = (a.checked_div(b), a.checked_rem(b)) else {
        return Err(divide_error(cpu, loads));
    };
    if sx128(W::lo(q as u64)) != q {
        return Err(divide_error(cpu, loads));
    }
    set_quotient::<W>(cpu, q as u64, r as u64);
    Ok(Flow::Next)
}
