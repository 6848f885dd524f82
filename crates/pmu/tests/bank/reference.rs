// SPDX-License-Identifier: GPL-2.0-only
//! A naive bank: registers in a map, and every instruction walks every cycle of every counter. It
//! shares nothing with the crate but the description of a machine, and is meant to be read against
//! the manual, not to be fast.

use std::collections::BTreeMap;

use pmu::{Config, Vendor};

/// One instruction, as the model sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Insn {
    pub(crate) user: bool,
    /// It retires in the last of them; occurrences lie in the last cycle too.
    pub(crate) cycles: u64,
    pub(crate) refs: u64,
    pub(crate) branch: bool,
    pub(crate) branch_miss: bool,
    pub(crate) llc: bool,
    pub(crate) llc_miss: bool,
    pub(crate) load: bool,
    pub(crate) store: bool,
}

/// What a WRMSR is.
const WRMSR: Insn = Insn {
    user: false,
    cycles: 1,
    refs: 1,
    branch: false,
    branch_miss: false,
    llc: false,
    llc_miss: false,
    load: false,
    store: false,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reg {
    Counter(u32),
    Fixed(u32),
    Select(u32),
    FixedCtrl,
    Ctrl,
    Status,
    Clear,
    Set,
    InUse,
    Capabilities,
    Debugctl,
}

#[derive(Debug, Clone, Copy)]
struct Active {
    reg: Reg,
    bit: u32,
    width: u32,
    code: Code,
    user: bool,
    kernel: bool,
    int: bool,
    cmask: u64,
    inv: bool,
    edge: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Instructions,
    Branches,
    BranchMisses,
    Llc,
    LlcMisses,
    Loads,
    Stores,
    Cycles,
    RefsScaled,
    Refs,
    Slots,
    Injector(u64),
    /// Does not occur, so that INV counts every cycle.
    Never,
    /// Counts nothing, whatever the threshold: what is told of it does not say which cycles.
    Still,
}

/// Core events of which several may lie in a cycle. They never occur here.
const MANY: [u64; 14] = [
    0x010e, 0x01b1, 0x02c2, 0x0879, 0x0479, 0x3079, 0x019c, 0x01d1, 0x08d1, 0x02d1, 0x04d1, 0x20d1,
    0x0203, 0x0107,
];
/// Core events that mean something with one CMASK only.
const WITH_ITS_CMASK: [u64; 2] = [0x04a3, 0x14a3];

pub(crate) struct Reference {
    config: Config,
    regs: BTreeMap<Reg, u64>,
    /// Reference cycles by ring (kernel, user) since reset, for the divided event.
    refs: [u64; 2],
    pmi: bool,
    /// Set by every overflow; the driver clears it.
    pub(crate) overflowed: bool,
}

impl Reference {
    pub(crate) fn new(config: Config) -> Self {
        let mut regs = BTreeMap::new();
        if config.version >= 2 {
            regs.insert(Reg::Ctrl, (1u64 << config.gp_counters) - 1);
        }
        Self {
            config,
            regs,
            refs: [0; 2],
            pmi: false,
            overflowed: false,
        }
    }

    fn get(&self, reg: Reg) -> u64 {
        self.regs.get(&reg).copied().unwrap_or(0)
    }

    fn intel(&self) -> bool {
        self.config.vendor == Vendor::Intel
    }

    fn fixed_exists(&self, i: u32) -> bool {
        i < 16
            && (i < u32::from(self.config.fixed_counters) || self.config.fixed_bitmap >> i & 1 == 1)
    }

    fn locate(&self, msr: u32) -> Option<Reg> {
        let n = u32::from(self.config.gp_counters);
        let v = self.config.version;
        if msr == 0x1d9 {
            return Some(Reg::Debugctl);
        }
        if !self.intel() {
            return match msr {
                0xc001_0000..=0xc001_0003 if v > 0 => Some(Reg::Select(msr & 3)),
                0xc001_0004..=0xc001_0007 if v > 0 => Some(Reg::Counter(msr & 3)),
                0xc001_0200..=0xc001_020f if self.config.core_extension && (msr & 0xf) / 2 < n => {
                    let i = (msr & 0xf) / 2;
                    Some(if msr & 1 == 0 {
                        Reg::Select(i)
                    } else {
                        Reg::Counter(i)
                    })
                }
                0xc000_0300 if v >= 2 => Some(Reg::Status),
                0xc000_0301 if v >= 2 => Some(Reg::Ctrl),
                0xc000_0302 if v >= 2 => Some(Reg::Clear),
                0xc000_0303 if v >= 2 => Some(Reg::Set),
                _ => None,
            };
        }
        match msr {
            0xc1..=0xc8 if msr - 0xc1 < n => Some(Reg::Counter(msr - 0xc1)),
            0x4c1..=0x4c8 if self.config.full_width_writes && msr - 0x4c1 < n => {
                Some(Reg::Counter(msr - 0x4c1))
            }
            0x186..=0x18d if msr - 0x186 < n => Some(Reg::Select(msr - 0x186)),
            0x309..=0x318 if self.fixed_exists(msr - 0x309) => Some(Reg::Fixed(msr - 0x309)),
            0x38d if v >= 2 => Some(Reg::FixedCtrl),
            0x38e if v >= 2 => Some(Reg::Status),
            0x38f if v >= 2 => Some(Reg::Ctrl),
            0x390 if v >= 2 => Some(Reg::Clear),
            0x345 if v >= 2 => Some(Reg::Capabilities),
            0x391 if v >= 4 => Some(Reg::Set),
            0x392 if v >= 4 => Some(Reg::InUse),
            _ => None,
        }
    }

    pub(crate) fn rdmsr(&self, msr: u32) -> Option<u64> {
        let reg = self.locate(msr)?;
        Some(match reg {
            Reg::Clear | Reg::Set => 0,
            Reg::Capabilities => {
                u64::from(self.config.full_width_writes) << 13
                    | u64::from(self.config.freeze_while_smm) << 12
            }
            Reg::InUse => {
                let mut value = 0;
                for i in 0..u32::from(self.config.gp_counters) {
                    let select = self.get(Reg::Select(i));
                    value |= u64::from(select & 0xff > 0) << i;
                    value |= (select >> 20 & 1) << 63;
                }
                for i in 0..16 {
                    let field = self.get(Reg::FixedCtrl) >> (4 * i) & 0xf;
                    value |= u64::from(field != 0) << (32 + i);
                    value |= (field >> 3) << 63;
                }
                value
            }
            _ => self.get(reg),
        })
    }

    pub(crate) fn rdpmc(&self, ecx: u32) -> Option<u64> {
        if ecx < u32::from(self.config.gp_counters) {
            return Some(self.get(Reg::Counter(ecx)));
        }
        let fixed = ecx.checked_sub(0x4000_0000)?;
        (self.intel() && self.fixed_exists(fixed)).then(|| self.get(Reg::Fixed(fixed)))
    }

    /// Whether bit `bit` of `reg` may be written as 1.
    fn writable(&self, reg: Reg, bit: u32) -> bool {
        let c = &self.config;
        let v = c.version;
        let any = v >= 3 && !c.any_thread_deprecated;
        let counter = bit < u32::from(c.gp_counters) || bit >= 32 && self.fixed_exists(bit - 32);
        match reg {
            Reg::Select(_) if !self.intel() => {
                bit < 36 && bit != 19 && bit != 21 || bit == 40 || bit == 41
            }
            Reg::Select(i) => match bit {
                21 => any,
                0..=31 => true,
                32 => c.tsx,
                33 => c.tsx && i == 2,
                _ => false,
            },
            Reg::FixedCtrl => self.fixed_exists(bit / 4) && (bit % 4 != 2 || any),
            Reg::Ctrl => counter,
            Reg::Clear | Reg::Set if !self.intel() => {
                counter || c.freeze_on_pmi && (bit == 58 || bit == 59)
            }
            Reg::Clear | Reg::Set => match bit {
                55 | 58 | 59 | 60 => v >= 4,
                61 => v >= 3,
                62 => true,
                63 => reg == Reg::Clear,
                _ => counter,
            },
            Reg::Debugctl => match bit {
                0 | 1 => true,
                11 | 12 if self.intel() => v >= 2,
                11 | 12 => c.freeze_on_pmi,
                14 => c.freeze_while_smm,
                _ => false,
            },
            Reg::Counter(_) => bit < u32::from(c.gp_width),
            Reg::Fixed(_) => bit < u32::from(c.fixed_width),
            Reg::Status | Reg::InUse | Reg::Capabilities => false,
        }
    }

    /// False: #GP.
    pub(crate) fn wrmsr(&mut self, msr: u32, value: u64) -> bool {
        let Some(reg) = self.locate(msr) else {
            return false;
        };
        let mut value = value;
        if self.intel() && (0xc1..=0xc8).contains(&msr) {
            value &= 0xffff_ffff;
            if value >> 31 == 1 {
                value |= 0xffff_ffff_0000_0000;
            }
            value &= ((1u128 << self.config.gp_width) - 1) as u64;
        }
        if matches!(reg, Reg::InUse | Reg::Capabilities) || reg == Reg::Status && self.intel() {
            return false;
        }
        let strict = self.intel() || reg == Reg::Debugctl;
        for bit in 0..64 {
            if value >> bit & 1 == 1 && !self.writable(reg, bit) {
                if strict {
                    return false;
                }
                value &= !(1 << bit);
            }
        }
        let before = self.active();
        let status = self.get(Reg::Status);
        match reg {
            Reg::Status => {}
            Reg::Clear => {
                self.regs.insert(Reg::Status, status & !value);
            }
            Reg::Set => {
                self.regs.insert(Reg::Status, status | value);
            }
            _ => {
                self.regs.insert(reg, value);
            }
        }
        self.count(&before, WRMSR);
        true
    }

    fn code(&self, select: u64) -> Code {
        let injector = if select & 0xff == 0xfe {
            Code::Injector(select >> 8 & 0xff)
        } else {
            Code::Never
        };
        if !self.intel() {
            let high = select >> 32 & 0xf;
            if select >> 40 & 3 != 0 {
                return Code::Still;
            }
            return match (high, select & 0xffff) {
                (0, 0x76) => Code::Cycles,
                (0, 0xc0) => Code::Instructions,
                (0, 0xc2) => Code::Branches,
                (0, 0xc3) => Code::BranchMisses,
                (0, 0x129) => Code::Loads,
                (0, 0x229) => Code::Stores,
                (1, 0x120) => Code::Refs,
                (0, _) => injector,
                _ => Code::Never,
            };
        }
        let (index, code) = match select & 0xffff {
            0x003c => (0, Code::Cycles),
            0x00c0 => (1, Code::Instructions),
            0x013c => (2, Code::RefsScaled),
            0x4f2e => (3, Code::Llc),
            0x412e => (4, Code::LlcMisses),
            0x00c4 => (5, Code::Branches),
            0x00c5 => (6, Code::BranchMisses),
            0x01a4 if self.config.version == 5 => (7, Code::Slots),
            0x81d0 => return Code::Loads,
            0x82d0 => return Code::Stores,
            code if MANY.contains(&code) || WITH_ITS_CMASK.contains(&code) => return Code::Still,
            _ => return injector,
        };
        if self.config.unavailable_events >> index & 1 == 1 {
            Code::Never
        } else {
            code
        }
    }

    /// Counters that would count an instruction that starts now.
    fn active(&self) -> Vec<Active> {
        let mut active = Vec::new();
        if self.get(Reg::Status) >> 59 & 1 == 1 {
            return active;
        }
        let open = |bit: u32| self.config.version < 2 || self.get(Reg::Ctrl) >> bit & 1 == 1;
        for i in 0..u32::from(self.config.gp_counters) {
            let select = self.get(Reg::Select(i));
            if select >> 22 & 1 == 1 && open(i) {
                active.push(Active {
                    reg: Reg::Counter(i),
                    bit: i,
                    width: self.config.gp_width.into(),
                    code: self.code(select),
                    user: select >> 16 & 1 == 1,
                    kernel: select >> 17 & 1 == 1,
                    int: select >> 20 & 1 == 1,
                    cmask: select >> 24 & 0xff,
                    inv: select >> 23 & 1 == 1,
                    edge: select >> 18 & 1 == 1,
                });
            }
        }
        for i in 0..16 {
            let field = self.get(Reg::FixedCtrl) >> (4 * i) & 0xf;
            if field & 3 != 0 && open(32 + i) {
                active.push(Active {
                    reg: Reg::Fixed(i),
                    bit: 32 + i,
                    width: self.config.fixed_width.into(),
                    code: [Code::Instructions, Code::Cycles, Code::Refs, Code::Slots]
                        .get(i as usize)
                        .copied()
                        .unwrap_or(Code::Never),
                    user: field & 2 != 0,
                    kernel: field & 1 != 0,
                    int: field & 8 != 0,
                    cmask: 0,
                    inv: false,
                    edge: false,
                });
            }
        }
        active
    }

    /// Occurrences in one cycle of an instruction.
    fn occurrences(&self, counter: &Active, insn: Insn, last: bool) -> u64 {
        match counter.code {
            Code::Cycles => 1,
            Code::Slots => self.config.slots_per_cycle.into(),
            Code::Instructions => u64::from(last),
            Code::Branches => u64::from(last && insn.branch),
            Code::BranchMisses => u64::from(last && insn.branch_miss),
            Code::Llc => u64::from(last && insn.llc),
            Code::LlcMisses => u64::from(last && insn.llc_miss),
            Code::Loads => u64::from(last && insn.load),
            Code::Stores => u64::from(last && insn.store),
            Code::Refs if last => insn.refs,
            Code::RefsScaled if last => {
                let div = u64::from(self.config.gp_ref_divider);
                let of = |refs: [u64; 2]| {
                    (if counter.kernel { refs[0] } else { 0 }
                        + if counter.user { refs[1] } else { 0 })
                        / div
                };
                let mut after = self.refs;
                after[usize::from(insn.user)] += insn.refs;
                of(after) - of(self.refs)
            }
            Code::Refs | Code::RefsScaled | Code::Injector(_) | Code::Never | Code::Still => 0,
        }
    }

    fn increment(&self, counter: &Active, insn: Insn) -> u64 {
        if !(if insn.user {
            counter.user
        } else {
            counter.kernel
        }) || counter.code == Code::Still
        {
            return 0;
        }
        let steady = matches!(
            counter.code,
            Code::Cycles | Code::Slots | Code::Refs | Code::RefsScaled
        );
        let mut sum = 0;
        for cycle in 1..=insn.cycles {
            let n = self.occurrences(counter, insn, cycle == insn.cycles);
            if counter.cmask == 0 && !counter.edge {
                sum += n;
                continue;
            }
            // Reference cycles are compared as if there were one in each core cycle.
            let n = if matches!(counter.code, Code::Refs | Code::RefsScaled) {
                1
            } else {
                n
            };
            if counter.edge {
                sum += u64::from(!steady && n >= counter.cmask.max(1));
            } else {
                sum += u64::from((n >= counter.cmask) != counter.inv);
            }
        }
        sum
    }

    fn count(&mut self, active: &[Active], insn: Insn) {
        let increments: Vec<u64> = active.iter().map(|c| self.increment(c, insn)).collect();
        self.refs[usize::from(insn.user)] += insn.refs;
        self.pmi |= self.add(active, &increments);
    }

    fn add(&mut self, active: &[Active], increments: &[u64]) -> bool {
        let mut pmi = false;
        for (counter, n) in active.iter().zip(increments) {
            let sum = u128::from(self.get(counter.reg)) + u128::from(*n);
            let modulus = 1u128 << counter.width;
            self.regs.insert(counter.reg, (sum % modulus) as u64);
            if sum >= modulus {
                self.overflowed = true;
                pmi |= counter.int;
                if self.config.version >= 2 {
                    *self.regs.entry(Reg::Status).or_default() |= 1 << counter.bit;
                }
            }
        }
        if pmi {
            let debugctl = self.get(Reg::Debugctl);
            let legacy = self.intel() && self.config.version < 4;
            if debugctl >> 11 & 1 == 1 {
                if legacy {
                    self.regs.insert(Reg::Debugctl, debugctl & !1);
                } else {
                    *self.regs.entry(Reg::Status).or_default() |= 1 << 58;
                }
            }
            if debugctl >> 12 & 1 == 1 {
                if legacy {
                    self.regs.insert(Reg::Ctrl, 0);
                } else {
                    *self.regs.entry(Reg::Status).or_default() |= 1 << 59;
                }
            }
        }
        pmi
    }

    /// One instruction from start to retirement.
    pub(crate) fn step(&mut self, insn: Insn) {
        let active = self.active();
        self.count(&active, insn);
    }

    /// Injected occurrences: (counted, pmi).
    pub(crate) fn occur(&mut self, number: u64, n: u64, user: bool) -> (bool, bool) {
        let reached = |c: &Active| {
            let each = c.cmask == 0 && !c.edge;
            // Occurrences are cycles of their own; inverted, they are what is not counted, save
            // that an edge has both sides.
            each || c.cmask <= 1 && (c.edge || !c.inv)
        };
        let hit: Vec<Active> = self
            .active()
            .into_iter()
            .filter(|c| c.code == Code::Injector(number))
            .filter(|c| if user { c.user } else { c.kernel })
            .filter(reached)
            .collect();
        let pmi = self.add(&hit, &vec![n; hit.len()]);
        (!hit.is_empty(), pmi)
    }

    pub(crate) fn take_pmi(&mut self) -> bool {
        core::mem::take(&mut self.pmi)
    }
}
