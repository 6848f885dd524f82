// SPDX-License-Identifier: GPL-2.0-only
//! SSE and SSE2: instructions with a vector operand.

use super::operands::number;
use crate::access::{D, Full, M, S};
use crate::exec::sse::compute::{binary, by_constant, shuffle};
use crate::exec::sse::shuffle::{copy, pextrw, pinsrw, signs};
use crate::exec::sse::{Mem, Reg, convert, integer as int, moves, real, shuffle as sh};
use crate::float::{F32, F64};
use crate::op::{ADDR32, Handler, Op, SLOW};
use iced_x86::{CpuidFeature, Instruction, Mnemonic as N, OpKind, Register};

fn register(i: &Instruction, n: u32) -> Register {
    if n < i.op_count() && i.op_kind(n) == OpKind::Register {
        i.op_register(n)
    } else {
        Register::None
    }
}

/// The operand's register: a vector or general one.
fn place(i: &Instruction, n: u32) -> Option<u8> {
    match register(i, n) {
        Register::None => None,
        r if r.is_xmm() => Some(r.number() as u8),
        r => Some(number(r)),
    }
}

pub(super) fn select(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let ours = |f: &CpuidFeature| matches!(f, CpuidFeature::SSE | CpuidFeature::SSE2);
    if !i.cpuid_features().iter().all(ours) || (0..2).any(|n| register(i, n).is_mm()) {
        return None;
    }
    if let Some(r) = place(i, 0) {
        op.dst = r;
    }
    if let Some(r) = place(i, 1) {
        op.src = r;
    }
    whole(i)
        .or_else(|| reals(i))
        .or_else(|| conversions(i))
        .or_else(|| move_form(i, op))
}

/// A handler for the memory form and one for the register form.
macro_rules! forms {
    ($i:expr, $mem:expr, $reg:expr) => {
        Some(if $i.op_kind(1) == OpKind::Memory {
            $mem as Handler
        } else {
            $reg
        })
    };
}

/// Everything without flags that takes whole registers.
fn whole(i: &Instruction) -> Option<Handler> {
    macro_rules! two {
        ($t:ident) => {
            forms!(i, binary::<int::$t, Mem>, binary::<int::$t, Reg>)
        };
    }
    macro_rules! shift {
        ($t:ident) => {
            match i.op_kind(1) {
                OpKind::Immediate8 => Some(by_constant::<int::$t> as Handler),
                _ => two!($t),
            }
        };
    }
    macro_rules! chosen {
        ($t:ident) => {
            forms!(i, shuffle::<sh::$t, Mem>, shuffle::<sh::$t, Reg>)
        };
    }
    match i.mnemonic() {
        N::Paddb => two!(Paddb),
        N::Paddw => two!(Paddw),
        N::Paddd => two!(Paddd),
        N::Paddq => two!(Paddq),
        N::Paddsb => two!(Paddsb),
        N::Paddsw => two!(Paddsw),
        N::Paddusb => two!(Paddusb),
        N::Paddusw => two!(Paddusw),
        N::Psubb => two!(Psubb),
        N::Psubw => two!(Psubw),
        N::Psubd => two!(Psubd),
        N::Psubq => two!(Psubq),
        N::Psubsb => two!(Psubsb),
        N::Psubsw => two!(Psubsw),
        N::Psubusb => two!(Psubusb),
        N::Psubusw => two!(Psubusw),
        N::Pmullw => two!(Pmullw),
        N::Pmulhw => two!(Pmulhw),
        N::Pmulhuw => two!(Pmulhuw),
        N::Pmuludq => two!(Pmuludq),
        N::Pmaddwd => two!(Pmaddwd),
        N::Psadbw => two!(Psadbw),
        N::Pavgb => two!(Pavgb),
        N::Pavgw => two!(Pavgw),
        N::Pminub => two!(Pminub),
        N::Pmaxub => two!(Pmaxub),
        N::Pminsw => two!(Pminsw),
        N::Pmaxsw => two!(Pmaxsw),
        N::Pcmpeqb => two!(Pcmpeqb),
        N::Pcmpeqw => two!(Pcmpeqw),
        N::Pcmpeqd => two!(Pcmpeqd),
        N::Pcmpgtb => two!(Pcmpgtb),
        N::Pcmpgtw => two!(Pcmpgtw),
        N::Pcmpgtd => two!(Pcmpgtd),
        N::Pand | N::Andps | N::Andpd => two!(And),
        N::Pandn | N::Andnps | N::Andnpd => two!(Andn),
        N::Por | N::Orps | N::Orpd => two!(Or),
        N::Pxor | N::Xorps | N::Xorpd => two!(Xor),
        N::Packsswb => two!(Packsswb),
        N::Packssdw => two!(Packssdw),
        N::Packuswb => two!(Packuswb),
        N::Punpcklbw => two!(Punpcklbw),
        N::Punpcklwd => two!(Punpcklwd),
        N::Punpckldq | N::Unpcklps => two!(Punpckldq),
        N::Punpcklqdq | N::Unpcklpd => two!(Punpcklqdq),
        N::Punpckhbw => two!(Punpckhbw),
        N::Punpckhwd => two!(Punpckhwd),
        N::Punpckhdq | N::Unpckhps => two!(Punpckhdq),
        N::Punpckhqdq | N::Unpckhpd => two!(Punpckhqdq),
        N::Psllw => shift!(Psllw),
        N::Pslld => shift!(Pslld),
        N::Psllq => shift!(Psllq),
        N::Psrlw => shift!(Psrlw),
        N::Psrld => shift!(Psrld),
        N::Psrlq => shift!(Psrlq),
        N::Psraw => shift!(Psraw),
        N::Psrad => shift!(Psrad),
        N::Pslldq => shift!(Pslldq),
        N::Psrldq => shift!(Psrldq),
        N::Pshufd => chosen!(Pshufd),
        N::Pshuflw => chosen!(Pshuflw),
        N::Pshufhw => chosen!(Pshufhw),
        N::Shufps => chosen!(Shufps),
        N::Shufpd => chosen!(Shufpd),
        _ => None,
    }
}

fn reals(i: &Instruction) -> Option<Handler> {
    use real::{Add, Cmp, Div, Max, Min, Mul, Rcp, Rsqrt, Sqrt, Sub, comis, packed, scalar};
    macro_rules! ps {
        ($t:ident) => {
            forms!(i, packed::<F32, $t, Mem>, packed::<F32, $t, Reg>)
        };
    }
    macro_rules! pd {
        ($t:ident) => {
            forms!(i, packed::<F64, $t, Mem>, packed::<F64, $t, Reg>)
        };
    }
    macro_rules! ss {
        ($t:ident) => {
            forms!(i, scalar::<F32, u32, $t, Mem>, scalar::<F32, u32, $t, Reg>)
        };
    }
    macro_rules! sd {
        ($t:ident) => {
            forms!(i, scalar::<F64, u64, $t, Mem>, scalar::<F64, u64, $t, Reg>)
        };
    }
    match i.mnemonic() {
        N::Addps => ps!(Add),
        N::Subps => ps!(Sub),
        N::Mulps => ps!(Mul),
        N::Divps => ps!(Div),
        N::Sqrtps => ps!(Sqrt),
        N::Rcpps => ps!(Rcp),
        N::Rsqrtps => ps!(Rsqrt),
        N::Minps => ps!(Min),
        N::Maxps => ps!(Max),
        N::Cmpps => ps!(Cmp),
        N::Addpd => pd!(Add),
        N::Subpd => pd!(Sub),
        N::Mulpd => pd!(Mul),
        N::Divpd => pd!(Div),
        N::Sqrtpd => pd!(Sqrt),
        N::Minpd => pd!(Min),
        N::Maxpd => pd!(Max),
        N::Cmppd => pd!(Cmp),
        N::Addss => ss!(Add),
        N::Subss => ss!(Sub),
        N::Mulss => ss!(Mul),
        N::Divss => ss!(Div),
        N::Sqrtss => ss!(Sqrt),
        N::Rcpss => ss!(Rcp),
        N::Rsqrtss => ss!(Rsqrt),
        N::Minss => ss!(Min),
        N::Maxss => ss!(Max),
        N::Cmpss => ss!(Cmp),
        N::Addsd => sd!(Add),
        N::Subsd => sd!(Sub),
        N::Mulsd => sd!(Mul),
        N::Divsd => sd!(Div),
        N::Sqrtsd => sd!(Sqrt),
        N::Minsd => sd!(Min),
        N::Maxsd => sd!(Max),
        N::Cmpsd => sd!(Cmp),
        N::Comiss => forms!(
            i,
            comis::<F32, u32, Mem, true>,
            comis::<F32, u32, Reg, true>
        ),
        N::Ucomiss => forms!(
            i,
            comis::<F32, u32, Mem, false>,
            comis::<F32, u32, Reg, false>
        ),
        N::Comisd => forms!(
            i,
            comis::<F64, u64, Mem, true>,
            comis::<F64, u64, Reg, true>
        ),
        N::Ucomisd => forms!(
            i,
            comis::<F64, u64, Mem, false>,
            comis::<F64, u64, Reg, false>
        ),
        _ => None,
    }
}

fn conversions(i: &Instruction) -> Option<Handler> {
    use convert::{
        Dq2Pd, Dq2Ps, Pd2Dq, Pd2Ps, Ps2Dq, Ps2Pd, Tpd2Dq, Tps2Dq, between, from_general, packed,
        to_general,
    };
    macro_rules! all {
        ($t:ident) => {
            forms!(i, packed::<$t, Mem>, packed::<$t, Reg>)
        };
    }
    macro_rules! to {
        ($f:ty, $l:ty, $truncated:literal) => {
            match register(i, 0).size() {
                4 => forms!(
                    i,
                    to_general::<$f, $l, Mem, u32, $truncated>,
                    to_general::<$f, $l, Reg, u32, $truncated>
                ),
                _ => forms!(
                    i,
                    to_general::<$f, $l, Mem, u64, $truncated>,
                    to_general::<$f, $l, Reg, u64, $truncated>
                ),
            }
        };
    }
    macro_rules! from {
        ($f:ty) => {
            match (register(i, 1).size(), i.memory_size().size()) {
                (4, _) => Some(from_general::<$f, S, u32, false> as Handler),
                (8, _) => Some(from_general::<$f, S, u64, false>),
                (_, 4) => Some(from_general::<$f, M<Full>, u32, true>),
                _ => Some(from_general::<$f, M<Full>, u64, true>),
            }
        };
    }
    match i.mnemonic() {
        N::Cvtps2pd => all!(Ps2Pd),
        N::Cvtpd2ps => all!(Pd2Ps),
        N::Cvtdq2ps => all!(Dq2Ps),
        N::Cvtdq2pd => all!(Dq2Pd),
        N::Cvtps2dq => all!(Ps2Dq),
        N::Cvttps2dq => all!(Tps2Dq),
        N::Cvtpd2dq => all!(Pd2Dq),
        N::Cvttpd2dq => all!(Tpd2Dq),
        N::Cvtss2sd => forms!(
            i,
            between::<F32, u32, F64, Mem>,
            between::<F32, u32, F64, Reg>
        ),
        N::Cvtsd2ss => forms!(
            i,
            between::<F64, u64, F32, Mem>,
            between::<F64, u64, F32, Reg>
        ),
        N::Cvtsi2ss => from!(F32),
        N::Cvtsi2sd => from!(F64),
        N::Cvtss2si => to!(F32, u32, false),
        N::Cvttss2si => to!(F32, u32, true),
        N::Cvtsd2si => to!(F64, u64, false),
        N::Cvttsd2si => to!(F64, u64, true),
        _ => None,
    }
}

fn move_form(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let to_memory = i.op_kind(0) == OpKind::Memory;
    let from_memory = i.op_count() > 1 && i.op_kind(1) == OpKind::Memory;
    type Ram = M<Full>;
    let handler: Handler = match i.mnemonic() {
        N::Movaps | N::Movapd | N::Movdqa => match (to_memory, from_memory) {
            (true, _) => moves::store_full::<true>,
            (_, true) => copy::<Mem>,
            _ => copy::<Reg>,
        },
        N::Movups | N::Movupd | N::Movdqu => match (to_memory, from_memory) {
            (true, _) => moves::store_full::<false>,
            (_, true) => moves::load_unaligned,
            _ => copy::<Reg>,
        },
        N::Movntps | N::Movntpd | N::Movntdq => moves::store_full::<true>,
        N::Movss => match (to_memory, from_memory) {
            (true, _) => moves::store_low::<Ram, u32>,
            (_, true) => moves::load_low::<Mem, u32>,
            _ => moves::merge_low::<Reg, u32>,
        },
        N::Movsd => match (to_memory, from_memory) {
            (true, _) => moves::store_low::<Ram, u64>,
            (_, true) => moves::load_low::<Mem, u64>,
            _ => moves::merge_low::<Reg, u64>,
        },
        N::Movd | N::Movq => match (register(i, 0), register(i, 1)) {
            (to, from) if to.is_xmm() && from.is_xmm() => moves::load_low::<Reg, u64>,
            (to, Register::None) if to.is_xmm() => match i.memory_size().size() {
                4 => moves::from_general::<Ram, u32>,
                _ => moves::from_general::<Ram, u64>,
            },
            (to, from) if to.is_xmm() => match from.size() {
                4 => moves::from_general::<S, u32>,
                _ => moves::from_general::<S, u64>,
            },
            (Register::None, _) => match i.memory_size().size() {
                4 => moves::store_low::<Ram, u32>,
                _ => moves::store_low::<Ram, u64>,
            },
            (to, _) => match to.size() {
                4 => moves::store_low::<D, u32>,
                _ => moves::store_low::<D, u64>,
            },
        },
        N::Movlps | N::Movlpd if to_memory => moves::store_low::<Ram, u64>,
        N::Movlps | N::Movlpd => moves::merge_low::<Mem, u64>,
        N::Movhps | N::Movhpd if to_memory => moves::store_high::<Ram>,
        N::Movhps | N::Movhpd => moves::low_to_high::<Mem>,
        N::Movlhps => moves::low_to_high::<Reg>,
        N::Movhlps => moves::high_to_low,
        N::Movmskps => signs::<u32>,
        N::Movmskpd => signs::<u64>,
        N::Pmovmskb => signs::<u8>,
        N::Pinsrw if from_memory => pinsrw::<Ram>,
        N::Pinsrw => pinsrw::<S>,
        N::Pextrw => pextrw,
        N::Maskmovdqu => {
            // The vector registers are the second and third operands here.
            op.dst = register(i, 1).number() as u8;
            op.src = register(i, 2).number() as u8;
            if i.op_kind(0) == OpKind::MemorySegEDI {
                op.mode |= ADDR32 | SLOW;
            }
            moves::maskmovdqu
        }
        _ => return None,
    };
    Some(handler)
}
