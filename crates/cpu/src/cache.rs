// SPDX-License-Identifier: GPL-2.0-only
//! Decoded instructions, found by address and ring. Ops of straight-line code stand one behind the
//! other, and a direct branch knows the op at its target, so that a look-up is the exception. Each
//! op's tag is compared before it runs: a wrong guess costs a look-up, never a wrong result.

use crate::Features;
use crate::cpu::canonical;
use crate::decode::{self, Decoded};
use crate::exec::misc;
use crate::exec::thread::{Thread, fall_off, leave};
use crate::memory::{Memory, PAGE, PageFault};
use crate::op::{Handler, NO_TAG, NONE, OPS, Op, Ops};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Ops decoded in one go.
const RUN_MAX: usize = 256;
/// Tags of a page: two rings.
const SLOTS: usize = 2 * PAGE as usize;

/// Decoded instructions of one [`Memory`]; several cores may share it. A cache must stay with the
/// memory it was first used with (or get [`DecodeCache::clear`]ed).
#[derive(Clone)]
pub struct DecodeCache {
    pub(crate) ops: Box<Ops>,
    /// Ops in use; the first is never one.
    used: u16,
    pages: Vec<Option<Box<[u16; SLOTS]>>>,
    pub(crate) version: u64,
    /// The model that the ops were decoded for.
    features: Features,
    /// Branches that wait for the op at this tag.
    links: BTreeMap<u32, Vec<u16>>,
    /// Further ops with a tag: a run goes on over instructions that another run holds already.
    copies: BTreeMap<u32, Vec<u16>>,
    watched: BTreeSet<u64>,
    /// What the ops at watched addresses really do.
    real: BTreeMap<u16, (Handler, Thread)>,
}

impl fmt::Debug for DecodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeCache")
            .field("ops", &self.used)
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}

impl Default for DecodeCache {
    fn default() -> Self {
        Self::new()
    }
}

/// The op that a look-up of nothing finds: no instruction has its tag.
const NO_OP: Op = Op {
    run: misc::nowhere,
    thread: leave,
    tag: NO_TAG,
    target: 0,
    disp: 0,
    imm: 0,
    len: 0,
    dst: 0,
    src: 0,
    base: NONE,
    index: NONE,
    mode: 0,
    aux: 0,
};

impl DecodeCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ops: vec![NO_OP; OPS]
                .into_boxed_slice()
                .try_into()
                .expect("the length is OPS"),
            used: 1,
            pages: Vec::new(),
            version: 0,
            features: Features::ALL,
            links: BTreeMap::new(),
            copies: BTreeMap::new(),
            watched: BTreeSet::new(),
            real: BTreeMap::new(),
        }
    }

    /// Forgets all decoded instructions; watch points stay.
    pub fn clear(&mut self) {
        self.ops[..usize::from(self.used)].fill(NO_OP);
        self.used = 1;
        self.pages.clear();
        self.links.clear();
        self.copies.clear();
        self.real.clear();
        self.version = 0;
    }

    /// Forgets the instructions that begin in whole pages from `addr` on, and keeps all others:
    /// what stands there is about to be replaced by other code. Nothing outside may run on into
    /// these pages.
    ///
    /// # Panics
    /// If the range is not made of whole pages of `mem`.
    pub fn forget(&mut self, mem: &mut Memory, addr: u64, len: u64) {
        assert!(
            addr.is_multiple_of(PAGE) && len.is_multiple_of(PAGE) && addr + len <= mem.size(),
            "whole pages are forgotten"
        );
        self.sync(mem, self.features);
        let (first, end) = (tag(addr, false), tag(addr + len, false));
        let pages = (addr / PAGE) as usize..((addr + len) / PAGE) as usize;
        for slots in self.pages.iter_mut().take(pages.end).skip(pages.start) {
            *slots = None;
        }
        for index in 1..self.used {
            let op = &mut self.ops[usize::from(index)];
            if (first..end).contains(&op.tag) {
                *op = NO_OP;
                self.real.remove(&index);
            }
        }
        self.copies.retain(|tag, _| !(first..end).contains(tag));
        mem.forget_code_in(addr, len);
    }

    /// Makes [`crate::step()`] answer [`crate::Step::Watch`] at `rip`, in any ring.
    pub fn watch(&mut self, rip: u64) {
        if self.watched.insert(rip) {
            for index in self.all_at(rip) {
                self.arm(index);
            }
        }
    }

    /// Ends [`DecodeCache::watch`].
    pub fn unwatch(&mut self, rip: u64) {
        if self.watched.remove(&rip) {
            self.disarm(rip);
        }
    }

    fn disarm(&mut self, rip: u64) {
        for index in self.all_at(rip) {
            if let Some((run, thread)) = self.real.remove(&index) {
                let op = &mut self.ops[usize::from(index)];
                (op.run, op.thread) = (run, thread);
            }
        }
    }

    /// Ends every [`DecodeCache::watch`].
    pub fn unwatch_all(&mut self) {
        for rip in std::mem::take(&mut self.watched) {
            self.disarm(rip);
        }
    }

    /// Is there a watch point at `rip`?
    #[must_use]
    pub fn is_watched(&self, rip: u64) -> bool {
        self.watched.contains(&rip)
    }

    /// Every op at an address.
    fn all_at(&self, rip: u64) -> Vec<u16> {
        let mut all = Vec::new();
        if rip < crate::SIZE_MAX {
            for tag in [tag(rip, false), tag(rip, true)] {
                all.extend(self.find(tag));
                all.extend(self.copies.get(&tag).into_iter().flatten());
            }
        }
        all
    }

    fn arm(&mut self, index: u16) {
        let op = &mut self.ops[usize::from(index)];
        self.real.insert(index, (op.run, op.thread));
        op.run = misc::watched;
        op.thread = leave;
    }

    /// The op as decoded, whether watched or not.
    pub(crate) fn unwatched(&self, index: u16) -> Op {
        let mut op = self.ops[usize::from(index)];
        if let Some(&(run, thread)) = self.real.get(&index) {
            (op.run, op.thread) = (run, thread);
        }
        op
    }

    /// Drops everything if the memory's code has changed, or if it was decoded for another model.
    pub(crate) fn sync(&mut self, mem: &Memory, features: Features) {
        if self.version != mem.version || self.features != features {
            self.clear();
            self.version = mem.version;
            self.features = features;
        }
    }

    /// Index of the op at `rip`, if it is decoded.
    pub(crate) fn decoded(&self, rip: u64, user: bool) -> Option<u16> {
        if rip < crate::SIZE_MAX {
            self.find(tag(rip, user))
        } else {
            None
        }
    }

    /// Index of the op with this tag.
    fn find(&self, tag: u32) -> Option<u16> {
        let page = self.pages.get(tag as usize / SLOTS)?.as_ref()?;
        let index = page[tag as usize % SLOTS];
        (index != 0).then_some(index)
    }

    /// Index of the op at `rip`, decoding it and what follows if need be.
    pub(crate) fn look_up(
        &mut self,
        mem: &mut Memory,
        rip: u64,
        user: bool,
    ) -> Result<u16, Option<PageFault>> {
        if !canonical(rip) {
            return Err(None);
        }
        if rip < mem.size()
            && let Some(index) = self.find(tag(rip, user))
        {
            return Ok(index);
        }
        self.decode_run(mem, rip, user)
    }

    fn decode_run(
        &mut self,
        mem: &mut Memory,
        start: u64,
        user: bool,
    ) -> Result<u16, Option<PageFault>> {
        // With one more that says that the run ends.
        if usize::from(self.used) + RUN_MAX + 1 >= OPS {
            let version = self.version;
            self.clear();
            self.version = version;
        }
        let first = self.used;
        let mut rip = start;
        for n in 0..RUN_MAX {
            let ((bytes, have), fault) = mem.fetch(rip, user);
            let Decoded {
                mut op,
                used,
                ends,
                complete,
                ..
            } = decode::decode(&bytes[..have], rip, self.features);
            if !complete && let Some(fault) = fault {
                // Too few bytes: the fetch of the next one faults.
                if n == 0 {
                    return Err(Some(fault));
                }
                break;
            }
            op.tag = tag(rip, user);
            mem.note_code(rip, used);
            let index = self.used;
            self.insert(index, op);
            let behind = rip + u64::from(op.len);
            if decode::is_direct_branch(&op) {
                let target = behind.wrapping_add(op.imm());
                if target < mem.size() {
                    self.link(index, tag(target, user));
                }
            }
            if ends || behind >= mem.size() {
                break;
            }
            rip = behind;
        }
        self.end_run();
        Ok(first)
    }

    /// Closes a run of ops: threaded code that comes here falls off its end.
    fn end_run(&mut self) {
        let last = self.ops[usize::from(self.used) - 1];
        self.ops[usize::from(self.used)] = Op {
            thread: fall_off,
            imm: last.behind() as i32,
            ..NO_OP
        };
        self.used += 1;
    }

    /// Adds an op and joins those that waited for it.
    fn insert(&mut self, index: u16, op: Op) {
        self.ops[usize::from(index)] = op;
        self.used = index + 1;
        let page = op.tag as usize / SLOTS;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let slots = self.pages[page].get_or_insert_with(|| Box::new([0; SLOTS]));
        let slot = &mut slots[op.tag as usize % SLOTS];
        if *slot == 0 {
            *slot = index;
        } else {
            self.copies.entry(op.tag).or_default().push(index);
        }
        for from in self.links.remove(&op.tag).unwrap_or_default() {
            self.ops[usize::from(from)].target = index;
        }
        if self.watched.contains(&op.rip()) {
            self.arm(index);
        }
    }

    fn link(&mut self, from: u16, tag: u32) {
        if let Some(index) = self.find(tag) {
            self.ops[usize::from(from)].target = index;
        } else {
            self.links.entry(tag).or_default().push(from);
        }
    }
}

/// What names an instruction in a ring. `rip` is below 2^31.
pub(crate) fn tag(rip: u64, user: bool) -> u32 {
    (rip as u32) << 1 | u32::from(user)
}
