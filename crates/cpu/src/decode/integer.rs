// SPDX-License-Identifier: GPL-2.0-only
//! Moves, arithmetic, branches, stack and string instructions.

use super::operands::{Kind, kind, size};
use super::{COMPLEMENT, RESET, SET, TEST, by_condition, direct, jcc};
use crate::access::{Cl, D, Full, I, M, Moffs, One, S, Simple};
use crate::exec::shift::{Rcl, Rcr, Rol, Ror, Sar, Shl, Shr};
use crate::exec::{alu, atomic, bits, branch, misc, mov, muldiv, shift, stack, string};
use crate::op::{Handler, Op};
use iced_x86::{Code, Instruction, Mnemonic as N, OpKind, Register};

/// One handler for each width.
macro_rules! sized {
    ($bytes:expr, $($path:ident)::+ $(, $t:ty)*) => {{
        let h: Option<Handler> = match $bytes {
            1 => Some($($path)::+::<$($t,)* u8>),
            2 => Some($($path)::+::<$($t,)* u16>),
            4 => Some($($path)::+::<$($t,)* u32>),
            8 => Some($($path)::+::<$($t,)* u64>),
            _ => None,
        };
        h
    }};
}

/// Without 8 bits.
macro_rules! wide {
    ($bytes:expr, $($path:ident)::+ $(, $t:ty)*) => {{
        let h: Option<Handler> = match $bytes {
            2 => Some($($path)::+::<$($t,)* u16>),
            4 => Some($($path)::+::<$($t,)* u32>),
            8 => Some($($path)::+::<$($t,)* u64>),
            _ => None,
        };
        h
    }};
}

/// The handler with the right place as its first type: register `dst` or memory.
macro_rules! place {
    ($kind:expr, $bytes:expr, $($path:ident)::+ $(, $t:ty)*) => {
        match $kind {
            Kind::Reg => sized!($bytes, $($path)::+ $(, $t)*, D),
            Kind::Simple => sized!($bytes, $($path)::+ $(, $t)*, M<Simple>),
            Kind::Full => sized!($bytes, $($path)::+ $(, $t)*, M<Full>),
            _ => None,
        }
    };
}

/// All forms of a two-operand instruction. A memory form has its register in `dst`.
macro_rules! binary {
    ($i:expr, $op:expr, $bytes:expr, $f:path, $o:ty) => {{
        use $f as f;
        match (kind($i, 0, $op), kind($i, 1, $op)) {
            (Kind::Reg, Kind::Reg) => sized!($bytes, f, $o, D, S),
            (Kind::Reg, Kind::Imm) => sized!($bytes, f, $o, D, I),
            (Kind::Reg, Kind::Simple) => sized!($bytes, f, $o, D, M<Simple>),
            (Kind::Reg, Kind::Full) => sized!($bytes, f, $o, D, M<Full>),
            (Kind::Simple, Kind::Reg) => sized!($bytes, f, $o, M<Simple>, D),
            (Kind::Full, Kind::Reg) => sized!($bytes, f, $o, M<Full>, D),
            (Kind::Simple, Kind::Imm) => sized!($bytes, f, $o, M<Simple>, I),
            (Kind::Full, Kind::Imm) => sized!($bytes, f, $o, M<Full>, I),
            _ => None,
        }
    }};
}

/// The source of a one-source instruction whose destination is `dst`.
macro_rules! source {
    ($kind:expr, $bytes:expr, $($path:ident)::+ $(, $t:ty)*) => {
        match $kind {
            Kind::Reg => wide!($bytes, $($path)::+ $(, $t)*, S),
            Kind::Simple => wide!($bytes, $($path)::+ $(, $t)*, M<Simple>),
            Kind::Full => wide!($bytes, $($path)::+ $(, $t)*, M<Full>),
            _ => None,
        }
    };
}
pub(super) use {source, wide};

pub(super) fn select(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let m = i.mnemonic();
    let bytes = size(i, 0);
    let first = kind(i, 0, op);
    match m {
        N::Mov => mov_form(i, op),
        N::Add => binary!(i, op, bytes, alu::binary, alu::Add),
        N::Or => binary!(i, op, bytes, alu::binary, alu::Or),
        N::Adc => binary!(i, op, bytes, alu::binary, alu::Adc),
        N::Sbb => binary!(i, op, bytes, alu::binary, alu::Sbb),
        N::And => binary!(i, op, bytes, alu::binary, alu::And),
        N::Sub => binary!(i, op, bytes, alu::binary, alu::Sub),
        N::Xor => binary!(i, op, bytes, alu::binary, alu::Xor),
        N::Cmp => binary!(i, op, bytes, alu::compare, alu::Sub),
        N::Test => binary!(i, op, bytes, alu::compare, alu::And),
        N::Inc => place!(first, bytes, alu::inc),
        N::Dec => place!(first, bytes, alu::dec),
        N::Neg => place!(first, bytes, alu::neg),
        N::Not => place!(first, bytes, alu::not),
        N::Lea => lea(i, op),
        N::Movzx | N::Movsx | N::Movsxd => extend(i, op),
        N::Push => push(i, op),
        N::Pop => pop(i, op),
        N::Call => match i.op_kind(0) {
            OpKind::NearBranch64 => direct(i, op, branch::call),
            _ if bytes != 8 => None,
            _ => match first {
                Kind::Reg => Some(branch::call_to::<D>),
                Kind::Simple => Some(branch::call_to::<M<Simple>>),
                Kind::Full => Some(branch::call_to::<M<Full>>),
                _ => None,
            },
        },
        N::Jmp => match i.op_kind(0) {
            OpKind::NearBranch64 => direct(i, op, branch::jmp),
            _ if bytes != 8 => None,
            _ => match first {
                Kind::Reg => Some(branch::jmp_to::<D>),
                Kind::Simple => Some(branch::jmp_to::<M<Simple>>),
                Kind::Full => Some(branch::jmp_to::<M<Full>>),
                _ => None,
            },
        },
        N::Ret if i.stack_pointer_increment() >= 8 => Some(branch::ret),
        N::Jrcxz => direct(i, op, branch::jcxz::<u64>),
        N::Jecxz => direct(i, op, branch::jcxz::<u32>),
        N::Loop | N::Loope | N::Loopne => loops(i, op),
        N::Shl | N::Sal => shifts::<Shl>(i, op),
        N::Shr => shifts::<Shr>(i, op),
        N::Sar => shifts::<Sar>(i, op),
        N::Rol => shifts::<Rol>(i, op),
        N::Ror => shifts::<Ror>(i, op),
        N::Rcl => shifts::<Rcl>(i, op),
        N::Rcr => shifts::<Rcr>(i, op),
        N::Shld => double::<true>(i, op),
        N::Shrd => double::<false>(i, op),
        N::Imul if i.op_count() == 1 => place!(first, bytes, muldiv::imul1),
        N::Imul => imul(i, op),
        N::Mul => place!(first, bytes, muldiv::mul),
        N::Div => place!(first, bytes, muldiv::div),
        N::Idiv => place!(first, bytes, muldiv::idiv),
        N::Xchg => exchange(i, op),
        N::Cmpxchg => cmpxchg(i, op),
        N::Xadd => xadd(i, op),
        N::Cmpxchg8b => match first {
            Kind::Simple => Some(atomic::cmpxchg8b::<Simple>),
            _ => Some(atomic::cmpxchg8b::<Full>),
        },
        N::Cmpxchg16b => match first {
            Kind::Simple => Some(atomic::cmpxchg16b::<Simple>),
            _ => Some(atomic::cmpxchg16b::<Full>),
        },
        N::Bt => bit_test::<TEST>(i, op),
        N::Bts => bit_test::<SET>(i, op),
        N::Btr => bit_test::<RESET>(i, op),
        N::Btc => bit_test::<COMPLEMENT>(i, op),
        N::Cbw => Some(mov::extend_a::<u16, u8>),
        N::Cwde => Some(mov::extend_a::<u32, u16>),
        N::Cdqe => Some(mov::extend_a::<u64, u32>),
        N::Cwd => Some(mov::extend_d::<u16>),
        N::Cdq => Some(mov::extend_d::<u32>),
        N::Cqo => Some(mov::extend_d::<u64>),
        N::Bswap => wide!(bytes, mov::bswap),
        N::Leave if i.code() == Code::Leavew => Some(stack::leave::<u16>),
        N::Leave => Some(stack::leave::<u64>),
        N::Enter if i.code() == Code::Enterq_imm16_imm8 => {
            op.aux = i.immediate8_2nd();
            op.imm = i32::from(i.immediate16());
            Some(stack::enter)
        }
        _ => conditional(i, op).or_else(|| strings(i, op)),
    }
}

fn mov_form(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let bytes = size(i, 0);
    match (kind(i, 0, op), kind(i, 1, op)) {
        (Kind::Reg, Kind::Reg) => sized!(bytes, mov::mov, D, S),
        (Kind::Reg, Kind::Imm) if i.op_kind(1) == OpKind::Immediate64 => {
            op.disp = (i.immediate64() >> 32) as i32;
            op.imm = i.immediate64() as i32;
            Some(mov::mov_imm64)
        }
        (Kind::Reg, Kind::Imm) => sized!(bytes, mov::mov, D, I),
        (Kind::Reg, Kind::Simple) => sized!(bytes, mov::mov, D, M<Simple>),
        (Kind::Reg, Kind::Full) => sized!(bytes, mov::mov, D, M<Full>),
        (Kind::Reg, Kind::Moffs) => sized!(bytes, mov::mov, D, M<Moffs>),
        (Kind::Simple, Kind::Reg) => sized!(bytes, mov::mov, M<Simple>, D),
        (Kind::Full, Kind::Reg) => sized!(bytes, mov::mov, M<Full>, D),
        (Kind::Moffs, Kind::Reg) => sized!(bytes, mov::mov, M<Moffs>, D),
        (Kind::Simple, Kind::Imm) => sized!(bytes, mov::mov, M<Simple>, I),
        (Kind::Full, Kind::Imm) => sized!(bytes, mov::mov, M<Full>, I),
        _ => None,
    }
}

fn lea(i: &Instruction, op: &mut Op) -> Option<Handler> {
    // LEA ignores segments.
    op.mode &= !(crate::op::WITH_FS | crate::op::WITH_GS);
    let bytes = size(i, 0);
    match kind(i, 1, op) {
        Kind::Simple => wide!(bytes, mov::lea, Simple),
        _ => wide!(bytes, mov::lea, Full),
    }
}

fn extend(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let (to, from) = (size(i, 0), size(i, 1));
    let second = kind(i, 1, op);
    macro_rules! widths {
        ($f:path, $s:ty) => {{
            use $f as f;
            match (to, from) {
                (2, 1) => Some(f::<$s, u16, u8> as Handler),
                (4, 1) => Some(f::<$s, u32, u8>),
                (8, 1) => Some(f::<$s, u64, u8>),
                (2, 2) => Some(f::<$s, u16, u16>),
                (4, 2) => Some(f::<$s, u32, u16>),
                (8, 2) => Some(f::<$s, u64, u16>),
                (4, 4) => Some(f::<$s, u32, u32>),
                (8, 4) => Some(f::<$s, u64, u32>),
                _ => None,
            }
        }};
    }
    if i.mnemonic() == N::Movzx {
        match second {
            Kind::Reg => widths!(mov::movzx, S),
            Kind::Simple => widths!(mov::movzx, M<Simple>),
            _ => widths!(mov::movzx, M<Full>),
        }
    } else {
        match second {
            Kind::Reg => widths!(mov::movsx, S),
            Kind::Simple => widths!(mov::movsx, M<Simple>),
            _ => widths!(mov::movsx, M<Full>),
        }
    }
}

fn segment_number(r: Register) -> Option<u8> {
    match r {
        Register::FS => Some(4),
        Register::GS => Some(5),
        _ => None,
    }
}

fn push(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let short = i.stack_pointer_increment() == -2;
    if i.op_kind(0) == OpKind::Register && !i.op_register(0).is_gpr() {
        op.aux = segment_number(i.op_register(0))?;
        return Some(if short {
            stack::push_segment::<u16>
        } else {
            stack::push_segment::<u64>
        });
    }
    Some(match (kind(i, 0, op), short) {
        (Kind::Reg, false) => stack::push_value::<D, u64>,
        (Kind::Reg, true) => stack::push_value::<D, u16>,
        (Kind::Imm, false) => stack::push_value::<I, u64>,
        (Kind::Imm, true) => stack::push_value::<I, u16>,
        (Kind::Simple | Kind::Full, false) => stack::push_memory::<Full, u64>,
        (Kind::Simple | Kind::Full, true) => stack::push_memory::<Full, u16>,
        _ => return None,
    })
}

fn pop(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let short = i.stack_pointer_increment() == 2;
    if i.op_kind(0) == OpKind::Register && !i.op_register(0).is_gpr() {
        op.aux = segment_number(i.op_register(0))?;
        return Some(if short {
            stack::pop_segment::<u16>
        } else {
            stack::pop_segment::<u64>
        });
    }
    Some(match (kind(i, 0, op), short) {
        (Kind::Reg, false) => stack::pop_register::<u64>,
        (Kind::Reg, true) => stack::pop_register::<u16>,
        (Kind::Simple | Kind::Full, false) => stack::pop_memory::<Full, u64>,
        (Kind::Simple | Kind::Full, true) => stack::pop_memory::<Full, u16>,
        _ => return None,
    })
}

fn loops(i: &Instruction, op: &mut Op) -> Option<Handler> {
    // The 32-bit address size makes the counter ECX.
    use iced_x86::Code as C;
    let narrow = matches!(
        i.code(),
        C::Loop_rel8_64_ECX | C::Loope_rel8_64_ECX | C::Loopne_rel8_64_ECX
    );
    let run: Handler = match (i.mnemonic(), narrow) {
        (N::Loopne, false) => branch::loop_cc::<0, u64>,
        (N::Loopne, true) => branch::loop_cc::<0, u32>,
        (N::Loope, false) => branch::loop_cc::<1, u64>,
        (N::Loope, true) => branch::loop_cc::<1, u32>,
        (_, false) => branch::loop_cc::<2, u64>,
        (_, true) => branch::loop_cc::<2, u32>,
    };
    direct(i, op, run)
}

fn shifts<O: shift::Shift>(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let bytes = size(i, 0);
    let by_cl = i.op_count() > 1 && i.op_kind(1) == OpKind::Register;
    if i.op_count() == 1 {
        op.imm = 1;
    }
    // `D1 /n` shifts by one, `C1 /n` by an immediate: both hold the count in `imm`.
    match (kind(i, 0, op), by_cl, op.imm == 1 && !by_cl) {
        (Kind::Reg, true, _) => sized!(bytes, shift::shift, O, D, Cl),
        (Kind::Reg, _, true) => sized!(bytes, shift::shift, O, D, One),
        (Kind::Reg, _, _) => sized!(bytes, shift::shift, O, D, I),
        (Kind::Simple | Kind::Full, true, _) => sized!(bytes, shift::shift, O, M<Full>, Cl),
        (Kind::Simple | Kind::Full, _, _) => sized!(bytes, shift::shift, O, M<Full>, I),
        _ => None,
    }
}

fn double<const LEFT: bool>(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let by_cl = i.op_kind(2) == OpKind::Register;
    let memory = kind(i, 0, op) != Kind::Reg;
    if memory {
        op.src = op.dst;
    }
    macro_rules! widths {
        ($p:ty, $c:ty) => {
            match size(i, 0) {
                2 => Some(shift::double::<LEFT, $p, $c, u16> as Handler),
                4 => Some(shift::double::<LEFT, $p, $c, u32>),
                8 => Some(shift::double::<LEFT, $p, $c, u64>),
                _ => None,
            }
        };
    }
    match (memory, by_cl) {
        (false, true) => widths!(D, Cl),
        (false, false) => widths!(D, I),
        (true, true) => widths!(M<Full>, Cl),
        (true, false) => widths!(M<Full>, I),
    }
}

fn imul(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let bytes = size(i, 0);
    let three = i.op_count() == 3;
    match (kind(i, 1, op), three) {
        (Kind::Reg, false) => wide!(bytes, muldiv::imul, D, S),
        (Kind::Simple, false) => wide!(bytes, muldiv::imul, D, M<Simple>),
        (Kind::Full, false) => wide!(bytes, muldiv::imul, D, M<Full>),
        (Kind::Reg, true) => wide!(bytes, muldiv::imul, S, I),
        (Kind::Simple | Kind::Full, true) => wide!(bytes, muldiv::imul, M<Full>, I),
        _ => None,
    }
}

fn exchange(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let bytes = size(i, 0);
    match (kind(i, 0, op), kind(i, 1, op)) {
        (Kind::Reg, Kind::Reg) => sized!(bytes, mov::xchg, D),
        _ => {
            op.src = op.dst;
            sized!(bytes, mov::xchg, M<Full>)
        }
    }
}

fn cmpxchg(i: &Instruction, op: &mut Op) -> Option<Handler> {
    macro_rules! widths {
        ($p:ty, $register:literal) => {
            match size(i, 0) {
                1 => Some(atomic::cmpxchg::<$p, u8, $register> as Handler),
                2 => Some(atomic::cmpxchg::<$p, u16, $register>),
                4 => Some(atomic::cmpxchg::<$p, u32, $register>),
                8 => Some(atomic::cmpxchg::<$p, u64, $register>),
                _ => None,
            }
        };
    }
    match kind(i, 0, op) {
        Kind::Reg => widths!(D, true),
        Kind::Simple => {
            op.src = op.dst;
            widths!(M<Simple>, false)
        }
        _ => {
            op.src = op.dst;
            widths!(M<Full>, false)
        }
    }
}

fn xadd(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let bytes = size(i, 0);
    if kind(i, 0, op) == Kind::Reg {
        op.aux = 1;
        sized!(bytes, atomic::xadd, D)
    } else {
        op.src = op.dst;
        sized!(bytes, atomic::xadd, M<Full>)
    }
}

fn bit_test<const K: u8>(i: &Instruction, op: &mut Op) -> Option<Handler> {
    macro_rules! widths {
        ($($f:ident)::+ $(, $t:ty)*) => {
            match size(i, 0) {
                2 => Some($($f)::+::<K, $($t,)* u16> as Handler),
                4 => Some($($f)::+::<K, $($t,)* u32>),
                8 => Some($($f)::+::<K, $($t,)* u64>),
                _ => None,
            }
        };
    }
    match (kind(i, 0, op), kind(i, 1, op)) {
        (Kind::Reg, Kind::Reg) => widths!(bits::bit, D, S),
        (Kind::Reg, _) => widths!(bits::bit, D, I),
        (_, Kind::Imm) => widths!(bits::bit, M<Full>, I),
        _ => {
            op.src = op.dst;
            widths!(bits::bit_string, Full)
        }
    }
}

/// SETcc.
pub(super) fn is_set(m: N) -> bool {
    matches!(
        m,
        N::Seto
            | N::Setno
            | N::Setb
            | N::Setae
            | N::Sete
            | N::Setne
            | N::Setbe
            | N::Seta
            | N::Sets
            | N::Setns
            | N::Setp
            | N::Setnp
            | N::Setl
            | N::Setge
            | N::Setle
            | N::Setg
    )
}

/// CMOVcc.
pub(super) fn is_cmov(m: N) -> bool {
    matches!(
        m,
        N::Cmovo
            | N::Cmovno
            | N::Cmovb
            | N::Cmovae
            | N::Cmove
            | N::Cmovne
            | N::Cmovbe
            | N::Cmova
            | N::Cmovs
            | N::Cmovns
            | N::Cmovp
            | N::Cmovnp
            | N::Cmovl
            | N::Cmovge
            | N::Cmovle
            | N::Cmovg
    )
}

/// Jcc, SETcc, CMOVcc.
fn conditional(i: &Instruction, op: &mut Op) -> Option<Handler> {
    use iced_x86::ConditionCode;
    let c = i.condition_code();
    if c == ConditionCode::None {
        return None;
    }
    // The order of iced's enumeration is that of the opcodes, after `None`.
    let cc = c as u8 - 1;
    if i.is_jcc_short_or_near() {
        let run = jcc(cc)?;
        return if i.op_kind(0) == OpKind::NearBranch64 {
            direct(i, op, run)
        } else {
            None
        };
    }
    if is_set(i.mnemonic()) {
        return match kind(i, 0, op) {
            Kind::Reg => by_condition!(cc, exec_setcc, D),
            _ => by_condition!(cc, exec_setcc, M<Full>),
        };
    }
    if !is_cmov(i.mnemonic()) || i.op_count() != 2 {
        return None;
    }
    match (kind(i, 1, op), size(i, 0)) {
        (Kind::Reg, 2) => by_condition!(cc, exec_cmov, S, u16),
        (Kind::Reg, 4) => by_condition!(cc, exec_cmov, S, u32),
        (Kind::Reg, 8) => by_condition!(cc, exec_cmov, S, u64),
        (_, 2) => by_condition!(cc, exec_cmov, M<Full>, u16),
        (_, 4) => by_condition!(cc, exec_cmov, M<Full>, u32),
        (_, 8) => by_condition!(cc, exec_cmov, M<Full>, u64),
        _ => None,
    }
}

use crate::exec::mov::{cmov as exec_cmov, setcc as exec_setcc};

fn strings(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let run: Handler = match i.mnemonic() {
        N::Movsb => string::movs::<u8>,
        N::Movsw => string::movs::<u16>,
        N::Movsd if i.is_string_instruction() => string::movs::<u32>,
        N::Movsq => string::movs::<u64>,
        N::Stosb => string::stos::<u8>,
        N::Stosw => string::stos::<u16>,
        N::Stosd => string::stos::<u32>,
        N::Stosq => string::stos::<u64>,
        N::Lodsb => string::lods::<u8>,
        N::Lodsw => string::lods::<u16>,
        N::Lodsd => string::lods::<u32>,
        N::Lodsq => string::lods::<u64>,
        N::Scasb => string::scas::<u8>,
        N::Scasw => string::scas::<u16>,
        N::Scasd => string::scas::<u32>,
        N::Scasq => string::scas::<u64>,
        N::Cmpsb => string::cmps::<u8>,
        N::Cmpsw => string::cmps::<u16>,
        N::Cmpsd if i.is_string_instruction() => string::cmps::<u32>,
        N::Cmpsq => string::cmps::<u64>,
        N::Xlatb => misc::xlat,
        _ => return None,
    };
    // ESI and EDI (an address-size prefix) do not exist here.
    let narrow = (0..i.op_count()).any(|n| {
        use OpKind::{MemoryESEDI, MemorySegEDI, MemorySegESI};
        matches!(i.op_kind(n), MemorySegESI | MemoryESEDI | MemorySegEDI)
            || i.op_kind(n) == OpKind::Memory && i.memory_base() == Register::EBX
    });
    if narrow {
        return None;
    }
    op.aux = if i.has_repne_prefix() {
        string::REPNE
    } else if i.has_rep_prefix() {
        string::REP
    } else {
        string::ONCE
    };
    Some(run)
}
