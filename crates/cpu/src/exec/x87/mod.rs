// SPDX-License-Identifier: GPL-2.0-only
//! The x87. In an op `aux` is the stack register read, `src` the one written, `dst` how often the
//! stack is popped, as far as an instruction has them.
//!
//! An instruction reports exceptions in the status word; one that no mask covers is delivered as
//! #MF by the next instruction that waits ([`Cpu::x87_waits`]).

pub(crate) mod arith;
pub(crate) mod compare;
pub(crate) mod control;
pub(crate) mod moves;

use crate::access::{Full, M, Mode, Source, check_read, load};
use crate::cpu::{CR0_EM, CR0_NE, CR0_TS};
use crate::float::BEFORE;
use crate::float::extended::{Env, Extended, Operand, Real, SF, from_int};
use crate::op::{Op, Raised};
use crate::word::Word;
use crate::x87::{C1, SUMMARY};
use crate::{Cpu, Memory};
use abi::totals::HwEvent;
use std::marker::PhantomData;

impl Cpu {
    /// #NM with CR0.EM or TS: x87 instructions, FXSAVE, FXRSTOR.
    pub(crate) fn need_x87(&mut self) -> Result<(), Raised> {
        if self.cr0 & (CR0_EM | CR0_TS) == 0 {
            Ok(())
        } else {
            Err(self.raise(7, 0))
        }
    }

    /// What waiting instructions do first: #NM, then #MF for an exception that is still due. Says
    /// whether the run can go on: not with CR0.NE clear, when a chip outside would have to answer.
    pub(crate) fn x87_waits(&mut self) -> Result<bool, Raised> {
        self.need_x87()?;
        self.x87_due()
    }

    /// The second half of [`Cpu::x87_waits`].
    fn x87_due(&mut self) -> Result<bool, Raised> {
        if self.x87.status & SUMMARY == 0 {
            Ok(true)
        } else if self.cr0 & CR0_NE == 0 {
            Ok(false)
        } else {
            Err(self.raise(16, 0))
        }
    }

    fn x87_env(&self) -> Env {
        Env::new(self.fcw)
    }

    /// Puts what an instruction reports into the status word. Says whether it may write its result:
    /// not if one of the exceptions in `holding` is not masked.
    fn x87_settle(&mut self, env: Env, holding: u32) -> bool {
        let unmasked = env.unmasked();
        let mut up = env.up;
        let mut flags = env.flags;
        if unmasked & BEFORE != 0 && flags & SF == 0 {
            // It stopped before anything was computed.
            flags &= BEFORE;
            up = false;
        }
        self.x87.status = self.x87.status & !C1 | flags as u16;
        if up {
            self.x87.status |= C1;
        }
        if unmasked != 0 {
            self.x87.status |= SUMMARY;
        }
        unmasked & holding == 0
    }

    fn x87_pop(&mut self, times: u8) {
        for _ in 0..times {
            self.x87.pop();
        }
    }
}

/// The head of a waiting instruction.
macro_rules! wait {
    ($cpu:expr) => {
        if !$cpu.x87_waits()? {
            return Ok(crate::op::Flow::Unimplemented);
        }
    };
}
use wait;

/// A source operand; `None` if it is an empty register.
pub(crate) trait Fetch {
    /// Loading it converts, and so may raise.
    const CONVERTS: bool = false;
    fn get(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<Option<Operand>, Raised>;
}

/// ST(`aux`).
pub(crate) struct St;
/// A single or double in memory.
pub(crate) struct Float<W>(PhantomData<W>);
/// An integer in memory.
pub(crate) struct Int<W>(PhantomData<W>);
/// 80 bits in memory.
pub(crate) struct Wide;
/// The number zero.
pub(crate) struct Nought;

impl Fetch for St {
    fn get(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Result<Option<Operand>, Raised> {
        Ok(cpu.x87.get(op.aux).map(Operand::from))
    }
}

impl<W: Real> Fetch for Float<W> {
    const CONVERTS: bool = true;
    fn get(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<Option<Operand>, Raised> {
        Ok(Some(M::<Full>::get::<W>(cpu, mem, op)?.extended()))
    }
}

impl<W: Word> Fetch for Int<W> {
    fn get(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<Option<Operand>, Raised> {
        let v = M::<Full>::get::<W>(cpu, mem, op)?.zx();
        Ok(Some(from_int(W::sx(v) as i64).into()))
    }
}

impl Fetch for Wide {
    fn get(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Result<Option<Operand>, Raised> {
        let addr = Full::ea(cpu, op);
        check_read(cpu, mem, addr, 10, op.mode)?;
        let significand = load::<u64>(cpu, mem, addr, op.mode)?;
        let high = load::<u16>(cpu, mem, addr + 8, op.mode)?;
        cpu.count(HwEvent::Loads);
        Ok(Some(Extended { high, significand }.into()))
    }
}

impl Fetch for Nought {
    fn get(_: &mut Cpu, _: &mut Memory, _: &Op) -> Result<Option<Operand>, Raised> {
        Ok(Some(Extended::ZERO.into()))
    }
}
