// SPDX-License-Identifier: GPL-2.0-only
//! A bank with its totals: what a core would do around it.

use abi::totals::{HwEvent, Ring, Totals};
use pmu::{Config, GeneralProtection, Occurred, Pmu, Vendor, WRMSR_RETIREMENT};

pub(crate) const EN: u64 = 1 << 22;
pub(crate) const USR: u64 = 1 << 16;
pub(crate) const OS: u64 = 1 << 17;
pub(crate) const INT: u64 = 1 << 20;
pub(crate) const BOTH: u64 = USR | OS | EN;
pub(crate) const TOP48: u64 = (1 << 48) - 1;

/// Counts everything that it is asked to retire, under timing `unit`.
pub(crate) struct Bench {
    pub(crate) pmu: Pmu,
    pub(crate) now: Totals,
    /// PMI requests since [`Bench::pmis`] was last called.
    requests: u32,
}

/// Intel with 4 counters, 3 fixed ones, 48 bits and full-width writes.
pub(crate) fn intel(version: u8) -> Config {
    Config {
        version,
        gp_counters: 4,
        fixed_counters: if version >= 2 { 3 } else { 0 },
        full_width_writes: version >= 2,
        ..Config::default()
    }
}

/// AMD: 1 is the extended core counters, 2 PerfMonV2 with freezing.
pub(crate) fn amd(version: u8) -> Config {
    Config {
        vendor: Vendor::Amd,
        version,
        gp_counters: 6,
        core_extension: true,
        freeze_on_pmi: version >= 2,
        ..Config::default()
    }
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            pmu: Pmu::new(&config),
            now: Totals::default(),
            requests: 0,
        }
    }

    pub(crate) fn rd(&mut self, msr: u32) -> u64 {
        self.pmu.rdmsr(msr, &self.now).expect("the register exists")
    }

    pub(crate) fn rdpmc(&mut self, ecx: u32) -> Result<u64, GeneralProtection> {
        self.pmu.rdpmc(ecx, &self.now)
    }

    /// WRMSR and its retirement.
    pub(crate) fn wr(&mut self, msr: u32, value: u64) {
        self.pmu
            .wrmsr(msr, value, &self.now)
            .expect("the write is legal");
        for (ring, event, n) in WRMSR_RETIREMENT {
            self.now.add(ring, event, n);
        }
        self.settle();
    }

    /// A WRMSR that must fault and leave no trace.
    pub(crate) fn faults(&mut self, msr: u32, value: u64) {
        let before = self.digest();
        assert_eq!(
            self.pmu.wrmsr(msr, value, &self.now),
            Err(GeneralProtection),
            "WRMSR {msr:#x} <- {value:#x}"
        );
        assert_eq!(
            self.digest(),
            before,
            "a faulting WRMSR of {msr:#x} changed something"
        );
    }

    pub(crate) fn absent(&mut self, msr: u32) {
        assert!(!self.pmu.claims(msr), "{msr:#x} is claimed");
        assert_eq!(
            self.pmu.rdmsr(msr, &self.now),
            Err(GeneralProtection),
            "RDMSR {msr:#x}"
        );
        self.faults(msr, 0);
    }

    pub(crate) fn digest(&self) -> Vec<u64> {
        let mut words = Vec::new();
        self.pmu.digest_words(&self.now, &mut words);
        words
    }

    /// `n` instructions of one cycle each, one boundary at a time.
    pub(crate) fn retire(&mut self, ring: Ring, n: u64) {
        for _ in 0..n {
            self.happen(
                ring,
                &[
                    (HwEvent::Instructions, 1),
                    (HwEvent::Cycles, 1),
                    (HwEvent::RefCycles, 1),
                ],
            );
        }
    }

    /// Adds to the totals and settles.
    pub(crate) fn happen(&mut self, ring: Ring, events: &[(HwEvent, u64)]) {
        for (event, n) in events {
            self.now.add(ring, *event, *n);
        }
        self.settle();
    }

    pub(crate) fn occur(&mut self, code: u64, n: u64, ring: Ring) -> Occurred {
        self.pmu.occur(code, n, ring, &self.now)
    }

    fn settle(&mut self) {
        self.requests += u32::from(self.pmu.settle(&self.now));
        assert!(!self.pmu.settle(&self.now), "settling twice requests twice");
    }

    pub(crate) fn pmis(&mut self) -> u32 {
        core::mem::take(&mut self.requests)
    }
}
