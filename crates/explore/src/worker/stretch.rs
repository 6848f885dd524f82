// SPDX-License-Identifier: GPL-2.0-only
//! Where counters count in the kernel: a stretch of boundaries that may be judged by both its ends.
//!
//! There the instruction T between two boundaries moves counters, so that H, which comes in between,
//! reads other numbers before T than behind it. Let every T of a stretch be one that may change places
//! with H but for that ([`crate::footprint`]), let the same counters count before and behind H, and
//! let none of them overflow meanwhile. Then the runs with H at the boundaries of the stretch differ by
//! one number for each kind of occurrence: how many came before H. It grows along the stretch.
//! The guest and the oracles add, subtract and compare counts, so what is compared is linear in it.
//! While a reader may see one interval of values ([`check::Oracles::one_interval`]), "inside" is convex:
//! if the runs at both ends make the same accesses to the same events and every value is inside in both,
//! then so it is in between. What is bad is never carried over, and neither are runs with further decisions.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use machine::{AccessKind, ObjectAccess, Observer, View};

use super::{Class, Judged, Worker};
use crate::path::Step;
use crate::sweep::Source;

/// Which way a run took: how each flow of control of each CPU accessed the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trail {
    flows: BTreeMap<(usize, bool, bool), u64>,
}

impl Observer for Trail {
    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let core = view.core;
        let flow = (view.cpu, core.nmi.is_some(), core.interrupt.is_some());
        let write = access.kind == AccessKind::Write;
        let so_far = self.flows.entry(flow).or_default();
        let mut hasher = DefaultHasher::new();
        (*so_far, access.rip, access.object, access.offset, write).hash(&mut hasher);
        *so_far = hasher.finish();
    }
}

impl Judged {
    /// Both ends of a stretch show that there is nothing in between.
    fn encloses(&self, other: &Self) -> bool {
        self.nothing()
            && other.nothing()
            && self.trail == other.trail
            && self.ends == other.ends
            && self.outcomes == other.outcomes
            && self.looked == other.looked
    }

    fn nothing(&self) -> bool {
        self.failed.is_none() && self.fresh.is_empty()
    }
}

impl Worker<'_, '_> {
    /// The class of the boundary at `index`, judged right now, begins a stretch: runs the far end,
    /// and a nearer one as long as they differ. Positions of `range` that are `wanted` may be in it.
    pub(super) fn stretch(
        &mut self,
        index: usize,
        judged: &Judged,
        range: &Range<usize>,
        wanted: impl Fn(&Step) -> bool,
    ) {
        let at_once = |class: &mut Class| class.between.counted && class.armed == class.at;
        let Some(class) = self.class.take_if(at_once) else {
            return;
        };
        if !judged.nothing() || !self.walked.0.one_interval() {
            return;
        }
        let mut end = self.reach(index, &class, range, wanted);
        while end > index + 1 {
            if !self.ahead.contains_key(&end) {
                self.judge_ahead(end);
            }
            if self.ahead[&end].0.encloses(judged) {
                self.enclosed = Some((end, judged.clone()));
                return;
            }
            end = index + (end - index) / 2;
        }
    }

    /// The last position that the stretch may have.
    fn reach(
        &self,
        index: usize,
        class: &Class,
        range: &Range<usize>,
        wanted: impl Fn(&Step) -> bool,
    ) -> usize {
        let steps = &self.ground.path.steps;
        let room = usize::try_from(class.between.room).unwrap_or(usize::MAX);
        let last = (range.end - 1).min(index.saturating_add(room));
        let mut end = index;
        while end < last && wanted(&steps[end + 1]) && self.commutes(class, end) {
            end += 1;
        }
        end
    }

    /// Judges a boundary that is still to come, and goes back.
    fn judge_ahead(&mut self, index: usize) {
        let (armed, asked, stands) = (self.armed.take(), self.asked, self.stands);
        let here = self.here(stands);
        let step = self.ground.path.steps[index];
        self.walk_to(index);
        if matches!(self.ground.source, Source::Late(_)) {
            self.arm(index);
        }
        let entry = (step.cpu, step.ordinal, self.decision(step.ordinal));
        let judged = self.run(index, entry);
        let class = self.class.take();
        self.ahead.insert(index, (judged, class));
        self.disarm();
        self.machine.restore(&here.machine);
        self.walked = here.walked;
        self.schedule = here.schedule;
        self.machine.release(here.machine);
        (self.armed, self.asked, self.stands) = (armed, asked, stands);
    }
}
