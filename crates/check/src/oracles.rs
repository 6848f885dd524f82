// SPDX-License-Identifier: GPL-2.0-only
//! All oracles side by side, as one observer.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::guest_call::Reader;
use abi::layout::CPUS_MAX;
use abi::rows::Rows;
use machine::{
    AccessKind, Decision, GuestEvent, Look, NmiFrame, ObjectAccess, ObjectId, Observer, Outcome,
    View,
};

use crate::aba::Aba;
use crate::armed::Armed;
use crate::claims::Claims;
use crate::exchange::Exchange;
use crate::freed::Freed;
use crate::monotony::Monotony;
use crate::ownership::Ownership;
use crate::progress::Stays;
use crate::schedule::Scheduling;
use crate::shadow::{Shadow, Spec, is_zeroing};
use crate::sharing::Sharing;
use crate::state::StateMachine;
use crate::times::Times;
use crate::user_page::UserPages;
use crate::violation::Violation;
use crate::{count, progress, warn};

/// Every oracle that exists. A copy of it belongs into each snapshot of the machine it watches.
#[derive(Debug, Clone)]
pub struct Oracles {
    shadow: Shadow,
    claims: Claims,
    stays: Stays,
    monotony: Monotony,
    ownership: Ownership,
    state: StateMachine,
    violations: Vec<Violation>,
    user_pages: UserPages,
    exchange: Exchange,
    aba: Aba,
    freed: Freed,
    sharing: Sharing,
    times: Times,
    scheduling: Scheduling,
    /// Values that readers emitted inside NMI handlers.
    pub sampled: u64,
    /// What there was to judge so far.
    pub armed: Armed,
}

impl Oracles {
    /// Oracles for the events of a scenario, by name.
    #[must_use]
    pub fn new(specs: BTreeMap<Arc<str>, Spec>) -> Self {
        Self {
            shadow: Shadow::new(specs),
            claims: Claims::default(),
            stays: Stays::default(),
            monotony: Monotony::default(),
            ownership: Ownership::default(),
            state: StateMachine::default(),
            violations: Vec::new(),
            user_pages: UserPages::default(),
            exchange: Exchange::default(),
            aba: Aba::default(),
            freed: Freed::default(),
            sharing: Sharing::default(),
            times: Times::default(),
            scheduling: Scheduling::default(),
            sampled: 0,
            armed: Armed::default(),
        }
    }

    /// For this scheduler, on a machine with so many general-purpose counters of so many bits on each
    /// CPU. Without it the oracles `sharing` and `schedule` know no rule.
    #[must_use]
    pub fn under(mut self, rows: &Rows, counters: usize, width: u8) -> Self {
        self.sharing = Sharing::under(rows);
        self.scheduling = Scheduling::with_counters(counters);
        self.claims = Claims::of_counters(width);
        self.aba = Aba::of_counters(width);
        self
    }

    /// With the instructions that read user pages.
    #[must_use]
    pub fn looking(mut self, looks: impl Iterator<Item = Look>) -> Self {
        self.user_pages = UserPages::new(looks);
        self
    }

    /// What has been found so far, in order.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether interrupted code of `cpu` holds back a part of a count right now. Which function an
    /// NMI interrupts matters only then.
    #[must_use]
    pub fn holds_back(&self, cpu: usize) -> bool {
        self.claims.open(cpu)
    }

    /// The events whose ideals move with what retires in the kernel of `cpu`.
    #[must_use]
    pub fn follow_kernel(&self, cpu: usize) -> Vec<ObjectId> {
        self.shadow.follow_kernel(cpu)
    }

    /// Whether what a reader may see of an event is one interval: nobody holds a part of a count
    /// back, and nobody is in the middle of a reset.
    #[must_use]
    pub fn one_interval(&self) -> bool {
        !(0..CPUS_MAX).any(|cpu| self.claims.open(cpu)) && !self.shadow.resetting()
    }

    /// Whether this CPU does not come to an end of what it does: an NMI handler, or a stay in the
    /// kernel. For runs that were stopped at a limit, not by their programs.
    #[must_use]
    pub fn hangs(&self, view: &View<'_>) -> bool {
        self.stays.unfinished(view).is_some()
    }

    /// The run was stopped at a limit: true if that is because of a CPU that hangs, which is then a
    /// violation.
    pub fn stopped_at_limit(&mut self, view: &View<'_>) -> bool {
        let found = self.stays.unfinished(view);
        let ended = found.is_none();
        self.violations.extend(found);
        !ended
    }

    /// This CPU has nothing more to do in the kernel.
    fn kernel_left(&mut self, view: &View<'_>) {
        let (shadow, found) = (&self.shadow, &mut self.violations);
        self.state.kernel_left(view, found);
        self.ownership.kernel_left(view, found);
        self.sharing.kernel_left(view, found);
        self.times.judge_shown(view, &self.user_pages, None, found);
        self.times.kernel_left(view, shadow, found);
        self.scheduling.kernel_left(view, shadow, found);
    }
}

impl Observer for Oracles {
    fn guest_event(&mut self, view: &View<'_>, event: GuestEvent, rip: u64) {
        match event {
            GuestEvent::Born(object) => {
                self.shadow.born(view, object);
                self.times.born(object);
            }
            GuestEvent::Died(object) => {
                self.times.died(view, object, &self.shadow);
                self.armed.deaths += 1;
                self.scheduling.died(view, &self.shadow);
                self.shadow.died(view, object);
            }
            GuestEvent::Value {
                object,
                value,
                reader,
            } => {
                self.armed.values += 1;
                if view.core.nmi.is_some() {
                    self.sampled += 1;
                }
                if reader == Reader::ReadGroup {
                    self.times.value(view, object, &self.shadow);
                }
                let mut place = rip;
                let mut allowed = self.shadow.allowed(view, object, reader);
                if reader == Reader::UserPage {
                    if self.user_pages.read_elsewhere(object) {
                        return;
                    }
                    allowed = self.user_pages.allowed(object);
                    place = self.user_pages.writer(object).unwrap_or(rip);
                }
                let wrong = allowed.and_then(|allowed| {
                    let lag = self.claims.lag(view, object);
                    count::judge(view, &allowed, lag, (object, value, reader), place)
                });
                let back = self
                    .monotony
                    .judge(view, object, value, reader, rip, wrong.is_some());
                self.violations.extend(wrong);
                self.violations.extend(back);
            }
            GuestEvent::Warn { text, len, place } => {
                let found = warn::violation(view, text, len, place);
                self.violations.push(found);
            }
        }
    }

    fn wrmsr(&mut self, view: &View<'_>, msr: u32, value: u64) {
        self.shadow.wrmsr(view, msr, value);
        let found = &mut self.violations;
        self.ownership.wrmsr(view, msr, value, found);
    }

    fn syscall(&mut self, view: &View<'_>) {
        self.stays.enter(view);
        self.shadow.syscall(view);
        self.times.syscall(view);
        if Shadow::is_reset(view) {
            self.monotony.reset();
        }
    }

    fn code(&mut self, view: &View<'_>) {
        self.user_pages.code(view, &self.shadow);
    }

    fn return_to_user(&mut self, view: &View<'_>) {
        self.stays.leave(view);
        if self.shadow.is_resetting(view) {
            self.monotony.reset();
        }
        self.shadow.return_to_user(view);
        self.kernel_left(view);
    }

    fn leave_user(&mut self, view: &View<'_>) {
        self.stays.enter(view);
        self.shadow.leave_user(view);
        self.times.enter_kernel(view);
    }

    fn halt(&mut self, view: &View<'_>) {
        self.stays.leave(view);
        self.kernel_left(view);
    }

    fn wake(&mut self, view: &View<'_>) {
        self.stays.enter(view);
        self.times.enter_kernel(view);
    }

    fn nmi_exit(&mut self, view: &View<'_>, frame: NmiFrame) {
        self.claims.nmi_exit(view);
        let found = &mut self.violations;
        self.times
            .judge_shown(view, &self.user_pages, Some(frame), found);
        self.violations.extend(progress::judge(view, frame));
    }

    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        self.stays.access(view, access);
        if access.kind == AccessKind::Write {
            match view.objects.field_name(access.offset) {
                "hw.prev_count" => self.armed.folds += 1,
                "state" => self.armed.transitions += 1,
                _ => {}
            }
        }
        if is_zeroing(view, access) {
            // What was read before is more than what is read from here on.
            self.monotony.reset();
        }
        self.claims.access(view, access);
        self.violations
            .extend(self.aba.access(view, access, &mut self.shadow));
        self.shadow.access(view, access);
        self.user_pages.access(view, access, &self.shadow);
        let (shadow, times) = (&mut self.shadow, &mut self.times);
        let exchanged = self.exchange.access(view, access, shadow, times);
        self.violations.extend(exchanged);
        self.violations.extend(self.times.access(view, access));
        self.scheduling.access(view, access);
        self.violations.extend(self.monotony.access(view, access));
        self.violations.extend(self.ownership.access(view, access));
        self.violations.extend(StateMachine::access(view, access));
        self.violations.extend(self.freed.access(view, access));
    }

    fn decided(&mut self, _view: &View<'_>, decision: Decision, outcome: Outcome) {
        self.shadow.decided(decision, outcome);
    }
}
