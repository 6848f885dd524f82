// SPDX-License-Identifier: GPL-2.0-only
//! What the rest of a run depends on, so that it need not run again from a state that differs only
//! where nobody looks.
//!
//! [`Machine::suffix`] runs once from a boundary to the end without any decision and notes, for
//! every byte, the last boundary at which it is read and at which it is written.
//! [`Suffix::same_from`] then answers whether a machine that an NMI has interrupted goes on as that
//! run did: its CPUs are what they were ([`cpu::Cpu::same_state`], bank and APIC included), no byte
//! that differs is read again, and nothing later asks for what an NMI moves: the totals behind
//! RDTSC, RDPMC and MSRs, running counters, events. By induction over the instructions, every later
//! boundary then has the same core and the same bytes where they are read, so that the end is that
//! of the run without an NMI, but for the bytes that differ and are not written again.
//!
//! The answer may only err on the side of running: what is not understood (a device access, an
//! exception, a change of ring, a look into a descriptor table) ends the part in which it is yes.

use cpu::{AccessKind, GRANULE, PAGE, Perm};

use crate::chooser::{Ordinal, Schedule};
use crate::machine::{Machine, Snapshot};
use crate::step::Until;
use crate::stop::End;

/// The last boundaries at which each byte of a granule was accessed; 0 is never.
#[derive(Debug, Clone)]
struct Last {
    read: [u32; GRANULE],
    written: [u32; GRANULE],
    /// The largest of `read`.
    any_read: u32,
}

/// What the rest of a run without decisions depends on, from each of its boundaries on.
#[derive(Debug, Clone)]
pub struct Suffix {
    /// The boundary it was recorded from; entries count from here, beginning with 1.
    first: Ordinal,
    /// By granule.
    last: Vec<Option<Box<Last>>>,
    /// Before this boundary nothing can be said.
    opaque_before: Ordinal,
}

impl Machine {
    /// Runs to the end, over at most `limit` boundaries, and notes what that depends on; the
    /// machine is then as it was.
    pub fn suffix(&mut self, limit: u64) -> Suffix {
        let start = self.snapshot();
        let watching = std::mem::replace(&mut self.watching, false);
        for page in (0..self.mem.size()).step_by(PAGE as usize) {
            if self.mem.perm(page).contains(Perm::READ) {
                self.mem.watch(page, PAGE);
            }
        }
        let suffix = self.record(limit.min(u64::from(u32::MAX) - 1));
        self.mem.accesses().clear();
        self.unwatch_objects();
        if watching {
            self.watch_objects();
        }
        self.restore(&start);
        self.release(start);
        suffix
    }

    fn record(&mut self, limit: u64) -> Suffix {
        let first = self.cores[0].ordinal;
        let mut suffix = Suffix {
            first,
            last: vec![None; self.mem.size() as usize / GRANULE],
            // Another CPU may do anything at any time.
            opaque_before: if self.cores.len() == 1 {
                0
            } else {
                Ordinal::MAX
            },
        };
        for at in first..first + limit {
            let before = self.asked();
            let cpl = self.cores[0].cpu.cpl();
            let step = self.cores[0].step;
            let end = self.run(&mut Schedule::empty(), &mut (), Until::Boundary(0, at + 1));
            for access in std::mem::take(self.mem.accesses()) {
                suffix.note(at, access.addr, access.size, access.kind);
            }
            let core = &self.cores[0];
            let plain = core.ordinal == at + 1
                && self.asked() == before
                && core.cpu.cpl() == cpl
                && core.step == step;
            match end {
                End::Boundary if plain => {}
                End::Boundary => suffix.opaque_before = core.ordinal,
                End::Halted if self.asked() == before => return suffix,
                _ => break,
            }
        }
        suffix.opaque_before = Ordinal::MAX;
        suffix
    }

    /// Requests that left the core, and looks into descriptor tables.
    fn asked(&self) -> (u64, u64) {
        (self.bus_requests, self.cores[0].cpu.system_reads())
    }
}

impl Suffix {
    fn note(&mut self, at: Ordinal, addr: u64, size: u8, kind: AccessKind) {
        let stamp = (at - self.first + 1) as u32;
        for byte in addr..addr + u64::from(size) {
            let last = self.last[byte as usize / GRANULE].get_or_insert_with(|| {
                Box::new(Last {
                    read: [0; GRANULE],
                    written: [0; GRANULE],
                    any_read: 0,
                })
            });
            match kind {
                AccessKind::Read => {
                    last.read[byte as usize % GRANULE] = stamp;
                    last.any_read = stamp;
                }
                AccessKind::Write => last.written[byte as usize % GRANULE] = stamp,
            }
        }
    }

    /// Does the run write any byte of `addr..addr + len` at boundary `at` or later?
    #[must_use]
    pub fn writes(&self, addr: u64, len: u64, at: Ordinal) -> bool {
        (addr..addr.saturating_add(len)).any(|byte| {
            self.last
                .get(byte as usize / GRANULE)
                .and_then(Option::as_deref)
                .is_some_and(|last| self.reaches(last.written[byte as usize % GRANULE], at))
        })
    }

    fn reaches(&self, stamp: u32, at: Ordinal) -> bool {
        stamp != 0 && self.first + u64::from(stamp) > at
    }

    /// Does `machine` go on as the recorded run did from `snapshot`, which is that run at its
    /// boundary `at`? `false` if that cannot be known.
    #[must_use]
    pub fn same_from(&self, machine: &Machine, snapshot: &Snapshot, at: Ordinal) -> bool {
        at >= self.opaque_before
            && machine.same_cores(snapshot)
            && machine
                .changes_since(snapshot)
                .all(|(addr, before, now)| !self.matters(machine, addr, before, now, at))
    }

    /// Is a byte of this granule that differs read at `at` or later?
    fn matters(
        &self,
        machine: &Machine,
        addr: u64,
        before: &[u8; GRANULE],
        now: &[u8; GRANULE],
        at: Ordinal,
    ) -> bool {
        if machine.mem.perm(addr).contains(Perm::EXEC) {
            return before != now;
        }
        let Some(last) = self
            .last
            .get(addr as usize / GRANULE)
            .and_then(Option::as_deref)
        else {
            return false;
        };
        // Eight bytes at a time, nearly all of which are equal.
        self.reaches(last.any_read, at)
            && (0..GRANULE).step_by(8).any(|i| {
                before[i..i + 8] != now[i..i + 8]
                    && (i..i + 8).any(|i| before[i] != now[i] && self.reaches(last.read[i], at))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_counts_up_to_its_boundary() {
        let mut suffix = Suffix {
            first: 100,
            last: vec![None; 2],
            opaque_before: 0,
        };
        suffix.note(105, 3, 1, AccessKind::Write);
        let last = suffix.last[0].as_deref().unwrap().written[3];
        assert!(suffix.reaches(last, 105) && !suffix.reaches(last, 106));
        assert!(suffix.writes(0, 4, 100) && !suffix.writes(0, 3, 100));
        assert!(!suffix.writes(0, 512, 106));
    }
}
