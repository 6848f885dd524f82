// SPDX-License-Identifier: GPL-2.0-only
//! The machine: how it is put together, loaded, snapshot and rolled back. How it runs stands in
//! [`crate::step`].

use std::sync::Arc;

use abi::boot::{BOOT_VERSION, BootInfo};
use abi::layout::{
    CPUS_MAX, MEMORY_SIZE, PAGE_SIZE, SHARED, SHARED_SIZE, USER_DATA, USER_DATA_SIZE, USER_TEXT,
    USER_TEXT_SIZE,
};
use abi::rows::Rows;
use cpu::{Cpu, DecodeCache, Features, GRANULE, Mark, Memory, Perm};
use image::{Image, StructLayout};
use pmu::Pmu;

use crate::apic::Ipi;
use crate::bus::RawCall;
use crate::core::Core;
use crate::cpuid::Cpuid;
use crate::model::Model;
use crate::objects::Objects;
use crate::program::Program;

/// How the machine tells time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timing {
    /// One instruction, one cycle.
    #[default]
    Unit,
    /// The out-of-order model of a Skylake core.
    Skylake,
}

/// The hardware of a machine, from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// The PMC bank of each CPU.
    pub pmu: pmu::Config,
    /// Instruction sets that each core has, and that CPUID reports.
    pub features: Features,
    /// Where cycles come from.
    pub timing: Timing,
    /// Boundaries (with a pipeline model: cycles) from an overflow that nobody injected to its
    /// PMI; 0: the next boundary.
    pub skid: u32,
    /// Instructions that a PMI may be late, at most.
    pub skid_max: u32,
    /// Samples of one event per tick before the guest throttles it.
    pub max_samples_per_tick: u64,
}

/// Why a machine cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The image reaches beyond memory.
    #[error("the image has a segment at {addr:#x}, beyond the {memory:#x} bytes of memory")]
    SegmentOutside {
        /// Start of the segment.
        addr: u64,
        /// Bytes of memory.
        memory: u64,
    },
    /// The image is not a guest of this project.
    #[error(
        "the image has no {what}, which a guest needs; build it with debug information from this project's sources"
    )]
    NotAGuest {
        /// Symbol or type that is missing.
        what: &'static str,
    },
    /// More CPUs than the image has room for, or none.
    #[error("{0} CPUs asked for; the guest has room for 1 to {CPUS_MAX}")]
    Cpus(usize),
    /// A user program does not fit.
    #[error("the program of cpu {cpu} needs {need:#x} bytes of {what}; there are {room:#x}")]
    ProgramTooLarge {
        /// CPU of the program.
        cpu: usize,
        /// Code or data.
        what: &'static str,
        /// Bytes needed.
        need: u64,
        /// Bytes available.
        room: u64,
    },
}

/// CPUs, memory and devices.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) image: Arc<Image>,
    pub(crate) programs: Arc<[Program]>,
    pub(crate) mem: Memory,
    pub(crate) cache: DecodeCache,
    pub(crate) cores: Vec<Core>,
    /// The CPU that has the turn.
    pub(crate) turn: usize,
    pub(crate) objects: Objects,
    pub(crate) cpuid: Cpuid,
    /// Boundaries from an overflow to its PMI.
    pub(crate) skid: u64,
    pub(crate) calls: Vec<RawCall>,
    /// Requests that left a core, CPUID aside.
    pub(crate) bus_requests: u64,
    /// The WRMSR of the instruction that has just retired.
    pub(crate) wrote: Option<(u32, u64)>,
    /// The interprocessor interrupt that this WRMSR sent.
    pub(crate) sent: Option<Ipi>,
    pub(crate) console: Vec<u8>,
    /// Fields of named objects are watched.
    pub(crate) watching: bool,
    /// All memory is watched.
    pub(crate) recording: bool,
    /// Guest calls exist (a guest of ours runs).
    pub(crate) guest_calls: bool,
    /// SYSCALL stops the run: a supervisor answers it.
    pub(crate) supervised: bool,
}

/// Everything that [`Machine::restore`] brings back: copies of the CPUs and an undo mark.
#[derive(Debug)]
pub struct Snapshot {
    cores: Vec<Core>,
    turn: usize,
    objects: Objects,
    mark: Mark,
}

impl Machine {
    /// A machine about to boot `image` (a guest of this project) with `rows`; CPU `i` will run
    /// `programs[i]`.
    ///
    /// # Errors
    /// The image or a program does not fit.
    pub fn boot(
        image: Arc<Image>,
        hardware: &Hardware,
        rows: Rows,
        programs: Vec<Program>,
    ) -> Result<Self, SetupError> {
        if programs.is_empty() || programs.len() > CPUS_MAX {
            return Err(SetupError::Cpus(programs.len()));
        }
        let layout = image.layout("PerfEvent").ok_or(SetupError::NotAGuest {
            what: "debug information of PerfEvent",
        })?;
        let layout = Arc::new(layout.clone());
        let boot_info = image
            .symbol("BOOT_INFO")
            .ok_or(SetupError::NotAGuest {
                what: "symbol BOOT_INFO",
            })?
            .addr;
        let mut machine = Self::load(image, hardware, layout, programs.len(), KERNEL)?;
        machine.guest_calls = true;
        machine.mem.protect(SHARED, SHARED_SIZE, USER_RW);

        let mut boot = BootInfo {
            version: BOOT_VERSION,
            cpus: programs.len() as u32,
            max_samples_per_tick: hardware.max_samples_per_tick,
            rows,
            ..BootInfo::default()
        };
        for cpu in 0..programs.len() {
            let (text, data) = user_parts(cpu);
            machine.mem.protect(text, USER_TEXT_SIZE, USER_RX);
            machine.mem.protect(data, USER_DATA_SIZE, USER_RW);
            boot.user_entry[cpu] = text;
            boot.user_stack[cpu] = data + USER_DATA_SIZE;
        }
        machine.poke(boot_info, &boot_bytes(&boot));
        for (id, core) in machine.cores.iter_mut().enumerate() {
            core.cpu.rip = machine.image.entry();
            core.cpu.regs[RDI] = id as u64;
        }
        machine.load_programs(programs)?;
        Ok(machine)
    }

    /// Puts other programs, as many as before, into a machine that is about to boot: it is then what
    /// [`Machine::boot`] with them makes, but that the guest's decoded code is still there. No snapshot
    /// may be alive, and what code was watched beside the steps is to be watched anew.
    ///
    /// # Errors
    /// A program does not fit; the machine then has the programs that it had.
    ///
    /// # Panics
    /// If the machine has run, or has another number of programs.
    pub fn reload(&mut self, programs: Vec<Program>) -> Result<(), SetupError> {
        assert!(
            self.boundaries() == 0 && programs.len() == self.programs.len(),
            "other programs for a machine about to boot"
        );
        programs_fit(&programs)?;
        let old = std::mem::take(&mut self.programs);
        for (cpu, program) in old.iter().enumerate() {
            let (text, data) = user_parts(cpu);
            self.cache.forget(&mut self.mem, text, USER_TEXT_SIZE);
            self.poke(text, &vec![0; program.text.len()]);
            self.poke(data, &vec![0; program.data.len()]);
        }
        self.cache.unwatch_all();
        self.mem.unwatch_all();
        self.console.clear();
        self.load_programs(programs)
    }

    fn load_programs(&mut self, programs: Vec<Program>) -> Result<(), SetupError> {
        programs_fit(&programs)?;
        for (cpu, program) in programs.iter().enumerate() {
            let (text, data) = user_parts(cpu);
            self.poke(text, &program.text);
            self.poke(data, &program.data);
            for step in &program.steps {
                self.cache.watch(step.rip);
            }
        }
        self.programs = programs.into();
        Ok(())
    }

    /// A machine with one CPU that stands at the entry of `image`, at CPL 0, with no operating
    /// system and no guest calls. RSP is the end of memory; the stack's page is mapped.
    ///
    /// # Errors
    /// The image does not fit.
    pub fn bare(image: Arc<Image>, hardware: &Hardware) -> Result<Self, SetupError> {
        let entry = image.entry();
        let mut machine = Self::load(image, hardware, Arc::new(nothing_named()), 1, KERNEL)?;
        machine
            .mem
            .protect(MEMORY_SIZE - BARE_STACK_SIZE, BARE_STACK_SIZE, KERNEL_RW);
        let core = &mut machine.cores[0];
        core.cpu.rip = entry;
        core.cpu.regs[RSP] = MEMORY_SIZE;
        Ok(machine)
    }

    /// A machine with one CPU that stands at the entry of `image`, at CPL 3, with `memory` bytes of
    /// memory (rounded up to whole pages) of which only the image's are mapped. Each SYSCALL ends the
    /// run with [`crate::End::SystemCall`]: a supervisor carries it out and returns by
    /// [`Cpu::enter_user`].
    ///
    /// # Errors
    /// The image does not fit.
    pub fn process(
        image: Arc<Image>,
        hardware: &Hardware,
        memory: u64,
    ) -> Result<Self, SetupError> {
        let entry = image.entry();
        let room = Room {
            memory,
            user: Perm::USER,
        };
        let mut machine = Self::load(image, hardware, Arc::new(nothing_named()), 1, room)?;
        machine.supervised = true;
        let cpu = &mut machine.cores[0].cpu;
        if hardware.features.contains(Features::SSE) {
            cpu.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
        }
        if hardware.features.contains(Features::FSGSBASE) {
            cpu.cr4 |= CR4_FSGSBASE;
        }
        cpu.rip = entry;
        cpu.enter_user();
        Ok(machine)
    }

    fn load(
        image: Arc<Image>,
        hardware: &Hardware,
        layout: Arc<StructLayout>,
        cpus: usize,
        room: Room,
    ) -> Result<Self, SetupError> {
        let mut mem = Memory::new(room.memory);
        for segment in image.segments() {
            let end = segment.addr.checked_add(segment.size);
            if end.is_none_or(|end| end > room.memory) {
                return Err(SetupError::SegmentOutside {
                    addr: segment.addr,
                    memory: room.memory,
                });
            }
            let mut perm = room.user;
            for (wanted, bit) in [
                (segment.read, Perm::READ),
                (segment.write, Perm::WRITE),
                (segment.exec, Perm::EXEC),
            ] {
                if wanted {
                    perm = perm | bit;
                }
            }
            let page = segment.addr & !(PAGE_SIZE - 1);
            mem.protect(page, segment.addr + segment.size - page, perm);
            mem.write(segment.addr, &segment.bytes)
                .map_err(|_| SetupError::SegmentOutside {
                    addr: segment.addr,
                    memory: room.memory,
                })?;
        }
        let cores = (0..cpus)
            .map(|id| {
                let mut cpu = Cpu::new();
                cpu.features = hardware.features;
                let mut core = Core::new(cpu, Pmu::new(&hardware.pmu), id as u32);
                if hardware.timing == Timing::Skylake {
                    core.model = Some(Model::driving());
                }
                core
            })
            .collect();
        Ok(Self {
            image,
            programs: Arc::new([]),
            mem,
            cache: DecodeCache::new(),
            cores,
            turn: 0,
            objects: Objects::new(layout),
            cpuid: Cpuid::new(&hardware.pmu, hardware.features),
            skid: hardware.skid.into(),
            calls: Vec::new(),
            bus_requests: 0,
            wrote: None,
            sent: None,
            console: Vec::new(),
            watching: false,
            recording: false,
            guest_calls: false,
            supervised: false,
        })
    }

    /// Writes within ranges that set-up has checked.
    fn poke(&mut self, addr: u64, bytes: &[u8]) {
        self.mem
            .write(addr, bytes)
            .expect("set-up writes inside memory");
    }

    /// Has every access to fields of named objects told to the observer from here on. Only the
    /// memory of objects pays for it.
    pub fn watch_objects(&mut self) {
        self.watching = true;
        let size = self.objects.layout().size;
        for (_, object) in self.objects.iter() {
            self.mem.watch(object.addr, size);
        }
    }

    /// Stops telling.
    pub fn unwatch_objects(&mut self) {
        self.mem.unwatch_all();
        self.watching = false;
    }

    /// Has every access to memory told to the observer ([`crate::Observer::memory`]) from here on,
    /// or no more. What is told beside that stays the same.
    pub fn record_memory(&mut self, on: bool) {
        self.recording = on;
        self.mem.record_all(on);
    }

    /// Requests that have left the cores so far: MSRs, RDPMC, RDTSC, guest calls, ports. CPUID,
    /// which always answers the same, is not among them.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.bus_requests
    }

    /// Asks for [`crate::Observer::code`] before each execution of the instruction at `rip`.
    pub fn watch_code(&mut self, rip: u64) {
        self.cache.watch(rip);
    }

    /// Ends [`Machine::watch_code`].
    pub fn unwatch_code(&mut self, rip: u64) {
        self.cache.unwatch(rip);
    }

    /// Whether the instruction at `rip` is watched.
    #[must_use]
    pub fn watches_code(&self, rip: u64) -> bool {
        self.cache.is_watched(rip)
    }

    /// The guest's clock in nanoseconds: what all CPUs have added to it.
    #[must_use]
    pub fn clock_ns(&self) -> u64 {
        self.cores.iter().map(Core::own_ns).sum()
    }

    /// The CPU that has the turn.
    #[must_use]
    pub fn turn(&self) -> usize {
        self.turn
    }

    /// Lets the Skylake model listen on every CPU from here on, without a say: the machine goes on
    /// by its own time, so that decisions, boundaries and digests stay what they are. With a model
    /// of its own, the machine keeps that. Either way the cycle in which each instruction retires
    /// is kept ([`Core::model`]).
    pub fn listen(&mut self) {
        for core in &mut self.cores {
            core.model.get_or_insert_with(Model::listening).record();
        }
    }

    /// The CPUs.
    #[must_use]
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// A CPU, to set registers before a run.
    pub fn core_mut(&mut self, cpu: usize) -> &mut Core {
        &mut self.cores[cpu]
    }

    /// Memory.
    #[must_use]
    pub fn mem(&self) -> &Memory {
        &self.mem
    }

    /// Memory, to write before a run.
    pub fn mem_mut(&mut self) -> &mut Memory {
        &mut self.mem
    }

    /// Named objects.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The guest.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The guest, to keep.
    #[must_use]
    pub fn image_shared(&self) -> Arc<Image> {
        Arc::clone(&self.image)
    }

    /// What CPUID answers: EAX, EBX, ECX, EDX.
    #[must_use]
    pub fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        self.cpuid.leaf(leaf, subleaf)
    }

    /// The user programs, by CPU.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// What the guest has printed.
    #[must_use]
    pub fn console(&self) -> &[u8] {
        &self.console
    }

    /// The state now. Restore or release snapshots in the reverse order of their making.
    pub fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            cores: self.cores.clone(),
            turn: self.turn,
            objects: self.objects.clone(),
            mark: self.mem.mark(),
        }
    }

    /// Back to `snapshot`, which stays valid.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.cores.clone_from(&snapshot.cores);
        self.turn = snapshot.turn;
        self.objects.clone_from(&snapshot.objects);
        self.mem.rollback(&snapshot.mark);
        self.calls.clear();
    }

    /// Releases `snapshot`, the last one alive, and takes it anew: the state now.
    pub fn renew(&mut self, snapshot: &mut Snapshot) {
        snapshot.cores.clone_from(&self.cores);
        snapshot.turn = self.turn;
        snapshot.objects.clone_from(&self.objects);
        self.mem.renew(&mut snapshot.mark);
    }

    /// Are all CPUs what they were at `snapshot`, but for what has retired and for how many
    /// boundaries there were? Never so while a counter runs.
    #[must_use]
    pub fn same_cores(&self, snapshot: &Snapshot) -> bool {
        let (now, then) = (&self.cores, &snapshot.cores);
        now.iter().zip(then).all(|(now, then)| now.same_state(then))
            && self.objects.same_as(&snapshot.objects)
    }

    /// The granules of memory written since `snapshot`, each once: address, contents then,
    /// contents now. They may be equal.
    pub fn changes_since(
        &self,
        snapshot: &Snapshot,
    ) -> impl Iterator<Item = (u64, &[u8; GRANULE], &[u8; GRANULE])> {
        self.mem.changes_since(&snapshot.mark)
    }

    /// Forgets `snapshot`; the state stays as it is.
    pub fn release(&mut self, snapshot: Snapshot) {
        self.mem.release(snapshot.mark);
    }
}

const RSP: usize = 4;
const RDI: usize = 7;

const KERNEL_RW: Perm = Perm(Perm::READ.0 | Perm::WRITE.0);
const USER_RW: Perm = Perm(KERNEL_RW.0 | Perm::USER.0);
const USER_RX: Perm = Perm(Perm::READ.0 | Perm::EXEC.0 | Perm::USER.0);

/// Memory, and who may use the image in it.
#[derive(Debug, Clone, Copy)]
struct Room {
    memory: u64,
    /// [`Perm::USER`] or nothing.
    user: Perm,
}

const KERNEL: Room = Room {
    memory: MEMORY_SIZE,
    user: Perm::NONE,
};

/// What Linux sets in CR4 for programs: FXSAVE and SSE, SIMD exceptions, RDFSBASE and its like.
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;
const CR4_FSGSBASE: u64 = 1 << 16;

/// Bytes of stack at the end of memory for [`Machine::bare`].
const BARE_STACK_SIZE: u64 = 16 * PAGE_SIZE;

/// The layout of events in a machine that has none.
fn nothing_named() -> StructLayout {
    StructLayout::new(String::new(), String::new(), 0, Vec::new())
}

/// Where the code and the data of a CPU's program are.
fn user_parts(cpu: usize) -> (u64, u64) {
    let cpu = cpu as u64;
    (
        USER_TEXT + cpu * USER_TEXT_SIZE,
        USER_DATA + cpu * USER_DATA_SIZE,
    )
}

fn programs_fit(programs: &[Program]) -> Result<(), SetupError> {
    for (cpu, program) in programs.iter().enumerate() {
        fits(cpu, "code", program.text.len(), USER_TEXT_SIZE)?;
        // Half of the data part is the stack's.
        fits(cpu, "data", program.data.len(), USER_DATA_SIZE / 2)?;
    }
    Ok(())
}

fn fits(cpu: usize, what: &'static str, need: usize, room: u64) -> Result<(), SetupError> {
    if need as u64 <= room {
        return Ok(());
    }
    Err(SetupError::ProgramTooLarge {
        cpu,
        what,
        need: need as u64,
        room,
    })
}

/// The boot block as the guest's memory holds it (`repr(C)`, little endian).
fn boot_bytes(boot: &BootInfo) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of::<BootInfo>());
    bytes.extend(boot.version.to_le_bytes());
    bytes.extend(boot.cpus.to_le_bytes());
    for word in boot.user_entry.into_iter().chain(boot.user_stack) {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(boot.max_samples_per_tick.to_le_bytes());
    bytes.extend(boot.rows.0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;

    #[test]
    fn boot_block_bytes_follow_the_layout() {
        let mut boot = BootInfo {
            version: 7,
            max_samples_per_tick: 0x1122,
            ..BootInfo::default()
        };
        boot.user_stack[1] = 0xabcd;
        boot.rows.0[3] = 9;
        let bytes = boot_bytes(&boot);
        assert_eq!(bytes[offset_of!(BootInfo, version)], 7);
        assert_eq!(bytes[offset_of!(BootInfo, user_stack) + 8], 0xcd);
        assert_eq!(bytes[offset_of!(BootInfo, max_samples_per_tick)], 0x22);
        assert_eq!(bytes[offset_of!(BootInfo, rows) + 3], 9);
    }
}
