// SPDX-License-Identifier: GPL-2.0-only
//! The way a run takes through a range of boundaries, and what each instruction on it touches:
//! the ground on which a sweep decides that two boundaries are equivalent.

use check::Sight;
use cpu::{Access, AccessKind};
use machine::{End, Machine, ObjectAccess, Observer, Ordinal, Schedule, Until, View};

/// Positions of RSP and RBP in the register file.
const RSP: usize = 4;
const RBP: usize = 5;
/// Bytes that an instruction may push.
const PUSHED: u64 = 16;

/// RFLAGS.TF.
const TF: u64 = 1 << 8;

/// WRMSR and VMCALL: requests that bring nothing back.
const WRMSR: [u8; 2] = [0x0f, 0x30];
const VMCALL: [u8; 3] = [0x0f, 0x01, 0xc1];

/// A boundary, and what the instruction behind it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// CPU.
    pub(crate) cpu: usize,
    /// The boundary.
    pub(crate) ordinal: Ordinal,
    /// Address of the instruction.
    pub(crate) rip: u64,
    /// The instruction begins at CPL 3.
    pub(crate) user: bool,
    /// It does more than compute and access memory: a device, a ring, an event, a segment, the
    /// interrupt flag, the turn.
    pub(crate) fence: bool,
    /// It got an answer from a device.
    pub(crate) asks: bool,
    /// An oracle can tell that it happened.
    pub(crate) seen: bool,
    /// It touches a named object.
    pub(crate) object: bool,
    /// It touches nothing but the stack that it runs on.
    pub(crate) local: bool,
    /// Step of the CPU's program.
    pub(crate) program: Option<usize>,
    /// The CPU that waits or has ended, so that the turn came here.
    pub(crate) turn_of: Option<usize>,
    /// The chain of return addresses, or the function, is another one behind it.
    pub(crate) frame: bool,
    /// RSP is another one behind it.
    pub(crate) stack: bool,
    /// Its accesses, in [`Path::accesses`].
    from: u32,
    to: u32,
}

/// A run, boundary by boundary.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path {
    /// In the order of time.
    pub(crate) steps: Vec<Step>,
    /// Quadwords accessed: address / 8, and whether it was written.
    accesses: Vec<(u64, bool)>,
}

/// What one instruction does, as far as the machine tells.
struct Seen<'a> {
    sight: &'a Sight,
    accesses: Vec<(u64, bool)>,
    seen: bool,
    object: bool,
    local: bool,
    rsp: u64,
}

/// The quadwords of an access.
pub(crate) fn words(access: &Access) -> impl Iterator<Item = u64> {
    let last = access.addr + u64::from(access.size.max(1)) - 1;
    access.addr >> 3..=last >> 3
}

impl Observer for Seen<'_> {
    fn memory(&mut self, view: &View<'_>, access: &Access, _rip: u64) {
        let write = access.kind == AccessKind::Write;
        self.accesses
            .extend(words(access).map(|word| (word, write)));
        let Access {
            kind, addr, size, ..
        } = *access;
        // Above RSP by less than what lies between two stacks; below it by what is pushed.
        let above = addr.wrapping_sub(self.rsp).wrapping_add(PUSHED);
        self.local &= above < cpu::PAGE;
        self.seen |= self.sight.sees(view.objects, kind, addr, size);
    }

    fn access(&mut self, _view: &View<'_>, _access: &ObjectAccess) {
        self.object = true;
    }
}

impl Path {
    /// Runs `machine` under `schedule` one boundary at a time, while `wanted` says so or until the
    /// run ends, and notes the way.
    pub(crate) fn record(
        machine: &mut Machine,
        schedule: &mut Schedule,
        sight: &Sight,
        mut wanted: impl FnMut(&Machine) -> bool,
    ) -> Self {
        let mut path = Self::default();
        let mut seen = Seen {
            sight,
            accesses: Vec::new(),
            seen: false,
            object: false,
            local: true,
            rsp: 0,
        };
        machine.record_memory(true);
        while wanted(machine) {
            let cpu = machine.turn();
            let before = facts(machine, cpu);
            let core = &machine.cores()[cpu];
            let (ordinal, rip, rbp) = (core.ordinal, core.cpu.rip, core.cpu.regs[RBP]);
            let function = machine.image().function_at(rip).map(|f| f.addr);
            let system = core.cpu.clone();
            let from = seen.accesses.len() as u32;
            (seen.seen, seen.object, seen.local) = (false, false, true);
            seen.rsp = core.cpu.regs[RSP];
            let end = machine.run(schedule, &mut seen, Until::End { limit: 1 });
            let after = facts(machine, cpu);
            let core = &machine.cores()[cpu];
            let plain = before == after
                && core.ordinal == ordinal + 1
                && !before.busy
                && core.cpu.same_system_state(&system);
            let next = machine.image().function_at(core.cpu.rip).map(|f| f.addr);
            path.steps.push(Step {
                cpu,
                ordinal,
                rip,
                user: before.user,
                fence: !plain,
                asks: before.requests != after.requests && !tells(machine, rip),
                seen: seen.seen,
                object: seen.object,
                local: seen.local,
                program: before.step,
                turn_of: path.steps.last().map(|s| s.cpu).filter(|&last| last != cpu),
                frame: core.cpu.regs[RBP] != rbp || next != function,
                stack: core.cpu.regs[RSP] != seen.rsp,
                from,
                to: seen.accesses.len() as u32,
            });
            if !matches!(end, End::Limit) {
                break;
            }
        }
        machine.record_memory(false);
        path.accesses = seen.accesses;
        path
    }

    /// The quadwords that a step accesses: address / 8, and whether it is written.
    pub(crate) fn accesses(&self, step: &Step) -> &[(u64, bool)] {
        &self.accesses[step.from as usize..step.to as usize]
    }

    /// Position of the first step of `cpu` at or behind boundary `ordinal`.
    pub(crate) fn position(&self, cpu: usize, ordinal: Ordinal) -> usize {
        let found = |step: &Step| step.cpu == cpu && step.ordinal >= ordinal;
        self.steps
            .iter()
            .position(found)
            .unwrap_or(self.steps.len())
    }
}

/// What must stay the same over an instruction that only computes and accesses memory.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    turn: usize,
    requests: u64,
    system_reads: u64,
    user: bool,
    step: Option<usize>,
    /// Something else than the next instruction may come: a shadow, a trap, a halt, a model.
    busy: bool,
}

fn facts(machine: &Machine, cpu: usize) -> Facts {
    let core = &machine.cores()[cpu];
    let user = core.cpu.cpl() == 3;
    Facts {
        turn: machine.turn(),
        requests: machine.requests(),
        system_reads: core.cpu.system_reads(),
        user,
        step: core.step,
        busy: user
            || core.cpu.shadow() != cpu::Shadow::None
            || core.cpu.rflags() & TF != 0
            || core.cpu.halted
            || core.model.is_some(),
    }
}

/// The instruction only tells a device something.
fn tells(machine: &Machine, rip: u64) -> bool {
    let mut bytes = [0; 3];
    machine.mem().read(rip, &mut bytes).is_ok() && (bytes[..2] == WRMSR || bytes == VMCALL)
}
