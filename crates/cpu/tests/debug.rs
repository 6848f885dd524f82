// SPDX-License-Identifier: GPL-2.0-only
//! Debug registers (SDM vol. 3B, 17.2 and 17.3), and what the manual says of events between
//! instructions.

mod common;

use common::*;
use cpu::{Event, Step, Stop, can_take_nmi, deliver, flags};
use iced_x86::code_asm::*;

const HANDLER: u64 = CODE + 0x1000;
const B0: u64 = 1;
const B1: u64 = 2;
const BD: u64 = 1 << 13;
const BS: u64 = 1 << 14;
const DR6_START: u64 = 0xffff_0ff0;
const EXECUTE: u64 = 0;
const WRITE: u64 = 1;
const ACCESS: u64 = 3;
const GD: u64 = 1 << 13;

/// DR7 with breakpoint `n` of a kind and a length in bytes.
fn enable(n: u64, kind: u64, len: u64) -> u64 {
    let code = [0, 0, 1, 0, 3, 0, 0, 0, 2][len as usize];
    2 << (2 * n) | (kind | code << 2) << (16 + 4 * n)
}

/// Moves `control` to DR7 by an instruction of its own, then puts `f` at CODE.
fn machine(addresses: [u64; 2], control: u64, f: impl FnOnce(&mut CodeAssembler)) -> Machine {
    let mut m = Machine::asm(|a| a.mov(dr7, rax).unwrap());
    m.gate(1, HANDLER, 0, 0);
    m.gate(14, HANDLER + 0x100, 0, 0);
    m.mem.write(HANDLER, &[0x48, 0xcf]).unwrap(); // iretq
    m.cpu.dr[0] = addresses[0];
    m.cpu.dr[1] = addresses[1];
    m.cpu.regs[RAX] = control;
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.dr[7], control | 0x400);
    m.mem.write(CODE, &assemble(CODE, f)).unwrap();
    m.cpu.rip = CODE;
    m.cpu.regs[RBX] = DATA;
    m
}

fn debug_exception(m: &mut Machine, causes: u64) {
    assert_eq!(m.step(), Step::Exception { vector: 1 });
    assert_eq!(m.cpu.dr[6], DR6_START | causes);
    assert_eq!(m.cpu.rip, HANDLER);
    m.cpu.dr[6] = DR6_START;
}

/// The image of RFLAGS and the return address in the handler's frame.
fn frame(m: &Machine) -> (u64, u64) {
    let top = m.cpu.regs[RSP];
    let at = |n: u64| m.mem.read_u64(top + 8 * n).unwrap();
    (at(2), at(0))
}

#[test]
fn an_instruction_breakpoint_is_a_fault_that_rf_suppresses() {
    let mut m = machine([CODE + 1, 0], enable(0, EXECUTE, 1), |a| {
        a.nop().unwrap();
        a.inc(rcx).unwrap();
        a.jmp(CODE + 1).unwrap();
    });
    assert_eq!(m.step(), Step::Retired);
    debug_exception(&mut m, B0);
    // A fault: the address is that of the instruction. RF is for the handler to set.
    assert_eq!(frame(&m), (2, CODE + 1));
    let image = m.cpu.regs[RSP] + 16;
    m.mem.write_u64(image, 2 | flags::RF).unwrap();
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.rflags() & flags::RF, flags::RF);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!((m.cpu.regs[RCX], m.cpu.rflags() & flags::RF), (1, 0));
    assert_eq!(m.step(), Step::Retired);
    debug_exception(&mut m, B0);
}

#[test]
fn rf_holds_through_a_repeated_string_instruction() {
    let mut m = machine([CODE, 0], enable(0, EXECUTE, 1), |a| {
        a.rep().stosb().unwrap();
        a.nop().unwrap();
    });
    m.cpu.regs[RDI] = DATA;
    m.cpu.regs[RCX] = 3;
    m.cpu.set_rflags(2 | flags::RF);
    assert_eq!(m.step(), Step::Iterated);
    assert_eq!(m.step(), Step::Iterated);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.rflags() & flags::RF, 0);
}

#[test]
fn data_breakpoints_are_traps() {
    // Kind, length, what is done at which distance, whether it hits.
    let cases: [(u64, u64, bool, u64, bool); 9] = [
        (WRITE, 4, true, 0, true),
        (WRITE, 4, false, 0, false),
        (ACCESS, 4, false, 0, true),
        (ACCESS, 4, true, 0, true),
        // An access of 8 bytes that begins before and one that begins behind.
        (WRITE, 4, true, 0x3d, true),
        (WRITE, 4, true, 4, false),
        (WRITE, 8, true, 7, true),
        (WRITE, 1, true, 1, false),
        (WRITE, 2, true, 1, true),
    ];
    for (kind, len, write, distance, hits) in cases {
        let at = DATA + 0x40;
        let mut m = machine([at, 0], enable(0, kind, len), |a| {
            if write {
                a.mov(qword_ptr(rbx), rcx).unwrap();
            } else {
                a.mov(rcx, qword_ptr(rbx)).unwrap();
            }
            a.nop().unwrap();
        });
        m.cpu.regs[RBX] = if distance > 0x20 {
            DATA + distance
        } else {
            at + distance
        };
        let what = format!("{kind} {len} {write} {distance:#x}");
        assert_eq!(m.step(), Step::Retired, "{what}");
        assert_eq!(m.cpu.debug_trap_pending(), hits, "{what}");
        if hits {
            assert!(!can_take_nmi(&m.cpu), "the trap comes first");
            debug_exception(&mut m, B0);
            assert_eq!(frame(&m), (2, CODE + 3), "{what}");
        } else {
            assert_eq!(m.step(), Step::Retired, "{what}");
        }
    }
}

#[test]
fn two_breakpoints_and_single_step_make_one_exception() {
    let control = enable(0, WRITE, 8) | enable(1, ACCESS, 1);
    let mut m = machine([DATA, DATA + 7], control, |a| {
        a.mov(qword_ptr(rbx), rcx).unwrap();
    });
    m.cpu.set_rflags(2 | flags::TF);
    assert_eq!(m.step(), Step::Retired);
    debug_exception(&mut m, B0 | B1 | BS);
}

#[test]
fn a_data_breakpoint_stops_a_string_instruction_between_iterations() {
    let mut m = machine([DATA + 1, 0], enable(0, WRITE, 1), |a| {
        a.rep().stosb().unwrap();
    });
    m.cpu.regs[RDI] = DATA;
    m.cpu.regs[RCX] = 4;
    assert_eq!(m.step(), Step::Iterated);
    assert_eq!(m.step(), Step::Iterated);
    debug_exception(&mut m, B0);
    assert_eq!((frame(&m).1, m.cpu.regs[RCX]), (CODE, 2));
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Iterated);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(
        m.mem.slice(DATA, 4).unwrap(),
        &m.cpu.regs[RAX].to_le_bytes()[..1].repeat(4)
    );
}

#[test]
fn a_faulting_instruction_sets_off_no_data_breakpoint() {
    let mut m = machine([DATA, 0], enable(0, ACCESS, 8), |a| {
        a.push(qword_ptr(rbx)).unwrap();
    });
    // The read is fine, the push is not.
    m.cpu.regs[RSP] = 0x100;
    let step = m.step();
    assert!(matches!(step, Step::Stop(_)), "{step:?}");
    assert!(!m.cpu.debug_trap_pending());
    assert_eq!(m.cpu.dr[6], DR6_START);
}

#[test]
fn the_stack_segment_shadow_holds_breakpoints_back() {
    let control = enable(0, EXECUTE, 1) | enable(1, ACCESS, 2);
    let mut m = machine([CODE + 2, DATA], control, |a| {
        a.mov(ss, word_ptr(rbx)).unwrap();
        a.nop().unwrap();
        a.nop().unwrap();
    });
    m.mem.write_u64(DATA, 0x18).unwrap();
    assert_eq!(m.step(), Step::Retired);
    // Neither the data breakpoint of MOV SS nor the one on the next instruction.
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.rip, CODE + 3);
    debug_exception(&mut m, B1);
}

#[test]
fn general_detection_guards_the_debug_registers() {
    let mut m = machine([0, 0], GD, |a| a.mov(rcx, dr0).unwrap());
    debug_exception(&mut m, BD);
    assert_eq!(frame(&m).1, CODE);
    assert_eq!(m.cpu.dr[7] & GD, 0, "the handler may look");
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Retired);
}

#[test]
fn debug_registers_4_and_5() {
    for (extensions, want) in [(0, Step::Retired), (8, Step::Exception { vector: 6 })] {
        let mut m = Machine::asm(|a| a.mov(rcx, dr4).unwrap());
        m.gate(6, HANDLER, 0, 0);
        m.cpu.cr4 |= extensions;
        assert_eq!(m.step(), want);
        assert_eq!(m.cpu.regs[RCX] == DR6_START, extensions == 0);
    }
}

#[test]
fn a_breakpoint_on_ports_stops_by_name() {
    let mut m = Machine::asm(|a| a.mov(dr7, rax).unwrap());
    m.cpu.regs[RAX] = enable(0, 2, 1);
    assert!(matches!(m.step(), Step::Stop(stop) if matches!(*stop, Stop::Unimplemented { .. })));
    assert_eq!(m.cpu.dr[7], 0x400);
}

#[test]
fn a_second_event_on_the_same_stack_overwrites_the_first_frame() {
    // The NMI handler raises #BP, whose gate has the same stack of the interrupt stack table.
    let mut m = Machine::asm(|a| a.nop().unwrap());
    m.gate(2, HANDLER, 1, 0);
    m.gate(3, HANDLER + 0x100, 1, 0);
    m.mem.write(HANDLER, &[0xcc, 0x48, 0xcf]).unwrap(); // int3; iretq
    m.mem.write(HANDLER + 0x100, &[0x48, 0xcf]).unwrap();
    deliver(&mut m.cpu, &mut m.mem, Event::Nmi).unwrap();
    assert_eq!(m.cpu.regs[RSP], IST1 - 40);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!((m.cpu.regs[RSP], m.cpu.rip), (IST1 - 40, HANDLER + 0x100));
    // The inner IRET ends NMI blocking although the NMI handler still runs.
    assert!(m.cpu.nmi_blocked);
    assert_eq!(m.step(), Step::Retired);
    assert!(!m.cpu.nmi_blocked);
    assert_eq!((m.cpu.rip, m.cpu.regs[RSP]), (HANDLER + 1, IST1 - 40));
    // Its own IRET finds the inner frame: it returns to itself.
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.rip, HANDLER + 1);
}

#[test]
fn a_divide_error_counts_no_load() {
    let mut m = Machine::asm(|a| a.div(qword_ptr(rbx)).unwrap());
    m.gate(0, HANDLER, 0, 0);
    m.cpu.regs[RBX] = DATA;
    assert_eq!(m.step(), Step::Exception { vector: 0 });
    assert_eq!(m.cpu.totals.0[0][2], 0);
}

#[test]
fn a_return_to_compatibility_mode_stops_by_name() {
    for far in [false, true] {
        // RETFQ and IRETQ.
        let mut m = Machine::new(&[0x48, if far { 0xcb } else { 0xcf }]);
        // Descriptor 1: a 32-bit code segment, present, readable, DPL 0.
        m.mem.write_u64(GDT + 8, 0x00cf_9b00_0000_ffff).unwrap();
        for (n, v) in (0..).zip([CODE, 8, 2, STACK - 0x100, 0x18]) {
            m.mem.write_u64(STACK - 0x100 + 8 * n, v).unwrap();
        }
        m.cpu.nmi_blocked = true;
        let before = m.cpu.regs;
        let step = m.step();
        assert!(
            matches!(&step, Step::Stop(stop) if matches!(**stop, Stop::Unimplemented { .. })),
            "{step:?}"
        );
        assert_eq!((m.cpu.regs, m.cpu.nmi_blocked), (before, true));
    }
}

#[test]
fn a_breakpoint_at_the_end_of_all_addresses_meets_nothing() {
    let both = enable(0, WRITE, 8) | enable(1, ACCESS, 4);
    let mut m = machine([u64::MAX, DATA + 4], both, |a| {
        a.mov(qword_ptr(rbx), rcx).unwrap();
    });
    assert_eq!(m.step(), Step::Retired);
    debug_exception(&mut m, B1);
}
