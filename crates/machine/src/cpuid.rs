// SPDX-License-Identifier: GPL-2.0-only
//! What CPUID says of this machine: only what the core and the bank implement.

/// CPUID leaves of one machine.
#[derive(Debug, Clone)]
pub(crate) struct Cpuid {
    perfmon: [u32; 4],
}

/// Highest basic leaf.
const LEAF_MAX: u32 = 0x0a;
/// Leaf 1 EDX: TSC, MSR, CX8, APIC, CMOV.
const FEATURES_EDX: u32 = 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 15;
/// Leaf 1 ECX: PDCM, CX16, x2APIC, POPCNT, hypervisor present.
const FEATURES_ECX: u32 = 1 << 15 | 1 << 13 | 1 << 21 | 1 << 23 | 1 << 31;

impl Cpuid {
    pub(crate) fn new(perfmon: [u32; 4]) -> Self {
        Self { perfmon }
    }

    pub(crate) fn leaf(&self, leaf: u32, _subleaf: u32) -> [u32; 4] {
        match leaf {
            // EAX: highest leaf; EBX, EDX, ECX: "GenuineIntel".
            0 => [LEAF_MAX, 0x756e_6547, 0x6c65_746e, 0x4965_6e69],
            1 => [0, 0, FEATURES_ECX, FEATURES_EDX],
            0x0a => self.perfmon,
            0x8000_0000 => [0x8000_0001, 0, 0, 0],
            // LAHF in ECX; SYSCALL, NX and long mode in EDX.
            0x8000_0001 => [0, 0, 1, 1 << 11 | 1 << 20 | 1 << 29],
            _ => [0; 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_reads_in_the_documented_register_order() {
        let [_, b, c, d] = Cpuid::new([0; 4]).leaf(0, 0);
        let bytes: Vec<u8> = [b, d, c].into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(bytes, b"GenuineIntel");
    }
}
