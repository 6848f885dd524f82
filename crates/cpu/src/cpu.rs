// SPDX-License-Identifier: GPL-2.0-only
//! The architectural state of one core.

use crate::Features;
use crate::X87;
use crate::flags::{self, Flags};
use crate::memory::{
    FAST_KERNEL_READ, FAST_KERNEL_WRITE, FAST_USER_READ, FAST_USER_WRITE, PageFault,
};
use crate::op::{Flow, Op, Outcome, Raised};
use crate::raw::Row;
use crate::segment::{Segment, Segments, TableRegister, TaskRegister};
use abi::totals::{HwEvent, Totals};

/// What inhibits events for one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shadow {
    /// Nothing.
    #[default]
    None,
    /// STI with IF clear before: maskable interrupts wait.
    Sti,
    /// MOV SS or POP SS: interrupts, NMIs and debug traps wait.
    MovSs,
}

/// Indices into [`Cpu::regs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's register names")]
#[repr(usize)]
pub enum RegName {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

pub(crate) const RAX: usize = 0;
pub(crate) const RCX: usize = 1;
pub(crate) const RDX: usize = 2;
pub(crate) const RBX: usize = 3;
pub(crate) const RSP: usize = 4;
pub(crate) const RBP: usize = 5;
pub(crate) const RSI: usize = 6;
pub(crate) const RDI: usize = 7;
pub(crate) const R11: usize = 11;

/// A raised exception.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fault {
    pub(crate) vector: u8,
    pub(crate) code: u32,
    pub(crate) cr2: u64,
}

/// In `Cpu::bits`: the fast path of a step must not be taken.
const ATTENTION: u64 = 1 << 63;

/// CR0 after reset into long mode: PG, WP, NE, ET, MP, PE.
const CR0_START: u64 = 0x8001_0033;
/// CR0.EM.
pub(crate) const CR0_EM: u64 = 1 << 2;
/// CR0.NE.
pub(crate) const CR0_NE: u64 = 1 << 5;
/// CR0.TS.
pub(crate) const CR0_TS: u64 = 1 << 3;
/// MXCSR after reset: every exception masked, rounding to nearest.
pub(crate) const MXCSR_START: u32 = 0x1f80;
/// Bits of MXCSR that exist.
pub(crate) const MXCSR_MASK: u32 = 0xffff;
/// The x87 control word that FNINIT sets.
pub(crate) const FCW_START: u16 = 0x37f;
/// CR4.TSD.
pub(crate) const CR4_TSD: u64 = 1 << 2;
const CR4_PAE: u64 = 1 << 5;
/// CR4.PCE.
pub(crate) const CR4_PCE: u64 = 1 << 8;
/// CR4.OSFXSR.
pub(crate) const CR4_OSFXSR: u64 = 1 << 9;
/// CR4.OSXMMEXCPT.
pub(crate) const CR4_OSXMMEXCPT: u64 = 1 << 10;
/// CR4.FSGSBASE.
pub(crate) const CR4_FSGSBASE: u64 = 1 << 16;
/// CR4 bits that may be set: VME to PCE, OSFXSR, OSXMMEXCPT, FSGSBASE.
pub(crate) const CR4_ALLOWED: u64 = 0x7ff | CR4_FSGSBASE;
/// EFER.SCE.
pub(crate) const EFER_SCE: u64 = 1;
/// EFER.LME and LMA: always set here.
pub(crate) const EFER_LONG: u64 = 1 << 8 | 1 << 10;
/// EFER.NXE.
pub(crate) const EFER_NXE: u64 = 1 << 11;

/// One core. Copying it is a snapshot; decoded code and memory are elsewhere.
///
/// What nearly every instruction touches stands in the first lines of the structure.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct Cpu {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15 (see [`RegName`]).
    pub regs: [u64; 16],
    /// Address of the next instruction; must be canonical.
    pub rip: u64,
    /// XORed with `rip << 1` before the comparison with an op's tag.
    pub(crate) bits: u64,
    pub(crate) flags: Flags,
    /// Where this ring is counted.
    pub(crate) row: Row,
    /// RFLAGS without the status flags.
    pub(crate) system_flags: u64,
    /// Op to try first.
    pub(crate) hint: u16,
    pub(crate) read_mask: u8,
    pub(crate) write_mask: u8,
    pub(crate) calls_top: u32,
    /// What a chain of threaded code leaves: boundaries not passed, and its tally.
    pub(crate) chain: [u64; 2],
    /// What has retired.
    pub totals: Totals,
    /// Hints for the places behind the latest calls.
    pub(crate) calls: [u16; 16],
    pub(crate) cpl: u8,
    pub(crate) fault: Fault,
    /// Reads of descriptor tables and task state.
    pub(crate) system_reads: u64,
    /// Segment registers.
    pub seg: Segments,
    /// CR0.
    pub cr0: u64,
    /// CR2: the last page fault's address.
    pub cr2: u64,
    /// CR3: kept, without effect.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// DR0 to DR3, DR6 and DR7 at their numbers. Only MOV may enable a
    /// breakpoint, or a host that sets RFLAGS afterwards.
    pub dr: [u64; 8],
    /// `IA32_EFER`.
    pub efer: u64,
    /// `IA32_STAR`.
    pub star: u64,
    /// `IA32_LSTAR`.
    pub lstar: u64,
    /// `IA32_CSTAR`: kept, without effect.
    pub cstar: u64,
    /// `IA32_FMASK`.
    pub fmask: u64,
    /// `IA32_TSC_AUX`.
    pub tsc_aux: u64,
    /// Base of FS.
    pub fs_base: u64,
    /// Base of GS.
    pub gs_base: u64,
    /// `IA32_KERNEL_GS_BASE`.
    pub kernel_gs_base: u64,
    /// Global descriptor table.
    pub gdtr: TableRegister,
    /// Interrupt descriptor table; limit 0 means none.
    pub idtr: TableRegister,
    /// Task register.
    pub tr: TaskRegister,
    /// LDTR selector: always null.
    pub ldtr: u16,
    /// NMIs are blocked until the next IRET.
    pub nmi_blocked: bool,
    /// In HLT. [`crate::deliver`] clears it; so may the host.
    pub halted: bool,
    pub(crate) shadow: Shadow,
    /// A debug trap is due before the next instruction; DR6 tells why.
    pub(crate) debug_trap: bool,
    /// What this model has; the same in all cores that share a decode cache.
    pub features: Features,
    /// x87 control word.
    pub fcw: u16,
    /// x87 registers and status.
    pub x87: X87,
    /// MXCSR; must have no reserved bits set.
    pub mxcsr: u32,
    /// XMM0 to XMM15.
    pub xmm: [u128; 16],
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl Cpu {
    /// A core in 64-bit mode at CPL 0 with `abi::layout`'s kernel selectors loaded, interrupts off,
    /// no descriptor tables, all else zero.
    #[must_use]
    pub fn new() -> Self {
        let data = Segment {
            selector: abi::layout::KERNEL_SS,
            dpl: 0,
        };
        let mut dr = [0; 8];
        dr[6] = 0xffff_0ff0;
        dr[7] = 0x400;
        Self {
            regs: [0; 16],
            rip: 0,
            bits: 0,
            flags: Flags::CLEAR,
            hint: 0,
            read_mask: FAST_KERNEL_READ,
            write_mask: FAST_KERNEL_WRITE,
            row: Row::KERNEL,
            cpl: 0,
            totals: Totals::default(),
            system_flags: 2,
            fault: Fault::default(),
            system_reads: 0,
            chain: [0; 2],
            calls: [0; 16],
            calls_top: 0,
            seg: Segments {
                cs: Segment {
                    selector: abi::layout::KERNEL_CS,
                    dpl: 0,
                },
                ss: data,
                ..Segments::default()
            },
            cr0: CR0_START,
            cr2: 0,
            cr3: 0,
            cr4: CR4_PAE,
            dr,
            efer: EFER_SCE | EFER_LONG | EFER_NXE,
            star: 0,
            lstar: 0,
            cstar: 0,
            fmask: 0,
            tsc_aux: 0,
            fs_base: 0,
            gs_base: 0,
            kernel_gs_base: 0,
            gdtr: TableRegister::default(),
            idtr: TableRegister::default(),
            tr: TaskRegister::default(),
            ldtr: 0,
            nmi_blocked: false,
            halted: false,
            shadow: Shadow::None,
            debug_trap: false,
            features: Features::ALL,
            fcw: FCW_START,
            x87: X87::default(),
            mxcsr: MXCSR_START,
            xmm: [0; 16],
        }
    }

    /// Current privilege level.
    #[must_use]
    #[inline]
    pub const fn cpl(&self) -> u8 {
        self.cpl
    }

    /// Changes the privilege level and nothing else: for loaders and tests that start in ring 3.
    ///
    /// # Panics
    /// If `cpl` exceeds 3.
    pub const fn set_cpl(&mut self, cpl: u8) {
        assert!(cpl <= 3, "no such privilege level");
        self.cpl = cpl;
        self.hint = 0;
        if cpl == 3 {
            self.row = Row::USER;
            self.bits |= 1;
            self.read_mask = FAST_USER_READ;
            self.write_mask = FAST_USER_WRITE;
        } else {
            self.row = if cpl == 0 { Row::KERNEL } else { Row::USER };
            self.bits &= !1;
            self.read_mask = FAST_KERNEL_READ;
            self.write_mask = FAST_KERNEL_WRITE;
        }
    }

    /// Enters ring 3 with `abi::layout`'s user selectors: what SYSRET leaves behind.
    pub const fn enter_user(&mut self) {
        self.seg.cs = Segment {
            selector: abi::layout::USER_CS,
            dpl: 3,
        };
        self.seg.ss = Segment {
            selector: abi::layout::USER_SS,
            dpl: 3,
        };
        self.set_cpl(3);
    }

    /// RFLAGS with all flags computed.
    #[must_use]
    pub fn rflags(&self) -> u64 {
        self.system_flags | self.flags.bits()
    }

    /// Sets RFLAGS. Reserved bits are ignored; bit 1 is always set.
    pub fn set_rflags(&mut self, value: u64) {
        const KEPT: u64 = flags::TF
            | flags::IF
            | flags::DF
            | flags::IOPL
            | flags::NT
            | flags::RF
            | flags::AC
            | flags::ID
            | 3 << 19;
        self.flags = Flags::from_bits(value);
        self.system_flags = value & KEPT | 2;
        self.update_attention();
    }

    /// The event shadow that the previous instruction left.
    #[must_use]
    pub const fn shadow(&self) -> Shadow {
        self.shadow
    }

    /// Sets the event shadow.
    pub const fn set_shadow(&mut self, shadow: Shadow) {
        self.shadow = shadow;
        self.update_attention();
    }

    /// A debug trap is delivered before the next instruction and before any NMI.
    #[must_use]
    pub const fn debug_trap_pending(&self) -> bool {
        self.debug_trap
    }

    pub(crate) const fn needs_attention(&self) -> bool {
        self.bits & ATTENTION != 0
    }

    pub(crate) const fn update_attention(&mut self) {
        let due = self.halted
            || self.debug_trap
            || self.has_breakpoints()
            || !matches!(self.shadow, Shadow::None)
            || self.system_flags & (flags::TF | flags::RF) != 0;
        if due {
            self.bits |= ATTENTION;
        } else {
            self.bits &= !ATTENTION;
        }
    }

    pub(crate) const fn halt(&mut self) {
        self.halted = true;
        self.update_attention();
    }

    /// Does `tag` name the instruction at rip in this ring, and may it run straight away?
    #[inline(always)]
    pub(crate) fn matches(&self, tag: u32) -> bool {
        u64::from(tag) == self.rip << 1 ^ self.bits
    }

    pub(crate) const fn user(&self) -> bool {
        self.cpl == 3
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, event: HwEvent) {
        self.row.count(&mut self.totals, event);
    }

    /// Loads counted in this ring.
    #[inline(always)]
    pub(crate) fn loads(&self) -> u64 {
        self.totals.get(self.row.ring(), HwEvent::Loads)
    }

    /// Takes back to `loads` what an instruction counted that does not retire.
    pub(crate) fn set_loads(&mut self, loads: u64) {
        self.totals.0[self.row.ring() as usize][HwEvent::Loads as usize] = loads;
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn raise(&mut self, vector: u8, code: u32) -> Raised {
        self.fault = Fault {
            vector,
            code,
            cr2: self.cr2,
        };
        Raised
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn raise_page(&mut self, fault: PageFault) -> Raised {
        self.fault = Fault {
            vector: 14,
            code: fault.code,
            cr2: fault.addr,
        };
        Raised
    }

    /// #GP(0).
    #[cold]
    pub(crate) fn gp(&mut self) -> Raised {
        self.raise(13, 0)
    }

    /// #UD.
    #[cold]
    pub(crate) fn ud(&mut self) -> Raised {
        self.raise(6, 0)
    }

    /// A near transfer to a computed address: not canonical is #GP(0).
    #[inline(always)]
    pub(crate) fn jump(&mut self, target: u64, hint: u16) -> Outcome {
        if !canonical(target) {
            return Err(self.gp());
        }
        self.rip = target;
        Ok(Flow::Jump(hint))
    }

    /// A taken direct branch.
    #[inline(always)]
    pub(crate) fn branch(&mut self, op: &Op) -> Outcome {
        self.rip = self.rip.wrapping_add(op.imm());
        Ok(Flow::Jump(op.target))
    }
}

/// Bits 63:47 equal.
#[inline(always)]
pub(crate) const fn canonical(addr: u64) -> bool {
    (addr as i64) << 16 >> 16 == addr as i64
}
