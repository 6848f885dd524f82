// SPDX-License-Identifier: GPL-2.0-only
//! Uops in flight: waiting for inputs, ready at a port, executed.

use super::ports::PORTS;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Uops in flight are numbered; their state stands in a ring of that many. More than the reorder
/// buffer's slots times the uops of a slot, so that a number this old has long retired.
const RING: u64 = 4096;
/// Most inputs of a uop.
const INPUTS: u64 = 8;
const NONE: u64 = u64::MAX;
/// Not executed yet.
pub const UNKNOWN: u64 = u64::MAX;
/// Cycles from rename to the earliest dispatch.
const TO_DISPATCH: u64 = 5;
/// Scheduler entries.
pub const ENTRIES: u32 = 97;

/// A uop in flight.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// Its number.
    pub number: u64,
    /// Index of the lowered instruction and of the uop in it.
    pub code: u32,
    /// See `code`; `u16::MAX` for uops that rename inserted.
    pub uop: u16,
    /// Instruction in the trace.
    pub instruction: usize,
    /// Reorder buffer slot.
    pub slot: u64,
    /// Port.
    pub port: u8,
    /// From here its outputs' cycles count; [`UNKNOWN`] before it executed.
    pub base: u64,
    /// Number of its store, if it is part of one.
    pub store: u64,
    /// The store a load depends on.
    pub dependence: Option<super::memory::Dependence>,
    /// Its base register came from a load.
    pub chases: bool,
    /// The translation of its address came for it.
    pub translated: bool,
    /// A load over the end of a line had its first half.
    pub halved: bool,
    issued: u64,
    ready: u64,
    pending: u8,
    waiters: u64,
}

impl Flight {
    /// A uop of an instruction; the scheduler fills in the rest.
    #[must_use]
    pub const fn new(code: u32, uop: u16, instruction: usize, slot: u64, port: u8) -> Self {
        Self {
            number: 0,
            code,
            uop,
            instruction,
            slot,
            port,
            base: UNKNOWN,
            store: u64::MAX,
            dependence: None,
            chases: false,
            translated: false,
            halved: false,
            issued: 0,
            ready: 0,
            pending: 0,
            waiters: NONE,
        }
    }
}

/// A value's producer and its cycles after that uop's base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Producing uop; `u64::MAX`: there since ever.
    pub uop: u64,
    /// Cycles.
    pub cycles: u16,
}

impl Value {
    /// A value that is there.
    pub const READY: Self = Self {
        uop: NONE,
        cycles: 0,
    };
}

#[derive(Debug, Clone, Copy)]
struct Link {
    next: u64,
    cycles: u16,
}

/// Scheduler state.
#[derive(Debug, Clone)]
pub struct Scheduler {
    flights: Vec<Flight>,
    links: Vec<Link>,
    next: u64,
    /// Entries taken.
    pub taken: u32,
    /// By port: uops that become ready in a later cycle, and ready ones, oldest first.
    later: [BinaryHeap<Reverse<(u64, u64)>>; PORTS],
    ready: [BinaryHeap<Reverse<u64>>; PORTS],
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            flights: vec![Flight::new(0, 0, 0, 0, 0); RING as usize],
            links: vec![
                Link {
                    next: NONE,
                    cycles: 0
                };
                (RING * INPUTS) as usize
            ],
            next: 0,
            taken: 0,
            later: Default::default(),
            ready: Default::default(),
        }
    }
}

impl Scheduler {
    /// A uop by its number.
    #[must_use]
    pub fn flight(&self, number: u64) -> &Flight {
        &self.flights[(number % RING) as usize]
    }

    fn flight_mut(&mut self, number: u64) -> &mut Flight {
        &mut self.flights[(number % RING) as usize]
    }

    /// Is this uop still in the ring?
    const fn known(&self, number: u64) -> bool {
        number != NONE && self.next - number <= RING / 2
    }

    /// When a value is there: [`UNKNOWN`] if its producer has not executed.
    #[must_use]
    pub fn when(&self, value: Value) -> u64 {
        if !self.known(value.uop) {
            return 0;
        }
        let base = self.flight(value.uop).base;
        if base == UNKNOWN {
            UNKNOWN
        } else {
            base + u64::from(value.cycles)
        }
    }

    /// Takes a uop with its inputs; its number.
    pub fn issue(&mut self, mut flight: Flight, inputs: &[Value], now: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        self.taken += 1;
        flight.number = number;
        flight.issued = now;
        for (i, &input) in inputs.iter().take(INPUTS as usize).enumerate() {
            let when = self.when(input);
            if when == UNKNOWN {
                let link = (number % RING) * INPUTS + i as u64;
                let producer = self.flight_mut(input.uop);
                let next = std::mem::replace(&mut producer.waiters, link);
                self.links[link as usize] = Link {
                    next,
                    cycles: input.cycles,
                };
                flight.pending += 1;
            } else {
                flight.ready = flight.ready.max(when);
            }
        }
        *self.flight_mut(number) = flight;
        if flight.pending == 0 {
            self.wake(number);
        }
        number
    }

    /// All inputs have a cycle: the uop may be dispatched from its own on.
    fn wake(&mut self, number: u64) {
        let flight = self.flight(number);
        let earliest = flight.issued + TO_DISPATCH;
        // An operand that comes just as the uop reaches the ports costs one more cycle.
        let at = match flight.ready {
            r if r < earliest => earliest,
            r if r <= earliest + 1 => r + 1,
            r => r,
        };
        self.later[usize::from(flight.port)].push(Reverse((at, number)));
    }

    /// As [`Self::again`], for the second half of a load over the end of a line.
    pub fn other_half(&mut self, number: u64, at: u64) {
        self.flight_mut(number).halved = true;
        self.again(number, at);
    }

    /// A dispatched uop waits for cycle `at` again.
    pub fn again(&mut self, number: u64, at: u64) {
        self.taken += 1;
        self.flight_mut(number).translated = true;
        let port = usize::from(self.flight(number).port);
        self.later[port].push(Reverse((at, number)));
    }

    /// The oldest ready uop of a port, if `may` lets it go.
    pub fn dispatch(
        &mut self,
        port: usize,
        now: u64,
        may: impl Fn(&Flight) -> bool,
    ) -> Option<u64> {
        while let Some(&Reverse((at, number))) = self.later[port].peek()
            && at <= now
        {
            self.later[port].pop();
            self.ready[port].push(Reverse(number));
        }
        let &Reverse(number) = self.ready[port].peek()?;
        if !may(self.flight(number)) {
            // The divider is taken: a younger uop goes first.
            let held = self.ready[port].pop()?;
            let other = self.ready[port].peek().map(|r| r.0);
            let other = other.filter(|&o| may(self.flight(o)));
            if other.is_some() {
                self.ready[port].pop();
            }
            self.ready[port].push(held);
            if other.is_some() {
                self.taken -= 1;
            }
            return other;
        }
        self.ready[port].pop();
        self.taken -= 1;
        Some(number)
    }

    /// A uop's outputs count from `base`: wakes those that wait.
    pub fn complete(&mut self, number: u64, base: u64) {
        let flight = self.flight_mut(number);
        flight.base = base;
        let mut link = std::mem::replace(&mut flight.waiters, NONE);
        while link != NONE {
            let Link { next, cycles } = self.links[link as usize];
            let slot = (link / INPUTS) as usize;
            let waiter = &mut self.flights[slot];
            waiter.ready = waiter.ready.max(base + u64::from(cycles));
            waiter.pending -= 1;
            if waiter.pending == 0 {
                let number = waiter.number;
                self.wake(number);
            }
            link = next;
        }
    }
}
