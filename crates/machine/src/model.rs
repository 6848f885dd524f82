// SPDX-License-Identifier: GPL-2.0-only
//! The timing model of a CPU: either the machine goes by it, or it only listens.

use abi::totals::{Ring, Totals};
use cpu::{Cpu, Memory, Step};
use timing::skylake::model::Model as Skylake;

use crate::chooser::Ordinal;

/// Boundaries between two looks at counters that the model drives: what is in flight comes on top.
pub(crate) const LOOK: u64 = 16;

/// A pipeline model beside a core.
#[derive(Debug, Clone)]
pub struct Model {
    skylake: Box<Skylake>,
    /// Bank and clock go by it.
    drives: bool,
    /// Boundary of each instruction told since [`Model::record`], and the number of the first.
    boundaries: Option<(usize, Vec<Ordinal>)>,
    /// Boundaries before which something stood alone in the pipeline, and their cycles.
    alone: Vec<(Ordinal, u64)>,
}

impl Model {
    pub(crate) fn driving() -> Self {
        Self {
            skylake: Box::new(Skylake::new()),
            drives: true,
            boundaries: None,
            alone: Vec::new(),
        }
    }

    pub(crate) fn listening() -> Self {
        Self {
            drives: false,
            ..Self::driving()
        }
    }

    pub(crate) fn record(&mut self) {
        self.skylake.record();
        self.boundaries = Some((self.skylake.instructions(), Vec::new()));
    }

    /// Do bank and clock go by it?
    #[must_use]
    pub const fn drives(&self) -> bool {
        self.drives
    }

    /// Cycles since reset, as far as the pipeline has come.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.skylake.cycles()
    }

    /// The totals with the pipeline's share.
    #[must_use]
    pub fn totals(&self, retired: &Totals) -> Totals {
        self.skylake.totals(retired)
    }

    /// Lets the pipeline catch up.
    pub fn drain(&mut self) {
        self.skylake.drain();
    }

    /// The cycle at each boundary since [`Model::record`], in their order: that in which the last
    /// instruction before it retired. What has not retired yet is missing; drain before.
    #[must_use]
    pub fn boundaries(&self) -> Vec<(Ordinal, u64)> {
        let Some((first, ordinals)) = &self.boundaries else {
            return Vec::new();
        };
        let at = |n: usize| ordinals.get(n.checked_sub(*first)?).copied();
        let retired = self.skylake.retirements();
        let mut all: Vec<(Ordinal, u64)> = retired
            .filter_map(|(n, cycle)| Some((at(n)? + 1, cycle)))
            .chain(self.alone.iter().copied())
            .collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn digest_words(&self, out: &mut Vec<u64>) {
        self.skylake.digest_words(out);
    }

    #[inline]
    pub(crate) fn before(&mut self, cpu: &Cpu, mem: &Memory) {
        self.skylake.enter(ring(cpu));
        self.skylake.before(cpu, mem);
    }

    /// After the step that began at boundary `ordinal`.
    #[inline]
    pub(crate) fn after(&mut self, step: &Step, cpu: &Cpu, ordinal: Ordinal) {
        match step {
            Step::Retired | Step::Bus | Step::Halted | Step::Paused => {
                let before = self.skylake.instructions();
                self.skylake.after(cpu.rip);
                let told = self.skylake.instructions() > before;
                match &mut self.boundaries {
                    Some((_, ordinals)) if told => ordinals.push(ordinal),
                    Some(_) => self.alone.push((ordinal + 1, self.skylake.cycles())),
                    None => {}
                }
            }
            Step::Iterated => self.skylake.iterated(),
            Step::RingChanged => {
                self.skylake.ring_changed(ring(cpu));
                if self.boundaries.is_some() {
                    self.alone.push((ordinal + 1, self.skylake.cycles()));
                }
            }
            Step::Exception { .. } => self.skylake.delivered(),
            Step::Watch | Step::Stop(_) => {}
        }
    }

    pub(crate) fn delivered(&mut self) {
        self.skylake.delivered();
    }
}

fn ring(cpu: &Cpu) -> Ring {
    if cpu.cpl() == 3 {
        Ring::User
    } else {
        Ring::Kernel
    }
}
