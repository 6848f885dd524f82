// SPDX-License-Identifier: GPL-2.0-only
//! Threaded code: the common forms once more, each ending in a jump to the next one's function.
//!
//! A function here does what the op's handler does as long as nothing stands in the way: the
//! operand lies in memory that needs no check but the granule's, nothing is watched, nothing
//! faults. If something does, it has done nothing and leaves at its own op, which [`crate::step()`]
//! then executes in full. So there is no fault, no event and no recorded access in here, nothing
//! can change decoded code, and rip need not be kept: the position says it.
//!
//! What must be counted travels in arguments: the boundaries that are left in `left`, loads,
//! stores, branches and iterations packed in `tally`. A chain of jumps is bounded by `left`
//! ([`CHAIN_MAX`]), because a compiler that makes calls of them must not run out of stack.

use std::marker::PhantomData;

use super::{alu, atomic, bits, branch, mov, muldiv, shift, stack};
use crate::access::{Cl, D, Full, I, M, Mode, One, Place, S, Simple, Source, segment_base, sum};
use crate::cpu::RSP;
use crate::op::{Flow, Op, Ops, Outcome, Raised};
use crate::word::Word;
use crate::{Cpu, Memory};

/// Boundaries that one chain may pass.
pub(crate) const CHAIN_MAX: u64 = 1024;

/// A load in a tally. Each field has room for all that a chain can count.
pub(crate) const LOAD: u64 = 1;
/// A store.
pub(crate) const STORE: u64 = 1 << 16;
/// A branch.
pub(crate) const BRANCH: u64 = 1 << 32;
/// An iteration of a REP string instruction with more to come: a boundary without a retirement.
pub(crate) const ITERATION: u64 = 1 << 48;
/// Bits of a field.
pub(crate) const FIELD: u64 = (1 << 16) - 1;

/// How a chain ended, and the op that is next. What is left and the tally are in `Cpu::chain` then.
///
/// One scalar, so that a function that answers what the next one answers can jump to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(u32);

impl Exit {
    /// Nothing is left; a position is added.
    const USED: u32 = 0;
    /// The op at a position needs its handler.
    const LEAVE: u32 = 1 << 16;
    /// rip is set; the op there is not known.
    const JUMP: u32 = 2 << 16;

    /// The op that is next, `None` if rip says it.
    pub(crate) fn at(self) -> Option<u16> {
        (self.0 < Self::JUMP).then_some(self.0 as u16)
    }

    /// The next op needs its handler.
    pub(crate) fn leaves(self) -> bool {
        self.0 >> 16 == Self::LEAVE >> 16
    }
}

/// Executes the op at a position and those behind it.
pub(crate) type Thread = fn(&mut Cpu, &mut Memory, &Ops, u16, u64, u64) -> Exit;

/// Ends the chain: this op needs its handler.
#[cold]
#[inline(never)]
pub(crate) fn leave(
    cpu: &mut Cpu,
    _: &mut Memory,
    _: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    cpu.chain = [left, tally];
    Exit(Exit::LEAVE | u32::from(at))
}

/// Stands behind the last op of a run of straight-line code: `imm` is the address.
pub(crate) fn fall_off(
    cpu: &mut Cpu,
    _: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    cpu.rip = u64::from(ops[usize::from(at)].imm as u32);
    jumped(cpu, left, tally)
}

#[cold]
#[inline(never)]
pub(super) fn used(cpu: &mut Cpu, at: u16, tally: u64) -> Exit {
    cpu.chain = [0, tally];
    Exit(Exit::USED | u32::from(at))
}

#[cold]
#[inline(never)]
pub(super) fn jumped(cpu: &mut Cpu, left: u64, tally: u64) -> Exit {
    cpu.chain = [left, tally];
    Exit(Exit::JUMP)
}

/// Goes on at `at`.
#[inline(always)]
pub(super) fn next(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    if left == 0 {
        return used(cpu, at, tally);
    }
    (ops[usize::from(at)].thread)(cpu, mem, ops, at, left, tally)
}

/// What an instruction that the next one follows does. `Err`: nothing.
pub(crate) trait Act {
    /// What it counts.
    const TALLY: u64;
    fn act(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome;
}

/// Does `A`, then goes on behind it.
pub(crate) fn go<A: Act>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    if A::act(cpu, mem, &ops[usize::from(at)]).is_err() {
        return leave(cpu, mem, ops, at, left, tally);
    }
    next(
        cpu,
        mem,
        ops,
        at.wrapping_add(1),
        left - 1,
        tally.wrapping_add(A::TALLY),
    )
}

/// The memory operand, simple accesses only, not counted.
pub(crate) struct Q<A>(PhantomData<A>);

/// Anything with a 32-bit displacement, with the base of FS or GS added.
pub(crate) struct Based;

impl Mode for Based {
    #[inline(always)]
    fn ea(cpu: &Cpu, op: &Op) -> u64 {
        sum(cpu, op).wrapping_add(segment_base(cpu, op.mode))
    }
}

impl<A: Mode> Source for Q<A> {
    type Fast = Self;
    #[inline(always)]
    fn get<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<W, Raised> {
        let addr = A::simple(cpu, op)?;
        mem.peek::<W>(addr, cpu.read_mask).ok_or(Raised)
    }
}

impl<A: Mode> Place for Q<A> {
    type FastPlace = Self;
    #[inline(always)]
    fn set<W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op, value: W) -> Result<(), Raised> {
        let addr = A::simple(cpu, op)?;
        value.to_le(mem.slot::<W>(addr, cpu.write_mask).ok_or(Raised)?);
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
        Ok(())
    }
}

/// A source that threaded code can read.
pub(crate) trait Input: Source {
    /// It, not counted.
    type Quiet: Source;
    /// What reading it counts.
    const READS: u64;
}

/// A place that threaded code can write.
pub(crate) trait Output: Input {
    /// It, not counted.
    type QuietPlace: Place;
    /// What writing it counts.
    const WRITES: u64;
}

macro_rules! uncounted {
    ($($t:ty),*) => {$(
        impl Input for $t {
            type Quiet = Self;
            const READS: u64 = 0;
        }
    )*};
}
uncounted!(D, S, I, Cl, One);

impl Output for D {
    type QuietPlace = Self;
    const WRITES: u64 = 0;
}

impl<A: Mode> Input for M<A> {
    type Quiet = Q<A>;
    const READS: u64 = LOAD;
}

impl<A: Mode> Output for M<A> {
    type QuietPlace = Q<A>;
    const WRITES: u64 = STORE;
}

/// An act by the function that the handler is made of.
macro_rules! act {
    ($name:ident, $tally:expr, $f:expr) => {
        pub(crate) struct $name;
        impl Act for $name {
            const TALLY: u64 = $tally;
            #[inline(always)]
            fn act(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
                $f(cpu, mem, op)
            }
        }
    };
    ($name:ident<$($t:ident: $bound:path),* $(; const $c:ident: $ct:ty)?>, $tally:expr, $f:expr) => {
        pub(crate) struct $name<$($t,)* $(const $c: $ct)?>(PhantomData<($($t,)*)>);
        impl<$($t: $bound,)* $(const $c: $ct)?> Act for $name<$($t,)* $($c)?> {
            const TALLY: u64 = $tally;
            #[inline(always)]
            fn act(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
                $f(cpu, mem, op)
            }
        }
    };
}

act!(Binary<O: alu::Alu, P: Output, B: Input, W: Word>, P::READS + P::WRITES + B::READS,
    alu::binary_on::<O, P::QuietPlace, B::Quiet, W>);
act!(Compare<O: alu::Alu, P: Input, B: Input, W: Word>, P::READS + B::READS,
    alu::compare_on::<O, P::Quiet, B::Quiet, W>);
act!(Inc<P: Output, W: Word>, P::READS + P::WRITES, alu::inc_on::<P::QuietPlace, W>);
act!(Dec<P: Output, W: Word>, P::READS + P::WRITES, alu::dec_on::<P::QuietPlace, W>);
act!(Neg<P: Output, W: Word>, P::READS + P::WRITES, alu::neg::<P::QuietPlace, W>);
act!(Not<P: Output, W: Word>, P::READS + P::WRITES, alu::not::<P::QuietPlace, W>);
act!(Mov<P: Output, B: Input, W: Word>, P::WRITES + B::READS,
    mov::mov_on::<P::QuietPlace, B::Quiet, W>);
act!(MovImm64, 0, mov::mov_imm64);
act!(Movzx<B: Input, T: Word, W: Word>, B::READS, mov::movzx_on::<B::Quiet, T, W>);
act!(Movsx<B: Input, T: Word, W: Word>, B::READS, mov::movsx_on::<B::Quiet, T, W>);
act!(LeaSimple<W: Word>, 0, mov::lea::<Simple, W>);
act!(LeaFull<W: Word>, 0, mov::lea::<Full, W>);
act!(Cmov<B: Input, W: Word; const CC: u8>, B::READS, mov::cmov_on::<B::Quiet, W, CC>);
act!(Setcc<P: Output; const CC: u8>, P::WRITES, mov::setcc_on::<P::QuietPlace, CC>);
act!(Xchg<P: Output, W: Word>, P::READS + P::WRITES, mov::xchg::<P::QuietPlace, W>);
act!(ExtendA<T: Word, W: Word>, 0, mov::extend_a::<T, W>);
act!(ExtendD<W: Word>, 0, mov::extend_d::<W>);
act!(Bswap<W: Word>, 0, mov::bswap::<W>);
act!(Shift<O: shift::Shift, P: Output, C: Input, W: Word>, P::READS + P::WRITES,
    shift::shift_on::<O, P::QuietPlace, C::Quiet, W>);
act!(Imul<A: Input, B: Input, W: Word>, A::READS + B::READS,
    muldiv::imul_on::<A::Quiet, B::Quiet, W>);
act!(Imul1<B: Input, W: Word>, B::READS, muldiv::imul1::<B::Quiet, W>);
act!(Mul<B: Input, W: Word>, B::READS, muldiv::mul::<B::Quiet, W>);
act!(Div<B: Input, W: Word>, B::READS, muldiv::div::<B::Quiet, W>);
act!(Idiv<B: Input, W: Word>, B::READS, muldiv::idiv::<B::Quiet, W>);
act!(CmpxchgMemory<W: Word>, LOAD + STORE, atomic::cmpxchg_on::<Q<Full>, W, false>);
act!(XaddMemory<W: Word>, LOAD + STORE, atomic::xadd::<Q<Full>, W>);
act!(BitTest<B: Input, W: Word; const K: u8>, 0, bits::bit_on::<K, D, B::Quiet, W>);
act!(Scan<W: Word; const REVERSE: bool>, 0, bits::scan::<REVERSE, S, W>);
act!(Zeros<W: Word; const LEADING: bool>, 0, bits::count_zeros::<LEADING, S, W>);
act!(Popcnt<W: Word>, 0, bits::popcnt::<S, W>);
act!(Push<B: Input>, STORE, stack::push_on::<B::Quiet, u64>);
act!(Pop, LOAD, stack::pop_on::<u64>);
act!(Nop, 0, super::misc::nop);

/// Jcc.
pub(crate) fn jcc<const CC: u8>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    if cpu.flags.cond::<CC>() {
        return taken(cpu, mem, ops, at, left, tally);
    }
    next(
        cpu,
        mem,
        ops,
        at.wrapping_add(1),
        left - 1,
        tally.wrapping_add(BRANCH),
    )
}

/// JMP rel, and a conditional branch that is taken.
#[inline(always)]
pub(crate) fn taken(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    let op = &ops[usize::from(at)];
    let tally = tally.wrapping_add(BRANCH);
    if op.target == 0 {
        cpu.rip = op.behind().wrapping_add(op.imm());
        return jumped(cpu, left - 1, tally);
    }
    next(cpu, mem, ops, op.target, left - 1, tally)
}

/// CALL rel.
pub(crate) fn call(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    let op = &ops[usize::from(at)];
    let rsp = cpu.regs[RSP].wrapping_sub(8);
    let Some(slot) = mem.slot::<u64>(rsp, cpu.write_mask) else {
        return leave(cpu, mem, ops, at, left, tally);
    };
    slot.copy_from_slice(&op.behind().to_le_bytes());
    cpu.regs[RSP] = rsp;
    branch::remember(cpu, at);
    taken(cpu, mem, ops, at, left, tally.wrapping_add(STORE))
}

/// RET and RET imm16.
pub(crate) fn ret(
    cpu: &mut Cpu,
    mem: &mut Memory,
    ops: &Ops,
    at: u16,
    left: u64,
    tally: u64,
) -> Exit {
    let op = &ops[usize::from(at)];
    let rsp = cpu.regs[RSP];
    let top = cpu.calls_top.wrapping_sub(1);
    let hint = cpu.calls[(top & 15) as usize];
    let back = &ops[usize::from(hint)];
    let Some(target) = mem.peek::<u64>(rsp, cpu.read_mask) else {
        return leave(cpu, mem, ops, at, left, tally);
    };
    // The tag of the op there, if the prediction is right: address and ring.
    if u64::from(back.tag) != target << 1 | u64::from(op.tag & 1) || target >= crate::SIZE_MAX {
        return leave(cpu, mem, ops, at, left, tally);
    }
    cpu.calls_top = top;
    cpu.regs[RSP] = rsp.wrapping_add(8).wrapping_add(u64::from(op.imm as u32));
    next(
        cpu,
        mem,
        ops,
        hint,
        left - 1,
        tally.wrapping_add(LOAD + BRANCH),
    )
}

/// Answers of acts are all the same.
const _: () = assert!(size_of::<Result<Flow, Raised>>() <= 8);
