// SPDX-License-Identifier: GPL-2.0-only
//! Flag, system and control instructions.

use super::integer::wide;
use super::operands::{Kind, kind, number, size};
use crate::access::{D, Full, M, S};
use crate::exec::sse::{control as fp, moves};
use crate::exec::{branch, control, iret, misc, selector, stack};
use crate::op::{Handler, Op, request};
use iced_x86::{Code, Instruction, Mnemonic as N, OpKind, Register};

/// RSP moves by this much.
fn stack_step(i: &Instruction) -> i32 {
    i.stack_pointer_increment()
}

pub(super) fn select(i: &Instruction, op: &mut Op) -> Option<Handler> {
    Some(match i.mnemonic() {
        N::Nop
        | N::Endbr64
        | N::Endbr32
        | N::Rdsspd
        | N::Rdsspq
        | N::Lfence
        | N::Mfence
        | N::Sfence
        | N::Prefetcht0
        | N::Prefetcht1
        | N::Prefetcht2
        | N::Prefetchnta
        | N::Prefetchw => misc::nop,
        N::Clc => misc::carry::<0>,
        N::Stc => misc::carry::<1>,
        N::Cmc => misc::carry::<2>,
        N::Cld => misc::direction::<false>,
        N::Std => misc::direction::<true>,
        N::Cli => misc::cli,
        N::Sti => misc::sti,
        N::Lahf => misc::lahf,
        N::Sahf => misc::sahf,
        N::Hlt => misc::hlt,
        N::Ud0 | N::Ud1 | N::Ud2 => misc::undefined,
        N::Int3 => {
            op.imm = 3;
            misc::int
        }
        N::Int => {
            op.imm = i32::from(i.immediate8());
            misc::int
        }
        N::Pushfq if stack_step(i) == -8 => stack::pushf::<u64>,
        N::Pushf => stack::pushf::<u16>,
        N::Popfq => stack::popf::<u64>,
        N::Popf => stack::popf::<u16>,
        N::Syscall => iret::syscall,
        N::Sysretq => iret::sysret,
        N::Iretq => iret::iretq,
        N::Swapgs => iret::swapgs,
        N::Retf if i.code() == Code::Retfq => {
            op.imm = 0;
            branch::retf
        }
        N::Retf if i.code() == Code::Retfq_imm16 => branch::retf,
        N::Mov => return mov_special(i, op),
        N::Clts => control::clts,
        N::Invlpg | N::Wbinvd | N::Invd => control::privileged_nop,
        N::Lgdt => control::load_table::<Full, false>,
        N::Lidt => control::load_table::<Full, true>,
        N::Sgdt => control::store_table::<Full, false>,
        N::Sidt => control::store_table::<Full, true>,
        N::Ltr => match kind(i, 0, op) {
            Kind::Reg => control::ltr::<D>,
            _ => control::ltr::<M<Full>>,
        },
        N::Lldt => match kind(i, 0, op) {
            Kind::Reg => control::lldt::<D>,
            _ => control::lldt::<M<Full>>,
        },
        N::Str => return store_selector::<false>(i, op),
        N::Sldt => return store_selector::<true>(i, op),
        N::Smsw => {
            return match kind(i, 0, op) {
                Kind::Reg => wide!(size(i, 0), control::smsw, D),
                _ => Some(control::smsw::<M<Full>, u16>),
            };
        }
        N::Lar => {
            return match kind(i, 1, op) {
                Kind::Reg => wide!(size(i, 0), selector::lar, S),
                _ => wide!(size(i, 0), selector::lar, M<Full>),
            };
        }
        N::Lsl => {
            return match kind(i, 1, op) {
                Kind::Reg => wide!(size(i, 0), selector::lsl, S),
                _ => wide!(size(i, 0), selector::lsl, M<Full>),
            };
        }
        N::Verr => match kind(i, 0, op) {
            Kind::Reg => selector::verify::<D, false>,
            _ => selector::verify::<M<Full>, false>,
        },
        N::Verw => match kind(i, 0, op) {
            Kind::Reg => selector::verify::<D, true>,
            _ => selector::verify::<M<Full>, true>,
        },
        N::Rdfsbase => {
            return base32_64(
                i,
                control::read_base::<u32, false>,
                control::read_base::<u64, false>,
            );
        }
        N::Rdgsbase => {
            return base32_64(
                i,
                control::read_base::<u32, true>,
                control::read_base::<u64, true>,
            );
        }
        N::Wrfsbase => {
            return base32_64(
                i,
                control::write_base::<u32, false>,
                control::write_base::<u64, false>,
            );
        }
        N::Wrgsbase => {
            return base32_64(
                i,
                control::write_base::<u32, true>,
                control::write_base::<u64, true>,
            );
        }
        N::Rdpid => control::rdpid,
        N::Ldmxcsr => fp::ldmxcsr,
        N::Stmxcsr => fp::stmxcsr,
        N::Fxsave | N::Fxsave64 => fp::fxsave,
        N::Fxrstor | N::Fxrstor64 => fp::fxrstor,
        N::Movnti if size(i, 0) == 4 => moves::movnti::<M<Full>, u32>,
        N::Movnti => moves::movnti::<M<Full>, u64>,
        N::Clflush => fp::clflush,
        N::Clac => control::ac::<false>,
        N::Stac => control::ac::<true>,
        N::Rdmsr => ask(op, request::RDMSR, misc::privileged_bus),
        N::Wrmsr => ask(op, request::WRMSR, misc::privileged_bus),
        N::Rdpmc => ask(op, request::RDPMC, misc::rdpmc),
        N::Rdtsc => ask(op, request::RDTSC, misc::rdtsc),
        N::Rdtscp => ask(op, request::RDTSCP, misc::rdtsc),
        N::Cpuid => ask(op, request::CPUID, misc::bus),
        N::Pause => ask(op, request::PAUSE, misc::bus),
        N::Vmcall => ask(op, request::VMCALL, misc::bus),
        N::In => port(i, op, 0, 1, request::IN),
        N::Out => port(i, op, 1, 0, request::OUT),
        _ => return None,
    })
}

fn ask(op: &mut Op, what: u8, run: Handler) -> Handler {
    op.aux = what;
    run
}

/// Operand `data` is AL, AX or EAX, operand `port` DX or an immediate.
fn port(i: &Instruction, op: &mut Op, data: u32, port: u32, what: u8) -> Handler {
    op.dst = i.op_register(data).size() as u8;
    op.src = u8::from(i.op_kind(port) == OpKind::Register);
    ask(op, what, misc::port)
}

fn base32_64(i: &Instruction, narrow: Handler, full: Handler) -> Option<Handler> {
    Some(if size(i, 0) == 4 { narrow } else { full })
}

fn store_selector<const LDT: bool>(i: &Instruction, op: &mut Op) -> Option<Handler> {
    match (kind(i, 0, op), size(i, 0)) {
        (Kind::Reg, 2) => Some(control::store_selector::<D, u16, LDT>),
        (Kind::Reg, 4) => Some(control::store_selector::<D, u32, LDT>),
        (Kind::Reg, 8) => Some(control::store_selector::<D, u64, LDT>),
        (Kind::Simple | Kind::Full, _) => Some(control::store_selector::<M<Full>, u16, LDT>),
        _ => None,
    }
}

/// The number of a segment register in an instruction's reg field.
fn segment(r: Register) -> Option<u8> {
    Some(match r {
        Register::ES => 0,
        Register::CS => 1,
        Register::SS => 2,
        Register::DS => 3,
        Register::FS => 4,
        Register::GS => 5,
        _ => return None,
    })
}

/// MOV with segment, control and debug registers.
fn mov_special(i: &Instruction, op: &mut Op) -> Option<Handler> {
    let registers = |n: u32| {
        if i.op_kind(n) == OpKind::Register {
            i.op_register(n)
        } else {
            Register::None
        }
    };
    let (to, from) = (registers(0), registers(1));
    if let Some(s) = segment(to) {
        op.aux = s;
        if s == 1 {
            return Some(misc::undefined);
        }
        op.src = number(from);
        return Some(match kind(i, 1, op) {
            Kind::Reg => stack::mov_to_segment::<S>,
            _ => stack::mov_to_segment::<M<Full>>,
        });
    }
    if let Some(s) = segment(from) {
        op.aux = s;
        op.dst = number(to);
        return match kind(i, 0, op) {
            Kind::Reg => match size(i, 0) {
                2 => Some(stack::mov_from_segment::<D, u16>),
                4 => Some(stack::mov_from_segment::<D, u32>),
                _ => Some(stack::mov_from_segment::<D, u64>),
            },
            _ => Some(stack::mov_from_segment::<M<Full>, u16>),
        };
    }
    op.dst = number(to);
    op.src = number(from);
    let n = |r: Register| r.number() as u8;
    if to.is_cr() || from.is_cr() {
        op.aux = if to.is_cr() { n(to) } else { n(from) };
        return match op.aux {
            0 | 2 | 3 | 4 if to.is_cr() => Some(control::write_control),
            0 | 2 | 3 | 4 => Some(control::read_control),
            // CR8 belongs to the local APIC.
            8 if to.is_cr() => Some(ask(op, request::WRITE_CR8, misc::privileged_bus)),
            8 => Some(ask(op, request::READ_CR8, misc::privileged_bus)),
            _ => Some(misc::undefined),
        };
    }
    if to.is_dr() || from.is_dr() {
        op.aux = if to.is_dr() { n(to) } else { n(from) };
        return Some(if to.is_dr() {
            control::write_debug
        } else {
            control::read_debug
        });
    }
    None
}
