// SPDX-License-Identifier: GPL-2.0-only
//! Comparing, and moving on a condition.

use super::{Fetch, wait};
use crate::float::extended::compare;
use crate::float::{BEFORE, Relation};
use crate::op::{Flow, Op, Outcome};
use crate::x87::{C0, C2, C3};
use crate::{Cpu, Memory, flags};

/// FCOM and FUCOM with all forms, FICOM, FTST. With `ORDERED` every NaN is invalid; with `RFLAGS`
/// the result goes to ZF, PF and CF and not to the condition codes. An unmasked exception leaves
/// either as they were.
pub(crate) fn com<O: Fetch, const ORDERED: bool, const RFLAGS: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    wait!(cpu);
    let source = O::get(cpu, mem, op)?;
    let mut env = cpu.x87_env();
    let relation = match (cpu.x87.get(0), source) {
        (Some(a), Some(b)) => compare(&mut env, a.into(), b, ORDERED),
        _ => {
            env.stack_underflow();
            Relation::Unordered
        }
    };
    if !cpu.x87_settle(env, BEFORE) {
        return Ok(Flow::Next);
    }
    if RFLAGS {
        let bits = match relation {
            Relation::Greater => 0,
            Relation::Less => flags::CF,
            Relation::Equal => flags::ZF,
            Relation::Unordered => flags::ZF | flags::PF | flags::CF,
        };
        cpu.flags.replace(flags::STATUS, bits);
    } else {
        let bits = match relation {
            Relation::Greater => 0,
            Relation::Less => C0,
            Relation::Equal => C3,
            Relation::Unordered => C3 | C2 | C0,
        };
        cpu.x87.status = cpu.x87.status & !(C0 | C2 | C3) | bits;
    }
    cpu.x87_pop(op.dst);
    Ok(Flow::Next)
}

/// FCMOVcc: if a flag of `FLAGS` is set, or none is with `NOT`.
pub(crate) fn cmov<const FLAGS: u64, const NOT: bool>(
    cpu: &mut Cpu,
    _: &mut Memory,
    op: &Op,
) -> Outcome {
    wait!(cpu);
    let mut env = cpu.x87_env();
    if let (Some(_), Some(other)) = (cpu.x87.get(0), cpu.x87.get(op.aux)) {
        // C1 stays as it is.
        if (cpu.flags.bits() & FLAGS != 0) ^ NOT {
            cpu.x87.set(0, other);
        }
        return Ok(Flow::Next);
    }
    let value = env.stack_underflow();
    if cpu.x87_settle(env, BEFORE) {
        cpu.x87.set(0, value);
    }
    Ok(Flow::Next)
}
