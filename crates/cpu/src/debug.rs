// SPDX-License-Identifier: GPL-2.0-only
//! Breakpoints in the debug registers (SDM vol. 3B, 17.2 and 17.3).
//!
//! A core with an enabled breakpoint takes the slow path at every step. An instruction breakpoint
//! is a fault before its instruction, unless RF is set or MOV SS came before. A data breakpoint is
//! a trap behind the instruction (or REP iteration) that touched it; what an event's delivery
//! reads and writes sets off none. DR6 gets the bits of enabled breakpoints only.

use crate::cpu::Shadow;
use crate::flags;
use crate::memory::{AccessKind, Memory};
use crate::op::{Outcome, Raised};
use crate::{Cpu, op::Flow};

/// DR6: an access to a debug register under general detection.
const BD: u64 = 1 << 13;
/// DR6: single step.
pub(crate) const BS: u64 = 1 << 14;
/// DR7: general detection.
pub(crate) const GD: u64 = 1 << 13;
/// DR7: any breakpoint enabled.
const ENABLES: u64 = 0xff;
const CR4_DE: u64 = 1 << 3;

/// What a breakpoint waits for (DR7.R/Wn).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Execute,
    Write,
    Port,
    Access,
}

impl Cpu {
    /// Is any breakpoint enabled?
    pub(crate) const fn has_breakpoints(&self) -> bool {
        self.dr[7] & ENABLES != 0
    }

    /// Kind and length in bytes of breakpoint `n`, if it is enabled.
    const fn breakpoint(&self, n: usize) -> Option<(Kind, u64)> {
        let control = self.dr[7];
        if control >> (2 * n) & 3 == 0 {
            return None;
        }
        let kind = match control >> (16 + 4 * n) & 3 {
            0 => Kind::Execute,
            1 => Kind::Write,
            2 => Kind::Port,
            _ => Kind::Access,
        };
        let len = match control >> (18 + 4 * n) & 3 {
            0 => 1,
            1 => 2,
            2 => 8,
            _ => 4,
        };
        Some((kind, len))
    }

    /// DR6 bits of the instruction breakpoints at rip.
    pub(crate) fn instruction_breakpoints(&self) -> u64 {
        if self.system_flags & flags::RF != 0 || self.shadow == Shadow::MovSs {
            return 0;
        }
        (0..4).fold(0, |bits, n| {
            let hit = matches!(self.breakpoint(n), Some((Kind::Execute, _)));
            bits | u64::from(hit && self.dr[n] == self.rip) << n
        })
    }

    /// Has memory note accesses to the data breakpoints from here on.
    pub(crate) fn watch_data_breakpoints(&self, mem: &mut Memory) {
        let data = |n: usize| match self.breakpoint(n) {
            Some((Kind::Write | Kind::Access, len)) => Some((self.dr[n] & !(len - 1), len)),
            _ => None,
        };
        mem.set_breaks(std::array::from_fn(data));
    }

    /// DR6 bits of the data breakpoints that the instruction has touched.
    pub(crate) fn data_breakpoints(&self, mem: &Memory) -> u64 {
        (0..4).fold(0, |bits, n| {
            let Some((kind, len)) = self.breakpoint(n) else {
                return bits;
            };
            let start = self.dr[n] & !(len - 1);
            let hit = mem.touched().iter().any(|a| {
                // A breakpoint may stand at the very end of all addresses.
                let meets = a.addr.wrapping_sub(start) < len
                    || start.wrapping_sub(a.addr) < u64::from(a.size);
                meets
                    && match kind {
                        Kind::Write => a.kind == AccessKind::Write,
                        Kind::Access => true,
                        Kind::Execute | Kind::Port => false,
                    }
            });
            bits | u64::from(hit) << n
        })
    }

    /// What MOV to and from debug register `n` checks: #UD for DR4 and DR5 with CR4.DE, #GP(0)
    /// outside ring 0, #DB under general detection. Answers the register behind an alias.
    pub(crate) fn debug_register(&mut self, n: usize) -> Result<usize, Raised> {
        let alias = n == 4 || n == 5;
        if alias && self.cr4 & CR4_DE != 0 {
            return Err(self.ud());
        }
        if self.cpl() != 0 {
            return Err(self.gp());
        }
        if self.dr[7] & GD != 0 {
            self.dr[6] |= BD;
            return Err(self.raise(1, 0));
        }
        Ok(if alias { n + 2 } else { n })
    }

    /// Sets debug register `n` (not 4 or 5): #GP(0) for a value beyond 32 bits in DR6 and DR7. A
    /// breakpoint on ports is not implemented and stops the run.
    pub(crate) fn set_debug_register(&mut self, n: usize, v: u64) -> Outcome {
        if n >= 6 && v >> 32 != 0 {
            return Err(self.gp());
        }
        match n {
            6 => self.dr[6] = v & 0xe00f | 0xffff_0ff0,
            7 => {
                let old = std::mem::replace(&mut self.dr[7], v & 0xffff_2bff | 0x400);
                let port = |n| matches!(self.breakpoint(n), Some((Kind::Port, _)));
                if (0..4).any(port) {
                    self.dr[7] = old;
                    return Ok(Flow::Unimplemented);
                }
                self.update_attention();
            }
            _ => self.dr[n] = v,
        }
        Ok(Flow::Next)
    }
}
