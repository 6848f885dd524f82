// SPDX-License-Identifier: GPL-2.0-only
//! All oracles side by side, as one observer.

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::{Decision, GuestEvent, NmiFrame, ObjectAccess, Observer, Outcome, View};

use crate::claims::Claims;
use crate::monotony::Monotony;
use crate::ownership::Ownership;
use crate::shadow::{Shadow, Spec};
use crate::state::StateMachine;
use crate::violation::Violation;
use crate::{count, freed, progress, warn};

/// Every oracle that exists. A copy of it belongs into each snapshot of the machine it watches.
#[derive(Debug, Clone)]
pub struct Oracles {
    shadow: Shadow,
    claims: Claims,
    monotony: Monotony,
    ownership: Ownership,
    state: StateMachine,
    violations: Vec<Violation>,
    /// Instructions that read a user page: address and event.
    looks: Arc<BTreeMap<u64, Arc<str>>>,
    /// Values that readers emitted inside NMI handlers.
    pub sampled: u64,
}

impl Oracles {
    /// Oracles for the events of a scenario, by name.
    #[must_use]
    pub fn new(specs: BTreeMap<Arc<str>, Spec>) -> Self {
        Self {
            shadow: Shadow::new(specs),
            claims: Claims::default(),
            monotony: Monotony::default(),
            ownership: Ownership::default(),
            state: StateMachine::default(),
            violations: Vec::new(),
            looks: Arc::default(),
            sampled: 0,
        }
    }

    /// With the instructions that read user pages, by address, with the name of the event.
    #[must_use]
    pub fn looking(mut self, looks: BTreeMap<u64, Arc<str>>) -> Self {
        self.looks = Arc::new(looks);
        self
    }

    /// What has been found so far, in order.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl Observer for Oracles {
    fn guest_event(&mut self, view: &View<'_>, event: GuestEvent, rip: u64) {
        match event {
            GuestEvent::Born(object) => self.shadow.born(view, object),
            GuestEvent::Died(object) => self.shadow.died(view, object),
            GuestEvent::Value {
                object,
                value,
                reader,
            } => {
                if view.core.nmi.is_some() {
                    self.sampled += 1;
                }
                let wrong =
                    count::judge(view, &self.shadow, &self.claims, object, value, reader, rip);
                let back = self
                    .monotony
                    .judge(view, object, value, reader, rip, wrong.is_some());
                self.violations.extend(wrong);
                self.violations.extend(back);
            }
            GuestEvent::Warn { text, len } => {
                self.violations.push(warn::violation(view, text, len, rip));
            }
        }
    }

    fn wrmsr(&mut self, view: &View<'_>, msr: u32, value: u64) {
        self.shadow.wrmsr(view, msr, value);
    }

    fn syscall(&mut self, view: &View<'_>) {
        self.shadow.syscall(view);
        if Shadow::is_reset(view) {
            self.monotony.reset();
        }
    }

    fn code(&mut self, view: &View<'_>) {
        if let Some(name) = self.looks.get(&view.core.cpu.rip) {
            self.shadow.user_look(view, name);
        }
    }

    fn return_to_user(&mut self, view: &View<'_>) {
        if self.shadow.is_resetting(view) {
            self.monotony.reset();
        }
        self.shadow.return_to_user(view);
        self.state.return_to_user(view, &mut self.violations);
        self.ownership.return_to_user(view, &mut self.violations);
    }

    fn leave_user(&mut self, view: &View<'_>) {
        self.shadow.leave_user(view);
    }

    fn nmi_exit(&mut self, view: &View<'_>, frame: NmiFrame) {
        self.claims.nmi_exit(view);
        self.violations.extend(progress::judge(view, frame));
    }

    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        self.claims.access(view, access);
        self.shadow.access(view, access);
        self.violations.extend(self.monotony.access(view, access));
        self.violations.extend(self.ownership.access(view, access));
        self.violations.extend(StateMachine::access(view, access));
        self.violations.extend(freed::judge(view, access));
    }

    fn decided(&mut self, _view: &View<'_>, decision: Decision, outcome: Outcome) {
        self.shadow.decided(decision, outcome);
    }
}
