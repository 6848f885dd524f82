// SPDX-License-Identifier: GPL-2.0-only
//! A program run natively, stopped before every instruction.

use std::cell::Cell;
use std::ffi::CString;
use std::io;
use std::path::Path;

use libc::{c_char, c_int, c_long, c_void, pid_t, user_regs_struct};

pub(crate) struct Child {
    pid: pid_t,
    /// Where its output would be read; open, so that writing goes on.
    reader: c_int,
    ended: Cell<bool>,
}

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// Before the next instruction.
    Stopped,
    /// The program has exited with this status.
    Exited(i32),
}

impl Child {
    /// The program with one argument, its path, an empty environment, standard output and error in a
    /// pipe that nobody reads (it holds what these programs write; a file or device may take what a
    /// pipe refuses), and no randomised addresses; it stands before its first instruction.
    pub(crate) fn start(path: &Path) -> Result<Self, String> {
        let path = CString::new(path.to_str().expect("text")).expect("no null bytes");
        let argv = [path.as_ptr(), std::ptr::null()];
        let envp: [*const c_char; 1] = [std::ptr::null()];
        let mut pipe: [c_int; 2] = [0; 2];
        // SAFETY: the array has room for both ends.
        if unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err("cannot make a pipe".into());
        }
        // SAFETY: the child calls only async-signal-safe functions.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: as above; the arrays live until execve, and the child never returns.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
                for fd in 0..3 {
                    libc::dup2(pipe[usize::from(fd != 0)], fd);
                }
                if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0 {
                    libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr());
                }
                libc::_exit(127);
            }
        }
        // SAFETY: our own descriptor.
        unsafe { libc::close(pipe[1]) };
        let child = Self {
            pid,
            reader: pipe[0],
            ended: Cell::new(false),
        };
        if pid < 0 {
            return Err("cannot fork".into());
        }
        match child.wait()? {
            Stepped::Stopped => Ok(child),
            Stepped::Exited(_) => Err("this process may not trace a child".into()),
        }
    }

    fn wait(&self) -> Result<Stepped, String> {
        let mut status: c_int = 0;
        // SAFETY: `status` outlives the call.
        let got = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        if got != self.pid {
            return Err("the child is gone".into());
        }
        self.ended.set(!libc::WIFSTOPPED(status));
        if libc::WIFEXITED(status) {
            return Ok(Stepped::Exited(libc::WEXITSTATUS(status)));
        }
        if libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGTRAP {
            return Ok(Stepped::Stopped);
        }
        Err(format!(
            "the child stopped or ended with status {status:#x}"
        ))
    }

    pub(crate) fn registers(&self) -> user_regs_struct {
        // SAFETY: an all-zero structure of integers is valid.
        let mut regs: user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: the child is stopped and `regs` outlives the call.
        let done = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.pid, 0, &raw mut regs) };
        assert_eq!(done, 0, "cannot read the child's registers");
        regs
    }

    pub(crate) fn word(&self, addr: u64) -> u64 {
        // SAFETY: errno is this thread's own; the child is stopped, and nothing of ours is written.
        let word = unsafe {
            *libc::__errno_location() = 0;
            libc::ptrace(libc::PTRACE_PEEKDATA, self.pid, addr as *mut c_void, 0)
        };
        assert!(
            word != -1 || io::Error::last_os_error().raw_os_error() == Some(0),
            "cannot read the child's memory at {addr:#x}"
        );
        word.cast_unsigned()
    }

    pub(crate) fn set_word(&self, addr: u64, word: u64) {
        // SAFETY: the child is stopped, and its memory is written, not ours.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_POKEDATA,
                self.pid,
                addr as *mut c_void,
                word as c_long,
            )
        };
        assert_eq!(done, 0, "cannot write the child's memory at {addr:#x}");
    }

    /// Executes one instruction, or one iteration of a REP string instruction.
    pub(crate) fn step(&self) -> Stepped {
        // SAFETY: the child is stopped.
        let done = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.pid, 0, 0) };
        assert_eq!(done, 0, "cannot step the child");
        self.wait().expect("the child stops or exits after a step")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child and the descriptor are ours. A child that has ended was waited for: no
        // other process can have its number but one of a later fork, so it is not killed then.
        unsafe {
            if self.pid > 0 && !self.ended.get() {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
            libc::close(self.reader);
        }
    }
}
