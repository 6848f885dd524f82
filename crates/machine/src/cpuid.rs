// SPDX-License-Identifier: GPL-2.0-only
//! What CPUID says of this machine: only what the core and the bank implement.

use cpu::Features;
use pmu::{Config, Vendor};

/// CPUID leaves of one machine.
#[derive(Debug, Clone)]
pub(crate) struct Cpuid {
    features: Features,
    /// EBX, ECX, EDX of leaf 0.
    vendor: [u32; 3],
    /// Leaf 0AH.
    perfmon: [u32; 4],
    /// `IA32_PERF_CAPABILITIES` exists.
    pdcm: bool,
    /// AMD: highest extended leaf, ECX of leaf 80000001H, leaf 80000022H.
    extended_max: u32,
    extended_ecx: u32,
    perfmon_v2: [u32; 4],
}

/// Highest basic leaf.
const LEAF_MAX: u32 = 0x0a;
/// Leaf 1 EDX: APIC.
const APIC: u32 = 1 << 9;
/// Leaf 1 ECX: `IA32_PERF_CAPABILITIES` exists.
const PDCM: u32 = 1 << 15;
/// Leaf 80000001H ECX: extended core counters (AMD).
const PERF_CTR_EXT_CORE: u32 = 1 << 23;
/// AMD's leaf of PerfMonV2.
const LEAF_PERFMON_V2: u32 = 0x8000_0022;
/// Vendors as EBX, ECX, EDX hold them; they read in the order EBX, EDX, ECX.
const GENUINE_INTEL: [u32; 3] = [0x756e_6547, 0x6c65_746e, 0x4965_6e69];
const AUTHENTIC_AMD: [u32; 3] = [0x6874_7541, 0x444d_4163, 0x6974_6e65];
/// Leaf 1 ECX: x2APIC, hypervisor present.
const X2APIC_AND_HYPERVISOR: u32 = 1 << 21 | 1 << 31;

impl Cpuid {
    pub(crate) fn new(pmu: &Config, features: Features) -> Self {
        let amd = pmu.vendor == Vendor::Amd;
        Self {
            features,
            vendor: if amd { AUTHENTIC_AMD } else { GENUINE_INTEL },
            perfmon: pmu.cpuid_0a(),
            pdcm: pmu.perf_capabilities().is_some(),
            extended_max: if amd { LEAF_PERFMON_V2 } else { 0x8000_0001 },
            extended_ecx: if pmu.core_extension {
                PERF_CTR_EXT_CORE
            } else {
                0
            },
            perfmon_v2: pmu.cpuid_8000_0022(),
        }
    }

    pub(crate) fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let core = self.features.cpuid(leaf, subleaf);
        let machine = self.machine(leaf);
        std::array::from_fn(|n| core[n] | machine[n])
    }

    /// What does not come from the core's features.
    fn machine(&self, leaf: u32) -> [u32; 4] {
        match leaf {
            0 => {
                let [b, c, d] = self.vendor;
                [LEAF_MAX, b, c, d]
            }
            1 => {
                let pdcm = if self.pdcm { PDCM } else { 0 };
                [0, 0, X2APIC_AND_HYPERVISOR | pdcm, APIC]
            }
            0x0a => self.perfmon,
            0x8000_0000 => [self.extended_max, 0, 0, 0],
            0x8000_0001 => [0, 0, self.extended_ecx, 0],
            LEAF_PERFMON_V2 => self.perfmon_v2,
            _ => [0; 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vendor(cpuid: &Cpuid) -> Vec<u8> {
        let [_, b, c, d] = cpuid.leaf(0, 0);
        [b, d, c].into_iter().flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn an_intel_machine_has_intels_leaves() {
        let config = Config {
            version: 4,
            gp_counters: 4,
            fixed_counters: 3,
            ..Config::default()
        };
        let cpuid = Cpuid::new(&config, Features::ALL);
        assert_eq!(vendor(&cpuid), b"GenuineIntel");
        assert_eq!(cpuid.leaf(0x0a, 0), [0x0730_0404, 0, 0, 0x603]);
        assert_ne!(cpuid.leaf(1, 0)[2] & PDCM, 0);
        assert_eq!(cpuid.leaf(0x8000_0001, 0)[2] & PERF_CTR_EXT_CORE, 0);
        assert_eq!(cpuid.leaf(LEAF_PERFMON_V2, 0), [0; 4]);
        let without = Cpuid::new(&Config::default(), Features::ALL);
        assert_eq!(without.leaf(1, 0)[2] & PDCM, 0, "no such register");
    }

    #[test]
    fn an_amd_machine_has_amds_leaves() {
        let config = Config {
            vendor: Vendor::Amd,
            version: 2,
            gp_counters: 6,
            core_extension: true,
            ..Config::default()
        };
        let cpuid = Cpuid::new(&config, Features::ALL);
        assert_eq!(vendor(&cpuid), b"AuthenticAMD");
        assert_eq!(cpuid.leaf(0x0a, 0), [0; 4]);
        assert_eq!(cpuid.leaf(1, 0)[2] & PDCM, 0);
        assert_ne!(cpuid.leaf(0x8000_0001, 0)[2] & PERF_CTR_EXT_CORE, 0);
        assert_eq!(cpuid.leaf(0x8000_0000, 0)[0], LEAF_PERFMON_V2);
        assert_eq!(cpuid.leaf(LEAF_PERFMON_V2, 0), [1, 6, 0, 0]);
    }
}
