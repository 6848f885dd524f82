// SPDX-License-Identifier: GPL-2.0-only
//! The loop body: find the op, execute it, count it. What is not an ordinary retirement goes
//! through the cold functions below the fast path.

use crate::bus::Bus;
use crate::cache::DecodeCache;
use crate::cpu::{Cpu, EFER_LONG, EFER_NXE, EFER_SCE, Fault, RAX, RBX, RCX, RDX, canonical};
use crate::debug::BS;
use crate::event::{Source, enter, try_enter};
use crate::exec::thread::{BRANCH, CHAIN_MAX, FIELD, ITERATION, LOAD, STORE};
use crate::flags;
use crate::memory::Memory;
use crate::op::{Flow, NO_TAG, Op, Outcome, request};
use crate::{Features, Shadow, Stop, decode};
use abi::msr;
use abi::totals::{HwEvent, Ring};

/// What one call of [`step()`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An instruction retired.
    Retired,
    /// One iteration of a REP string instruction, with more to come.
    Iterated,
    /// The instruction raised an exception (nothing of it retired), and its handler was entered;
    /// or a debug trap was due and its handler was entered.
    Exception {
        /// Its vector.
        vector: u8,
    },
    /// As [`Step::Retired`], and CPL is another one now.
    RingChanged,
    /// HLT retired, or the core was halted and nothing happened.
    Halted,
    /// Nothing happened: there is a watch point at rip.
    Watch,
    /// As [`Step::Retired`], and it was WRMSR, VMCALL, IN or OUT.
    Bus,
    /// As [`Step::Retired`], and it was PAUSE: this CPU waits for another one.
    Paused,
    /// The run cannot go on.
    Stop(Box<Stop>),
}

/// Executes one instruction or one REP iteration, with delivery of the exception it raises.
#[inline(always)]
pub fn step<B: Bus>(cpu: &mut Cpu, mem: &mut Memory, cache: &mut DecodeCache, bus: &mut B) -> Step {
    // What the next step needs first, rip and hint, comes out of the op and not out of what the
    // step before stored: the host would wait for that store.
    let own = cpu.hint;
    let op = &cache.ops[usize::from(own)];
    if cpu.matches(op.tag) && cache.version == mem.version {
        cpu.rip = op.rip() + u64::from(op.len);
        let outcome = (op.run)(cpu, mem, op);
        let next = match outcome {
            Ok(Flow::Next) => own.wrapping_add(1),
            Ok(Flow::Jump(hint)) => hint,
            _ => {
                let op = *op;
                return finish(cpu, mem, bus, &op, own, outcome);
            }
        };
        cpu.count(HwEvent::Instructions);
        // Last, so that in a loop around this function it stays in a register.
        cpu.hint = next;
        return Step::Retired;
    }
    step_slow(cpu, mem, cache, bus, false)
}

/// What [`run()`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Boundaries passed before `last`: instructions that retired, and iterations of REP string
    /// instructions.
    pub boundaries: u64,
    /// Address at which `last` was made.
    pub rip: u64,
    /// The step that ended it; `None` if the limit did.
    pub last: Option<Step>,
}

/// Executes instructions until one does anything but retire or iterate, over at most `limit` boundaries. With
/// `careful` it also ends behind each instruction that is not plainly computation: one that
/// accesses watched memory, leads back from an event, or changes what events may come.
///
/// It is a loop around [`step()`] that does the same, only faster.
pub fn run<B: Bus>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    cache: &mut DecodeCache,
    bus: &mut B,
    limit: u64,
    careful: bool,
) -> Ran {
    let mut boundaries = 0;
    loop {
        if cache.version == mem.version && !cpu.needs_attention() {
            boundaries += run_chains(cpu, mem, cache, limit - boundaries);
        }
        let rip = cpu.rip;
        let mut ran = Ran {
            boundaries,
            rip,
            last: None,
        };
        if boundaries == limit {
            return ran;
        }
        let step = step(cpu, mem, cache, bus);
        if careful || !matches!(step, Step::Retired | Step::Iterated) {
            ran.last = Some(step);
            return ran;
        }
        boundaries += 1;
    }
}

/// Threaded code as far as it goes; how many boundaries it passes, at most `limit`.
fn run_chains(cpu: &mut Cpu, mem: &mut Memory, cache: &DecodeCache, limit: u64) -> u64 {
    let mut passed = 0;
    while passed < limit {
        let mut at = cpu.hint;
        let tag = cache.ops[usize::from(at)].tag;
        if !cpu.matches(tag) || tag == NO_TAG {
            match cache.decoded(cpu.rip, cpu.user()) {
                Some(found) => at = found,
                None => break,
            }
        }
        let most = (limit - passed).min(CHAIN_MAX);
        let exit = (cache.ops[usize::from(at)].thread)(cpu, mem, &cache.ops, at, most, 0);
        let [left, tally] = cpu.chain;
        let done = most - left;
        passed += done;
        let ring = cpu.row.ring();
        for (event, n) in [
            (HwEvent::Instructions, done - ((tally / ITERATION) & FIELD)),
            (HwEvent::Loads, (tally / LOAD) & FIELD),
            (HwEvent::Stores, (tally / STORE) & FIELD),
            (HwEvent::Branches, (tally / BRANCH) & FIELD),
        ] {
            cpu.totals.add(ring, event, n);
        }
        let Some(at) = exit.at() else {
            cpu.hint = 0;
            continue;
        };
        cpu.rip = cache.ops[usize::from(at)].address();
        cpu.hint = at;
        if exit.leaves() {
            break;
        }
    }
    passed
}

/// As [`step()`], ignoring a watch point at rip.
pub fn step_over_watch<B: Bus>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    cache: &mut DecodeCache,
    bus: &mut B,
) -> Step {
    step_slow(cpu, mem, cache, bus, true)
}

/// Without a usable hint, or with something to attend to.
#[inline(never)]
fn step_slow<B: Bus>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    cache: &mut DecodeCache,
    bus: &mut B,
    over_watch: bool,
) -> Step {
    cache.sync(mem, cpu.features);
    let attention = cpu.needs_attention();
    if attention {
        cpu.update_attention();
        if cpu.debug_trap && cpu.shadow != Shadow::MovSs {
            cpu.fault = Fault {
                vector: 1,
                code: 0,
                cr2: cpu.cr2,
            };
            return raise(cpu, mem, Source::Exception);
        }
        if cpu.halted {
            return Step::Halted;
        }
        let hit = cpu.instruction_breakpoints();
        if hit != 0 {
            cpu.dr[6] |= hit;
            let _raised = cpu.raise(1, 0);
            return raise(cpu, mem, Source::Exception);
        }
    }
    let index = match cache.look_up(mem, cpu.rip, cpu.user()) {
        Ok(index) => index,
        Err(fault) => {
            let _raised = match fault {
                Some(f) => cpu.raise_page(f),
                None => cpu.gp(),
            };
            return raise(cpu, mem, Source::Exception);
        }
    };
    let op = if over_watch {
        cache.unwatched(index)
    } else {
        cache.ops[usize::from(index)]
    };
    let before = (cpu.system_flags, cpu.shadow, cpu.debug_trap);
    cpu.hint = index;
    cpu.rip += u64::from(op.len);
    if attention {
        cpu.system_flags &= !flags::RF;
        cpu.shadow = Shadow::None;
        cpu.debug_trap = false;
        if cpu.has_breakpoints() {
            cpu.watch_data_breakpoints(mem);
        }
    }
    let breaks = attention && cpu.has_breakpoints();
    let outcome = (op.run)(cpu, mem, &op);
    let hit = if breaks { cpu.data_breakpoints(mem) } else { 0 };
    let step = finish(cpu, mem, bus, &op, index, outcome);
    if attention {
        match step {
            Step::Watch | Step::Stop(_) => {
                (cpu.system_flags, cpu.shadow, cpu.debug_trap) = before;
            }
            Step::Exception { .. } => {}
            _ => {
                // TF as of the start decides, unless the instruction entered another ring with
                // TF masked (SYSCALL); a trap behind MOV SS is lost.
                let entered = step == Step::RingChanged && cpu.system_flags & flags::TF == 0;
                let software = matches!(outcome, Ok(Flow::Interrupt));
                let single = before.0 & flags::TF != 0
                    && cpu.shadow != Shadow::MovSs
                    && !software
                    && (!entered || op_leaves_ring(&op));
                if single {
                    cpu.dr[6] |= BS;
                }
                cpu.dr[6] |= hit;
                // That of a data breakpoint behind MOV SS is still due.
                cpu.debug_trap = single || hit != 0 || before.2;
                if step == Step::Iterated {
                    // RF holds for the whole instruction.
                    cpu.system_flags |= before.0 & flags::RF;
                }
            }
        }
        cpu.update_attention();
    }
    step
}

/// SYSRET and IRETQ end outside ring 0; their own trap is due in any case.
const fn op_leaves_ring(op: &Op) -> bool {
    op.tag & 1 == 0
}

/// Delivers `cpu.fault`.
#[cold]
#[inline(never)]
fn raise(cpu: &mut Cpu, mem: &mut Memory, source: Source) -> Step {
    let vector = cpu.fault.vector;
    match enter(cpu, mem, source) {
        Ok(()) => Step::Exception { vector },
        Err(stop) => Step::Stop(stop),
    }
}

/// Whatever is not an ordinary retirement.
#[cold]
#[inline(never)]
fn finish<B: Bus>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    bus: &mut B,
    op: &Op,
    own: u16,
    outcome: Outcome,
) -> Step {
    // Right for all but those that change rings, which only CPL 0 and 3 have.
    let ring = cpu.row.ring();
    let was_user = op.tag & 1 != 0;
    let Ok(flow) = outcome else {
        cpu.rip = op.rip();
        cpu.hint = 0;
        return raise(cpu, mem, Source::Exception);
    };
    match flow {
        Flow::Next => {
            cpu.hint = own.wrapping_add(1);
            cpu.totals.add(ring, HwEvent::Instructions, 1);
            Step::Retired
        }
        Flow::Jump(hint) => {
            cpu.hint = hint;
            cpu.totals.add(ring, HwEvent::Instructions, 1);
            Step::Retired
        }
        Flow::Iterate => {
            cpu.rip = op.rip();
            Step::Iterated
        }
        Flow::Ring => {
            cpu.totals.add(start_ring(op), HwEvent::Instructions, 1);
            if was_user == cpu.user() {
                Step::Retired
            } else {
                Step::RingChanged
            }
        }
        Flow::Halt => {
            cpu.totals.add(ring, HwEvent::Instructions, 1);
            Step::Halted
        }
        Flow::Watch => {
            cpu.rip = op.rip();
            cpu.hint = 0;
            Step::Watch
        }
        Flow::Unimplemented => {
            cpu.rip = op.rip();
            cpu.hint = 0;
            Step::Stop(Box::new(decode::unimplemented(mem, cpu.rip)))
        }
        Flow::Interrupt => {
            let cpl = cpu.cpl();
            cpu.fault = Fault {
                vector: op.imm as u8,
                code: 0,
                cr2: cpu.cr2,
            };
            if try_enter(cpu, mem, Source::Software).is_ok() {
                cpu.totals.add(ring, HwEvent::Instructions, 1);
                cpu.totals.add(ring, HwEvent::Branches, 1);
                return if cpu.cpl() == cpl {
                    Step::Retired
                } else {
                    Step::RingChanged
                };
            }
            // A fault on the way to the handler is the INT's own: it points at the INT.
            cpu.rip = op.rip();
            cpu.hint = 0;
            raise(cpu, mem, Source::Exception)
        }
        Flow::Bus => match bus_request(cpu, mem, bus, op) {
            Ok(step) => {
                cpu.hint = own.wrapping_add(1);
                cpu.totals.add(ring, HwEvent::Instructions, 1);
                step
            }
            Err(Refused::Fault(vector)) => {
                let _raised = cpu.raise(vector, 0);
                cpu.rip = op.rip();
                cpu.hint = 0;
                raise(cpu, mem, Source::Exception)
            }
            Err(Refused::Stop(stop)) => {
                cpu.rip = op.rip();
                cpu.hint = 0;
                Step::Stop(stop)
            }
        },
    }
}

/// The ring of an instruction that may have changed it: only CPL 0 and 3 have such instructions.
const fn start_ring(op: &Op) -> Ring {
    if op.tag & 1 == 0 {
        Ring::Kernel
    } else {
        Ring::User
    }
}

enum Refused {
    Fault(u8),
    Stop(Box<Stop>),
}

const GP: Refused = Refused::Fault(13);

fn bus_request<B: Bus>(
    cpu: &mut Cpu,
    mem: &mut Memory,
    bus: &mut B,
    op: &Op,
) -> Result<Step, Refused> {
    let rcx = cpu.regs[RCX] as u32;
    let pair = |cpu: &mut Cpu, v: u64| {
        cpu.regs[RAX] = v & 0xffff_ffff;
        cpu.regs[RDX] = v >> 32;
    };
    match op.aux {
        request::RDMSR => {
            let v = match read_own_msr(cpu, rcx) {
                Some(v) => v,
                None => bus.rdmsr(rcx, &cpu.totals).map_err(|_| GP)?,
            };
            pair(cpu, v);
        }
        request::WRMSR => {
            let v = cpu.regs[RAX] & 0xffff_ffff | cpu.regs[RDX] << 32;
            if read_own_msr(cpu, rcx).is_some() {
                write_own_msr(cpu, rcx, v).ok_or(GP)?;
            } else {
                bus.wrmsr(rcx, v, &cpu.totals).map_err(|_| GP)?;
            }
            return Ok(Step::Bus);
        }
        // The priority class in the task priority register (SDM vol. 3A, 11.8.6).
        request::READ_CR8 => {
            let v = bus.rdmsr(TPR, &cpu.totals).map_err(|_| GP)?;
            cpu.regs[usize::from(op.dst & 15)] = v >> 4;
        }
        request::WRITE_CR8 => {
            let v = cpu.regs[usize::from(op.src & 15)];
            if v > 15 {
                return Err(GP);
            }
            bus.wrmsr(TPR, v << 4, &cpu.totals).map_err(|_| GP)?;
            return Ok(Step::Bus);
        }
        request::RDPMC => {
            let v = bus.rdpmc(rcx, &cpu.totals).map_err(|_| GP)?;
            pair(cpu, v);
        }
        request::RDTSC => {
            let v = bus.rdtsc(&cpu.totals);
            pair(cpu, v);
        }
        request::RDTSCP => {
            let v = bus.rdtsc(&cpu.totals);
            pair(cpu, v);
            cpu.regs[RCX] = cpu.tsc_aux & 0xffff_ffff;
        }
        request::CPUID => {
            let r = bus.cpuid(cpu.regs[RAX] as u32, rcx);
            for (reg, v) in [RAX, RBX, RCX, RDX].into_iter().zip(r) {
                cpu.regs[reg] = u64::from(v);
            }
        }
        request::PAUSE => return Ok(Step::Paused),
        request::VMCALL => {
            let cpl = cpu.cpl();
            bus.vmcall(&cpu.regs, op.rip(), cpl, mem, &cpu.totals)
                .map_err(|_| Refused::Fault(6))?;
            return Ok(Step::Bus);
        }
        kind => {
            let port = if op.src != 0 {
                cpu.regs[RDX] as u16
            } else {
                op.imm as u16 & 0xff
            };
            let unclaimed = |_| {
                Refused::Stop(Box::new(Stop::UnclaimedPort {
                    rip: op.rip(),
                    port,
                }))
            };
            let rax = cpu.regs[RAX];
            if kind == request::IN {
                let v = u64::from(bus.port_in(port, op.dst).map_err(unclaimed)?);
                cpu.regs[RAX] = match op.dst {
                    1 => rax & !0xff | v & 0xff,
                    2 => rax & !0xffff | v & 0xffff,
                    _ => v,
                };
            } else {
                let v = match op.dst {
                    1 => rax as u32 & 0xff,
                    2 => rax as u32 & 0xffff,
                    _ => rax as u32,
                };
                bus.port_out(port, op.dst, v).map_err(unclaimed)?;
            }
            return Ok(Step::Bus);
        }
    }
    Ok(Step::Retired)
}

const CSTAR: u32 = 0xc000_0083;
/// The x2APIC's task priority register.
const TPR: u32 = 0x808;
const TSC_AUX: u32 = 0xc000_0103;

/// MSRs that are part of the core.
fn read_own_msr(cpu: &Cpu, n: u32) -> Option<u64> {
    Some(match n {
        msr::EFER => cpu.efer,
        msr::STAR => cpu.star,
        msr::LSTAR => cpu.lstar,
        CSTAR => cpu.cstar,
        msr::FMASK => cpu.fmask,
        msr::FS_BASE => cpu.fs_base,
        msr::GS_BASE => cpu.gs_base,
        msr::KERNEL_GS_BASE => cpu.kernel_gs_base,
        TSC_AUX if cpu.features != cpu.features.without(Features::RDTSCP | Features::RDPID) => {
            cpu.tsc_aux
        }
        _ => return None,
    })
}

/// `None`: a value that raises #GP(0).
fn write_own_msr(cpu: &mut Cpu, n: u32, v: u64) -> Option<()> {
    let addresses = [
        msr::LSTAR,
        CSTAR,
        msr::FS_BASE,
        msr::GS_BASE,
        msr::KERNEL_GS_BASE,
    ]
    .contains(&n);
    if addresses && !canonical(v) {
        return None;
    }
    match n {
        msr::EFER => {
            // Long mode cannot be left.
            if v & EFER_LONG != EFER_LONG || v & !(EFER_LONG | EFER_SCE | EFER_NXE) != 0 {
                return None;
            }
            cpu.efer = v;
        }
        msr::STAR => cpu.star = v,
        msr::LSTAR => cpu.lstar = v,
        CSTAR => cpu.cstar = v,
        msr::FMASK => {
            if v >> 32 != 0 {
                return None;
            }
            cpu.fmask = v;
        }
        msr::FS_BASE => cpu.fs_base = v,
        msr::GS_BASE => cpu.gs_base = v,
        msr::KERNEL_GS_BASE => cpu.kernel_gs_base = v,
        _ => {
            if v >> 32 != 0 {
                return None;
            }
            cpu.tsc_aux = v;
        }
    }
    Some(())
}
