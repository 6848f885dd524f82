// SPDX-License-Identifier: GPL-2.0-only
//! What a machine's bank has, as its machine file says it, and what CPUID tells about it.

use core::fmt;

use abi::msr::PERF_CAP_FW_WRITE;

/// Most general-purpose counters a bank can have (SDM vol. 4: `IA32_PMC0` to `IA32_PMC7`).
pub(crate) const GP_MAX: u8 = 8;
/// Most fixed counters (4 bits each in `IA32_FIXED_CTR_CTRL`).
pub(crate) const FIXED_MAX: u8 = 16;
/// `IA32_PERF_CAPABILITIES`: freezing while in SMM is available.
const PERF_CAP_SMM_FREEZE: u64 = 1 << 12;

/// Whose performance monitoring the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Intel architectural performance monitoring.
    Intel,
    /// AMD core performance counters.
    Amd,
}

/// The most that one instruction can add to the totals, per event. The timing model promises it;
/// [`crate::Pmu::headroom`] relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Core cycles per instruction.
    pub cycles: u64,
    /// Reference cycles per instruction.
    pub ref_cycles: u64,
    /// Loads, stores, cache references and cache misses per instruction, each.
    pub memory: u64,
    /// Cycles and all that a model of the pipeline says come later than the instructions, in any
    /// amount: [`crate::Pmu::headroom`] leaves them out, and the machine has to settle often.
    pub lags: bool,
}

impl Rates {
    /// Timing `unit`: one instruction, one cycle.
    pub const UNIT: Self = Self {
        cycles: 1,
        ref_cycles: 1,
        memory: 2,
        lags: false,
    };

    /// A model of the pipeline that runs behind the instructions.
    pub const LAGGING: Self = Self {
        lags: true,
        ..Self::UNIT
    };
}

/// A bank: numbers and widths of its counters and which optional parts exist.
///
/// [`Config::default`] is a processor without counters; fill in what the machine has and call
/// [`Config::validate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Intel or AMD.
    pub vendor: Vendor,
    /// Intel: architectural version, 0 (none) to 5. AMD: 0 none, 1 legacy or extended core
    /// counters, 2 PerfMonV2.
    pub version: u8,
    /// General-purpose counters of this logical CPU.
    pub gp_counters: u8,
    /// Their width in bits, 32 to 64.
    pub gp_width: u8,
    /// Fixed counters 0 to `fixed_counters - 1` exist (CPUID.0AH:EDX\[4:0\]; Intel, version 2 on).
    pub fixed_counters: u8,
    /// Their width in bits, 32 to 64.
    pub fixed_width: u8,
    /// Further fixed counters by bit (CPUID.0AH:ECX; version 5).
    pub fixed_bitmap: u32,
    /// `IA32_A_PMCi` exist (`IA32_PERF_CAPABILITIES`\[13\]; Intel).
    pub full_width_writes: bool,
    /// CPUID.0AH:EDX\[15\]: the ANY bits are reserved (version 5).
    pub any_thread_deprecated: bool,
    /// Architectural events that are *not* available (CPUID.0AH:EBX).
    pub unavailable_events: u8,
    /// `IA32_DEBUGCTL`\[14\] exists (`IA32_PERF_CAPABILITIES`\[12\]); there is no SMM, so it has no
    /// effect.
    pub freeze_while_smm: bool,
    /// Transactional memory: PERFEVTSEL bits 32 and (counter 2) 33 are accepted, without effect.
    pub tsx: bool,
    /// Issue width: top-down slots per unhalted cycle.
    pub slots_per_cycle: u8,
    /// Reference cycles (TSC rate) per occurrence of the general-purpose event 3CH/01H, which
    /// ticks at a bus or crystal rate of its own.
    pub gp_ref_divider: u32,
    /// AMD: extended core counters (CPUID.80000001H:ECX\[23\]).
    pub core_extension: bool,
    /// AMD: freezing on PMI (CPUID.80000022H:EAX\[2\]; PerfMonV2).
    pub freeze_on_pmi: bool,
    /// Upper bounds for one instruction.
    pub per_instruction: Rates,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vendor: Vendor::Intel,
            version: 0,
            gp_counters: 0,
            gp_width: 48,
            fixed_counters: 0,
            fixed_width: 48,
            fixed_bitmap: 0,
            full_width_writes: false,
            any_thread_deprecated: false,
            unavailable_events: 0,
            freeze_while_smm: false,
            tsx: false,
            slots_per_cycle: 4,
            gp_ref_divider: 1,
            core_extension: false,
            freeze_on_pmi: false,
            per_instruction: Rates::UNIT,
        }
    }
}

/// A bank that no processor could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigError {
    /// `version` is above 5 (Intel) or 2 (AMD).
    Version,
    /// `gp_counters` is 0 with counters, or above 8, or not 4 on AMD without the extension.
    GpCounters,
    /// `gp_width` is not 32 to 64.
    GpWidth,
    /// `fixed_counters` above 16, or fixed counters before version 2 or on AMD.
    FixedCounters,
    /// `fixed_width` is not 32 to 64.
    FixedWidth,
    /// `fixed_bitmap` before version 5, or beyond counter 15.
    FixedBitmap,
    /// The switch named needs another version or vendor.
    Needs(&'static str, &'static str),
    /// A divider, width or rate that must not be 0 is.
    Zero(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("version: 0 to 5 (AMD: 0 to 2)"),
            Self::GpCounters => {
                f.write_str("gp_counters: 1 to 8 (AMD without core_extension: exactly 4)")
            }
            Self::GpWidth => f.write_str("gp_width: 32 to 64 bits"),
            Self::FixedCounters => {
                f.write_str("fixed_counters: at most 16, and none before version 2 or on AMD")
            }
            Self::FixedWidth => f.write_str("fixed_width: 32 to 64 bits"),
            Self::FixedBitmap => {
                f.write_str("fixed_bitmap: version 5 only, and counters 0 to 15 only")
            }
            Self::Needs(what, needs) => write!(f, "{what}: needs {needs}"),
            Self::Zero(what) => write!(f, "{what}: must not be 0"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let intel = self.vendor == Vendor::Intel;
        let widths = 32..=64;
        if self.version > if intel { 5 } else { 2 } {
            return Err(ConfigError::Version);
        }
        let gp_legal = match self.version {
            0 => self.gp_counters == 0,
            _ if !intel && !self.core_extension => self.gp_counters == 4,
            _ => (1..=GP_MAX).contains(&self.gp_counters),
        };
        if !gp_legal {
            return Err(ConfigError::GpCounters);
        }
        if !widths.contains(&self.gp_width) {
            return Err(ConfigError::GpWidth);
        }
        let fixed_possible = intel && self.version >= 2;
        if self.fixed_counters > if fixed_possible { FIXED_MAX } else { 0 } {
            return Err(ConfigError::FixedCounters);
        }
        if !widths.contains(&self.fixed_width) {
            return Err(ConfigError::FixedWidth);
        }
        if self.fixed_bitmap
            > if intel && self.version >= 5 {
                0xffff
            } else {
                0
            }
        {
            return Err(ConfigError::FixedBitmap);
        }
        let needs = [
            (
                self.full_width_writes,
                intel && self.version >= 2,
                "full_width_writes",
                "Intel version 2",
            ),
            (
                self.freeze_while_smm,
                intel && self.version >= 2,
                "freeze_while_smm",
                "Intel version 2",
            ),
            (
                self.any_thread_deprecated,
                intel && self.version >= 5,
                "any_thread_deprecated",
                "Intel version 5",
            ),
            (
                self.tsx,
                intel && self.version >= 3,
                "tsx",
                "Intel version 3",
            ),
            (self.core_extension, !intel, "core_extension", "AMD"),
            (
                !intel && self.version >= 2,
                self.core_extension,
                "version 2",
                "core_extension on AMD",
            ),
            (
                self.freeze_on_pmi,
                !intel && self.version >= 2,
                "freeze_on_pmi",
                "AMD version 2",
            ),
        ];
        for (asked, possible, what, of) in needs {
            if asked && !possible {
                return Err(ConfigError::Needs(what, of));
            }
        }
        let nonzero = [
            (self.slots_per_cycle.into(), "slots_per_cycle"),
            (self.gp_ref_divider.into(), "gp_ref_divider"),
            (self.per_instruction.cycles, "per_instruction.cycles"),
            (
                self.per_instruction.ref_cycles,
                "per_instruction.ref_cycles",
            ),
            (self.per_instruction.memory, "per_instruction.memory"),
        ];
        for (value, what) in nonzero {
            if value == 0 {
                return Err(ConfigError::Zero(what));
            }
        }
        Ok(())
    }

    /// CPUID leaf 0AH: EAX, EBX, ECX, EDX. All zero on AMD and without counters.
    #[must_use]
    pub fn cpuid_0a(&self) -> [u32; 4] {
        if self.vendor == Vendor::Amd || self.version == 0 {
            return [0; 4];
        }
        let eax = u32::from(self.version)
            | u32::from(self.gp_counters) << 8
            | u32::from(self.gp_width) << 16
            | u32::from(self.architectural_events()) << 24;
        let fixed = if self.version >= 2 && self.fixed_mask() != 0 {
            u32::from(self.fixed_counters) | u32::from(self.fixed_width) << 5
        } else {
            0
        };
        let edx = fixed | u32::from(self.any_thread_deprecated) << 15;
        [eax, self.unavailable_events.into(), self.fixed_bitmap, edx]
    }

    /// CPUID leaf 80000022H: EAX, EBX, ECX, EDX (AMD PerfMonV2; all zero otherwise). No northbridge
    /// counters and no LBR stack are reported.
    #[must_use]
    pub fn cpuid_8000_0022(&self) -> [u32; 4] {
        if self.vendor == Vendor::Intel || self.version < 2 {
            return [0; 4];
        }
        [
            1 | u32::from(self.freeze_on_pmi) << 2,
            self.gp_counters.into(),
            0,
            0,
        ]
    }

    /// `IA32_PERF_CAPABILITIES`, if the register exists (CPUID.1:ECX\[15\], PDCM): Intel, version 2
    /// on.
    #[must_use]
    pub fn perf_capabilities(&self) -> Option<u64> {
        if self.vendor == Vendor::Amd || self.version < 2 {
            return None;
        }
        let mut value = 0;
        if self.full_width_writes {
            value |= PERF_CAP_FW_WRITE;
        }
        if self.freeze_while_smm {
            value |= PERF_CAP_SMM_FREEZE;
        }
        Some(value)
    }

    /// Whether the local APIC masks LVTPC when it delivers a PMI: Intel does, AMD does not.
    #[must_use]
    pub fn pmi_masks_lvtpc(&self) -> bool {
        self.vendor == Vendor::Intel
    }

    /// Length of the vector in EBX: slots (index 7) came with the parts of version 5.
    pub(crate) fn architectural_events(&self) -> u8 {
        if self.version >= 5 { 8 } else { 7 }
    }

    /// Bit i: fixed counter i exists (CPUID.0AH: ECX\[i\] or EDX\[4:0\] > i).
    pub(crate) fn fixed_mask(&self) -> u64 {
        let contiguous = (1u64 << self.fixed_counters) - 1;
        contiguous | u64::from(self.fixed_bitmap)
    }

    /// Bit i: general-purpose counter i exists.
    pub(crate) fn gp_mask(&self) -> u64 {
        (1 << self.gp_counters) - 1
    }

    /// Both kinds of counter at their places in the global registers.
    pub(crate) fn counter_bits(&self) -> u64 {
        self.gp_mask() | self.fixed_mask() << 32
    }

    /// Whether the global control and status registers exist.
    pub(crate) fn has_global(&self) -> bool {
        self.version >= 2
    }
}
