// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `progress`: an NMI handler finishes, and within a budget of boundaries; and so does whatever
//! user code has entered the kernel for.

use abi::layout::CPUS_MAX;
use machine::{NmiFrame, ObjectAccess, Ordinal, View};

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

/// Position of RSP in the register file.
const RSP: usize = 4;

/// Boundaries that a stay in the kernel may take: a hundred times what the longest system call of a
/// scenario does.
const KERNEL_BUDGET: u64 = 500_000;

/// What each CPU that is in the kernel does there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stays([Option<Stay>; CPUS_MAX]);

#[derive(Debug, Clone)]
struct Stay {
    since: Ordinal,
    /// Of the accesses to events behind half of the budget, the one with the highest RSP, and where
    /// it was made: the function that goes round, not one that it calls. Of several with one RSP it
    /// is that at the lowest address, so that it does not matter where the run was stopped.
    outermost: Option<(u64, Moment)>,
}

impl Stays {
    /// User code has called the kernel, or was interrupted.
    pub(crate) fn enter(&mut self, view: &View<'_>) {
        self.0[view.cpu] = Some(Stay {
            since: view.core.ordinal,
            outermost: None,
        });
    }

    /// The kernel has returned to it.
    pub(crate) fn leave(&mut self, view: &View<'_>) {
        self.0[view.cpu] = None;
    }

    /// An event was accessed.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let Some(stay) = &mut self.0[view.cpu] else {
            return;
        };
        let core = view.core;
        let busy = core.nmi.is_some() || core.interrupt.is_some();
        if busy || core.ordinal - stay.since < KERNEL_BUDGET / 2 {
            return;
        }
        let rsp = core.cpu.regs[RSP];
        let further_out = stay
            .outermost
            .as_ref()
            .is_none_or(|(before, at)| rsp > *before || rsp == *before && access.rip < at.rip);
        if further_out {
            stay.outermost = Some((rsp, Moment::of(view, access.rip)));
        }
    }

    /// Judges a CPU where the run was stopped: an NMI handler that is still running or, where it does
    /// not wait for somebody else in the kernel, what it has entered the kernel for.
    pub(crate) fn unfinished(&self, view: &View<'_>) -> Option<Violation> {
        let does_not_end = |expected: String, at: Moment| Violation {
            oracle: Oracle::Progress,
            event: "kernel".into(),
            reader: None,
            expected,
            got: "one that does not end".to_owned(),
            error: 0,
            tolerated: None,
            at,
        };
        let took = |since: Ordinal| view.core.ordinal - since;
        if let Some(frame) = view.core.nmi {
            let budget = format!("an NMI handler of at most {NMI_BUDGET} boundaries");
            let at = || Moment::of(view, frame.rip);
            return (took(frame.ordinal) > NMI_BUDGET).then(|| does_not_end(budget, at()));
        }
        let mut others = view.cores.iter().enumerate().filter(|(cpu, core)| {
            *cpu != view.cpu && core.exited.is_none() && self.0[*cpu].is_some()
        });
        let waits = took(view.core.paused) < KERNEL_BUDGET / 2;
        if waits && others.next().is_some() {
            return None;
        }
        let stay = self.0[view.cpu].as_ref()?;
        let budget = format!("a stay in the kernel of at most {KERNEL_BUDGET} boundaries");
        let at = || match &stay.outermost {
            Some((_, at)) => at.clone(),
            None => Moment::of(view, view.core.cpu.rip),
        };
        (took(stay.since) > KERNEL_BUDGET).then(|| does_not_end(budget, at()))
    }
}
