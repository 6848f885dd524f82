// SPDX-License-Identifier: GPL-2.0-only
//! The data caches: 32 KiB in 8 ways, 256 KiB in 4, 8 MiB in 16 (four slices of 2 MiB), lines of 64
//! bytes, least recently used; twelve line fill buffers. No prefetchers.
//!
//! Sizes and cycles: Intel optimization manual; memory is the last level and some 51 ns at 4 GHz.

use super::events::{Event, Events};

/// log2 of a line's bytes.
pub const LINE_SHIFT: u32 = 6;
/// Cycles beyond a first-level hit of five: 12 and 42 in all.
const L2: u64 = 7;
const L3: u64 = 37;
const MEMORY: u64 = 240;
const FILL_BUFFERS: usize = 12;

#[derive(Debug, Clone)]
struct Level {
    sets: usize,
    ways: usize,
    /// Line numbers plus one by set, most recent first; 0: empty.
    lines: Vec<u64>,
}

impl Level {
    fn new(kib: usize, ways: usize) -> Self {
        let sets = kib * 1024 / 64 / ways;
        Self {
            sets,
            ways,
            lines: vec![0; sets * ways],
        }
    }

    /// Looks a line up and makes it the most recent one; was it there?
    fn touch(&mut self, line: u64) -> bool {
        let start = line as usize % self.sets * self.ways;
        let set = &mut self.lines[start..start + self.ways];
        let tag = line + 1;
        if set[0] == tag {
            return true;
        }
        let found = set.iter().position(|&t| t == tag);
        let last = found.unwrap_or(self.ways - 1);
        set[..=last].rotate_right(1);
        set[0] = tag;
        found.is_some()
    }
}

/// What a request finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// In the first level.
    Hit,
    /// It comes in that cycle.
    At(u64),
    /// No fill buffer is free before that cycle.
    Busy(u64),
}

/// All levels.
#[derive(Debug, Clone)]
pub struct Caches {
    l1: Level,
    l2: Level,
    l3: Level,
    /// Lines on their way and their cycles.
    filling: Vec<(u64, u64)>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            l1: Level::new(32, 8),
            l2: Level::new(256, 4),
            l3: Level::new(8192, 16),
            filling: Vec::new(),
        }
    }
}

impl Caches {
    /// A request for the line of an address; `load`: count where it was found.
    pub fn request(&mut self, address: u64, now: u64, load: bool, events: &mut Events) -> Request {
        let line = address >> LINE_SHIFT;
        if !self.filling.is_empty() {
            self.filling.retain(|f| f.1 > now);
            if let Some(f) = self.filling.iter().find(|f| f.0 == line) {
                if load {
                    events.add(Event::L1Miss, 1);
                }
                return Request::At(f.1);
            }
        }
        let found = self.l1.lines[line as usize % self.l1.sets * self.l1.ways] == line + 1;
        if found || self.holds(line) {
            self.l1.touch(line);
            if load {
                events.add(Event::L1Hit, 1);
            }
            return Request::Hit;
        }
        if self.filling.len() >= FILL_BUFFERS {
            let first = self.filling.iter().map(|f| f.1).min().unwrap_or(now);
            return Request::Busy(first.max(now + 1));
        }
        self.l1.touch(line);
        let (cycles, event) = if self.l2.touch(line) {
            (L2, Event::L2Hit)
        } else {
            events.add(Event::LlcReferences, 1);
            if self.l3.touch(line) {
                (L3, Event::L3Hit)
            } else {
                events.add(Event::LlcMisses, 1);
                (MEMORY, Event::L3Miss)
            }
        };
        if load {
            events.add(Event::L1Miss, 1);
            events.add(event, 1);
        }
        self.filling.push((line, now + cycles));
        Request::At(now + cycles)
    }

    fn holds(&self, line: u64) -> bool {
        let start = line as usize % self.l1.sets * self.l1.ways;
        self.l1.lines[start..start + self.l1.ways].contains(&(line + 1))
    }
}

/// The first-level instruction cache: 32 KiB in 8 ways; behind it the second level is taken to
/// hold all code.
#[derive(Debug, Clone)]
pub struct CodeCache(Level);

impl Default for CodeCache {
    fn default() -> Self {
        Self(Level::new(32, 8))
    }
}

impl CodeCache {
    /// Cycles that fetching from an address waits.
    pub fn fetch(&mut self, at: u64) -> u64 {
        if self.0.touch(at >> LINE_SHIFT) {
            0
        } else {
            L2 + 5
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_where_they_were_left() {
        let mut caches = Caches::default();
        let mut events = Events::default();
        let mut ask = |at, now| caches.request(at, now, true, &mut events);
        assert_eq!(ask(0x1000, 0), Request::At(MEMORY));
        assert_eq!(ask(0x1008, 10), Request::At(MEMORY), "the same line");
        assert_eq!(ask(0x1010, 1000), Request::Hit);
        // Nine lines of one set: the first one is in the second level only.
        for way in 1..9 {
            ask(0x1000 + way * 4096, 2000 * way);
        }
        assert_eq!(ask(0x1000, 100_000), Request::At(100_000 + L2));
        assert_eq!(events.get(Event::L1Hit), 1);
        assert_eq!(events.get(Event::L2Hit), 1);
        assert_eq!(events.get(Event::L3Miss), 9);
    }

    #[test]
    fn fill_buffers_run_out() {
        let mut caches = Caches::default();
        let mut events = Events::default();
        for i in 0..12 {
            caches.request(i * 64, i, true, &mut events);
        }
        let thirteenth = caches.request(1 << 20, 20, true, &mut events);
        assert_eq!(thirteenth, Request::Busy(MEMORY));
    }
}
