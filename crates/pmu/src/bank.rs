// SPDX-License-Identifier: GPL-2.0-only
//! The bank's state, RDMSR and WRMSR, and the counting order around a WRMSR.

use core::fmt;

use abi::totals::{HwEvent, Ring};

use crate::config::{Config, FIXED_MAX, GP_MAX, Vendor};
use crate::counter::{self, Counter};
use crate::counts::{AfterWrmsr, Counts};
use crate::latch::Latch;
use crate::overflow::status_bit;
use crate::threshold::Rule;
use crate::{amd, intel};

/// Counters of both kinds: general-purpose ones first.
pub(crate) const SLOTS: usize = GP_MAX as usize + FIXED_MAX as usize;

/// What one WRMSR adds to the totals when it retires: one instruction and one cycle in the kernel.
/// The bank must know it, because the WRMSR is counted under the enables it replaces.
pub const WRMSR_RETIREMENT: [(Ring, HwEvent, u64); 3] = [
    (Ring::Kernel, HwEvent::Instructions, 1),
    (Ring::Kernel, HwEvent::Cycles, 1),
    (Ring::Kernel, HwEvent::RefCycles, 1),
];

/// The access raises #GP(0); the bank is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralProtection;

impl fmt::Display for GeneralProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("general-protection exception")
    }
}

impl core::error::Error for GeneralProtection {}

/// How a counter register takes a written value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CounterWrite {
    /// Bits 31:0, sign-extended (`IA32_PMCi`).
    SignExtended,
    /// All bits; a 1 above the width faults (`IA32_A_PMCi`).
    FullWidth,
    /// All bits up to the width, the rest ignored (AMD).
    Truncated,
}

/// A register behind an MSR number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Register {
    Gp(u8, CounterWrite),
    Fixed(u8),
    Select(u8),
    FixedCtrl,
    GlobalCtrl,
    GlobalStatus,
    StatusReset,
    StatusSet,
    InUse,
    PerfCapabilities,
    Debugctl,
}

/// The bits that exist in each register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Legal {
    pub(crate) select: [u64; GP_MAX as usize],
    pub(crate) fixed_ctrl: u64,
    pub(crate) global_ctrl: u64,
    pub(crate) status_reset: u64,
    pub(crate) status_set: u64,
    pub(crate) debugctl: u64,
}

/// The performance counters of one logical CPU. A clone is a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pmu {
    pub(crate) config: Config,
    pub(crate) legal: Legal,
    pub(crate) select: [u64; GP_MAX as usize],
    pub(crate) fixed_ctrl: u64,
    pub(crate) global_ctrl: u64,
    pub(crate) status: u64,
    pub(crate) debugctl: u64,
    pub(crate) counters: [Counter; SLOTS],
    /// What selects and fixed control say, decoded.
    pub(crate) latches: [Latch; SLOTS],
    /// Bit per slot: enabled locally.
    enabled: u32,
    /// Bit per slot: enabled locally and globally, and not frozen.
    pub(crate) counting: u32,
    /// A PMI was requested and [`Pmu::settle`] has not said so yet.
    pub(crate) pmi: bool,
}

/// Counters that move with what retires, and how: two are equal if the same occurrences move them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followers(Vec<(usize, Latch)>);

impl Followers {
    /// None moves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pmu {
    /// A bank after reset.
    ///
    /// # Panics
    /// If `config` is not valid ([`Config::validate`]).
    #[must_use]
    pub fn new(config: &Config) -> Self {
        if let Err(error) = config.validate() {
            panic!("not a possible bank: {error}");
        }
        let legal = match config.vendor {
            Vendor::Intel => intel::legal(config),
            Vendor::Amd => amd::legal(config),
        };
        let mut reset = Self {
            config: *config,
            legal,
            select: [0; GP_MAX as usize],
            fixed_ctrl: 0,
            global_ctrl: if config.has_global() {
                config.gp_mask()
            } else {
                0
            },
            status: 0,
            debugctl: 0,
            counters: [Counter::default(); SLOTS],
            latches: [Latch::OFF; SLOTS],
            enabled: 0,
            counting: 0,
            pmi: false,
        };
        for i in 0..config.gp_counters {
            reset.decode_select(i);
        }
        reset.decode_fixed();
        reset
    }

    /// RESET and INIT: every register to its reset value.
    pub fn reset(&mut self) {
        *self = Self::new(&self.config);
    }

    /// Does nothing count, and are all registers those of `other`? Then both banks stay equal
    /// whatever retires, until something is written.
    #[must_use]
    pub fn rests_as(&self, other: &Self) -> bool {
        self.counting == 0 && self == other
    }

    /// The counters that what retires in `ring` moves, as the enables stand. Injected occurrences do
    /// not retire.
    #[must_use]
    pub fn followers(&self, ring: Ring) -> Followers {
        let follows = |slot: &usize| {
            let latch = &self.latches[*slot];
            latch.rings.contains(ring) && !matches!(latch.rule, Rule::Nothing | Rule::Injected(_))
        };
        let slots = slots(self.counting).filter(follows);
        Followers(slots.map(|slot| (slot, self.latches[slot])).collect())
    }

    /// What the bank was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether `msr` is one of the bank's registers and this machine has it. An MSR number of the
    /// bank's ranges that is not present here is not claimed; both accesses to it fault.
    #[must_use]
    pub fn claims(&self, msr: u32) -> bool {
        self.register(msr).is_some()
    }

    /// RDMSR, `now` being the totals before it retires. Privilege is the core's to check.
    ///
    /// # Errors
    /// #GP if the machine has no such register.
    pub fn rdmsr(&mut self, msr: u32, now: &impl Counts) -> Result<u64, GeneralProtection> {
        let register = self.register(msr).ok_or(GeneralProtection)?;
        self.advance(now);
        Ok(match register {
            Register::Gp(i, _) => self.counters[gp_slot(i)].value,
            Register::Fixed(i) => self.counters[fixed_slot(i)].value,
            Register::Select(i) => self.select[usize::from(i)],
            Register::FixedCtrl => self.fixed_ctrl,
            Register::GlobalCtrl => self.global_ctrl,
            Register::GlobalStatus => self.status,
            Register::StatusReset | Register::StatusSet => 0,
            Register::InUse => self.in_use(),
            Register::PerfCapabilities => self.config.perf_capabilities().unwrap_or(0),
            Register::Debugctl => self.debugctl,
        })
    }

    /// WRMSR, `now` being the totals before it retires. Its own retirement
    /// ([`WRMSR_RETIREMENT`]) is counted here, after the write took effect, by the counters that
    /// were enabled before it; call [`Pmu::settle`] once it has retired to learn of a PMI.
    /// Privilege is the core's to check.
    ///
    /// # Errors
    /// #GP if the machine has no such register, it is read-only, or a reserved bit is 1; nothing
    /// has changed then, and the instruction does not retire.
    pub fn wrmsr(
        &mut self,
        msr: u32,
        value: u64,
        now: &impl Counts,
    ) -> Result<(), GeneralProtection> {
        let register = self.register(msr).ok_or(GeneralProtection)?;
        self.advance(now);
        self.store(register, value)?;
        let after = AfterWrmsr(now);
        self.advance(&after);
        match register {
            Register::Select(i) => self.decode_select(i),
            Register::FixedCtrl => self.decode_fixed(),
            _ => {}
        }
        self.recount(&after);
        Ok(())
    }

    /// Brings counters and status up to `now`. True iff a PMI is to be requested: since the last
    /// call a counter with its INT or PMI bit set overflowed. A second call with the same totals
    /// changes nothing and says false.
    pub fn settle(&mut self, now: &impl Counts) -> bool {
        self.advance(now);
        core::mem::take(&mut self.pmi)
    }

    /// [`Pmu::settle`] without taking the request.
    pub(crate) fn advance(&mut self, now: &impl Counts) {
        let mut carried = 0;
        for slot in slots(self.counting) {
            let latch = &self.latches[slot];
            let total = latch.rule.total(latch.rings, now);
            let counter = &mut self.counters[slot];
            let due = counter.due(total);
            if due != 0 {
                counter.mark = total;
                if counter.add(due, width_mask(&self.config, slot)) {
                    carried |= 1 << slot;
                }
            }
        }
        if carried != 0 {
            self.pmi |= self.overflow(carried, now);
        }
    }

    /// Takes a counter's settings from its select.
    fn decode_select(&mut self, i: u8) {
        let latch = Latch::of_select(&self.config, self.select[usize::from(i)]);
        self.latch(gp_slot(i), latch);
    }

    /// Takes the settings of all fixed counters.
    fn decode_fixed(&mut self) {
        let fixed = self.config.fixed_mask();
        for i in (0..FIXED_MAX).filter(|i| fixed & (1 << i) != 0) {
            let latch = Latch::of_fixed(&self.config, i, self.fixed_ctrl >> (4 * i) & 0xf);
            self.latch(fixed_slot(i), latch);
        }
    }

    fn latch(&mut self, slot: usize, latch: Latch) {
        self.latches[slot] = latch;
        self.enabled = self.enabled & !(1 << slot) | u32::from(latch.enabled) << slot;
    }

    /// Takes from the registers which counters count from here on. They must stand at `now`.
    pub(crate) fn recount(&mut self, now: &impl Counts) {
        let open = if self.frozen() {
            0
        } else if self.config.has_global() {
            self.global_ctrl
        } else {
            u64::MAX
        };
        self.counting = 0;
        for slot in slots(self.enabled) {
            if open & status_bit(slot) != 0 {
                self.counting |= 1 << slot;
                let latch = &self.latches[slot];
                self.counters[slot].mark = latch.rule.total(latch.rings, now);
            }
        }
    }

    pub(crate) fn register(&self, msr: u32) -> Option<Register> {
        match self.config.vendor {
            Vendor::Intel => intel::register(&self.config, msr),
            Vendor::Amd => amd::register(&self.config, msr),
        }
    }

    /// Checks a value completely, then stores it: all or nothing.
    fn store(&mut self, register: Register, value: u64) -> Result<(), GeneralProtection> {
        match register {
            Register::Gp(i, how) => {
                let mask = width_mask(&self.config, gp_slot(i));
                self.counters[gp_slot(i)].value = match how {
                    CounterWrite::SignExtended => counter::sign_extended(value, mask),
                    CounterWrite::FullWidth if value > mask => return Err(GeneralProtection),
                    CounterWrite::FullWidth | CounterWrite::Truncated => value & mask,
                };
            }
            Register::Fixed(i) => {
                if value > width_mask(&self.config, fixed_slot(i)) {
                    return Err(GeneralProtection);
                }
                self.counters[fixed_slot(i)].value = value;
            }
            Register::Select(i) => {
                self.select[usize::from(i)] =
                    self.taken(value, self.legal.select[usize::from(i)])?;
            }
            Register::FixedCtrl => self.fixed_ctrl = self.taken(value, self.legal.fixed_ctrl)?,
            Register::GlobalCtrl => self.global_ctrl = self.taken(value, self.legal.global_ctrl)?,
            Register::StatusReset => self.status &= !self.taken(value, self.legal.status_reset)?,
            Register::StatusSet => self.status |= self.taken(value, self.legal.status_set)?,
            Register::Debugctl if value & !self.legal.debugctl != 0 => {
                return Err(GeneralProtection);
            }
            Register::Debugctl => self.debugctl = value,
            Register::GlobalStatus if self.config.vendor == Vendor::Amd => {}
            Register::GlobalStatus | Register::InUse | Register::PerfCapabilities => {
                return Err(GeneralProtection);
            }
        }
        Ok(())
    }

    /// What a register takes of a written value: Intel faults on reserved bits, AMD ignores them.
    fn taken(&self, value: u64, legal: u64) -> Result<u64, GeneralProtection> {
        if self.config.vendor == Vendor::Intel && value & !legal != 0 {
            return Err(GeneralProtection);
        }
        Ok(value & legal)
    }
}

/// Slot of general-purpose counter `index`.
pub(crate) fn gp_slot(index: u8) -> usize {
    index.into()
}

/// Slot of fixed counter `index`.
pub(crate) fn fixed_slot(index: u8) -> usize {
    usize::from(GP_MAX) + usize::from(index)
}

/// The slots whose bit is set, in rising order.
pub(crate) fn slots(mut bits: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let slot = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (slot < u32::BITS).then_some(slot as usize)
    })
}

/// All ones in a slot's width.
pub(crate) fn width_mask(config: &Config, slot: usize) -> u64 {
    counter::mask(if slot < usize::from(GP_MAX) {
        config.gp_width
    } else {
        config.fixed_width
    })
}
