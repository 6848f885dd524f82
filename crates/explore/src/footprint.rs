// SPDX-License-Identifier: GPL-2.0-only
//! What somebody who comes in between touches, and whether an instruction may change places with
//! that.
//!
//! Let T be the instruction at boundary b and H what happens between delivery at b and the return
//! to T: an NMI handler, or another CPU's turn. If neither writes what the other one accesses, if T
//! asks no device, moves no counter that counts and is seen by no oracle, and if H puts back every
//! register (it does not otherwise depend on them: handlers save what they use, and a test runs
//! them with other values), then H before T and T before H lead to the same state and the same
//! reports. So boundary b + 1 has the findings of b.

use cpu::{Access, AccessKind};
use machine::{Core, Observer, View};

use crate::path::{Path, Step, words};

/// RSP's position in the register file.
const RSP: usize = 4;
/// Bytes that the CPU pushes when it delivers an event in 64-bit mode.
const FRAME: u64 = 40;
/// Bytes of a 64-bit TSS up to the I/O map.
const TSS: u64 = 0x68;

/// Quadwords that were accessed; each is an address / 8.
#[derive(Debug, Clone, Default)]
pub(crate) struct Footprint {
    touched: Vec<u64>,
    written: Vec<u64>,
    /// Tables that the CPU itself reads when it delivers an event: first byte and the one behind.
    tables: [(u64, u64); 3],
}

impl Observer for Footprint {
    fn memory(&mut self, _view: &View<'_>, access: &Access, _rip: u64) {
        for word in words(access) {
            self.touched.push(word);
            if access.kind == AccessKind::Write {
                self.written.push(word);
            }
        }
    }
}

impl Footprint {
    /// Of nobody.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// The event that was just delivered to `core`: its frame, and the tables that were read.
    pub(crate) fn delivered(core: &Core) -> Self {
        let cpu = &core.cpu;
        let rsp = cpu.regs[RSP];
        let frame: Vec<u64> = (rsp >> 3..(rsp + FRAME) >> 3).collect();
        Self {
            touched: frame.clone(),
            written: frame,
            tables: [
                (cpu.gdtr.base, cpu.gdtr.base + u64::from(cpu.gdtr.limit) + 1),
                (cpu.idtr.base, cpu.idtr.base + u64::from(cpu.idtr.limit) + 1),
                (cpu.tr.base, cpu.tr.base + TSS),
            ],
        }
    }

    /// Nothing more is added.
    pub(crate) fn close(&mut self) {
        for list in [&mut self.touched, &mut self.written] {
            list.sort_unstable();
            list.dedup();
        }
    }

    /// Whether a step of `path` writes what is accessed here, or accesses what is written here.
    pub(crate) fn meets(&self, path: &Path, step: &Step) -> bool {
        path.accesses(step).iter().any(|&(word, write)| {
            let other = if write { &self.touched } else { &self.written };
            let (first, last) = (word << 3, (word << 3) + 7);
            other.binary_search(&word).is_ok()
                || write
                    && self
                        .tables
                        .iter()
                        .any(|&(from, to)| last >= from && first < to)
        })
    }
}
