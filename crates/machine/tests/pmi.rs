// SPDX-License-Identifier: GPL-2.0-only
//! From an overflow to the NMI on machines of both vendors, in machine code on the bare core.

use std::sync::Arc;

use abi::layout::KERNEL_CS;
use cpu::{flat_gdt, interrupt_gate};
use image::Image;
use machine::{End, Hardware, Machine, Schedule, Until};
use pmu::{Config, Vendor};

const CODE: u64 = 0x10_0000;
const TABLES: u64 = 0x20_0000;
const HANDLER: u64 = 0x30_0000;
const RSP: usize = 4;
const RAX: usize = 0;

const LVTPC: u32 = 0x834;
const NMI_MODE: u64 = 0x400;
const TOP48: u64 = (1 << 48) - 1;
const USR_OS_INT_EN: u64 = 0x53_0000;

fn intel() -> Config {
    Config {
        version: 4,
        gp_counters: 4,
        full_width_writes: true,
        ..Config::default()
    }
}

fn amd() -> Config {
    Config {
        vendor: Vendor::Amd,
        version: 2,
        gp_counters: 6,
        core_extension: true,
        ..Config::default()
    }
}

/// MOV ECX, EDX, EAX and WRMSR: four instructions.
fn wrmsr(code: &mut Vec<u8>, msr: u32, value: u64) {
    for (opcode, half) in [
        (0xb9, u64::from(msr)),
        (0xba, value >> 32),
        (0xb8, value & 0xffff_ffff),
    ] {
        code.push(opcode);
        code.extend(u32::try_from(half).unwrap().to_le_bytes());
    }
    code.extend([0x0f, 0x30]);
}

/// Runs until the NMI handler halts, with an instruction counter that overflows `after`
/// instructions behind the WRMSR that enables it. Gives the index of the NOP that the handler would
/// return to, and the machine.
fn overflow(pmu: Config, skid: u32, after: u64) -> (u64, Machine) {
    let mut code = Vec::new();
    let (counter, select) = match pmu.vendor {
        Vendor::Intel => (0x4c1, 0x186),
        Vendor::Amd => (0xc001_0201, 0xc001_0200),
    };
    wrmsr(&mut code, LVTPC, NMI_MODE);
    wrmsr(&mut code, counter, TOP48 + 1 - after);
    wrmsr(&mut code, select, 0xc0 | USR_OS_INT_EN);
    let nops = CODE + code.len() as u64;
    code.extend([0x90; 64]);
    code.push(0xf4);
    let hardware = Hardware {
        timing: machine::Timing::Unit,
        pmu,
        features: cpu::Features::ALL,
        skid,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let image = Image::raw(CODE, &code).unwrap();
    let mut machine = Machine::bare(Arc::new(image), &hardware).unwrap();
    let all = cpu::Perm::READ | cpu::Perm::WRITE | cpu::Perm::EXEC;
    machine.mem_mut().protect(TABLES, 0x1000, all);
    machine.mem_mut().protect(HANDLER, 0x1000, all);
    for (i, word) in flat_gdt(0).into_iter().enumerate() {
        machine
            .mem_mut()
            .write_u64(TABLES + 8 * i as u64, word)
            .unwrap();
    }
    let idt = TABLES + 0x800;
    for (i, word) in interrupt_gate(HANDLER, KERNEL_CS, 0, 0)
        .into_iter()
        .enumerate()
    {
        machine
            .mem_mut()
            .write_u64(idt + 32 + 8 * i as u64, word)
            .unwrap();
    }
    // MOV ECX, LVTPC; RDMSR; HLT
    machine
        .mem_mut()
        .write(HANDLER, &[0xb9, 0x34, 0x08, 0, 0, 0x0f, 0x32, 0xf4])
        .unwrap();
    let cpu = &mut machine.core_mut(0).cpu;
    cpu.gdtr.base = TABLES;
    cpu.gdtr.limit = 63;
    cpu.idtr.base = idt;
    cpu.idtr.limit = 47;
    let end = machine.run(&mut Schedule::empty(), &mut (), Until::End { limit: 1000 });
    assert!(matches!(end, End::Halted), "{end:?}");
    let cpu = &machine.cores()[0].cpu;
    assert!((HANDLER..HANDLER + 16).contains(&cpu.rip), "no NMI came");
    let back = machine.mem().read_u64(cpu.regs[RSP]).unwrap();
    (back - nops, machine)
}

#[test]
fn without_skid_the_nmi_comes_behind_the_overflowing_instruction() {
    for pmu in [intel(), amd()] {
        for after in [1, 2, 9] {
            assert_eq!(overflow(pmu, 0, after).0, after, "{:?}", pmu.vendor);
        }
    }
}

#[test]
fn skid_is_a_number_of_boundaries() {
    for skid in [1, 2, 7] {
        assert_eq!(overflow(intel(), skid, 3).0, 3 + u64::from(skid));
    }
}

#[test]
fn delivering_a_pmi_masks_the_entry_on_intel_only() {
    for (pmu, lvtpc) in [(intel(), NMI_MODE | 1 << 16), (amd(), NMI_MODE)] {
        let (_, machine) = overflow(pmu, 0, 4);
        assert_eq!(machine.cores()[0].cpu.regs[RAX], lvtpc, "{:?}", pmu.vendor);
    }
}
