// SPDX-License-Identifier: GPL-2.0-only
//! Control and debug registers, descriptor tables, FS/GS base, INVLPG and their kin.

use crate::access::{Mode, Place, Source, check_write, load, store};
use crate::cpu::{CR0_TS, CR4_ALLOWED, CR4_FSGSBASE, CR4_OSFXSR, CR4_OSXMMEXCPT, canonical};
use crate::flags;
use crate::op::{Flow, Op, Outcome};
use crate::segment::{GP, NP, TableRegister, TaskRegister};
use crate::word::Word;
use crate::{Cpu, Features, Memory};
use abi::totals::HwEvent;

/// CR0.CD and NW, AM, WP, NE and TS, EM, MP may change; PG, PE and ET may not.
const CR0_FIXED: u64 = 0x8000_0011;
const CR0_ALLOWED: u64 = 0xe005_003f;
/// CR4.PAE: needed in long mode.
const CR4_NEEDED: u64 = 1 << 5;

/// MOV r64, CRn (`aux`).
pub(crate) fn read_control(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    let v = match op.aux {
        0 => cpu.cr0,
        2 => cpu.cr2,
        3 => cpu.cr3,
        _ => cpu.cr4,
    };
    v.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// MOV CRn (`aux`), r64. What this core does not have cannot be switched on.
pub(crate) fn write_control(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    let v = u64::reg(&cpu.regs, op.src);
    match op.aux {
        0 => {
            if v & CR0_FIXED != CR0_FIXED || v & !CR0_ALLOWED != 0 {
                return Err(cpu.gp());
            }
            cpu.cr0 = v;
        }
        2 => cpu.cr2 = v,
        3 => cpu.cr3 = v,
        _ => {
            let mut allowed = CR4_ALLOWED;
            if !cpu.features.contains(Features::SSE) {
                allowed &= !(CR4_OSFXSR | CR4_OSXMMEXCPT);
            }
            if !cpu.features.contains(Features::FSGSBASE) {
                allowed &= !CR4_FSGSBASE;
            }
            if v & CR4_NEEDED == 0 || v & !allowed != 0 {
                return Err(cpu.gp());
            }
            cpu.cr4 = v;
        }
    }
    Ok(Flow::Next)
}

/// CLTS.
pub(crate) fn clts(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    cpu.cr0 &= !CR0_TS;
    Ok(Flow::Next)
}

/// SMSW.
pub(crate) fn smsw<P: Place, W: Word>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    let v = W::lo(cpu.cr0);
    P::set::<W>(cpu, mem, op, v)?;
    Ok(Flow::Next)
}

/// MOV r64, DRn (`aux`); 4 and 5 are aliases of 6 and 7.
pub(crate) fn read_debug(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let n = cpu.debug_register(usize::from(op.aux & 7))?;
    let v = cpu.dr[n];
    v.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// MOV DRn (`aux`), r64.
pub(crate) fn write_debug(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let n = cpu.debug_register(usize::from(op.aux & 7))?;
    let v = u64::reg(&cpu.regs, op.src);
    cpu.set_debug_register(n, v)
}

/// INVLPG, WBINVD and INVD: privileged, no effect here.
pub(crate) fn privileged_nop(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    Ok(Flow::Next)
}

/// LGDT and LIDT (`IDT`).
pub(crate) fn load_table<A: Mode, const IDT: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    let addr = A::ea(cpu, op);
    let limit = load::<u16>(cpu, mem, addr, op.mode)?;
    let base = load::<u64>(cpu, mem, addr.wrapping_add(2), op.mode)?;
    if !canonical(base) {
        return Err(cpu.gp());
    }
    let table = TableRegister { base, limit };
    if IDT {
        cpu.idtr = table;
    } else {
        cpu.gdtr = table;
    }
    cpu.count(HwEvent::Loads);
    Ok(Flow::Next)
}

/// SGDT and SIDT (`IDT`).
pub(crate) fn store_table<A: Mode, const IDT: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let table = if IDT { cpu.idtr } else { cpu.gdtr };
    let addr = A::ea(cpu, op);
    check_write(cpu, mem, addr, 10, op.mode)?;
    store::<u16>(cpu, mem, addr, table.limit, op.mode)?;
    store::<u64>(cpu, mem, addr.wrapping_add(2), table.base, op.mode)?;
    cpu.count(HwEvent::Stores);
    Ok(Flow::Next)
}

/// LTR: a 64-bit TSS descriptor that is available; it becomes busy.
pub(crate) fn ltr<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    let selector = S::get::<u16>(cpu, mem, op)?;
    let code = u32::from(selector & !3);
    if code == 0 {
        return Err(cpu.gp());
    }
    let low = cpu.descriptor(mem, selector, GP, 16)?;
    if low.kind() != 9 {
        return Err(cpu.raise(GP, code));
    }
    if !low.present() {
        return Err(cpu.raise(NP, code));
    }
    let at = cpu.gdtr.base.wrapping_add(u64::from(selector & !7));
    let high = cpu.system_read(mem, at.wrapping_add(8))?;
    if mem.write_u64(at, low.0 | 2 << 40).is_err() {
        return Err(cpu.raise(GP, code));
    }
    cpu.tr = TaskRegister {
        selector,
        base: low.base() | high << 32,
        limit: low.limit(),
    };
    Ok(Flow::Next)
}

/// STR and SLDT (`LDT`).
pub(crate) fn store_selector<P: Place, W: Word, const LDT: bool>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    op: &Op,
) -> Outcome {
    let v = if LDT { cpu.ldtr } else { cpu.tr.selector };
    P::set::<W>(cpu, mem, op, W::lo(u64::from(v)))?;
    Ok(Flow::Next)
}

/// LLDT: only the null selector; a real local table is not implemented.
pub(crate) fn lldt<S: Source>(cpu: &mut Cpu, mem: &mut Memory, op: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.gp());
    }
    let before = cpu.totals;
    let selector = S::get::<u16>(cpu, mem, op)?;
    if selector & !3 != 0 {
        cpu.totals = before;
        return Ok(Flow::Unimplemented);
    }
    cpu.ldtr = selector;
    Ok(Flow::Next)
}

/// RDFSBASE and RDGSBASE (`GS`): #UD without CR4.FSGSBASE.
pub(crate) fn read_base<W: Word, const GS: bool>(
    cpu: &mut Cpu,
    _: &mut Memory,
    op: &Op,
) -> Outcome {
    if cpu.cr4 & CR4_FSGSBASE == 0 {
        return Err(cpu.ud());
    }
    let v = if GS { cpu.gs_base } else { cpu.fs_base };
    W::lo(v).set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// WRFSBASE and WRGSBASE (`GS`): #UD without CR4.FSGSBASE, #GP(0) if not canonical.
pub(crate) fn write_base<W: Word, const GS: bool>(
    cpu: &mut Cpu,
    _: &mut Memory,
    op: &Op,
) -> Outcome {
    if cpu.cr4 & CR4_FSGSBASE == 0 {
        return Err(cpu.ud());
    }
    let v = W::reg(&cpu.regs, op.dst).zx();
    if !canonical(v) {
        return Err(cpu.gp());
    }
    if GS {
        cpu.gs_base = v;
    } else {
        cpu.fs_base = v;
    }
    Ok(Flow::Next)
}

/// RDPID.
pub(crate) fn rdpid(cpu: &mut Cpu, _: &mut Memory, op: &Op) -> Outcome {
    let v = cpu.tsc_aux;
    v.set_reg(&mut cpu.regs, op.dst);
    Ok(Flow::Next)
}

/// CLAC and STAC (`SET`): ring 0 only; AC has no effect here.
pub(crate) fn ac<const SET: bool>(cpu: &mut Cpu, _: &mut Memory, _: &Op) -> Outcome {
    if cpu.cpl() != 0 {
        return Err(cpu.ud());
    }
    cpu.system_flags = cpu.system_flags & !flags::AC | if SET { flags::AC } else { 0 };
    Ok(Flow::Next)
}
