// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim exec`: a program on the bare core, through the same step loop as everything else. Linux
//! programs go on in [`crate::exec_linux`].

use std::sync::Arc;

use abi::layout::{MEMORY_SIZE, PAGE_SIZE};
use abi::totals::{HwEvent, Ring};
use cpu::Perm;
use image::Image;
use machine::{End, Machine, Schedule, Until};
use report::{ExecReport, ExecStop};

use crate::args::{ExecArgs, Register};
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exec_linux;
use crate::exit::Exit;
use crate::files;

/// Instructions without `--max-insns`.
const INSTRUCTIONS_MAX: u64 = 100_000_000;
/// Boundaries between two looks at Ctrl-C.
pub(crate) const CHUNK: u64 = 10_000_000;
/// Boundaries allowed for each instruction of the limit, and on top of that: iterations of REP
/// instructions and exceptions are boundaries too, but retire nothing.
pub(crate) const BOUNDARIES_PER_INSTRUCTION: u64 = 16;
pub(crate) const BOUNDARIES_MORE: u64 = 1 << 32;

pub(crate) fn run(context: &Context, args: &ExecArgs) -> Result<Exit, Failure> {
    let name = args.program.display();
    let bytes = files::bytes(&args.program)?;
    if bytes.is_empty() {
        return Err(Failure::input(format!(
            "{name} is empty: there is nothing to execute"
        )));
    }
    let elf = bytes.starts_with(b"\x7fELF");
    if args.linux && !elf {
        return Err(Failure::input(format!(
            "{name} is no ELF, so no Linux program"
        )));
    }
    let raw = args.raw || !bytes.starts_with(b"\x7fELF");
    if !raw && !args.bare && (args.linux || for_linux(&bytes, args.base)) {
        return exec_linux::run(context, args, &bytes);
    }
    if !args.args.is_empty() || !args.env.is_empty() {
        let words = "takes no arguments and no environment: its code has no SYSCALL, so it is none \
                     of Linux (--linux: it is)";
        return Err(Failure::input(format!("{name} {words}")));
    }
    let image = if raw {
        context.verbose(|| format!("{name}: raw machine code at {:#x}", args.base));
        Image::raw(args.base, &bytes)
    } else {
        Image::parse_at(&bytes, args.base)
    };
    let image = image.map_err(|error| Failure::input(format!("{name}: {error}")))?;
    let (machine, _) = Configs::around(None).machine(&args.machine)?;
    let hardware =
        explore::hardware(&machine).map_err(|error| Failure::input(error.to_string()))?;
    let mut machine = Machine::bare(Arc::new(image), &hardware)
        .map_err(|error| Failure::input(format!("{name}: {error}")))?;
    if raw {
        let all = Perm::READ | Perm::WRITE | Perm::EXEC;
        machine
            .mem_mut()
            .protect(PAGE_SIZE, MEMORY_SIZE - PAGE_SIZE, all);
    }
    for &(register, value) in &args.reg {
        let cpu = &mut machine.core_mut(0).cpu;
        match register {
            Register::General(at) => cpu.regs[at] = value,
            Register::Rip => cpu.rip = value,
            Register::Rflags => cpu.set_rflags(value),
        }
    }

    let end = execute(
        context,
        &mut machine,
        args.max_insns.unwrap_or(INSTRUCTIONS_MAX),
    );
    let report = ExecReport::new(&machine, end.as_ref());
    context.result("exec", &report, |out| report.human(out))?;
    Ok(match report.stop {
        ExecStop::Hlt => Exit::Good,
        ExecStop::Exception | ExecStop::Unimplemented => Exit::Finding,
        ExecStop::Limit => Exit::Cut,
        ExecStop::Interrupted => Exit::Interrupted,
    })
}

/// Whether an ELF is a Linux program. A damaged one is the bare core's to complain about.
pub(crate) fn for_linux(bytes: &[u8], base: u64) -> bool {
    Image::parse_unrelocated(bytes, base).is_ok_and(|image| linux::looks_like_linux(&image))
}

/// Runs until an end or until `max_insns` instructions have retired; `None` when interrupted.
pub(crate) fn execute(context: &Context, machine: &mut Machine, max_insns: u64) -> Option<End> {
    let boundaries_max = max_insns
        .saturating_mul(BOUNDARIES_PER_INSTRUCTION)
        .saturating_add(BOUNDARIES_MORE);
    loop {
        if context.interrupt.pressed() {
            return None;
        }
        // A boundary retires one instruction at most, so this never runs past the limit.
        let left = max_insns.saturating_sub(retired(machine));
        if left == 0 && machine.cores()[0].cpu.halted {
            // The last instruction allowed was a HLT.
            return Some(End::Halted);
        }
        if left == 0 || machine.cores()[0].ordinal >= boundaries_max {
            return Some(End::Limit);
        }
        let until = Until::End {
            limit: left.min(CHUNK),
        };
        match machine.run(&mut Schedule::empty(), &mut (), until) {
            End::Limit => {}
            end => return Some(end),
        }
    }
}

pub(crate) fn retired(machine: &Machine) -> u64 {
    let totals = &machine.cores()[0].cpu.totals;
    totals.get(Ring::Kernel, HwEvent::Instructions) + totals.get(Ring::User, HwEvent::Instructions)
}
