// SPDX-License-Identifier: GPL-2.0-only
//! One instruction here and there.

use super::child::{self, CODE, Child, DATA, DATA_SIZE};
use super::generate::{self, Random};
use cpu::{Cpu, DecodeCache, Memory, NoBus, Perm, Step, Stop, flags, step};
use iced_x86::{Instruction, Mnemonic as N, RflagsBits};
use libc::user_regs_struct;
use std::collections::BTreeMap;

const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

fn pack(regs: &user_regs_struct) -> [u64; 16] {
    let r = regs;
    [
        r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12,
        r.r13, r.r14, r.r15,
    ]
}

fn unpack(to: &mut user_regs_struct, from: &[u64; 16]) {
    [
        to.rax, to.rcx, to.rdx, to.rbx, to.rsp, to.rbp, to.rsi, to.rdi, to.r8, to.r9, to.r10,
        to.r11, to.r12, to.r13, to.r14, to.r15,
    ] = *from;
}

/// Flags that the manual leaves open after `i`.
fn undefined(i: &Instruction, rcx: u64) -> u64 {
    let bits = i.rflags_undefined();
    let mut mask = 0;
    for (theirs, ours) in [
        (RflagsBits::OF, flags::OF),
        (RflagsBits::SF, flags::SF),
        (RflagsBits::ZF, flags::ZF),
        (RflagsBits::AF, flags::AF),
        (RflagsBits::CF, flags::CF),
        (RflagsBits::PF, flags::PF),
    ] {
        if bits & theirs != 0 {
            mask |= ours;
        }
    }
    let count = || {
        let raw = if i.op_kind(1) == iced_x86::OpKind::Register {
            rcx
        } else {
            u64::from(i.immediate8())
        };
        raw as u32 & 31
    };
    let bits = 8 * match i.op_kind(0) {
        iced_x86::OpKind::Register => i.op_register(0).size(),
        _ => i.memory_size().size(),
    } as u32;
    if matches!(i.mnemonic(), N::Shl | N::Sal | N::Shr) && bits < 32 && count() >= bits {
        mask |= flags::CF;
    }
    mask
}

/// 16-bit double shifts by more than 16 give an undefined result.
fn skipped(i: &Instruction, rcx: u64) -> bool {
    if !matches!(i.mnemonic(), N::Shld | N::Shrd) {
        return false;
    }
    let size = match i.op_kind(0) {
        iced_x86::OpKind::Register => i.op_register(0).size(),
        _ => i.memory_size().size(),
    };
    let count = match i.op_kind(2) {
        iced_x86::OpKind::Register => rcx,
        _ => u64::from(i.immediate8()),
    };
    size == 2 && count & 31 > 16
}

pub(crate) fn run(native: &Child, seed: u64, steps: u64) {
    let mut r = Random(seed);
    let mut mem = Memory::new(DATA + DATA_SIZE as u64);
    mem.protect(CODE, 0x1000, Perm::READ | Perm::EXEC | Perm::USER);
    mem.protect(
        DATA,
        DATA_SIZE as u64,
        Perm::READ | Perm::WRITE | Perm::USER,
    );
    let mut noise = vec![0; DATA_SIZE];
    for chunk in noise.chunks_exact_mut(8) {
        chunk.copy_from_slice(&r.value().to_le_bytes());
    }
    child::write(DATA, &noise);
    mem.write(DATA, &noise).unwrap();
    let mut cpu = Cpu::new();
    cpu.enter_user();
    let mut cache = DecodeCache::new();
    let start = native.registers();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut regs = [0; 16];
    let mut done = 0;
    while done < steps {
        let (bytes, i) = generate::instruction(&mut r);
        generate::registers(&mut r, &i, &mut regs);
        if skipped(&i, regs[1]) {
            continue;
        }
        if i.mnemonic() == N::Ret {
            let target = (CODE + r.below(0x800)).to_le_bytes();
            child::write(regs[4], &target);
            mem.write(regs[4], &target).unwrap();
        }
        child::write(CODE, &bytes);
        mem.write(CODE, &bytes).unwrap();
        let open = flags::STATUS | flags::DF;
        let start_flags = r.next() & open | 2;

        let mut before = start;
        unpack(&mut before, &regs);
        before.rip = CODE;
        before.eflags = start_flags | flags::IF;
        // No system call to restart.
        before.orig_rax = u64::MAX;
        let signal = native.step(&before);
        let after = native.registers();

        cpu.regs = regs;
        cpu.rip = CODE;
        cpu.set_rflags(start_flags);
        let outcome = step(&mut cpu, &mut mem, &mut cache, &mut NoBus);

        let number = done;
        let describe = || {
            format!(
                "seed {seed}, instruction {number}: {i} ({:02x?})\nbefore {start_flags:#x} {:x?}",
                bytes,
                NAMES.iter().zip(regs).collect::<Vec<_>>()
            )
        };
        *seen.entry(format!("{:?}", i.mnemonic())).or_default() += 1;
        done += 1;
        // How much of a faulting ENTER reaches memory is nobody's business.
        if signal != libc::SIGTRAP && i.mnemonic() == N::Enter {
            mem.write(DATA, &child::data()).unwrap();
        }
        match (&outcome, signal) {
            (Step::Retired | Step::Iterated, libc::SIGTRAP) => {}
            (Step::Stop(stop), libc::SIGFPE)
                if matches!(**stop, Stop::UnhandledException { vector: 0, .. }) =>
            {
                continue;
            }
            (Step::Stop(stop), libc::SIGSEGV | libc::SIGBUS)
                if matches!(
                    **stop,
                    Stop::UnhandledException {
                        vector: 12..=14,
                        ..
                    }
                ) =>
            {
                continue;
            }
            (Step::Stop(stop), libc::SIGILL)
                if matches!(**stop, Stop::UnhandledException { vector: 6, .. }) =>
            {
                continue;
            }
            _ => panic!("native signal {signal}, core {outcome:?}\n{}", describe()),
        }
        let theirs = pack(&after);
        for (n, name) in NAMES.iter().enumerate() {
            assert_eq!(
                cpu.regs[n],
                theirs[n],
                "{name}: core {:#x}, native {:#x}\n{}",
                cpu.regs[n],
                theirs[n],
                describe()
            );
        }
        assert!(
            cpu.rip == after.rip,
            "rip: core {:#x}, native {:#x}\n{}",
            cpu.rip,
            after.rip,
            describe()
        );
        // A repeated string instruction with RCX 0 changes no flag; iced calls none undefined.
        let mask = open & !undefined(&i, regs[1]);
        assert!(
            cpu.rflags() & mask == after.eflags & mask,
            "flags: core {:#x}, native {:#x}, compared {mask:#x}\n{}",
            cpu.rflags(),
            after.eflags,
            describe()
        );
        let there = child::data();
        let here = mem.slice(DATA, DATA_SIZE).unwrap();
        if there != here {
            let at = there.iter().zip(here).position(|(a, b)| a != b).unwrap();
            panic!(
                "memory at {:#x}: core {:02x?}, native {:02x?}\n{}",
                DATA + at as u64,
                &here[at..(at + 8).min(DATA_SIZE)],
                &there[at..(at + 8).min(DATA_SIZE)],
                describe()
            );
        }
        regs = theirs;
    }
    let rare: Vec<_> = seen.iter().filter(|(_, n)| **n < 10).collect();
    eprintln!(
        "{done} instructions, {} mnemonics; rare: {rare:?}",
        seen.len()
    );
    assert!(
        steps < 50_000 || seen.len() > 100,
        "too few kinds: {seen:?}"
    );
}
