// SPDX-License-Identifier: GPL-2.0-only
//! RDPMC at both privilege levels, and what single instructions add to the counters.

use std::sync::Arc;

use abi::totals::{HwEvent, Ring, Totals};
use cpu::{Perm, Stop};
use image::Image;
use machine::{End, Hardware, Machine, Reason, Schedule, Until};

const CODE: u64 = 0x10_0000;
const PCE: u64 = 1 << 8;
const GP: u8 = 13;
const UD: u8 = 6;

fn machine(code: &[u8]) -> Machine {
    let hardware = Hardware {
        timing: machine::Timing::Unit,
        pmu: pmu::Config {
            version: 4,
            gp_counters: 4,
            fixed_counters: 3,
            full_width_writes: true,
            ..pmu::Config::default()
        },
        features: cpu::Features::ALL,
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let image = Image::raw(CODE, code).unwrap();
    let mut machine = Machine::bare(Arc::new(image), &hardware).unwrap();
    let all = Perm::READ | Perm::WRITE | Perm::EXEC | Perm::USER;
    machine.mem_mut().protect(CODE, 0x2000, all);
    machine
}

/// Runs until an exception without a handler: its vector and the offset of its instruction.
fn fault(machine: &mut Machine) -> (u8, u64) {
    match machine.run(&mut Schedule::empty(), &mut (), Until::End { limit: 1000 }) {
        End::Failed(failure) => match failure.reason {
            Reason::Core(Stop::UnhandledException { vector, rip, .. }) => (vector, rip - CODE),
            other => panic!("{other}"),
        },
        end => panic!("{end:?}"),
    }
}

#[test]
fn rdpmc_of_user_code_needs_cr4_pce() {
    // rdpmc; ud2
    let code = [0x0f, 0x33, 0x0f, 0x0b];
    for (user, cr4, expected) in [
        (true, 0, (GP, 0)),
        (true, PCE, (UD, 2)),
        (false, 0, (UD, 2)),
        (false, PCE, (UD, 2)),
    ] {
        let mut machine = machine(&code);
        let cpu = &mut machine.core_mut(0).cpu;
        cpu.cr4 = cpu.cr4 & !PCE | cr4;
        cpu.regs[0] = u64::MAX;
        cpu.regs[2] = u64::MAX;
        if user {
            cpu.enter_user();
        }
        assert_eq!(fault(&mut machine), expected, "user {user}, CR4 {cr4:#x}");
        if expected.0 == UD {
            let regs = &machine.cores()[0].cpu.regs;
            assert_eq!((regs[0], regs[2]), (0, 0), "EDX:EAX, upper halves cleared");
        }
    }
}

#[test]
fn an_index_without_a_counter_faults_in_every_ring() {
    for index in [
        4,
        64,
        0x4000_0003,
        0x2000_0000,
        0x8000_0000,
        0xc000_0000_u64,
    ] {
        for user in [false, true] {
            let mut machine = machine(&[0x0f, 0x33, 0x0f, 0x0b]);
            let cpu = &mut machine.core_mut(0).cpu;
            cpu.cr4 |= PCE;
            cpu.regs[1] = index;
            if user {
                cpu.enter_user();
            }
            assert_eq!(fault(&mut machine), (GP, 0), "{index:#x}");
        }
    }
}

#[test]
fn lock_comes_before_everything_else() {
    let mut machine = machine(&[0xf0, 0x0f, 0x33]);
    machine.core_mut(0).cpu.enter_user();
    assert_eq!(fault(&mut machine), (UD, 0), "not #GP");
}

/// What `code` adds before its UD2, at CPL 3: instructions, branches, loads, stores.
fn counts(code: &[u8]) -> [u64; 4] {
    let mut bytes = code.to_vec();
    bytes.extend([0x0f, 0x0b]);
    let mut machine = machine(&bytes);
    let cpu = &mut machine.core_mut(0).cpu;
    cpu.regs[4] = CODE + 0x2000;
    cpu.regs[7] = CODE + 0x1000;
    cpu.regs[6] = CODE + 0x1100;
    cpu.enter_user();
    let (vector, at) = fault(&mut machine);
    assert_eq!((vector, at), (UD, code.len() as u64), "{code:02x?}");
    let totals: Totals = machine.cores()[0].totals();
    [
        HwEvent::Instructions,
        HwEvent::Branches,
        HwEvent::Loads,
        HwEvent::Stores,
    ]
    .map(|event| totals.get(Ring::User, event))
}

#[test]
fn what_instructions_count() {
    let table: [(&str, &[u8], [u64; 4]); 12] = [
        ("ud2 alone: it faults", &[], [0, 0, 0, 0]),
        ("nop", &[0x90], [1, 0, 0, 0]),
        ("cpuid", &[0x0f, 0xa2], [1, 0, 0, 0]),
        ("jmp +0", &[0xeb, 0], [1, 1, 0, 0]),
        ("jz, not taken", &[0x31, 0xc0, 0x75, 0], [2, 1, 0, 0]),
        ("jz, taken", &[0x31, 0xc0, 0x74, 0], [2, 1, 0, 0]),
        (
            "mov ecx, 3; loop",
            &[0xb9, 3, 0, 0, 0, 0xe2, 0xfe],
            [4, 3, 0, 0],
        ),
        ("call +0; pop rax", &[0xe8, 0, 0, 0, 0, 0x58], [2, 1, 1, 1]),
        (
            "lea rax, [rip+2]; push rax; ret",
            &[0x48, 0x8d, 0x05, 2, 0, 0, 0, 0x50, 0xc3],
            [3, 1, 1, 1],
        ),
        ("add [rdi], eax", &[0x01, 0x07], [1, 0, 1, 1]),
        ("movsb", &[0xa4], [1, 0, 1, 1]),
        (
            "mov ecx, 5; rep stosb",
            &[0xb9, 5, 0, 0, 0, 0xf3, 0xaa],
            [2, 0, 0, 5],
        ),
    ];
    for (name, code, expected) in table {
        assert_eq!(counts(code), expected, "{name}");
    }
}
