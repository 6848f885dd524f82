// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `progress`: an NMI handler finishes, and within a budget of boundaries; and so does whatever
//! user code has entered the kernel for.

use abi::layout::CPUS_MAX;
use machine::{NmiFrame, Ordinal, View};

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

/// Boundaries that a stay in the kernel may take: a hundred times what the longest system call of a
/// scenario does.
const KERNEL_BUDGET: u64 = 500_000;

/// Since when each CPU is in the kernel.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stays([Option<Ordinal>; CPUS_MAX]);

impl Stays {
    /// User code has called the kernel, or was interrupted.
    pub(crate) fn enter(&mut self, view: &View<'_>) {
        self.0[view.cpu] = Some(view.core.ordinal);
    }

    /// The kernel has returned to it.
    pub(crate) fn leave(&mut self, view: &View<'_>) {
        self.0[view.cpu] = None;
    }

    /// Judges a CPU where the run was stopped: an NMI handler that is still running or, where nobody
    /// else is in the kernel whom it may wait for, what it has entered the kernel for.
    pub(crate) fn unfinished(&self, view: &View<'_>) -> Option<Violation> {
        let does_not_end = |expected: String, rip: u64| Violation {
            oracle: Oracle::Progress,
            event: "kernel".into(),
            reader: None,
            expected,
            got: "one that does not end".to_owned(),
            error: 0,
            tolerated: None,
            at: Moment::of(view, rip),
        };
        let took = |since: Ordinal| view.core.ordinal - since;
        if let Some(frame) = view.core.nmi {
            let budget = format!("an NMI handler of at most {NMI_BUDGET} boundaries");
            return (took(frame.ordinal) > NMI_BUDGET).then(|| does_not_end(budget, frame.rip));
        }
        let mut others = view.cores.iter().enumerate().filter(|(cpu, core)| {
            *cpu != view.cpu && core.exited.is_none() && self.0[*cpu].is_some()
        });
        if others.next().is_some() {
            return None;
        }
        let since = self.0[view.cpu]?;
        let budget = format!("a stay in the kernel of at most {KERNEL_BUDGET} boundaries");
        (took(since) > KERNEL_BUDGET).then(|| does_not_end(budget, view.core.cpu.rip))
    }
}
