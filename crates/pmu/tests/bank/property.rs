// SPDX-License-Identifier: GPL-2.0-only
//! Random MSR traffic, retirement and injection on random machines: the bank, looked at only when
//! its headroom is used up, must agree with the naive model that looks after every instruction.

use abi::event_select::injector;
use abi::totals::{HwEvent, Ring, Totals};
use pmu::{Config, Pmu, Rates, Vendor, WRMSR_RETIREMENT};
use proptest::prelude::*;

use crate::reference::{Insn, Reference};

/// One thing done to both.
#[derive(Debug, Clone)]
enum Op {
    Write(u32, u64),
    Read(u32),
    Rdpmc(u32),
    Run(Insn, u64),
    Occur(u8, u64, bool),
    Settle,
    /// Opens every counter, then sets counters 0 to 3 as far back as said, with these selects, all
    /// in a row: overflows that come close together.
    Arm(u64, [u64; 4], [u64; 4]),
}

fn config() -> impl Strategy<Value = Config> {
    let widths = || prop_oneof![3 => Just(48u8), 1 => Just(40u8), 1 => Just(32u8), 1 => Just(64u8)];
    let shape = (0u8..8, 1u8..=8, widths(), 0u8..=5, widths(), any::<u16>());
    (
        shape,
        any::<[bool; 4]>(),
        prop_oneof![2 => Just(0u8), 1 => any::<u8>()],
        1u32..4,
        2u8..6,
    )
        .prop_map(
            |(
                (version, gp, gp_width, fixed, fixed_width, bitmap),
                bits,
                unavailable_events,
                divider,
                slots,
            )| {
                let base = Config {
                    gp_counters: gp,
                    gp_width,
                    fixed_width,
                    slots_per_cycle: slots,
                    per_instruction: Rates {
                        cycles: 3,
                        ref_cycles: 4,
                        memory: 1,
                        lags: false,
                    },
                    ..Config::default()
                };
                if version >= 6 {
                    let v2 = version == 7;
                    let extended = v2 || bits[0];
                    return Config {
                        vendor: Vendor::Amd,
                        version: if v2 { 2 } else { 1 },
                        gp_counters: if extended { 4 + gp / 2 } else { 4 },
                        core_extension: extended,
                        freeze_on_pmi: v2 && bits[1],
                        ..base
                    };
                }
                Config {
                    version,
                    gp_counters: if version == 0 { 0 } else { gp },
                    fixed_counters: if version >= 2 { fixed } else { 0 },
                    fixed_bitmap: if version == 5 {
                        u32::from(bitmap & 0x7f)
                    } else {
                        0
                    },
                    full_width_writes: version >= 2 && bits[0],
                    any_thread_deprecated: version == 5 && bits[1],
                    freeze_while_smm: version >= 2 && bits[2],
                    tsx: version >= 3 && bits[3],
                    unavailable_events,
                    gp_ref_divider: divider,
                    ..base
                }
            },
        )
}

/// Every number at which some machine has a register, and its neighbours.
fn numbers() -> Vec<u32> {
    let mut numbers: Vec<u32> = vec![0x345, 0x1d9, 0x3f1, 0x600];
    for range in [
        0xc0..0xca,
        0x185..0x18f,
        0x308..0x31a,
        0x38c..0x394,
        0x4c0..0x4ca,
    ] {
        numbers.extend(range);
    }
    for range in [
        0xc000_02ff..0xc000_0305u32,
        0xc000_ffff..0xc001_0009,
        0xc001_01ff..0xc001_0211,
    ] {
        numbers.extend(range);
    }
    numbers
}

fn select_value() -> impl Strategy<Value = u64> + Clone {
    let code = prop::sample::select(vec![
        0xc0u64,
        0xc0,
        0x3c,
        0x13c,
        0x4f2e,
        0x412e,
        0xc4,
        0xc5,
        0x01a4,
        0x81d0,
        0x82d0,
        0x129,
        0x229,
        0x76,
        0xc2,
        0xc3,
        0xfe,
        0x1fe,
        0x2fe,
        0,
        0x77,
        0x1_0000_0120,
        // Core events that may occur several times a cycle, one with a CMASK of its own, and one
        // that occurs once; AMD: host-only.
        0x02c2,
        0x0107,
        0x04a3,
        0x20c4,
        1 << 41 | 0xc0,
    ]);
    let rings = prop::sample::select(vec![0u64, 1, 2, 3, 3, 3]);
    let cmask = prop_oneof![4 => Just(0u64), 2 => Just(1u64), 1 => Just(2u64), 1 => 0u64..8];
    // EDGE, PC, INT, EN, INV, and rarely a bit that may be reserved.
    let edge = prop::bool::weighted(0.2);
    let inv = prop::bool::weighted(0.3);
    let odd = prop_oneof![12 => Just(0u64), 1 => (0u32..64).prop_map(|bit| 1 << bit)];
    (
        code,
        rings,
        cmask,
        edge,
        inv,
        any::<bool>(),
        prop::bool::weighted(0.9),
        odd,
    )
        .prop_map(|(code, rings, cmask, edge, inv, int, en, odd)| {
            code | rings << 16
                | u64::from(edge) << 18
                | u64::from(int) << 20
                | u64::from(en) << 22
                | u64::from(inv) << 23
                | cmask << 24
                | odd
        })
}

/// Close to an overflow of one of the widths, mostly.
fn counter_value() -> impl Strategy<Value = u64> + Clone {
    let width = prop::sample::select(vec![32u32, 40, 48, 48, 64]);
    prop_oneof![
        8 => (width, 1u64..120).prop_map(|(width, back)| (u64::MAX >> (64 - width)) - back),
        1 => 0u64..9,
        1 => any::<u64>(),
    ]
}

fn control_value() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0u64),
        3 => any::<u64>().prop_map(|bits| bits & 0x7_0000_000f),
        2 => any::<u64>().prop_map(|bits| bits & 0xbbb),
        1 => Just(0xf_0000_00ff),
        2 => (0u32..64).prop_map(|bit| 1 << bit),
        2 => prop::sample::select(vec![1u64 << 59, 1 << 12, 3 << 11, 1 | 3 << 11, 1 << 58]),
        1 => any::<u64>(),
    ]
}

fn insn() -> impl Strategy<Value = Insn> {
    (any::<bool>(), 1u64..=3, 0u64..=4, any::<[bool; 6]>()).prop_map(
        |(user, cycles, refs, bits)| Insn {
            user,
            cycles,
            refs,
            branch: bits[0],
            branch_miss: bits[1],
            llc: bits[2],
            llc_miss: bits[3],
            load: bits[4],
            store: bits[5],
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let select = (0u32..8, select_value());
    let counter = (
        prop::sample::select(vec![0xc1u32, 0x4c1, 0x4c1, 0x309]),
        0u32..8,
        counter_value(),
    );
    let control = prop::sample::select(vec![
        0x38du32,
        0x38f,
        0x38f,
        0x390,
        0x391,
        0x1d9,
        0x1d9,
        0xc000_0301,
        0xc000_0302,
        0xc000_0303,
    ]);
    let ecx = prop_oneof![3 => 0u32..10, 3 => 0x4000_0000u32..0x4000_0009, 1 => any::<u32>()];
    prop_oneof![
        4 => select.clone().prop_map(|(i, value)| Op::Write(0x186 + i, value)),
        1 => select.prop_map(|(i, value)| Op::Write(0xc001_0200 + 2 * i, value)),
        4 => counter.clone().prop_map(|(first, i, value)| Op::Write(first + i, value)),
        1 => counter.prop_map(|(_, i, value)| Op::Write(0xc001_0201 + 2 * i, value)),
        4 => (control, control_value()).prop_map(|(msr, value)| Op::Write(msr, value)),
        1 => (prop::sample::select(numbers()), any::<u64>()).prop_map(|(msr, value)| Op::Write(msr, value)),
        1 => prop::sample::select(numbers()).prop_map(Op::Read),
        1 => ecx.prop_map(Op::Rdpmc),
        8 => (insn(), 1u64..60).prop_map(|(insn, n)| Op::Run(insn, n)),
        3 => (0u8..3, 1u64..60, any::<bool>()).prop_map(|(number, n, user)| Op::Occur(number, n, user)),
        1 => Just(Op::Settle),
        2 => (control_value(), 1u64..40, prop::array::uniform4(0u64..3), prop::array::uniform4(select_value()))
            .prop_map(|(debugctl, back, behind, selects)| {
                Op::Arm(debugctl, behind.map(|n| back + n), selects)
            }),
    ]
}

struct Pair {
    bank: Pmu,
    now: Totals,
    model: Reference,
}

fn ring(user: bool) -> Ring {
    if user { Ring::User } else { Ring::Kernel }
}

impl Pair {
    fn retire(&mut self, insn: Insn) {
        let ring = ring(insn.user);
        self.model.step(insn);
        for (event, n) in [
            (HwEvent::Instructions, 1),
            (HwEvent::Cycles, insn.cycles),
            (HwEvent::RefCycles, insn.refs),
            (HwEvent::Branches, insn.branch.into()),
            (HwEvent::BranchMisses, insn.branch_miss.into()),
            (HwEvent::LlcReferences, insn.llc.into()),
            (HwEvent::LlcMisses, insn.llc_miss.into()),
            (HwEvent::Loads, insn.load.into()),
            (HwEvent::Stores, insn.store.into()),
        ] {
            self.now.add(ring, event, n);
        }
    }

    fn run(&mut self, insn: Insn, mut n: u64) {
        while n > 0 {
            let free = self.bank.headroom(&self.now).min(n);
            self.model.overflowed = false;
            for _ in 0..free {
                self.retire(insn);
            }
            assert!(!self.model.overflowed, "an overflow within the headroom");
            n -= free;
            if n > 0 {
                self.retire(insn);
                n -= 1;
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        assert_eq!(
            self.bank.settle(&self.now),
            self.model.take_pmi(),
            "PMI request"
        );
        assert!(!self.bank.settle(&self.now), "settling again");
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Write(msr, value) => {
                let taken = self.bank.wrmsr(msr, value, &self.now).is_ok();
                assert_eq!(
                    taken,
                    self.model.wrmsr(msr, value),
                    "WRMSR {msr:#x} <- {value:#x}"
                );
                if taken {
                    for (ring, event, n) in WRMSR_RETIREMENT {
                        self.now.add(ring, event, n);
                    }
                    self.settle();
                }
            }
            Op::Read(msr) => {
                assert_eq!(
                    self.bank.rdmsr(msr, &self.now).ok(),
                    self.model.rdmsr(msr),
                    "{msr:#x}"
                );
            }
            Op::Rdpmc(ecx) => {
                assert_eq!(
                    self.bank.rdpmc(ecx, &self.now).ok(),
                    self.model.rdpmc(ecx),
                    "{ecx:#x}"
                );
            }
            Op::Run(insn, n) => self.run(insn, n),
            Op::Occur(number, n, user) => {
                let code = injector(number);
                let armed = self.bank.counts(code, ring(user));
                let occurred = self.bank.occur(code, n, ring(user), &self.now);
                assert_eq!(occurred.counted, armed);
                assert_eq!(
                    (occurred.counted, occurred.pmi),
                    self.model.occur(number.into(), n, user)
                );
            }
            Op::Settle => self.settle(),
            Op::Arm(debugctl, back, selects) => self.arm(debugctl, back, selects),
        }
    }

    fn arm(&mut self, debugctl: u64, back: [u64; 4], selects: [u64; 4]) {
        let intel = self.bank.config().vendor == Vendor::Intel;
        let width = self.bank.config().gp_width;
        self.apply(&Op::Write(0x1d9, debugctl));
        self.apply(&Op::Write(if intel { 0x38f } else { 0xc000_0301 }, 0));
        for i in 0..4 {
            let (select, counter) = if intel {
                (0x186 + i, 0xc1 + i)
            } else {
                (0xc001_0000 + i, 0xc001_0004 + i)
            };
            self.apply(&Op::Write(
                counter,
                (u64::MAX >> (64 - width)) - back[i as usize],
            ));
            self.apply(&Op::Write(select, selects[i as usize]));
        }
        let gp = (1 << self.bank.config().gp_counters) - 1;
        self.apply(&Op::Write(if intel { 0x38f } else { 0xc000_0301 }, gp));
    }

    /// Everything visible, on a copy, so that reading settles nothing.
    fn compare(&self) {
        let mut bank = self.bank.clone();
        let mut lazy = Vec::new();
        bank.digest_words(&self.now, &mut lazy);
        for msr in numbers() {
            assert_eq!(
                bank.rdmsr(msr, &self.now).ok(),
                self.model.rdmsr(msr),
                "MSR {msr:#x}"
            );
            assert_eq!(
                bank.claims(msr),
                self.model.rdmsr(msr).is_some(),
                "MSR {msr:#x}"
            );
        }
        for ecx in (0..9).chain(0x4000_0000..0x4000_0011) {
            assert_eq!(
                bank.rdpmc(ecx, &self.now).ok(),
                self.model.rdpmc(ecx),
                "RDPMC {ecx:#x}"
            );
        }
        let mut settled = Vec::new();
        bank.digest_words(&self.now, &mut settled);
        assert_eq!(lazy, settled, "the digest depends on settling");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn the_bank_agrees_with_the_naive_model(config in config(), ops in prop::collection::vec(op(), 1..60)) {
        prop_assert_eq!(config.validate(), Ok(()));
        let mut pair = Pair { bank: Pmu::new(&config), now: Totals::default(), model: Reference::new(config) };
        pair.compare();
        for op in &ops {
            pair.apply(op);
            pair.compare();
        }
    }
}
