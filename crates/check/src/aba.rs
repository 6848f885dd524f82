// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `count`, where a period is counted twice. `x86_perf_event_update` takes the counter's value
//! if `prev_count` is what it was before the counter was read. An NMI or interrupt in between folds the
//! counter, loads it anew, and may leave `prev_count` with the same value (ABA): what had been read
//! before is then added once more. It is reported at the cmpxchg that lets it through. From there on
//! nothing is said of that event's count, so that it is one finding.

use abi::layout::CPUS_MAX;
use machine::{AccessKind, NmiFrame, ObjectAccess, ObjectId, View};

use crate::ideal::FLOWS;
use crate::shadow::{Shadow, flow};
use crate::violation::{Moment, Oracle, Violation};

/// A look at `prev_count`.
#[derive(Debug, Clone, Copy)]
struct Look {
    object: ObjectId,
    rip: u64,
    value: u64,
    /// Whoever interrupted this flow since has written the field.
    written: Option<Written>,
}

/// A write by whoever interrupts.
#[derive(Debug, Clone, Copy)]
struct Written {
    /// The ideal then: it stands still until the handler lets the counters go on.
    ideal: u64,
    nmi: Option<NmiFrame>,
}

/// The last two looks of one flow of control: a cmpxchg is one itself, the one before is the load.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    load: Option<Look>,
    last: Option<Look>,
}

/// The looks at `prev_count` by CPU and flow of control.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aba {
    cpus: [[Looks; FLOWS]; CPUS_MAX],
    /// Bits that a fold does not go by: 64 less the counter's width.
    shift: u32,
}

impl Aba {
    /// For counters of so many bits.
    pub(crate) fn of_counters(width: u8) -> Self {
        Self {
            shift: 64 - u32::from(width).min(64),
            ..Self::default()
        }
    }

    pub(crate) fn access(
        &mut self,
        view: &View<'_>,
        access: &ObjectAccess,
        shadow: &mut Shadow,
    ) -> Option<Violation> {
        if view.objects.field_name(access.offset) != "hw.prev_count" {
            return None;
        }
        let object = access.object;
        let (interrupted, current) = self.cpus[view.cpu].split_at_mut(flow(view));
        let current = &mut current[0];
        if access.kind == AccessKind::Read {
            let look = Look {
                object,
                rip: access.rip,
                value: access.old,
                written: None,
            };
            current.load = current.last.replace(look);
            return None;
        }
        let ideal = shadow.now(view, object)?;
        let nmi = view.core.nmi;
        for look in interrupted.iter_mut().filter_map(|l| l.last.as_mut()) {
            if look.object == object {
                look.written = Some(Written { ideal, nmi });
            }
        }
        let exchanges = |look: &Look| (look.object, look.rip) == (object, access.rip);
        current.last.take().filter(exchanges)?;
        let load = current.load.take()?;
        let written = load.written?;
        // Otherwise it has failed, and tries again.
        let through = (load.object, load.value) == (object, access.old);
        let taken = (access.new.wrapping_sub(access.old) << self.shift) >> self.shift;
        let most = ideal.saturating_sub(written.ideal);
        if !through || taken <= most {
            return None;
        }
        shadow.lose(view, object);
        Some(Violation {
            oracle: Oracle::Count,
            event: view.objects.get(object).name.clone(),
            reader: None,
            expected: format!("at most {most} since the counter was loaded anew"),
            got: format!("{taken} of the period before, which have been added already"),
            error: taken,
            tolerated: None,
            at: Moment::of(view, access.rip).by(written.nmi),
        })
    }
}
