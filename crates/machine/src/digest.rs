// SPDX-License-Identifier: GPL-2.0-only
//! The state digest: blake3 over a fixed order (contract, section 6).

use std::fmt;

use abi::layout::PAGE_SIZE;
use cpu::{Cpu, Shadow};

use crate::machine::Machine;

/// Digest of a machine's architectural state. Equal states have equal digests on every host.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blake3:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Machine {
    /// The digest of the state now. Per CPU: core, NMI latch, bank with materialised counters,
    /// APIC; then every non-zero page by address. Not: decode cache, undo log, totals.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut words = Vec::new();
        let clock = self.clock_ns();
        for core in &self.cores {
            architectural_words(&core.cpu, &mut words);
            words.push(u64::from(core.nmi_latched));
            core.pmu.digest_words(&core.totals(), &mut words);
            core.apic.digest_words(&mut words);
            words.push(clock);
        }
        let mut hasher = blake3::Hasher::new();
        for word in words {
            hasher.update(&word.to_le_bytes());
        }
        const PAGE: usize = PAGE_SIZE as usize;
        for addr in (0..self.mem.size()).step_by(PAGE) {
            if let Ok(page) = self.mem.slice(addr, PAGE)
                && page != [0; PAGE]
            {
                hasher.update(&addr.to_le_bytes());
                hasher.update(page);
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The digest of the timing models' state (contract, section 6); `None` under `unit`.
    #[must_use]
    pub fn timing_digest(&self) -> Option<Digest> {
        let mut words = Vec::new();
        for model in self.cores.iter().filter_map(|core| core.model.as_ref()) {
            model.digest_words(&mut words);
        }
        if words.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        for word in words {
            hasher.update(&word.to_le_bytes());
        }
        Some(Digest(*hasher.finalize().as_bytes()))
    }
}

/// General registers, rip, vectors, flags, segments, control registers, MSRs, blocking and shadow.
fn architectural_words(cpu: &Cpu, out: &mut Vec<u64>) {
    out.extend(cpu.regs);
    out.extend([cpu.rip, cpu.rflags(), u64::from(cpu.cpl())]);
    let seg = &cpu.seg;
    for segment in [seg.cs, seg.ss, seg.ds, seg.es, seg.fs, seg.gs] {
        out.extend([u64::from(segment.selector), u64::from(segment.dpl)]);
    }
    out.extend([cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4]);
    out.extend(cpu.dr);
    out.extend([cpu.efer, cpu.star, cpu.lstar, cpu.cstar, cpu.fmask]);
    out.extend([cpu.tsc_aux, cpu.fs_base, cpu.gs_base, cpu.kernel_gs_base]);
    for table in [cpu.gdtr, cpu.idtr] {
        out.extend([table.base, u64::from(table.limit)]);
    }
    let tr = cpu.tr;
    out.extend([u64::from(tr.selector), tr.base, u64::from(tr.limit)]);
    out.push(u64::from(cpu.ldtr));
    out.extend([
        u64::from(cpu.nmi_blocked),
        u64::from(cpu.halted),
        u64::from(cpu.debug_trap_pending()),
        match cpu.shadow() {
            Shadow::None => 0,
            Shadow::Sti => 1,
            Shadow::MovSs => 2,
        },
    ]);
    // Guests that never touch the vector state have the digest they had before it existed.
    let start = Cpu::new();
    if (cpu.xmm, cpu.mxcsr, cpu.fcw) != (start.xmm, start.mxcsr, start.fcw) {
        out.extend([u64::from(cpu.mxcsr), u64::from(cpu.fcw)]);
        out.extend(cpu.xmm.iter().flat_map(|v| [*v as u64, (v >> 64) as u64]));
    }
    // Nor do those that never touch the x87's; the mark keeps the two apart.
    if cpu.x87 != start.x87 {
        out.push(u64::from_le_bytes(*b"x87 unit"));
        out.extend([u64::from(cpu.x87.status), u64::from(cpu.x87.full)]);
        for v in cpu.x87.registers {
            out.extend([u64::from(v.high), v.significand]);
        }
    }
}
