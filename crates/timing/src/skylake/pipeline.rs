// SPDX-License-Identifier: GPL-2.0-only
//! The cycle: retire, dispatch, rename, decode, predecode, in this order, so that what a unit
//! makes reaches the next one a cycle later.

use super::cache::{Caches, LINE_SHIFT, Request};
use super::decode::Decode;
use super::events::{Event, Events};
use super::fetch::Fetch;
use super::log::{Log, Stage};
use super::lower::Kind;
use super::memory::{Found, StoreBuffer};
use super::ports::{PORTS, Ports};
use super::predecode::Predecode;
use super::rename::Rename;
use super::scheduler::{Flight, Scheduler};
use super::tlb::{Lookup, Tlb};
use super::trace::Feed;
use super::uops::LOAD_CYCLES;
use std::collections::VecDeque;

/// Slots at rename and at retirement.
pub(super) const WIDTH: u32 = 4;
/// Reorder buffer slots.
pub(super) const REORDER: usize = 224;
/// Load buffer entries (Intel optimization manual).
pub(super) const LOADS: u32 = 72;
/// Instructions that fetch looks ahead: more than a 16-byte block and the instruction that crosses
/// its end.
const LOOK_AHEAD: usize = 24;

/// Cycles that a load over the end of a line takes longer (general literature).
const SPLIT: u64 = 5;

/// Taken branches execute on port 6 only.
const BRANCH_PORT: u8 = 1 << 6;

/// A reorder buffer slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Instructions that are complete with it: none, one, or two that became one.
    pub(super) retires: u8,
    pub(super) pending: u8,
    pub(super) done_at: u64,
    pub(super) loads: u8,
    pub(super) store: u64,
}

/// The core.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub(super) now: u64,
    predecode: Predecode,
    pub(super) decode: Decode,
    fetch: Fetch,
    pub(super) rename: Rename,
    pub(super) ports: Ports,
    pub(super) scheduler: Scheduler,
    pub(super) stores: StoreBuffer,
    pub(super) reorder: VecDeque<Slot>,
    pub(super) oldest_slot: u64,
    pub(super) loads: u32,
    divider_free: u64,
    /// Rename waits: for an empty reorder buffer, or until a cycle.
    pub(super) draining: bool,
    pub(super) hold_until: u64,
    /// Last rename of an instruction with a least interval.
    pub(super) interval_from: Option<u64>,
    /// The next uop of a queue entry that was begun: slot in the entry.
    pub(super) in_entry: usize,
    /// Stores of the instruction at rename.
    pub(super) own_stores: [u64; 2],
    settled: Vec<(u64, u64)>,
    tlb: Tlb,
    /// Page of the last store that missed the first-level TLB.
    stored_page: u64,
    /// Without: everything is in the first level.
    caches: Option<Caches>,
    /// Loads that took their data from a store in flight or waited for one.
    pub after_stores: u64,
    /// Instructions retired.
    pub retired: usize,
    /// What happened so far.
    pub events: Events,
    /// What happened to each instruction, where asked for.
    pub log: Option<Log>,
}

impl Pipeline {
    /// An empty core. `whole`: with caches of data, code and uops, as programs see it; without,
    /// everything is in the first-level caches and no code runs twice.
    #[must_use]
    pub fn new(whole: bool) -> Self {
        Self {
            now: 0,
            predecode: Predecode::default(),
            decode: Decode::default(),
            fetch: Fetch::new(whole),
            rename: Rename::default(),
            ports: Ports::default(),
            scheduler: Scheduler::default(),
            stores: StoreBuffer::default(),
            reorder: VecDeque::new(),
            oldest_slot: 0,
            loads: 0,
            divider_free: 0,
            draining: false,
            hold_until: 0,
            interval_from: None,
            in_entry: 0,
            own_stores: [u64::MAX; 2],
            settled: Vec::new(),
            tlb: Tlb::default(),
            stored_page: 0,
            caches: whole.then(Caches::default),
            after_stores: 0,
            retired: 0,
            events: Events::default(),
            log: None,
        }
    }

    /// The translation of an address is in the second-level TLB.
    pub fn warm(&mut self, linear: u64) {
        self.tlb.warm(linear);
    }

    /// The translation of an address is in both TLBs.
    pub fn use_page(&mut self, linear: u64) {
        self.tlb.use_page(linear);
    }

    /// With caches?
    pub(super) const fn whole(&self) -> bool {
        self.caches.is_some()
    }

    /// The cycle that comes next.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Runs as far as is possible without knowing more than `feed` holds.
    #[inline]
    pub fn advance(&mut self, feed: &Feed) {
        while feed.pushed >= self.predecode.next + LOOK_AHEAD {
            self.cycle(feed);
        }
    }

    /// Runs until everything has retired, then starts fetching anew; false if that takes more than
    /// `most` cycles.
    pub fn drain(&mut self, feed: &Feed, most: u64) -> bool {
        let limit = self.now.saturating_add(most);
        while self.retired < feed.pushed {
            if self.now >= limit {
                return false;
            }
            self.cycle(feed);
        }
        self.fetch.restart(&mut self.predecode);
        true
    }

    /// Cycles in which nothing happens but what is under way.
    pub fn stand(&mut self, feed: &Feed, cycles: u64) {
        for _ in 0..cycles {
            self.cycle(feed);
        }
    }

    fn cycle(&mut self, feed: &Feed) {
        self.events.add(Event::Cycles, 1);
        self.retire(feed);
        self.ports.begin();
        self.dispatch(feed);
        self.rename(feed);
        self.fetch.cycle(
            self.now,
            feed,
            &mut self.predecode,
            &mut self.decode,
            &mut self.events,
        );
        self.now += 1;
    }

    fn retire(&mut self, feed: &Feed) {
        self.stores.cycle(self.now, &mut self.settled);
        for _ in 0..WIDTH {
            let Some(slot) = self.reorder.front() else {
                break;
            };
            if slot.pending > 0 || slot.done_at > self.now {
                break;
            }
            for _ in 0..slot.retires {
                if feed.at(self.retired).mispredicted {
                    self.events.add(Event::BranchMisses, 1);
                    // In case its uops are not those of a branch.
                    self.fetch.resolve(self.retired, self.now, &mut self.events);
                }
                if let Some(log) = &mut self.log {
                    log.note(self.retired, Stage::Retired, self.now);
                }
                self.retired += 1;
            }
            if slot.store != u64::MAX
                && let Some(address) = self.stores.retire(slot.store)
                && let Some(caches) = &mut self.caches
            {
                match caches.request(address.physical, self.now, false, &mut self.events) {
                    Request::Hit => {}
                    Request::At(at) | Request::Busy(at) => self.stores.owned(slot.store, at),
                }
            }
            self.events.add(Event::RetireSlots, 1);
            self.loads -= u32::from(slot.loads);
            self.reorder.pop_front();
            self.oldest_slot += 1;
        }
    }

    fn dispatch(&mut self, feed: &Feed) {
        let now = self.now;
        let before = self.events.get(Event::UopsExecuted);
        let busy = now < self.divider_free;
        self.events.add(Event::DividerActive, u64::from(busy));
        self.events
            .add(Event::SchedulerEmpty, u64::from(self.scheduler.taken == 0));
        for port in 0..PORTS {
            let free = self.divider_free;
            let divider = |f: &Flight| {
                if f.uop == u16::MAX {
                    return 0;
                }
                feed.code[f.code as usize].uops[usize::from(f.uop)].divider
            };
            let may = |f: &Flight| divider(f) == 0 || free <= now;
            let Some(number) = self.scheduler.dispatch(port, now, may) else {
                continue;
            };
            self.ports.release(port as u8);
            self.events.dispatched(port as u8);
            let flight = *self.scheduler.flight(number);
            let held = divider(&flight);
            if held > 0 {
                self.divider_free = now + u64::from(held);
            }
            self.execute(&flight, feed);
        }
        let mut settled = std::mem::take(&mut self.settled);
        for (load, at) in settled.drain(..) {
            let flight = *self.scheduler.flight(load);
            self.finish_load(&flight, at, feed);
        }
        self.settled = settled;
        if self.events.get(Event::UopsExecuted) == before {
            self.events.add(Event::StallsTotal, 1);
            self.events
                .add(Event::StallsMemory, u64::from(self.loads > 0));
        }
    }

    fn execute(&mut self, flight: &Flight, feed: &Feed) {
        let now = self.now;
        if flight.uop == u16::MAX {
            self.finish(flight, now, now + 1);
            return;
        }
        let uop = &feed.code[flight.code as usize].uops[usize::from(flight.uop)];
        let executed = feed.at(flight.instruction);
        if uop.ports & BRANCH_PORT != 0 && (executed.mispredicted || executed.fused) {
            let branch = flight.instruction + usize::from(executed.fused);
            self.fetch.resolve(branch, now + 1, &mut self.events);
        }
        match uop.kind {
            Kind::Compute => {
                let last = uop.outputs.iter().map(|o| o.1).max().unwrap_or(1);
                self.finish(flight, now, now + u64::from(last));
            }
            Kind::Load(n) => {
                let cycles = uop.outputs.first().map_or(LOAD_CYCLES, |o| o.1);
                let fast = u64::from(uop.simple_address && flight.chases);
                let address = executed.memory[usize::from(n) % 2];
                if !flight.translated
                    && let Lookup::Again { at, .. } = self.tlb.access(address.linear, now)
                {
                    self.again(flight, at);
                    return;
                }
                let size = feed.code[flight.code as usize].memory[usize::from(n)].size;
                let last = address.linear.wrapping_add(u64::from(size).max(1) - 1);
                let splits = address.linear >> LINE_SHIFT != last >> LINE_SHIFT;
                if splits && !flight.halved {
                    // The second half takes the port once more.
                    self.ports.again(flight.port);
                    self.scheduler.other_half(flight.number, now + 1);
                    return;
                }
                let mut earliest = now + u64::from(cycles) - fast;
                if splits {
                    earliest += SPLIT;
                    if let Lookup::Again { at, .. } = self.tlb.access(last, now) {
                        earliest = earliest.max(at + u64::from(cycles));
                    }
                }
                match flight.dependence {
                    None => {
                        let mut at = earliest;
                        if let Some(caches) = &mut self.caches {
                            let end = address.physical.wrapping_add(u64::from(size).max(1) - 1);
                            // An access counts once, where its last byte is.
                            let first = splits.then_some((address.physical, false));
                            for (byte, counts) in first.into_iter().chain([(end, true)]) {
                                match caches.request(byte, now, counts, &mut self.events) {
                                    Request::Hit => {}
                                    Request::At(line) => at = at.max(line + u64::from(cycles)),
                                    Request::Busy(free) => {
                                        self.again(flight, free);
                                        return;
                                    }
                                }
                            }
                        }
                        self.finish_load(flight, at, feed);
                    }
                    Some(d) => match self.stores.ask(flight.number, d, now, earliest, uop.vector) {
                        Found::At(at) => self.finish_load(flight, at, feed),
                        Found::Later => {}
                    },
                }
            }
            Kind::StoreAddress(n) => {
                let address = executed.memory[usize::from(n) % 2];
                if !flight.translated
                    && let Lookup::Again { at, first } = self.tlb.access(address.linear, now)
                {
                    // Measured: blocks whose stores walk from page to page lose the whole cost at
                    // each, those that jump far lose next to nothing. Why is not known.
                    let neighbour = (address.linear >> 12).abs_diff(self.stored_page) == 1;
                    self.stored_page = address.linear >> 12;
                    if first && neighbour {
                        self.stores.missed(flight.store, at - now);
                    }
                    self.again(flight, at);
                    return;
                }
                self.stores.address(flight.store, now, &mut self.settled);
                self.finish(flight, now, now + 1);
            }
            Kind::StoreData(_) => {
                self.stores.data(flight.store, now, &mut self.settled);
                self.finish(flight, now, now + 1);
            }
        }
    }

    /// A uop has to be dispatched once more, in cycle `at`.
    fn again(&mut self, flight: &Flight, at: u64) {
        self.ports.again(flight.port);
        self.scheduler.again(flight.number, at);
    }

    fn finish_load(&mut self, flight: &Flight, at: u64, feed: &Feed) {
        let uop = &feed.code[flight.code as usize].uops[usize::from(flight.uop)];
        let cycles = uop.outputs.first().map_or(LOAD_CYCLES, |o| o.1);
        self.finish(flight, at - u64::from(cycles), at);
    }

    fn finish(&mut self, flight: &Flight, base: u64, done: u64) {
        if let Some(log) = &mut self.log {
            let instruction = flight.instruction;
            let port = flight.port;
            log.note(instruction, Stage::Dispatched { port, done }, self.now);
        }
        self.scheduler.complete(flight.number, base);
        if let Some(i) = flight.slot.checked_sub(self.oldest_slot) {
            let slot = &mut self.reorder[i as usize];
            slot.pending -= 1;
            slot.done_at = slot.done_at.max(done);
        }
    }
}
