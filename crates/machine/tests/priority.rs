// SPDX-License-Identifier: GPL-2.0-only
//! CR8: the task priority holds interrupts back, in machine code on the bare core.

use std::sync::Arc;

use abi::layout::KERNEL_CS;
use cpu::{Stop, flat_gdt, interrupt_gate};
use image::Image;
use machine::{End, Hardware, Machine, Reason, Schedule, Until};

const CODE: u64 = 0x10_0000;
const TABLES: u64 = 0x20_0000;
const HANDLER: u64 = 0x30_0000;
const RAX: usize = 0;
const RSP: usize = 4;
const VECTOR: u8 = 0x41;

fn machine(code: &[u8]) -> Machine {
    let hardware = Hardware {
        timing: machine::Timing::Unit,
        pmu: pmu::Config::default(),
        features: cpu::Features::ALL,
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let image = Image::raw(CODE, code).unwrap();
    let mut machine = Machine::bare(Arc::new(image), &hardware).unwrap();
    let all = cpu::Perm::READ | cpu::Perm::WRITE | cpu::Perm::EXEC;
    let mem = machine.mem_mut();
    mem.protect(CODE, 0x1000, all | cpu::Perm::USER);
    mem.protect(TABLES, 0x2000, all);
    mem.protect(HANDLER, 0x1000, all);
    for (i, word) in (0..).zip(flat_gdt(0)) {
        mem.write_u64(TABLES + 8 * i, word).unwrap();
    }
    let gate = TABLES + 0x1000 + 16 * u64::from(VECTOR);
    for (i, word) in (0..).zip(interrupt_gate(HANDLER, KERNEL_CS, 0, 0)) {
        mem.write_u64(gate + 8 * i, word).unwrap();
    }
    mem.write(HANDLER, &[0xf4]).unwrap();
    let cpu = &mut machine.core_mut(0).cpu;
    cpu.gdtr.base = TABLES;
    cpu.gdtr.limit = 63;
    cpu.idtr.base = TABLES + 0x1000;
    cpu.idtr.limit = 0xfff;
    machine
}

fn run(machine: &mut Machine) -> End {
    machine.run(&mut Schedule::empty(), &mut (), Until::End { limit: 1000 })
}

#[test]
fn a_request_waits_until_the_priority_falls() {
    // mov eax, PRIORITY; mov cr8, rax; xor edx, edx; mov eax, VECTOR; mov ecx, 83fh (self-IPI);
    // wrmsr; sti; nop; nop; mov rbx, cr8; mov eax, 3; mov cr8, rax; nop; hlt
    for (priority, held) in [(4, true), (0xf, true), (3, false), (0, false)] {
        let mut code = vec![0xb8, priority, 0, 0, 0, 0x44, 0x0f, 0x22, 0xc0];
        code.extend([0x31, 0xd2, 0xb8, VECTOR, 0, 0, 0, 0xb9, 0x3f, 0x08, 0, 0]);
        code.extend([0x0f, 0x30, 0xfb, 0x90, 0x90, 0x44, 0x0f, 0x20, 0xc3]);
        code.extend([0xb8, 3, 0, 0, 0, 0x44, 0x0f, 0x22, 0xc0, 0x90, 0xf4]);
        let at = |what: &[u8]| code.windows(what.len()).position(|w| w == what).unwrap();
        // Behind the NOP that STI shadows, or behind the second write of CR8.
        let free = at(&[0x90, 0x90, 0x44]) + 1;
        let lowered = code.len() - 2;
        let expected = if held { lowered } else { free };
        let mut machine = machine(&code);
        let end = run(&mut machine);
        assert!(matches!(end, End::Halted), "{end:?}");
        let cpu = &machine.cores()[0].cpu;
        assert_eq!(cpu.rip, HANDLER + 1, "priority {priority}");
        let back = machine.mem().read_u64(cpu.regs[RSP]).unwrap();
        assert_eq!(back, CODE + expected as u64, "priority {priority}");
        if held {
            assert_eq!(cpu.regs[3], u64::from(priority), "what was written is read");
        }
        assert_eq!(cpu.regs[RAX] & 0xff, if held { 3 } else { VECTOR.into() });
    }
}

#[test]
fn beyond_four_bits_and_outside_ring_0_it_faults() {
    // mov cr8, rax; mov rax, cr8
    for (value, user, at) in [
        (16, false, 0),
        (1 << 63, false, 0),
        (0, true, 0),
        (15, false, 8),
    ] {
        let mut machine = machine(&[0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc0, 0x0f, 0x0b]);
        let cpu = &mut machine.core_mut(0).cpu;
        cpu.regs[RAX] = value;
        cpu.idtr.limit = 0;
        if user {
            cpu.enter_user();
        }
        let End::Failed(failure) = run(&mut machine) else {
            panic!("no fault");
        };
        let Reason::Core(Stop::UnhandledException { vector, rip, .. }) = failure.reason else {
            panic!("{}", failure.reason);
        };
        let expected = if at == 8 { 6 } else { 13 };
        assert_eq!((vector, rip), (expected, CODE + at), "{value:#x} {user}");
        if at == 8 {
            assert_eq!(machine.cores()[0].cpu.regs[RAX], 15);
        }
    }
}
