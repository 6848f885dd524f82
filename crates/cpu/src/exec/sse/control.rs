// SPDX-License-Identifier: GPL-2.0-only
//! MXCSR, FXSAVE and FXRSTOR, and the x87 control instructions that programs without x87
//! arithmetic execute. The x87 register stack is always empty and its status always clear: what
//! would fill it is not implemented.

use super::{aligned, load16, store16};
use crate::access::{Full, Mode, Place, Source, check_read, check_write, load, store};
use crate::cpu::{CR0_EM, CR0_TS, CR4_OSFXSR, FCW_START, MXCSR_MASK};
use crate::op::{Flow, Op, Outcome, Raised};
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// LDMXCSR: #GP(0) for reserved bits.
pub(crate) fn ldmxcsr(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let addr = Full::ea(cpu, op);
    let v = load::<u32>(cpu, mem, addr, op.mode)?;
    if v & !MXCSR_MASK != 0 {
        return Err(cpu.gp());
    }
    cpu.count(HwEvent::Loads);
    cpu.mxcsr = v;
    Ok(Flow::Next)
}

/// STMXCSR.
pub(crate) fn stmxcsr(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_sse()?;
    let addr = Full::ea(cpu, op);
    let v = cpu.mxcsr;
    store::<u32>(cpu, mem, addr, v, op.mode)?;
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

impl Cpu {
    /// #NM with CR0.EM or TS: x87 instructions, FXSAVE, FXRSTOR.
    fn need_x87(&mut self) -> Result<(), Raised> {
        if self.cr0 & (CR0_EM | CR0_TS) == 0 {
            Ok(())
        } else {
            Err(self.raise(7, 0))
        }
    }
}

/// Bytes of the area that FXSAVE writes here; the rest of the 512 is left alone.
const AREA: u64 = 416;
/// Offset of XMM0 in it.
const AREA_XMM: u64 = 160;

/// FXSAVE and FXSAVE64 (SDM vol. 1, 10.5.1). Without CR4.OSFXSR the vector part is not written.
pub(crate) fn fxsave(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let addr = aligned(cpu, op)?;
    check_write(cpu, mem, addr, AREA, op.mode)?;
    let control = u128::from(cpu.mxcsr) << 64 | u128::from(MXCSR_MASK) << 96;
    let head = [u128::from(cpu.fcw), control];
    let empty = [0; 8];
    let vectors = cpu.xmm;
    let with_vectors = cpu.cr4 & CR4_OSFXSR != 0;
    let all = head.iter().chain(&empty);
    for (n, &v) in (0..).zip(all.chain(vectors.iter().filter(|_| with_vectors))) {
        store16(cpu, mem, addr + 16 * n, v, op.mode)?;
    }
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// FXRSTOR and FXRSTOR64. An image whose x87 stack is not empty, or whose status is not clear,
/// needs x87 and stops the run.
pub(crate) fn fxrstor(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let addr = aligned(cpu, op)?;
    check_read(cpu, mem, addr, 512, op.mode)?;
    let mode = op.mode;
    let head = load16(cpu, mem, addr, mode)?;
    let mxcsr = load::<u32>(cpu, mem, addr + 24, mode)?;
    let (fcw, status_and_tags) = (head as u16, head >> 16 & 0xff_ffff);
    let with_vectors = cpu.cr4 & CR4_OSFXSR != 0;
    if with_vectors && mxcsr & !MXCSR_MASK != 0 {
        return Err(cpu.gp());
    }
    if status_and_tags != 0 {
        return Ok(Flow::Unimplemented);
    }
    if with_vectors {
        for n in 0..16 {
            let v = load16(cpu, mem, addr + AREA_XMM + 16 * n, mode)?;
            cpu.xmm[n as usize] = v;
        }
        cpu.mxcsr = mxcsr;
    }
    cpu.fcw = fcw & FCW_BITS | FCW_ONE;
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// Bits of the x87 control word that exist.
const FCW_BITS: u16 = 0x1f3f;
/// A bit of it that always reads as one.
const FCW_ONE: u16 = 0x40;

/// FLDCW.
pub(crate) fn fldcw<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    cpu.fcw = S::get::<u16>(cpu, mem, op)? & FCW_BITS | FCW_ONE;
    Ok(Flow::Next)
}

/// FNSTCW.
pub(crate) fn fnstcw<P: Place>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let v = cpu.fcw;
    P::set::<u16>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// FNSTSW: always clear.
pub(crate) fn fnstsw<P: Place>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    P::set::<u16>(cpu, mem, op, 0)?;
    Ok(Flow::Next)
}

/// FNINIT.
pub(crate) fn fninit(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    cpu.need_x87()?;
    cpu.fcw = FCW_START;
    Ok(Flow::Next)
}

/// FNCLEX: the status is clear already.
pub(crate) fn fnclex(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    cpu.need_x87()?;
    Ok(Flow::Next)
}

/// EMMS: the stack is empty already. #UD with CR0.EM, #NM with CR0.TS.
pub(crate) fn emms(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cr0 & CR0_EM != 0 {
        return Err(cpu.ud());
    }
    cpu.need_x87()?;
    Ok(Flow::Next)
}

/// FWAIT: #NM with CR0.TS and CR0.MP.
pub(crate) fn fwait(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    const MP_AND_TS: u64 = 0xa;
    if cpu.cr0 & MP_AND_TS == MP_AND_TS {
        return Err(cpu.raise(7, 0));
    }
    Ok(Flow::Next)
}

/// CLFLUSH: checks as a read of one byte; there is no cache to flush.
pub(crate) fn clflush(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let addr = Full::ea(cpu, op);
    check_read(cpu, mem, addr, 1, op.mode)?;
    Ok(Flow::Next)
}
