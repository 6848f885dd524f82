// SPDX-License-Identifier: GPL-2.0-only
//! Exceptions, interrupts and NMIs through the IDT (SDM vol. 3A, ch. 6).

use crate::cpu::{Fault, RSP, canonical};
use crate::debug::GD;
use crate::flags;
use crate::op::Raised;
use crate::segment::{Descriptor, GP, NP, SS, Segment, TS};
use crate::stop::vector_name;
use crate::{Cpu, Memory, Perm, Shadow, Stop};

/// Something that comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A non-maskable interrupt: vector 2, blocks further ones until IRET.
    Nmi,
    /// A maskable interrupt.
    Interrupt {
        /// Its vector.
        vector: u8,
    },
}

/// Would an NMI be taken at this boundary? Not while blocked, in the shadow of MOV SS, or when a
/// single-step trap comes first.
#[must_use]
pub fn can_take_nmi(cpu: &Cpu) -> bool {
    !cpu.nmi_blocked && cpu.shadow != Shadow::MovSs && !cpu.debug_trap
}

/// Would a maskable interrupt be taken at this boundary?
#[must_use]
pub fn can_take_interrupt(cpu: &Cpu) -> bool {
    cpu.system_flags & flags::IF != 0 && cpu.shadow == Shadow::None && !cpu.debug_trap
}

/// Enters the handler of `event`, which ends HLT. The caller has checked [`can_take_nmi`] or
/// [`can_take_interrupt`]. A failure on the way raises the exception the manual names; the guest
/// then continues in that one's handler.
///
/// # Errors
/// No handler works: the run cannot go on; nothing has changed.
pub fn deliver(cpu: &mut Cpu, mem: &mut Memory, event: Event) -> Result<(), Box<Stop>> {
    let vector = match event {
        Event::Nmi => 2,
        Event::Interrupt { vector } => vector,
    };
    cpu.fault = Fault {
        vector,
        code: 0,
        cr2: cpu.cr2,
    };
    let was = cpu.nmi_blocked;
    if event == Event::Nmi {
        cpu.nmi_blocked = true;
    }
    let done = enter(cpu, mem, Source::Outside);
    if done.is_err() {
        cpu.nmi_blocked = was;
    }
    done
}

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A fault or trap of an instruction.
    Exception,
    /// INT n.
    Software,
    /// NMI or interrupt.
    Outside,
}

const DOUBLE_FAULT: u8 = 8;
const PAGE_FAULT: u8 = 14;

const fn has_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21)
}

const fn contributory(vector: u8) -> bool {
    matches!(vector, 0 | 10..=13)
}

/// Delivers the event in `cpu.fault`; on the way, what the manual makes of further faults.
pub(crate) fn enter(cpu: &mut Cpu, mem: &mut Memory, source: Source) -> Result<(), Box<Stop>> {
    let first = cpu.fault;
    let cr2 = cpu.cr2;
    let mut source = source;
    let mut chain = String::new();
    // A fault may follow a benign event, a double fault that one, and then it is over.
    for _ in 0..8 {
        let now = cpu.fault;
        if source == Source::Exception && now.vector == PAGE_FAULT {
            cpu.cr2 = now.cr2;
        }
        let Err((Raised, why)) = try_enter(cpu, mem, source) else {
            return Ok(());
        };
        if !chain.is_empty() {
            chain.push_str("; then ");
        }
        chain.push_str(&why);
        if now.vector == DOUBLE_FAULT && source == Source::Exception {
            break;
        }
        let exception = source == Source::Exception;
        let next = cpu.fault.vector;
        let double = exception
            && (contributory(now.vector) && contributory(next)
                || now.vector == PAGE_FAULT && (next == PAGE_FAULT || contributory(next)));
        if double {
            cpu.fault = Fault {
                vector: DOUBLE_FAULT,
                code: 0,
                cr2: 0,
            };
        }
        source = Source::Exception;
        if cpu.idtr.limit == 0 {
            break;
        }
    }
    cpu.cr2 = cr2;
    cpu.fault = first;
    let stop = if cpu.idtr.limit == 0 || !present(cpu, mem, first.vector) {
        Stop::UnhandledException {
            vector: first.vector,
            error_code: has_code(first.vector).then_some(first.code),
            rip: cpu.rip,
            cr2: first.cr2,
            reason: chain,
        }
    } else {
        Stop::TripleFault {
            vector: first.vector,
            rip: cpu.rip,
            reason: chain,
        }
    };
    Err(Box::new(stop))
}

/// Has the IDT a present gate for `vector`?
fn present(cpu: &Cpu, mem: &Memory, vector: u8) -> bool {
    let at = u64::from(vector) * 16;
    at + 15 <= u64::from(cpu.idtr.limit)
        && mem
            .read_u64(cpu.idtr.base.wrapping_add(at))
            .is_ok_and(|g| Descriptor(g).present())
}

pub(crate) type Refusal = (Raised, String);

/// One attempt. Changes nothing but `cpu.fault` if it fails.
pub(crate) fn try_enter(cpu: &mut Cpu, mem: &mut Memory, source: Source) -> Result<(), Refusal> {
    vector_through_idt(cpu, mem, source)?;
    cpu.halted = false;
    cpu.debug_trap = false;
    cpu.shadow = Shadow::None;
    cpu.hint = 0;
    cpu.update_attention();
    Ok(())
}

fn vector_through_idt(cpu: &mut Cpu, mem: &mut Memory, source: Source) -> Result<(), Refusal> {
    let fault = cpu.fault;
    let vector = fault.vector;
    let name = || format!("{vector} {}", vector_name(vector));
    let ext = u32::from(source != Source::Software);
    let idt_code = u32::from(vector) << 3 | 2 | ext;
    let offset = u64::from(vector) * 16;
    if cpu.idtr.limit == 0 {
        return Err((Raised, "the guest has no IDT".into()));
    }
    if offset + 15 > u64::from(cpu.idtr.limit) {
        return Err((
            cpu.raise(GP, idt_code),
            format!("the IDT ends before gate {}", name()),
        ));
    }
    let gate_at = cpu.idtr.base.wrapping_add(offset);
    let unreadable = |r: Raised| (r, format!("gate {} cannot be read", name()));
    let low = cpu.system_read(mem, gate_at).map_err(unreadable)?;
    let high = cpu
        .system_read(mem, gate_at.wrapping_add(8))
        .map_err(unreadable)?;
    let gate = Descriptor(low);
    if !matches!(gate.kind(), 14 | 15) {
        let why = format!("gate {} is no 64-bit interrupt or trap gate", name());
        return Err((cpu.raise(GP, idt_code), why));
    }
    if source == Source::Software && gate.dpl() < cpu.cpl() {
        let why = format!("gate {} is not for this ring", name());
        return Err((cpu.raise(GP, idt_code), why));
    }
    if !gate.present() {
        return Err((
            cpu.raise(NP, idt_code),
            format!("gate {} is not present", name()),
        ));
    }
    let target = low & 0xffff | (low >> 48) << 16 | high << 32;
    let ist = low >> 32 & 7;

    let selector = (low >> 16) as u16;
    let code = u32::from(selector & !3) | ext;
    let bad_cs = || {
        format!(
            "gate {} names code segment {selector:#x}, which does not do",
            name()
        )
    };
    if selector & !3 == 0 {
        return Err((cpu.raise(GP, ext), bad_cs()));
    }
    let d = cpu
        .descriptor(mem, selector, GP, 8)
        .map_err(|r| (r, bad_cs()))?;
    if !d.is_code() || d.dpl() > cpu.cpl() || !d.long() {
        return Err((cpu.raise(GP, code), bad_cs()));
    }
    if !d.present() {
        return Err((cpu.raise(NP, code), bad_cs()));
    }
    let cpl = if d.conforming() { cpu.cpl() } else { d.dpl() };

    let changes = cpl != cpu.cpl();
    let rsp = if ist != 0 {
        stack_from_tss(cpu, mem, 0x24 + 8 * (ist - 1), ext)?
    } else if changes {
        stack_from_tss(cpu, mem, 4 + 8 * u64::from(cpl), ext)?
    } else {
        cpu.regs[RSP]
    };
    if !canonical(target) {
        let why = format!("gate {} leads to a non-canonical address", name());
        return Err((cpu.raise(GP, ext), why));
    }

    let mut image = cpu.rflags();
    // Faults push RF set so that the return does not meet the same instruction breakpoint again.
    if source == Source::Exception && !matches!(vector, 1 | 3 | 4 | 8) {
        image |= flags::RF;
    }
    let with_code = source == Source::Exception && has_code(vector);
    let frame = [
        u64::from(fault.code),
        cpu.rip,
        u64::from(cpu.seg.cs.selector),
        image,
        cpu.regs[RSP],
        u64::from(cpu.seg.ss.selector),
    ];
    let frame = if with_code { &frame[..] } else { &frame[1..] };
    let bytes = 8 * frame.len() as u64;
    let new_rsp = (rsp & !15).wrapping_sub(bytes);
    if !canonical(new_rsp) || !canonical(new_rsp.wrapping_add(bytes - 1)) {
        let why = format!("stack {rsp:#x} of gate {} is not canonical", name());
        return Err((cpu.raise(SS, ext), why));
    }
    if let Err(f) = mem.check(new_rsp, bytes, Perm::READ | Perm::WRITE, cpl == 3) {
        let why = format!("the stack at {new_rsp:#x} for {} cannot be written", name());
        return Err((cpu.raise_page(f), why));
    }
    for (i, &value) in (0..).zip(frame) {
        mem.put_slow(new_rsp + 8 * i, 8, value);
    }
    cpu.regs[RSP] = new_rsp;
    cpu.rip = target;
    cpu.seg.cs = Segment {
        selector: selector & !3 | u16::from(cpl),
        dpl: cpl,
    };
    if changes {
        cpu.seg.ss = Segment {
            selector: u16::from(cpl),
            dpl: cpl,
        };
        cpu.set_cpl(cpl);
    }
    cpu.system_flags &= !(flags::TF | flags::NT | flags::RF);
    if vector == 1 && source == Source::Exception {
        cpu.dr[7] &= !GD;
    }
    if gate.kind() == 14 {
        cpu.system_flags &= !flags::IF;
    }
    Ok(())
}

fn stack_from_tss(cpu: &mut Cpu, mem: &Memory, offset: u64, ext: u32) -> Result<u64, Refusal> {
    let tr = cpu.tr;
    if offset + 7 > u64::from(tr.limit) {
        let code = u32::from(tr.selector & !3) | ext;
        return Err((
            cpu.raise(TS, code),
            "the TSS has no stack for this gate".into(),
        ));
    }
    cpu.system_read(mem, tr.base.wrapping_add(offset))
        .map_err(|r| (r, "the TSS cannot be read".into()))
}
