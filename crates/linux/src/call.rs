// SPDX-License-Identifier: GPL-2.0-only
//! Which system call is what. The calls themselves stand by subject in the files beside.

use std::collections::BTreeMap;

use machine::Machine;

use crate::errno::{EAGAIN, EINVAL, ENOSYS, EPERM, Errno};
use crate::process::{Ended, Output, USER_ID};
use crate::random::Random;
use crate::space::{STACK_SIZE, Space};
use crate::{file_call, memory_call, signal_call, user};

/// Why a call does not return a value.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It returns an error.
    Errno(Errno),
    /// It does not return.
    Ended(Ended),
    /// It, or what the words name of it, is not implemented.
    Unsupported(String),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What a call returns.
pub(crate) type Answer = Result<u64, Refusal>;

/// What of a call is missing, in words.
pub(crate) fn unsupported(words: impl Into<String>) -> Answer {
    Err(Refusal::Unsupported(words.into()))
}

/// What the kernel would know of the process.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) space: Space,
    pub(crate) random: Random,
    /// Signal actions that were set, as the program wrote them.
    pub(crate) actions: BTreeMap<u64, [u8; signal_call::ACTION_SIZE]>,
    pub(crate) blocked: u64,
    /// Signals that were sent while blocked.
    pub(crate) pending: u64,
    /// sigaltstack: address, flags, size.
    pub(crate) alternate_stack: [u64; 3],
    /// Target of /proc/self/exe.
    pub(crate) exe: Vec<u8>,
}

impl State {
    pub(crate) fn new(space: Space, random: Random, exe: Vec<u8>) -> Self {
        Self {
            space,
            random,
            actions: BTreeMap::new(),
            blocked: 0,
            pending: 0,
            alternate_stack: [0, signal_call::SS_DISABLE, 0],
            exe,
        }
    }
}

/// The only thread of the only process.
pub(crate) const PROCESS_ID: u64 = 1000;

/// The call whose number and arguments the registers hold (RAX; RDI, RSI, RDX, R10, R8, R9).
pub(crate) fn answer(machine: &mut Machine, state: &mut State, out: &mut Output<'_>) -> Answer {
    let regs = machine.cores()[0].cpu.regs;
    let args = [regs[7], regs[6], regs[2], regs[10], regs[8], regs[9]];
    let [a, b, c, d, ..] = args;
    match regs[0] {
        1 => file_call::write(machine, out, a, b, c),
        2 | 21 => file_call::open(machine, a),
        3 => file_call::close(a),
        5 => file_call::fstat(machine, a, b),
        7 => poll(b, c),
        8 => file_call::lseek(a),
        9 => memory_call::mmap(machine, state, &args),
        10 => memory_call::mprotect(machine, state, a, b, c),
        11 => memory_call::munmap(machine, state, a, b),
        12 => Ok(state.space.set_heap_end(machine.mem_mut(), a)),
        13 => signal_call::rt_sigaction(machine, state, a, b, c, d),
        14 => signal_call::rt_sigprocmask(machine, state, a, b, c, d),
        16 => file_call::ioctl(a, b),
        20 => file_call::writev(machine, out, a, b, c),
        25 => memory_call::mremap(machine, state, &args),
        28 => memory_call::madvise(machine, state, a, b, c),
        // sched_yield and set_robust_list: with one thread there is nothing to do.
        24 | 273 => Ok(0),
        39 | 186 | 218 => Ok(PROCESS_ID),
        60 | 231 => Err(Refusal::Ended(Ended::Exited(a as u8))),
        62 | 200 => signal_call::kill(state, a, b),
        63 => uname(machine, a),
        72 => file_call::fcntl(a, b),
        89 => file_call::readlink(machine, state, a, b, c),
        96 => gettimeofday(machine, a, b),
        97 => prlimit(machine, b, a, 0),
        99 => sysinfo(machine, a),
        102 | 104 | 107 | 108 => Ok(USER_ID),
        110 => Ok(1),
        131 => signal_call::sigaltstack(machine, state, a, b),
        158 => arch_prctl(machine, a, b),
        201 => time(machine, a),
        202 => futex(machine, a, b, c),
        204 => sched_getaffinity(machine, b, c),
        228 => clock_gettime(machine, a, b),
        229 => clock_getres(machine, a, b),
        234 => signal_call::tgkill(state, a, b, c),
        257 | 269 | 439 => file_call::open(machine, b),
        262 => file_call::newfstatat(machine, &args),
        267 => file_call::readlink(machine, state, b, c, d),
        302 => {
            if c != 0 {
                return Err(EPERM.into());
            }
            prlimit(machine, d, b, a)
        }
        318 => getrandom(machine, state, a, b),
        // Restartable sequences: the libraries go on without.
        334 => Err(ENOSYS.into()),
        _ => unsupported(""),
    }
}

fn poll(count: u64, timeout: u64) -> Answer {
    if timeout != 0 && count != 0 {
        return unsupported("with a time to wait");
    }
    Ok(0)
}

fn uname(machine: &mut Machine, buffer: u64) -> Answer {
    const FIELD: usize = 65;
    let fields = ["Linux", "pmusim", "5.5.0", "#1", "x86_64", "(none)"];
    let mut bytes = [0; 6 * FIELD];
    for (i, text) in fields.iter().enumerate() {
        bytes[i * FIELD..i * FIELD + text.len()].copy_from_slice(text.as_bytes());
    }
    user::write(machine.mem_mut(), buffer, &bytes)?;
    Ok(0)
}

/// struct sysinfo: the address space is all the memory there is, and all of it counts as free.
fn sysinfo(machine: &mut Machine, to: u64) -> Answer {
    const WORDS: usize = 14;
    let (uptime, _) = clock(machine);
    let memory = machine.mem().size();
    let mut words = [0; WORDS];
    words[0] = uptime;
    // totalram, freeram; procs; mem_unit.
    words[4] = memory;
    words[5] = memory;
    words[10] = 1;
    words[13] = 1;
    let bytes: Vec<u8> = words.iter().flat_map(|w: &u64| w.to_le_bytes()).collect();
    user::write(machine.mem_mut(), to, &bytes)?;
    Ok(0)
}

fn arch_prctl(machine: &mut Machine, code: u64, value: u64) -> Answer {
    const SET_GS: u64 = 0x1001;
    const SET_FS: u64 = 0x1002;
    const GET_FS: u64 = 0x1003;
    const GET_GS: u64 = 0x1004;
    /// Addresses of programs end here.
    const TASK_SIZE: u64 = 0x7fff_ffff_f000;
    let (fs, gs) = {
        let cpu = &machine.cores()[0].cpu;
        (cpu.fs_base, cpu.gs_base)
    };
    match code {
        SET_FS | SET_GS if value >= TASK_SIZE => return Err(EPERM.into()),
        SET_FS => machine.core_mut(0).cpu.fs_base = value,
        SET_GS => machine.core_mut(0).cpu.gs_base = value,
        GET_FS => user::write(machine.mem_mut(), value, &fs.to_le_bytes())?,
        GET_GS => user::write(machine.mem_mut(), value, &gs.to_le_bytes())?,
        _ => return Err(EINVAL.into()),
    }
    Ok(0)
}

/// Seconds and nanoseconds of the simulated clock, which starts at 0 with the program.
fn clock(machine: &Machine) -> (u64, u64) {
    let ns = machine.cores()[0].clock_ns();
    (ns / 1_000_000_000, ns % 1_000_000_000)
}

/// Every clock that Linux has, alarms included, is the same one.
const CLOCKS: u64 = 12;

fn clock_gettime(machine: &mut Machine, id: u64, to: u64) -> Answer {
    if id >= CLOCKS {
        return Err(EINVAL.into());
    }
    let (seconds, ns) = clock(machine);
    let bytes: Vec<u8> = [seconds, ns].iter().flat_map(|w| w.to_le_bytes()).collect();
    user::write(machine.mem_mut(), to, &bytes)?;
    Ok(0)
}

fn clock_getres(machine: &mut Machine, id: u64, to: u64) -> Answer {
    if id >= CLOCKS {
        return Err(EINVAL.into());
    }
    user::write_words(machine.mem_mut(), to, &[0, 1])?;
    Ok(0)
}

fn gettimeofday(machine: &mut Machine, to: u64, zone: u64) -> Answer {
    let (seconds, ns) = clock(machine);
    user::write_words(machine.mem_mut(), to, &[seconds, ns / 1000])?;
    user::write_words(machine.mem_mut(), zone, &[0])?;
    Ok(0)
}

fn time(machine: &mut Machine, to: u64) -> Answer {
    let (seconds, _) = clock(machine);
    user::write_words(machine.mem_mut(), to, &[seconds])?;
    Ok(seconds)
}

fn getrandom(machine: &mut Machine, state: &mut State, to: u64, len: u64) -> Answer {
    /// Linux gives no more at once.
    const MOST: u64 = (1 << 25) - 1;
    let mut bytes = vec![0; len.min(MOST) as usize];
    // A bad address must not use bytes up.
    let mut random = state.random.clone();
    random.fill(&mut bytes);
    user::write(machine.mem_mut(), to, &bytes)?;
    state.random = random;
    Ok(bytes.len() as u64)
}

/// prlimit64 and getrlimit: only questions.
fn prlimit(machine: &mut Machine, to: u64, resource: u64, process: u64) -> Answer {
    const STACK: u64 = 3;
    const FILES: u64 = 7;
    const RESOURCES: u64 = 16;
    if process != 0 && process != PROCESS_ID {
        return Err(EPERM.into());
    }
    if resource >= RESOURCES {
        return Err(EINVAL.into());
    }
    let limits = match resource {
        STACK => [STACK_SIZE, u64::MAX],
        FILES => [1024, 4096],
        _ => [u64::MAX, u64::MAX],
    };
    user::write_words(machine.mem_mut(), to, &limits)?;
    Ok(0)
}

fn sched_getaffinity(machine: &mut Machine, len: u64, to: u64) -> Answer {
    if len < 8 || !len.is_multiple_of(8) {
        return Err(EINVAL.into());
    }
    user::write(machine.mem_mut(), to, &1_u64.to_le_bytes())?;
    Ok(8)
}

/// With one thread there is nobody to wake, and waiting would never end.
fn futex(machine: &Machine, addr: u64, operation: u64, value: u64) -> Answer {
    const COMMAND: u64 = 0x7f;
    const WAIT: u64 = 0;
    const WAKE: u64 = 1;
    match operation & COMMAND {
        WAKE => Ok(0),
        WAIT if u64::from(user::read_u32(machine.mem(), addr)?) != value & 0xffff_ffff => {
            Err(EAGAIN.into())
        }
        WAIT => unsupported("that waits, with nobody who could wake,"),
        other => unsupported(format!("with operation {other}")),
    }
}
