// SPDX-License-Identifier: GPL-2.0-only
//! Where operands live: registers, immediates, memory. Handlers are generic over these.

use crate::cpu::{Cpu, RSP, canonical};
use crate::memory::{Memory, Perm};
use crate::op::{ADDR32, Handler, Op, Outcome, Raised, SLOW, STACK, WIDE, WITH_FS, WITH_GS};
use crate::word::Word;
use abi::totals::HwEvent;

/// How a memory operand's address is formed.
pub(crate) trait Mode {
    fn ea(cpu: &Cpu, op: &Op) -> u64;
    /// The address, if it takes no more than adding up.
    #[inline(always)]
    fn simple(cpu: &Cpu, op: &Op) -> Result<u64, Raised> {
        Ok(Self::ea(cpu, op))
    }
}

/// `[base + disp]`.
pub(crate) struct Simple;
/// Anything with a 32-bit displacement.
pub(crate) struct Full;
/// A 64-bit displacement: `imm` holds its upper half.
pub(crate) struct Moffs;

impl Mode for Simple {
    #[inline(always)]
    fn ea(cpu: &Cpu, op: &Op) -> u64 {
        cpu.regs[usize::from(op.base & 15)].wrapping_add(i64::from(op.disp) as u64)
    }
}

/// Sum of base, index and displacement.
#[inline(always)]
pub(crate) fn sum(cpu: &Cpu, op: &Op) -> u64 {
    let mut a = i64::from(op.disp) as u64;
    if let Some(base) = cpu.regs.get(usize::from(op.base)) {
        a = a.wrapping_add(*base);
    }
    if let Some(index) = cpu.regs.get(usize::from(op.index)) {
        a = a.wrapping_add(index << (op.mode & 3));
    }
    a
}

impl Mode for Full {
    #[inline(always)]
    fn ea(cpu: &Cpu, op: &Op) -> u64 {
        let a = sum(cpu, op);
        if op.mode & SLOW == 0 {
            a
        } else {
            slow_ea(cpu, op, a)
        }
    }
    #[inline(always)]
    fn simple(cpu: &Cpu, op: &Op) -> Result<u64, Raised> {
        if op.mode & SLOW == 0 {
            Ok(sum(cpu, op))
        } else {
            Err(Raised)
        }
    }
}

impl Mode for Moffs {
    fn ea(cpu: &Cpu, op: &Op) -> u64 {
        let a = u64::from(op.disp as u32) | u64::from(op.imm as u32) << 32;
        if op.mode & SLOW == 0 {
            a
        } else {
            slow_ea(cpu, op, a)
        }
    }
}

#[inline(never)]
fn slow_ea(cpu: &Cpu, op: &Op, mut a: u64) -> u64 {
    if op.mode & WIDE != 0 {
        a = a.wrapping_add(u64::from(op.disp < 0) << 32);
    }
    if op.mode & ADDR32 != 0 {
        a &= 0xffff_ffff;
    }
    a.wrapping_add(segment_base(cpu, op.mode))
}

/// Base that a segment override adds.
pub(crate) fn segment_base(cpu: &Cpu, mode: u8) -> u64 {
    match mode & (WITH_FS | WITH_GS) {
        WITH_FS => cpu.fs_base,
        WITH_GS => cpu.gs_base,
        _ => 0,
    }
}

#[cold]
#[inline(never)]
fn check(
    cpu: &mut Cpu,
    mem: &Memory,
    addr: u64,
    size: u64,
    need: Perm,
    mode: u8,
) -> Result<(), Raised> {
    if !canonical(addr) || !canonical(addr.wrapping_add(size - 1)) {
        return Err(cpu.raise(if mode & STACK != 0 { 12 } else { 13 }, 0));
    }
    mem.check(addr, size, need, cpu.user())
        .map_err(|f| cpu.raise_page(f))
}

#[cold]
#[inline(never)]
fn load_slow(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    size: u8,
    mode: u8,
) -> Result<u64, Raised> {
    check(cpu, mem, addr, u64::from(size), Perm::READ, mode)?;
    Ok(mem.get_slow(addr, size))
}

#[cold]
#[inline(never)]
fn store_slow(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    size: u8,
    mode: u8,
    value: u64,
) -> Result<(), Raised> {
    check(
        cpu,
        mem,
        addr,
        u64::from(size),
        Perm::READ | Perm::WRITE,
        mode,
    )?;
    mem.put_slow(addr, size, value);
    Ok(())
}

/// The read half of a read-modify-write: needs permission to write.
#[cold]
#[inline(never)]
fn claim_slow(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    size: u8,
    mode: u8,
) -> Result<u64, Raised> {
    check(
        cpu,
        mem,
        addr,
        u64::from(size),
        Perm::READ | Perm::WRITE,
        mode,
    )?;
    Ok(mem.get_slow(addr, size))
}

/// A data read that is not counted.
#[inline(always)]
pub(crate) fn load<W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    mode: u8,
) -> Result<W, Raised> {
    match mem.peek::<W>(addr, cpu.read_mask) {
        Some(v) => Ok(v),
        None => load_slow(cpu, mem, addr, W::SIZE as u8, mode).map(W::lo),
    }
}

/// A data write that is not counted.
#[inline(always)]
pub(crate) fn store<W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    value: W,
    mode: u8,
) -> Result<(), Raised> {
    if let Some(slot) = mem.slot::<W>(addr, cpu.write_mask) {
        value.to_le(slot);
        return Ok(());
    }
    store_slow(cpu, mem, addr, W::SIZE as u8, mode, value.zx())
}

/// A read-modify-write that is not counted: nothing happens if it may not be written.
#[inline(always)]
pub(crate) fn update<W: Word>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    mode: u8,
    f: impl FnOnce(&mut Cpu, W) -> W,
) -> Result<(), Raised> {
    if let Some(slot) = mem.slot::<W>(addr, cpu.write_mask) {
        let new = f(cpu, W::from_le(slot));
        new.to_le(slot);
        return Ok(());
    }
    let old = claim_slow(cpu, mem, addr, W::SIZE as u8, mode)?;
    let new = f(cpu, W::lo(old));
    mem.put_slow(addr, W::SIZE as u8, new.zx());
    Ok(())
}

/// Both halves of a 16-byte operand, with permission to write; counted by the caller.
pub(crate) fn claim16(
    cpu: &mut Cpu,
    mem: &mut Memory,
    addr: u64,
    mode: u8,
) -> Result<(u64, u64), Raised> {
    check(cpu, mem, addr, 16, Perm::READ | Perm::WRITE, mode)?;
    Ok((mem.get_slow(addr, 8), mem.get_slow(addr.wrapping_add(8), 8)))
}

/// Checks that `size` bytes may be read.
pub(crate) fn check_read(
    cpu: &mut Cpu,
    mem: &Memory,
    addr: u64,
    size: u64,
    mode: u8,
) -> Result<(), Raised> {
    check(cpu, mem, addr, size, Perm::READ, mode)
}

/// Checks that `size` bytes may be written.
pub(crate) fn check_write(
    cpu: &mut Cpu,
    mem: &Memory,
    addr: u64,
    size: u64,
    mode: u8,
) -> Result<(), Raised> {
    check(cpu, mem, addr, size, Perm::READ | Perm::WRITE, mode)
}

/// Pushes without counting. RSP changes only if the write succeeds.
#[inline(always)]
pub(crate) fn push<W: Word>(cpu: &mut Cpu, mem: &mut Memory, value: W) -> Result<(), Raised> {
    let rsp = cpu.regs[RSP].wrapping_sub(W::SIZE as u64);
    store::<W>(cpu, mem, rsp, value, STACK)?;
    cpu.regs[RSP] = rsp;
    Ok(())
}

/// As [`push`], simple accesses only.
#[inline(always)]
pub(crate) fn push_fast<W: Word>(cpu: &mut Cpu, mem: &mut Memory, value: W) -> Result<(), Raised> {
    let rsp = cpu.regs[RSP].wrapping_sub(W::SIZE as u64);
    value.to_le(mem.slot::<W>(rsp, cpu.write_mask).ok_or(Raised)?);
    cpu.regs[RSP] = rsp;
    Ok(())
}

/// As [`pop`], simple accesses only.
#[inline(always)]
pub(crate) fn pop_fast<W: Word>(cpu: &mut Cpu, mem: &mut Memory) -> Result<W, Raised> {
    let rsp = cpu.regs[RSP];
    let value = mem.peek::<W>(rsp, cpu.read_mask).ok_or(Raised)?;
    cpu.regs[RSP] = rsp.wrapping_add(W::SIZE as u64);
    Ok(value)
}

/// Pops without counting.
#[inline(always)]
pub(crate) fn pop<W: Word>(cpu: &mut Cpu, mem: &mut Memory) -> Result<W, Raised> {
    let rsp = cpu.regs[RSP];
    let value = load::<W>(cpu, mem, rsp, STACK)?;
    cpu.regs[RSP] = rsp.wrapping_add(W::SIZE as u64);
    Ok(value)
}

/// An operand that can be read.
pub(crate) trait Source {
    /// The same operand, without the slow path: an access that is not simple answers `Err` and has
    /// done nothing.
    type Fast: Source;
    fn get<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<W, Raised>;
}

/// An operand that can be written.
pub(crate) trait Place: Source {
    /// As [`Source::Fast`].
    type FastPlace: Place;
    fn set<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op, value: W) -> Result<(), Raised>;
    fn modify<W: Word>(
        cpu: &mut Cpu,
        mem: &mut Memory,
        op: &Op,
        f: impl FnOnce(&mut Cpu, W) -> W,
    ) -> Result<(), Raised>;
}

/// Register `dst`.
pub(crate) struct D;
/// Register `src`.
pub(crate) struct S;
/// Register `aux`.
pub(crate) struct X;
/// The immediate.
pub(crate) struct I;
/// CL.
pub(crate) struct Cl;
/// The constant 1.
pub(crate) struct One;
/// The memory operand.
pub(crate) struct M<A>(std::marker::PhantomData<A>);
/// The memory operand, simple accesses only.
pub(crate) struct F<A>(std::marker::PhantomData<A>);

macro_rules! register {
    ($t:ty, $field:ident) => {
        impl Source for $t {
            type Fast = Self;
            #[inline(always)]
            fn get<W: Word>(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Result<W, Raised> {
                Ok(W::reg(&cpu.regs, op.$field))
            }
        }
        impl Place for $t {
            type FastPlace = Self;
            #[inline(always)]
            fn set<W: Word>(
                cpu: &mut Cpu,
                _: &mut Memory,
                op: &Op,
                value: W,
            ) -> Result<(), Raised> {
                value.set_reg(&mut cpu.regs, op.$field);
                Ok(())
            }
            #[inline(always)]
            fn modify<W: Word>(
                cpu: &mut Cpu,
                _: &mut Memory,
                op: &Op,
                f: impl FnOnce(&mut Cpu, W) -> W,
            ) -> Result<(), Raised> {
                let old = W::reg(&cpu.regs, op.$field);
                let new = f(cpu, old);
                new.set_reg(&mut cpu.regs, op.$field);
                Ok(())
            }
        }
    };
}
register!(D, dst);
register!(S, src);
register!(X, aux);

impl Source for I {
    type Fast = Self;
    #[inline(always)]
    fn get<W: Word>(_: &mut Cpu, _: &mut Memory, op: &Op) -> Result<W, Raised> {
        Ok(W::lo(op.imm()))
    }
}

impl Source for Cl {
    type Fast = Self;
    #[inline(always)]
    fn get<W: Word>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Result<W, Raised> {
        Ok(W::lo(cpu.regs[1] & 0xff))
    }
}

impl Source for One {
    type Fast = Self;
    #[inline(always)]
    fn get<W: Word>(_: &mut Cpu, _: &mut Memory, _: &Op) -> Result<W, Raised> {
        Ok(W::lo(1))
    }
}

impl<A: Mode> Source for M<A> {
    type Fast = F<A>;
    #[inline(always)]
    fn get<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<W, Raised> {
        let addr = A::ea(cpu, op);
        let v = load::<W>(cpu, mem, addr, op.mode)?;
        cpu.count(HwEvent::Loads);
        Ok(v)
    }
}

impl<A: Mode> Place for M<A> {
    type FastPlace = F<A>;
    #[inline(always)]
    fn set<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op, value: W) -> Result<(), Raised> {
        let addr = A::ea(cpu, op);
        store::<W>(cpu, mem, addr, value, op.mode)?;
        cpu.count(HwEvent::Stores);
        Ok(())
    }
    #[inline(always)]
    fn modify<W: Word>(
        cpu: &mut Cpu,
        mem: &mut Memory,
        op: &Op,
        f: impl FnOnce(&mut Cpu, W) -> W,
    ) -> Result<(), Raised> {
        let addr = A::ea(cpu, op);
        update::<W>(cpu, mem, addr, op.mode, f)?;
        cpu.count(HwEvent::Loads);
        cpu.count(HwEvent::Stores);
        Ok(())
    }
}

impl<A: Mode> Source for F<A> {
    type Fast = Self;
    #[inline(always)]
    fn get<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<W, Raised> {
        let addr = A::simple(cpu, op)?;
        let v = mem.peek::<W>(addr, cpu.read_mask).ok_or(Raised)?;
        cpu.count(HwEvent::Loads);
        Ok(v)
    }
}

impl<A: Mode> Place for F<A> {
    type FastPlace = Self;
    #[inline(always)]
    fn set<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op, value: W) -> Result<(), Raised> {
        let addr = A::simple(cpu, op)?;
        value.to_le(mem.slot::<W>(addr, cpu.write_mask).ok_or(Raised)?);
        cpu.count(HwEvent::Stores);
        Ok(())
    }
    #[inline(always)]
    fn modify<W: Word>(
        cpu: &mut Cpu,
        mem: &mut Memory,
        op: &Op,
        f: impl FnOnce(&mut Cpu, W) -> W,
    ) -> Result<(), Raised> {
        let addr = A::simple(cpu, op)?;
        let slot = mem.slot::<W>(addr, cpu.write_mask).ok_or(Raised)?;
        let new = f(cpu, W::from_le(slot));
        new.to_le(slot);
        cpu.count(HwEvent::Loads);
        cpu.count(HwEvent::Stores);
        Ok(())
    }
}

/// Runs the fast form of a handler, and the full one if that could not: `fast` must have done
/// nothing when it answers `Err`. The jump to the full form is a tail call, so that the fast form
/// saves no registers.
#[inline(always)]
pub(crate) fn fast_first(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
    fast: impl FnOnce(&mut Cpu, &mut Memory, &Op) -> Outcome,
    full: Handler,
) -> Outcome {
    match fast(cpu, mem, op) {
        Ok(flow) => Ok(flow),
        Err(Raised) => again(cpu, mem, op, full),
    }
}

#[cold]
#[inline(never)]
fn again(cpu: &mut Cpu, mem: &mut Memory, op: &Op, full: Handler) -> Outcome {
    full(cpu, mem, op)
}
