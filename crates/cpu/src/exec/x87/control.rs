// SPDX-License-Identifier: GPL-2.0-only
//! Control and status word, the environment, FWAIT, EMMS.

use super::wait;
use crate::access::{Full, Mode, Place, Source, check_read, check_write, load, store};
use crate::cpu::{CR0_EM, FCW_START};
use crate::float::extended::Class;
use crate::op::{Flow, Op, Outcome};
use crate::x87::{FLAGS, SUMMARY, X87};
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// Bits of the x87 control word that exist.
const FCW_BITS: u16 = 0x1f3f;
/// A bit of it that always reads as one.
const FCW_ONE: u16 = 0x40;

impl Cpu {
    /// A new control word: an exception may become due by it.
    pub(crate) fn set_fcw(&mut self, value: u16) {
        self.fcw = value & FCW_BITS | FCW_ONE;
        self.x87.summarise(self.fcw);
    }
}

/// FLDCW.
pub(crate) fn fldcw<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let value = S::get::<u16>(cpu, mem, op)?;
    cpu.set_fcw(value);
    Ok(Flow::Next)
}

/// FNSTCW.
pub(crate) fn fnstcw<P: Place>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let v = cpu.fcw;
    P::set::<u16>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// FNSTSW.
pub(crate) fn fnstsw<P: Place>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let v = cpu.x87.status;
    P::set::<u16>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// FNINIT: the registers keep what they hold, but count as empty.
pub(crate) fn fninit(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    cpu.need_x87()?;
    cpu.fcw = FCW_START;
    (cpu.x87.status, cpu.x87.full) = (0, 0);
    Ok(Flow::Next)
}

/// FNCLEX.
pub(crate) fn fnclex(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    cpu.need_x87()?;
    cpu.x87.status &= !(FLAGS | SUMMARY);
    Ok(Flow::Next)
}

/// EMMS: all registers are empty, and R0 is the top. #UD with CR0.EM, #NM with CR0.TS.
pub(crate) fn emms(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cr0 & CR0_EM != 0 {
        return Err(cpu.ud());
    }
    wait!(cpu);
    cpu.x87.full = 0;
    cpu.x87.set_top(0);
    Ok(Flow::Next)
}

/// FWAIT: #NM with CR0.TS and CR0.MP.
pub(crate) fn fwait(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    const MP_AND_TS: u64 = 0xa;
    if cpu.cr0 & MP_AND_TS == MP_AND_TS {
        return Err(cpu.raise(7, 0));
    }
    if cpu.x87_due()? {
        Ok(Flow::Next)
    } else {
        Ok(Flow::Unimplemented)
    }
}

/// The tag word with all of its bits.
fn tags(x87: &X87) -> u16 {
    (0..8).fold(0, |word, n| {
        let tag = match x87.registers[n].class() {
            _ if x87.full >> n & 1 == 0 => 3,
            Class::Normal => 0,
            Class::Zero => 1,
            _ => 2,
        };
        word | tag << (2 * n)
    })
}

/// Bytes of the environment with 32-bit operands.
const ENVIRONMENT: u64 = 28;

/// FNSTENV: masks all exceptions afterwards.
pub(crate) fn fnstenv(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let addr = Full::ea(cpu, op);
    check_write(cpu, mem, addr, ENVIRONMENT, op.mode)?;
    // Upper halves of the words are ones; pointers, opcode and selectors are not kept.
    let high = 0xffff_0000;
    let words = [cpu.fcw, cpu.x87.status, tags(&cpu.x87)].map(|w| high | u32::from(w));
    let all = words.into_iter().chain([0, 0, 0, high]);
    for (n, word) in (0..).zip(all) {
        store::<u32>(cpu, mem, addr + 4 * n, word, op.mode)?;
    }
    cpu.count(HwEvent::Stores);
    let masked = cpu.fcw | 0x3f;
    cpu.set_fcw(masked);
    Ok(Flow::Next)
}

/// FLDENV.
pub(crate) fn fldenv(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    wait!(cpu);
    let addr = Full::ea(cpu, op);
    check_read(cpu, mem, addr, ENVIRONMENT, op.mode)?;
    let control = load::<u32>(cpu, mem, addr, op.mode)?;
    let status = load::<u32>(cpu, mem, addr + 4, op.mode)?;
    let tags = load::<u32>(cpu, mem, addr + 8, op.mode)?;
    cpu.count(HwEvent::Loads);
    cpu.x87.full = (0..8).fold(0, |full, n| full | u8::from(tags >> (2 * n) & 3 != 3) << n);
    cpu.x87.status = status as u16;
    cpu.set_fcw(control as u16);
    Ok(Flow::Next)
}
