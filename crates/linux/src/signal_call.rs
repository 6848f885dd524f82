// SPDX-License-Identifier: GPL-2.0-only
//! Calls about signals. Actions and masks are kept and given back; no signal is ever delivered to a
//! handler. A signal that the process sends to itself ends it, or does nothing, by its default.

use machine::Machine;

use crate::call::{Answer, PROCESS_ID, Refusal, State, unsupported};
use crate::errno::{EINVAL, EPERM, ESRCH};
use crate::process::Ended;
use crate::user;

/// Bytes of the kernel's `struct sigaction`: handler, flags, restorer, mask.
pub(crate) const ACTION_SIZE: usize = 32;
/// No alternate stack.
pub(crate) const SS_DISABLE: u64 = 2;

const SIGNALS: u64 = 64;
const SIGKILL: u64 = 9;
const SIGSTOP: u64 = 19;
/// Bytes of a signal set.
const SET_SIZE: u64 = 8;
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The name of a signal; real-time ones are numbers.
#[must_use]
pub fn signal_name(signal: u8) -> String {
    let at = usize::from(signal).wrapping_sub(1);
    NAMES
        .get(at)
        .map_or_else(|| format!("signal {signal}"), |name| (*name).to_owned())
}

pub(crate) fn rt_sigaction(
    machine: &mut Machine,
    state: &mut State,
    signal: u64,
    new: u64,
    old: u64,
    set_size: u64,
) -> Answer {
    if set_size != SET_SIZE || !(1..=SIGNALS).contains(&signal) {
        return Err(EINVAL.into());
    }
    if new != 0 && (signal == SIGKILL || signal == SIGSTOP) {
        return Err(EINVAL.into());
    }
    let set = match new {
        0 => None,
        _ => {
            let mut action = [0; ACTION_SIZE];
            action.copy_from_slice(&user::read(machine.mem(), new, ACTION_SIZE as u64)?);
            Some(action)
        }
    };
    if old != 0 {
        let before = state.actions.get(&signal).copied().unwrap_or_default();
        user::write(machine.mem_mut(), old, &before)?;
    }
    if let Some(action) = set {
        state.actions.insert(signal, action);
    }
    Ok(0)
}

pub(crate) fn rt_sigprocmask(
    machine: &mut Machine,
    state: &mut State,
    how: u64,
    new: u64,
    old: u64,
    set_size: u64,
) -> Answer {
    if set_size != SET_SIZE {
        return Err(EINVAL.into());
    }
    let before = state.blocked;
    if new != 0 {
        let set = user::read_u64(machine.mem(), new)?;
        let after = match how {
            0 => before | set,
            1 => before & !set,
            2 => set,
            _ => return Err(EINVAL.into()),
        };
        // These two cannot be blocked.
        state.blocked = after & !(1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1));
    }
    user::write_words(machine.mem_mut(), old, &[before])?;
    while let ready @ 1.. = state.pending & !state.blocked {
        let signal = u64::from(ready.trailing_zeros()) + 1;
        state.pending &= !(1 << (signal - 1));
        act(state, signal)?;
    }
    Ok(0)
}

pub(crate) fn sigaltstack(machine: &mut Machine, state: &mut State, new: u64, old: u64) -> Answer {
    let before = state.alternate_stack;
    if new != 0 {
        let mut words = [0; 3];
        for (i, word) in words.iter_mut().enumerate() {
            *word = user::read_u64(machine.mem(), new.wrapping_add(8 * i as u64))?;
        }
        // The flags are 32 bits, with padding behind them.
        words[1] &= 0xffff_ffff;
        state.alternate_stack = words;
    }
    user::write_words(machine.mem_mut(), old, &before)?;
    Ok(0)
}

/// kill(2), tkill(2): only to the process itself.
pub(crate) fn kill(state: &mut State, process: u64, signal: u64) -> Answer {
    // Process identifiers are 32 bits wide; 0 is the own group, -1 everybody.
    let process = process & 0xffff_ffff;
    if process != PROCESS_ID && process != 0 {
        return Err(if process == 0xffff_ffff { EPERM } else { ESRCH }.into());
    }
    send(state, signal)
}

pub(crate) fn tgkill(state: &mut State, group: u64, thread: u64, signal: u64) -> Answer {
    if group & 0xffff_ffff != PROCESS_ID || thread & 0xffff_ffff != PROCESS_ID {
        return Err(ESRCH.into());
    }
    send(state, signal)
}

fn send(state: &mut State, signal: u64) -> Answer {
    if signal > SIGNALS {
        return Err(EINVAL.into());
    }
    if signal == 0 {
        return Ok(0);
    }
    if state.blocked >> (signal - 1) & 1 != 0 {
        state.pending |= 1 << (signal - 1);
        return Ok(0);
    }
    act(state, signal)
}

/// What a signal does that is not blocked.
fn act(state: &State, signal: u64) -> Answer {
    const DEFAULT: u64 = 0;
    const IGNORE: u64 = 1;
    /// SIGCHLD, SIGCONT, SIGURG, SIGWINCH: nothing happens by default.
    const HARMLESS: [u64; 4] = [17, 18, 23, 28];
    /// SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU.
    const STOPS: std::ops::RangeInclusive<u64> = 19..=22;
    let action = state.actions.get(&signal);
    let handler = action.map_or(DEFAULT, |action| {
        action[..8]
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    });
    let name = signal_name(signal as u8);
    match handler {
        IGNORE => Ok(0),
        DEFAULT if HARMLESS.contains(&signal) => Ok(0),
        DEFAULT if STOPS.contains(&signal) => unsupported(format!("of {name}, which stops,")),
        DEFAULT => Err(Refusal::Ended(Ended::Killed(signal as u8))),
        _ => unsupported(format!("of {name} to a handler")),
    }
}
