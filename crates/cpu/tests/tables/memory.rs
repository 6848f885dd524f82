// SPDX-License-Identifier: GPL-2.0-only
//! Compare and exchange, the stack, strings, loops, CPUID switches.

use super::common::*;
use super::*;

#[test]
fn compare_and_exchange() {
    row(
        "equal",
        |a| a.cmpxchg(rbx, rcx),
        (&[(RAX, 5), (RBX, 5), (RCX, 9)], 0),
        &[(RBX, 9)],
        (ALL, ZF | PF),
    );
    row(
        "not equal",
        |a| a.cmpxchg(rbx, rcx),
        (&[(RAX, 5), (RBX, 6), (RCX, 9)], ZF),
        &[(RAX, 6)],
        (ALL, CF | SF | PF | AF),
    );
    let sixteen = |a: &mut CodeAssembler| a.lock().cmpxchg16b(xmmword_ptr(rdi));
    let m = row(
        "16 bytes, equal",
        sixteen,
        (&[(RBX, 7), (RCX, 8)], CF),
        &[],
        (ALL, CF | ZF),
    );
    assert_eq!(
        (
            m.mem.read_u64(DATA).unwrap(),
            m.mem.read_u64(DATA + 8).unwrap()
        ),
        (7, 8)
    );
    let m = row(
        "16 bytes, not equal",
        sixteen,
        (&[(RAX, 1), (RBX, 7), (RCX, 8)], ALL),
        &[(RAX, 0), (RDX, 0)],
        (ALL, ALL & !ZF),
    );
    assert_eq!(m.mem.read_u64(DATA).unwrap(), 0);
    row(
        "8 bytes, not equal",
        |a| a.cmpxchg8b(qword_ptr(rdi)),
        (&[(RAX, OLD), (RDX, OLD)], ZF),
        &[(RAX, 0), (RDX, 0)],
        (ALL, 0),
    );
}

#[test]
fn the_stack() {
    let top = STACK - 0x100;
    let m = row(
        "push of itself: the old value",
        |a| a.push(rsp),
        (&[], 0),
        &[(RSP, top - 8)],
        (0, 0),
    );
    assert_eq!(m.mem.read_u64(top - 8).unwrap(), top);
    row("pop to RSP", |a| a.pop(rsp), (&[], 0), &[(RSP, 0)], (0, 0));
    let m = row(
        "a byte is extended to 8",
        |a| a.push(-2),
        (&[], 0),
        &[(RSP, top - 8)],
        (0, 0),
    );
    assert_eq!(m.mem.read_u64(top - 8).unwrap(), (-2_i64) as u64);
    row(
        "16 bits",
        |a| a.push(ax),
        (&[], 0),
        &[(RSP, top - 2)],
        (0, 0),
    );
    let m = row(
        "enter 16, 0",
        |a| a.enter(16, 0),
        (&[(RBP, OLD)], 0),
        &[(RBP, top - 8), (RSP, top - 24)],
        (0, 0),
    );
    assert_eq!(m.mem.read_u64(top - 8).unwrap(), OLD);
    let m = row(
        "enter 8, 1 keeps its own frame",
        |a| a.enter(8, 1),
        (&[(RBP, OLD)], 0),
        &[(RBP, top - 8), (RSP, top - 24)],
        (0, 0),
    );
    assert_eq!(m.mem.read_u64(top - 16).unwrap(), top - 8);
    row(
        "leave",
        CodeAssembler::leave,
        (&[(RBP, top - 64)], 0),
        &[(RBP, 0), (RSP, top - 56)],
        (0, 0),
    );
}

#[test]
fn strings_go_both_ways() {
    row(
        "lodsb",
        CodeAssembler::lodsb,
        (&[(RAX, OLD), (RSI, DATA)], 0),
        &[(RAX, OLD & !0xff), (RSI, DATA + 1)],
        (0, 0),
    );
    row(
        "stosq backwards",
        CodeAssembler::stosq,
        (&[(RDI, DATA + 8)], DF),
        &[(RDI, DATA)],
        (0, 0),
    );
    row(
        "scasw",
        CodeAssembler::scasw,
        (&[(RAX, 1)], 0),
        &[(RDI, DATA + 2)],
        (ALL, 0),
    );
    row(
        "cmpsd backwards",
        CodeAssembler::cmpsd,
        (&[(RSI, DATA + 64), (RDI, DATA + 4)], DF),
        &[(RSI, DATA + 60), (RDI, DATA)],
        (ALL, ZF | PF),
    );
    row(
        "rep with RCX 0",
        |a| a.rep().movsb(),
        (&[(RCX, 0), (RSI, 1), (RDI, 1)], ALL),
        &[],
        (ALL, ALL),
    );
    let mut m = Machine::asm(|a| a.repe().cmpsb().unwrap());
    (m.cpu.regs[RSI], m.cpu.regs[RDI], m.cpu.regs[RCX]) = (DATA, DATA + 0x100, 10);
    m.mem.write(DATA + 2, &[1]).unwrap();
    for _ in 0..2 {
        assert_eq!(m.step(), Step::Iterated);
    }
    assert_eq!(m.step(), Step::Retired, "the third byte differs");
    assert_eq!((m.cpu.regs[RCX], m.cpu.regs[RSI]), (7, DATA + 3));
}

#[test]
fn loops_and_jumps_on_rcx() {
    // Each jumps over a NOP or does not.
    type Jump = fn(&mut CodeAssembler, CodeLabel) -> Assembled;
    let table: [(&str, Jump, u64, u64, bool, u64); 7] = [
        ("loop", |a, l| a.loop_(l), 2, 0, true, 1),
        ("loop at the end", |a, l| a.loop_(l), 1, 0, false, 0),
        ("loop from zero", |a, l| a.loop_(l), 0, 0, true, u64::MAX),
        ("loope", |a, l| a.loope(l), 2, ZF, true, 1),
        ("loope without ZF", |a, l| a.loope(l), 2, 0, false, 1),
        ("loopne", |a, l| a.loopne(l), 2, ZF, false, 1),
        ("jrcxz", |a, l| a.jrcxz(l), 1 << 32, 0, false, 1 << 32),
    ];
    for (name, jump, count, status, taken, after) in table {
        let mut m = Machine::asm(|a| {
            let mut target = a.create_label();
            jump(a, target).unwrap();
            a.nop().unwrap();
            a.set_label(&mut target).unwrap();
            a.nop().unwrap();
        });
        m.cpu.regs[RCX] = count;
        m.cpu.set_rflags(status | 2);
        assert_eq!(m.step(), Step::Retired, "{name}");
        assert_eq!(m.cpu.rip, CODE + 2 + u64::from(taken), "{name}");
        assert_eq!(m.cpu.regs[RCX], after, "{name}");
    }
    // jecxz over a NOP
    let mut m = Machine::new(&[0x67, 0xe3, 1, 0x90, 0x90]);
    m.cpu.regs[RCX] = 1 << 32;
    assert_eq!(m.step(), Step::Retired);
    assert_eq!((m.cpu.rip, m.cpu.regs[RCX]), (CODE + 4, 1 << 32));
}

#[test]
fn one_switch_takes_one_family_away() {
    for (feature, bytes) in [
        (Features::MOVBE, &[0x0f, 0x38, 0xf0, 0x07][..]),
        (Features::BMI2, &[0xc4, 0xe2, 0xfb, 0xf6, 0xc1]),
    ] {
        let mut m = Machine::new(bytes);
        m.gate(6, CODE + 0x1000, 0, 0);
        m.cpu.regs[RDI] = DATA;
        m.cpu.regs[R8] = OLD;
        assert_eq!(m.step(), Step::Retired);
        let mut m = Machine::new(bytes);
        m.gate(6, CODE + 0x1000, 0, 0);
        m.cpu.features = Features::ALL.without(feature);
        assert_eq!(m.step(), Step::Exception { vector: 6 });
    }
}
