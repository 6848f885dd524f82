// SPDX-License-Identifier: GPL-2.0-only
//! The times that an event shows in its pages: in the samples of its ring buffer, and in the user page
//! itself. What is new there is found by `data_head` and by the page's sequence count.

use std::collections::BTreeMap;

use abi::layout::PAGE_SIZE;
use abi::syscall::{FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING, SAMPLE_READ};
use machine::{ObjectId, View};

/// `perf_event_mmap_page.lock`, the low half of its word.
const LOCK: u64 = 8;
/// `time_enabled`; `time_running` follows.
const TIME_ENABLED: u64 = 24;
/// `data_head`.
const DATA_HEAD: u64 = 1024;
/// `PERF_RECORD_SAMPLE`.
const RECORD_SAMPLE: u64 = 9;

/// Both times, in nanoseconds of the guest's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) enabled: u64,
    pub(crate) running: u64,
}

/// How far the pages have been looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    heads: BTreeMap<ObjectId, u64>,
    locks: BTreeMap<ObjectId, u64>,
}

impl Shown {
    /// The times in samples that are new, with the event that sampled.
    pub(crate) fn samples(&mut self, view: &View<'_>) -> Vec<(ObjectId, Pair)> {
        let mut found = Vec::new();
        for (id, page) in mapped(view) {
            let size = view.field(id, "rb_data_pages").unwrap_or(0) * PAGE_SIZE;
            let head = view.mem.read_u64(page + DATA_HEAD).unwrap_or(0);
            let from = self.heads.insert(id, head).unwrap_or(0);
            // With other fields, or when more has come than there is room for, nothing can be said.
            let only_read = view.field(id, "attr.sample_type") == Some(SAMPLE_READ);
            if size == 0 || !only_read || head.wrapping_sub(from) >= size {
                continue;
            }
            let format = view.field(id, "attr.read_format").unwrap_or(0);
            let word = |at: u64| view.mem.read_u64(page + PAGE_SIZE + at % size).ok();
            found.extend(times_of(format, from, head, word).map(|times| (id, times)));
        }
        found
    }

    /// The times in user pages that have been written since, with their event.
    pub(crate) fn pages(&mut self, view: &View<'_>) -> Vec<(ObjectId, Pair)> {
        let mut found = Vec::new();
        for (id, page) in mapped(view) {
            let word = |at| view.mem.read_u64(page + at).unwrap_or(0);
            let lock = word(LOCK) & 0xffff_ffff;
            // Odd: somebody is writing.
            if lock % 2 == 1 || self.locks.insert(id, lock).unwrap_or(0) == lock {
                continue;
            }
            let times = Pair {
                enabled: word(TIME_ENABLED),
                running: word(TIME_ENABLED + 8),
            };
            found.push((id, times));
        }
        found
    }
}

/// The living events that have pages, with the first one's address.
fn mapped<'v>(view: &'v View<'_>) -> impl Iterator<Item = (ObjectId, u64)> + 'v {
    let living = view.objects.iter().filter(|(_, object)| !object.dead);
    living.filter_map(|(id, _)| Some((id, view.field(id, "rb").filter(|&page| page != 0)?)))
}

/// The times in the samples between two positions of a ring buffer; `word` reads one word of it.
fn times_of(
    format: u64,
    from: u64,
    head: u64,
    word: impl Fn(u64) -> Option<u64>,
) -> impl Iterator<Item = Pair> {
    let both = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING;
    let mut at = from;
    // The number of members, or the one value, stands before the times.
    std::iter::from_fn(move || {
        while at < head {
            let header = word(at)?;
            let (record, size) = (at, header >> 48);
            if size < 8 {
                return None;
            }
            at += size;
            if header & 0xffff_ffff == RECORD_SAMPLE && format & both == both {
                return Some(Pair {
                    enabled: word(record + 16)?,
                    running: word(record + 24)?,
                });
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use abi::syscall::FORMAT_GROUP;

    use super::*;

    #[test]
    fn times_stand_behind_the_first_word_of_each_sample() {
        let both = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING;
        // A throttle record, a sample of one event, and one of a group.
        let ring = [
            5 | 16 << 48,
            0,
            RECORD_SAMPLE | 32 << 48,
            77,
            10,
            9,
            RECORD_SAMPLE | 40 << 48,
            1,
            20,
            19,
            77,
        ];
        let word = |at: u64| ring.get((at / 8) as usize).copied();
        let times = |format, from| -> Vec<(u64, u64)> {
            let pairs = times_of(format, from, 8 * ring.len() as u64, word);
            pairs.map(|pair| (pair.enabled, pair.running)).collect()
        };
        assert_eq!(times(both, 0), [(10, 9), (20, 19)]);
        assert_eq!(times(both | FORMAT_GROUP, 48), [(20, 19)]);
        assert!(times(FORMAT_GROUP, 0).is_empty());
    }
}
