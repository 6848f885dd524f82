// SPDX-License-Identifier: GPL-2.0-only
//! A machine for one CPU: core, memory, PMC bank, and as much of a local APIC as the guest needs.

use std::sync::Arc;

use abi::boot::BootInfo;
use abi::layout::{
    MEMORY_SIZE, SHARED, SHARED_SIZE, USER_DATA, USER_DATA_SIZE, USER_TEXT, USER_TEXT_SIZE,
};
use abi::totals::{HwEvent, Ring, Totals};
use abi::{guest_call, msr};
use cpu::{
    Bus, Cpu, DecodeCache, Event, GeneralProtection, InvalidOpcode, Memory, Perm, Step, Unclaimed,
};
use image::Image;
use pmu::Pmu;

/// Something that comes at a boundary, counted from the first in ring 3, or as soon after it as
/// the CPU takes it.
pub(crate) type Injection = (u64, Event);

/// Positions of RCX and RSP among the registers.
const RCX: usize = 1;
const RSP: usize = 4;
/// Boundaries after which a run is given up.
const BOUNDARIES_MAX: u64 = 200_000;
/// `IA32_APIC_BASE`: enabled in x2APIC mode, bootstrap processor.
const APIC_BASE: u64 = 0xfee0_0d00;

/// What a run leaves behind.
pub(crate) struct Run {
    pub(crate) boundaries: u64,
    /// Injections that were taken.
    pub(crate) entries: u64,
    pub(crate) status: Option<u64>,
    /// The user's data and stack.
    pub(crate) data: Vec<u8>,
}

/// What became of an instruction that the processor refused.
pub(crate) struct Refused {
    /// Registers and flags when it was reached.
    pub(crate) before: ([u64; 16], u64),
    /// The same behind it.
    pub(crate) after: ([u64; 16], u64),
    pub(crate) boundaries: u64,
    /// What the guest said.
    pub(crate) warning: Option<String>,
    /// NMIs that were taken meanwhile.
    pub(crate) nmis: u64,
}

#[derive(Clone)]
struct Devices {
    pmu: Pmu,
    perfmon: [u32; 4],
    lvtpc: u64,
    exit: Option<u64>,
    panic: Option<String>,
    warning: Option<String>,
}

impl Bus for Devices {
    fn rdmsr(&mut self, number: u32, now: &Totals) -> Result<u64, GeneralProtection> {
        match number {
            msr::APIC_BASE => Ok(APIC_BASE),
            msr::X2APIC_LVTPC => Ok(self.lvtpc),
            _ => self.pmu.rdmsr(number, now).map_err(|_| GeneralProtection),
        }
    }

    fn wrmsr(&mut self, number: u32, value: u64, now: &Totals) -> Result<(), GeneralProtection> {
        match number {
            msr::X2APIC_LVTPC => self.lvtpc = value,
            msr::X2APIC_EOI if value == 0 => {}
            _ => {
                let done = self.pmu.wrmsr(number, value, now);
                return done.map_err(|_| GeneralProtection);
            }
        }
        Ok(())
    }

    fn rdpmc(&mut self, index: u32, now: &Totals) -> Result<u64, GeneralProtection> {
        self.pmu.rdpmc(index, now).map_err(|_| GeneralProtection)
    }

    fn rdtsc(&mut self, now: &Totals) -> u64 {
        now.get(Ring::User, HwEvent::Instructions)
    }

    fn cpuid(&mut self, leaf: u32, _: u32) -> [u32; 4] {
        assert_eq!(leaf, 10, "the guest asks for nothing else");
        self.perfmon
    }

    fn vmcall(
        &mut self,
        regs: &[u64; 16],
        _: u64,
        cpl: u8,
        mem: &mut Memory,
        _: &Totals,
    ) -> Result<(), InvalidOpcode> {
        assert_eq!(cpl, 0);
        let [number, length, address] = [regs[0], regs[6], regs[7]];
        let text = || {
            let bytes = mem.slice(address, length as usize).unwrap();
            Some(String::from_utf8(bytes.to_vec()).unwrap())
        };
        match number {
            guest_call::EXIT => self.exit = Some(address),
            guest_call::PANIC => self.panic = text(),
            guest_call::WARN => self.warning = text(),
            guest_call::EVENT_BORN | guest_call::EVENT_DIED | guest_call::VALUE => {}
            other => panic!("guest call {other}"),
        }
        Ok(())
    }

    fn port_in(&mut self, _: u16, _: u8) -> Result<u32, Unclaimed> {
        Err(Unclaimed)
    }

    fn port_out(&mut self, _: u16, _: u8, _: u32) -> Result<(), Unclaimed> {
        Err(Unclaimed)
    }
}

pub(crate) struct Rig {
    image: Arc<Image>,
    mem: Memory,
    cache: DecodeCache,
    cpu: Cpu,
    devices: Devices,
}

impl Rig {
    /// A machine about to boot, with the user's code and data.
    pub(crate) fn new(code: &[u8], data: &[u8]) -> Self {
        let image = Image::guest();
        let mut mem = Memory::new(MEMORY_SIZE);
        for segment in image.segments() {
            let mut perm = Perm::READ;
            if segment.write {
                perm = perm | Perm::WRITE;
            }
            if segment.exec {
                perm = perm | Perm::EXEC;
            }
            mem.protect(segment.addr, segment.size, perm);
            mem.write(segment.addr, &segment.bytes).unwrap();
        }
        let user = Perm::READ | Perm::USER;
        mem.protect(USER_TEXT, USER_TEXT_SIZE, user | Perm::EXEC);
        mem.protect(USER_DATA, USER_DATA_SIZE, user | Perm::WRITE);
        mem.protect(SHARED, SHARED_SIZE, user | Perm::WRITE);
        mem.write(USER_TEXT, code).unwrap();
        mem.write(USER_DATA, data).unwrap();

        let boot = image.symbol("BOOT_INFO").unwrap().addr;
        let entry = core::mem::offset_of!(BootInfo, user_entry) as u64;
        let stack = core::mem::offset_of!(BootInfo, user_stack) as u64;
        mem.write_u32(boot + 4, 1).unwrap();
        mem.write_u64(boot + entry, USER_TEXT).unwrap();
        mem.write_u64(boot + stack, USER_DATA + USER_DATA_SIZE)
            .unwrap();

        let config = pmu::Config {
            version: 4,
            gp_counters: 4,
            gp_width: 48,
            fixed_counters: 3,
            fixed_width: 48,
            full_width_writes: true,
            ..pmu::Config::default()
        };
        let mut cpu = Cpu::new();
        cpu.rip = image.entry();
        Self {
            image,
            mem,
            cache: DecodeCache::new(),
            cpu,
            devices: Devices {
                pmu: Pmu::new(&config),
                perfmon: config.cpuid_0a(),
                lvtpc: msr::LVTPC_MASKED,
                exit: None,
                panic: None,
                warning: None,
            },
        }
    }

    /// Writes a word of the boot block.
    pub(crate) fn write_boot_info(&mut self, offset: u64, value: u32) {
        let boot = self.image.symbol("BOOT_INFO").unwrap().addr;
        self.mem.write_u32(boot + offset, value).unwrap();
    }

    /// Runs from reset to the first boundary in ring 3.
    pub(crate) fn boot(&mut self) {
        for _ in 0..BOUNDARIES_MAX {
            if self.cpu.cpl() == 3 {
                assert_eq!(self.cpu.rip, USER_TEXT);
                assert_eq!(self.cpu.rflags(), 0x202);
                assert_eq!(self.devices.lvtpc, msr::LVTPC_NMI);
                return;
            }
            self.step();
            assert_eq!(self.devices.panic, None);
        }
        panic!(
            "the guest does not boot: {}",
            self.image.place(self.cpu.rip)
        );
    }

    /// Runs the program from here to its exit and comes back.
    pub(crate) fn run(&mut self, injections: &[Injection]) -> Run {
        let (cpu, devices) = (self.cpu.clone(), self.devices.clone());
        let mark = self.mem.mark();
        let [user_gs, kernel_gs] = [self.cpu.gs_base, self.cpu.kernel_gs_base];
        let handler = self.image.symbol("handlers::nmi").unwrap().addr;
        let mut run = Run {
            boundaries: 0,
            entries: 0,
            status: None,
            data: Vec::new(),
        };
        let mut left = injections.iter().peekable();
        while run.status.is_none() || left.peek().is_some() {
            assert!(run.boundaries < BOUNDARIES_MAX, "{injections:?}");
            if let Some((_, event)) = left.next_if(|(at, event)| {
                run.boundaries >= *at
                    && match event {
                        Event::Nmi => cpu::can_take_nmi(&self.cpu),
                        Event::Interrupt { .. } => cpu::can_take_interrupt(&self.cpu),
                    }
            }) {
                cpu::deliver(&mut self.cpu, &mut self.mem, *event).unwrap();
                run.entries += 1;
            }
            if self.cpu.cpl() == 3 {
                assert_eq!(self.cpu.gs_base, user_gs, "{injections:?}");
                assert_eq!(self.cpu.kernel_gs_base, kernel_gs, "{injections:?}");
            }
            if self.cpu.rip == handler {
                assert_eq!(self.cpu.gs_base, kernel_gs, "{injections:?}");
                // As the ABI has it after a CALL.
                assert_eq!(self.cpu.regs[RSP] % 16, 8, "{injections:?}");
            }
            self.step();
            run.boundaries += 1;
            run.status = self.devices.exit;
            assert_eq!(self.devices.panic, None, "{injections:?}");
            assert_eq!(self.devices.warning, None, "{injections:?}");
        }
        let data = self.mem.slice(USER_DATA, USER_DATA_SIZE as usize);
        run.data = data.unwrap().to_vec();
        self.mem.rollback(&mark);
        self.mem.release(mark);
        self.cpu = cpu;
        self.devices = devices;
        run
    }

    /// The first boundary of a run that lies in a function.
    pub(crate) fn first_boundary_in(&mut self, function: &str) -> u64 {
        let symbol = self.image.symbol(function).unwrap().clone();
        let (cpu, devices) = (self.cpu.clone(), self.devices.clone());
        let mark = self.mem.mark();
        let mut boundary = 0;
        while self.cpu.rip.wrapping_sub(symbol.addr) >= symbol.size {
            assert!(boundary < BOUNDARIES_MAX, "{function} never runs");
            self.step();
            boundary += 1;
        }
        self.mem.rollback(&mark);
        self.mem.release(mark);
        self.cpu = cpu;
        self.devices = devices;
        boundary
    }

    /// Runs to an instruction of ring 0 with these bytes, the NMI's entry not counted.
    pub(crate) fn run_to_instruction(&mut self, bytes: [u8; 2]) {
        let entry = self.image.symbol("nmi_entry").unwrap().clone();
        for _ in 0..BOUNDARIES_MAX {
            let found = self.mem.slice(self.cpu.rip, 2).unwrap() == bytes;
            if found && self.cpu.cpl() == 0 && self.cpu.rip.wrapping_sub(entry.addr) >= entry.size {
                return;
            }
            self.step();
        }
        panic!("no instruction {bytes:02x?}");
    }

    /// Lets the instruction at which the core stands name an MSR that does not exist, runs until it
    /// is over, and comes back. An NMI comes at boundary `nmi` from there, unless they are blocked.
    pub(crate) fn run_refused(&mut self, number: u32, nmi: Option<u64>) -> Refused {
        let (cpu, devices) = (self.cpu.clone(), self.devices.clone());
        let mark = self.mem.mark();
        self.cpu.regs[RCX] = u64::from(number);
        let before = (self.cpu.regs, self.cpu.rflags());
        let [stack, behind] = [self.cpu.regs[RSP], self.cpu.rip + 2];
        let mut refused = Refused {
            before,
            after: before,
            boundaries: 0,
            warning: None,
            nmis: 0,
        };
        while self.cpu.rip != behind || self.cpu.regs[RSP] != stack {
            assert!(refused.boundaries < BOUNDARIES_MAX);
            if cpu::can_take_nmi(&self.cpu)
                && nmi.is_some_and(|at| refused.boundaries >= at && refused.nmis == 0)
            {
                self.deliver(Event::Nmi);
                refused.nmis += 1;
            }
            self.step();
            refused.boundaries += 1;
            assert_eq!(self.devices.panic, None);
        }
        refused.after = (self.cpu.regs, self.cpu.rflags());
        refused.warning = self.devices.warning.take();
        self.mem.rollback(&mark);
        self.mem.release(mark);
        self.cpu = cpu;
        self.devices = devices;
        refused
    }

    /// Runs into a function.
    pub(crate) fn go_to(&mut self, function: &str) {
        for _ in 0..self.first_boundary_in(function) {
            self.step();
        }
    }

    /// Runs into a function and leaves it eight bytes of its stack.
    pub(crate) fn shrink_stack_in(&mut self, function: &str) {
        self.go_to(function);
        let stack = |s: &&image::Segment| s.contains(self.cpu.regs[RSP]);
        let stack = self.image.segments().iter().find(stack).unwrap();
        self.cpu.regs[RSP] = stack.addr + 8;
    }

    /// Lets the next instruction name a counter that does not exist.
    pub(crate) fn name_no_counter(&mut self) {
        self.cpu.regs[RCX] = 0x6b6b_6b6b;
    }

    /// Delivers an event now.
    pub(crate) fn deliver(&mut self, event: Event) {
        cpu::deliver(&mut self.cpu, &mut self.mem, event).unwrap();
    }

    /// Runs until the guest panics; its text.
    pub(crate) fn run_to_panic(&mut self) -> String {
        for _ in 0..BOUNDARIES_MAX {
            self.step();
            if let Some(text) = self.devices.panic.take() {
                return text;
            }
        }
        panic!("no panic: {}", self.image.place(self.cpu.rip));
    }

    fn step(&mut self) {
        let step = cpu::step(
            &mut self.cpu,
            &mut self.mem,
            &mut self.cache,
            &mut self.devices,
        );
        if let Step::Stop(stop) = step {
            panic!("{stop}: {}", self.image.place(stop.rip()));
        }
        self.devices.pmu.settle(&self.cpu.totals);
    }
}
