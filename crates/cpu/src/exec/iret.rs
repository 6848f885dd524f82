// SPDX-License-Identifier: GPL-2.0-only
//! SYSCALL, SYSRET, IRETQ, SWAPGS: the ways between rings (SDM vol. 2; vol. 3A, 6.14).

use crate::access::load;
use crate::cpu::{EFER_SCE, R11, RCX, RSP, canonical};
use crate::flags;
use crate::op::{Flow, Op, Outcome, Raised, STACK};
use crate::segment::{GP, NP, SS, Segment};
use crate::{Cpu, Memory};
use abi::totals::HwEvent;

/// SYSCALL: an instruction of the ring it starts in.
pub(crate) fn syscall(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.efer & EFER_SCE == 0 {
        return Err(cpu.ud());
    }
    cpu.count(HwEvent::Branches);
    cpu.regs[RCX] = cpu.rip;
    cpu.regs[R11] = cpu.rflags() & !flags::RF;
    let flags = cpu.rflags() & !cpu.fmask & !flags::RF;
    cpu.set_rflags(flags);
    cpu.rip = cpu.lstar;
    let selector = (cpu.star >> 32) as u16 & !3;
    cpu.seg.cs = Segment { selector, dpl: 0 };
    cpu.seg.ss = Segment {
        selector: selector.wrapping_add(8),
        dpl: 0,
    };
    cpu.set_cpl(0);
    Ok(Flow::Ring)
}

/// SYSRET to 64-bit code.
pub(crate) fn sysret(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.efer & EFER_SCE == 0 {
        return Err(cpu.ud());
    }
    if cpu.cpl() != 0 || !canonical(cpu.regs[RCX]) {
        return Err(cpu.gp());
    }
    cpu.count(HwEvent::Branches);
    cpu.set_rflags(cpu.regs[R11] & 0x3c_7fd7);
    cpu.rip = cpu.regs[RCX];
    let selector = (cpu.star >> 48) as u16;
    cpu.seg.cs = Segment {
        selector: selector.wrapping_add(16) | 3,
        dpl: 3,
    };
    cpu.seg.ss = Segment {
        selector: selector.wrapping_add(8) | 3,
        dpl: 3,
    };
    cpu.set_cpl(3);
    Ok(Flow::Ring)
}

/// SWAPGS.
pub(crate) fn swapgs(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    std::mem::swap(&mut cpu.gs_base, &mut cpu.kernel_gs_base);
    Ok(Flow::Next)
}

/// Checks a code segment selector for a return and loads it. `same`: the ring may not change.
/// Nothing: it is right, and leads to what this core has not: compatibility mode, or another ring
/// by RETF.
pub(crate) fn load_code_segment(
    cpu: &mut Cpu,
    mem: &Memory,
    selector: u16,
    same: bool,
) -> Result<Option<Segment>, Raised> {
    let code = u32::from(selector & !3);
    let rpl = (selector & 3) as u8;
    if code == 0 {
        return Err(cpu.gp());
    }
    let d = cpu.descriptor(mem, selector, GP, 8)?;
    let dpl_right = if d.conforming() {
        d.dpl() <= rpl
    } else {
        d.dpl() == rpl
    };
    if !d.is_code() || rpl < cpu.cpl() || !dpl_right {
        return Err(cpu.raise(GP, code));
    }
    if !d.present() {
        return Err(cpu.raise(NP, code));
    }
    if !d.long() || (same && rpl != cpu.cpl()) {
        return Ok(None);
    }
    let segment = Segment { selector, dpl: rpl };
    if same {
        cpu.seg.cs = segment;
    }
    Ok(Some(segment))
}

fn return_stack_segment(
    cpu: &mut Cpu,
    mem: &Memory,
    selector: u16,
    rpl: u8,
) -> Result<Segment, Raised> {
    let code = u32::from(selector & !3);
    if code == 0 {
        // A null SS is a kernel's privilege.
        return if rpl == 3 || (selector & 3) as u8 != rpl {
            Err(cpu.gp())
        } else {
            Ok(Segment { selector, dpl: rpl })
        };
    }
    let d = cpu.descriptor(mem, selector, GP, 8)?;
    if (selector & 3) as u8 != rpl || !d.writable_data() || d.dpl() != rpl {
        return Err(cpu.raise(GP, code));
    }
    if !d.present() {
        return Err(cpu.raise(SS, code));
    }
    Ok(Segment { selector, dpl: rpl })
}

/// IRETQ. It unblocks NMIs even if it faults.
pub(crate) fn iretq(cpu: &mut Cpu, mem: &mut Memory, _: &Op) -> Outcome {
    let blocked = std::mem::replace(&mut cpu.nmi_blocked, false);
    if cpu.system_flags & flags::NT != 0 {
        return Err(cpu.gp());
    }
    let rsp = cpu.regs[RSP];
    let mut frame = [0u64; 5];
    for (i, slot) in (0..).zip(&mut frame) {
        *slot = load::<u64>(cpu, mem, rsp.wrapping_add(8 * i), STACK)?;
    }
    let [rip, cs, rflags, new_rsp, ss] = frame;
    let Some(cs) = load_code_segment(cpu, mem, cs as u16, false)? else {
        cpu.nmi_blocked = blocked;
        return Ok(Flow::Unimplemented);
    };
    let rpl = (cs.selector & 3) as u8;
    let ss = return_stack_segment(cpu, mem, ss as u16, rpl)?;
    if !canonical(rip) {
        return Err(cpu.gp());
    }
    let mut mask =
        flags::STATUS | flags::TF | flags::DF | flags::NT | flags::RF | flags::AC | flags::ID;
    if cpu.cpl() == 0 {
        mask |= flags::IOPL;
    }
    if !cpu.above_iopl() {
        mask |= flags::IF;
    }
    for _ in 0..5 {
        cpu.count(HwEvent::Loads);
    }
    cpu.count(HwEvent::Branches);
    let old = cpu.rflags();
    cpu.set_rflags(old & !mask | rflags & mask);
    cpu.rip = rip;
    cpu.hint = 0;
    cpu.regs[RSP] = new_rsp;
    cpu.seg.cs = cs;
    cpu.seg.ss = ss;
    if rpl != cpu.cpl() {
        cpu.set_cpl(rpl);
        for s in [
            &mut cpu.seg.ds,
            &mut cpu.seg.es,
            &mut cpu.seg.fs,
            &mut cpu.seg.gs,
        ] {
            if s.selector & !3 != 0 && s.dpl < rpl {
                *s = Segment::default();
            }
        }
    }
    Ok(Flow::Ring)
}
