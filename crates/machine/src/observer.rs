// SPDX-License-Identifier: GPL-2.0-only
//! Hooks for those who watch a run: oracles, logs, recorders. A hook says exactly when it fires;
//! none can change the machine.

use abi::guest_call::Reader;
use cpu::{Access, AccessKind, Memory};
use image::Image;

use crate::chooser::{Decision, Ordinal};
use crate::core::Core;
use crate::objects::{ObjectId, Objects};

/// Positions of RSP and RBP in the register file.
const RSP: usize = 4;
const RBP: usize = 5;

/// Opcodes of the frame's first and last instruction.
const PUSH_RBP: u8 = 0x55;
const POP_RBP: u8 = 0x5d;

/// Frames followed at most.
const FRAMES_MAX: usize = 32;

/// The machine as an observer sees it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// CPU that the hook is about.
    pub cpu: usize,
    /// That CPU.
    pub core: &'a Core,
    /// All CPUs.
    pub cores: &'a [Core],
    /// Memory.
    pub mem: &'a Memory,
    /// Named objects.
    pub objects: &'a Objects,
    /// The guest's symbols, lines and layouts.
    pub image: &'a Image,
}

impl View<'_> {
    /// The value of a field of an object, zero-extended; `None` for a field that the guest's
    /// layout does not have.
    #[must_use]
    pub fn field(&self, object: ObjectId, name: &str) -> Option<u64> {
        let field = self.objects.layout().field(name)?;
        let mut bytes = [0; 8];
        let size = (field.size as usize).min(8);
        self.mem
            .read(
                self.objects.get(object).addr + field.offset,
                &mut bytes[..size],
            )
            .ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Return addresses by the chain of frame pointers, innermost first, as far as it leads
    /// through functions of the guest.
    #[must_use]
    pub fn return_addresses(&self) -> Vec<u64> {
        let mut found: Vec<u64> = self.frameless_caller().into_iter().collect();
        let mut frame = self.core.cpu.regs[RBP];
        while found.len() < FRAMES_MAX {
            let (Ok(next), Ok(ret)) = (
                self.mem.read_u64(frame),
                self.mem.read_u64(frame.wrapping_add(8)),
            ) else {
                break;
            };
            if self.image.function_at(ret).is_none() {
                break;
            }
            found.push(ret);
            if next <= frame {
                break;
            }
            frame = next;
        }
        found
    }
}

impl View<'_> {
    /// The return address of the current function where it has no frame of its own: before and
    /// inside `push rbp; mov rbp, rsp`, and behind its `pop rbp`.
    fn frameless_caller(&self) -> Option<u64> {
        let cpu = &self.core.cpu;
        let offset = cpu.rip.wrapping_sub(self.image.function_at(cpu.rip)?.addr);
        let mut before = [0];
        self.mem.read(cpu.rip.wrapping_sub(1), &mut before).ok()?;
        let slot = match (offset, before) {
            (0, _) | (_, [POP_RBP]) => cpu.regs[RSP],
            (1, [PUSH_RBP]) => cpu.regs[RSP].wrapping_add(8),
            _ => return None,
        };
        let caller = self.mem.read_u64(slot).ok()?;
        self.image.function_at(caller).map(|_| caller)
    }
}

/// An NMI that has been delivered and has not returned yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NmiFrame {
    /// The boundary at which it was delivered.
    pub ordinal: Ordinal,
    /// Address of the instruction it came before.
    pub rip: u64,
}

/// A maskable interrupt that has been delivered and has not returned yet: where it goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptFrame {
    /// Address of the instruction it came before.
    pub rip: u64,
    /// RSP there.
    pub rsp: u64,
}

/// A call from the guest (abi `guest_call`) that observers hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestEvent {
    /// An event was born.
    Born(ObjectId),
    /// An event was freed.
    Died(ObjectId),
    /// A reader emitted a value.
    Value {
        /// Whose value.
        object: ObjectId,
        /// The value.
        value: u64,
        /// By which reader.
        reader: Reader,
    },
    /// The kernel warns.
    Warn {
        /// Address of the text.
        text: u64,
        /// Its length in bytes.
        len: u64,
        /// The instruction that it is about.
        place: u64,
    },
}

/// An access of the guest to a field of a named object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectAccess {
    /// The CPU.
    pub cpu: usize,
    /// The object.
    pub object: ObjectId,
    /// Offset of the first byte touched.
    pub offset: u64,
    /// Bytes touched.
    pub size: u8,
    /// Read or write; a read-modify-write is one of each.
    pub kind: AccessKind,
    /// Value before.
    pub old: u64,
    /// Value after.
    pub new: u64,
    /// Address of the instruction.
    pub rip: u64,
    /// Boundary before the instruction.
    pub ordinal: Ordinal,
}

/// What became of a decision (contract, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// An NMI entry resulted at once.
    Delivered,
    /// NMI was blocked; it is taken after IRET.
    Pended,
    /// One was pending already.
    Lost,
    /// The event does not count there.
    NotArmed,
    /// Occurrences were delivered, no NMI resulted.
    Absorbed,
}

/// Someone who watches. All hooks do nothing unless overridden.
pub trait Observer {
    /// A guest call has retired; `rip` is its own address.
    fn guest_event(&mut self, _view: &View<'_>, _event: GuestEvent, _rip: u64) {}
    /// A WRMSR to a device (bank or APIC) has retired, with this register and value.
    fn wrmsr(&mut self, _view: &View<'_>, _msr: u32, _value: u64) {}
    /// SYSCALL has retired: the core stands before the first kernel instruction.
    fn syscall(&mut self, _view: &View<'_>) {}
    /// SYSRET or IRET to CPL 3 has retired: the core stands before a user instruction.
    fn return_to_user(&mut self, _view: &View<'_>) {}
    /// A fault, interrupt or NMI at CPL 3 was delivered: the core stands before its handler.
    fn leave_user(&mut self, _view: &View<'_>) {}
    /// HLT has retired: the core waits for an interrupt.
    fn halt(&mut self, _view: &View<'_>) {}
    /// An interrupt or NMI was delivered to a halted core: it stands before its handler.
    fn wake(&mut self, _view: &View<'_>) {}
    /// An NMI was delivered: the core stands before the handler's first instruction.
    fn nmi_entry(&mut self, _view: &View<'_>) {}
    /// The NMI handler's IRET has retired.
    fn nmi_exit(&mut self, _view: &View<'_>, _frame: NmiFrame) {}
    /// A field of a named object was accessed; fires after the instruction, in access order.
    fn access(&mut self, _view: &View<'_>, _access: &ObjectAccess) {}
    /// Memory was accessed, whatever lies there; only while [`crate::Machine::record_memory`] is
    /// on, after the instruction, in access order. Delivery of events is not told.
    fn memory(&mut self, _view: &View<'_>, _access: &Access, _rip: u64) {}
    /// The core stands before an instruction with a code watch that an observer asked for.
    fn code(&mut self, _view: &View<'_>) {}
    /// A step of the program begins.
    fn step_begin(&mut self, _view: &View<'_>, _step: usize) {}
    /// A decision was carried out.
    fn decided(&mut self, _view: &View<'_>, _decision: Decision, _outcome: Outcome) {}
}

/// Watches nothing.
impl Observer for () {}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn guest_event(&mut self, view: &View<'_>, event: GuestEvent, rip: u64) {
        self.0.guest_event(view, event, rip);
        self.1.guest_event(view, event, rip);
    }
    fn wrmsr(&mut self, view: &View<'_>, msr: u32, value: u64) {
        self.0.wrmsr(view, msr, value);
        self.1.wrmsr(view, msr, value);
    }
    fn syscall(&mut self, view: &View<'_>) {
        self.0.syscall(view);
        self.1.syscall(view);
    }
    fn return_to_user(&mut self, view: &View<'_>) {
        self.0.return_to_user(view);
        self.1.return_to_user(view);
    }
    fn leave_user(&mut self, view: &View<'_>) {
        self.0.leave_user(view);
        self.1.leave_user(view);
    }
    fn halt(&mut self, view: &View<'_>) {
        self.0.halt(view);
        self.1.halt(view);
    }
    fn wake(&mut self, view: &View<'_>) {
        self.0.wake(view);
        self.1.wake(view);
    }
    fn nmi_entry(&mut self, view: &View<'_>) {
        self.0.nmi_entry(view);
        self.1.nmi_entry(view);
    }
    fn nmi_exit(&mut self, view: &View<'_>, frame: NmiFrame) {
        self.0.nmi_exit(view, frame);
        self.1.nmi_exit(view, frame);
    }
    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        self.0.access(view, access);
        self.1.access(view, access);
    }
    fn memory(&mut self, view: &View<'_>, access: &Access, rip: u64) {
        self.0.memory(view, access, rip);
        self.1.memory(view, access, rip);
    }
    fn code(&mut self, view: &View<'_>) {
        self.0.code(view);
        self.1.code(view);
    }
    fn step_begin(&mut self, view: &View<'_>, step: usize) {
        self.0.step_begin(view, step);
        self.1.step_begin(view, step);
    }
    fn decided(&mut self, view: &View<'_>, decision: Decision, outcome: Outcome) {
        self.0.decided(view, decision, outcome);
        self.1.decided(view, decision, outcome);
    }
}
