// SPDX-License-Identifier: GPL-2.0-only
//! The cycle: retire, dispatch, rename, decode, predecode, in this order, so that what a unit
//! makes reaches the next one a cycle later.

use super::decode::Decode;
use super::lower::{Kind, Lowered};
use super::memory::{Found, StoreBuffer};
use super::ports::{PORTS, Ports};
use super::predecode::Predecode;
use super::rename::Rename;
use super::resource::Resource;
use super::scheduler::{ENTRIES, Flight, Scheduler, Value};
use super::tlb::{Lookup, Tlb};
use super::trace::Executed;
use super::uops::LOAD_CYCLES;
use std::collections::VecDeque;

/// Slots at rename and at retirement.
const WIDTH: u32 = 4;
/// Reorder buffer slots.
const REORDER: usize = 224;
/// Load buffer entries (Intel optimization manual).
const LOADS: u32 = 72;
/// Merging a high byte.
const MERGE_PORTS: u8 = 0b10_0010;
/// Bringing RSP up to date.
const SYNC_PORTS: u8 = 0b110_0011;

/// A reorder buffer slot.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Last slot of its instruction.
    last: bool,
    pending: u8,
    done_at: u64,
    loads: u8,
    store: u64,
}

/// The core.
#[derive(Debug)]
pub struct Pipeline<'a> {
    code: &'a [Lowered],
    trace: &'a [Executed],
    now: u64,
    predecode: Predecode,
    decode: Decode,
    rename: Rename,
    ports: Ports,
    scheduler: Scheduler,
    stores: StoreBuffer,
    reorder: VecDeque<Slot>,
    oldest_slot: u64,
    loads: u32,
    divider_free: u64,
    /// Rename waits: for an empty reorder buffer, or until a cycle.
    draining: bool,
    hold_until: u64,
    /// Last rename of an instruction with a least interval.
    interval_from: Option<u64>,
    /// The next uop of a queue entry that was begun: slot in the entry.
    in_entry: usize,
    /// Stores of the instruction at rename.
    own_stores: [u64; 2],
    settled: Vec<(u32, u64)>,
    tlb: Tlb,
    /// Page of the last store that missed the first-level TLB.
    stored_page: u64,
    /// Loads that took their data from a store in flight or waited for one.
    pub after_stores: u64,
    /// Cycle in which each instruction retired.
    pub retired: Vec<u64>,
}

impl<'a> Pipeline<'a> {
    /// An empty core before `trace`.
    #[must_use]
    pub fn new(code: &'a [Lowered], trace: &'a [Executed]) -> Self {
        Self {
            code,
            trace,
            now: 0,
            predecode: Predecode::default(),
            decode: Decode::default(),
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
            after_stores: 0,
            retired: Vec::with_capacity(trace.len()),
        }
    }

    /// Puts the page of the stack (`used`) into the TLBs, and those of the whole trace into the second-level TLB, as a run before did. What the
    /// operating system does between two runs leaves nothing of the first level.
    pub fn warm(&mut self, used: u64) {
        self.tlb.use_page(0);
        self.tlb.use_page(used);
        for executed in self.trace {
            let operands = self.code[executed.code as usize].memory.len();
            for address in executed.memory.iter().take(operands) {
                self.tlb.warm(address.linear);
            }
        }
    }

    /// Runs until everything has retired; false if that takes more cycles than `most`.
    pub fn run(&mut self, most: u64) -> bool {
        while self.retired.len() < self.trace.len() {
            if self.now > most {
                return false;
            }
            self.cycle();
        }
        true
    }

    fn cycle(&mut self) {
        self.retire();
        self.ports.begin();
        self.dispatch();
        self.rename();
        self.decode
            .cycle(self.now, self.code, self.trace, &mut self.predecode);
        self.predecode.cycle(self.now, self.code, self.trace);
        self.now += 1;
    }

    fn retire(&mut self) {
        self.stores.cycle(self.now, &mut self.settled);
        for _ in 0..WIDTH {
            let Some(slot) = self.reorder.front() else {
                break;
            };
            if slot.pending > 0 || slot.done_at > self.now {
                break;
            }
            if slot.last {
                self.retired.push(self.now);
            }
            if slot.store != u64::MAX {
                self.stores.retire(slot.store);
            }
            self.loads -= u32::from(slot.loads);
            self.reorder.pop_front();
            self.oldest_slot += 1;
        }
    }

    fn dispatch(&mut self) {
        let now = self.now;
        for port in 0..PORTS {
            let free = self.divider_free;
            let code = self.code;
            let divider = |f: &Flight| {
                if f.uop == u16::MAX {
                    return 0;
                }
                code[f.code as usize].uops[usize::from(f.uop)].divider
            };
            let may = |f: &Flight| divider(f) == 0 || free <= now;
            let Some(number) = self.scheduler.dispatch(port, now, may) else {
                continue;
            };
            self.ports.release(port as u8);
            let flight = *self.scheduler.flight(number);
            let held = divider(&flight);
            if held > 0 {
                self.divider_free = now + u64::from(held);
            }
            self.execute(&flight);
        }
        let mut settled = std::mem::take(&mut self.settled);
        for (load, at) in settled.drain(..) {
            let flight = *self.scheduler.flight(load);
            self.finish_load(&flight, at);
        }
        self.settled = settled;
    }

    fn execute(&mut self, flight: &Flight) {
        let now = self.now;
        if flight.uop == u16::MAX {
            self.finish(flight, now, now + 1);
            return;
        }
        let uop = &self.code[flight.code as usize].uops[usize::from(flight.uop)];
        match uop.kind {
            Kind::Compute => {
                let last = uop.outputs.iter().map(|o| o.1).max().unwrap_or(1);
                self.finish(flight, now, now + u64::from(last));
            }
            Kind::Load(n) => {
                let cycles = uop.outputs.first().map_or(LOAD_CYCLES, |o| o.1);
                let fast = u64::from(uop.simple_address && flight.chases);
                let address = self.trace[flight.instruction as usize].memory[usize::from(n) % 2];
                if !flight.translated
                    && let Lookup::Again { at, .. } = self.tlb.access(address.linear, now)
                {
                    self.again(flight, at);
                    return;
                }
                let earliest = now + u64::from(cycles) - fast;
                match flight.dependence {
                    None => self.finish_load(flight, earliest),
                    Some(d) => match self.stores.ask(flight.number, d, now, earliest, uop.vector) {
                        Found::At(at) => self.finish_load(flight, at),
                        Found::Later => {}
                    },
                }
            }
            Kind::StoreAddress(n) => {
                let address = self.trace[flight.instruction as usize].memory[usize::from(n) % 2];
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

    fn finish_load(&mut self, flight: &Flight, at: u64) {
        let uop = &self.code[flight.code as usize].uops[usize::from(flight.uop)];
        let cycles = uop.outputs.first().map_or(LOAD_CYCLES, |o| o.1);
        self.finish(flight, at - u64::from(cycles), at);
    }

    fn finish(&mut self, flight: &Flight, base: u64, done: u64) {
        self.scheduler.complete(flight.number, base);
        if let Some(i) = flight.slot.checked_sub(self.oldest_slot) {
            let slot = &mut self.reorder[i as usize];
            slot.pending -= 1;
            slot.done_at = slot.done_at.max(done);
        }
    }

    fn rename(&mut self) {
        self.rename.begin();
        if self.draining {
            if !self.reorder.is_empty() {
                return;
            }
            self.draining = false;
        }
        if self.now < self.hold_until {
            return;
        }
        let mut used = 0;
        while used < WIDTH {
            if self.reorder.len() + WIDTH as usize > REORDER
                || self.scheduler.taken + WIDTH > ENTRIES
                || self.loads + WIDTH > LOADS
                || self.stores.free() < 2
            {
                return;
            }
            let Some(&next) = self.decode.queue.front() else {
                return;
            };
            if next.ready > self.now {
                return;
            }
            let executed = self.trace[next.instruction];
            let lowered = &self.code[executed.code as usize];
            let first = next.entry == 0 && self.in_entry == 0;
            if first {
                if (lowered.serializing) && !self.reorder.is_empty() {
                    return;
                }
                if lowered.interval > 0
                    && self
                        .interval_from
                        .is_some_and(|f| self.now < f + u64::from(lowered.interval))
                {
                    return;
                }
                if let Some(&wide) = lowered
                    .reads_wide
                    .iter()
                    .find(|r| self.rename.unmerged(**r))
                {
                    if used > 0 {
                        return;
                    }
                    let inputs = [
                        self.rename.read(wide),
                        self.rename.read(Resource(wide.0 + 16)),
                    ];
                    self.insert(wide, &inputs, MERGE_PORTS, next.instruction, 0);
                    return;
                }
                let change = i32::from(lowered.stack.change);
                if self.rename.stack_sync(lowered.stack.explicit, change) {
                    let inputs = [self.rename.read(Resource::RSP)];
                    self.insert(Resource::RSP, &inputs, SYNC_PORTS, next.instruction, used);
                    self.rename.stack = 0;
                    used += 1;
                    continue;
                }
                self.begin_instruction(lowered, change);
            }
            let entry = &lowered.entries[usize::from(next.entry)];
            let slots = entry.slots.len();
            // Un-laminated parts go together if they can.
            if self.in_entry == 0
                && slots > 1
                && slots <= WIDTH as usize
                && used as usize + slots > WIDTH as usize
            {
                return;
            }
            let last_entry = usize::from(next.entry) + 1 == lowered.entries.len();
            while self.in_entry < slots && used < WIDTH {
                let last = last_entry && self.in_entry + 1 == slots;
                let uops = &entry.slots[self.in_entry].uops;
                self.slot(&executed, lowered, uops, next.instruction, last, used);
                self.in_entry += 1;
                used += 1;
            }
            if self.in_entry < slots {
                return;
            }
            self.in_entry = 0;
            self.decode.queue.pop_front();
            if last_entry {
                if lowered.stack.written {
                    self.rename.stack = 0;
                }
                if lowered.serializing {
                    self.draining = true;
                    self.hold_until = self.now + u64::from(lowered.interval);
                    return;
                }
            }
        }
    }

    fn begin_instruction(&mut self, lowered: &Lowered, change: i32) {
        self.rename.stack += change;
        if lowered.interval > 0 {
            self.interval_from = Some(self.now);
        }
        self.own_stores = [u64::MAX; 2];
        for (i, m) in lowered.memory.iter().enumerate().take(2) {
            if m.write {
                // Loads of the same instruction come before its store.
                self.own_stores[i] = u64::MAX - 1;
            }
        }
    }

    /// A uop that rename itself makes, in a slot of its own.
    fn insert(
        &mut self,
        to: Resource,
        inputs: &[Value],
        allowed: u8,
        instruction: usize,
        used: u32,
    ) {
        let slot = self.oldest_slot + self.reorder.len() as u64;
        self.reorder.push_back(Slot {
            last: false,
            pending: 1,
            done_at: 0,
            loads: 0,
            store: u64::MAX,
        });
        let port = self.ports.choose(allowed, used);
        let flight = Flight::new(0, u16::MAX, instruction as u32, slot, port);
        let number = self.scheduler.issue(flight, inputs, self.now);
        let value = Value {
            uop: number,
            cycles: 1,
        };
        self.rename.write(to, value, false);
    }

    fn slot(
        &mut self,
        executed: &Executed,
        lowered: &Lowered,
        uops: &[u16],
        instruction: usize,
        last: bool,
        used: u32,
    ) {
        let number = self.oldest_slot + self.reorder.len() as u64;
        let mut slot = Slot {
            last,
            pending: 0,
            done_at: self.now,
            loads: 0,
            store: u64::MAX,
        };
        for &zero in &lowered.zeroes {
            self.rename.write(zero, Value::READY, false);
        }
        if let Some(m) = lowered.moves
            && !self.rename.eliminate(m.from, m.to)
        {
            let inputs = [self.rename.read(m.from)];
            let port = self.ports.choose(m.ports, used);
            let flight = Flight::new(executed.code, u16::MAX, instruction as u32, number, port);
            let uop = self.scheduler.issue(flight, &inputs, self.now);
            self.rename.write(m.to, Value { uop, cycles: 1 }, false);
            slot.pending += 1;
        }
        for &u in uops {
            let uop = &lowered.uops[usize::from(u)];
            if uop.ports == 0 {
                continue;
            }
            let port = self.ports.choose(uop.ports, used);
            let mut flight = Flight::new(executed.code, u, instruction as u32, number, port);
            match uop.kind {
                Kind::Compute => {}
                Kind::Load(m) => {
                    slot.loads += 1;
                    self.loads += 1;
                    let address = executed.memory[usize::from(m) % 2];
                    let size = u64::from(lowered.memory[usize::from(m)].size);
                    flight.dependence = self.stores.depends(address, size);
                    self.after_stores += u64::from(flight.dependence.is_some());
                    flight.chases = uop.inputs.iter().all(|&r| self.rename.loaded(r));
                }
                Kind::StoreAddress(m) | Kind::StoreData(m) => {
                    let at = usize::from(m) % 2;
                    if self.own_stores[at] >= u64::MAX - 1 {
                        let size = u64::from(lowered.memory[usize::from(m)].size);
                        self.own_stores[at] = self.stores.allocate(executed.memory[at], size);
                    }
                    flight.store = self.own_stores[at];
                    slot.store = flight.store;
                }
            }
            let mut inputs = [Value::READY; 8];
            let mut n = 0;
            for &r in uop.inputs.iter().take(8) {
                inputs[n] = self.rename.read(r);
                n += 1;
            }
            let number = self.scheduler.issue(flight, &inputs[..n], self.now);
            let by_load = matches!(uop.kind, Kind::Load(_));
            for &(r, cycles) in &uop.outputs {
                self.rename.write(
                    r,
                    Value {
                        uop: number,
                        cycles,
                    },
                    by_load,
                );
            }
            slot.pending += 1;
        }
        self.reorder.push_back(slot);
    }
}
