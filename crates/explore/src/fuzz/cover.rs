// SPDX-License-Identifier: GPL-2.0-only
//! What a run did that others may not have done: the edges between accesses to events, the
//! transitions of their states with who makes them, and which instruction was interrupted by what.
//!
//! Accesses stand for code: what a path of the perf core does to events is what can go wrong with
//! it, and the machine tells of them anyhow. Features are bits of a map of fixed size, as in other
//! coverage-guided fuzzers: two may share a bit, and every run of a seed shares the same ones.

use machine::{AccessKind, ObjectAccess, Observer, Ordinal, View};

/// Bits of the map; a power of two.
const BITS: usize = 1 << 17;

/// A set of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cover {
    words: Vec<u64>,
}

impl Default for Cover {
    fn default() -> Self {
        Self {
            words: vec![0; BITS / 64],
        }
    }
}

impl Cover {
    fn put(&mut self, feature: u64) {
        let bit = (feature.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 47) as usize % BITS;
        self.words[bit / 64] |= 1 << (bit % 64);
    }

    /// An instruction was interrupted by a kind of source.
    pub(crate) fn interrupted(&mut self, kind: u64, rip: u64) {
        self.put(3 << 62 | kind << 40 | rip);
    }

    /// Features.
    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// Takes over those of `other`; how many were new.
    pub(crate) fn join(&mut self, other: &Self) -> u64 {
        let mut new = 0;
        for (own, word) in self.words.iter_mut().zip(&other.words) {
            new += u64::from((word & !*own).count_ones());
            *own |= word;
        }
        new
    }

    /// As text: words in hexadecimal, runs of zeros shortened.
    pub(crate) fn save(&self) -> String {
        let mut out = String::new();
        let mut zeros = 0;
        for word in &self.words {
            if *word == 0 {
                zeros += 1;
                continue;
            }
            out += &format!("{zeros}:{word:x} ");
            zeros = 0;
        }
        out.trim_end().to_owned()
    }

    /// The way back.
    pub(crate) fn load(text: &str) -> Option<Self> {
        let mut this = Self::default();
        let mut at = 0;
        for part in text.split_whitespace() {
            let (zeros, word) = part.split_once(':')?;
            at += zeros.parse::<usize>().ok()?;
            *this.words.get_mut(at)? = u64::from_str_radix(word, 16).ok()?;
            at += 1;
        }
        Some(this)
    }
}

/// A boundary right before an access to an event, made by the program's own work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) cpu: usize,
    pub(crate) ordinal: Ordinal,
    pub(crate) rip: u64,
    pub(crate) write: bool,
    /// Step of the CPU's program.
    pub(crate) step: usize,
}

/// Notes features and marks of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scout {
    pub(crate) cover: Cover,
    /// In the order of time.
    pub(crate) marks: Vec<Mark>,
    last: u64,
}

impl Observer for Scout {
    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        self.cover.put(1 << 62 | self.last << 31 | access.rip);
        self.last = access.rip;
        let write = access.kind == AccessKind::Write;
        if write && view.objects.field_name(access.offset) == "state" {
            let pair = (access.old & 0xff) << 8 | access.new & 0xff;
            self.cover.put(2 << 62 | pair << 40 | access.rip);
        }
        if view.core.nmi.is_none()
            && let Some(step) = view.core.step
        {
            let mark = Mark {
                cpu: access.cpu,
                ordinal: access.ordinal,
                rip: access.rip,
                write,
                step,
            };
            // A read-modify-write is one instruction.
            match self.marks.last_mut() {
                Some(last) if (last.cpu, last.ordinal) == (mark.cpu, mark.ordinal) => {
                    last.write |= write;
                }
                _ => self.marks.push(mark),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cover;

    #[test]
    fn features_are_kept_and_counted() {
        let (mut a, mut b) = (Cover::default(), Cover::default());
        a.put(7);
        b.put(7);
        b.put(1 << 40);
        assert_eq!(a.count(), 1);
        assert_eq!(a.join(&b), 1);
        assert_eq!(a.join(&b), 0);
        assert_eq!(Cover::load(&a.save()), Some(a));
        assert_eq!(Cover::load("1:zz"), None);
    }
}
