// SPDX-License-Identifier: GPL-2.0-only
//! Instruction sets that a model of processor may lack.
//!
//! A [`Cpu`](crate::Cpu) starts with all of them. Whoever builds a machine sets
//! [`Cpu::features`](crate::Cpu::features), and lets its CPUID answer with [`Features::cpuid`]:
//! then CPUID tells exactly what executes. Without its feature an instruction is #UD, but LZCNT
//! is BSR and TZCNT is BSF, as on silicon that ignores their prefix; MSRs and control register bits
//! of an absent feature do not exist either.

use iced_x86::CpuidFeature;
use std::fmt;
use std::ops::BitOr;

/// A set of features. What every x86-64 processor has, and this core with it (CMOV, CX8, TSC, MSR,
/// SYSCALL, NX), is no feature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Features(u32);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);
    /// SSE with FXSAVE and FXRSTOR. Not: instructions with MMX registers.
    pub const SSE: Self = Self(1);
    /// SSE2; needs [`Features::SSE`]. Not: instructions with MMX registers.
    pub const SSE2: Self = Self(1 << 1);
    /// CMPXCHG16B.
    pub const CX16: Self = Self(1 << 2);
    /// CLFLUSH.
    pub const CLFLUSH: Self = Self(1 << 3);
    /// POPCNT.
    pub const POPCNT: Self = Self(1 << 4);
    /// LZCNT; BSR without.
    pub const LZCNT: Self = Self(1 << 5);
    /// BMI1; its TZCNT is BSF without.
    pub const BMI1: Self = Self(1 << 6);
    /// BMI2.
    pub const BMI2: Self = Self(1 << 7);
    /// ADCX and ADOX.
    pub const ADX: Self = Self(1 << 8);
    /// MOVBE.
    pub const MOVBE: Self = Self(1 << 9);
    /// CRC32. It belongs to SSE4.2, whose other instructions this core lacks: CPUID never reports
    /// it, and a program that executes it regardless gets what it asks for.
    pub const CRC32: Self = Self(1 << 10);
    /// RDFSBASE and its kin, and CR4.FSGSBASE.
    pub const FSGSBASE: Self = Self(1 << 11);
    /// RDTSCP; with it or [`Features::RDPID`] there is `IA32_TSC_AUX`.
    pub const RDTSCP: Self = Self(1 << 12);
    /// RDPID.
    pub const RDPID: Self = Self(1 << 13);
    /// CLAC and STAC, which move RFLAGS.AC without effect: CPUID never reports SMAP, and CR4.SMAP
    /// cannot be set.
    pub const CLAC: Self = Self(1 << 14);
    /// Everything.
    pub const ALL: Self = Self((1 << 15) - 1);

    /// Every feature with its name, as files spell it.
    pub const NAMES: [(&str, Self); 15] = [
        ("sse", Self::SSE),
        ("sse2", Self::SSE2),
        ("cx16", Self::CX16),
        ("clflush", Self::CLFLUSH),
        ("popcnt", Self::POPCNT),
        ("lzcnt", Self::LZCNT),
        ("bmi1", Self::BMI1),
        ("bmi2", Self::BMI2),
        ("adx", Self::ADX),
        ("movbe", Self::MOVBE),
        ("crc32", Self::CRC32),
        ("fsgsbase", Self::FSGSBASE),
        ("rdtscp", Self::RDTSCP),
        ("rdpid", Self::RDPID),
        ("clac", Self::CLAC),
    ];

    /// The feature of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(n, _)| *n == name);
        found.map(|(_, feature)| *feature)
    }

    /// Are all of `other` in here?
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// All but `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// A feature in here and another one that it needs and that is not: no processor is like that.
    #[must_use]
    pub fn contradiction(self) -> Option<(Self, Self)> {
        let lacks = self.contains(Self::SSE2) && !self.contains(Self::SSE);
        lacks.then_some((Self::SSE2, Self::SSE))
    }

    /// What the core has to say in a CPUID leaf: EAX, EBX, ECX, EDX (SDM vol. 2A, CPUID). The
    /// answer of a machine has further bits. Leaves 1, 7 (subleaf 0) and 80000001H; else zeros.
    #[must_use]
    pub fn cpuid(self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let bits = |table: &[(Self, u32)]| {
            table
                .iter()
                .filter(|(feature, _)| self.contains(*feature))
                .fold(0, |bits, (_, bit)| bits | 1 << bit)
        };
        match (leaf, subleaf) {
            (1, _) => {
                // The line of CLFLUSH in units of 8 bytes.
                let line = if self.contains(Self::CLFLUSH) {
                    8 << 8
                } else {
                    0
                };
                let c = bits(&[(Self::CX16, 13), (Self::MOVBE, 22), (Self::POPCNT, 23)]);
                // TSC, MSR, CX8, CMOV; 24 is FXSR.
                let always = 1 << 4 | 1 << 5 | 1 << 8 | 1 << 15;
                let d = bits(&[
                    (Self::CLFLUSH, 19),
                    (Self::SSE, 24),
                    (Self::SSE, 25),
                    (Self::SSE2, 26),
                ]);
                [0, line, c, always | d]
            }
            (7, 0) => {
                let b = bits(&[
                    (Self::FSGSBASE, 0),
                    (Self::BMI1, 3),
                    (Self::BMI2, 8),
                    (Self::ADX, 19),
                ]);
                [0, b, bits(&[(Self::RDPID, 22)]), 0]
            }
            (0x8000_0001, _) => {
                // LAHF; SYSCALL, NX, long mode.
                let c = 1 | bits(&[(Self::LZCNT, 5)]);
                let d = 1 << 11 | 1 << 20 | 1 << 29 | bits(&[(Self::RDTSCP, 27)]);
                [0, 0, c, d]
            }
            _ => [0; 4],
        }
    }
}

impl BitOr for Features {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Self::NAMES.iter();
        let names = all.filter(|(_, n)| self.contains(*n)).map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// The feature that an instruction belongs to.
pub(crate) fn needed(of: &[CpuidFeature]) -> Features {
    of.iter().fold(Features::NONE, |all, feature| {
        all | match feature {
            CpuidFeature::SSE | CpuidFeature::FXSR => Features::SSE,
            CpuidFeature::SSE2 => Features::SSE2,
            CpuidFeature::CMPXCHG16B => Features::CX16,
            CpuidFeature::CLFSH => Features::CLFLUSH,
            CpuidFeature::POPCNT => Features::POPCNT,
            CpuidFeature::LZCNT => Features::LZCNT,
            CpuidFeature::BMI1 => Features::BMI1,
            CpuidFeature::BMI2 => Features::BMI2,
            CpuidFeature::ADX => Features::ADX,
            CpuidFeature::MOVBE => Features::MOVBE,
            CpuidFeature::SSE4_2 => Features::CRC32,
            CpuidFeature::FSGSBASE => Features::FSGSBASE,
            CpuidFeature::RDTSCP => Features::RDTSCP,
            CpuidFeature::RDPID => Features::RDPID,
            CpuidFeature::SMAP => Features::CLAC,
            _ => Features::NONE,
        }
    })
}
