// SPDX-License-Identifier: GPL-2.0-only
//! Flat images: machine code with a header that says what to call and what to sweep, on a bare
//! machine without an operating system. The sweep delivers an NMI before each instruction of the
//! image's routine, through a real IDT gate and back by IRETQ: the same step loop, snapshot and
//! injector as [`crate::sweep()`].
//!
//! An image is loaded at [`BASE`] into [`SIZE`] bytes of memory and begins with 13 quadwords: the
//! magic number, then the addresses of init, routine, `nmi_entry`, `nmi_exit`, `long_kern`,
//! `long_alu`, `stop_here`, `data_a`, `data_z`, `img_end`, `stack_top`, `nmi_stack_top`. A call
//! pushes `stop_here` (a HLT) at `stack_top - 8`, has its argument in RDI and RFLAGS = 2. The
//! handler logs four quadwords at `data_z`: hits, verdict, sum, place.

use std::sync::Arc;

use abi::layout::{KERNEL_CS, PAGE_SIZE};
use abi::totals::{HwEvent, Ring};
use cpu::{Perm, TableRegister, TaskRegister, flat_gdt, interrupt_gate};
use image::Image;
use machine::{Decision, End, Hardware, Machine, Ordinal, Schedule, Snapshot, Suffix, Until};

/// Where an image is loaded.
pub const BASE: u64 = 0x40_0000;
/// Bytes of memory it has.
pub const SIZE: u64 = 0x2_0000;
/// The first quadword of an image.
pub const MAGIC: u64 = 0x5452_474d_4938_3658;

const END: u64 = BASE + SIZE;
const HEADER_SIZE: u64 = 13 * 8;
/// Descriptor tables and the TSS, out of the image's way.
const TABLES: u64 = 0x20_0000;
const GDT: u64 = TABLES;
const TSS: u64 = TABLES + 0x100;
const IDT: u64 = TABLES + 0x200;
/// Boundaries that init and routine may take: far beyond any.
const WARM_LIMIT: u64 = 1 << 26;
/// Boundaries that work may take.
const WORK_LIMIT: u64 = 1 << 40;
/// Boundaries that an execution of the sweep may take beyond the run without an NMI.
const MORE: u64 = 1 << 20;
/// Where the aggregate starts, and what each step multiplies it by (FNV-1a, 64 bits).
const AGGREGATE_START: u64 = 14_695_981_039_346_656_037;
const AGGREGATE_FACTOR: u64 = 0x0100_0000_01b3;
const RSP: usize = 4;
const RDI: usize = 7;

/// A quadword of the header behind the magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Field {
    Init = 1,
    Routine,
    NmiEntry,
    NmiExit,
    LongKern,
    LongAlu,
    StopHere,
    DataA,
    DataZ,
    ImgEnd,
    StackTop,
    NmiStackTop,
}

impl Field {
    const ALL: [(Self, &'static str); 12] = [
        (Self::Init, "init"),
        (Self::Routine, "routine"),
        (Self::NmiEntry, "nmi_entry"),
        (Self::NmiExit, "nmi_exit"),
        (Self::LongKern, "long_kern"),
        (Self::LongAlu, "long_alu"),
        (Self::StopHere, "stop_here"),
        (Self::DataA, "data_a"),
        (Self::DataZ, "data_z"),
        (Self::ImgEnd, "img_end"),
        (Self::StackTop, "stack_top"),
        (Self::NmiStackTop, "nmi_stack_top"),
    ];
}

/// Why bytes are not a flat image that can be swept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlatError {
    /// Too few bytes for a header.
    #[error("{0} bytes are too few for the header of a flat image ({HEADER_SIZE} bytes)")]
    Short(usize),
    /// More bytes than there is memory.
    #[error("{0} bytes do not fit into the {SIZE} bytes of memory at {BASE:#x}")]
    Long(usize),
    /// The first quadword is not the magic number.
    #[error("not a flat image: it begins with {0:#018x} instead of {MAGIC:#018x}")]
    Magic(u64),
    /// A header field does not point where it must.
    #[error("header field {field} is {value:#x}, which is not {wanted}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it must be.
        wanted: &'static str,
    },
    /// The machine refuses the image.
    #[error("the image cannot be loaded: {0}")]
    Load(String),
    /// A call does not return to `stop_here`.
    #[error("{function} does not come back to stop_here: {why}")]
    Call {
        /// The function that was called.
        function: &'static str,
        /// How the run ended.
        why: String,
    },
    /// Every 0th boundary.
    #[error("the stride of a sweep is at least 1")]
    Stride,
}

/// A function of the image that does nothing but work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Repeats `routine`.
    Kern,
    /// A loop in registers.
    Alu,
}

/// What a sweep found. Reduced or not, it is the same but for `skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Boundaries of the routine.
    pub boundaries: u64,
    /// Executions judged.
    pub executions: u64,
    /// Executions of which the part behind the handler's IRETQ was known and did not run.
    pub skipped: u64,
    /// Executions that did not end as the run without an NMI, or in which the handler did not run
    /// exactly once.
    pub fail: u64,
    /// Sum of the handler's verdicts.
    pub bad: u64,
    /// Hash over what the handler logged, in the order of boundaries.
    pub aggregate: u64,
}

/// An image in its warm state: `init` and two turns of `routine` have run.
#[derive(Debug)]
pub struct Flat {
    machine: Machine,
    header: [u64; 13],
}

/// What an execution with an NMI must leave behind.
struct Golden {
    data: Vec<u8>,
    rsp: u64,
    boundaries: u64,
}

impl Flat {
    /// Loads an image with page permissions (code and constants below the page of `data_a`, data
    /// from there on) and runs it warm.
    ///
    /// # Errors
    /// See [`FlatError`].
    pub fn new(bytes: &[u8]) -> Result<Self, FlatError> {
        let header = header(bytes)?;
        let image = Image::raw(BASE, bytes).map_err(|e| FlatError::Load(e.to_string()))?;
        let hardware = Hardware {
            timing: machine::Timing::Unit,
            pmu: pmu_config(),
            features: cpu::Features::ALL,
            skid: 0,
            skid_max: 0,
            max_samples_per_tick: 1,
        };
        let machine = Machine::bare(Arc::new(image), &hardware)
            .map_err(|e| FlatError::Load(e.to_string()))?;
        let mut flat = Self { machine, header };
        let data = flat.field(Field::DataA) & !(PAGE_SIZE - 1);
        let mem = flat.machine.mem_mut();
        mem.protect(BASE, data - BASE, Perm::READ | Perm::EXEC);
        mem.protect(data, END - data, Perm::READ | Perm::WRITE);
        mem.protect(TABLES, PAGE_SIZE, Perm::READ | Perm::WRITE);
        flat.install_nmi_gate();
        for function in [Field::Init, Field::Routine, Field::Routine] {
            flat.call(function, 0, WARM_LIMIT)?;
        }
        Ok(flat)
    }

    /// Does work and returns the instructions it took.
    ///
    /// # Errors
    /// The function does not come back.
    pub fn work(&mut self, work: Work, turns: u64) -> Result<u64, FlatError> {
        let before = self.retired();
        let function = match work {
            Work::Kern => Field::LongKern,
            Work::Alu => Field::LongAlu,
        };
        self.call(function, turns, WORK_LIMIT)?;
        Ok(self.retired() - before)
    }

    /// The state now; memory writes are logged until it is released.
    pub fn snapshot(&mut self) -> Snapshot {
        self.machine.snapshot()
    }

    /// Back to it.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.machine.restore(snapshot);
    }

    /// One execution for every `stride`th boundary of `routine`, from the warm state, which is
    /// there again afterwards. If `reduced`, an execution ends behind the handler where the rest is
    /// known ([`Suffix`]).
    ///
    /// # Errors
    /// The stride is 0, or `routine` does not come back even without an NMI.
    pub fn sweep(&mut self, stride: u64, reduced: bool) -> Result<Found, FlatError> {
        let step = usize::try_from(stride).unwrap_or(usize::MAX);
        if step == 0 {
            return Err(FlatError::Stride);
        }
        let golden = self.golden()?;
        let start = self.machine.snapshot();
        self.enter(Field::Routine, 0);
        let first = self.machine.cores()[0].ordinal;
        let suffix = reduced.then(|| self.machine.suffix(golden.boundaries + 2));
        let mut found = Found {
            boundaries: golden.boundaries,
            executions: 0,
            skipped: 0,
            fail: 0,
            bad: 0,
            aggregate: AGGREGATE_START,
        };
        let mut here = self.machine.snapshot();
        for k in (0..golden.boundaries).step_by(step) {
            let to = Until::Boundary(0, first + k);
            self.machine.run(&mut Schedule::empty(), &mut (), to);
            self.machine.renew(&mut here);
            let known = suffix.as_ref();
            let judged = known.and_then(|suffix| self.handler(first + k, &here, suffix));
            let good = judged.unwrap_or_else(|| {
                if reduced {
                    self.machine.restore(&here);
                }
                self.with_nmi(first + k, &golden)
            });
            found.executions += 1;
            found.skipped += u64::from(judged.is_some());
            found.fail += u64::from(!good);
            let log = self.field(Field::DataZ);
            let [hits, verdict, sum, place] = [0, 8, 16, 24].map(|at| self.read(log + at));
            found.bad = found.bad.wrapping_add(verdict);
            let value = sum
                .wrapping_mul(31)
                .wrapping_add(verdict.wrapping_mul(7))
                .wrapping_add(place)
                .wrapping_add(hits);
            found.aggregate = (found.aggregate ^ value).wrapping_mul(AGGREGATE_FACTOR);
            self.machine.restore(&here);
        }
        self.machine.release(here);
        self.machine.restore(&start);
        self.machine.release(start);
        Ok(found)
    }

    /// From the boundary where the machine stands to the handler's end. If everything from there
    /// on is known, is it what it must be?
    fn handler(&mut self, at: Ordinal, here: &Snapshot, suffix: &Suffix) -> Option<bool> {
        let mut schedule = Schedule::new(vec![(0, at, Decision::ExternalNmi)]);
        let until = Until::NmiExit { limit: MORE };
        let end = self.machine.run(&mut schedule, &mut (), until);
        let (from, log) = (self.field(Field::DataA), self.field(Field::DataZ));
        // The run without an NMI goes on to the right end. What was judged at the end can be
        // judged here if the data is as in that run, and the log is no more written.
        let known = matches!(end, End::Boundary)
            && suffix.same_from(&self.machine, here, at)
            && !suffix.writes(log, 32, at)
            && self.machine.changes_since(here).all(|(addr, before, now)| {
                let clamp = |at: u64| at.saturating_sub(addr).min(before.len() as u64) as usize;
                let data = clamp(from)..clamp(log);
                before[data.clone()] == now[data]
            });
        known.then(|| self.read(log) == 1)
    }

    /// From the boundary where the machine stands to the end, with an NMI at once.
    fn with_nmi(&mut self, at: Ordinal, golden: &Golden) -> bool {
        let mut schedule = Schedule::new(vec![(0, at, Decision::ExternalNmi)]);
        let until = Until::End {
            limit: golden.boundaries + MORE,
        };
        let end = self.machine.run(&mut schedule, &mut (), until);
        matches!(end, End::Halted)
            && self.stands_behind_stop()
            && self.data() == golden.data
            && self.machine.cores()[0].cpu.regs[RSP] == golden.rsp
            && self.read(self.field(Field::DataZ)) == 1
    }

    fn golden(&mut self) -> Result<Golden, FlatError> {
        let start = self.machine.snapshot();
        let before = self.machine.cores()[0].ordinal;
        self.call(Field::Routine, 0, WARM_LIMIT)?;
        let core = &self.machine.cores()[0];
        let golden = Golden {
            data: self.data().to_vec(),
            rsp: core.cpu.regs[RSP],
            // Without the HLT that ends it.
            boundaries: core.ordinal - before - 1,
        };
        self.machine.restore(&start);
        self.machine.release(start);
        Ok(golden)
    }

    fn data(&self) -> &[u8] {
        let (from, to) = (self.field(Field::DataA), self.field(Field::DataZ));
        let bytes = self.machine.mem().slice(from, (to - from) as usize);
        bytes.expect("the header was checked")
    }

    /// Calls a function; one decision far away stays armed, as in a real sweep.
    fn call(&mut self, function: Field, argument: u64, limit: u64) -> Result<(), FlatError> {
        self.enter(function, argument);
        let mut armed = Schedule::new(vec![(0, u64::MAX - 1, Decision::ExternalNmi)]);
        let end = self.machine.run(&mut armed, &mut (), Until::End { limit });
        let why = match end {
            End::Halted if self.stands_behind_stop() => return Ok(()),
            End::Halted => format!("HLT before {:#x}", self.machine.cores()[0].cpu.rip),
            End::Failed(failure) => failure.to_string(),
            End::Limit => format!("still running after {limit} boundaries"),
            other => format!("{other:?}"),
        };
        let function = Field::ALL[function as usize - 1].1;
        Err(FlatError::Call { function, why })
    }

    /// Is the HLT at `stop_here` the one that ended the run?
    fn stands_behind_stop(&self) -> bool {
        self.machine.cores()[0].cpu.rip == self.field(Field::StopHere) + 1
    }

    fn enter(&mut self, function: Field, argument: u64) {
        let rsp = self.field(Field::StackTop) - 8;
        let (rip, ret) = (self.field(function), self.field(Field::StopHere));
        self.write(rsp, ret);
        let cpu = &mut self.machine.core_mut(0).cpu;
        cpu.regs[RSP] = rsp;
        cpu.regs[RDI] = argument;
        cpu.set_rflags(2);
        cpu.rip = rip;
        cpu.halted = false;
    }

    /// GDT, a TSS whose IST1 is the image's NMI stack, and an IDT with the one gate.
    fn install_nmi_gate(&mut self) {
        let stack = self.field(Field::NmiStackTop);
        let gate = interrupt_gate(self.field(Field::NmiEntry), KERNEL_CS, 1, 0);
        let gdt = flat_gdt(TSS);
        for (word, i) in gdt.iter().zip(0u64..) {
            self.write(GDT + 8 * i, *word);
        }
        for (addr, word) in [(TSS + 36, stack), (IDT + 32, gate[0]), (IDT + 40, gate[1])] {
            self.write(addr, word);
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

    fn field(&self, field: Field) -> u64 {
        self.header[field as usize]
    }

    fn read(&self, addr: u64) -> u64 {
        let value = self.machine.mem().read_u64(addr);
        value.expect("the header was checked")
    }

    fn write(&mut self, addr: u64, value: u64) {
        let done = self.machine.mem_mut().write_u64(addr, value);
        done.expect("the header was checked");
    }

    fn retired(&self) -> u64 {
        let totals = &self.machine.cores()[0].cpu.totals;
        totals.get(Ring::Kernel, HwEvent::Instructions)
    }
}

/// The header, with every address where it must be.
fn header(bytes: &[u8]) -> Result<[u64; 13], FlatError> {
    if (bytes.len() as u64) < HEADER_SIZE {
        return Err(FlatError::Short(bytes.len()));
    }
    let mut header = [0; 13];
    for (word, bytes) in header.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut b = [0; 8];
        b.copy_from_slice(bytes);
        *word = u64::from_le_bytes(b);
    }
    if header[0] != MAGIC {
        return Err(FlatError::Magic(header[0]));
    }
    if bytes.len() as u64 > SIZE {
        return Err(FlatError::Long(bytes.len()));
    }
    let data = header[Field::DataA as usize];
    for (field, name) in Field::ALL {
        let value = header[field as usize];
        let (good, wanted) = match field {
            Field::DataA => (
                (BASE + PAGE_SIZE..END).contains(&value),
                "in memory behind the code",
            ),
            Field::DataZ => (
                value >= data && value <= END - 32,
                "behind data_a, with room for the log",
            ),
            Field::StackTop | Field::NmiStackTop => (
                (data + 64..=END).contains(&value) && value.is_multiple_of(16),
                "an aligned end of a stack in the data",
            ),
            Field::ImgEnd => ((BASE..=END).contains(&value), "in memory"),
            _ => (
                (BASE + HEADER_SIZE..data).contains(&value),
                "code in front of data_a",
            ),
        };
        if !good {
            return Err(FlatError::Field {
                field: name,
                value,
                wanted,
            });
        }
    }
    Ok(header)
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
