// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `progress`: an NMI handler finishes, and within a budget of boundaries.

use machine::{NmiFrame, View};

use crate::violation::{Moment, Oracle, Violation};

/// Boundaries that an NMI handler may take: some twenty times what a group sample of a full bank
/// needs.
pub(crate) const NMI_BUDGET: u64 = 100_000;

/// Judges a handler that has returned.
pub(crate) fn judge(view: &View<'_>, frame: NmiFrame) -> Option<Violation> {
    let took = view.core.ordinal - frame.ordinal;
    (took > NMI_BUDGET).then(|| Violation {
        oracle: Oracle::Progress,
        event: "kernel".into(),
        reader: None,
        expected: format!("an NMI handler of at most {NMI_BUDGET} boundaries"),
        got: format!("{took} boundaries"),
        error: 0,
        tolerated: None,
        at: Moment::of(view, frame.rip),
    })
}

/// Judges a handler that is still running where the run was stopped.
pub(crate) fn unfinished(view: &View<'_>) -> Option<Violation> {
    let frame = view.core.nmi?;
    let took = view.core.ordinal - frame.ordinal;
    (took > NMI_BUDGET).then(|| Violation {
        oracle: Oracle::Progress,
        event: "kernel".into(),
        reader: None,
        expected: format!("an NMI handler of at most {NMI_BUDGET} boundaries"),
        got: "one that does not end".to_owned(),
        error: 0,
        tolerated: None,
        at: Moment::of(view, frame.rip),
    })
}
