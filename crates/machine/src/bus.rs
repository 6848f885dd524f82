// SPDX-License-Identifier: GPL-2.0-only
//! The one bus: what leaves a core (MSRs, RDPMC, RDTSC, CPUID, guest calls) meets its devices here.

use abi::msr::APIC_BASE;
use abi::totals::{HwEvent, Ring, Totals};
use cpu::{GeneralProtection, InvalidOpcode, Memory, Unclaimed};
use pmu::{Counts, Pmu};

use crate::apic::{Apic, Ipi};
use crate::cpuid::Cpuid;
use crate::model::Model;

/// A guest call as the core issued it: number, arguments, and its own address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawCall {
    pub(crate) number: u64,
    pub(crate) args: [u64; 4],
    pub(crate) rip: u64,
}

/// The devices of one CPU, lent to the core for one instruction.
pub(crate) struct CoreBus<'a> {
    pub(crate) pmu: &'a mut Pmu,
    pub(crate) apic: &'a mut Apic,
    pub(crate) cpuid: &'a Cpuid,
    pub(crate) calls: &'a mut Vec<RawCall>,
    /// Nanoseconds that explicit steps and other CPUs have added to the clock.
    pub(crate) added_ns: u64,
    /// An interrupt that was just sent to other CPUs.
    pub(crate) sent: &'a mut Option<Ipi>,
    /// Counts requests, but for CPUID, which always answers the same.
    pub(crate) requests: &'a mut u64,
    /// The WRMSR that was just carried out.
    pub(crate) wrote: &'a mut Option<(u32, u64)>,
    /// Fits for a machine without a hypervisor: VMCALL is an invalid opcode.
    pub(crate) guest_calls: bool,
    /// The model that bank and clock go by.
    pub(crate) model: Option<&'a Model>,
}

/// The totals that a bank goes by.
pub(crate) enum Now<'a> {
    /// Of a machine without a model: what retired, with a cycle for each instruction
    /// ([`timing::unit`]). Nothing is copied.
    Unit(&'a Totals),
    /// As a model has them.
    Timed(Box<Totals>),
}

impl<'a> Now<'a> {
    /// At the moment when `retired` has retired.
    #[inline]
    pub(crate) fn new(model: Option<&Model>, retired: &'a Totals) -> Self {
        match model {
            Some(model) => Self::Timed(Box::new(model.totals(retired))),
            None => Self::Unit(retired),
        }
    }
}

impl Counts for Now<'_> {
    #[inline]
    fn get(&self, ring: Ring, event: HwEvent) -> u64 {
        match self {
            Self::Unit(retired) => match event {
                HwEvent::Cycles | HwEvent::RefCycles => retired.get(ring, HwEvent::Instructions),
                _ => retired.get(ring, event),
            },
            Self::Timed(totals) => totals.get(ring, event),
        }
    }
}

/// x2APIC enabled, bootstrap processor, default base.
const APIC_BASE_VALUE: u64 = 0xfee0_0d00;

impl cpu::Bus for CoreBus<'_> {
    fn rdmsr(&mut self, msr: u32, totals: &Totals) -> Result<u64, GeneralProtection> {
        *self.requests += 1;
        if self.pmu.claims(msr) {
            let now = Now::new(self.model, totals);
            return self.pmu.rdmsr(msr, &now).map_err(|_| GeneralProtection);
        }
        if Apic::claims(msr) {
            return self.apic.read(msr).ok_or(GeneralProtection);
        }
        match msr {
            APIC_BASE => Ok(APIC_BASE_VALUE),
            _ => Err(GeneralProtection),
        }
    }

    fn wrmsr(&mut self, msr: u32, value: u64, totals: &Totals) -> Result<(), GeneralProtection> {
        *self.requests += 1;
        if self.pmu.claims(msr) {
            let now = Now::new(self.model, totals);
            self.pmu
                .wrmsr(msr, value, &now)
                .map_err(|_| GeneralProtection)?;
        } else if Apic::claims(msr) {
            *self.sent = self.apic.write(msr, value).ok_or(GeneralProtection)?;
        } else if (msr, value) != (APIC_BASE, APIC_BASE_VALUE) {
            return Err(GeneralProtection);
        }
        *self.wrote = Some((msr, value));
        Ok(())
    }

    fn rdpmc(&mut self, index: u32, totals: &Totals) -> Result<u64, GeneralProtection> {
        *self.requests += 1;
        let now = Now::new(self.model, totals);
        self.pmu.rdpmc(index, &now).map_err(|_| GeneralProtection)
    }

    fn rdtsc(&mut self, totals: &Totals) -> u64 {
        *self.requests += 1;
        clock_ns(self.model, totals, self.added_ns)
    }

    fn cpuid(&mut self, leaf: u32, subleaf: u32) -> [u32; 4] {
        self.cpuid.leaf(leaf, subleaf)
    }

    fn vmcall(
        &mut self,
        regs: &[u64; 16],
        rip: u64,
        cpl: u8,
        _mem: &mut Memory,
        _totals: &Totals,
    ) -> Result<(), InvalidOpcode> {
        *self.requests += 1;
        if cpl != 0 || !self.guest_calls {
            return Err(InvalidOpcode);
        }
        let [rax, rcx, rdx, _, _, _, rsi, rdi, ..] = *regs;
        self.calls.push(RawCall {
            number: rax,
            args: [rdi, rsi, rdx, rcx],
            rip,
        });
        Ok(())
    }

    fn port_in(&mut self, _port: u16, _size: u8) -> Result<u32, Unclaimed> {
        *self.requests += 1;
        Err(Unclaimed)
    }

    fn port_out(&mut self, _port: u16, _size: u8, _value: u32) -> Result<(), Unclaimed> {
        *self.requests += 1;
        Err(Unclaimed)
    }
}

/// One CPU's share of the guest's clock: a nanosecond for each retired user instruction, plus what
/// explicit steps added. The clock is the sum of all CPUs' shares, so that it is the same on each.
/// It does not move inside the kernel, so an NMI shifts nothing (contract, section 4). With a model
/// that drives, the share is the model's cycles, one nanosecond each.
pub(crate) fn clock_ns(model: Option<&Model>, retired: &Totals, added_ns: u64) -> u64 {
    match model {
        Some(model) => model.cycles() + added_ns,
        None => retired.get(Ring::User, HwEvent::Instructions) + added_ns,
    }
}
