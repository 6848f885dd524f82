// SPDX-License-Identifier: GPL-2.0-only
//! Undo log, watches, permissions of guest accesses across granules and pages.

mod common;

use common::*;
use cpu::{Access, AccessKind, Memory, Perm, Step, Stop};
use iced_x86::code_asm::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Action {
    Write { addr: u64, data: Vec<u8> },
    Mark,
    Rollback { depth: usize },
    Release,
}

const MODEL: u64 = 0x2000;

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let write = (0..MODEL - 40, prop::collection::vec(any::<u8>(), 1..40))
        .prop_map(|(addr, data)| Action::Write { addr, data });
    let action = prop_oneof![
        6 => write,
        2 => Just(Action::Mark),
        2 => (0..4usize).prop_map(|depth| Action::Rollback { depth }),
        1 => Just(Action::Release),
    ];
    prop::collection::vec(action, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The undo log against copies of all of memory.
    #[test]
    fn rollback_restores_bit_for_bit(actions in actions()) {
        let mut mem = Memory::new(MODEL);
        let mut marks = Vec::new();
        for action in actions {
            match action {
                Action::Write { addr, data } => mem.write(addr, &data).unwrap(),
                Action::Mark => {
                    let now = mem.slice(0, MODEL as usize).unwrap().to_vec();
                    marks.push((mem.mark(), now));
                }
                Action::Rollback { depth } if !marks.is_empty() => {
                    marks.truncate(depth % marks.len() + 1);
                    let (mark, then) = marks.last().unwrap();
                    mem.rollback(mark);
                    prop_assert_eq!(mem.slice(0, MODEL as usize).unwrap(), &then[..]);
                }
                Action::Release => {
                    if let Some((mark, _)) = marks.pop() {
                        mem.release(mark);
                    }
                }
                Action::Rollback { .. } => {}
            }
            for (mark, then) in &marks {
                let same = mem.slice(0, MODEL as usize).unwrap() == &then[..];
                prop_assert_eq!(mem.unchanged_since(mark), same);
            }
        }
    }
}

#[test]
fn watched_accesses_are_recorded_in_order() {
    let mut m = Machine::asm(|a| {
        a.mov(rax, qword_ptr(rbx)).unwrap();
        a.add(dword_ptr(rbx + 4), 5).unwrap();
        a.mov(byte_ptr(rbx + 0x400), al).unwrap();
        a.push(qword_ptr(rbx + 8)).unwrap();
        a.hlt().unwrap();
    });
    m.cpu.regs[RBX] = DATA;
    m.mem.write_u64(DATA, 0x0000_0002_0000_0001).unwrap();
    m.mem.watch(DATA, 16);
    assert!(m.mem.is_watched(DATA + 8) && !m.mem.is_watched(DATA + 0x400));
    m.run(10);
    let access = |addr, size, kind, old, new| Access {
        addr,
        size,
        kind,
        old,
        new,
    };
    use AccessKind::{Read, Write};
    assert_eq!(
        *m.mem.accesses(),
        [
            access(DATA, 8, Read, 0x2_0000_0001, 0x2_0000_0001),
            access(DATA + 4, 4, Read, 2, 2),
            access(DATA + 4, 4, Write, 2, 7),
            access(DATA + 8, 8, Read, 0, 0),
        ]
    );
    m.mem.accesses().clear();
    m.mem.unwatch_all();
    m.cpu.rip = CODE;
    m.cpu.halted = false;
    m.run(10);
    assert!(m.mem.accesses().is_empty());
}

#[test]
fn an_access_across_pages_needs_both() {
    for (offset, faults) in [(0xff8u64, false), (0xff9, true)] {
        let mut m = Machine::asm(|a| {
            a.mov(qword_ptr(rbx), rax).unwrap();
            a.hlt().unwrap();
        });
        m.mem.protect(DATA + 0x1000, 0x1000, Perm::READ);
        m.cpu.regs[RBX] = DATA + offset;
        m.cpu.regs[RAX] = u64::MAX;
        match m.step() {
            Step::Retired => assert!(!faults),
            Step::Stop(stop) => {
                let Stop::UnhandledException {
                    cr2: address,
                    error_code,
                    ..
                } = *stop
                else {
                    panic!("{stop}")
                };
                assert!(faults);
                assert_eq!((address, error_code), (DATA + 0x1000, Some(3)));
                // Nothing of it was written.
                assert_eq!(m.mem.read_u64(DATA + 0xff8).unwrap(), 0);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_failing_compare_and_exchange_still_needs_to_write() {
    let mut m = Machine::asm(|a| a.cmpxchg(qword_ptr(rbx), rcx).unwrap());
    m.mem.protect(DATA, 0x1000, Perm::READ);
    m.cpu.regs[RBX] = DATA;
    m.cpu.regs[RAX] = 1;
    let flags = m.cpu.rflags();
    assert!(matches!(m.step(), Step::Stop(_)));
    assert_eq!((m.cpu.regs[RAX], m.cpu.rflags()), (1, flags));
}

#[test]
fn host_access_is_checked() {
    let mut mem = Memory::new(100);
    assert_eq!(mem.size(), 4096);
    assert!(mem.write(4090, &[0; 6]).is_ok());
    assert!(mem.write(4090, &[0; 7]).is_err());
    assert!(mem.read(u64::MAX, &mut [0; 2]).is_err());
    assert_eq!(mem.perm(5000), Perm::NONE);
    assert!(mem.read_u32(4093).is_err());
    mem.write_u32(4, 7).unwrap();
    assert_eq!(mem.read_u64(0).unwrap(), 7 << 32);
}
