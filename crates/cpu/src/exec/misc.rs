// SPDX-License-Identifier: GPL-2.0-only
//! NOPs, fences, flag instructions, XLAT, LAHF and SAHF, and the ops that only say something to
//! the step loop.

use crate::access::{load, segment_base};
use crate::cpu::{RAX, RBX};
use crate::flags;
use crate::op::{Flow, Op, Outcome};
use crate::{Cpu, Memory, Perm, Shadow};
use abi::totals::HwEvent;

/// NOP, ENDBR64, RDSSP (without shadow stacks), fences, prefetches: nothing that this core
/// could show.
pub(crate) fn nop(_: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Ok(Flow::Next)
}

/// An instruction that this core lacks.
pub(crate) fn unimplemented(_: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Ok(Flow::Unimplemented)
}

/// Stands in for an op at a watched address.
pub(crate) fn watched(_: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Ok(Flow::Watch)
}

/// Stands for no op at all. Its tag is that of the last address below 2^31 in ring 3, which lies
/// beyond any memory: the fetch faults.
pub(crate) fn nowhere(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    match mem.check(op.rip(), 1, Perm::EXEC, cpu.user()) {
        Err(fault) => Err(cpu.raise_page(fault)),
        Ok(()) => Ok(Flow::Unimplemented),
    }
}

/// UD0, UD1, UD2, and bytes that are no instruction.
pub(crate) fn undefined(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Err(cpu.ud())
}

/// #GP(0) whatever the operands: an instruction longer than 15 bytes.
pub(crate) fn protected(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Err(cpu.gp())
}

/// CLC, STC, CMC (`K` 0, 1, 2).
pub(crate) fn carry<const K: u8>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    let cf = match K {
        0 => false,
        1 => true,
        _ => !cpu.flags.cf(),
    };
    cpu.flags.set_cf(cf);
    Ok(Flow::Next)
}

/// CLD and STD.
pub(crate) fn direction<const DOWN: bool>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    cpu.system_flags = cpu.system_flags & !flags::DF | if DOWN { flags::DF } else { 0 };
    Ok(Flow::Next)
}

/// CLI: #GP(0) above IOPL.
pub(crate) fn cli(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.above_iopl() {
        return Err(cpu.gp());
    }
    cpu.system_flags &= !flags::IF;
    Ok(Flow::Next)
}

/// STI: #GP(0) above IOPL; interrupts wait one instruction if they were off.
pub(crate) fn sti(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.above_iopl() {
        return Err(cpu.gp());
    }
    if cpu.system_flags & flags::IF == 0 {
        cpu.system_flags |= flags::IF;
        cpu.set_shadow(Shadow::Sti);
    }
    Ok(Flow::Next)
}

/// LAHF.
pub(crate) fn lahf(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    let v = cpu.flags.bits() & 0xff | 2;
    cpu.regs[RAX] = cpu.regs[RAX] & !0xff00 | v << 8;
    Ok(Flow::Next)
}

/// SAHF.
pub(crate) fn sahf(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    cpu.flags.replace(flags::STATUS & 0xff, cpu.regs[RAX] >> 8);
    Ok(Flow::Next)
}

/// XLAT.
pub(crate) fn xlat(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let at = cpu.regs[RBX]
        .wrapping_add(cpu.regs[RAX] & 0xff)
        .wrapping_add(segment_base(cpu, op.mode));
    let v = load::<u8>(cpu, mem, at, op.mode)?;
    cpu.regs[RAX] = cpu.regs[RAX] & !0xff | u64::from(v);
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// HLT: #GP(0) outside ring 0.
pub(crate) fn hlt(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    cpu.halt();
    Ok(Flow::Halt)
}

/// INT n (also INT3, whose gate needs the same privilege).
pub(crate) fn int(_: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Ok(Flow::Interrupt)
}

/// Whatever needs the bus in ring 0 only.
pub(crate) fn privileged_bus(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    Ok(Flow::Bus)
}

/// Whatever needs the bus and checks nothing here.
pub(crate) fn bus(_: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    Ok(Flow::Bus)
}

/// RDTSC and RDTSCP: #GP(0) with CR4.TSD outside ring 0.
pub(crate) fn rdtsc(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cr4 & crate::cpu::CR4_TSD != 0 && cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    Ok(Flow::Bus)
}

/// RDPMC: #GP(0) without CR4.PCE outside ring 0.
pub(crate) fn rdpmc(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cr4 & crate::cpu::CR4_PCE == 0 && cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    Ok(Flow::Bus)
}

/// IN and OUT: #GP(0) above IOPL (there is no I/O permission bitmap).
pub(crate) fn port(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.above_iopl() {
        return Err(cpu.gp());
    }
    Ok(Flow::Bus)
}

impl Cpu {
    /// CPL exceeds IOPL.
    pub(crate) fn above_iopl(&self) -> bool {
        u64::from(self.cpl()) > (self.system_flags & flags::IOPL) >> 12
    }
}
