// SPDX-License-Identifier: GPL-2.0-only
//! Segment and gate descriptors and the task-state segment, as the manual lays them out (SDM
//! vol. 3A, 3.4.5, 6.14.1, 7.2.3 and 7.7). Pure data, so that the host can test it.

use abi::layout::{KERNEL_CS, KERNEL_SS, USER_CS, USER_SS};

/// Selector of the task-state segment.
pub const TSS_SELECTOR: u16 = 0x38;
/// Entries of a [`Gdt`].
const GDT_LEN: usize = 9;
/// Entries of an [`Idt`].
pub const IDT_LEN: usize = 256;

const PRESENT: u64 = 1 << 47;
const DPL_USER: u64 = 3 << 45;
/// Code or data, not system.
const NOT_SYSTEM: u64 = 1 << 44;
/// Executable and readable, already accessed: loading it writes nothing.
const CODE: u64 = 0xb << 40;
/// Writable data, already accessed.
const DATA: u64 = 0x3 << 40;
/// 64-bit code.
const LONG: u64 = 1 << 53;
/// 32-bit default, for the stack segments.
const BIG: u64 = 1 << 54;
/// Limit in pages, and the limit 0xfffff.
const FLAT: u64 = 1 << 55 | 0xf << 48 | 0xffff;
/// Available 64-bit TSS.
const TSS_AVAILABLE: u64 = 0x9 << 40;
/// 64-bit interrupt gate: clears IF.
const INTERRUPT_GATE: u64 = 0xe << 40;

/// The global descriptor table of one CPU.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub struct Gdt(pub [u64; GDT_LEN]);

impl Gdt {
    /// The table with the selectors of [`abi::layout`] and a task-state segment at `tss`.
    #[must_use]
    pub const fn new(tss: u64) -> Self {
        let mut gdt = [0; GDT_LEN];
        gdt[KERNEL_CS as usize / 8] = PRESENT | NOT_SYSTEM | CODE | LONG | FLAT;
        gdt[KERNEL_SS as usize / 8] = PRESENT | NOT_SYSTEM | DATA | BIG | FLAT;
        gdt[USER_SS as usize / 8] = PRESENT | NOT_SYSTEM | DPL_USER | DATA | BIG | FLAT;
        gdt[USER_CS as usize / 8] = PRESENT | NOT_SYSTEM | DPL_USER | CODE | LONG | FLAT;
        let limit = size_of::<Tss>() as u64 - 1;
        gdt[TSS_SELECTOR as usize / 8] =
            PRESENT | TSS_AVAILABLE | limit | (tss & 0xff_ffff) << 16 | (tss >> 24 & 0xff) << 56;
        gdt[TSS_SELECTOR as usize / 8 + 1] = tss >> 32;
        Self(gdt)
    }

    /// A table of zeros.
    #[must_use]
    pub const fn zero() -> Self {
        Self([0; GDT_LEN])
    }
}

/// The interrupt descriptor table of one CPU: pairs of words.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub struct Idt(pub [[u64; 2]; IDT_LEN]);

impl Idt {
    /// A table in which no gate is present.
    #[must_use]
    pub const fn zero() -> Self {
        Self([[0; 2]; IDT_LEN])
    }

    /// Makes `vector` an interrupt gate to `handler` in the kernel's code segment, callable from
    /// ring 0 only. `ist` 1 to 7 names a stack of the TSS, 0 none.
    pub const fn set(&mut self, vector: u8, handler: u64, ist: u8) {
        self.0[vector as usize] = [
            handler & 0xffff
                | (KERNEL_CS as u64) << 16
                | (ist as u64) << 32
                | INTERRUPT_GATE
                | PRESENT
                | (handler >> 16 & 0xffff) << 48,
            handler >> 32,
        ];
    }
}

/// The 64-bit task-state segment: nothing but stacks.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed(4))]
pub struct Tss {
    reserved0: u32,
    /// Stack pointers for a change to rings 0, 1 and 2.
    pub rsp: [u64; 3],
    reserved1: u64,
    /// Stacks that gates name: `ist[0]` is IST 1.
    pub ist: [u64; 7],
    reserved2: u64,
    reserved3: u16,
    /// Offset of the I/O permission map: beyond the limit, there is none.
    pub io_map: u16,
}

impl Tss {
    /// A segment of zeros.
    #[must_use]
    pub const fn zero() -> Self {
        Self {
            reserved0: 0,
            rsp: [0; 3],
            reserved1: 0,
            ist: [0; 7],
            reserved2: 0,
            reserved3: 0,
            io_map: 0,
        }
    }

    /// A segment with the kernel's stack `rsp0` and the IST stacks 1 (NMI) and 2 (double fault).
    #[must_use]
    pub const fn new(rsp0: u64, nmi: u64, double_fault: u64) -> Self {
        let mut tss = Self::zero();
        tss.rsp = [rsp0, 0, 0];
        tss.ist = [nmi, double_fault, 0, 0, 0, 0, 0];
        tss.io_map = size_of::<Self>() as u16;
        tss
    }
}

/// Operand of LGDT and LIDT.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed)]
pub struct TablePointer {
    /// Bytes minus one.
    pub limit: u16,
    /// Address.
    pub base: u64,
}

/// IST number of the NMI gate.
pub const IST_NMI: u8 = 1;
/// IST number of the double-fault gate.
pub const IST_DOUBLE_FAULT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_have_the_well_known_values() {
        let gdt = Gdt::new(0x1234_5678_9abc_def0).0;
        assert_eq!(gdt[0], 0);
        assert_eq!(gdt[2], 0x00af_9b00_0000_ffff, "kernel code");
        assert_eq!(gdt[3], 0x00cf_9300_0000_ffff, "kernel data");
        assert_eq!(gdt[5], 0x00cf_f300_0000_ffff, "user data");
        assert_eq!(gdt[6], 0x00af_fb00_0000_ffff, "user code");
        assert_eq!(gdt[7], 0x9a00_89bc_def0_0067, "TSS, low half");
        assert_eq!(gdt[8], 0x1234_5678, "TSS, high half");
    }

    #[test]
    fn gates_carry_address_selector_and_ist() {
        let mut idt = Idt::zero();
        idt.set(2, 0x1122_3344_5566_7788, IST_NMI);
        assert_eq!(idt.0[2], [0x5566_8e01_0010_7788, 0x1122_3344]);
        assert_eq!(idt.0[3], [0, 0]);
    }

    #[test]
    fn the_tss_has_its_stacks_where_the_manual_says() {
        assert_eq!(size_of::<Tss>(), 104);
        assert_eq!(core::mem::offset_of!(Tss, rsp), 4);
        assert_eq!(core::mem::offset_of!(Tss, ist), 36);
        assert_eq!(core::mem::offset_of!(Tss, io_map), 102);
        assert_eq!(size_of::<TablePointer>(), 10);
    }

    #[test]
    fn sysret_and_syscall_selectors_follow_from_star() {
        // SYSCALL loads SS = CS + 8; SYSRET loads SS = base + 8 and CS = base + 16, with RPL 3.
        assert_eq!(KERNEL_SS, KERNEL_CS + 8);
        assert_eq!(USER_CS, USER_SS + 8);
        assert_eq!(USER_CS & 3, 3);
    }
}
