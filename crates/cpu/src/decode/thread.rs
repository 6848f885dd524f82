// SPDX-License-Identifier: GPL-2.0-only
//! Which instructions have threaded code ([`crate::exec::thread`]), by the same operand fields that
//! their handlers use. What has none is executed by its handler alone.

use super::integer::{is_cmov, is_set};
use super::is_direct_branch;
use super::operands::{Kind, kind, size};
use crate::access::{Cl, D, Full, I, M, One, S, Simple};
use crate::exec::alu::{Adc, Add, And, Or, Sbb, Sub, Xor};
use crate::exec::shift::{Rol, Ror, Sar, Shl, Shr};
use crate::exec::string::REP;
use crate::exec::thread::{self as t, Based, Thread, go};
use crate::exec::thread_far::{call_to, jump_to, repeated};
use crate::op::{ADDR32, Op, SLOW, WIDE};
use iced_x86::{ConditionCode, Instruction, Mnemonic as N, OpKind};

/// Without 8 bits.
macro_rules! wide {
    ($bytes:expr, $f:ident $(, $t:ty)*) => {
        match $bytes {
            2 => Some(go::<t::$f<$($t,)* u16>> as Thread),
            4 => Some(go::<t::$f<$($t,)* u32>>),
            8 => Some(go::<t::$f<$($t,)* u64>>),
            _ => None,
        }
    };
}

/// One for each width.
macro_rules! sized {
    ($bytes:expr, $f:ident $(, $t:ty)*) => {
        match $bytes {
            1 => Some(go::<t::$f<$($t,)* u8>> as Thread),
            _ => wide!($bytes, $f $(, $t)*),
        }
    };
}

/// All forms of a two-operand instruction. A memory form has its register in `dst`.
macro_rules! two {
    ($i:expr, $op:expr, $f:ident $(, $o:ty)?) => {{
        let bytes = size($i, 0);
        match (kind($i, 0, $op), kind($i, 1, $op)) {
            (Kind::Reg, Kind::Reg) => sized!(bytes, $f $(, $o)?, D, S),
            (Kind::Reg, Kind::Imm) => sized!(bytes, $f $(, $o)?, D, I),
            (Kind::Reg, Kind::Simple) => sized!(bytes, $f $(, $o)?, D, M<Simple>),
            (Kind::Reg, Kind::Full) => sized!(bytes, $f $(, $o)?, D, M<Full>),
            (Kind::Simple, Kind::Reg) => sized!(bytes, $f $(, $o)?, M<Simple>, D),
            (Kind::Full, Kind::Reg) => sized!(bytes, $f $(, $o)?, M<Full>, D),
            (Kind::Simple, Kind::Imm) => sized!(bytes, $f $(, $o)?, M<Simple>, I),
            (Kind::Full, Kind::Imm) => sized!(bytes, $f $(, $o)?, M<Full>, I),
            _ => None,
        }
    }};
}

/// By the first operand, which is a place.
macro_rules! place {
    ($i:expr, $op:expr, $f:ident) => {{
        let bytes = size($i, 0);
        match kind($i, 0, $op) {
            Kind::Reg => sized!(bytes, $f, D),
            Kind::Simple => sized!(bytes, $f, M<Simple>),
            Kind::Full => sized!(bytes, $f, M<Full>),
            _ => None,
        }
    }};
}

/// One for each condition.
macro_rules! by_condition {
    ($cc:expr, $f:ident $(, $t:ty)*) => {{
        let table: [Thread; 16] = [
            go::<t::$f<$($t,)* 0>>, go::<t::$f<$($t,)* 1>>, go::<t::$f<$($t,)* 2>>,
            go::<t::$f<$($t,)* 3>>, go::<t::$f<$($t,)* 4>>, go::<t::$f<$($t,)* 5>>,
            go::<t::$f<$($t,)* 6>>, go::<t::$f<$($t,)* 7>>, go::<t::$f<$($t,)* 8>>,
            go::<t::$f<$($t,)* 9>>, go::<t::$f<$($t,)* 10>>, go::<t::$f<$($t,)* 11>>,
            go::<t::$f<$($t,)* 12>>, go::<t::$f<$($t,)* 13>>, go::<t::$f<$($t,)* 14>>,
            go::<t::$f<$($t,)* 15>>,
        ];
        table.get(usize::from($cc)).copied()
    }};
}

/// ADC and SBB: registers only.
macro_rules! with_carry {
    ($i:expr, $op:expr, $o:ty) => {
        match (kind($i, 0, $op), kind($i, 1, $op)) {
            (Kind::Reg, Kind::Reg) => sized!(size($i, 0), Binary, $o, D, S),
            (Kind::Reg, Kind::Imm) => sized!(size($i, 0), Binary, $o, D, I),
            _ => None,
        }
    };
}

macro_rules! shift {
    ($i:expr, $op:expr, $o:ty) => {{
        let bytes = size($i, 0);
        let by_cl = $i.op_count() > 1 && $i.op_kind(1) == OpKind::Register;
        match (kind($i, 0, $op), by_cl) {
            (Kind::Reg, true) => sized!(bytes, Shift, $o, D, Cl),
            (Kind::Reg, false) if $op.imm == 1 => sized!(bytes, Shift, $o, D, One),
            (Kind::Reg, false) => sized!(bytes, Shift, $o, D, I),
            (Kind::Simple | Kind::Full, false) => wide!(bytes, Shift, $o, M<Full>, I),
            _ => None,
        }
    }};
}

/// By the first operand, which is only read.
macro_rules! source {
    ($i:expr, $op:expr, $f:ident) => {
        match kind($i, 0, $op) {
            Kind::Reg => wide!(size($i, 0), $f, D),
            Kind::Simple | Kind::Full => wide!(size($i, 0), $f, M<Full>),
            _ => None,
        }
    };
}

macro_rules! bit {
    ($i:expr, $op:expr, $k:expr) => {
        match (kind($i, 0, $op), kind($i, 1, $op), size($i, 0)) {
            (Kind::Reg, Kind::Reg, 4) => Some(go::<t::BitTest<S, u32, $k>> as Thread),
            (Kind::Reg, Kind::Reg, 8) => Some(go::<t::BitTest<S, u64, $k>>),
            (Kind::Reg, Kind::Imm, 4) => Some(go::<t::BitTest<I, u32, $k>>),
            (Kind::Reg, Kind::Imm, 8) => Some(go::<t::BitTest<I, u64, $k>>),
            _ => None,
        }
    };
}

macro_rules! count {
    ($i:expr, $op:expr, $f:ident, $c:expr) => {
        match (kind($i, 1, $op), size($i, 0)) {
            (Kind::Reg, 4) => Some(go::<t::$f<u32, $c>> as Thread),
            (Kind::Reg, 8) => Some(go::<t::$f<u64, $c>>),
            _ => None,
        }
    };
}
/// Threaded code for an instruction whose op is complete but for it.
pub(super) fn select(i: &Instruction, op: &Op) -> Option<Thread> {
    let bytes = size(i, 0);
    match i.mnemonic() {
        N::Mov if i.op_kind(1) == OpKind::Immediate64 => Some(go::<t::MovImm64>),
        N::Mov if op.mode & SLOW != 0 => based(i, op),
        N::Mov => two!(i, op, Mov),
        N::Add => two!(i, op, Binary, Add),
        N::Or => two!(i, op, Binary, Or),
        N::And => two!(i, op, Binary, And),
        N::Sub => two!(i, op, Binary, Sub),
        N::Xor => two!(i, op, Binary, Xor),
        N::Adc => with_carry!(i, op, Adc),
        N::Sbb => with_carry!(i, op, Sbb),
        N::Cmp => two!(i, op, Compare, Sub),
        N::Test => two!(i, op, Compare, And),
        N::Inc => place!(i, op, Inc),
        N::Dec => place!(i, op, Dec),
        N::Neg => place!(i, op, Neg),
        N::Not => place!(i, op, Not),
        N::Lea => match kind(i, 1, op) {
            Kind::Simple => wide!(bytes, LeaSimple),
            _ => wide!(bytes, LeaFull),
        },
        N::Movzx | N::Movsx | N::Movsxd => extend(i, op),
        N::Push if i.stack_pointer_increment() == -8 => match kind(i, 0, op) {
            Kind::Reg => Some(go::<t::Push<D>>),
            Kind::Imm => Some(go::<t::Push<I>>),
            _ => None,
        },
        N::Pop if i.stack_pointer_increment() == 8 && kind(i, 0, op) == Kind::Reg => {
            Some(go::<t::Pop>)
        }
        N::Call if is_direct_branch(op) => Some(t::call),
        N::Jmp if is_direct_branch(op) => Some(t::taken),
        N::Call if bytes == 8 => match kind(i, 0, op) {
            Kind::Reg => Some(call_to::<D>),
            Kind::Simple | Kind::Full => Some(call_to::<M<Full>>),
            _ => None,
        },
        N::Jmp if bytes == 8 => match kind(i, 0, op) {
            Kind::Reg => Some(jump_to::<D>),
            Kind::Simple | Kind::Full => Some(jump_to::<M<Full>>),
            _ => None,
        },
        N::Stosb if op.aux == REP => Some(repeated::<u8, false>),
        N::Stosw if op.aux == REP => Some(repeated::<u16, false>),
        N::Stosd if op.aux == REP => Some(repeated::<u32, false>),
        N::Stosq if op.aux == REP => Some(repeated::<u64, false>),
        N::Movsb | N::Movsw | N::Movsd | N::Movsq
            if i.is_string_instruction() && op.aux == REP && op.mode & SLOW == 0 =>
        {
            Some(match i.mnemonic() {
                N::Movsb => repeated::<u8, true>,
                N::Movsw => repeated::<u16, true>,
                N::Movsd => repeated::<u32, true>,
                _ => repeated::<u64, true>,
            })
        }
        N::Ret if i.stack_pointer_increment() >= 8 => Some(t::ret),
        N::Shl | N::Sal => shift!(i, op, Shl),
        N::Shr => shift!(i, op, Shr),
        N::Sar => shift!(i, op, Sar),
        N::Rol => shift!(i, op, Rol),
        N::Ror => shift!(i, op, Ror),
        N::Imul if i.op_count() == 1 => source!(i, op, Imul1),
        N::Mul => source!(i, op, Mul),
        N::Div => source!(i, op, Div),
        N::Idiv => source!(i, op, Idiv),
        N::Imul => match (kind(i, 1, op), i.op_count()) {
            (Kind::Reg, 2) => wide!(bytes, Imul, D, S),
            (Kind::Simple, 2) => wide!(bytes, Imul, D, M<Simple>),
            (Kind::Full, 2) => wide!(bytes, Imul, D, M<Full>),
            (Kind::Reg, 3) => wide!(bytes, Imul, S, I),
            (Kind::Simple | Kind::Full, 3) => wide!(bytes, Imul, M<Full>, I),
            _ => None,
        },
        N::Xchg => match (kind(i, 0, op), kind(i, 1, op)) {
            (Kind::Reg, Kind::Reg) => sized!(bytes, Xchg, D),
            _ => sized!(bytes, Xchg, M<Full>),
        },
        N::Cmpxchg if kind(i, 0, op) != Kind::Reg => wide!(bytes, CmpxchgMemory),
        N::Xadd if kind(i, 0, op) != Kind::Reg => wide!(bytes, XaddMemory),
        N::Bt => bit!(i, op, { crate::exec::bits::TEST }),
        N::Bts => bit!(i, op, { crate::exec::bits::SET }),
        N::Btr => bit!(i, op, { crate::exec::bits::RESET }),
        N::Btc => bit!(i, op, { crate::exec::bits::COMPLEMENT }),
        N::Bsf => count!(i, op, Scan, false),
        N::Bsr => count!(i, op, Scan, true),
        N::Tzcnt => count!(i, op, Zeros, false),
        N::Lzcnt => count!(i, op, Zeros, true),
        N::Popcnt if kind(i, 1, op) == Kind::Reg => wide!(bytes, Popcnt),
        N::Cwde => Some(go::<t::ExtendA<u32, u16>>),
        N::Cdqe => Some(go::<t::ExtendA<u64, u32>>),
        N::Cdq => Some(go::<t::ExtendD<u32>>),
        N::Cqo => Some(go::<t::ExtendD<u64>>),
        N::Bswap => wide!(bytes, Bswap),
        N::Nop | N::Endbr64 => Some(go::<t::Nop>),
        _ => conditional(i, op),
    }
}

fn extend(i: &Instruction, op: &Op) -> Option<Thread> {
    macro_rules! widths {
        ($f:ident, $s:ty) => {
            match (size(i, 0), size(i, 1)) {
                (4, 1) => Some(go::<t::$f<$s, u32, u8>> as Thread),
                (8, 1) => Some(go::<t::$f<$s, u64, u8>>),
                (4, 2) => Some(go::<t::$f<$s, u32, u16>>),
                (8, 2) => Some(go::<t::$f<$s, u64, u16>>),
                (8, 4) => Some(go::<t::$f<$s, u64, u32>>),
                _ => None,
            }
        };
    }
    match (i.mnemonic() == N::Movzx, kind(i, 1, op)) {
        (true, Kind::Reg) => widths!(Movzx, S),
        (true, Kind::Simple) => widths!(Movzx, M<Simple>),
        (true, _) => widths!(Movzx, M<Full>),
        (false, Kind::Reg) => widths!(Movsx, S),
        (false, Kind::Simple) => widths!(Movsx, M<Simple>),
        (false, _) => widths!(Movsx, M<Full>),
    }
}

/// MOV between a register and what lies at FS or GS.
fn based(i: &Instruction, op: &Op) -> Option<Thread> {
    if op.mode & (ADDR32 | WIDE) != 0 {
        return None;
    }
    match (kind(i, 0, op), kind(i, 1, op)) {
        (Kind::Reg, Kind::Full) => wide!(size(i, 0), Mov, D, M<Based>),
        (Kind::Full, Kind::Reg) => wide!(size(i, 0), Mov, M<Based>, D),
        _ => None,
    }
}

/// Jcc, SETcc, CMOVcc.
fn conditional(i: &Instruction, op: &Op) -> Option<Thread> {
    let c = i.condition_code();
    if c == ConditionCode::None {
        return None;
    }
    let cc = c as u8 - 1;
    if i.is_jcc_short_or_near() {
        let table: [Thread; 16] = [
            t::jcc::<0>,
            t::jcc::<1>,
            t::jcc::<2>,
            t::jcc::<3>,
            t::jcc::<4>,
            t::jcc::<5>,
            t::jcc::<6>,
            t::jcc::<7>,
            t::jcc::<8>,
            t::jcc::<9>,
            t::jcc::<10>,
            t::jcc::<11>,
            t::jcc::<12>,
            t::jcc::<13>,
            t::jcc::<14>,
            t::jcc::<15>,
        ];
        let known = is_direct_branch(op).then(|| table.get(usize::from(cc)).copied());
        return known.flatten();
    }
    if is_set(i.mnemonic()) {
        return match kind(i, 0, op) {
            Kind::Reg => by_condition!(cc, Setcc, D),
            _ => by_condition!(cc, Setcc, M<Full>),
        };
    }
    if !is_cmov(i.mnemonic()) {
        return None;
    }
    match (kind(i, 1, op), size(i, 0)) {
        (Kind::Reg, 4) => by_condition!(cc, Cmov, S, u32),
        (Kind::Reg, 8) => by_condition!(cc, Cmov, S, u64),
        (Kind::Simple | Kind::Full, 4) => by_condition!(cc, Cmov, M<Full>, u32),
        (Kind::Simple | Kind::Full, 8) => by_condition!(cc, Cmov, M<Full>, u64),
        _ => None,
    }
}
