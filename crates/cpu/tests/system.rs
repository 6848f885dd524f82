// SPDX-License-Identifier: GPL-2.0-only
//! Rings, exceptions, NMIs, single step, shadows.

mod common;

use common::*;
use cpu::{
    Event, Perm, Shadow, Step, Stop, can_take_interrupt, can_take_nmi, deliver, flags,
    step_over_watch,
};
use iced_x86::code_asm::*;

const HANDLER: u64 = CODE + 0x1000;

fn put(m: &mut Machine, at: u64, f: impl FnOnce(&mut CodeAssembler)) {
    m.mem.write(at, &assemble(at, f)).unwrap();
}

#[test]
fn loop_and_call() {
    let mut m = Machine::asm(|a| {
        let mut f = a.create_label();
        let mut top = a.create_label();
        a.mov(ecx, 10).unwrap();
        a.xor(eax, eax).unwrap();
        a.set_label(&mut top).unwrap();
        a.call(f).unwrap();
        a.dec(ecx).unwrap();
        a.jne(top).unwrap();
        a.hlt().unwrap();
        a.set_label(&mut f).unwrap();
        a.add(rax, 3).unwrap();
        a.ret().unwrap();
    });
    m.run(100);
    assert_eq!(m.cpu.regs[RAX], 30);
    assert_eq!(m.instructions(), [2 + 10 * 5 + 1, 0]);
    // 10 of each: CALL, RET, JNE.
    assert_eq!(m.cpu.totals.0[0][1..4], [30, 10, 10]);
}

#[test]
fn syscall_and_sysret() {
    let mut m = Machine::asm(|a| {
        a.mov(rax, 7u64).unwrap();
        a.sysretq().unwrap();
    })
    .user(|a| {
        a.std().unwrap();
        a.syscall().unwrap();
        a.nop().unwrap();
    });
    m.cpu.star = 0x0023_0010 << 32;
    m.cpu.lstar = CODE;
    m.cpu.fmask = flags::DF | flags::IF;
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::RingChanged);
    assert_eq!((m.cpu.cpl(), m.cpu.rip, m.cpu.rflags()), (0, CODE, 2));
    assert_eq!(m.cpu.regs[R11], 2 | flags::DF);
    assert_eq!((m.cpu.seg.cs.selector, m.cpu.seg.ss.selector), (0x10, 0x18));
    assert_eq!(m.instructions(), [0, 2]);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::RingChanged);
    assert_eq!(
        (m.cpu.cpl(), m.cpu.rip, m.cpu.regs[RAX]),
        (3, USER_CODE + 3, 7)
    );
    assert_eq!((m.cpu.seg.cs.selector, m.cpu.seg.ss.selector), (0x33, 0x2b));
    assert_eq!(m.cpu.rflags(), 2 | flags::DF);
    assert_eq!(m.instructions(), [2, 2]);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.instructions(), [2, 3]);
}

#[test]
fn user_page_fault_goes_to_the_kernel_stack() {
    let mut m = Machine::asm(|_| {}).user(|a| a.mov(rax, qword_ptr(0x500)).unwrap());
    m.gate(14, HANDLER, 0, 0);
    put(&mut m, HANDLER, |a| {
        a.pop(rbx).unwrap();
        a.iretq().unwrap();
    });
    m.cpu.set_rflags(flags::IF | flags::CF);
    let stack = m.cpu.regs[RSP];
    assert_eq!(m.step(), Step::Exception { vector: 14 });
    assert_eq!((m.cpu.cpl(), m.cpu.rip, m.cpu.cr2), (0, HANDLER, 0x500));
    let top = m.cpu.regs[RSP];
    assert_eq!(top, KERNEL_STACK - 48);
    let frame: Vec<u64> = (0..6)
        .map(|i| m.mem.read_u64(top + 8 * i).unwrap())
        .collect();
    let image = 2 | flags::IF | flags::CF | flags::RF;
    assert_eq!(frame, [4, USER_CODE, 0x33, image, stack, 0x2b]);
    assert_eq!(m.cpu.rflags(), 2 | flags::CF);
    assert_eq!(m.instructions(), [0, 0]);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::RingChanged);
    assert_eq!(
        (m.cpu.cpl(), m.cpu.rip, m.cpu.regs[RSP]),
        (3, USER_CODE, stack)
    );
    assert_eq!(m.cpu.rflags(), image);
    assert_eq!(m.instructions(), [2, 0]);
}

#[test]
fn page_fault_codes() {
    let cases: [(u64, u64, bool, u32); 4] = [
        // address, what is there, write, code
        (DATA, 0, true, 7),
        (STACK - 0x100, 0, false, 5),
        (SIZE + 8, 0, false, 4),
        (USER_CODE, 0, true, 7),
    ];
    for (addr, _, write, code) in cases {
        let mut m = Machine::asm(|_| {}).user(|a| {
            if write {
                a.mov(qword_ptr(rbx), rax).unwrap();
            } else {
                a.mov(rax, qword_ptr(rbx)).unwrap();
            }
        });
        m.mem.protect(DATA, 0x1000, Perm::READ | Perm::USER);
        m.cpu.regs[RBX] = addr;
        let Step::Stop(stop) = m.step() else {
            panic!("no stop at {addr:#x}")
        };
        let Stop::UnhandledException {
            vector,
            error_code,
            rip,
            cr2: address,
            ..
        } = *stop
        else {
            panic!("{stop}")
        };
        assert_eq!(
            (vector, error_code, rip, address),
            (14, Some(code), USER_CODE, addr)
        );
        assert_eq!(m.cpu.rip, USER_CODE);
    }
}

#[test]
fn fetch_needs_permission_in_this_ring() {
    let mut m = Machine::asm(|a| a.nop().unwrap()).user(|a| a.nop().unwrap());
    m.gate(14, HANDLER, 0, 0);
    m.cpu.rip = CODE;
    // Decoded for the kernel first: the user must not profit from it.
    m.cpu.set_cpl(0);
    assert_eq!(m.step(), Step::Retired);
    m.cpu.rip = CODE;
    m.cpu.enter_user();
    assert_eq!(m.step(), Step::Exception { vector: 14 });
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP]).unwrap(), 0x15);
}

#[test]
fn divide_error_and_undefined() {
    for (code, vector) in [
        (&[0xf7u8, 0xf1][..], 0),
        (&[0x0f, 0x0b][..], 6),
        (&[0x06][..], 6),
    ] {
        let mut m = Machine::new(code);
        m.gate(vector, HANDLER, 0, 0);
        assert_eq!(m.step(), Step::Exception { vector });
        let rip = m.mem.read_u64(m.cpu.regs[RSP]).unwrap();
        assert_eq!(rip, CODE);
    }
}

#[test]
fn nmi_uses_ist_and_blocks_until_iret() {
    let mut m = Machine::asm(|a| {
        a.nop().unwrap();
        a.hlt().unwrap();
    });
    m.gate(2, HANDLER, 1, 0);
    put(&mut m, HANDLER, |a| {
        a.push(rax).unwrap();
        a.pop(rax).unwrap();
        a.iretq().unwrap();
    });
    let stack = m.cpu.regs[RSP];
    assert!(can_take_nmi(&m.cpu));
    deliver(&mut m.cpu, &mut m.mem, Event::Nmi).unwrap();
    assert!(m.cpu.nmi_blocked && !can_take_nmi(&m.cpu));
    assert_eq!((m.cpu.rip, m.cpu.regs[RSP]), (HANDLER, IST1 - 40));
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Retired);
    assert!(!m.cpu.nmi_blocked);
    assert_eq!((m.cpu.rip, m.cpu.regs[RSP]), (CODE, stack));
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Halted);
    assert_eq!(m.step(), Step::Halted);
    assert!(m.cpu.halted);
    deliver(&mut m.cpu, &mut m.mem, Event::Nmi).unwrap();
    assert!(!m.cpu.halted);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.instructions()[0], 6);
}

#[test]
fn a_faulting_iret_unblocks_nmis_too() {
    let mut m = Machine::asm(|a| a.iretq().unwrap());
    m.gate(13, HANDLER, 0, 0);
    m.cpu.nmi_blocked = true;
    // CS of the frame is null.
    assert_eq!(m.step(), Step::Exception { vector: 13 });
    assert!(!m.cpu.nmi_blocked);
}

#[test]
fn sti_shadow_lasts_one_instruction() {
    let mut m = Machine::asm(|a| {
        a.sti().unwrap();
        a.nop().unwrap();
        a.sti().unwrap();
        a.nop().unwrap();
    });
    m.step();
    assert_eq!(m.cpu.shadow(), Shadow::Sti);
    assert!(!can_take_interrupt(&m.cpu) && can_take_nmi(&m.cpu));
    m.step();
    assert!(can_take_interrupt(&m.cpu));
    // With IF set already there is no shadow.
    m.step();
    assert!(can_take_interrupt(&m.cpu));
    m.gate(0x80, HANDLER, 0, 0);
    deliver(&mut m.cpu, &mut m.mem, Event::Interrupt { vector: 0x80 }).unwrap();
    assert!(!can_take_interrupt(&m.cpu));
    assert_eq!(m.cpu.rip, HANDLER);
}

#[test]
fn mov_ss_shadows_nmis() {
    let mut m = Machine::asm(|a| {
        a.mov(ss, eax).unwrap();
        a.nop().unwrap();
    });
    m.cpu.regs[RAX] = 0x18;
    m.step();
    assert!(!can_take_nmi(&m.cpu) && !can_take_interrupt(&m.cpu));
    m.step();
    assert!(can_take_nmi(&m.cpu));
}

#[test]
fn single_step() {
    let mut m = Machine::asm(|a| {
        a.popfq().unwrap();
        a.nop().unwrap();
        a.nop().unwrap();
    });
    m.gate(1, HANDLER, 0, 0);
    put(&mut m, HANDLER, |a| a.iretq().unwrap());
    let stack = m.cpu.regs[RSP];
    m.mem.write_u64(stack, flags::TF | 2).unwrap();
    assert_eq!(m.step(), Step::Retired);
    // POPF that sets TF does not trap itself.
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.rip, CODE + 2);
    assert!(m.cpu.debug_trap_pending() && !can_take_nmi(&m.cpu));
    assert_eq!(m.step(), Step::Exception { vector: 1 });
    assert_eq!(m.cpu.rip, HANDLER);
    assert_eq!(m.cpu.rflags() & flags::TF, 0);
    assert_ne!(m.cpu.dr[6] & 1 << 14, 0);
    // IRET that sets TF: one instruction, then the trap.
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.cpu.rip, CODE + 3);
    assert_eq!(m.step(), Step::Exception { vector: 1 });
}

#[test]
fn software_interrupts_check_the_gate() {
    let user = |a: &mut CodeAssembler| {
        a.int(0x40).unwrap();
        a.nop().unwrap();
    };
    let mut m = Machine::asm(|_| {}).user(user);
    m.gate(0x40, HANDLER, 0, 3);
    assert_eq!(m.step(), Step::RingChanged);
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP]).unwrap(), USER_CODE + 2);
    assert_eq!(m.instructions(), [0, 1]);

    let mut m = Machine::asm(|_| {}).user(user);
    m.gate(0x40, HANDLER, 0, 0);
    m.gate(13, HANDLER + 64, 0, 0);
    assert_eq!(m.step(), Step::Exception { vector: 13 });
    assert_eq!(m.cpu.rip, HANDLER + 64);
    // Error code: vector 40H in the IDT. The saved rip is that of the INT.
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP]).unwrap(), 0x40 << 3 | 2);
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP] + 8).unwrap(), USER_CODE);
}

#[test]
fn double_and_triple_fault() {
    // A page fault whose gate is missing becomes a double fault.
    let mut m = Machine::asm(|a| a.mov(rax, qword_ptr(0x500)).unwrap());
    m.gate(8, HANDLER, 1, 0);
    assert_eq!(m.step(), Step::Exception { vector: 14 });
    assert_eq!(m.cpu.rip, HANDLER);
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP]).unwrap(), 0);
    // A gate that is there with a stack that is not.
    let mut m = Machine::asm(|a| a.mov(rax, qword_ptr(0x500)).unwrap());
    m.gate(14, HANDLER, 0, 0);
    m.cpu.regs[RSP] = 0x40;
    let Step::Stop(stop) = m.step() else { panic!() };
    assert!(
        matches!(
            *stop,
            Stop::TripleFault {
                vector: 14,
                rip: CODE,
                ..
            }
        ),
        "{stop}"
    );
    assert!(stop.to_string().contains("cannot be written"), "{stop}");
}

#[test]
fn the_last_address_below_two_gigabytes_is_beyond_memory() {
    for ring in [0, 3] {
        let mut m = Machine::asm(|a| a.jmp(rax).unwrap());
        m.cpu.regs[RAX] = 0x7fff_ffff;
        m.cpu.set_cpl(ring);
        m.mem
            .protect(CODE, 0x1000, Perm::READ | Perm::EXEC | Perm::USER);
        assert_eq!(m.step(), Step::Retired);
        let Step::Stop(stop) = m.step() else { panic!() };
        let Stop::UnhandledException {
            vector: v, cr2: at, ..
        } = *stop
        else {
            panic!("{stop}");
        };
        assert_eq!((v, at), (14, 0x7fff_ffff));
    }
}

#[test]
fn unimplemented_says_what() {
    let mut m = Machine::new(&[0xd9, 0xfe]);
    let Step::Stop(stop) = m.step() else { panic!() };
    assert_eq!(
        stop.to_string(),
        "instruction not implemented at 0x10000: fsin (bytes d9 fe)"
    );
    assert_eq!(m.instructions(), [0, 0]);
    assert_eq!(m.cpu.rip, CODE);
}

#[test]
fn code_watch_points() {
    let mut m = Machine::asm(|a| {
        a.inc(eax).unwrap();
        a.inc(eax).unwrap();
        a.hlt().unwrap();
    });
    m.cache.watch(CODE + 2);
    assert_eq!(m.step(), Step::Retired);
    let before = m.cpu.totals;
    assert_eq!(m.step(), Step::Watch);
    assert_eq!(m.step(), Step::Watch);
    assert_eq!((m.cpu.rip, m.cpu.regs[RAX]), (CODE + 2, 1));
    assert_eq!(m.cpu.totals, before);
    let over = step_over_watch(&mut m.cpu, &mut m.mem, &mut m.cache, &mut cpu::NoBus);
    assert_eq!((over, m.cpu.regs[RAX]), (Step::Retired, 2));
    m.cpu.rip = CODE;
    m.cache.unwatch(CODE + 2);
    m.run(3);
    assert_eq!(m.cpu.regs[RAX], 4);
}

#[test]
fn self_modifying_code_is_noticed() {
    let mut m = Machine::asm(|a| {
        let mut patched = a.create_label();
        a.lea(rbx, ptr(patched)).unwrap();
        a.mov(byte_ptr(rbx + 1), 42).unwrap();
        a.set_label(&mut patched).unwrap();
        a.mov(eax, 1).unwrap();
        a.hlt().unwrap();
    });
    m.mem
        .protect(CODE, 0x1000, Perm::READ | Perm::WRITE | Perm::EXEC);
    let mark = m.mem.mark();
    let start = m.cpu.clone();
    m.run(10);
    assert_eq!(m.cpu.regs[RAX], 42);
    // Rolled back, the old instruction is there again.
    m.mem.rollback(&mark);
    m.cpu = start;
    m.step();
    m.cpu.rip += 4;
    m.run(3);
    assert_eq!(m.cpu.regs[RAX], 1);
}

#[test]
fn rep_has_a_boundary_between_iterations() {
    let mut m = Machine::asm(|a| {
        a.rep().movsb().unwrap();
        a.hlt().unwrap();
    });
    m.mem.write(DATA, b"abc").unwrap();
    m.cpu.regs[RSI] = DATA;
    m.cpu.regs[RDI] = DATA + 0x100;
    m.cpu.regs[RCX] = 3;
    assert_eq!(m.step(), Step::Iterated);
    assert_eq!(
        (m.cpu.rip, m.cpu.regs[RCX], m.instructions()[0]),
        (CODE, 2, 0)
    );
    assert_eq!(m.step(), Step::Iterated);
    assert_eq!(m.step(), Step::Retired);
    assert_eq!(m.step(), Step::Halted);
    let mut b = [0; 4];
    m.mem.read(DATA + 0x100, &mut b).unwrap();
    assert_eq!(&b, b"abc\0");
    assert_eq!(m.instructions(), [2, 0]);
    m.cpu.rip = CODE;
    m.cpu.halted = false;
    assert_eq!(m.step(), Step::Retired, "RCX is 0");
}

#[test]
fn a_single_step_trap_ends_hlt() {
    let mut m = Machine::asm(|a| a.hlt().unwrap());
    m.gate(1, HANDLER, 0, 0);
    m.cpu.set_rflags(flags::TF);
    assert_eq!(m.step(), Step::Halted);
    assert_eq!(m.step(), Step::Exception { vector: 1 });
    assert!(!m.cpu.halted);
    assert_eq!(m.cpu.rip, HANDLER);
}

#[test]
fn a_wake_up_is_not_lost_between_sti_and_hlt() {
    let mut m = Machine::asm(|a| {
        a.sti().unwrap();
        a.hlt().unwrap();
    });
    m.gate(0x80, HANDLER, 0, 0);
    m.step();
    assert!(!can_take_interrupt(&m.cpu));
    assert_eq!(m.step(), Step::Halted);
    assert!(can_take_interrupt(&m.cpu));
    deliver(&mut m.cpu, &mut m.mem, Event::Interrupt { vector: 0x80 }).unwrap();
    assert_eq!(m.mem.read_u64(m.cpu.regs[RSP]).unwrap(), CODE + 2);
}

#[test]
fn a_failed_delivery_changes_nothing() {
    let mut m = Machine::asm(|a| a.nop().unwrap());
    let before = (m.cpu.regs, m.cpu.rip, m.cpu.rflags(), m.cpu.cr2);
    let stop = deliver(&mut m.cpu, &mut m.mem, Event::Nmi).unwrap_err();
    assert!(stop.to_string().contains("no IDT"), "{stop}");
    assert_eq!((m.cpu.regs, m.cpu.rip, m.cpu.rflags(), m.cpu.cr2), before);
    assert!(!m.cpu.nmi_blocked);
}
