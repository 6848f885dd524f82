// SPDX-License-Identifier: GPL-2.0-only
//! Data TLBs: 64 entries in 4 ways, behind them 1,536 in 12 ways (Intel optimization manual).

/// Cycles a hit in the second level costs.
const SECOND_LEVEL: u64 = 9;
/// Cycles of a page walk that finds its tables in the caches.
const WALK: u64 = 30;

/// A set-associative table of page numbers, most recent first.
#[derive(Debug, Clone)]
struct Level {
    ways: usize,
    sets: Vec<Vec<u64>>,
}

impl Level {
    fn new(sets: usize, ways: usize) -> Self {
        Self {
            ways,
            sets: vec![Vec::with_capacity(ways + 1); sets],
        }
    }

    /// Looks a page up and makes it the most recent; was it there?
    fn touch(&mut self, page: u64) -> bool {
        let at = (page % self.sets.len() as u64) as usize;
        let set = &mut self.sets[at];
        if set.first() == Some(&page) {
            return true;
        }
        let found = set.iter().position(|&p| p == page);
        if let Some(i) = found {
            set.remove(i);
        }
        set.insert(0, page);
        set.truncate(self.ways);
        found.is_some()
    }
}

/// What a lookup finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The translation.
    Hit,
    /// It comes in that cycle: the access has to be dispatched again then.
    Again {
        /// The cycle.
        at: u64,
        /// This access is the first to miss the page.
        first: bool,
    },
}

/// Both levels.
#[derive(Debug, Clone)]
pub struct Tlb {
    first: Level,
    second: Level,
    /// Pages on their way to the first level, and the cycle in which they are there.
    filling: Vec<(u64, u64)>,
}

impl Default for Tlb {
    fn default() -> Self {
        Self {
            first: Level::new(16, 4),
            second: Level::new(128, 12),
            filling: Vec::new(),
        }
    }
}

impl Tlb {
    /// Puts a page into the second level.
    pub fn warm(&mut self, linear: u64) {
        let _before = self.second.touch(linear >> 12);
    }

    /// Puts a page into both levels.
    pub fn use_page(&mut self, linear: u64) {
        self.warm(linear);
        let _before = self.first.touch(linear >> 12);
    }

    /// Translates an address for an access that is dispatched in cycle `now`.
    pub fn access(&mut self, linear: u64, now: u64) -> Lookup {
        let page = linear >> 12;
        if self.first.touch(page) {
            if self.filling.is_empty() {
                return Lookup::Hit;
            }
            self.filling.retain(|&(_, at)| at > now);
            let coming = self.filling.iter().find(|f| f.0 == page);
            return coming.map_or(Lookup::Hit, |f| Lookup::Again {
                at: f.1,
                first: false,
            });
        }
        let cost = if self.second.touch(page) {
            SECOND_LEVEL
        } else {
            WALK
        };
        self.filling.push((page, now + cost));
        Lookup::Again {
            at: now + cost,
            first: true,
        }
    }
}
