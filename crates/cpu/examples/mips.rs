// SPDX-License-Identifier: GPL-2.0-only
//! Prints how many million instructions a second the core executes on `long_kern` of the sweep
//! benchmark's image: `mips target.bin [turns]`. Permissions are set and a mark is alive, so that
//! the undo log works.
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use cpu::{Cpu, DecodeCache, Memory, NoBus, Perm, Step, run};
use std::time::Instant;

/// CPU time of this thread in seconds, where the kernel tells; else wall time.
fn now(start: Instant) -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|s| s.split_whitespace().next()?.parse::<f64>().ok())
        .map_or_else(|| start.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

const BASE: u64 = 0x40_0000;
const SIZE: u64 = 0x2_0000;
const RSP: usize = 4;
const RDI: usize = 7;

/// Runs `function(argument)` to its end; the number of instructions.
fn call(
    cpu: &mut Cpu,
    mem: &mut Memory,
    cache: &mut DecodeCache,
    header: &[u64],
    function: usize,
    argument: u64,
) -> u64 {
    let (stop, stack) = (header[7], header[11]);
    mem.write_u64(stack - 8, stop)
        .expect("stack outside the image");
    cpu.regs[RSP] = stack - 8;
    cpu.regs[RDI] = argument;
    cpu.rip = header[function];
    cpu.set_rflags(2);
    // There is a HLT at `stop`.
    let ran = run(cpu, mem, cache, &mut NoBus, u64::MAX, false);
    assert!(
        ran.last == Some(Step::Halted) && cpu.rip == stop + 1,
        "{ran:?}"
    );
    cpu.halted = false;
    ran.boundaries
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("usage: mips target.bin [turns]");
    let turns = args
        .next()
        .map_or(2000, |t| t.parse().expect("turns: a number"));
    let image = std::fs::read(&path).expect("cannot read the image");
    let mut mem = Memory::new(BASE + SIZE);
    mem.protect(BASE, 0x1_0000, Perm::READ | Perm::EXEC);
    mem.protect(BASE + 0x1_0000, SIZE - 0x1_0000, Perm::READ | Perm::WRITE);
    mem.write(BASE, &image).expect("image too large");
    let header: Vec<u64> = (0..13)
        .map(|i| mem.read_u64(BASE + 8 * i).expect("header"))
        .collect();
    assert_eq!(
        header[0], 0x5452_474d_4938_3658,
        "not the benchmark's image"
    );
    let mut cpu = Cpu::new();
    let mut cache = DecodeCache::new();
    for function in [1, 2, 2] {
        call(&mut cpu, &mut mem, &mut cache, &header, function, 0);
    }
    let n = call(&mut cpu, &mut mem, &mut cache, &header, 2, 0);
    println!("routine: {n} instructions");
    for (name, function, argument) in [("long_kern", 5, turns), ("long_alu", 6, turns * 400)] {
        let mark = mem.mark();
        let clock = Instant::now();
        let start = now(clock);
        let n = call(&mut cpu, &mut mem, &mut cache, &header, function, argument);
        let seconds = now(clock) - start;
        println!(
            "{name}: {n} instructions, {:.1} MIPS",
            n as f64 / seconds / 1e6
        );
        mem.release(mark);
    }
}
