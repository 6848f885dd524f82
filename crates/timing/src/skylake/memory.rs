// SPDX-License-Identifier: GPL-2.0-only
//! Store buffer and store-to-load forwarding.

use super::trace::Address;
use std::collections::VecDeque;

/// Entries (Intel optimization manual).
pub const STORES: usize = 56;
/// Cycles from the dispatch of a store-address uop to the address, of a store-data uop to the data.
const ADDRESS_READY: u64 = 5;
const DATA_READY: u64 = 1;
/// Cycles from a store's address and data to a load that takes them.
const FORWARD: u64 = 4;
/// Cycles from a store's data to a load that needs more than the store has.
const BLOCKED: u64 = 13;

/// A store between rename and the cache.
#[derive(Debug, Clone)]
struct Store {
    address: Address,
    size: u64,
    /// Cycles in which address and data are there.
    address_at: Option<u64>,
    data_at: Option<u64>,
    retired: bool,
    /// Loads that wait for it: (uop, first cycle of its data from the cache, forwarding cycles).
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    load: u32,
    earliest: u64,
    delay: u64,
}

/// How a load depends on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependence {
    /// Number of the store.
    pub store: u64,
    delay: u64,
}

/// What a load that reaches the cache finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its data will be there in this cycle.
    At(u64),
    /// A store has to say.
    Later,
}

/// The store buffer.
#[derive(Debug, Default)]
pub struct StoreBuffer {
    stores: VecDeque<Store>,
    /// Number of the oldest.
    oldest: u64,
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
            waiting: Vec::new(),
        });
        self.oldest + self.stores.len() as u64 - 1
    }

    /// The youngest store before a load that writes one of its bytes.
    #[must_use]
    pub fn depends(&self, address: Address, size: u64) -> Option<Dependence> {
        for (i, store) in self.stores.iter().enumerate().rev() {
            let start = address.physical.wrapping_sub(store.address.physical);
            let behind = store.address.physical.wrapping_sub(address.physical);
            if start < store.size || behind < size {
                let inside = start < store.size && start + size <= store.size;
                let delay = if inside { FORWARD } else { BLOCKED };
                return Some(Dependence {
                    store: self.oldest + i as u64,
                    delay,
                });
            }
        }
        None
    }

    fn get(&mut self, number: u64) -> Option<&mut Store> {
        let i = number.checked_sub(self.oldest)?;
        self.stores.get_mut(i as usize)
    }

    /// A load that was dispatched asks its store; `earliest` is when the cache would have it.
    pub fn ask(&mut self, load: u32, dependence: Dependence, earliest: u64) -> Found {
        let Some(store) = self.get(dependence.store) else {
            return Found::At(earliest);
        };
        if let (Some(a), Some(d)) = (store.address_at, store.data_at) {
            return Found::At(earliest.max(a.max(d) + dependence.delay));
        }
        store.waiting.push(Waiting {
            load,
            earliest,
            delay: dependence.delay,
        });
        Found::Later
    }

    /// The address uop of a store was dispatched; loads whose data cycle is known now go to `out`.
    pub fn address(&mut self, number: u64, now: u64, out: &mut Vec<(u32, u64)>) {
        if let Some(store) = self.get(number) {
            store.address_at = Some(now + ADDRESS_READY);
            store.settle(out);
        }
    }

    /// As [`Self::address`], for the data uop.
    pub fn data(&mut self, number: u64, now: u64, out: &mut Vec<(u32, u64)>) {
        if let Some(store) = self.get(number) {
            store.data_at = Some(now + DATA_READY);
            store.settle(out);
        }
    }

    /// The instruction of a store retired.
    pub fn retire(&mut self, number: u64) {
        if let Some(store) = self.get(number) {
            store.retired = true;
        }
    }

    /// One store a cycle goes to the cache.
    pub fn cycle(&mut self) {
        if self.stores.front().is_some_and(|s| s.retired) {
            self.stores.pop_front();
            self.oldest += 1;
        }
    }
}

impl Store {
    fn settle(&mut self, out: &mut Vec<(u32, u64)>) {
        if let (Some(a), Some(d)) = (self.address_at, self.data_at) {
            for w in self.waiting.drain(..) {
                out.push((w.load, w.earliest.max(a.max(d) + w.delay)));
            }
        }
    }
}
