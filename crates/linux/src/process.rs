// SPDX-License-Identifier: GPL-2.0-only
//! A program on its machine: loading it, running it, and how it ends.

use std::fmt;
use std::sync::Arc;

use cpu::{Features, PAGE, flags};
use image::{Image, ImageError, Place};
use machine::{End, Failure, Hardware, Machine, Schedule, SetupError, Until};

use crate::call::{self, Refusal, State};
use crate::counters::{self, Armed, Counts};
use crate::errno::returned;
use crate::program::Layout;
use crate::random::Random;
use crate::space::{STACK_SIZE, Space};
use crate::stack::{self, Contents, at};

/// How a program is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its arguments, its name first.
    pub args: Vec<Vec<u8>>,
    /// Its environment, `NAME=VALUE` each.
    pub env: Vec<Vec<u8>>,
    /// The path it is started by (`AT_EXECFN`).
    pub path: Vec<u8>,
    /// What readlink of /proc/self/exe says.
    pub exe: Vec<u8>,
    /// Where random bytes come from.
    pub seed: u64,
    /// Bytes of address space, from 0 up; whole pages.
    pub memory: u64,
    /// Where a position-independent program is placed.
    pub base: u64,
}

/// Where a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// File descriptor 1.
    Out,
    /// File descriptor 2.
    Err,
}

/// Takes what a program writes.
pub type Output<'a> = dyn FnMut(Stream, &[u8]) + 'a;

/// Why a program cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is no program of this kind.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It does not fit into the address space.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is no room for heap and stack behind it.
    #[error(
        "no room behind the program, which ends at {end:#x}: the address space has {memory:#x} bytes"
    )]
    NoRoom {
        /// First byte behind the program.
        end: u64,
        /// Bytes of address space.
        memory: u64,
    },
    /// The address space asked for is larger than memory can be.
    #[error("an address space of {0:#x} bytes is larger than {max:#x}, the most there can be", max = cpu::SIZE_MAX)]
    Memory(u64),
    /// The base of a position-independent program is not that of a page.
    #[error("a program cannot be placed at {0:#x}: that is no multiple of 0x1000")]
    Base(u64),
    /// Arguments and environment are too long.
    #[error("arguments and environment take {0} bytes; a quarter of the stack is the most")]
    Arguments(u64),
}

/// A call that is not implemented.
#[derive(Debug, Clone)]
pub struct Unsupported {
    /// Its number.
    pub number: u64,
    /// What of it is missing; empty: all of it.
    pub detail: String,
    /// Address of the SYSCALL.
    pub rip: u64,
    /// What stands there.
    pub place: Place,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match crate::name(number) {
            Some(name) => write!(f, "system call {name} ({number})")?,
            None => write!(f, "system call {number}, which Linux does not have,")?,
        }
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        write!(
            f,
            " is not implemented\n  at {:#x} {}",
            self.rip, self.place
        )
    }
}

/// Why a run returned.
#[derive(Debug, Clone)]
pub enum Ended {
    /// exit or exit_group, with the low 8 bits of the status.
    Exited(u8),
    /// It sent itself a signal that ends it.
    Killed(u8),
    /// It made a call that is not implemented.
    Unsupported(Box<Unsupported>),
    /// An exception, an instruction that is not implemented, or HLT's like.
    Failed(Box<Failure>),
    /// The caller's limit; the program can go on.
    Limit,
}

/// A program on its machine.
#[derive(Debug)]
pub struct Process {
    machine: Machine,
    state: State,
    armed: Armed,
}

const RAX: usize = 0;
const RCX: usize = 1;
const RSP: usize = 4;
const R11: usize = 11;

/// Whose process it is; 0 would be root.
pub(crate) const USER_ID: u64 = 1000;
/// AT_HWCAP2: RDFSBASE and its like may be used.
const HWCAP2_FSGSBASE: u64 = 2;

impl Process {
    /// A program that is about to execute its first instruction.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(bytes: &[u8], hardware: &Hardware, options: &Options) -> Result<Self, LoadError> {
        let arguments = stack::size_of(&options.args, &options.env);
        if arguments > STACK_SIZE / 4 {
            return Err(LoadError::Arguments(arguments));
        }
        let image = Arc::new(Image::parse_unrelocated(bytes, options.base)?);
        if options.memory > cpu::SIZE_MAX {
            return Err(LoadError::Memory(options.memory));
        }
        if !image.bias().is_multiple_of(PAGE) {
            return Err(LoadError::Base(image.bias()));
        }
        let layout = Layout::of(bytes, &image, image.bias());
        let mut machine = Machine::process(Arc::clone(&image), hardware, options.memory)?;
        let space = Space::new(machine.mem_mut(), layout.end);
        let space = space.map_err(|_| LoadError::NoRoom {
            end: layout.end,
            memory: options.memory,
        })?;
        let mut random = Random::new(options.seed);
        let mut at_random = [0; 16];
        random.fill(&mut at_random);
        let hwcap2 = match hardware.features.contains(Features::FSGSBASE) {
            true => HWCAP2_FSGSBASE,
            false => 0,
        };
        let contents = Contents {
            args: &options.args,
            env: &options.env,
            path: &options.path,
            random: at_random,
            auxv: &[
                (at::HWCAP, machine.cpuid(1, 0)[3].into()),
                (at::PAGESZ, PAGE),
                (at::CLKTCK, 100),
                (at::PHDR, layout.headers),
                (at::PHENT, 56),
                (at::PHNUM, layout.header_count),
                (at::BASE, 0),
                (at::FLAGS, 0),
                (at::ENTRY, image.entry()),
                (at::UID, USER_ID),
                (at::EUID, USER_ID),
                (at::GID, USER_ID),
                (at::EGID, USER_ID),
                (at::SECURE, 0),
                (at::HWCAP2, hwcap2),
            ],
        };
        let (rsp, bytes) = stack::build(options.memory, &contents);
        machine
            .mem_mut()
            .write(rsp, &bytes)
            .expect("the stack is inside memory");
        let core = machine.core_mut(0);
        core.cpu.regs[RSP] = rsp;
        core.cpu.set_rflags(flags::IF);
        let armed = counters::arm(core);
        Ok(Self {
            machine,
            state: State::new(space, random, options.exe.clone()),
            armed,
        })
    }

    /// Runs over at most `limit` boundaries.
    pub fn run(&mut self, limit: u64, out: &mut Output<'_>) -> Ended {
        let stop = self.machine.cores()[0].ordinal.saturating_add(limit);
        loop {
            let left = stop.saturating_sub(self.machine.cores()[0].ordinal);
            let until = Until::End { limit: left };
            match self.machine.run(&mut Schedule::empty(), &mut (), until) {
                End::SystemCall => {
                    if let Some(ended) = self.answer(out) {
                        return ended;
                    }
                }
                End::Failed(failure) => return Ended::Failed(failure),
                // HLT is privileged, and nobody exits by a guest call here.
                End::Limit | End::Boundary | End::Halted | End::Exited(_) => return Ended::Limit,
            }
        }
    }

    /// Carries out the call that the core has just made, and returns to the program.
    fn answer(&mut self, out: &mut Output<'_>) -> Option<Ended> {
        let regs = self.machine.cores()[0].cpu.regs;
        let number = regs[RAX];
        let result = match call::answer(&mut self.machine, &mut self.state, out) {
            Ok(value) => Ok(value),
            Err(Refusal::Errno(errno)) => Err(errno),
            Err(Refusal::Ended(ended)) => return Some(ended),
            Err(Refusal::Unsupported(detail)) => {
                // SYSCALL is two bytes long and leaves the next address in RCX.
                let rip = regs[RCX].wrapping_sub(2);
                let place = self.machine.image().place(rip);
                return Some(Ended::Unsupported(Box::new(Unsupported {
                    number,
                    detail,
                    rip,
                    place,
                })));
            }
        };
        let cpu = &mut self.machine.core_mut(0).cpu;
        cpu.regs[RAX] = returned(result);
        cpu.rip = regs[RCX];
        cpu.set_rflags(regs[R11]);
        cpu.enter_user();
        None
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What the machine's counters say.
    #[must_use]
    pub fn counts(&self) -> Counts {
        counters::read(&self.machine.cores()[0], &self.armed)
    }
}
