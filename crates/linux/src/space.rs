// SPDX-License-Identifier: GPL-2.0-only
//! The address space of a process: which pages are mapped, the heap behind the program, and free
//! places for mappings, which are handed out from the stack downwards.
//!
//! Memory is the machine's identity map, so an address space has its size. Pages hold zeros whenever
//! they are not mapped: whoever unmaps one clears it.

use cpu::{Memory, PAGE, Perm};

/// Bytes of stack (RLIMIT_STACK's usual value).
pub(crate) const STACK_SIZE: u64 = 8 << 20;
/// Unmapped bytes below the stack.
const STACK_GAP: u64 = 1 << 20;
/// Addresses below are never handed out (vm.mmap_min_addr).
const LOWEST: u64 = 0x1_0000;

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// The pages of a process.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    /// Whether each page is mapped, with or without permissions.
    mapped: Vec<bool>,
    /// Where the heap begins and ends.
    heap_start: u64,
    heap_end: u64,
    /// Mappings are placed below.
    top: u64,
}

/// The permissions of user pages for PROT_READ (1), PROT_WRITE (2) and PROT_EXEC (4). The processor
/// cannot allow writes or fetches without reads.
pub(crate) fn perm(protection: u64) -> Perm {
    if protection & 7 == 0 {
        return Perm::NONE;
    }
    let mut perm = Perm::READ | Perm::USER;
    if protection & 2 != 0 {
        perm = perm | Perm::WRITE;
    }
    if protection & 4 != 0 {
        perm = perm | Perm::EXEC;
    }
    perm
}

/// `len` in whole pages, as bytes.
pub(crate) fn pages(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(PAGE)
}

impl Space {
    /// The space of a program that ends at `end` and is loaded already; the stack gets mapped.
    pub(crate) fn new(mem: &mut Memory, end: u64) -> Result<Self, NoRoom> {
        let size = mem.size();
        let heap_start = pages(end).ok_or(NoRoom)?;
        let stack = size.checked_sub(STACK_SIZE).ok_or(NoRoom)?;
        let top = stack.checked_sub(STACK_GAP).ok_or(NoRoom)?;
        if heap_start > top {
            return Err(NoRoom);
        }
        let mapped = (0..size / PAGE).map(|page| mem.perm(page * PAGE) != Perm::NONE);
        let mut space = Self {
            mapped: mapped.collect(),
            heap_start,
            heap_end: heap_start,
            top,
        };
        space.map(mem, stack, STACK_SIZE, perm(3));
        Ok(space)
    }

    fn range(&self, addr: u64, len: u64) -> Option<std::ops::Range<usize>> {
        let end = addr.checked_add(len)?;
        let (first, last) = (addr / PAGE, end.div_ceil(PAGE));
        (last <= self.mapped.len() as u64).then_some(first as usize..last as usize)
    }

    /// Are all pages of the range mapped?
    pub(crate) fn is_mapped(&self, addr: u64, len: u64) -> bool {
        self.range(addr, len)
            .is_some_and(|pages| self.mapped[pages].iter().all(|mapped| *mapped))
    }

    /// Is the range inside the space, and none of its pages mapped?
    pub(crate) fn is_free(&self, addr: u64, len: u64) -> bool {
        self.range(addr, len)
            .is_some_and(|pages| self.mapped[pages].iter().all(|mapped| !mapped))
    }

    /// Can the range be mapped over, whatever is there?
    pub(crate) fn contains(&self, addr: u64, len: u64) -> bool {
        addr >= LOWEST && self.range(addr, len).is_some()
    }

    /// The highest free place of `len` bytes (whole pages).
    pub(crate) fn find(&self, len: u64) -> Option<u64> {
        let need = usize::try_from(len / PAGE).ok()?;
        let lowest = (self.heap_end.max(LOWEST) / PAGE) as usize;
        let mut free = 0;
        for page in (lowest..(self.top / PAGE) as usize).rev() {
            free = if self.mapped[page] { 0 } else { free + 1 };
            if free == need {
                return Some(page as u64 * PAGE);
            }
        }
        None
    }

    /// Maps zeros. The range is inside the space; what was there is gone.
    pub(crate) fn map(&mut self, mem: &mut Memory, addr: u64, len: u64, perm: Perm) {
        self.unmap(mem, addr, len);
        if let Some(pages) = self.range(addr, len) {
            self.mapped[pages].fill(true);
            mem.protect(addr, len, perm);
        }
    }

    /// Changes permissions; the range is mapped.
    pub(crate) fn protect(&self, mem: &mut Memory, addr: u64, len: u64, perm: Perm) {
        if self.range(addr, len).is_some() {
            mem.protect(addr, len, perm);
        }
    }

    /// Unmaps and clears what is mapped of the range.
    pub(crate) fn unmap(&mut self, mem: &mut Memory, addr: u64, len: u64) {
        let Some(pages) = self.range(addr, len) else {
            return;
        };
        for page in pages {
            if std::mem::take(&mut self.mapped[page]) {
                clear(mem, page as u64 * PAGE);
                mem.protect(page as u64 * PAGE, PAGE, Perm::NONE);
            }
        }
    }

    /// Makes mapped pages of the range zero.
    pub(crate) fn discard(&self, mem: &mut Memory, addr: u64, len: u64) {
        for page in self.range(addr, len).unwrap_or(0..0) {
            if self.mapped[page] {
                clear(mem, page as u64 * PAGE);
            }
        }
    }

    /// brk(2): moves the end of the heap if there is room, and says where it is.
    pub(crate) fn set_heap_end(&mut self, mem: &mut Memory, wanted: u64) -> u64 {
        let (Some(now), Some(then)) = (pages(self.heap_end), pages(wanted)) else {
            return self.heap_end;
        };
        if wanted < self.heap_start || then > self.top {
            return self.heap_end;
        }
        if then > now {
            if !self.is_free(now, then - now) {
                return self.heap_end;
            }
            self.map(mem, now, then - now, perm(3));
        } else {
            self.unmap(mem, then, now - then);
        }
        self.heap_end = wanted;
        wanted
    }
}

fn clear(mem: &mut Memory, page: u64) {
    const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
    // Pages of the space lie inside memory; untouched ones are not written, so that the host does
    // not have to provide them.
    if mem
        .slice(page, ZEROS.len())
        .is_ok_and(|bytes| bytes != ZEROS)
    {
        let _ = mem.write(page, &ZEROS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 32 << 20;
    const TOP: u64 = MEMORY - STACK_SIZE - STACK_GAP;

    fn space() -> (Memory, Space) {
        let mut mem = Memory::new(MEMORY);
        mem.protect(0x40_0000, 0x3000, perm(5));
        let space = Space::new(&mut mem, 0x40_2100).unwrap();
        (mem, space)
    }

    #[test]
    fn mappings_grow_down_and_holes_are_filled() {
        let (mut mem, mut space) = space();
        let a = space.find(0x2000).unwrap();
        assert_eq!(a, TOP - 0x2000);
        space.map(&mut mem, a, 0x2000, perm(3));
        let b = space.find(0x1000).unwrap();
        assert_eq!(b, a - 0x1000);
        space.map(&mut mem, b, 0x1000, perm(0));
        assert_eq!(mem.perm(b), Perm::NONE);
        assert!(
            space.is_mapped(b, 0x3000),
            "without permissions, but mapped"
        );
        space.unmap(&mut mem, a, 0x1000);
        assert_eq!(space.find(0x1000), Some(a));
        assert_eq!(space.find(0x2000), Some(b - 0x2000));
        assert_eq!(space.find(MEMORY), None);
    }

    #[test]
    fn what_is_mapped_again_is_zero() {
        let (mut mem, mut space) = space();
        let at = space.find(0x2000).unwrap();
        space.map(&mut mem, at, 0x2000, perm(3));
        mem.write(at, &[1; 0x2000]).unwrap();
        space.discard(&mut mem, at, 0x1000);
        assert_eq!(
            (
                mem.slice(at, 1).unwrap(),
                mem.slice(at + 0x1000, 1).unwrap()
            ),
            (&[0][..], &[1][..])
        );
        space.map(&mut mem, at, 0x2000, perm(3));
        assert_eq!(mem.slice(at, 0x2000).unwrap(), [0; 0x2000]);
    }

    #[test]
    fn the_heap_follows_the_program_and_stops_at_the_first_mapping() {
        let (mut mem, mut space) = space();
        assert_eq!(space.set_heap_end(&mut mem, 0), 0x40_3000, "a question");
        assert_eq!(space.set_heap_end(&mut mem, 0x40_5008), 0x40_5008);
        assert_eq!(
            (mem.perm(0x40_5fff), mem.perm(0x40_6000)),
            (perm(3), Perm::NONE)
        );
        mem.write(0x40_4000, &[9; 16]).unwrap();
        assert_eq!(space.set_heap_end(&mut mem, 0x40_3010), 0x40_3010);
        assert_eq!(mem.perm(0x40_4000), Perm::NONE);
        assert_eq!(space.set_heap_end(&mut mem, 0x40_6000), 0x40_6000);
        assert_eq!(mem.slice(0x40_4000, 16).unwrap(), [0; 16]);
        space.map(&mut mem, 0x40_8000, 0x1000, perm(3));
        assert_eq!(
            space.set_heap_end(&mut mem, 0x40_9000),
            0x40_6000,
            "no room"
        );
        assert_eq!(space.set_heap_end(&mut mem, u64::MAX), 0x40_6000);
        assert_eq!(space.set_heap_end(&mut mem, MEMORY), 0x40_6000);
    }

    #[test]
    fn permissions_are_the_processors() {
        assert_eq!(perm(0), Perm::NONE);
        assert_eq!(perm(2), Perm::READ | Perm::WRITE | Perm::USER);
        assert_eq!(perm(4), Perm::READ | Perm::EXEC | Perm::USER);
    }
}
