// SPDX-License-Identifier: GPL-2.0-only
//! Equality of architectural states.

use crate::Cpu;

impl Cpu {
    /// Is this the architectural state of `other`: would both go on in the same way from the same
    /// memory? What has retired, and where ops were last found, are not part of it.
    #[must_use]
    pub fn same_state(&self, other: &Self) -> bool {
        // Every field is named, so that none can be forgotten.
        let Self {
            regs,
            rip,
            bits: _,
            flags,
            row: _,
            system_flags,
            hint: _,
            read_mask: _,
            write_mask: _,
            calls_top: _,
            chain: _,
            totals: _,
            calls: _,
            cpl,
            fault: _,
            system_reads: _,
            seg,
            cr0,
            cr2,
            cr3,
            cr4,
            dr,
            efer,
            star,
            lstar,
            cstar,
            fmask,
            tsc_aux,
            fs_base,
            gs_base,
            kernel_gs_base,
            gdtr,
            idtr,
            tr,
            ldtr,
            nmi_blocked,
            halted,
            shadow,
            debug_trap,
            features,
            fcw,
            x87,
            mxcsr,
            xmm,
        } = self;
        *regs == other.regs
            && *rip == other.rip
            && flags.bits() == other.flags.bits()
            && *system_flags == other.system_flags
            && *cpl == other.cpl
            && *seg == other.seg
            && [*cr0, *cr2, *cr3, *cr4] == [other.cr0, other.cr2, other.cr3, other.cr4]
            && *dr == other.dr
            && [*efer, *star, *lstar, *cstar, *fmask, *tsc_aux]
                == [
                    other.efer,
                    other.star,
                    other.lstar,
                    other.cstar,
                    other.fmask,
                    other.tsc_aux,
                ]
            && [*fs_base, *gs_base, *kernel_gs_base]
                == [other.fs_base, other.gs_base, other.kernel_gs_base]
            && *gdtr == other.gdtr
            && *idtr == other.idtr
            && *tr == other.tr
            && *ldtr == other.ldtr
            && *nmi_blocked == other.nmi_blocked
            && *halted == other.halted
            && *shadow == other.shadow
            && *debug_trap == other.debug_trap
            && *features == other.features
            && *fcw == other.fcw
            && *x87 == other.x87
            && *mxcsr == other.mxcsr
            && *xmm == other.xmm
    }

    /// Is all of the state that code sets for its surroundings that of `other`: rings, segments and
    /// their bases, tables, control registers, interrupt and other system flags, blocking? General
    /// and vector registers, rip and status flags are not part of it.
    #[must_use]
    pub fn same_system_state(&self, other: &Self) -> bool {
        let mut same = self.clone();
        same.regs = other.regs;
        same.rip = other.rip;
        same.flags = other.flags;
        same.xmm = other.xmm;
        same.fcw = other.fcw;
        same.mxcsr = other.mxcsr;
        same.same_state(other)
    }

    /// Looks into descriptor tables and task state so far: reads that no watch records.
    #[must_use]
    pub const fn system_reads(&self) -> u64 {
        self.system_reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_retired_is_no_difference_and_a_register_is_one() {
        let a = Cpu::new();
        let mut b = a.clone();
        b.totals.0[0][0] += 1;
        b.hint = 7;
        assert!(a.same_state(&b));
        let changes: [fn(&mut Cpu); 7] = [
            |c| c.regs[11] = 1,
            |c| c.xmm[3] = 1,
            |c| c.x87.full = 1,
            |c| c.set_rflags(3),
            |c| c.nmi_blocked = true,
            |c| c.set_cpl(3),
            |c| c.tr.base = 8,
        ];
        for change in changes {
            let mut c = a.clone();
            change(&mut c);
            assert!(!a.same_state(&c));
        }
        // Equal flags may be kept in different ways.
        let mut c = a.clone();
        c.flags.logic::<u32>(1);
        b.set_rflags(2);
        assert!(a.same_state(&b));
        assert_eq!(c.rflags() & crate::flags::ZF, 0);
    }
}
