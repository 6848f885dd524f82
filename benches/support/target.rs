// SPDX-License-Identifier: GPL-2.0-only
//! The shared benchmark image (benches/data/README.md) on a bare machine: calls of its functions,
//! and its sweep of NMIs through a real IDT gate and back by IRETQ.

use std::sync::Arc;

use abi::layout::{KERNEL_CS, PAGE_SIZE};
use abi::totals::{HwEvent, Ring};
use cpu::{Perm, TableRegister, TaskRegister, flat_gdt, interrupt_gate};
use image::Image;
use machine::{Decision, End, Hardware, Machine, Ordinal, Schedule, Snapshot, Until};

static IMAGE: &[u8] = include_bytes!("../data/target.bin");

const BASE: u64 = 0x40_0000;
/// Where code and constants end and data begins.
const DATA: u64 = 0x41_0000;
const END: u64 = 0x42_0000;
/// Descriptor tables and the TSS, out of the image's way.
const TABLES: u64 = 0x20_0000;
const GDT: u64 = TABLES;
const TSS: u64 = TABLES + 0x100;
const IDT: u64 = TABLES + 0x200;
/// Boundaries that a call may take: far beyond any.
const LIMIT: u64 = 1 << 40;

/// A quadword of the header.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
enum Header {
    Magic,
    Init,
    Routine,
    NmiEntry,
    LongKern = 5,
    LongAlu = 6,
    StopHere = 7,
    DataA = 8,
    DataZ = 9,
    StackTop = 11,
    NmiStackTop = 12,
}

/// A function of the image that does nothing but work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Repeats `routine`.
    Kern,
    /// A loop in registers.
    Alu,
}

/// The image in its warm state.
pub(crate) struct Target {
    machine: Machine,
}

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) executions: u64,
    pub(crate) fail: u64,
    pub(crate) bad: u64,
    pub(crate) aggregate: u64,
}

/// What an execution with an NMI must leave behind.
struct Golden {
    data: Vec<u8>,
    rsp: u64,
    boundaries: u64,
}

impl Target {
    /// Loads the image with page permissions and runs it warm.
    pub(crate) fn new() -> Self {
        let image = Image::raw(BASE, IMAGE).expect("the image has bytes");
        let hardware = Hardware {
            pmu: pmu_config(),
            skid: 0,
            skid_max: 0,
            max_samples_per_tick: 1,
        };
        let machine = Machine::bare(Arc::new(image), &hardware).expect("the image fits");
        let mut target = Self { machine };
        let mem = target.machine.mem_mut();
        mem.protect(BASE, DATA - BASE, Perm::READ | Perm::EXEC);
        mem.protect(DATA, END - DATA, Perm::READ | Perm::WRITE);
        mem.protect(TABLES, PAGE_SIZE, Perm::READ | Perm::WRITE);
        assert_eq!(target.header(Header::Magic), 0x5452_474d_4938_3658);
        target.install_nmi_gate();
        target.call(Header::Init, 0);
        target.call(Header::Routine, 0);
        target.call(Header::Routine, 0);
        target
    }

    /// Does work and returns the instructions it took.
    pub(crate) fn work(&mut self, work: Work, turns: u64) -> u64 {
        let before = self.retired();
        let function = match work {
            Work::Kern => Header::LongKern,
            Work::Alu => Header::LongAlu,
        };
        self.call(function, turns);
        self.retired() - before
    }

    /// The state now; memory writes are logged until it is released.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.machine.snapshot()
    }

    /// Back to it.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.machine.restore(snapshot);
    }

    /// One execution for every `stride`th boundary of `routine`.
    pub(crate) fn sweep(&mut self, stride: u64) -> Found {
        let golden = self.golden();
        let start = self.machine.snapshot();
        self.enter(Header::Routine, 0);
        let first = self.machine.cores()[0].ordinal;
        let mut found = Found {
            executions: 0,
            fail: 0,
            bad: 0,
            aggregate: 14_695_981_039_346_656_037,
        };
        for k in (0..golden.boundaries).step_by(stride as usize) {
            let here = self.machine.snapshot();
            let good = self.with_nmi(first + k, &golden);
            found.executions += 1;
            found.fail += u64::from(!good);
            let log = self.header(Header::DataZ);
            let [l0, l1, l2, l3] = [0, 8, 16, 24].map(|at| self.read(log + at));
            found.bad += l1;
            let value = l2
                .wrapping_mul(31)
                .wrapping_add(l1.wrapping_mul(7))
                .wrapping_add(l3)
                .wrapping_add(l0);
            found.aggregate = (found.aggregate ^ value).wrapping_mul(0x0100_0000_01b3);
            self.machine.restore(&here);
            self.machine.release(here);
            let next = Until::Boundary(first + k + stride);
            self.machine.run(&mut Schedule::empty(), &mut (), next);
        }
        self.machine.restore(&start);
        self.machine.release(start);
        found
    }

    /// From the boundary where the machine stands to the end, with an NMI at once.
    fn with_nmi(&mut self, at: Ordinal, golden: &Golden) -> bool {
        let mut schedule = Schedule::new(vec![(0, at, Decision::ExternalNmi)]);
        let until = Until::End { limit: LIMIT };
        let end = self.machine.run(&mut schedule, &mut (), until);
        matches!(end, End::Halted)
            && self.data() == golden.data
            && self.machine.cores()[0].cpu.regs[4] == golden.rsp
            && self.read(self.header(Header::DataZ)) == 1
    }

    fn golden(&mut self) -> Golden {
        let start = self.machine.snapshot();
        let before = self.machine.cores()[0].ordinal;
        self.call(Header::Routine, 0);
        let core = &self.machine.cores()[0];
        let golden = Golden {
            data: self.data(),
            rsp: core.cpu.regs[4],
            // Without the HLT that ends it.
            boundaries: core.ordinal - before - 1,
        };
        self.machine.restore(&start);
        self.machine.release(start);
        golden
    }

    fn data(&self) -> Vec<u8> {
        let (from, to) = (self.header(Header::DataA), self.header(Header::DataZ));
        let bytes = self.machine.mem().slice(from, (to - from) as usize);
        bytes.expect("inside memory").to_vec()
    }

    /// Calls a function; one decision far away stays armed, as in a real sweep.
    fn call(&mut self, function: Header, argument: u64) {
        self.enter(function, argument);
        let mut armed = Schedule::new(vec![(0, u64::MAX - 1, Decision::ExternalNmi)]);
        let end = self
            .machine
            .run(&mut armed, &mut (), Until::End { limit: LIMIT });
        assert!(matches!(end, End::Halted), "{end:?}");
    }

    fn enter(&mut self, function: Header, argument: u64) {
        let rsp = self.header(Header::StackTop) - 8;
        let (rip, ret) = (self.header(function), self.header(Header::StopHere));
        let mem = self.machine.mem_mut();
        mem.write_u64(rsp, ret).expect("inside memory");
        let cpu = &mut self.machine.core_mut(0).cpu;
        cpu.regs[4] = rsp;
        cpu.regs[7] = argument;
        cpu.set_rflags(2);
        cpu.rip = rip;
        cpu.halted = false;
    }

    /// GDT, a TSS whose IST1 is the image's NMI stack, and an IDT with the one gate.
    fn install_nmi_gate(&mut self) {
        let stack = self.header(Header::NmiStackTop);
        let gate = interrupt_gate(self.header(Header::NmiEntry), KERNEL_CS, 1, 0);
        let mut words: Vec<(u64, u64)> = Vec::new();
        let gdt = flat_gdt(TSS);
        words.extend(gdt.iter().zip(0u64..).map(|(word, i)| (GDT + 8 * i, *word)));
        words.extend([(TSS + 36, stack), (IDT + 32, gate[0]), (IDT + 40, gate[1])]);
        for (addr, word) in words {
            self.machine
                .mem_mut()
                .write_u64(addr, word)
                .expect("inside memory");
        }
        let cpu = &mut self.machine.core_mut(0).cpu;
        cpu.gdtr = TableRegister {
            base: GDT,
            limit: size_of_val(&gdt) as u16 - 1,
        };
        cpu.idtr = TableRegister {
            base: IDT,
            limit: 47,
        };
        cpu.tr = TaskRegister {
            selector: 0x38,
            base: TSS,
            limit: 103,
        };
    }

    fn header(&self, field: Header) -> u64 {
        self.read(BASE + 8 * field as u64)
    }

    fn read(&self, addr: u64) -> u64 {
        self.machine.mem().read_u64(addr).expect("inside memory")
    }

    fn retired(&self) -> u64 {
        let totals = &self.machine.cores()[0].cpu.totals;
        totals.get(Ring::Kernel, HwEvent::Instructions)
    }
}

/// The bank of sim-configs/machines/skylake.toml.
fn pmu_config() -> pmu::Config {
    pmu::Config {
        version: 4,
        gp_counters: 4,
        gp_width: 48,
        fixed_counters: 3,
        fixed_width: 48,
        full_width_writes: true,
        ..pmu::Config::default()
    }
}
