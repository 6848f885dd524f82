// SPDX-License-Identifier: GPL-2.0-only
//! One CPU of the machine: core, bank, local APIC, and where it stands.

use abi::totals::Totals;
use cpu::Cpu;
use pmu::Pmu;

use crate::apic::{Apic, Pmi};
use crate::bus::clock_ns;
use crate::chooser::Ordinal;
use crate::model::Model;
use crate::observer::{InterruptFrame, NmiFrame, Outcome};

/// A CPU. Copying it is a snapshot of everything but memory.
#[derive(Debug, Clone)]
pub struct Core {
    /// The x86-64 core.
    pub cpu: Cpu,
    /// Its PMC bank.
    pub pmu: Pmu,
    /// Its local APIC.
    pub apic: Apic,
    /// The next boundary.
    pub ordinal: Ordinal,
    /// The boundary behind its last PAUSE: whoever waits for another CPU pauses.
    pub paused: Ordinal,
    /// The NMI handler that is running, if one is.
    pub nmi: Option<NmiFrame>,
    /// The interrupt handler that is running, if one is.
    pub interrupt: Option<InterruptFrame>,
    /// Program step that is running; `None` during boot.
    pub step: Option<usize>,
    /// Exit status of the program, once it has ended.
    pub exited: Option<u64>,
    /// A model of the pipeline, which tells cycles or only listens.
    pub model: Option<Model>,
    /// With a model that drives: the cycle in which a PMI that skid holds back reaches the APIC.
    pub(crate) pmi_cycle: Option<u64>,
    /// One NMI is latched.
    pub(crate) nmi_latched: bool,
    /// A PMI that skid holds back reaches the APIC at this boundary.
    pub(crate) pmi_at: Option<Ordinal>,
    /// Nanoseconds that explicit steps have added to the clock.
    pub(crate) advanced_ns: u64,
    /// Nanoseconds that the other CPUs have added to the clock, as of the beginning of this turn.
    pub(crate) others_ns: u64,
    /// Boundary at which a code watch has already been handled.
    pub(crate) watch_handled: Option<Ordinal>,
}

impl Core {
    pub(crate) fn new(cpu: Cpu, pmu: Pmu, id: u32) -> Self {
        let masks_lvtpc = pmu.config().pmi_masks_lvtpc();
        Self {
            cpu,
            pmu,
            apic: Apic::new(id, masks_lvtpc),
            ordinal: 0,
            paused: 0,
            nmi: None,
            interrupt: None,
            step: None,
            exited: None,
            model: None,
            pmi_cycle: None,
            nmi_latched: false,
            pmi_at: None,
            advanced_ns: 0,
            others_ns: 0,
            watch_handled: None,
        }
    }

    /// What has retired, with the timing model's share.
    #[must_use]
    pub fn totals(&self) -> Totals {
        match self.driving() {
            Some(model) => model.totals(&self.cpu.totals),
            None => timing::unit(&self.cpu.totals),
        }
    }

    /// The guest's clock in nanoseconds.
    #[must_use]
    pub fn clock_ns(&self) -> u64 {
        self.own_ns() + self.others_ns
    }

    /// What this CPU has added to the clock.
    pub(crate) fn own_ns(&self) -> u64 {
        clock_ns(self.driving(), &self.cpu.totals, self.advanced_ns)
    }

    /// The model that bank and clock go by.
    #[inline]
    pub(crate) fn driving(&self) -> Option<&Model> {
        self.model.as_ref().filter(|m| m.drives())
    }

    /// Whether the CPU would do something if it had the turn: it is not halted, or something is
    /// there that wakes it.
    #[must_use]
    pub fn runnable(&self) -> bool {
        !self.cpu.halted
            || (self.nmi_latched && cpu::can_take_nmi(&self.cpu))
            || (self.apic.deliverable().is_some() && cpu::can_take_interrupt(&self.cpu))
    }

    /// Whether an NMI or interrupt is latched, requested, or on its way.
    #[must_use]
    pub fn expects_event(&self) -> bool {
        self.nmi_latched
            || self.pmi_at.is_some()
            || self.pmi_cycle.is_some()
            || self.apic.deliverable().is_some()
    }

    /// Would this CPU go on as `other` does, wherever the two stand in their counts of boundaries?
    /// Counters that run make them differ.
    pub(crate) fn same_state(&self, other: &Self) -> bool {
        let Self {
            cpu,
            pmu,
            apic,
            ordinal: _,
            // Only who pauses no more hangs.
            paused: _,
            nmi,
            interrupt,
            step,
            exited,
            model,
            pmi_cycle,
            nmi_latched,
            pmi_at,
            advanced_ns,
            others_ns,
            watch_handled: _,
        } = self;
        cpu.same_state(&other.cpu)
            && pmu.rests_as(&other.pmu)
            && *apic == other.apic
            && *nmi == other.nmi
            && *interrupt == other.interrupt
            && *step == other.step
            && *exited == other.exited
            && *nmi_latched == other.nmi_latched
            && pmi_at.is_none()
            && pmi_cycle.is_none()
            // A model remembers what ran.
            && model.is_none()
            && *others_ns == other.others_ns
            && other.pmi_at.is_none()
            && *advanced_ns == other.advanced_ns
            // A watch point at rip is told once for each boundary.
            && other.watch_handled != Some(other.ordinal)
    }

    /// An NMI request reaches the core: one is latched, more are lost.
    pub(crate) fn request_nmi(&mut self) -> Outcome {
        if self.nmi_latched {
            return Outcome::Lost;
        }
        self.nmi_latched = true;
        if self.cpu.nmi_blocked {
            Outcome::Pended
        } else {
            Outcome::Delivered
        }
    }

    /// A PMI request reaches the local APIC.
    pub(crate) fn request_pmi(&mut self) -> Outcome {
        match self.apic.pmi() {
            Pmi::Nmi => self.request_nmi(),
            Pmi::Dropped | Pmi::Fixed => Outcome::Absorbed,
        }
    }
}
