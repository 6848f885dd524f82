// SPDX-License-Identifier: GPL-2.0-only
//! A child process that executes batches of single instructions. Each is entered by the return
//! from a signal with the trap flag set and left by the next signal, so that a step costs no
//! switch between processes. Cases and results lie in memory shared with the parent.

use libc::{c_int, c_void, pid_t, siginfo_t, ucontext_t};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The code page.
pub(crate) const CODE: u64 = 0x10_0000;
/// The data pages.
pub(crate) const DATA: u64 = 0x20_0000;
/// Bytes of data.
pub(crate) const DATA_SIZE: usize = 0x4000;
const CODE_SIZE: usize = 0x1000;
/// Cases of a batch.
pub(crate) const BATCH: usize = 1024;
/// Bytes that one instruction may change, from the first to the last.
pub(crate) const CHANGE_MAX: usize = 512;
const STACK_SIZE: usize = 0x2_0000;
/// The child has not answered for so long: it never will.
const PATIENCE_MS: c_int = 60_000;
const TF: u64 = 1 << 8;
const IF: u64 = 1 << 9;

/// What an instruction can read and write besides memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct State {
    pub(crate) xmm: [u128; 16],
    /// ST(0) to ST(7), 80 bits each.
    pub(crate) st: [u128; 8],
    /// In the order of the core.
    pub(crate) regs: [u64; 16],
    pub(crate) rip: u64,
    pub(crate) flags: u64,
    pub(crate) mxcsr: u32,
    /// x87 control word, status word, and which physical registers are not empty.
    pub(crate) fcw: u16,
    pub(crate) fsw: u16,
    pub(crate) ftw: u8,
}

/// An instruction and where it starts from.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Case {
    pub(crate) state: State,
    pub(crate) code: [u8; 16],
    /// Written to memory before, if the address is not 0.
    pub(crate) patch: [u8; 16],
    pub(crate) patch_at: u64,
    /// What a fault leaves of it in memory is nobody's business.
    pub(crate) forgive: bool,
}

/// The bytes that an instruction changed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Change {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) bytes: [u8; CHANGE_MAX],
}

impl Change {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        at: 0,
        len: 0,
        bytes: [0; CHANGE_MAX],
    };

    /// What differs between `old` and `new`, cut to [`CHANGE_MAX`] bytes.
    pub(crate) fn between(old: &[u8], new: &[u8]) -> Self {
        let mut change = Self::NONE;
        if old != new {
            let differs = |n: &usize| old[*n] != new[*n];
            let first = (0..old.len()).find(differs).unwrap_or(0);
            let last = (0..old.len()).rev().find(differs).unwrap_or(0);
            change.at = first;
            change.len = (last + 1 - first).min(CHANGE_MAX);
            change.bytes[..change.len].copy_from_slice(&new[first..first + change.len]);
        }
        change
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Where an instruction ended.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Outcome {
    pub(crate) state: State,
    pub(crate) change: Change,
    /// SIGTRAP if it retired.
    pub(crate) signal: i32,
}

/// Shared by parent and child.
#[repr(C)]
struct Shared {
    cases: [Case; BATCH],
    outcomes: [Outcome; BATCH],
    /// The data pages at the start, and as they were before each case.
    shadow: [u8; DATA_SIZE],
    /// The child's own state, while it runs a batch.
    own_fp: [u8; FP_SIZE],
    own_regs: [i64; 23],
    at: usize,
    count: usize,
}

/// Bytes of the FXSAVE image that the handler looks at.
const FP_SIZE: usize = 416;
const FP_MXCSR: usize = 24;
const FP_ST: usize = 32;
const FP_XMM: usize = 160;

/// In the child: its shared memory.
static SHARED: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());

const ORDER: [c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Ends one case and starts the next. Runs on its own stack, with all signals blocked.
extern "C" fn on_signal(signal: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a ucontext_t with a floating-point frame; `SHARED` was set before
    // the handler was, and the parent touches the mapping only while this process waits for it.
    // The data pages are mapped, and nothing else uses them during the handler.
    unsafe {
        let shared = &mut *SHARED.load(Ordering::Relaxed);
        let machine = &mut (*context.cast::<ucontext_t>()).uc_mcontext;
        let fp = std::slice::from_raw_parts_mut(machine.fpregs.cast::<u8>(), FP_SIZE);
        let data = std::slice::from_raw_parts_mut(DATA as *mut u8, DATA_SIZE);
        if signal == libc::SIGUSR1 {
            shared.own_regs.copy_from_slice(&machine.gregs);
            shared.own_fp.copy_from_slice(fp);
            shared.at = 0;
        } else {
            let forgive = shared.cases[shared.at].forgive && signal != libc::SIGTRAP;
            if forgive {
                data.copy_from_slice(&shared.shadow);
            }
            let outcome = &mut shared.outcomes[shared.at];
            outcome.signal = signal;
            for (to, from) in outcome.state.regs.iter_mut().zip(ORDER) {
                *to = machine.gregs[from as usize] as u64;
            }
            outcome.state.rip = machine.gregs[libc::REG_RIP as usize] as u64;
            outcome.state.flags = machine.gregs[libc::REG_EFL as usize] as u64;
            let mut word = [0; 4];
            word.copy_from_slice(&fp[FP_MXCSR..FP_MXCSR + 4]);
            outcome.state.mxcsr = u32::from_le_bytes(word);
            for (n, to) in outcome.state.xmm.iter_mut().enumerate() {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&fp[FP_XMM + 16 * n..FP_XMM + 16 * n + 16]);
                *to = u128::from_le_bytes(bytes);
            }
            for (n, to) in outcome.state.st.iter_mut().enumerate() {
                let mut bytes = [0; 16];
                bytes[..10].copy_from_slice(&fp[FP_ST + 16 * n..FP_ST + 16 * n + 10]);
                *to = u128::from_le_bytes(bytes);
            }
            outcome.state.fcw = u16::from_le_bytes([fp[0], fp[1]]);
            outcome.state.fsw = u16::from_le_bytes([fp[2], fp[3]]);
            outcome.state.ftw = fp[4];
            outcome.change = Change::between(&shared.shadow, data);
            shared.shadow.copy_from_slice(data);
            shared.at += 1;
        }
        if shared.at == shared.count {
            machine.gregs.copy_from_slice(&shared.own_regs);
            fp.copy_from_slice(&shared.own_fp);
            return;
        }
        let case = &shared.cases[shared.at];
        for (from, to) in case.state.regs.iter().zip(ORDER) {
            machine.gregs[to as usize] = *from as i64;
        }
        machine.gregs[libc::REG_RIP as usize] = case.state.rip as i64;
        machine.gregs[libc::REG_EFL as usize] = (case.state.flags | TF | IF) as i64;
        fp[FP_MXCSR..FP_MXCSR + 4].copy_from_slice(&case.state.mxcsr.to_le_bytes());
        for (n, from) in case.state.xmm.iter().enumerate() {
            fp[FP_XMM + 16 * n..FP_XMM + 16 * n + 16].copy_from_slice(&from.to_le_bytes());
        }
        for (n, from) in case.state.st.iter().enumerate() {
            fp[FP_ST + 16 * n..FP_ST + 16 * n + 16].copy_from_slice(&from.to_le_bytes());
        }
        fp[0..2].copy_from_slice(&case.state.fcw.to_le_bytes());
        fp[2..4].copy_from_slice(&case.state.fsw.to_le_bytes());
        fp[4] = case.state.ftw;
        ptr::copy_nonoverlapping(case.code.as_ptr(), case.state.rip as *mut u8, 16);
        if case.patch_at != 0 {
            let at = (case.patch_at - DATA) as usize;
            data[at..at + 16].copy_from_slice(&case.patch);
            shared.shadow[at..at + 16].copy_from_slice(&case.patch);
        }
    }
}

/// What the child does with its life.
///
/// # Safety
/// Only in a forked child: takes over its signals and never returns.
unsafe fn serve(shared: *mut Shared, commands: c_int, answers: c_int) -> ! {
    // SAFETY: only async-signal-safe functions; all pointers outlive their calls.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        SHARED.store(shared, Ordering::Relaxed);
        let stack = map(0, STACK_SIZE, libc::PROT_READ | libc::PROT_WRITE, 0);
        let rwx = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let code = map(CODE, CODE_SIZE, rwx, libc::MAP_FIXED_NOREPLACE);
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        let data = map(DATA, DATA_SIZE, rw, libc::MAP_FIXED_NOREPLACE);
        if stack.is_null() || code as u64 != CODE || data as u64 != DATA {
            libc::_exit(2);
        }
        ptr::copy_nonoverlapping((*shared).shadow.as_ptr(), data.cast::<u8>(), DATA_SIZE);
        let mut alternative: libc::stack_t = std::mem::zeroed();
        alternative.ss_sp = stack;
        alternative.ss_size = STACK_SIZE;
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&raw mut action.sa_mask);
        let mut failed = libc::sigaltstack(&raw const alternative, ptr::null_mut()) != 0;
        for signal in [
            libc::SIGUSR1,
            libc::SIGTRAP,
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
        ] {
            failed |= libc::sigaction(signal, &raw const action, ptr::null_mut()) != 0;
        }
        let mut byte = 0u8;
        while !failed {
            if libc::read(commands, (&raw mut byte).cast(), 1) != 1 {
                libc::_exit(0);
            }
            libc::raise(libc::SIGUSR1);
            failed = libc::write(answers, (&raw const byte).cast(), 1) != 1;
        }
        libc::_exit(3);
    }
}

/// Anonymous memory; null if there is none.
fn map(addr: u64, size: usize, protection: c_int, flags: c_int) -> *mut c_void {
    let sharing = if flags & libc::MAP_SHARED != 0 {
        0
    } else {
        libc::MAP_PRIVATE
    };
    // SAFETY: a fresh mapping that replaces none.
    let at = unsafe {
        libc::mmap(
            addr as *mut c_void,
            size,
            protection,
            sharing | libc::MAP_ANONYMOUS | flags,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        ptr::null_mut()
    } else {
        at
    }
}

fn pipe() -> Result<[c_int; 2], String> {
    let mut ends = [0; 2];
    // SAFETY: `ends` outlives the call.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } == 0 {
        Ok(ends)
    } else {
        Err("cannot make a pipe".into())
    }
}

/// The parent's side.
pub(crate) struct Child {
    pid: pid_t,
    shared: *mut Shared,
    commands: c_int,
    answers: c_int,
}

// SAFETY: the mapping behind `shared` belongs to no thread; all use of it needs `&mut Child`.
unsafe impl Send for Child {}

impl Child {
    /// Starts a child whose data pages hold `data`.
    ///
    /// # Errors
    /// Why this host has no such child.
    pub(crate) fn start(data: &[u8]) -> Result<Self, String> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let shared = map(0, size_of::<Shared>(), protection, libc::MAP_SHARED).cast::<Shared>();
        if shared.is_null() {
            return Err("cannot map shared memory".into());
        }
        // SAFETY: the mapping is fresh, all zero, and valid so.
        unsafe { (*shared).shadow.copy_from_slice(data) };
        let (commands, answers) = (pipe()?, pipe()?);
        // SAFETY: the child calls only async-signal-safe functions.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: this is the forked child. It must not hold the parent's ends.
            unsafe {
                libc::close(commands[1]);
                libc::close(answers[0]);
                serve(shared, commands[0], answers[1]);
            }
        }
        // SAFETY: the child's ends are of no use here.
        unsafe {
            libc::close(commands[0]);
            libc::close(answers[1]);
        }
        if pid < 0 {
            return Err("cannot fork".into());
        }
        Ok(Self {
            pid,
            shared,
            commands: commands[1],
            answers: answers[0],
        })
    }

    /// Executes `cases` (at most [`BATCH`]), each on the memory that the one before left.
    ///
    /// # Errors
    /// The number of the case that the child did not survive.
    pub(crate) fn run(&mut self, cases: &[Case]) -> Result<&[Outcome], usize> {
        assert!(cases.len() <= BATCH);
        // SAFETY: the child waits for a command: the mapping is this process's.
        let shared = unsafe { &mut *self.shared };
        shared.cases[..cases.len()].copy_from_slice(cases);
        shared.count = cases.len();
        shared.at = 0;
        let mut byte = 1u8;
        let mut ready = libc::pollfd {
            fd: self.answers,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: all pointers outlive their calls.
        let answered = unsafe {
            libc::write(self.commands, (&raw const byte).cast(), 1) == 1
                && libc::poll(&raw mut ready, 1, PATIENCE_MS) == 1
                && libc::read(self.answers, (&raw mut byte).cast(), 1) == 1
        };
        // SAFETY: the child has answered, or will not touch the mapping any more in a way that
        // matters.
        let shared = unsafe { &*self.shared };
        if answered && shared.at == cases.len() {
            Ok(&shared.outcomes[..cases.len()])
        } else {
            Err(shared.at)
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: child, descriptors and mapping are ours, and used no more.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, ptr::null_mut(), 0);
            libc::close(self.commands);
            libc::close(self.answers);
            libc::munmap(self.shared.cast(), size_of::<Shared>());
        }
    }
}
