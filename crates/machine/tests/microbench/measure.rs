// SPDX-License-Identifier: GPL-2.0-only
//! Measuring on the simulated core: copies in a loop between two RDPMC.

use std::sync::Arc;

use cpu::Perm;
use iced_x86::{Encoder, Instruction};
use image::Image;
use machine::{End, Hardware, Machine, Schedule, Timing, Until};

const CODE: u64 = 0x10_0000;
const DATA: u64 = 0x20_0000;
const STACK: u64 = 0x40_0000;
/// Where the first count is kept.
const KEPT: u64 = 0x30_0000;
/// Iterations before and after the loop is known to caches and predictors.
const RUNS: [u32; 2] = [8, 20];

/// IA32_PERFEVTSEL0: cycles (3CH) in the kernel, enabled.
const SELECT: u32 = 0x3c | 1 << 17 | 1 << 22;

fn hardware() -> Hardware {
    Hardware {
        timing: Timing::Skylake,
        features: cpu::Features::ALL,
        pmu: pmu::Config {
            version: 4,
            gp_counters: 4,
            fixed_counters: 3,
            full_width_writes: true,
            per_instruction: pmu::Rates::LAGGING,
            ..pmu::Config::default()
        },
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    }
}

/// The program that runs `body` so many times and halts with the cycles in EAX.
fn program(body: &[Instruction], runs: u32) -> Option<Vec<u8>> {
    let mut code = vec![
        0xb9, 0x86, 0x01, 0, 0, // mov ecx, IA32_PERFEVTSEL0
        0xb8,
    ];
    code.extend(SELECT.to_le_bytes()); // mov eax, SELECT
    code.extend([0x31, 0xd2, 0x0f, 0x30]); // xor edx, edx; wrmsr
    code.extend([0x31, 0xc0, 0x0f, 0xa2]); // xor eax, eax; cpuid
    code.extend([0x31, 0xc9, 0x0f, 0x33]); // xor ecx, ecx; rdpmc
    code.extend([0x89, 0x04, 0x25]); // mov [KEPT], eax
    code.extend((KEPT as u32).to_le_bytes());
    // Operands: quotients of what is divided fit, whatever the divisor's width.
    code.extend([0xb8, 3, 0, 0, 0, 0x31, 0xd2]); // mov eax, 3; xor edx, edx
    code.extend([0x41, 0xbd, 1, 0, 0, 0]); // mov r13d, 1
    code.extend([0xb9, 3, 0, 0, 0]); // mov ecx, 3
    code.extend([0x41, 0xbc]); // mov r12d, STACK
    code.extend((STACK as u32).to_le_bytes());
    code.push(0xbf); // mov edi, DATA
    code.extend((DATA as u32).to_le_bytes());
    code.extend([0x41, 0xbf]); // mov r15d, runs
    code.extend(runs.to_le_bytes());
    while code.len() % 64 != 0 {
        code.push(0x90);
    }
    let start = code.len();
    for instruction in body {
        let mut encoder = Encoder::new(64);
        encoder.encode(instruction, CODE + code.len() as u64).ok()?;
        code.extend(encoder.take_buffer());
    }
    code.extend([0x41, 0xff, 0xcf, 0x0f, 0x85]); // dec r15d; jnz
    let back = start as i64 - (code.len() as i64 + 4);
    code.extend((back as i32).to_le_bytes());
    code.extend([0x31, 0xc0, 0x0f, 0xa2]); // xor eax, eax; cpuid
    code.extend([0x31, 0xc9, 0x0f, 0x33]); // xor ecx, ecx; rdpmc
    code.extend([0x2b, 0x04, 0x25]); // sub eax, [KEPT]
    code.extend((KEPT as u32).to_le_bytes());
    code.push(0xf4); // hlt
    Some(code)
}

fn run(body: &[Instruction], runs: u32) -> Option<f64> {
    let code = program(body, runs)?;
    let image = Image::raw(CODE, &code).ok()?;
    let mut machine = Machine::bare(Arc::new(image), &hardware()).ok()?;
    let data = Perm::READ | Perm::WRITE;
    machine.mem_mut().protect(CODE, 0x1_0000, data | Perm::EXEC);
    machine.mem_mut().protect(DATA - 0x1000, 0x4000, data);
    machine.mem_mut().protect(KEPT, 0x1000, data);
    machine.mem_mut().protect(STACK - 0x8000, 0x1_0000, data);
    for at in (DATA - 0x1000..DATA + 0x2000).step_by(8) {
        let ones = 0x0101_0101_0101_0101_u64;
        machine.mem_mut().write(at, &ones.to_le_bytes()).ok()?;
    }
    let cpu = &mut machine.core_mut(0).cpu;
    cpu.regs[4] = STACK;
    // CR4.OSFXSR and OSXMMEXCPT: XMM registers may be used.
    cpu.cr4 |= 1 << 9 | 1 << 10;
    let until = Until::End { limit: 1_000_000 };
    match machine.run(&mut Schedule::empty(), &mut (), until) {
        End::Halted => Some(f64::from(machine.cores()[0].cpu.regs[0] as u32)),
        _ => None,
    }
}

/// Cycles of one pass through `body` in the steady state; none where the core does not execute it.
pub(crate) fn cycles(body: &[Instruction]) -> Option<f64> {
    let [few, many] = RUNS;
    Some((run(body, many)? - run(body, few)?) / f64::from(many - few))
}
