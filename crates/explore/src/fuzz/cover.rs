// SPDX-License-Identifier: GPL-2.0-only
//! What a run did that others may not have done: the edges between accesses to events, the
//! transitions of their states with who makes them, and which instruction was interrupted by what.
//!
//! Accesses stand for code: what a path of the perf core does to events is what can go wrong with
//! it, and the machine tells of them anyhow. Features are bits of a map of fixed size, as in other
//! coverage-guided fuzzers: two may share a bit, and every run of a seed shares the same ones.

use abi::layout::CPUS_MAX;
use abi::totals::Ring;
use machine::{AccessKind, ObjectAccess, ObjectId, Observer, Ordinal, View};

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

    /// An instruction accessed an event in this state.
    fn accessed(&mut self, state: i8, rip: u64) {
        self.put(u64::from(state.cast_unsigned()) << 40 | rip);
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
    /// The event.
    pub(crate) object: ObjectId,
    /// The field, by its offset.
    pub(crate) offset: u64,
    /// Its state.
    pub(crate) state: i8,
    /// It has counted something, or is about to: what has not cannot lose it.
    pub(crate) counted: bool,
    /// Step of the CPU's program.
    pub(crate) step: usize,
    /// Injectors that count there, a bit for each.
    pub(crate) armed: u8,
    /// Injectors that do not, but did so shortly before.
    pub(crate) late: u8,
}

/// Notes features and marks of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scout {
    pub(crate) cover: Cover,
    /// In the order of time.
    pub(crate) marks: Vec<Mark>,
    last: u64,
    /// What injectors count.
    codes: Vec<u64>,
    /// Boundaries by which a PMI may be late.
    skid: u64,
    /// By CPU: who counts, and for each injector the boundary at which it last stopped counting.
    counting: [u8; CPUS_MAX],
    stopped: [[Option<Ordinal>; 8]; CPUS_MAX],
}

impl Scout {
    /// For these injectors.
    pub(crate) fn new(codes: Vec<u64>, skid: u64) -> Self {
        Self {
            codes,
            skid,
            ..Self::default()
        }
    }

    fn look(&mut self, view: &View<'_>) {
        let mut now = 0;
        for (i, &code) in self.codes.iter().take(8).enumerate() {
            let counts = view.core.pmu.counts(code, Ring::Kernel);
            now |= u8::from(counts) << i;
            if !counts && self.counting[view.cpu] >> i & 1 != 0 {
                self.stopped[view.cpu][i] = Some(view.core.ordinal);
            }
        }
        self.counting[view.cpu] = now;
    }

    fn late(&self, cpu: usize, at: Ordinal) -> u8 {
        let recent = |stopped: &Option<Ordinal>| stopped.is_some_and(|s| at < s + self.skid);
        let all = self.stopped[cpu].iter().enumerate();
        let late = all.fold(0, |bits, (i, stopped)| {
            bits | u8::from(recent(stopped)) << i
        });
        late & !self.counting[cpu]
    }
}

impl Observer for Scout {
    fn wrmsr(&mut self, view: &View<'_>, _msr: u32, _value: u64) {
        self.look(view);
    }

    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        self.cover.put(1 << 62 | self.last << 31 | access.rip);
        self.last = access.rip;
        let state = view.field(access.object, "state").unwrap_or_default();
        let state = (state as u8).cast_signed();
        self.cover.accessed(state, access.rip);
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
                object: access.object,
                offset: access.offset,
                state,
                counted: state > 0 || view.field(access.object, "count") != Some(0),
                step,
                armed: self.counting[access.cpu],
                late: self.late(access.cpu, access.ordinal),
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
