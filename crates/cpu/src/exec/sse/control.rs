// SPDX-License-Identifier: GPL-2.0-only
//! MXCSR, FXSAVE and FXRSTOR.

use super::{aligned, load16, store16};
use crate::access::{Full, Mode, check_read, check_write, load, store};
use crate::cpu::{CR4_OSFXSR, MXCSR_MASK};
use crate::float::extended::Extended;
use crate::op::{Flow, Op, Outcome};
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

/// Bytes of the area that FXSAVE writes here; the rest of the 512 is left alone.
const AREA: u64 = 416;
/// Offset of ST(0) in it.
const AREA_STACK: u64 = 32;
/// Offset of XMM0.
const AREA_XMM: u64 = 160;

/// FXSAVE and FXSAVE64 (SDM vol. 1, 10.5.1). Without CR4.OSFXSR the vector part is not written.
pub(crate) fn fxsave(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let addr = aligned(cpu, op)?;
    check_write(cpu, mem, addr, AREA, op.mode)?;
    let control = u128::from(cpu.mxcsr) << 64 | u128::from(MXCSR_MASK) << 96;
    let x87 = cpu.x87;
    let words = u128::from(x87.full) << 32 | u128::from(x87.status) << 16 | u128::from(cpu.fcw);
    let head = [words, control];
    let stack: [u128; 8] = std::array::from_fn(|st| x87.peek(st as u8).bits());
    let vectors = cpu.xmm;
    let with_vectors = cpu.cr4 & CR4_OSFXSR != 0;
    let all = head.iter().chain(&stack);
    for (n, &v) in (0..).zip(all.chain(vectors.iter().filter(|_| with_vectors))) {
        store16(cpu, mem, addr + 16 * n, v, op.mode)?;
    }
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// FXRSTOR and FXRSTOR64.
pub(crate) fn fxrstor(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    cpu.need_x87()?;
    let addr = aligned(cpu, op)?;
    check_read(cpu, mem, addr, 512, op.mode)?;
    let mode = op.mode;
    let head = load16(cpu, mem, addr, mode)?;
    let mxcsr = load::<u32>(cpu, mem, addr + 24, mode)?;
    let with_vectors = cpu.cr4 & CR4_OSFXSR != 0;
    if with_vectors && mxcsr & !MXCSR_MASK != 0 {
        return Err(cpu.gp());
    }
    (cpu.x87.status, cpu.x87.full) = ((head >> 16) as u16, (head >> 32) as u8);
    for st in 0..8 {
        let v = load16(cpu, mem, addr + AREA_STACK + 16 * u64::from(st), mode)?;
        cpu.x87.poke(st, Extended::from_bits(v));
    }
    if with_vectors {
        for n in 0..16 {
            let v = load16(cpu, mem, addr + AREA_XMM + 16 * n, mode)?;
            cpu.xmm[n as usize] = v;
        }
        cpu.mxcsr = mxcsr;
    }
    cpu.set_fcw(head as u16);
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// CLFLUSH: checks as a read of one byte; there is no cache to flush.
pub(crate) fn clflush(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let addr = Full::ea(cpu, op);
    check_read(cpu, mem, addr, 1, op.mode)?;
    Ok(Flow::Next)
}
