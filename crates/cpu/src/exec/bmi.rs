// SPDX-License-Identifier: GPL-2.0-only
//! BMI1, BMI2 and ADX. Operands: destination `dst`, the first source a generic place, the second
//! register `src` (RORX: an immediate). Undefined flags: AF and PF follow the result's rule of
//! logic operations.

use crate::access::{Source, X};
use crate::cpu::RDX;
use crate::flags;
use crate::op::{Flow, Op, Outcome};
use crate::word::Word;
use crate::{Cpu, Memory};

fn finish<W: Word>(cpu: &mut Cpu, op: &Op, r: u64, cf: bool) -> Outcome {
    let r = W::lo(r);
    cpu.flags.result::<W>(r.zx(), cf, false);
    r.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// ANDN: `dst = !src & S`.
pub(crate) fn andn<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let b = S::get::<W>(cpu, mem, op)?.zx();
    let a = W::reg(&cpu.regs, op.src).zx();
    finish::<W>(cpu, op, !a & b, false)
}

/// BLSR, BLSMSK, BLSI (`K` 1, 2, 3).
pub(crate) fn lowest<const K: u8, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let a = S::get::<W>(cpu, mem, op)?.zx();
    match K {
        1 => finish::<W>(cpu, op, a & a.wrapping_sub(1), a == 0),
        2 => finish::<W>(cpu, op, a ^ a.wrapping_sub(1), a == 0),
        _ => finish::<W>(cpu, op, a & a.wrapping_neg(), a != 0),
    }
}

/// BEXTR: start and length in `src`.
pub(crate) fn bextr<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let a = S::get::<W>(cpu, mem, op)?.zx();
    let control = W::reg(&cpu.regs, op.src).zx();
    let start = (control & 0xff) as u32;
    let len = (control >> 8 & 0xff) as u32;
    let shifted = a.checked_shr(start).unwrap_or(0);
    let r = if len < 64 {
        shifted & ((1 << len) - 1)
    } else {
        shifted
    };
    finish::<W>(cpu, op, r, false)
}

/// BZHI: index in `src`; CF says that it exceeds the width.
pub(crate) fn bzhi<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let a = S::get::<W>(cpu, mem, op)?.zx();
    let n = W::reg(&cpu.regs, op.src).zx() as u8;
    let over = u32::from(n) >= W::BITS;
    let r = if over { a } else { a & ((1 << n) - 1) };
    finish::<W>(cpu, op, r, over)
}

/// PDEP (`DEPOSIT`) and PEXT of `src` with the mask in `S`.
pub(crate) fn gather<const DEPOSIT: bool, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let mut mask = S::get::<W>(cpu, mem, op)?.zx();
    let a = W::reg(&cpu.regs, op.src).zx();
    let mut r = 0;
    let mut k = 0;
    while mask != 0 {
        let at = mask.trailing_zeros();
        let (from, to) = if DEPOSIT { (k, at) } else { (at, k) };
        r |= (a >> from & 1) << to;
        mask &= mask - 1;
        k += 1;
    }
    W::lo(r).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// MULX: high half to `dst`, low half to `src`.
pub(crate) fn mulx<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let b = S::get::<W>(cpu, mem, op)?.zx();
    let r = u128::from(W::lo(cpu.regs[RDX]).zx()) * u128::from(b);
    W::lo(r as u64).set_reg(&mut cpu.regs, op.src);
    W::lo((r >> W::BITS) as u64).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// RORX by the immediate.
pub(crate) fn rorx<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let a = S::get::<W>(cpu, mem, op)?.zx();
    let n = op.imm as u32 % W::BITS;
    let r = if n == 0 {
        a
    } else {
        a >> n | a << (W::BITS - n)
    };
    W::lo(r).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// SHLX, SHRX, SARX (`K` 0, 1, 2): count in `src`.
pub(crate) fn shift_x<const K: u8, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let a = S::get::<W>(cpu, mem, op)?.zx();
    let n = W::reg(&cpu.regs, op.src).zx() as u32 % W::BITS;
    let r = match K {
        0 => a << n,
        1 => a >> n,
        _ => (W::sx(a) as i64 >> n) as u64,
    };
    W::lo(r).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// ADCX (`F` = CF) and ADOX (`F` = OF): only that flag is read and written.
pub(crate) fn add_with<const F: u64, S: Source, W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let b = S::get::<W>(cpu, mem, op)?.zx();
    let carry = cpu.flags.bits() & F != 0;
    let r = u128::from(W::reg(&cpu.regs, op.dst).zx()) + u128::from(b) + u128::from(carry);
    cpu.flags.replace(F, if r >> W::BITS != 0 { F } else { 0 });
    W::lo(r as u64).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// The flag of ADCX and ADOX.
pub(crate) const CARRY: u64 = flags::CF;
/// The flag of ADOX.
pub(crate) const OVERFLOW: u64 = flags::OF;

/// A second source in `aux`, for three-register forms.
pub(crate) type Third = X;
