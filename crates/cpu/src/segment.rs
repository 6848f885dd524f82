// SPDX-License-Identifier: GPL-2.0-only
//! Segment registers, descriptors and gates as 64-bit mode sees them (SDM vol. 3A, 3.4, 5.14).

use crate::op::Raised;
use crate::{Cpu, Memory, Perm};

/// A code or data segment register with what 64-bit mode keeps of its descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment {
    /// Visible part; bits 1:0 are the RPL.
    pub selector: u16,
    /// Descriptor privilege level.
    pub dpl: u8,
}

/// The segment registers. The bases of FS and GS stand in [`Cpu`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segments {
    /// Code.
    pub cs: Segment,
    /// Stack.
    pub ss: Segment,
    /// Data.
    pub ds: Segment,
    /// Extra.
    pub es: Segment,
    /// FS.
    pub fs: Segment,
    /// GS.
    pub gs: Segment,
}

/// GDTR or IDTR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableRegister {
    /// Linear address of the table.
    pub base: u64,
    /// Offset of its last byte.
    pub limit: u16,
}

/// The task register with the cached TSS descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskRegister {
    /// Visible part.
    pub selector: u16,
    /// Linear address of the TSS.
    pub base: u64,
    /// Offset of its last byte.
    pub limit: u32,
}

/// A flat GDT for the selectors of `abi::layout`: kernel code 10H and data 18H, user data 28H and
/// code 30H, and at 38H the 16-byte descriptor of a 64-bit TSS of 104 bytes at `tss`.
#[must_use]
pub const fn flat_gdt(tss: u64) -> [u64; 9] {
    let tss_low = 0x67 | (tss & 0xff_ffff) << 16 | 0x89 << 40 | (tss >> 24 & 0xff) << 56;
    [
        0,
        0,
        0x00af_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0,
        0x00cf_f300_0000_ffff,
        0x00af_fb00_0000_ffff,
        tss_low,
        tss >> 32,
    ]
}

/// The two quadwords of a present 64-bit interrupt gate.
#[must_use]
pub const fn interrupt_gate(handler: u64, selector: u16, ist: u8, dpl: u8) -> [u64; 2] {
    let low = handler & 0xffff
        | (selector as u64) << 16
        | (ist as u64 & 7) << 32
        | 0x8e << 40
        | (dpl as u64 & 3) << 45
        | (handler >> 16 & 0xffff) << 48;
    [low, handler >> 32]
}

/// A descriptor's first quadword, picked apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptor(pub(crate) u64);

impl Descriptor {
    pub(crate) const fn present(self) -> bool {
        self.0 >> 47 & 1 != 0
    }
    pub(crate) const fn dpl(self) -> u8 {
        (self.0 >> 45 & 3) as u8
    }
    pub(crate) const fn kind(self) -> u8 {
        (self.0 >> 40 & 31) as u8
    }
    pub(crate) const fn is_code(self) -> bool {
        self.kind() & 0x18 == 0x18
    }
    pub(crate) const fn conforming(self) -> bool {
        self.kind() & 4 != 0
    }
    pub(crate) const fn readable_or_data(self) -> bool {
        self.kind() & 0x18 == 0x10 || self.kind() & 0x1a == 0x1a
    }
    pub(crate) const fn writable_data(self) -> bool {
        self.kind() & 0x1a == 0x12
    }
    /// L set and D clear.
    pub(crate) const fn long(self) -> bool {
        self.0 >> 53 & 3 == 1
    }
    pub(crate) const fn base(self) -> u64 {
        self.0 >> 16 & 0xff_ffff | (self.0 >> 56) << 24
    }
    pub(crate) const fn limit(self) -> u32 {
        let raw = (self.0 & 0xffff | self.0 >> 32 & 0xf_0000) as u32;
        if self.0 >> 55 & 1 != 0 {
            raw << 12 | 0xfff
        } else {
            raw
        }
    }
}

/// #GP, #NP, #SS, #TS with a selector error code.
pub(crate) const GP: u8 = 13;
pub(crate) const NP: u8 = 11;
pub(crate) const SS: u8 = 12;
pub(crate) const TS: u8 = 10;

impl Cpu {
    /// Supervisor read of a system structure.
    pub(crate) fn system_read(&mut self, mem: &Memory, addr: u64) -> Result<u64, Raised> {
        self.system_reads += 1;
        if let Err(f) = mem.check(addr, 8, Perm::READ, false) {
            return Err(self.raise_page(f));
        }
        let mut b = [0; 8];
        mem.read(addr, &mut b).map_err(|_| self.raise(GP, 0))?;
        Ok(u64::from_le_bytes(b))
    }

    /// The GDT descriptor of `selector`; beyond the limit is `vector`(selector).
    pub(crate) fn descriptor(
        &mut self,
        mem: &Memory,
        selector: u16,
        vector: u8,
        bytes: u64,
    ) -> Result<Descriptor, Raised> {
        let code = u32::from(selector & !3);
        let offset = u64::from(selector & !7);
        // The local table is always empty.
        if selector & 4 != 0 || offset + bytes - 1 > u64::from(self.gdtr.limit) {
            return Err(self.raise(vector, code));
        }
        let at = self.gdtr.base.wrapping_add(offset);
        Ok(Descriptor(self.system_read(mem, at)?))
    }

    /// MOV or POP to DS, ES, FS, GS (`which` as in the instruction's reg field) or SS.
    pub(crate) fn load_segment(
        &mut self,
        mem: &Memory,
        which: u8,
        selector: u16,
    ) -> Result<(), Raised> {
        let code = u32::from(selector & !3);
        let rpl = (selector & 3) as u8;
        let mut segment = Segment { selector, dpl: 0 };
        let mut base = 0;
        if which == 2 {
            if selector & !3 == 0 {
                if self.cpl() == 3 || rpl != self.cpl() {
                    return Err(self.raise(GP, 0));
                }
                segment.dpl = rpl;
            } else {
                let d = self.descriptor(mem, selector, GP, 8)?;
                if rpl != self.cpl() || !d.writable_data() || d.dpl() != self.cpl() {
                    return Err(self.raise(GP, code));
                }
                if !d.present() {
                    return Err(self.raise(SS, code));
                }
                segment.dpl = d.dpl();
            }
        } else if selector & !3 != 0 {
            let d = self.descriptor(mem, selector, GP, 8)?;
            let conforming_code = d.is_code() && d.conforming();
            let outer = rpl > d.dpl() || self.cpl() > d.dpl();
            if !d.readable_or_data() || (!conforming_code && outer) {
                return Err(self.raise(GP, code));
            }
            if !d.present() {
                return Err(self.raise(NP, code));
            }
            segment.dpl = d.dpl();
            base = d.base();
        }
        match which {
            0 => self.seg.es = segment,
            2 => self.seg.ss = segment,
            3 => self.seg.ds = segment,
            4 => {
                self.seg.fs = segment;
                self.fs_base = base;
            }
            _ => {
                self.seg.gs = segment;
                self.gs_base = base;
            }
        }
        Ok(())
    }
}
