// SPDX-License-Identifier: GPL-2.0-only
//! Flat, identity-mapped memory with page permissions, an undo log, watched ranges, and the
//! bookkeeping that keeps decoded code coherent.
//!
//! The unit of bookkeeping is the granule of [`GRANULE`] bytes. One byte per granule says which
//! kinds of access need nothing but the access itself; whatever needs more (a permission fault, a
//! watched range, the first write since a mark, a write to decoded code) takes the slow path. That
//! makes the undo log free for every write but the first one to a granule after a mark.

mod debug;
mod guest;
mod undo;

pub(crate) use guest::PageFault;
pub use undo::Mark;

use crate::raw::Store;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::BitOr;

/// Bytes of a page: the unit of permissions.
pub const PAGE: u64 = 4096;
/// Bytes of a granule: the unit of the undo log, of watches and of code tracking.
pub const GRANULE: usize = 256;
pub(crate) const GRANULE_SHIFT: u32 = 8;
const GRANULES_PER_PAGE: usize = PAGE as usize / GRANULE;
/// Largest memory: decoded code is found by a 31-bit address.
pub const SIZE_MAX: u64 = 0x7fff_f000;

/// What may be done with a page (SDM vol. 3A, 4.6, without the page tables). No bit set: the page
/// is not present.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Perm(pub u8);

impl Perm {
    /// Not present.
    pub const NONE: Self = Self(0);
    /// Data reads.
    pub const READ: Self = Self(1);
    /// Data writes; needs [`Perm::READ`] too, as on hardware.
    pub const WRITE: Self = Self(2);
    /// Instruction fetches.
    pub const EXEC: Self = Self(4);
    /// CPL 3 may use the page.
    pub const USER: Self = Self(8);

    /// Are all bits of `other` set?
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Perm {
    type Output = Self;
    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

impl fmt::Debug for Perm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, c) in [
            (Self::READ, 'r'),
            (Self::WRITE, 'w'),
            (Self::EXEC, 'x'),
            (Self::USER, 'u'),
        ] {
            write!(f, "{}", if self.contains(bit) { c } else { '-' })?;
        }
        Ok(())
    }
}

/// A host access reached beyond the end of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange {
    /// First byte of the access.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {:#x} lie beyond the end of memory",
            self.len, self.addr
        )
    }
}

impl std::error::Error for OutOfRange {}

/// Direction of a recorded [`Access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessKind {
    /// A data read.
    Read,
    /// A data write.
    Write,
}

/// One guest data access to a watched granule. A read-modify-write gives a `Read` and a `Write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// First byte.
    pub addr: u64,
    /// Bytes, 1 to 8. A 16-byte access is recorded as two of 8.
    pub size: u8,
    /// Direction.
    pub kind: AccessKind,
    /// Value before, zero-extended.
    pub old: u64,
    /// Value after; equals `old` for a read.
    pub new: u64,
}

// Bits of `Memory::fast`: this access needs nothing but the access.
pub(crate) const FAST_KERNEL_READ: u8 = 1;
pub(crate) const FAST_KERNEL_WRITE: u8 = 2;
pub(crate) const FAST_USER_READ: u8 = 4;
pub(crate) const FAST_USER_WRITE: u8 = 8;

// Bits of `Memory::info`.
/// Saved since the last mark (or nothing is logged): writes need not save.
const OPEN: u8 = 1;
/// Guest accesses are recorded.
const WATCHED: u8 = 2;
/// A decode cache holds an instruction with a byte in here.
const CODE: u8 = 4;
/// A core has a data breakpoint in here.
const BROKEN: u8 = 8;

/// The memory of a machine. Addresses run from 0 up to the size given to [`Memory::new`].
#[derive(Clone)]
pub struct Memory {
    store: Store,
    info: Vec<u8>,
    perms: Vec<u8>,
    undo: undo::UndoLog,
    /// Which bytes of a granule belong to decoded instructions.
    code: BTreeMap<u32, [u64; GRANULE / 64]>,
    /// Changes whenever decoded instructions may be stale.
    pub(crate) version: u64,
    watched: Vec<u32>,
    accesses: Vec<Access>,
    /// Every guest access is recorded: nothing is fast, and the fast bits are put aside.
    recording: bool,
    breaks: debug::Breaks,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("size", &self.store.bytes().len())
            .field("code_version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// Memory of `size` bytes (rounded up to whole pages), all zero, nothing mapped.
    ///
    /// # Panics
    /// If `size` exceeds [`SIZE_MAX`].
    #[must_use]
    pub fn new(size: u64) -> Self {
        assert!(
            size <= SIZE_MAX,
            "memory of {size:#x} bytes is larger than {SIZE_MAX:#x}"
        );
        let pages = size.div_ceil(PAGE) as usize;
        Self {
            store: Store::new(pages * GRANULES_PER_PAGE),
            info: vec![0; pages * GRANULES_PER_PAGE],
            perms: vec![0; pages],
            undo: undo::UndoLog::default(),
            code: BTreeMap::new(),
            version: 1,
            watched: Vec::new(),
            accesses: Vec::new(),
            recording: false,
            breaks: debug::Breaks::default(),
        }
    }

    /// A number that is another one whenever decoded instructions may be stale.
    #[must_use]
    pub fn code_version(&self) -> u64 {
        self.version
    }

    /// Bytes of memory.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.store.bytes().len() as u64
    }

    /// Sets the permissions of every page that holds a byte of `addr..addr + len`. Not undone by
    /// [`Memory::rollback`].
    ///
    /// # Panics
    /// If the range reaches beyond the end of memory.
    pub fn protect(&mut self, addr: u64, len: u64, perm: Perm) {
        if len == 0 {
            return;
        }
        let end = addr.checked_add(len).expect("range wraps");
        assert!(end <= self.size(), "protect beyond the end of memory");
        for page in (addr / PAGE) as usize..end.div_ceil(PAGE) as usize {
            self.perms[page] = perm.0;
            for granule in page * GRANULES_PER_PAGE..(page + 1) * GRANULES_PER_PAGE {
                if self.info[granule] & CODE != 0 {
                    self.forget_code();
                }
                self.refresh(granule);
            }
        }
    }

    /// Permissions of the page that holds `addr`; none beyond the end of memory.
    #[must_use]
    pub fn perm(&self, addr: u64) -> Perm {
        let page = usize::try_from(addr / PAGE).unwrap_or(usize::MAX);
        Perm(self.perms.get(page).copied().unwrap_or(0))
    }

    fn range(&self, addr: u64, len: usize) -> Result<std::ops::Range<usize>, OutOfRange> {
        let error = OutOfRange {
            addr,
            len: len as u64,
        };
        let start = usize::try_from(addr).map_err(|_| error)?;
        let end = start.checked_add(len).ok_or(error)?;
        if end > self.store.bytes().len() {
            Err(error)
        } else {
            Ok(start..end)
        }
    }

    /// Host read: ignores permissions and watches.
    ///
    /// # Errors
    /// The range reaches beyond the end of memory; `out` is unchanged.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), OutOfRange> {
        let range = self.range(addr, out.len())?;
        out.copy_from_slice(&self.store.bytes()[range]);
        Ok(())
    }

    /// The bytes `addr..addr + len` themselves.
    ///
    /// # Errors
    /// The range reaches beyond the end of memory.
    pub fn slice(&self, addr: u64, len: usize) -> Result<&[u8], OutOfRange> {
        Ok(&self.store.bytes()[self.range(addr, len)?])
    }

    /// Host write: ignores permissions and watches; the undo log and decoded code stay right.
    ///
    /// # Errors
    /// The range reaches beyond the end of memory; nothing is written.
    pub fn write(&mut self, addr: u64, data: &[u8]) -> Result<(), OutOfRange> {
        let range = self.range(addr, data.len())?;
        if !data.is_empty() {
            self.write_bytes(range.start, data);
        }
        Ok(())
    }

    /// Host read of a little-endian u64.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn read_u64(&self, addr: u64) -> Result<u64, OutOfRange> {
        let mut b = [0; 8];
        self.read(addr, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    /// Host read of a little-endian u32.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn read_u32(&self, addr: u64) -> Result<u32, OutOfRange> {
        let mut b = [0; 4];
        self.read(addr, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// Host write of a little-endian u64.
    ///
    /// # Errors
    /// As [`Memory::write`].
    pub fn write_u64(&mut self, addr: u64, value: u64) -> Result<(), OutOfRange> {
        self.write(addr, &value.to_le_bytes())
    }

    /// Host write of a little-endian u32.
    ///
    /// # Errors
    /// As [`Memory::write`].
    pub fn write_u32(&mut self, addr: u64, value: u32) -> Result<(), OutOfRange> {
        self.write(addr, &value.to_le_bytes())
    }

    /// Records guest data accesses to every granule that holds a byte of `addr..addr + len`.
    /// Accesses to neighbours in the same granule are recorded too: filter by address.
    ///
    /// # Panics
    /// If the range reaches beyond the end of memory.
    pub fn watch(&mut self, addr: u64, len: u64) {
        if len == 0 {
            return;
        }
        let range = self
            .range(addr, len as usize)
            .expect("watch beyond the end of memory");
        for granule in range.start / GRANULE..=(range.end - 1) / GRANULE {
            if self.info[granule] & WATCHED == 0 {
                self.info[granule] |= WATCHED;
                self.watched.push(granule as u32);
                self.refresh(granule);
            }
        }
    }

    /// Ends all watches. Recorded accesses stay.
    pub fn unwatch_all(&mut self) {
        for granule in std::mem::take(&mut self.watched) {
            self.info[granule as usize] &= !WATCHED;
            self.refresh(granule as usize);
        }
    }

    /// From here on every guest access is recorded, or again only those to watched ranges. Costs
    /// nothing but what the slow path costs each access.
    pub fn record_all(&mut self, on: bool) {
        if on != self.recording {
            self.recording = on;
            self.store.exchange();
        }
    }

    /// Are guest accesses to `addr` recorded?
    #[must_use]
    pub fn is_watched(&self, addr: u64) -> bool {
        let granule = usize::try_from(addr >> GRANULE_SHIFT).unwrap_or(usize::MAX);
        self.info.get(granule).is_some_and(|i| i & WATCHED != 0)
    }

    /// Recorded accesses in program order, since the caller last cleared them. Not undone by
    /// [`Memory::rollback`].
    pub fn accesses(&mut self) -> &mut Vec<Access> {
        &mut self.accesses
    }

    /// Derives the fast bits of a granule from its page's permissions and its own state.
    fn refresh(&mut self, granule: usize) {
        let perm = Perm(self.perms[granule / GRANULES_PER_PAGE]);
        let info = self.info[granule];
        let mut fast = 0;
        if perm.contains(Perm::READ) && info & (WATCHED | BROKEN) == 0 {
            fast |= FAST_KERNEL_READ;
            if perm.contains(Perm::WRITE) && info & (OPEN | CODE) == OPEN {
                fast |= FAST_KERNEL_WRITE;
            }
            if perm.contains(Perm::USER) {
                fast |= fast << 2;
            }
        }
        let table = if self.recording {
            self.store.hidden_mut()
        } else {
            self.store.fast_mut()
        };
        table[granule] = fast;
    }

    /// A decode cache holds an instruction made of these bytes.
    pub(crate) fn note_code(&mut self, addr: u64, len: usize) {
        let (mut at, end) = (addr as usize, addr as usize + len);
        while at < end {
            let granule = at / GRANULE;
            let behind = end.min((granule + 1) * GRANULE);
            let map = self.code.entry(granule as u32).or_default();
            for bit in (at..behind).map(|a| a % GRANULE) {
                map[bit / 64] |= 1 << (bit % 64);
            }
            if self.info[granule] & CODE == 0 {
                self.info[granule] |= CODE;
                self.refresh(granule);
            }
            at = behind;
        }
    }

    /// Makes every decode cache of this memory start anew.
    fn forget_code(&mut self) {
        self.version += 1;
        for granule in std::mem::take(&mut self.code).into_keys() {
            self.info[granule as usize] &= !CODE;
            self.refresh(granule as usize);
        }
    }

    /// No decode cache holds an instruction that begins in these whole pages any more.
    pub(crate) fn forget_code_in(&mut self, addr: u64, len: u64) {
        let granules = (addr >> GRANULE_SHIFT) as u32..((addr + len) >> GRANULE_SHIFT) as u32;
        for granule in granules {
            if self.code.remove(&granule).is_some() {
                self.info[granule as usize] &= !CODE;
                self.refresh(granule as usize);
            }
        }
    }

    /// Notes that `new` is about to replace the bytes from `start` on, all in one granule.
    fn check_code(&mut self, start: usize, new: &[u8]) {
        let granule = start / GRANULE;
        if self.info[granule] & CODE == 0 {
            return;
        }
        let Some(map) = self.code.get(&(granule as u32)) else {
            return;
        };
        let stale = new.iter().enumerate().any(|(i, &byte)| {
            let bit = (start + i) % GRANULE;
            map[bit / 64] >> (bit % 64) & 1 != 0 && self.store.bytes()[start + i] != byte
        });
        if stale {
            self.forget_code();
        }
    }

    /// Writes with undo log and code coherence. The range is inside memory.
    fn write_bytes(&mut self, start: usize, data: &[u8]) {
        let mut at = start;
        let mut rest = data;
        while !rest.is_empty() {
            let n = rest.len().min(GRANULE - at % GRANULE);
            let (now, later) = rest.split_at(n);
            self.open(at / GRANULE);
            self.check_code(at, now);
            self.store.bytes_mut()[at..at + n].copy_from_slice(now);
            at += n;
            rest = later;
        }
    }
}
