// SPDX-License-Identifier: GPL-2.0-only
//! From the steps of a scenario to machine code that runs at CPL 3.
//!
//! The programs are straight lines of system calls and work loops. A call that returns an error
//! ends the program with a status that says which step and which error.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::layout::{PAGE_SIZE, USER_DATA, USER_DATA_SIZE, USER_TEXT, USER_TEXT_SIZE};
use abi::syscall::{self, Attr};
use iced_x86::{Code, Encoder, IcedError, Instruction, MemoryOperand, Register};
use machine::{Action, Look, Program, StepMark};
use scenario::{Event, OnOverflow, Op, Scenario, SwitchTarget, TaskTarget};

/// Offset of the descriptor slots in CPU 0's data; 8 bytes for each event.
const SLOTS: u64 = 0;
/// Offset of the addresses of user pages in CPU 0's data; 8 bytes for each event.
const PAGES: u64 = 0x800;
/// Offset of the attributes in CPU 0's data.
const ATTRS: u64 = 0x1000;
/// Offset in CPU 0's data of the flags that steps wait for; one byte each.
const FLAGS: u64 = 0x7000;
/// Offset of each CPU's read buffer in its own data.
const BUFFER: u64 = 0x8000;
/// Bytes of the read buffer.
const BUFFER_SIZE: u64 = 0x1000;
/// Pages of a ring buffer: the user page and this many data pages.
const RING_DATA_PAGES: u64 = 8;

/// Why a scenario cannot become a program.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// An instruction cannot be encoded; a bug of this room.
    #[error("an instruction of the program cannot be encoded: {0}")]
    Encode(#[from] IcedError),
}

/// The programs of `scenario`, by CPU.
///
/// # Errors
/// An instruction cannot be encoded.
pub fn assemble(scenario: &Scenario) -> Result<Vec<Program>, AssembleError> {
    scenario
        .programs
        .iter()
        .enumerate()
        .map(|(cpu, program)| Assembler::new(scenario, cpu).assemble(&program.steps))
        .collect()
}

/// The words for a non-zero exit status of a program.
#[must_use]
pub fn describe_exit(status: u64) -> String {
    let (step, errno) = (status >> 16, status & 0xffff);
    format!(
        "the system call of step {} failed with error {errno} ({})",
        step + 1,
        errno_name(errno)
    )
}

fn errno_name(errno: u64) -> &'static str {
    match errno {
        1 => "EPERM",
        3 => "ESRCH",
        6 => "ENXIO",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        17 => "EEXIST",
        19 => "ENODEV",
        22 => "EINVAL",
        24 => "EMFILE",
        28 => "ENOSPC",
        38 => "ENOSYS",
        95 => "EOPNOTSUPP",
        _ => "see errno(3)",
    }
}

pub(crate) struct Assembler<'a> {
    scenario: &'a Scenario,
    cpu: usize,
    /// Where events of this program are opened so far.
    open: Vec<&'a str>,
    pub(crate) text: Vec<u8>,
    base: u64,
    pub(crate) looks: Vec<Look>,
}

impl<'a> Assembler<'a> {
    fn new(scenario: &'a Scenario, cpu: usize) -> Self {
        Self {
            scenario,
            cpu,
            open: Vec::new(),
            text: Vec::new(),
            base: USER_TEXT + cpu as u64 * USER_TEXT_SIZE,
            looks: Vec::new(),
        }
    }

    fn assemble(mut self, steps: &'a [scenario::Step]) -> Result<Program, AssembleError> {
        let mut marks = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            marks.push(StepMark {
                rip: self.here(),
                opens: match &step.op {
                    Op::Open(id) => Some(Arc::from(id.as_str())),
                    _ => None,
                },
                action: match &step.op {
                    Op::Tick => Some(Action::Tick),
                    Op::Advance { ns } => Some(Action::Advance(*ns)),
                    _ => None,
                },
            });
            self.signal(step, true)?;
            self.step(index, &step.op)?;
            self.signal(step, false)?;
        }
        self.exit(0)?;
        Ok(Program {
            text: self.text,
            data: if self.cpu == 0 {
                attributes(&self.scenario.events)
            } else {
                Vec::new()
            },
            steps: marks,
            looks: self.looks,
        })
    }

    fn step(&mut self, index: usize, op: &'a Op) -> Result<(), AssembleError> {
        match op {
            Op::Open(id) => {
                let Some(at) = self.position(id) else {
                    return Ok(());
                };
                let event = &self.scenario.events[at];
                self.open(index, at, event)?;
                self.open.push(&event.id);
                if event.buffer && event.is_sampling() {
                    self.mmap(index, at)?;
                }
                self.attach_readers(index)?;
            }
            Op::Close(id) => self.on_fd(index, id, syscall::CLOSE, &[])?,
            Op::Enable { event, group } => self.ioctl(index, event, syscall::IOC_ENABLE, *group)?,
            Op::Disable { event, group } => {
                self.ioctl(index, event, syscall::IOC_DISABLE, *group)?;
            }
            Op::Reset { event, group } => self.ioctl(index, event, syscall::IOC_RESET, *group)?,
            Op::Refresh { event, n } => self.on_fd(
                index,
                event,
                syscall::IOCTL,
                &[
                    (Register::RSI, syscall::IOC_REFRESH),
                    (Register::RDX, u64::from(*n)),
                ],
            )?,
            Op::Read(id) => {
                let buffer = USER_DATA + self.cpu as u64 * USER_DATA_SIZE + BUFFER;
                self.on_fd(
                    index,
                    id,
                    syscall::READ,
                    &[(Register::RSI, buffer), (Register::RDX, BUFFER_SIZE)],
                )?;
            }
            Op::Period { event, n } => {
                // The argument is the address of the period.
                self.load(Register::RAX, *n)?;
                let address = USER_DATA + self.cpu as u64 * USER_DATA_SIZE + BUFFER;
                self.emit(&Instruction::with2(
                    Code::Mov_moffs64_RAX,
                    MemoryOperand::with_displ(address, 8),
                    Register::RAX,
                )?)?;
                self.on_fd(
                    index,
                    event,
                    syscall::IOCTL,
                    &[
                        (Register::RSI, syscall::IOC_PERIOD),
                        (Register::RDX, address),
                    ],
                )?;
            }
            Op::Pause { event, reset } => self.on_fd(
                index,
                event,
                syscall::IOCTL,
                &[
                    (Register::RSI, syscall::IOC_PAUSE),
                    (Register::RDX, u64::from(*reset)),
                ],
            )?,
            Op::UserRead(id) => {
                if let Some(at) = self.position(id) {
                    self.user_read(index, id, at)?;
                }
            }
            Op::Work(n) => self.work(*n)?,
            Op::Switch(target) => {
                let number = match target {
                    SwitchTarget::Idle => 0,
                    SwitchTarget::Task(name) => self.scenario.task_number(name).unwrap_or(0),
                };
                self.load(Register::RDI, number)?;
                self.call(index, syscall::SWITCH_TO)?;
            }
            Op::Fork(name) => {
                self.load(Register::RDI, self.scenario.task_number(name).unwrap_or(0))?;
                self.call(index, syscall::FORK)?;
            }
            Op::ExitTask => self.call(index, syscall::EXIT_TASK)?,
            Op::Exec => self.call(index, syscall::EXEC)?,
            Op::Offline => self.call(index, syscall::OFFLINE)?,
            Op::Online => self.call(index, syscall::ONLINE)?,
            Op::Wait { step, begun } => self.wait(step, *begun)?,
            // What the machine does when it gets here needs a place to get to.
            Op::Tick | Op::Advance { .. } => self.emit(&Instruction::with(Code::Nopd))?,
            Op::Mmap(id) => {
                if let Some(at) = self.position(id) {
                    self.mmap(index, at)?;
                }
            }
            Op::Probe(id) => self.on_fd(
                index,
                id,
                syscall::IOCTL,
                &[(Register::RSI, syscall::IOC_NMI_PROBE)],
            )?,
            Op::Exit => self.exit(0)?,
        }
        Ok(())
    }

    fn open(&mut self, index: usize, at: usize, event: &Event) -> Result<(), AssembleError> {
        let (pid, cpu) = match &event.task {
            TaskTarget::Cpu => (u64::MAX, event.cpu.map_or(self.cpu as u64, u64::from)),
            TaskTarget::Current => (0, event.cpu.map_or(u64::MAX, u64::from)),
            TaskTarget::Task(name) => (
                self.scenario.task_number(name).unwrap_or(0),
                event.cpu.map_or(u64::MAX, u64::from),
            ),
        };
        match event.group.as_deref().and_then(|id| self.position(id)) {
            Some(leader) => {
                self.load_slot(leader)?;
                self.emit(&Instruction::with2(
                    Code::Mov_r64_rm64,
                    Register::R10,
                    Register::RAX,
                )?)?;
            }
            None => self.load(Register::R10, u64::MAX)?,
        }
        self.load(Register::RDI, attr_addr(at))?;
        self.load(Register::RSI, pid)?;
        self.load(Register::RDX, cpu)?;
        self.load(Register::R8, 0)?;
        self.call(index, syscall::PERF_EVENT_OPEN)?;
        let slot = MemoryOperand::with_displ(slot_addr(at), 8);
        self.emit(&Instruction::with2(
            Code::Mov_moffs64_RAX,
            slot,
            Register::RAX,
        )?)
    }

    fn mmap(&mut self, index: usize, at: usize) -> Result<(), AssembleError> {
        self.load_slot(at)?;
        self.emit(&Instruction::with2(
            Code::Mov_r64_rm64,
            Register::R8,
            Register::RAX,
        )?)?;
        self.load(Register::RDI, 0)?;
        self.load(Register::RSI, (1 + RING_DATA_PAGES) * PAGE_SIZE)?;
        // PROT_READ | PROT_WRITE, MAP_SHARED.
        self.load(Register::RDX, 3)?;
        self.load(Register::R10, 1)?;
        self.load(Register::R9, 0)?;
        self.call(index, syscall::MMAP)?;
        let page = MemoryOperand::with_displ(page_addr(at), 8);
        self.emit(&Instruction::with2(
            Code::Mov_moffs64_RAX,
            page,
            Register::RAX,
        )?)
    }

    /// `ioctl(IOC_OVERFLOW_READ_LOCAL)` for every pair that is complete with the event opened last.
    fn attach_readers(&mut self, index: usize) -> Result<(), AssembleError> {
        let Some(&newest) = self.open.last() else {
            return Ok(());
        };
        for (at, event) in self.scenario.events.iter().enumerate() {
            let OnOverflow::ReadLocal(target) = &event.on_overflow else {
                continue;
            };
            let both =
                self.open.contains(&event.id.as_str()) && self.open.contains(&target.as_str());
            if !both || (event.id != newest && target != newest) {
                continue;
            }
            let Some(target) = self.position(target) else {
                continue;
            };
            self.load_slot(target)?;
            self.emit(&Instruction::with2(
                Code::Mov_r64_rm64,
                Register::RDX,
                Register::RAX,
            )?)?;
            self.load(Register::RSI, syscall::IOC_OVERFLOW_READ_LOCAL)?;
            self.load_slot(at)?;
            self.fd_to_rdi()?;
            self.call(index, syscall::IOCTL)?;
        }
        Ok(())
    }

    fn ioctl(
        &mut self,
        index: usize,
        id: &str,
        request: u64,
        group: bool,
    ) -> Result<(), AssembleError> {
        let flags = if group { syscall::IOC_FLAG_GROUP } else { 0 };
        self.on_fd(
            index,
            id,
            syscall::IOCTL,
            &[(Register::RSI, request), (Register::RDX, flags)],
        )
    }

    /// A system call whose first argument is the descriptor of an event.
    fn on_fd(
        &mut self,
        index: usize,
        id: &str,
        number: u64,
        args: &[(Register, u64)],
    ) -> Result<(), AssembleError> {
        let Some(at) = self.position(id) else {
            return Ok(());
        };
        for &(register, value) in args {
            self.load(register, value)?;
        }
        self.load_slot(at)?;
        self.fd_to_rdi()?;
        self.call(index, number)
    }

    fn fd_to_rdi(&mut self) -> Result<(), AssembleError> {
        self.emit(&Instruction::with2(
            Code::Mov_r64_rm64,
            Register::RDI,
            Register::RAX,
        )?)
    }

    /// RAX = descriptor of the event at this position.
    pub(crate) fn load_slot(&mut self, at: usize) -> Result<(), AssembleError> {
        let slot = MemoryOperand::with_displ(slot_addr(at), 8);
        self.emit(&Instruction::with2(
            Code::Mov_RAX_moffs64,
            Register::RAX,
            slot,
        )?)
    }

    pub(crate) fn load(&mut self, register: Register, value: u64) -> Result<(), AssembleError> {
        self.emit(&Instruction::with2(Code::Mov_r64_imm64, register, value)?)
    }

    /// SYSCALL; a negative result ends the program.
    pub(crate) fn call(&mut self, index: usize, number: u64) -> Result<(), AssembleError> {
        self.load(Register::RAX, number)?;
        self.emit(&Instruction::with(Code::Syscall))?;
        self.emit(&Instruction::with2(
            Code::Test_rm64_r64,
            Register::RAX,
            Register::RAX,
        )?)?;
        // The error path has a fixed length: jump over it, encoded once its end is known.
        let jump_at = self.text.len();
        self.text.extend([0x79, 0]);
        self.emit(&Instruction::with1(Code::Neg_rm64, Register::RAX)?)?;
        self.load(Register::RDI, (index as u64) << 16)?;
        self.emit(&Instruction::with2(
            Code::Or_r64_rm64,
            Register::RDI,
            Register::RAX,
        )?)?;
        self.load(Register::RAX, syscall::EXIT)?;
        self.emit(&Instruction::with(Code::Syscall))?;
        let distance = self.text.len() - jump_at - 2;
        self.text[jump_at + 1] =
            i8::try_from(distance).expect("the error path is shorter than 128 bytes") as u8;
        Ok(())
    }

    fn exit(&mut self, status: u64) -> Result<(), AssembleError> {
        self.load(Register::RDI, status)?;
        self.load(Register::RAX, syscall::EXIT)?;
        self.emit(&Instruction::with(Code::Syscall))
    }

    /// A loop of two instructions a turn; an odd instruction more when `n` is odd.
    fn work(&mut self, n: u64) -> Result<(), AssembleError> {
        if n % 2 == 1 || n < 4 {
            self.emit(&Instruction::with(Code::Nopd))?;
        }
        if n < 4 {
            return Ok(());
        }
        self.load(Register::RCX, (n - 1) / 2)?;
        let turn = self.here();
        self.emit(&Instruction::with1(Code::Dec_rm64, Register::RCX)?)?;
        self.emit(&Instruction::with_branch(Code::Jne_rel8_64, turn)?)
    }

    /// Sets the flag of this step, if some other step waits for it.
    fn signal(&mut self, step: &scenario::Step, begun: bool) -> Result<(), AssembleError> {
        let label = step.label.as_deref();
        let Some(flag) = label.and_then(|label| self.flag(label, begun)) else {
            return Ok(());
        };
        self.emit(&Instruction::with2(Code::Mov_rm8_imm8, flag, 1)?)
    }

    /// Looks at a flag until it is set; PAUSE tells the machine that other CPUs may go on.
    fn wait(&mut self, label: &str, begun: bool) -> Result<(), AssembleError> {
        let Some(flag) = self.flag(label, begun) else {
            return Ok(());
        };
        // jmp over the pause; pause; cmp byte [flag], 0; je back to the pause.
        self.text.extend([0xeb, 2]);
        let again = self.here();
        self.emit(&Instruction::with(Code::Pause))?;
        self.emit(&Instruction::with2(Code::Cmp_rm8_imm8, flag, 0)?)?;
        self.emit(&Instruction::with_branch(Code::Je_rel8_64, again)?)
    }

    /// The flag that waits for the beginning or the end of a labelled step share.
    fn flag(&self, label: &str, begun: bool) -> Option<MemoryOperand> {
        let programs = self.scenario.programs.iter();
        let at = programs
            .flat_map(|program| &program.steps)
            .position(|step| match &step.op {
                Op::Wait { step, begun: b } => step == label && *b == begun,
                _ => false,
            })?;
        Some(MemoryOperand::with_displ(USER_DATA + FLAGS + at as u64, 4))
    }

    pub(crate) fn here(&self) -> u64 {
        self.base + self.text.len() as u64
    }

    pub(crate) fn emit(&mut self, instruction: &Instruction) -> Result<(), AssembleError> {
        let mut encoder = Encoder::new(64);
        encoder.encode(instruction, self.here())?;
        self.text.extend(encoder.take_buffer());
        Ok(())
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.scenario.events.iter().position(|event| event.id == id)
    }
}

fn slot_addr(at: usize) -> u64 {
    USER_DATA + SLOTS + at as u64 * 8
}

/// Where the address of an event's user page is kept.
pub(crate) fn page_addr(at: usize) -> u64 {
    USER_DATA + PAGES + at as u64 * 8
}

fn attr_addr(at: usize) -> u64 {
    USER_DATA + ATTRS + at as u64 * u64::from(Attr::SIZE)
}

/// The attributes of all events as the guest reads them (`repr(C)`, little endian).
fn attributes(events: &[Event]) -> Vec<u8> {
    let mut data = vec![0; ATTRS as usize];
    for event in events {
        data.extend(attr_bytes(&event.attr()));
    }
    data
}

fn attr_bytes(attr: &Attr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(Attr::SIZE as usize);
    bytes.extend(attr.kind.to_le_bytes());
    bytes.extend(attr.size.to_le_bytes());
    for word in [
        attr.config,
        attr.sample_period,
        attr.sample_type,
        attr.read_format,
        attr.flags,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(attr.wakeup.to_le_bytes());
    bytes.extend(attr.bp_type.to_le_bytes());
    for word in [attr.config1, attr.config2] {
        bytes.extend(word.to_le_bytes());
    }
    // Branch stack, user registers and stack, clock, AUX: unused, zero.
    bytes.resize(Attr::SIZE as usize, 0);
    bytes
}

/// What the oracles need to know of each event, by name.
#[must_use]
pub fn specs(scenario: &Scenario) -> BTreeMap<Arc<str>, check::shadow::Spec> {
    use abi::totals::HwEvent;
    use check::shadow::{Counted, Spec};
    use scenario::EventKind;

    scenario
        .events
        .iter()
        .map(|event| {
            let counted = match event.kind {
                EventKind::Inject => Counted::Injected(event.attr().config),
                EventKind::Instructions => Counted::Retired(HwEvent::Instructions),
                EventKind::Cycles => Counted::Retired(HwEvent::Cycles),
                EventKind::RefCycles => Counted::Retired(HwEvent::RefCycles),
                EventKind::Branches => Counted::Retired(HwEvent::Branches),
                EventKind::BranchMisses => Counted::Retired(HwEvent::BranchMisses),
                EventKind::CpuClock => Counted::Clock,
                EventKind::Raw(config) => raw_event(config),
            };
            let spec = Spec {
                counted,
                user: !event.exclude_user,
                kernel: !event.exclude_kernel,
                disabled: event.disabled,
                enable_on_exec: event.enable_on_exec,
            };
            (Arc::from(event.id.as_str()), spec)
        })
        .collect()
}

/// Architectural event 7, top-down slots: cycles times a number of the machine.
const TOP_DOWN_SLOTS: u64 = 0x01a4;

/// What a raw select counts. Events by a code of their own that nobody has given a meaning count
/// nothing; thresholds, inversions and edges are the bank's to know.
fn raw_event(config: u64) -> check::shadow::Counted {
    use abi::event_select as code;
    use abi::totals::HwEvent;
    use check::shadow::Counted;
    use timing::skylake::names::{EVENTS, Named};

    let architectural = [
        (code::INSTRUCTIONS, HwEvent::Instructions),
        (code::CYCLES, HwEvent::Cycles),
        (code::REF_CYCLES, HwEvent::RefCycles),
        (code::BRANCHES, HwEvent::Branches),
        (code::BRANCH_MISSES, HwEvent::BranchMisses),
        (code::LLC_REFERENCES, HwEvent::LlcReferences),
        (code::LLC_MISSES, HwEvent::LlcMisses),
    ];
    let select = |event: &Named| {
        let code = u64::from(event.umask) << 8 | u64::from(event.code);
        u64::from(event.cmask) << code::CMASK_SHIFT | code
    };
    let of_the_core = EVENTS.iter().filter(|event| !event.fixed);
    let of_the_core = of_the_core.map(|event| (select(event), event.event));
    let mut known = architectural.into_iter().chain(of_the_core);
    match known.find(|&(select, _)| select == config) {
        Some((_, event)) => Counted::Retired(event),
        None if config == TOP_DOWN_SLOTS || config > code::CODE_MASK => Counted::Unknown,
        None => Counted::Injected(config),
    }
}
