// SPDX-License-Identifier: GPL-2.0-only
//! The rename stage: four slots a cycle from the decode queue into reorder buffer and scheduler.

use super::events::Event;
use super::log::Stage;
use super::lower::{Kind, Lowered};
use super::pipeline::{LOADS, Pipeline, REORDER, Slot, WIDTH};
use super::resource::Resource;
use super::scheduler::{ENTRIES, Flight, Value};
use super::trace::{Executed, Feed};

/// Merging a high byte.
const MERGE_PORTS: u8 = 0b10_0010;
/// Bringing RSP up to date.
const SYNC_PORTS: u8 = 0b110_0011;

impl Pipeline {
    /// A cycle of it.
    pub(super) fn rename(&mut self, feed: &Feed) {
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
                let stores = self.stores.free() < 2;
                self.events.add(Event::ResourceStalls, 1);
                self.events.add(Event::StoreBufferStalls, u64::from(stores));
                return;
            }
            let next = match self.decode.queue.front() {
                Some(&next) if next.ready <= self.now => next,
                _ => {
                    let empty = u64::from(WIDTH - used);
                    self.events.add(Event::NotDelivered, empty);
                    return;
                }
            };
            let executed = *feed.at(next.instruction);
            let lowered = &feed.code[executed.code as usize];
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
                if let Some(log) = &mut self.log {
                    log.note(next.instruction, Stage::Renamed, self.now);
                    if executed.fused {
                        log.note(next.instruction + 1, Stage::Renamed, self.now);
                    }
                }
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
        self.events.add(Event::UopsIssued, 1);
        let slot = self.oldest_slot + self.reorder.len() as u64;
        self.reorder.push_back(Slot {
            retires: 0,
            pending: 1,
            done_at: 0,
            loads: 0,
            store: u64::MAX,
        });
        let port = self.ports.choose(allowed, used);
        let flight = Flight::new(0, u16::MAX, instruction, slot, port);
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
        self.events.add(Event::UopsIssued, 1);
        let number = self.oldest_slot + self.reorder.len() as u64;
        let mut slot = Slot {
            retires: u8::from(last) * (1 + u8::from(executed.fused)),
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
            let flight = Flight::new(executed.code, u16::MAX, instruction, number, port);
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
            let mut flight = Flight::new(executed.code, u, instruction, number, port);
            match uop.kind {
                Kind::Compute => {}
                Kind::Load(m) => {
                    slot.loads += 1;
                    self.loads += 1;
                    let address = executed.memory[usize::from(m) % 2];
                    let size = u64::from(lowered.memory[usize::from(m)].size);
                    flight.dependence = self.stores.depends(address, size);
                    if let Some(d) = flight.dependence {
                        self.after_stores += 1;
                        let event = match (d.alias, d.blocked) {
                            (true, _) => Some(Event::AddressAlias),
                            (false, true) => Some(Event::StoreForwardBlocks),
                            _ => None,
                        };
                        if let Some(event) = event {
                            self.events.add(event, 1);
                        } else if self.whole() {
                            // Data that a store passes on counts as a first-level hit.
                            self.events.add(Event::L1Hit, 1);
                        }
                    }
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
