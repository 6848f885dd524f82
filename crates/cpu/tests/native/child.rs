// SPDX-License-Identifier: GPL-2.0-only
//! A traced child that executes one instruction at a time on memory shared with this process.

use libc::{c_void, pid_t, user_regs_struct};

/// The code page.
pub(crate) const CODE: u64 = 0x10_0000;
/// The data pages.
pub(crate) const DATA: u64 = 0x20_0000;
/// Bytes of data.
pub(crate) const DATA_SIZE: usize = 0x4000;
const CODE_SIZE: usize = 0x1000;

pub(crate) struct Child {
    pid: pid_t,
}

fn map(addr: u64, size: usize, protection: i32) -> Result<(), String> {
    // SAFETY: a fresh mapping that replaces none (the flag refuses).
    let at = unsafe {
        libc::mmap(
            addr as *mut c_void,
            size,
            protection,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    if at as u64 == addr {
        Ok(())
    } else {
        Err(format!("cannot map memory at {addr:#x}"))
    }
}

impl Child {
    pub(crate) fn start() -> Result<Self, String> {
        map(
            CODE,
            CODE_SIZE,
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
        )?;
        map(DATA, DATA_SIZE, libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: the child calls only async-signal-safe functions.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: as above; the child never returns into the test.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) != 0 {
                    libc::_exit(1);
                }
                libc::raise(libc::SIGSTOP);
                libc::_exit(0);
            }
        }
        if pid < 0 {
            return Err("cannot fork".into());
        }
        let child = Self { pid };
        match child.wait() {
            Ok(libc::SIGSTOP) => Ok(child),
            _ => Err("this process may not trace a child".into()),
        }
    }

    fn wait(&self) -> Result<i32, String> {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let got = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        if got == self.pid && libc::WIFSTOPPED(status) {
            Ok(libc::WSTOPSIG(status))
        } else {
            Err(format!("the child ended, status {status:#x}"))
        }
    }

    pub(crate) fn registers(&self) -> user_regs_struct {
        // SAFETY: an all-zero structure of integers is valid.
        let mut regs: user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: the child is stopped and `regs` outlives the call.
        let done = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.pid, 0, &raw mut regs) };
        assert_eq!(done, 0, "cannot read the child's registers");
        regs
    }

    /// Executes one instruction from `regs`; the signal that stopped it (SIGTRAP if it retired).
    pub(crate) fn step(&self, regs: &user_regs_struct) -> i32 {
        // SAFETY: the child is stopped and `regs` outlives the call.
        let done = unsafe { libc::ptrace(libc::PTRACE_SETREGS, self.pid, 0, &raw const *regs) };
        assert_eq!(done, 0, "cannot set the child's registers");
        // SAFETY: the child is stopped.
        let done = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.pid, 0, 0) };
        assert_eq!(done, 0, "cannot step the child");
        self.wait().expect("the child stops after a step")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child is ours.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

/// Replaces shared memory.
pub(crate) fn write(addr: u64, data: &[u8]) {
    assert!(
        (CODE..=CODE + CODE_SIZE as u64 - data.len() as u64).contains(&addr)
            || (DATA..=DATA + (DATA_SIZE - data.len()) as u64).contains(&addr)
    );
    // SAFETY: inside one of the two mappings; the child is stopped.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), addr as *mut u8, data.len()) };
}

/// The data pages.
pub(crate) fn data() -> Vec<u8> {
    let mut out = vec![0; DATA_SIZE];
    // SAFETY: the mapping has this size; the child is stopped.
    unsafe { std::ptr::copy_nonoverlapping(DATA as *const u8, out.as_mut_ptr(), DATA_SIZE) };
    out
}
