// SPDX-License-Identifier: GPL-2.0-only
//! Static Linux user programs on the simulated core.
//!
//! A [`Process`] is one program at CPL 3 on a machine without a kernel: each SYSCALL stops the
//! machine ([`machine::End::SystemCall`]) and is carried out here, on the host side, in no time and
//! without retiring an instruction. What a program can observe is a function of its bytes,
//! arguments, environment and seed: the clock is made of retired instructions, random bytes come
//! from the seed, addresses are fixed.
//!
//! It is a personality, not a kernel: enough calls for start-up, memory, output and the end of one
//! thread. A call that is not here ends the run with its name and place ([`Ended::Unsupported`]);
//! none is answered with a guess. Absent on purpose: files, signals to handlers, threads,
//! processes, dynamic linking.
//!
//! | file | what |
//! |---|---|
//! | `program` | the ELF as the kernel's loader looks at it |
//! | `stack` | the initial stack: arguments, environment, auxiliary vector |
//! | `space` | the address space: mappings, heap, permissions |
//! | `process` | loading and running; counters |
//! | `call` | which call is what |
//! | `memory_call`, `signal_call`, `file_call` | the calls by subject |
//! | `user` | reading and writing the program's memory |
//! | `names` | names of all calls |
//! | `random` | bytes from the seed |
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod call;
mod counters;
mod errno;
mod file_call;
mod memory_call;
mod names;
mod process;
mod program;
mod random;
mod signal_call;
mod space;
mod stack;
mod user;

pub use counters::Counts;
pub use names::name;
pub use process::{Ended, LoadError, Options, Output, Process, Stream, Unsupported};
pub use program::looks_like_linux;
pub use signal_call::signal_name;
