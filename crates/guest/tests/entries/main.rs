// SPDX-License-Identifier: GPL-2.0-only
//! The committed guest image on the simulated core: it boots, serves system calls, and no
//! interruption at any instruction boundary changes what its user program sees.
//!
//! This is the test of the assembly: each boundary of the entries, from the first instruction
//! after SYSCALL to the IRETQ of an interrupt, is interrupted once.

mod rig;

use abi::layout::{CALL_FUNCTION_VECTOR, IRQ_WORK_VECTOR, TIMER_VECTOR, USER_DATA, USER_DATA_SIZE};
use abi::{boot, syscall};
use cpu::Event;
use iced_x86::code_asm::{
    CodeAssembler, dword_ptr, eax, ecx, edi, edx, esi, qword_ptr, r8, r9, r10, r12, r13, r14, r15,
    rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp,
};
use rig::{Injection, Refused, Rig};

/// Where the program keeps its results, from the start of its data.
const RESULTS: i32 = 0x200;
/// Where `read` puts its eight bytes.
const COUNT: i32 = 0x400;
/// Exit status of the program.
const STATUS: u64 = 7;
/// Iterations of the counted loop.
const LOOP: u32 = 20;

/// Opens an instruction counter, runs a loop under it, reads and closes it, and stores every
/// register on the way.
fn program() -> Vec<u8> {
    let mut a = CodeAssembler::new(64).unwrap();
    let mut slot = RESULTS;
    let mut store = |a: &mut CodeAssembler, register| {
        a.mov(qword_ptr(r15 + slot), register).unwrap();
        slot += 8;
    };
    let mut go = || -> Result<(), iced_x86::IcedError> {
        a.mov(r15, USER_DATA)?;
        a.mov(rbx, 0x1111u64)?;
        a.mov(rbp, 0x2222u64)?;
        a.mov(r12, 0x3333u64)?;
        a.mov(r13, 0x4444u64)?;
        a.mov(r14, 0x5555u64)?;
        a.mov(eax, syscall::PERF_EVENT_OPEN as u32)?;
        a.mov(rdi, r15)?;
        a.mov(rsi, -1i64 as u64)?;
        a.mov(rdx, 0u64)?;
        a.mov(r10, -1i64 as u64)?;
        a.mov(r8, 0u64)?;
        a.mov(r9, 0x9999u64)?;
        a.syscall()?;
        for register in [
            rax, rdi, rsi, rdx, r10, r8, r9, rbx, rbp, rsp, r12, r13, r14,
        ] {
            store(&mut a, register);
        }
        a.mov(edi, eax)?;
        a.mov(eax, syscall::IOCTL as u32)?;
        a.mov(esi, syscall::IOC_ENABLE as u32)?;
        a.mov(edx, 0)?;
        a.syscall()?;
        store(&mut a, rax);
        a.mov(ecx, LOOP)?;
        let mut again = a.create_label();
        a.set_label(&mut again)?;
        a.dec(ecx)?;
        a.jne(again)?;
        a.mov(edi, dword_ptr(r15 + RESULTS))?;
        a.mov(eax, syscall::READ as u32)?;
        a.lea(rsi, qword_ptr(r15 + COUNT))?;
        a.mov(edx, 8)?;
        a.syscall()?;
        store(&mut a, rax);
        a.mov(eax, 9999)?;
        a.syscall()?;
        store(&mut a, rax);
        a.mov(edi, dword_ptr(r15 + RESULTS))?;
        a.mov(eax, syscall::CLOSE as u32)?;
        a.syscall()?;
        store(&mut a, rax);
        for register in [rbx, rbp, rsp, r12, r13, r14] {
            store(&mut a, register);
        }
        a.mov(eax, syscall::EXIT as u32)?;
        a.mov(edi, STATUS as u32)?;
        a.syscall()?;
        a.mov(rcx, 0u64)?;
        a.ud2()
    };
    go().unwrap();
    a.assemble(abi::layout::USER_TEXT).unwrap()
}

/// An instruction counter for ring 3, off at first.
fn attr() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(syscall::TYPE_HARDWARE.to_le_bytes());
    bytes.extend(syscall::Attr::SIZE.to_le_bytes());
    bytes.extend(syscall::HW_INSTRUCTIONS.to_le_bytes());
    bytes.extend([0; 24]);
    let flags = syscall::Attr::DISABLED | syscall::Attr::EXCLUDE_KERNEL;
    bytes.extend(flags.to_le_bytes());
    bytes.resize(syscall::Attr::SIZE as usize, 0);
    bytes
}

fn booted() -> Rig {
    let mut rig = Rig::new(&program(), &attr());
    rig.boot();
    rig
}

#[test]
fn the_program_sees_linux_system_calls() {
    let mut rig = booted();
    let run = rig.run(&[]);
    assert_eq!(run.status, Some(STATUS));
    let word = |at: i32| {
        let at = at as usize;
        u64::from_le_bytes(run.data[at..at + 8].try_into().unwrap())
    };
    let results: Vec<u64> = (0..23).map(|i| word(RESULTS + i * 8)).collect();
    let all = u64::MAX;
    let stack = USER_DATA + USER_DATA_SIZE;
    let registers = [
        USER_DATA, all, 0, all, 0, 0x9999, 0x1111, 0x2222, stack, 0x3333, 0x4444, 0x5555,
    ];
    assert_eq!(results[0], 3, "the first descriptor");
    assert_eq!(results[1..13], registers, "all but RAX, RCX and R11 stay");
    assert_eq!(results[13], 0, "ioctl");
    assert_eq!(results[14], 8, "read");
    assert_eq!(results[15] as i64, -38, "ENOSYS");
    assert_eq!(results[16], 0, "close");
    assert_eq!(
        results[17..],
        [0x1111, 0x2222, stack, 0x3333, 0x4444, 0x5555]
    );
    // A store and a MOV, the loop, four instructions and the SYSCALL itself.
    assert_eq!(word(COUNT), 2 + 2 * u64::from(LOOP) + 4 + 1);
}

/// Runs the program once for each boundary with what `make` gives for it.
fn sweep(rig: &mut Rig, make: impl Fn(u64) -> Vec<Injection>) -> u64 {
    let quiet = rig.run(&[]);
    let mut entries = 0;
    for boundary in 0..quiet.boundaries {
        let injections = make(boundary);
        let run = rig.run(&injections);
        assert_eq!(run.status, quiet.status, "{injections:?}");
        assert!(run.data == quiet.data, "{injections:?} changed user memory");
        assert!(run.entries == injections.len() as u64, "{injections:?}");
        entries += run.entries;
    }
    entries
}

#[test]
fn an_nmi_at_any_boundary_changes_nothing() {
    let entries = sweep(&mut booted(), |at| vec![(at, Event::Nmi)]);
    assert!(entries > 1000);
}

#[test]
fn a_second_nmi_that_waits_for_the_first_changes_nothing() {
    sweep(&mut booted(), |at| {
        vec![(at, Event::Nmi), (at + 1, Event::Nmi)]
    });
}

#[test]
fn a_tick_at_any_boundary_changes_nothing() {
    let vector = TIMER_VECTOR;
    sweep(&mut booted(), |at| vec![(at, Event::Interrupt { vector })]);
}

#[test]
fn an_nmi_at_any_boundary_of_an_interrupt_changes_nothing() {
    let mut rig = booted();
    let vector = IRQ_WORK_VECTOR;
    let quiet = rig.run(&[]);
    let of_one = rig.run(&[(0, Event::Interrupt { vector })]).boundaries - quiet.boundaries;
    assert!(of_one > 20, "the interrupt has {of_one} boundaries");
    // From ring 3, and from a system call, where interrupts are on.
    let in_kernel = rig.first_boundary_in("sys_perf_event_open");
    for at in [3, in_kernel] {
        for later in 0..=of_one {
            let run = rig.run(&[(at, Event::Interrupt { vector }), (at + later, Event::Nmi)]);
            assert_eq!((run.status, run.entries), (Some(STATUS), 2));
            assert!(
                run.data == quiet.data,
                "NMI {later} after the interrupt at {at}"
            );
        }
    }
}

#[test]
fn exceptions_stop_the_machine_and_say_where() {
    let text = |code: &[u8]| {
        let mut rig = Rig::new(code, &[]);
        rig.boot();
        rig.run_to_panic()
    };
    assert_eq!(
        text(&[0x0f, 0x0b]),
        "exception 6 (#UD) error code 0x0 at rip 0x800000 in ring 3"
    );
    // mov rax, [0x1000]
    assert_eq!(
        text(&[0x48, 0x8b, 0x04, 0x25, 0x00, 0x10, 0x00, 0x00]),
        "exception 14 (#PF) error code 0x4 at rip 0x800000 in ring 3 cr2 0x1000"
    );
    // int 0x80 from ring 3; error code: vector << 3 | IDT.
    assert_eq!(
        text(&[0xcd, 0x80]),
        "exception 13 (#GP) error code 0x402 at rip 0x800000 in ring 3"
    );
    // rdmsr is privileged.
    assert!(text(&[0x0f, 0x32]).starts_with("exception 13 (#GP)"));
}

/// WRMSR and RDMSR.
const MSR_INSTRUCTIONS: [[u8; 2]; 2] = [[0x0f, 0x30], [0x0f, 0x32]];
/// An MSR that does not exist, as a freed event names it.
const NO_MSR: u32 = 0x6b6b_6b6b;

/// What is right behind an instruction that was refused: an RDMSR read 0.
fn goes_on(refused: &Refused, read: bool) {
    let (mut regs, flags) = refused.before;
    if read {
        regs[0] = 0;
        regs[2] = 0;
    }
    assert_eq!(refused.after, (regs, flags));
    let (regs, _) = refused.before;
    let value = regs[2] << 32 | regs[0] & 0xffff_ffff;
    let what = if read {
        "RDMSR of 0x6b6b6b6b".to_owned()
    } else {
        format!("WRMSR of {value:#x} to 0x6b6b6b6b")
    };
    let text = format!("{what}: no such register, or no such value");
    assert_eq!(refused.warning.as_ref(), Some(&text));
}

#[test]
fn an_msr_access_that_faults_warns_and_the_kernel_goes_on() {
    for bytes in MSR_INSTRUCTIONS {
        let read = bytes == MSR_INSTRUCTIONS[1];
        let mut rig = booted();
        // The driver's RDMSR are in its NMI handler only, and in what puts fixed counters on.
        rig.run_to_instruction(bytes);
        let quiet = rig.run_refused(NO_MSR, None);
        goes_on(&quiet, read);
        for at in 0..quiet.boundaries {
            let refused = rig.run_refused(NO_MSR, Some(at));
            goes_on(&refused, read);
            assert_eq!(refused.nmis, 1, "{at}");
        }
    }
}

#[test]
fn an_msr_access_that_faults_in_an_nmi_lets_in_no_other() {
    for bytes in MSR_INSTRUCTIONS {
        let mut rig = booted();
        rig.go_to("perf_read");
        rig.deliver(Event::Nmi);
        rig.run_to_instruction(bytes);
        let refused = rig.run_refused(NO_MSR, Some(0));
        goes_on(&refused, bytes == MSR_INSTRUCTIONS[1]);
        assert_eq!(refused.nmis, 0);
    }
}

#[test]
fn a_counter_that_does_not_exist_stops_the_machine() {
    let mut rig = booted();
    rig.run_to_instruction([0x0f, 0x33]);
    rig.name_no_counter();
    let text = rig.run_to_panic();
    assert!(text.starts_with("exception 13 (#GP)"), "{text}");
}

#[test]
fn an_interrupt_without_a_gate_names_its_vector() {
    let mut rig = booted();
    rig.deliver(Event::Interrupt { vector: 0x41 });
    // An empty gate is of no known type. Error code: vector << 3, IDT, external.
    assert_eq!(
        rig.run_to_panic(),
        "exception 13 (#GP) error code 0x20b at rip 0x800000 in ring 3"
    );
}

#[test]
fn a_stack_that_runs_over_is_a_double_fault() {
    let mut rig = booted();
    rig.shrink_stack_in("sys_perf_event_open");
    let text = rig.run_to_panic();
    assert!(text.starts_with("exception 8 (#DF)"), "{text}");
}

#[test]
fn a_cross_call_without_calls_changes_nothing() {
    let vector = CALL_FUNCTION_VECTOR;
    sweep(&mut booted(), |at| vec![(at, Event::Interrupt { vector })]);
}

#[test]
fn another_boot_block_is_refused() {
    let mut rig = Rig::new(&program(), &attr());
    rig.write_boot_info(0, boot::BOOT_VERSION + 1);
    let text = rig.run_to_panic();
    assert_eq!(text, "BOOT_INFO has another version than this image knows");
    let mut rig = Rig::new(&program(), &attr());
    rig.write_boot_info(4, 0);
    let text = rig.run_to_panic();
    assert_eq!(text, "a CPU started that BOOT_INFO does not count");
}

#[test]
fn user_programs_may_read_counters() {
    // mov ecx, 1 << 30; rdpmc; ud2
    let mut rig = Rig::new(&[0xb9, 0, 0, 0, 0x40, 0x0f, 0x33, 0x0f, 0x0b], &[]);
    rig.boot();
    assert!(rig.run_to_panic().starts_with("exception 6 (#UD)"));
}
