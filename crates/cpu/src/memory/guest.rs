// SPDX-License-Identifier: GPL-2.0-only
//! Guest accesses: the fast path in three comparisons, and the slow path that checks permissions,
//! records watched accesses, and feeds the undo log.

use super::{Access, AccessKind, BROKEN, GRANULE, Memory, PAGE, Perm, WATCHED};
use crate::word::Word;

/// Why an access is refused: what #PF needs (SDM vol. 3A, 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageFault {
    pub(crate) addr: u64,
    pub(crate) code: u32,
}

pub(crate) const PF_PRESENT: u32 = 1;
pub(crate) const PF_WRITE: u32 = 2;
pub(crate) const PF_USER: u32 = 4;
pub(crate) const PF_FETCH: u32 = 16;

impl Memory {
    /// Reads if no more than the access is needed.
    #[inline(always)]
    pub(crate) fn peek<W: Word>(&self, addr: u64, mask: u8) -> Option<W> {
        self.store.peek(addr, mask)
    }

    /// The bytes to overwrite, if no more than that is needed.
    #[inline(always)]
    pub(crate) fn slot<W: Word>(&mut self, addr: u64, mask: u8) -> Option<&mut [u8]> {
        self.store.slot::<W>(addr, mask)
    }

    /// Checks permissions of a guest access of `size` bytes (1 to 4096), first byte first.
    pub(crate) fn check(
        &self,
        addr: u64,
        size: u64,
        need: Perm,
        user: bool,
    ) -> Result<(), PageFault> {
        let need = if user { need | Perm::USER } else { need };
        let last = addr.wrapping_add(size - 1);
        for at in [addr, last & !(PAGE - 1)] {
            if at == addr || at / PAGE != addr / PAGE {
                let perm = self.perm(at);
                if !perm.contains(need) {
                    let mut code = 0;
                    if perm != Perm::NONE {
                        code |= PF_PRESENT;
                    }
                    if need.contains(Perm::WRITE) {
                        code |= PF_WRITE;
                    }
                    if user {
                        code |= PF_USER;
                    }
                    if need.contains(Perm::EXEC) {
                        code |= PF_FETCH;
                    }
                    return Err(PageFault { addr: at, code });
                }
            }
        }
        Ok(())
    }

    /// Reads up to 8 bytes that [`Memory::check`] has allowed.
    pub(crate) fn get_slow(&mut self, addr: u64, size: u8) -> u64 {
        let value = self.raw(addr, size);
        self.record(addr, size, AccessKind::Read, value, value);
        value
    }

    /// Writes up to 8 bytes that [`Memory::check`] has allowed.
    pub(crate) fn put_slow(&mut self, addr: u64, size: u8, value: u64) {
        let old = self.raw(addr, size);
        self.record(addr, size, AccessKind::Write, old, value);
        self.write_bytes(addr as usize, &value.to_le_bytes()[..usize::from(size)]);
    }

    fn raw(&self, addr: u64, size: u8) -> u64 {
        let mut b = [0; 8];
        let n = usize::from(size);
        b[..n].copy_from_slice(&self.store.bytes()[addr as usize..addr as usize + n]);
        u64::from_le_bytes(b)
    }

    fn record(&mut self, addr: u64, size: u8, kind: AccessKind, old: u64, new: u64) {
        let first = addr as usize / GRANULE;
        let last = (addr as usize + usize::from(size) - 1) / GRANULE;
        let info = self.info[first] | self.info[last];
        if info & (WATCHED | BROKEN) != 0 || self.recording {
            let mask = if size >= 8 {
                u64::MAX
            } else {
                (1 << (size * 8)) - 1
            };
            let access = Access {
                addr,
                size,
                kind,
                old,
                new: new & mask,
            };
            if info & WATCHED != 0 || self.recording {
                self.accesses.push(access);
            }
            if info & BROKEN != 0 {
                self.touch(access);
            }
        }
    }

    /// Copies the bytes an instruction at `addr` may be made of: at most 15, as many as may be
    /// fetched. The fault is that of the first byte that may not.
    pub(crate) fn fetch(&self, addr: u64, user: bool) -> (([u8; 15], usize), Option<PageFault>) {
        let mut out = [0; 15];
        let mut have = 0;
        let mut fault = None;
        while have < out.len() {
            let at = addr.wrapping_add(have as u64);
            if let Err(f) = self.check(at, 1, Perm::EXEC, user) {
                fault = Some(f);
                break;
            }
            let n = (out.len() - have).min((PAGE - at % PAGE) as usize);
            out[have..have + n].copy_from_slice(&self.store.bytes()[at as usize..at as usize + n]);
            have += n;
        }
        ((out, have), fault)
    }
}
