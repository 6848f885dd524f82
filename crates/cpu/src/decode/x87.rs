// SPDX-License-Identifier: GPL-2.0-only
//! The x87. What has no handler here stops the run by name: transcendental functions, packed
//! decimals, FNSAVE and FRSTOR, images with 16-bit operands, FISTTP.

use crate::access::{D, Full, M};
use crate::exec::x87::arith::{self, Function};
use crate::exec::x87::{Float, Int, Nought, St, Wide, compare, control, moves};
use crate::flags::{CF, PF, ZF};
use crate::op::{Handler, Op};
use iced_x86::{Instruction, MemorySize, Mnemonic as N, OpKind};

/// Number of the stack register that is operand `n`.
fn st(i: &Instruction, n: u32) -> u8 {
    i.op_register(n).number() as u8
}

fn in_memory(i: &Instruction) -> bool {
    i.op_count() > 0 && i.op_kind(0) == OpKind::Memory
}

/// Operand forms of FADD and its kin.
fn two<F: Function>(i: &Instruction, op: &mut Op, pops: u8) -> Option<Handler> {
    (op.src, op.dst) = (0, pops);
    if !in_memory(i) {
        (op.src, op.aux) = (st(i, 0), st(i, 1));
        return Some(arith::two::<F, St>);
    }
    Some(match i.memory_size() {
        MemorySize::Float32 => arith::two::<F, Float<u32>>,
        MemorySize::Float64 => arith::two::<F, Float<u64>>,
        MemorySize::Int16 => arith::two::<F, Int<u16>>,
        MemorySize::Int32 => arith::two::<F, Int<u32>>,
        _ => return None,
    })
}

/// FCOM and FICOM.
fn com(i: &Instruction, op: &mut Op, pops: u8) -> Option<Handler> {
    op.dst = pops;
    if !in_memory(i) {
        op.aux = last(i);
        return Some(compare::com::<St, true, false>);
    }
    Some(match i.memory_size() {
        MemorySize::Float32 => compare::com::<Float<u32>, true, false>,
        MemorySize::Float64 => compare::com::<Float<u64>, true, false>,
        MemorySize::Int16 => compare::com::<Int<u16>, true, false>,
        MemorySize::Int32 => compare::com::<Int<u32>, true, false>,
        _ => return None,
    })
}

/// Number of the last operand; FCOMPP and FUCOMPP name none and mean ST(1).
fn last(i: &Instruction) -> u8 {
    match i.op_count() {
        0 => 1,
        n => st(i, n - 1),
    }
}

/// A comparison or conditional move with a register.
fn other(i: &Instruction, op: &mut Op, pops: u8, run: Handler) -> Option<Handler> {
    op.aux = last(i);
    op.dst = pops;
    Some(run)
}

fn load(i: &Instruction, op: &mut Op) -> Option<Handler> {
    if !in_memory(i) {
        op.aux = last(i);
        return Some(moves::fld::<St>);
    }
    Some(match i.memory_size() {
        MemorySize::Float32 => moves::fld::<Float<u32>>,
        MemorySize::Float64 => moves::fld::<Float<u64>>,
        MemorySize::Float80 => moves::fld::<Wide>,
        MemorySize::Int16 => moves::fld::<Int<u16>>,
        MemorySize::Int32 => moves::fld::<Int<u32>>,
        MemorySize::Int64 => moves::fld::<Int<u64>>,
        _ => return None,
    })
}

fn store(i: &Instruction, op: &mut Op, pops: u8) -> Option<Handler> {
    op.dst = pops;
    if !in_memory(i) {
        op.src = st(i, 0);
        return Some(moves::fst);
    }
    Some(match i.memory_size() {
        MemorySize::Float32 => moves::fst_real::<u32>,
        MemorySize::Float64 => moves::fst_real::<u64>,
        MemorySize::Float80 => moves::fstp_wide,
        MemorySize::Int16 => moves::fist::<u16>,
        MemorySize::Int32 => moves::fist::<u32>,
        MemorySize::Int64 => moves::fist::<u64>,
        _ => return None,
    })
}

fn with(op: &mut Op, aux: u8, run: Handler) -> Option<Handler> {
    op.aux = aux;
    Some(run)
}

pub(super) fn select(i: &Instruction, op: &mut Op) -> Option<Handler> {
    Some(match i.mnemonic() {
        N::Fadd | N::Fiadd => return two::<arith::Add>(i, op, 0),
        N::Faddp => return two::<arith::Add>(i, op, 1),
        N::Fsub | N::Fisub => return two::<arith::Sub>(i, op, 0),
        N::Fsubp => return two::<arith::Sub>(i, op, 1),
        N::Fsubr | N::Fisubr => return two::<arith::SubReversed>(i, op, 0),
        N::Fsubrp => return two::<arith::SubReversed>(i, op, 1),
        N::Fmul | N::Fimul => return two::<arith::Mul>(i, op, 0),
        N::Fmulp => return two::<arith::Mul>(i, op, 1),
        N::Fdiv | N::Fidiv => return two::<arith::Div>(i, op, 0),
        N::Fdivp => return two::<arith::Div>(i, op, 1),
        N::Fdivr | N::Fidivr => return two::<arith::DivReversed>(i, op, 0),
        N::Fdivrp => return two::<arith::DivReversed>(i, op, 1),
        N::Fscale => {
            (op.src, op.dst, op.aux) = (0, 0, 1);
            arith::two::<arith::Scale, St>
        }
        N::Fabs => arith::one::<arith::Abs>,
        N::Fchs => arith::one::<arith::Negate>,
        N::Fsqrt => arith::one::<arith::Sqrt>,
        N::Frndint => arith::one::<arith::Round>,
        N::Fprem => arith::remainder::<false>,
        N::Fprem1 => arith::remainder::<true>,
        N::Fxtract => arith::extract,
        N::Fxam => arith::examine,
        N::Fcom | N::Ficom => return com(i, op, 0),
        N::Fcomp | N::Ficomp => return com(i, op, 1),
        N::Fcompp => return com(i, op, 2),
        N::Fucom => return other(i, op, 0, compare::com::<St, false, false>),
        N::Fucomp => return other(i, op, 1, compare::com::<St, false, false>),
        N::Fucompp => return other(i, op, 2, compare::com::<St, false, false>),
        N::Fcomi => return other(i, op, 0, compare::com::<St, true, true>),
        N::Fcomip => return other(i, op, 1, compare::com::<St, true, true>),
        N::Fucomi => return other(i, op, 0, compare::com::<St, false, true>),
        N::Fucomip => return other(i, op, 1, compare::com::<St, false, true>),
        N::Ftst => {
            op.dst = 0;
            compare::com::<Nought, true, false>
        }
        N::Fcmovb => return other(i, op, 0, compare::cmov::<CF, false>),
        N::Fcmove => return other(i, op, 0, compare::cmov::<ZF, false>),
        N::Fcmovbe => return other(i, op, 0, compare::cmov::<{ CF | ZF }, false>),
        N::Fcmovu => return other(i, op, 0, compare::cmov::<PF, false>),
        N::Fcmovnb => return other(i, op, 0, compare::cmov::<CF, true>),
        N::Fcmovne => return other(i, op, 0, compare::cmov::<ZF, true>),
        N::Fcmovnbe => return other(i, op, 0, compare::cmov::<{ CF | ZF }, true>),
        N::Fcmovnu => return other(i, op, 0, compare::cmov::<PF, true>),
        N::Fld | N::Fild => return load(i, op),
        N::Fst | N::Fist => return store(i, op, 0),
        N::Fstp | N::Fistp => return store(i, op, 1),
        N::Fld1 => return with(op, 0, moves::constant),
        N::Fldl2t => return with(op, 1, moves::constant),
        N::Fldl2e => return with(op, 2, moves::constant),
        N::Fldpi => return with(op, 3, moves::constant),
        N::Fldlg2 => return with(op, 4, moves::constant),
        N::Fldln2 => return with(op, 5, moves::constant),
        N::Fldz => return with(op, 6, moves::constant),
        N::Fxch => return with(op, last(i), moves::fxch),
        N::Ffree => return other(i, op, 0, moves::ffree),
        N::Ffreep => return other(i, op, 1, moves::ffree),
        N::Fincstp => return with(op, 1, moves::turn),
        N::Fdecstp => return with(op, 7, moves::turn),
        N::Fnop => moves::fnop,
        N::Fninit => control::fninit,
        N::Fnclex => control::fnclex,
        N::Emms => control::emms,
        N::Wait => control::fwait,
        N::Fldcw => control::fldcw::<M<Full>>,
        N::Fnstcw => control::fnstcw::<M<Full>>,
        N::Fnstsw if in_memory(i) => control::fnstsw::<M<Full>>,
        N::Fnstsw => control::fnstsw::<D>,
        N::Fnstenv if i.memory_size() == MemorySize::FpuEnv28 => control::fnstenv,
        N::Fldenv if i.memory_size() == MemorySize::FpuEnv28 => control::fldenv,
        _ => return None,
    })
}
