// SPDX-License-Identifier: GPL-2.0-only
//! A small model of processor and host for host tests: MSRs, a counter bank per CPU, one PMI flag,
//! and records of what the port told the host.
//!
//! It is naive on purpose and shares nothing with the simulator's bank. Counters move only when a
//! test says so ([`MockHw::retire_user`], [`MockHw::occur`]); an overflow with a PMI request sets
//! a flag that the test takes ([`MockHw::take_pmi`]) before it calls the port's NMI entry. An
//! access that real hardware would refuse with #GP panics. One thread only.
//!
//! ```text
//! let perf = Perf::new(MockHw::new());    // Skylake-like: v4, 4 general-purpose, 3 fixed, 48 bits
//! perf.hw.retire_user(1000);              // 1000 instructions and cycles at CPL 3
//! if perf.hw.take_pmi() { /* perf.nmi() */ }
//! perf.hw.once_at(Op::Rdpmc, move || ...) // runs right after the next RDPMC: a nested "NMI"
//! ```

use core::cell::{Cell, RefCell};
use std::alloc::{Layout, alloc_zeroed};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::vec::Vec;

use abi::event_select as sel;
use abi::guest_call::Reader;
use abi::layout::CPUS_MAX;
use abi::msr;
use abi::totals::Ring;

use crate::hw::Hardware;
use crate::types::PerfEvent;

/// Operations that [`MockHw::once_at`] can interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Right after an RDPMC has read.
    Rdpmc,
    /// Right before a WRMSR takes effect.
    Wrmsr,
    /// Right before a `local64_add`.
    Local64Add,
    /// Right before a `local64_cmpxchg`.
    Local64Cmpxchg,
}

/// One value that the port emitted ([`Hardware::value`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// The event's address.
    pub event: *const PerfEvent,
    /// The value.
    pub value: u64,
    /// Who read it.
    pub reader: Reader,
}

const WIDTH: u32 = 48;
const MASK: u64 = (1 << WIDTH) - 1;

/// The PMU and LVTPC of one CPU.
#[derive(Debug, Default)]
struct Bank {
    select: [u64; 8],
    gp: [u64; 8],
    fixed: [u64; 4],
    fixed_ctrl: u64,
    global_ctrl: u64,
    status: u64,
    lvtpc: u64,
    pmi: bool,
}

type Hook = (Op, Box<dyn FnOnce()>);

#[derive(Default)]
struct Records {
    banks: [Bank; CPUS_MAX],
    writes: Vec<(u32, u64)>,
    others: BTreeMap<u32, u64>,
    warns: Vec<&'static str>,
    values: Vec<Value>,
    born: Vec<(*const PerfEvent, u64, *const PerfEvent)>,
    died: Vec<*const PerfEvent>,
    hooks: Vec<Hook>,
}

/// Processor and host for tests.
pub struct MockHw {
    leaf: [u32; 4],
    capabilities: u64,
    cpu: Cell<usize>,
    clock: Cell<u64>,
    irqs_on: Cell<bool>,
    irq_work: Cell<bool>,
    status_sticks: Cell<bool>,
    records: RefCell<Records>,
}

impl core::fmt::Debug for MockHw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MockHw")
            .field("cpu", &self.cpu)
            .field("banks", &self.records.borrow().banks)
            .finish_non_exhaustive()
    }
}

impl Default for MockHw {
    fn default() -> Self {
        Self::new()
    }
}

impl MockHw {
    /// Skylake's leaf: version 4, 4 general-purpose and 3 fixed counters of 48 bits, full-width
    /// writes.
    pub fn new() -> Self {
        Self::with_leaf([0x0730_0404, 0, 0, 0x0603], msr::PERF_CAP_FW_WRITE)
    }

    /// Any CPUID leaf 0AH (48-bit counters, at most 8 + 4) and `PERF_CAPABILITIES`.
    pub fn with_leaf(leaf: [u32; 4], capabilities: u64) -> Self {
        let hw = Self {
            leaf,
            capabilities,
            cpu: Cell::new(0),
            clock: Cell::new(1_000),
            irqs_on: Cell::new(true),
            irq_work: Cell::new(false),
            status_sticks: Cell::new(false),
            records: RefCell::new(Records::default()),
        };
        let gp = hw.gp_mask();
        for bank in &mut hw.records.borrow_mut().banks {
            bank.global_ctrl = gp;
            bank.lvtpc = msr::LVTPC_MASKED;
        }
        hw
    }

    /// Goes on as CPU `n`.
    pub fn set_cpu(&self, n: usize) {
        self.cpu.set(n);
    }

    /// Lets `ns` nanoseconds pass.
    pub fn advance_clock(&self, ns: u64) {
        self.clock.set(self.clock.get() + ns);
    }

    /// `n` instructions at CPL 3, one cycle and one reference cycle each.
    pub fn retire_user(&self, n: u64) {
        for code in [sel::INSTRUCTIONS, sel::CYCLES, sel::REF_CYCLES] {
            self.occur(code, Ring::User, n);
        }
    }

    /// `n` occurrences of the event with this select code in `ring`, seen by every counter of
    /// this CPU that counts it.
    pub fn occur(&self, code: u64, ring: Ring, n: u64) {
        let mut records = self.records.borrow_mut();
        let bank = &mut records.banks[self.cpu.get()];
        let (select_bit, fixed_bit) = match ring {
            Ring::User => (sel::USR, 2),
            Ring::Kernel => (sel::OS, 1),
        };
        let (mut overflowed, mut request) = (0, false);
        for i in 0..8 {
            let select = bank.select[i];
            let counts = bank.global_ctrl >> i & 1 != 0
                && select & sel::EN != 0
                && select & select_bit != 0
                && select & sel::CODE_MASK == code;
            if counts && add(&mut bank.gp[i], n) {
                overflowed |= 1 << i;
                request |= select & sel::INT != 0;
            }
        }
        for (i, fixed_code) in [sel::INSTRUCTIONS, sel::CYCLES, sel::REF_CYCLES]
            .into_iter()
            .enumerate()
        {
            let control = bank.fixed_ctrl >> (4 * i);
            let counts = bank.global_ctrl >> (32 + i) & 1 != 0
                && control & fixed_bit != 0
                && fixed_code == code;
            if counts && add(&mut bank.fixed[i], n) {
                overflowed |= 1 << (32 + i);
                request |= control & 8 != 0;
            }
        }
        bank.status |= overflowed;
        if request && bank.lvtpc == msr::LVTPC_NMI {
            bank.lvtpc |= msr::LVTPC_MASKED;
            bank.pmi = true;
        }
    }

    /// Whether this CPU has a PMI pending; it no longer has afterwards.
    pub fn take_pmi(&self) -> bool {
        core::mem::take(&mut self.records.borrow_mut().banks[self.cpu.get()].pmi)
    }

    /// Whether irq_work was raised since the last call.
    pub fn take_irq_work(&self) -> bool {
        self.irq_work.replace(false)
    }

    /// Whether interrupts are enabled.
    pub fn irqs_on(&self) -> bool {
        self.irqs_on.get()
    }

    /// Whether GLOBAL_STATUS ignores acknowledgement, as a broken machine might.
    pub fn stick_status(&self, sticks: bool) {
        self.status_sticks.set(sticks);
    }

    /// The raw general-purpose counter `i` of this CPU.
    pub fn counter(&self, i: usize) -> u64 {
        self.records.borrow().banks[self.cpu.get()].gp[i]
    }

    /// Sets the raw general-purpose counter `i` of this CPU behind the port's back.
    pub fn set_counter(&self, i: usize, value: u64) {
        self.records.borrow_mut().banks[self.cpu.get()].gp[i] = value & MASK;
    }

    /// MSR writes since the last call, oldest first.
    pub fn take_writes(&self) -> Vec<(u32, u64)> {
        core::mem::take(&mut self.records.borrow_mut().writes)
    }

    /// Warnings since the last call. Tests should end with an empty one.
    pub fn take_warns(&self) -> Vec<&'static str> {
        core::mem::take(&mut self.records.borrow_mut().warns)
    }

    /// Values that readers emitted since the last call.
    pub fn take_values(&self) -> Vec<Value> {
        core::mem::take(&mut self.records.borrow_mut().values)
    }

    /// Events born since the last call: address, descriptor, parent.
    pub fn take_born(&self) -> Vec<(*const PerfEvent, u64, *const PerfEvent)> {
        core::mem::take(&mut self.records.borrow_mut().born)
    }

    /// Events that died since the last call.
    pub fn take_died(&self) -> Vec<*const PerfEvent> {
        core::mem::take(&mut self.records.borrow_mut().died)
    }

    /// Runs `hook` once, at the next `op`. It may use this hardware.
    pub fn once_at(&self, op: Op, hook: impl FnOnce() + 'static) {
        self.records.borrow_mut().hooks.push((op, Box::new(hook)));
    }

    fn reached(&self, op: Op) {
        let hook = {
            let hooks = &mut self.records.borrow_mut().hooks;
            hooks
                .iter()
                .position(|h| h.0 == op)
                .map(|i| hooks.remove(i).1)
        };
        if let Some(hook) = hook {
            hook();
        }
    }

    fn gp_count(&self) -> u32 {
        self.leaf[0] >> 8 & 0xff
    }

    fn fixed_count(&self) -> u32 {
        self.leaf[3] & 0x1f
    }

    fn gp_mask(&self) -> u64 {
        (1 << self.gp_count()) - 1
    }

    fn global_mask(&self) -> u64 {
        self.gp_mask() | ((1 << self.fixed_count()) - 1) << 32
    }

    /// Which counter or select register `msr` is: its first number and the index.
    fn indexed(&self, msr: u32) -> Option<(u32, usize)> {
        let full_width = self.capabilities & msr::PERF_CAP_FW_WRITE != 0;
        [
            (msr::PMC0, self.gp_count()),
            (msr::A_PMC0, if full_width { self.gp_count() } else { 0 }),
            (msr::PERFEVTSEL0, self.gp_count()),
            (msr::FIXED_CTR0, self.fixed_count()),
        ]
        .into_iter()
        .find(|&(base, count)| (base..base + count).contains(&msr))
        .map(|(base, _)| (base, (msr - base) as usize))
    }
}

/// Adds to a counter; whether there was a carry out of its top bit.
fn add(counter: &mut u64, n: u64) -> bool {
    let sum = *counter + n;
    *counter = sum & MASK;
    sum > MASK
}

impl Hardware for MockHw {
    fn rdmsr(&self, msr: u32) -> u64 {
        let records = self.records.borrow();
        let bank = &records.banks[self.cpu.get()];
        match (self.indexed(msr), msr) {
            (Some((msr::PMC0 | msr::A_PMC0, i)), _) => bank.gp[i],
            (Some((msr::PERFEVTSEL0, i)), _) => bank.select[i],
            (Some((_, i)), _) => bank.fixed[i],
            (None, msr::PERF_CAPABILITIES) => self.capabilities,
            (None, msr::FIXED_CTR_CTRL) => bank.fixed_ctrl,
            (None, msr::PERF_GLOBAL_STATUS) => bank.status,
            (None, msr::PERF_GLOBAL_CTRL) => bank.global_ctrl,
            (None, msr::PERF_GLOBAL_OVF_CTRL) => 0,
            (None, msr::X2APIC_LVTPC) => bank.lvtpc,
            (None, _) => *records
                .others
                .get(&msr)
                .expect("#GP: RDMSR of an unknown MSR"),
        }
    }

    fn wrmsr(&self, msr: u32, value: u64) {
        self.reached(Op::Wrmsr);
        let indexed = self.indexed(msr);
        let global = self.global_mask();
        let mut records = self.records.borrow_mut();
        records.writes.push((msr, value));
        let bank = &mut records.banks[self.cpu.get()];
        let check = |legal: bool| assert!(legal, "#GP: WRMSR {msr:#x} = {value:#x}");
        match (indexed, msr) {
            (Some((msr::PMC0, i)), _) => {
                let sign = if value & 1 << 31 != 0 {
                    u64::from(u32::MAX) << 32
                } else {
                    0
                };
                bank.gp[i] = (value & u64::from(u32::MAX) | sign) & MASK;
            }
            (Some((msr::A_PMC0, i)), _) => {
                check(value & !MASK == 0);
                bank.gp[i] = value;
            }
            (Some((msr::PERFEVTSEL0, i)), _) => {
                check(value >> 32 == 0);
                bank.select[i] = value;
            }
            (Some((_, i)), _) => {
                check(value & !MASK == 0);
                bank.fixed[i] = value;
            }
            (None, msr::FIXED_CTR_CTRL) => {
                check(value >> (4 * self.fixed_count()) == 0);
                bank.fixed_ctrl = value;
            }
            (None, msr::PERF_GLOBAL_CTRL) => {
                check(value & !global == 0);
                bank.global_ctrl = value;
            }
            (None, msr::PERF_GLOBAL_OVF_CTRL) => {
                if !self.status_sticks.get() {
                    bank.status &= !value;
                }
            }
            (None, msr::X2APIC_LVTPC) => bank.lvtpc = value,
            (None, msr::X2APIC_EOI | msr::DEBUGCTL) => {
                records.others.insert(msr, value);
            }
            (None, _) => panic!("#GP: WRMSR of an unknown MSR {msr:#x}"),
        }
    }

    fn rdpmc(&self, index: u32) -> u64 {
        let value = {
            let records = self.records.borrow();
            let bank = &records.banks[self.cpu.get()];
            let (fixed, i) = (index & 1 << 30 != 0, index & !(1 << 30));
            let count = if fixed {
                self.fixed_count()
            } else {
                self.gp_count()
            };
            assert!(i < count, "#GP: RDPMC {index:#x}");
            if fixed {
                bank.fixed[i as usize]
            } else {
                bank.gp[i as usize]
            }
        };
        self.reached(Op::Rdpmc);
        value
    }

    fn cpuid_perfmon(&self) -> [u32; 4] {
        self.leaf
    }

    fn clock(&self) -> u64 {
        self.clock.get()
    }

    fn cpu(&self) -> usize {
        self.cpu.get()
    }

    fn irq_save(&self) -> bool {
        self.irqs_on.replace(false)
    }

    fn irq_restore(&self, enabled: bool) {
        if enabled {
            self.irqs_on.set(true);
        }
    }

    fn raise_irq_work(&self) {
        self.irq_work.set(true);
    }

    fn send_ipi(&self, cpu: usize, vector: u8) {
        unreachable!("vector {vector:#x} for cpu {cpu}: the mock runs one CPU at a time")
    }

    fn map_shared_pages(&self, pages: usize) -> *mut u8 {
        let layout = Layout::from_size_align(pages * 4096, 4096).expect("a small number of pages");
        assert!(layout.size() > 0, "no pages asked for");
        // SAFETY: the size is not zero. Tests never free pages.
        unsafe { alloc_zeroed(layout) }
    }

    unsafe fn local64_add(&self, at: *mut i64, n: i64) {
        self.reached(Op::Local64Add);
        // SAFETY: the caller's promise.
        unsafe { at.write_volatile(at.read_volatile().wrapping_add(n)) }
    }

    unsafe fn local64_cmpxchg(&self, at: *mut i64, old: i64, new: i64) -> i64 {
        self.reached(Op::Local64Cmpxchg);
        // SAFETY: the caller's promise.
        unsafe {
            let found = at.read_volatile();
            if found == old {
                at.write_volatile(new);
            }
            found
        }
    }

    unsafe fn local64_xchg(&self, at: *mut i64, new: i64) -> i64 {
        // SAFETY: the caller's promise.
        unsafe {
            let found = at.read_volatile();
            at.write_volatile(new);
            found
        }
    }

    fn event_born(&self, event: *const PerfEvent, fd: u64, parent: *const PerfEvent) {
        self.records.borrow_mut().born.push((event, fd, parent));
    }

    fn event_died(&self, event: *const PerfEvent) {
        self.records.borrow_mut().died.push(event);
    }

    fn value(&self, event: *const PerfEvent, value: u64, reader: Reader) {
        self.records.borrow_mut().values.push(Value {
            event,
            value,
            reader,
        });
    }

    fn warn(&self, text: &'static str) {
        self.records.borrow_mut().warns.push(text);
    }
}
