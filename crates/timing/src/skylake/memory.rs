// SPDX-License-Identifier: GPL-2.0-only
//! Store buffer and store-to-load forwarding.

use super::trace::Address;
use std::collections::VecDeque;

/// Entries (Intel optimization manual).
pub const STORES: usize = 56;
/// Cycles from the dispatch of a store-address uop to the address, of a store-data uop to the data.
const ADDRESS_READY: u64 = 5;
const DATA_READY: u64 = 1;
const PAGE: u64 = 4096;
/// A load that finds the data that many cycles after its dispatch takes it as if from the cache.
const IN_TIME: u64 = 3;
/// A load that was too early gets the data that many cycles after it is there (calibrated).
const FORWARD: u64 = 3;
/// Cycles from the commit of a store to a load that it cannot serve: one that needs more than the
/// store has, or names the same bytes by another page (calibrated on measured blocks).
const BLOCKED: u64 = 13;
/// Cycles from a store's address to a load that was held up by its page offset only (general
/// literature: a few cycles).
const ALIASED: u64 = 5;

/// A store between rename and the cache.
#[derive(Debug, Clone)]
struct Store {
    address: Address,
    size: u64,
    /// Cycles in which address and data are there.
    address_at: Option<u64>,
    data_at: Option<u64>,
    retired: bool,
    /// Cycle in which the first-level cache has its line.
    owned_at: u64,
    /// Cycles its translation holds up the commit.
    translation: u64,
    /// Loads that wait for it: (uop, first cycle of its data from the cache, forwarding cycles).
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    load: u64,
    /// Cycle in which the load was dispatched, and in which the cache would have its data.
    dispatched: u64,
    earliest: u64,
    blocked: bool,
    vector: bool,
    alias: bool,
}

/// How a load depends on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependence {
    /// Number of the store.
    pub store: u64,
    /// It has to wait until the store is in the cache.
    pub blocked: bool,
    /// Only the page offsets meet: the load waits as if the store were meant.
    pub alias: bool,
}

/// What a load that reaches the cache finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its data will be there in this cycle.
    At(u64),
    /// A store has to say.
    Later,
}

/// Bytes from `from` to `to`; an access may go over the end of its page to the next one, which in
/// the place where addresses are offsets into one page is its beginning.
fn distance(from: Address, to: Address) -> u64 {
    let bytes = to.physical.wrapping_sub(from.physical);
    if from.physical < PAGE && to.physical < PAGE {
        bytes % PAGE
    } else {
        bytes
    }
}

/// The store buffer.
#[derive(Debug, Clone, Default)]
pub struct StoreBuffer {
    stores: VecDeque<Store>,
    /// Number of the oldest.
    oldest: u64,
    /// First cycle in which the next store may go to the cache.
    commit_from: u64,
}

impl StoreBuffer {
    /// Free entries.
    #[must_use]
    pub fn free(&self) -> usize {
        STORES.saturating_sub(self.stores.len())
    }

    /// A new store in program order; its number.
    pub fn allocate(&mut self, address: Address, size: u64) -> u64 {
        self.stores.push_back(Store {
            address,
            size,
            address_at: None,
            data_at: None,
            retired: false,
            owned_at: 0,
            translation: 0,
            waiting: Vec::new(),
        });
        self.oldest + self.stores.len() as u64 - 1
    }

    /// The youngest store before a load that writes one of its bytes.
    #[must_use]
    pub fn depends(&self, address: Address, size: u64) -> Option<Dependence> {
        for (i, store) in self.stores.iter().enumerate().rev() {
            let start = distance(store.address, address);
            let behind = distance(address, store.address);
            if start < store.size || behind < size {
                let inside = start < store.size && start + size <= store.size;
                // Forwarding compares the addresses the program sees.
                let alias = address.linear.wrapping_sub(store.address.linear) != start;
                return Some(Dependence {
                    store: self.oldest + i as u64,
                    blocked: !inside || alias,
                    alias: false,
                });
            }
        }
        self.alias(address, size)
    }

    /// The youngest store whose page offsets meet those of a load, in another page.
    fn alias(&self, address: Address, size: u64) -> Option<Dependence> {
        // In the place where addresses are offsets into one page, what meets is the same.
        if address.physical < PAGE {
            return None;
        }
        let offset = |from: u64, to: u64| to.wrapping_sub(from) % PAGE;
        let meets = |s: &Store| {
            offset(s.address.linear, address.linear) < s.size
                || offset(address.linear, s.address.linear) < size
        };
        // Stores whose address is known are told apart by it.
        let found = self
            .stores
            .iter()
            .rposition(|s| meets(s) && s.address_at.is_none())?;
        Some(Dependence {
            store: self.oldest + found as u64,
            blocked: false,
            alias: true,
        })
    }

    fn get(&mut self, number: u64) -> Option<&mut Store> {
        let i = number.checked_sub(self.oldest)?;
        self.stores.get_mut(i as usize)
    }

    /// A load that is dispatched now asks its store; `earliest` is when the cache would have it.
    pub fn ask(
        &mut self,
        load: u64,
        dependence: Dependence,
        now: u64,
        earliest: u64,
        vector: bool,
    ) -> Found {
        let Some(store) = self.get(dependence.store) else {
            return Found::At(earliest);
        };
        let waiting = Waiting {
            load,
            dispatched: now,
            earliest,
            blocked: dependence.blocked,
            vector,
            alias: dependence.alias,
        };
        if dependence.alias {
            // Once the store's address is known, the load goes on with its own data.
            if let Some(at) = store.address_at {
                return Found::At(earliest.max(at + ALIASED));
            }
        }
        if !dependence.blocked
            && let (Some(a), Some(d)) = (store.address_at, store.data_at)
        {
            return Found::At(waiting.forwarded(a.max(d)));
        }
        store.waiting.push(waiting);
        Found::Later
    }

    /// The address uop of a store was dispatched; loads whose data cycle is known now go to `out`.
    pub fn address(&mut self, number: u64, now: u64, out: &mut Vec<(u64, u64)>) {
        if let Some(store) = self.get(number) {
            store.address_at = Some(now + ADDRESS_READY);
            store.settle(out);
        }
    }

    /// As [`Self::address`], for the data uop.
    pub fn data(&mut self, number: u64, now: u64, out: &mut Vec<(u64, u64)>) {
        if let Some(store) = self.get(number) {
            store.data_at = Some(now + DATA_READY);
            store.settle(out);
        }
    }

    /// The page of a store was not in the first-level TLB, and its commit waits that long.
    pub fn missed(&mut self, number: u64, cycles: u64) {
        if let Some(store) = self.get(number) {
            store.translation = cycles;
        }
    }

    /// The instruction of a store retired; the store's address, the first time.
    pub fn retire(&mut self, number: u64) -> Option<Address> {
        let store = self.get(number)?;
        let first = !std::mem::replace(&mut store.retired, true);
        first.then_some(store.address)
    }

    /// The line of a store comes in that cycle.
    pub fn owned(&mut self, number: u64, at: u64) {
        if let Some(store) = self.get(number) {
            store.owned_at = at;
        }
    }

    /// One store a cycle goes to the cache; loads that waited for that go to `out`.
    pub fn cycle(&mut self, now: u64, out: &mut Vec<(u64, u64)>) {
        if let Some(front) = self.stores.front_mut()
            && front.retired
            && front.translation > 0
        {
            self.commit_from = now + std::mem::take(&mut front.translation);
        }
        if now >= self.commit_from
            && self
                .stores
                .front()
                .is_some_and(|s| s.retired && s.owned_at <= now)
            && let Some(store) = self.stores.pop_front()
        {
            self.oldest += 1;
            for w in store.waiting {
                out.push((w.load, w.earliest.max(now + BLOCKED)));
            }
        }
    }
}

impl Waiting {
    /// When the load has data that is there at `ready`.
    fn forwarded(&self, ready: u64) -> u64 {
        if ready <= self.dispatched + IN_TIME {
            self.earliest
        } else {
            self.earliest.max(ready + FORWARD + u64::from(self.vector))
        }
    }
}

impl Store {
    fn settle(&mut self, out: &mut Vec<(u64, u64)>) {
        if let (Some(a), Some(d)) = (self.address_at, self.data_at) {
            let ready = a.max(d);
            self.waiting.retain(|w| {
                if w.alias {
                    out.push((w.load, w.earliest.max(a + ALIASED)));
                    return false;
                }
                if !w.blocked {
                    out.push((w.load, w.forwarded(ready)));
                }
                w.blocked
            });
        }
    }
}
