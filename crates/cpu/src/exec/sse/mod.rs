// SPDX-License-Identifier: GPL-2.0-only
//! SSE and SSE2. Operands: the destination register is `dst`, the second operand a register `src`
//! or the memory operand.

pub(crate) mod compute;
pub(crate) mod control;
pub(crate) mod convert;
pub(crate) mod integer;
pub(crate) mod moves;
pub(crate) mod real;
pub(crate) mod shuffle;

use crate::access::{Full, Mode, check_read, check_write, load};
use crate::cpu::{CR0_EM, CR0_TS, CR4_OSFXSR};
use crate::op::{Op, Raised};
use crate::word::Word;
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

impl Cpu {
    /// #UD with CR0.EM or without CR4.OSFXSR, #NM with CR0.TS (SDM vol. 3A, 13.1 and table 6-1).
    #[inline(always)]
    pub(crate) fn need_sse(&mut self) -> Result<(), Raised> {
        if self.cr0 & (CR0_EM | CR0_TS) == 0 && self.cr4 & CR4_OSFXSR != 0 {
            Ok(())
        } else {
            Err(self.no_sse())
        }
    }

    #[cold]
    #[inline(never)]
    fn no_sse(&mut self) -> Raised {
        if self.cr0 & CR0_EM != 0 || self.cr4 & CR4_OSFXSR == 0 {
            self.ud()
        } else {
            self.raise(7, 0)
        }
    }

    /// A vector register.
    #[inline(always)]
    pub(crate) fn vector(&self, r: u8) -> u128 {
        self.xmm[usize::from(r & 15)]
    }

    /// Writes a vector register.
    #[inline(always)]
    pub(crate) fn set_vector(&mut self, r: u8, v: u128) {
        self.xmm[usize::from(r & 15)] = v;
    }

    /// Writes the low half of a vector register.
    #[inline(always)]
    pub(crate) fn set_vector_low(&mut self, r: u8, v: u64) {
        let slot = &mut self.xmm[usize::from(r & 15)];
        *slot = *slot >> 64 << 64 | u128::from(v);
    }
}

/// Reads 16 bytes; not counted.
#[inline(always)]
pub(crate) fn load16(cpu: &mut Cpu, mem: &mut Memory, addr: u64, mode: u8) -> Result<u128, Raised> {
    let mask = cpu.read_mask;
    if let Some(low) = mem.peek::<u64>(addr, mask)
        && let Some(high) = mem.peek::<u64>(addr.wrapping_add(8), mask)
    {
        return Ok(u128::from(low) | u128::from(high) << 64);
    }
    load16_slow(cpu, mem, addr, mode)
}

#[cold]
#[inline(never)]
fn load16_slow(cpu: &mut Cpu, mem: &mut Memory, addr: u64, mode: u8) -> Result<u128, Raised> {
    check_read(cpu, mem, addr, 16, mode)?;
    let low = mem.get_slow(addr, 8);
    let high = mem.get_slow(addr + 8, 8);
    Ok(u128::from(low) | u128::from(high) << 64)
}

/// Writes 16 bytes; not counted.
#[inline(always)]
pub(crate) fn store16(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    value: u128,
    mode: u8,
) -> Result<(), Raised> {
    let mask = cpu.write_mask;
    let behind = addr.wrapping_add(8);
    if mem.peek::<u64>(behind, mask).is_some()
        && let Some(slot) = mem.slot::<u64>(addr, mask)
    {
        slot.copy_from_slice(&(value as u64).to_le_bytes());
        if let Some(slot) = mem.slot::<u64>(behind, mask) {
            slot.copy_from_slice(&((value >> 64) as u64).to_le_bytes());
        }
        return Ok(());
    }
    store16_slow(cpu, mem, addr, value, mode)
}

#[cold]
#[inline(never)]
fn store16_slow(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    value: u128,
    mode: u8,
) -> Result<(), Raised> {
    check_write(cpu, mem, addr, 16, mode)?;
    mem.put_slow(addr, 8, value as u64);
    mem.put_slow(addr + 8, 8, (value >> 64) as u64);
    Ok(())
}

/// Address of the memory operand, which must be aligned to 16: else #GP(0).
#[inline(always)]
pub(crate) fn aligned(cpu: &mut Cpu, op: &Op) -> Result<u64, Raised> {
    let addr = Full::ea(cpu, op);
    if addr % 16 == 0 {
        Ok(addr)
    } else {
        Err(cpu.gp())
    }
}

/// The second operand.
pub(crate) trait Operand {
    /// All 16 bytes; in memory they must be aligned.
    fn full(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<u128, Raised>;
    /// The low bytes, wherever they lie.
    fn low<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<W, Raised>;
    /// Takes back the count of a read: the instruction raises an exception after all.
    fn uncount(cpu: &mut Cpu);
}

/// Register `src`.
pub(crate) struct Reg;
/// The memory operand.
pub(crate) struct Mem;

impl Operand for Reg {
    #[inline(always)]
    fn full(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Result<u128, Raised> {
        Ok(cpu.vector(op.src))
    }
    #[inline(always)]
    fn low<W: Word>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Result<W, Raised> {
        Ok(W::lo(cpu.vector(op.src) as u64))
    }
    fn uncount(_: &mut Cpu) {}
}

impl Operand for Mem {
    #[inline(always)]
    fn full(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<u128, Raised> {
        let addr = aligned(cpu, op)?;
        let v = load16(cpu, mem, addr, op.mode)?;
        cpu.count(HwEvent::Loads);
        Ok(v)
    }
    #[inline(always)]
    fn low<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<W, Raised> {
        let addr = Full::ea(cpu, op);
        let v = load::<W>(cpu, mem, addr, op.mode)?;
        cpu.count(HwEvent::Loads);
        Ok(v)
    }
    fn uncount(cpu: &mut Cpu) {
        cpu.set_loads(cpu.loads() - 1);
    }
}
