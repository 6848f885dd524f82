// SPDX-License-Identifier: GPL-2.0-only
//! What one event ought to show, and how that moves: the part of [`crate::shadow`] that is about a
//! single event.

use std::sync::Arc;

use abi::totals::{HwEvent, Ring};
use machine::{ObjectId, View};

/// Flows of control on one CPU, each interrupting those before it: calls, interrupt handlers, NMI
/// handlers.
pub(crate) const FLOWS: usize = 3;

/// What an event of a scenario counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Something that retires.
    Retired(HwEvent),
    /// What decisions deliver, with this event code.
    Injected(u64),
    /// Nanoseconds of the guest's clock. It goes on in the kernel where another CPU runs meanwhile, or a
    /// timing model drives it.
    Clock,
    /// A select that nothing but the bank has a meaning for: nobody knows what it ought to show.
    Unknown,
}

/// What the scenario says of an event.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What it counts.
    pub counted: Counted,
    /// Counts at CPL 3.
    pub user: bool,
    /// Counts at CPL 0.
    pub kernel: bool,
    /// Starts disabled.
    pub disabled: bool,
    /// The next exec of its task enables it.
    pub enable_on_exec: bool,
}

/// What is known of one living event.
#[derive(Debug, Clone)]
pub(crate) struct Ideal {
    pub(crate) spec: Arc<Spec>,
    pub(crate) leader: Option<ObjectId>,
    /// The opened event that it was inherited from.
    pub(crate) parent: Option<ObjectId>,
    /// The CPU whose call makes it, until that returns.
    pub(crate) opening: Option<usize>,
    /// Ideals of exited children: the least and the most.
    pub(crate) exited: [u64; 2],
    /// The next exec of its task enables it.
    pub(crate) on_exec: bool,
    /// Its CPU went away: it never counts again.
    pub(crate) gone: bool,
    /// The user wants it to count.
    pub(crate) enabled: bool,
    /// Occurrences that it ought to show.
    pub(crate) count: u64,
    /// It has been counting on this CPU since this total; `None` when it is not.
    pub(crate) since: Option<(usize, u64)>,
    /// It stands still while the kernel runs: no kernel occurrence is part of the event, and no
    /// decision delivers any.
    pub(crate) exact: bool,
    /// Ideal at the last sync with the counter, by flow of control. What interrupted code has loaded
    /// before an interrupt or NMI is older than that one's sync.
    pub(crate) synced: [u64; FLOWS],
    /// Ideal at the last fold of the counter that it has or shares, outside NMI handlers.
    pub(crate) raw: u64,
    /// Ideal when the last sync was over: the counter was read between the two.
    pub(crate) folded: u64,
    /// The reset that is under way has stored its zero: what might be read before.
    pub(crate) zeroed: Option<[u64; 2]>,
    /// Occurrences that a flip, or a reset by another CPU, may have lost.
    pub(crate) slack: u64,
    /// Ideal at the last fold before a flip that is under way, and the CPU that flips.
    pub(crate) flipping: Option<(usize, u64)>,
    /// The CPU that has put a clock on or taken it off since it entered the kernel.
    pub(crate) switched: Option<usize>,
    /// A clock that was put on since, if only to be taken off again.
    pub(crate) put_on: bool,
}

impl Ideal {
    /// Ideal at the last sync that a reader in this flow of control may have seen.
    pub(crate) fn synced_up_to(&self, flow: usize) -> u64 {
        self.synced[..=flow].iter().copied().max().unwrap_or(0)
    }

    /// Occurrences on `cpu` in the rings that the event counts, since reset of the machine.
    pub(crate) fn total(&self, view: &View<'_>, cpu: usize) -> u64 {
        let event = match self.spec.counted {
            Counted::Retired(event) => event,
            Counted::Injected(_) | Counted::Unknown => return 0,
            // One clock for all; the other CPUs learn how late it is when they have the turn.
            Counted::Clock => return view.core.clock_ns(),
        };
        let totals = view.cores[cpu].totals();
        let of = |counts: bool, ring| if counts { totals.get(ring, event) } else { 0 };
        of(self.spec.user, Ring::User) + of(self.spec.kernel, Ring::Kernel)
    }

    /// The ideal now.
    pub(crate) fn now(&self, view: &View<'_>) -> u64 {
        let running = self.since.map(|(cpu, since)| self.total(view, cpu) - since);
        self.count + running.unwrap_or(0)
    }

    /// This CPU stops counting for it.
    pub(crate) fn settle(&mut self, view: &View<'_>) {
        if self.since.is_some_and(|(cpu, _)| cpu == view.cpu) {
            self.count = self.now(view);
            self.since = None;
        }
    }

    /// This CPU returns to user code, where a clock runs or not. What has passed since `entered` is part
    /// of the most that it shows if it ran before or runs now; when it was switched is not known.
    pub(crate) fn go_on(&mut self, view: &View<'_>, entered: u64, counts: bool) {
        let now = view.core.clock_ns();
        let before = self.since.is_some();
        let on = std::mem::take(&mut self.put_on) || counts;
        if on && !before {
            self.since = Some((view.cpu, entered));
        }
        if self.switched.take().is_some() || counts != before {
            self.slack += now - entered;
        }
        self.settle(view);
        self.since = counts.then_some((view.cpu, now));
    }

    /// The count is another one from here on; what runs goes on running.
    pub(crate) fn settle_as(&mut self, view: &View<'_>, count: u64) {
        self.count = count;
        self.synced = [count; FLOWS];
        self.raw = count;
        self.folded = count;
        self.since = self.since.map(|(cpu, _)| (cpu, self.total(view, cpu)));
    }

    /// The count starts again at zero; what runs goes on running. `entry` is the ideal when the call
    /// began: the store to count lies somewhere inside the call, while another CPU may have counted.
    pub(crate) fn rebase(&mut self, view: &View<'_>, entry: Option<u64>) {
        if self.zeroed.take().is_some() {
            return;
        }
        let meanwhile = entry.map_or(0, |entry| self.now(view).saturating_sub(entry));
        self.count = meanwhile;
        self.synced = [0; FLOWS];
        self.raw = 0;
        self.since = self.since.map(|(cpu, _)| (cpu, self.total(view, cpu)));
        self.slack = meanwhile;
    }

    /// The zero of a reset is stored here: what has counted since the last sync is in the counter
    /// still. When exactly that read it, is known but for the instructions around it.
    pub(crate) fn zero(&mut self, view: &View<'_>) {
        let synced = self.synced_up_to(FLOWS - 1).min(self.now(view));
        self.zeroed = Some([synced.saturating_sub(self.slack), self.now(view)]);
        self.count = self.now(view) - synced;
        self.since = self.since.map(|(cpu, _)| (cpu, self.total(view, cpu)));
        self.slack = self.folded.saturating_sub(synced);
        self.synced = [0; FLOWS];
        self.raw = 0;
        self.folded = self.slack;
    }
}
