// SPDX-License-Identifier: GPL-2.0-only
//! LAR, LSL, VERR and VERW: what a program may know of a descriptor. A selector that names none, or
//! one out of reach, clears ZF and changes nothing else (SDM vol. 2, and vol. 3A, 5.10).

use crate::access::Source;
use crate::flags::ZF;
use crate::op::{Flow, Op, Outcome, Raised};
use crate::segment::Descriptor;
use crate::word::Word;
use crate::{Cpu, Memory};

/// Types of system descriptors in 64-bit mode: LDT, TSS (available, busy), call gate.
const LDT: u8 = 2;
const TSS: u8 = 9;
const TSS_BUSY: u8 = 11;
const CALL_GATE: u8 = 12;

/// The descriptor in the GDT; `None` if there is none. The local table is always empty.
fn find(cpu: &mut Cpu, mem: &Memory, selector: u16) -> Result<Option<Descriptor>, Raised> {
    let offset = u64::from(selector & !7);
    let limit = u64::from(cpu.gdtr.limit);
    if selector & !3 == 0 || selector & 4 != 0 || offset + 7 > limit {
        return Ok(None);
    }
    let at = cpu.gdtr.base.wrapping_add(offset);
    let d = Descriptor(cpu.system_read(mem, at)?);
    if d.kind() & 0x10 == 0 {
        // A system descriptor has 16 bytes; the upper half's type must be 0.
        if offset + 15 > limit {
            return Ok(None);
        }
        let upper = Descriptor(cpu.system_read(mem, at.wrapping_add(8))?);
        if upper.kind() != 0 {
            return Ok(None);
        }
    }
    Ok(Some(d))
}

fn in_reach(cpu: &Cpu, selector: u16, d: Descriptor) -> bool {
    let rpl = (selector & 3) as u8;
    d.is_code() && d.conforming() || rpl.max(cpu.cpl()) <= d.dpl()
}

/// Reads the selector and what it names; a fault on the way counts no load.
fn named<S: Source>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Result<Option<Descriptor>, Raised> {
    let loads = cpu.loads();
    let selector = S::get::<u16>(cpu, mem, op)?;
    match find(cpu, mem, selector) {
        Ok(d) => Ok(d.filter(|d| in_reach(cpu, selector, *d))),
        Err(raised) => {
            cpu.set_loads(loads);
            Err(raised)
        }
    }
}

fn answer(cpu: &mut Cpu, yes: bool) -> Outcome {
    cpu.flags.replace(ZF, if yes { ZF } else { 0 });
    Ok(Flow::Next)
}

fn is_segment(d: Descriptor) -> bool {
    d.kind() & 0x10 != 0
}

/// LAR: type, privilege level, presence and the flags of the descriptor. Limit bits in between,
/// which the manual leaves undefined, are zero.
pub(crate) fn lar<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let valid =
        |d: &Descriptor| is_segment(*d) || matches!(d.kind(), LDT | TSS | TSS_BUSY | CALL_GATE);
    let d = named::<S>(cpu, mem, op)?.filter(valid);
    if let Some(d) = d {
        W::lo(d.0 >> 32 & 0x00f0_ff00).set_reg(&mut cpu.regs, op.dst);
    }
    answer(cpu, d.is_some())
}

/// LSL: the limit in bytes.
pub(crate) fn lsl<S: Source, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let valid = |d: &Descriptor| is_segment(*d) || matches!(d.kind(), LDT | TSS | TSS_BUSY);
    let d = named::<S>(cpu, mem, op)?.filter(valid);
    if let Some(d) = d {
        W::lo(d.limit().into()).set_reg(&mut cpu.regs, op.dst);
    }
    answer(cpu, d.is_some())
}

/// VERR, and VERW with `WRITES`.
pub(crate) fn verify<S: Source, const WRITES: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let fits = |d: Descriptor| {
        if WRITES {
            d.writable_data()
        } else {
            d.readable_or_data()
        }
    };
    let yes = named::<S>(cpu, mem, op)?.is_some_and(fits);
    answer(cpu, yes)
}
