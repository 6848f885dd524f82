// SPDX-License-Identifier: GPL-2.0-only
//! The step loop: the whole life of the machine on one page.
//!
//! At every boundary, in this order: the caller's limit, a decision, a PMI that skid held back,
//! counter overflows, NMI, interrupt; then instructions run until the next point of interest, with
//! one comparison for each. What the instruction did outside the core (WRMSR, guest calls) is
//! looked at right after it. The map of the rooms is docs/architecture.md.

use abi::guest_call;
use abi::totals::Ring;
use cpu::{AccessKind, Event, Step};

use crate::apic::{Ipi, IpiKind};
use crate::bus::{CoreBus, Now, RawCall};
use crate::chooser::{Chooser, Decision, Ordinal};
use crate::core::Core;
use crate::machine::Machine;
use crate::model::{LOOK, Model};
use crate::observer::{
    GuestEvent, InterruptFrame, NmiFrame, ObjectAccess, Observer, Outcome, View,
};
use crate::program::Action;
use crate::stop::{End, Failure, Reason};

/// RSP's position in the register file.
const RSP: usize = 4;

/// How far to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the end of the programs, but over no more than so many boundaries.
    End {
        /// Boundaries at most.
        limit: u64,
    },
    /// Until this CPU has the turn and this boundary of it is next.
    Boundary(usize, Ordinal),
    /// Until this CPU has the turn, but over no more than so many boundaries.
    Turn {
        /// The CPU.
        cpu: usize,
        /// Boundaries at most.
        limit: u64,
    },
    /// Until an NMI handler has returned, but over no more than so many boundaries.
    NmiExit {
        /// Boundaries at most.
        limit: u64,
    },
    /// Until the interrupt handler that this CPU is in has returned and the CPU has the turn, but
    /// over no more than so many boundaries.
    InterruptExit {
        /// The CPU.
        cpu: usize,
        /// Boundaries at most.
        limit: u64,
    },
}

impl Machine {
    /// Runs until `until`, an end of the programs, or a failure. `chooser` is asked for every
    /// decision; `observer` hears of everything.
    pub fn run<C: Chooser, O: Observer>(
        &mut self,
        chooser: &mut C,
        observer: &mut O,
        until: Until,
    ) -> End {
        let last = match until {
            Until::End { limit }
            | Until::NmiExit { limit }
            | Until::InterruptExit { limit, .. }
            | Until::Turn { limit, .. } => self.boundaries().saturating_add(limit),
            Until::Boundary(..) => Ordinal::MAX,
        };
        let mut in_nmi = false;
        self.begin_turn(self.turn);
        loop {
            if self.cores.iter().all(|core| core.exited.is_some()) {
                return End::Exited(self.cores.iter().filter_map(|core| core.exited).collect());
            }
            let index = self.turn;
            let core = &self.cores[index];
            let now = core.ordinal;
            if matches!(until, Until::NmiExit { .. }) {
                let now_in_nmi = self.cores.iter().any(|core| core.nmi.is_some());
                if in_nmi && !now_in_nmi {
                    return End::Boundary;
                }
                in_nmi = now_in_nmi;
            }
            let mut stop_at = match until {
                Until::Boundary(cpu, ordinal) if cpu == index => {
                    if now >= ordinal {
                        return End::Boundary;
                    }
                    ordinal
                }
                Until::Boundary(..) => Ordinal::MAX,
                Until::Turn { cpu, .. } if cpu == index => return End::Boundary,
                Until::InterruptExit { cpu, .. } if cpu == index && core.interrupt.is_none() => {
                    return End::Boundary;
                }
                Until::End { .. }
                | Until::NmiExit { .. }
                | Until::InterruptExit { .. }
                | Until::Turn { .. } => match last.saturating_sub(self.boundaries()) {
                    0 => return End::Limit,
                    left => now.saturating_add(left),
                },
            };
            let next_decision = chooser.next(index, now);
            if next_decision == Some(now)
                && let Some(decision) = chooser.decide(index, now)
            {
                let outcome = self.carry_out(index, decision);
                observer.decided(&self.view(index), decision, outcome);
                continue;
            }
            let core = &mut self.cores[index];
            if core.pmi_at.is_some_and(|at| at <= now) {
                core.pmi_at = None;
                core.request_pmi();
            }
            let cycle = core.driving().map(Model::cycles);
            if let (Some(cycle), Some(due)) = (cycle, core.pmi_cycle)
                && cycle >= due
            {
                core.pmi_cycle = None;
                core.request_pmi();
            }
            let Core {
                pmu, model, cpu, ..
            } = core;
            let totals = Now::new(model.as_ref().filter(|m| m.drives()), &cpu.totals);
            let overflowed = pmu.settle(&totals);
            let headroom = pmu.headroom(&totals);
            if overflowed {
                if self.skid == 0 {
                    core.request_pmi();
                } else if let Some(cycle) = cycle {
                    core.pmi_cycle.get_or_insert(cycle + self.skid);
                } else {
                    // Overflows while a PMI is on its way share it.
                    core.pmi_at.get_or_insert(now + self.skid);
                }
            }
            match self.deliver_pending(index, observer) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(stop) => return self.fail(index, Reason::Core(*stop)),
            }
            let core = &self.cores[index];
            if core.cpu.halted {
                if self.pass_turn() {
                    continue;
                }
                return End::Halted;
            }
            stop_at = stop_at.min(next_decision.unwrap_or(Ordinal::MAX));
            stop_at = stop_at.min(core.pmi_at.unwrap_or(Ordinal::MAX));
            stop_at = stop_at.min(now.saturating_add(headroom.max(1)));
            if core.nmi_latched || core.apic.deliverable().is_some() {
                stop_at = now + 1;
            }
            if cycle.is_some() {
                // The model runs behind: what it counts is looked at now and then.
                stop_at = stop_at.min(now + LOOK);
            }
            let handles = core.nmi.is_some() || core.interrupt.is_some();
            let attentive = self.watching || self.recording || handles;
            let ended = match (attentive, core.model.is_some()) {
                (true, false) => self.advance::<true, false, O>(index, stop_at, observer),
                (false, false) => self.advance::<false, false, O>(index, stop_at, observer),
                (_, true) => self.advance::<true, true, O>(index, stop_at, observer),
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// Boundaries of all CPUs so far.
    pub(crate) fn boundaries(&self) -> u64 {
        self.cores.iter().map(|core| core.ordinal).sum()
    }

    /// The turn goes to `index`.
    fn begin_turn(&mut self, index: usize) {
        self.turn = index;
        if self.cores.len() > 1 {
            let all = self.clock_ns();
            let core = &mut self.cores[index];
            core.others_ns = all - core.own_ns();
        }
    }

    /// The turn goes to the next CPU, round and round, that has something to do. False if there is
    /// no other one.
    fn pass_turn(&mut self) -> bool {
        let cpus = self.cores.len();
        let next = (1..cpus)
            .map(|k| (self.turn + k) % cpus)
            .find(|&index| self.cores[index].runnable());
        if let Some(index) = next {
            self.begin_turn(index);
        }
        next.is_some()
    }

    /// Instructions until boundary `stop_at`, or until one has done something that the loop above
    /// must look at. `ATTENTIVE`: also look for accesses to named objects and the end of an NMI.
    /// `TIMED`: a model of the pipeline is told of each instruction.
    fn advance<const ATTENTIVE: bool, const TIMED: bool, O: Observer>(
        &mut self,
        index: usize,
        stop_at: Ordinal,
        observer: &mut O,
    ) -> Option<End> {
        // Every change of ring ends this loop.
        let was_user = self.cores[index].cpu.cpl() == 3;
        let mut over_watch = self.cores[index].watch_handled == Some(self.cores[index].ordinal);
        loop {
            let core = &mut self.cores[index];
            let ordinal = core.ordinal;
            if TIMED && let Some(model) = &mut core.model {
                model.before(&core.cpu, &self.mem);
            }
            let mut bus = CoreBus {
                model: if TIMED {
                    core.model.as_ref().filter(|m| m.drives())
                } else {
                    None
                },
                pmu: &mut core.pmu,
                apic: &mut core.apic,
                cpuid: &self.cpuid,
                calls: &mut self.calls,
                added_ns: core.advanced_ns + core.others_ns,
                sent: &mut self.sent,
                requests: &mut self.bus_requests,
                guest_calls: self.guest_calls,
                wrote: &mut self.wrote,
            };
            let (cpu, mem, cache) = (&mut core.cpu, &mut self.mem, &mut self.cache);
            let (rip, step) = if over_watch {
                over_watch = false;
                (cpu.rip, cpu::step_over_watch(cpu, mem, cache, &mut bus))
            } else if TIMED {
                (cpu.rip, cpu::step(cpu, mem, cache, &mut bus))
            } else {
                // At a decision that was declined, one instruction is due all the same.
                let most = stop_at.saturating_sub(core.ordinal).max(1);
                let ran = cpu::run(cpu, mem, cache, &mut bus, most, ATTENTIVE);
                core.ordinal += ran.boundaries;
                match ran.last {
                    Some(step) => (ran.rip, step),
                    None => return None,
                }
            };
            if TIMED && let Some(model) = &mut core.model {
                model.after(&step, &core.cpu, ordinal);
            }
            match step {
                Step::Retired | Step::Iterated => core.ordinal += 1,
                Step::Watch => {
                    core.watch_handled = Some(core.ordinal);
                    self.watch_reached(index, rip, observer);
                    return None;
                }
                Step::Bus => {
                    core.ordinal += 1;
                    if ATTENTIVE {
                        self.tell_accesses(index, rip, observer);
                    }
                    if let Some((msr, value)) = self.wrote.take() {
                        observer.wrmsr(&self.view(index), msr, value);
                    }
                    if let Some(ipi) = self.sent.take() {
                        self.deliver_ipi(ipi);
                    }
                    return self.answer_calls(index, observer);
                }
                Step::RingChanged => {
                    core.ordinal += 1;
                    if ATTENTIVE {
                        self.tell_accesses(index, rip, observer);
                        self.notice_nmi_exit(index, observer);
                    }
                    let view = self.view(index);
                    if view.core.cpu.cpl() == 3 {
                        observer.return_to_user(&view);
                    } else {
                        observer.syscall(&view);
                        if self.supervised {
                            return Some(End::SystemCall);
                        }
                    }
                    return None;
                }
                Step::Exception { .. } => {
                    // The attempt and the delivery.
                    core.ordinal += 2;
                    if ATTENTIVE {
                        self.tell_accesses(index, rip, observer);
                    }
                    if was_user {
                        observer.leave_user(&self.view(index));
                    }
                    return None;
                }
                Step::Halted => {
                    core.ordinal += 1;
                    observer.halt(&self.view(index));
                    return None;
                }
                Step::Paused => {
                    core.ordinal += 1;
                    core.paused = core.ordinal;
                    self.pass_turn();
                    return None;
                }
                Step::Stop(stop) => return Some(self.fail(index, Reason::Core(*stop))),
            }
            if ATTENTIVE {
                if !self.mem.accesses().is_empty() {
                    self.tell_accesses(index, rip, observer);
                }
                if self.notice_nmi_exit(index, observer) {
                    return None;
                }
            }
            if self.cores[index].ordinal >= stop_at {
                return None;
            }
        }
    }

    fn carry_out(&mut self, index: usize, decision: Decision) -> Outcome {
        let core = &mut self.cores[index];
        match decision {
            Decision::Pmi { code } => {
                let occurred = occur(core, code);
                match (occurred.counted, occurred.pmi) {
                    (false, _) => Outcome::NotArmed,
                    (true, false) => Outcome::Absorbed,
                    (true, true) => core.request_pmi(),
                }
            }
            Decision::LatePmi {
                code,
                recognised_at,
            } => {
                let occurred = occur(core, code);
                match (occurred.counted, occurred.pmi) {
                    (false, _) => Outcome::NotArmed,
                    (true, false) => Outcome::Absorbed,
                    (true, true) => {
                        core.pmi_at = Some(recognised_at.max(core.ordinal));
                        Outcome::Delivered
                    }
                }
            }
            Decision::ExternalNmi => core.request_nmi(),
            Decision::Tick => {
                let vector = abi::layout::TIMER_VECTOR;
                if core.apic.requests(vector) {
                    return Outcome::Lost;
                }
                core.apic.request(vector);
                let taken =
                    core.apic.deliverable() == Some(vector) && cpu::can_take_interrupt(&core.cpu);
                if taken {
                    Outcome::Delivered
                } else {
                    Outcome::Pended
                }
            }
            Decision::Preempt { to } => {
                if to == index || !self.cores.get(to).is_some_and(Core::runnable) {
                    return Outcome::NotArmed;
                }
                self.begin_turn(to);
                Outcome::Delivered
            }
        }
    }

    /// Delivers a latched NMI or a requested interrupt, if the core takes it at this boundary.
    fn deliver_pending<O: Observer>(
        &mut self,
        index: usize,
        observer: &mut O,
    ) -> Result<bool, Box<cpu::Stop>> {
        let core = &mut self.cores[index];
        let was_user = core.cpu.cpl() == 3;
        let was_halted = core.cpu.halted;
        if core.nmi_latched && cpu::can_take_nmi(&core.cpu) {
            core.nmi_latched = false;
            core.nmi = Some(NmiFrame {
                ordinal: core.ordinal,
                rip: core.cpu.rip,
            });
            cpu::deliver(&mut core.cpu, &mut self.mem, Event::Nmi)?;
            if let Some(model) = &mut core.model {
                model.delivered();
            }
            core.ordinal += 1;
            self.mem.accesses().clear();
            let view = self.view(index);
            if was_user {
                observer.leave_user(&view);
            }
            if was_halted {
                observer.wake(&view);
            }
            observer.nmi_entry(&view);
            return Ok(true);
        }
        if let Some(vector) = core.apic.deliverable()
            && cpu::can_take_interrupt(&core.cpu)
        {
            core.apic.accept(vector);
            core.interrupt = Some(InterruptFrame {
                rip: core.cpu.rip,
                rsp: core.cpu.regs[RSP],
            });
            cpu::deliver(&mut core.cpu, &mut self.mem, Event::Interrupt { vector })?;
            if let Some(model) = &mut core.model {
                model.delivered();
            }
            core.ordinal += 1;
            self.mem.accesses().clear();
            if was_user {
                observer.leave_user(&self.view(index));
            }
            if was_halted {
                observer.wake(&self.view(index));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// An interprocessor interrupt arrives; one for a CPU that does not exist goes nowhere.
    fn deliver_ipi(&mut self, ipi: Ipi) {
        let Some(core) = self.cores.get_mut(ipi.to as usize) else {
            return;
        };
        match ipi.kind {
            IpiKind::Fixed(vector) => core.apic.request(vector),
            IpiKind::Nmi => {
                core.request_nmi();
            }
        }
    }

    fn notice_nmi_exit<O: Observer>(&mut self, index: usize, observer: &mut O) -> bool {
        let core = &mut self.cores[index];
        let at = (core.cpu.rip, core.cpu.regs[RSP]);
        core.interrupt.take_if(|frame| (frame.rip, frame.rsp) == at);
        if core.cpu.nmi_blocked {
            return false;
        }
        let Some(frame) = core.nmi.take() else {
            return false;
        };
        observer.nmi_exit(&self.view(index), frame);
        true
    }

    /// A code watch: the beginning of a step, or one that an observer asked for.
    fn watch_reached<O: Observer>(&mut self, index: usize, rip: u64, observer: &mut O) {
        let core = &mut self.cores[index];
        let next = core.step.map_or(0, |step| step + 1);
        let steps = self
            .programs
            .get(index)
            .map_or(&[][..], |program| &program.steps);
        if let Some(mark) = steps.get(next)
            && mark.rip == rip
        {
            core.step = Some(next);
            match mark.action {
                Some(Action::Tick) => core.apic.request(abi::layout::TIMER_VECTOR),
                Some(Action::Advance(ns)) => core.advanced_ns += ns,
                None => {}
            }
            observer.step_begin(&self.view(index), next);
        }
        observer.code(&self.view(index));
    }

    fn tell_accesses<O: Observer>(&mut self, index: usize, rip: u64, observer: &mut O) {
        if self.mem.accesses().is_empty() {
            return;
        }
        let accesses = std::mem::take(self.mem.accesses());
        let view = self.view(index);
        for access in &accesses {
            if self.recording {
                observer.memory(&view, access, rip);
            }
            if self.watching
                && let Some((object, offset)) = self.objects.at(access.addr)
            {
                let told = ObjectAccess {
                    cpu: index,
                    object,
                    offset,
                    size: access.size,
                    kind: access.kind,
                    old: access.old,
                    new: access.new,
                    rip,
                    ordinal: view.core.ordinal - 1,
                };
                observer.access(&view, &told);
            }
        }
        // The buffer goes back, so that watching does not allocate.
        let mut accesses = accesses;
        accesses.clear();
        *self.mem.accesses() = accesses;
    }

    /// Handles the guest calls of the instruction that has just retired.
    fn answer_calls<O: Observer>(&mut self, index: usize, observer: &mut O) -> Option<End> {
        while let Some(call) = self.calls.pop() {
            if let Err(reason) = self.answer(index, call, observer) {
                return Some(self.fail(index, reason));
            }
        }
        None
    }

    fn answer<O: Observer>(
        &mut self,
        index: usize,
        call: RawCall,
        observer: &mut O,
    ) -> Result<(), Reason> {
        let [a, b, c, _] = call.args;
        let event = match call.number {
            guest_call::EVENT_BORN => {
                let name = self.name_of_newborn(index, b, c);
                let size = self.objects.layout().size;
                if a.checked_add(size).is_none_or(|end| end > self.mem.size()) {
                    return Err(Reason::UnknownCall(call.number));
                }
                if self.watching {
                    self.mem.watch(a, size);
                }
                GuestEvent::Born(self.objects.born(name, a, b))
            }
            guest_call::EVENT_DIED => match self.objects.at(a) {
                Some((id, 0)) => {
                    self.objects.died(a);
                    GuestEvent::Died(id)
                }
                _ => return Err(Reason::UnknownCall(call.number)),
            },
            guest_call::VALUE => match (self.objects.at(a), guest_call::Reader::from_number(c)) {
                (Some((object, 0)), Some(reader)) => GuestEvent::Value {
                    object,
                    value: b,
                    reader,
                },
                _ => return Err(Reason::UnknownCall(call.number)),
            },
            guest_call::WARN => GuestEvent::Warn {
                text: a,
                len: b,
                place: if c == 0 { call.rip } else { c },
            },
            guest_call::PANIC => return Err(Reason::Panic(self.guest_text(a, b))),
            guest_call::CONSOLE => {
                let text = self.guest_text(a, b);
                self.console.extend(text.as_bytes());
                return Ok(());
            }
            guest_call::EXIT => {
                self.cores[index].exited = Some(a);
                return Ok(());
            }
            number => return Err(Reason::UnknownCall(number)),
        };
        observer.guest_event(&self.view(index), event, call.rip);
        Ok(())
    }

    fn name_of_newborn(&self, index: usize, fd: u64, parent: u64) -> std::sync::Arc<str> {
        if let Some((id, 0)) = self.objects.at(parent) {
            let parent = &self.objects.get(id).name;
            let prefix = format!("{parent}.child[");
            let nth = self
                .objects
                .iter()
                .filter(|(_, o)| o.name.starts_with(&prefix))
                .count();
            return format!("{prefix}{nth}]").into();
        }
        self.cores[index]
            .step
            .and_then(|step| self.programs.get(index)?.steps.get(step)?.opens.clone())
            .unwrap_or_else(|| format!("fd{fd}").into())
    }

    /// Text in guest memory, at most a page of it.
    #[must_use]
    pub fn guest_text(&self, addr: u64, len: u64) -> String {
        let mut bytes = vec![0; len.min(4096) as usize];
        match self.mem.read(addr, &mut bytes) {
            Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => format!("(text outside memory, at {addr:#x})"),
        }
    }

    /// The machine as an observer sees it, from CPU `index`.
    #[must_use]
    pub fn view(&self, index: usize) -> View<'_> {
        View {
            cpu: index,
            core: &self.cores[index],
            cores: &self.cores,
            mem: &self.mem,
            objects: &self.objects,
            image: &self.image,
        }
    }

    fn fail(&self, index: usize, reason: Reason) -> End {
        let core = &self.cores[index];
        End::Failed(Box::new(Failure {
            reason,
            cpu: index,
            ordinal: core.ordinal,
            rip: core.cpu.rip,
            place: self.image.place(core.cpu.rip),
            backtrace: self
                .view(index)
                .return_addresses()
                .into_iter()
                .map(|addr| (addr, self.image.place(addr)))
                .collect(),
        }))
    }
}

/// Two occurrences, the driver's minimal period (contract, section 2), in the ring of the boundary.
fn occur(core: &mut Core, code: u64) -> pmu::Occurred {
    let ring = if core.cpu.cpl() == 3 {
        Ring::User
    } else {
        Ring::Kernel
    };
    let Core {
        pmu, model, cpu, ..
    } = core;
    let now = Now::new(model.as_ref().filter(|m| m.drives()), &cpu.totals);
    pmu.occur(code, 2, ring, &now)
}

/// Whether an access reads or writes, in a word.
#[must_use]
pub fn access_word(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Read => "read",
        AccessKind::Write => "write",
    }
}
