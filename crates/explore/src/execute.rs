// SPDX-License-Identifier: GPL-2.0-only
//! One run from reset to the end, with every oracle on.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use check::access_log::AccessLog;
use check::{Armed, Oracles, Violation};
use image::Image;
use machine::{
    Core, Decision, Digest, End, Machine, ObjectAccess, ObjectId, Objects, Observer, Outcome,
    Schedule, SetupError, Until, View,
};

use crate::setup::{PATIENCE, RUN_LIMIT, Setup};

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Run {
    /// The guest.
    pub image: Arc<Image>,
    /// How it ended.
    pub end: End,
    /// An NMI handler did not end: it stands among the violations.
    pub hangs: bool,
    /// What the oracles found, in order.
    pub violations: Vec<Violation>,
    /// What became of each decision.
    pub outcomes: Vec<(Decision, Outcome)>,
    /// Values emitted by readers inside NMI handlers.
    pub sampled: u64,
    /// What the oracles had to judge.
    pub armed: Armed,
    /// Accesses to named objects.
    pub log: AccessLog,
    /// The fields that those touched who came in between by a decision.
    pub touched: Touched,
    /// The objects at the end.
    pub objects: Objects,
}

/// A run, with the machine at its end.
#[derive(Debug)]
pub struct Execution {
    /// What it showed.
    pub run: Run,
    /// Digest of the state at the end.
    pub digest: Digest,
    /// The machine at the end.
    pub machine: Machine,
}

impl Deref for Execution {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// Everyone who watches a run that is judged.
pub(crate) type Watchers = (Oracles, (AccessLog, (Outcomes, Touched)));

/// Those of a run of `setup` that has not begun.
pub(crate) fn watchers(setup: &Setup) -> Watchers {
    (setup.oracles(), Default::default())
}

impl Run {
    /// What `watchers` saw in a run of `machine` that has ended like this.
    pub(crate) fn of(machine: &Machine, end: End, watchers: Watchers) -> Self {
        let (mut oracles, (log, (outcomes, touched))) = watchers;
        let hangs = matches!(end, End::Limit) && hangs(machine, &mut oracles);
        Self {
            image: machine.image_shared(),
            end,
            hangs,
            violations: oracles.violations().to_vec(),
            outcomes: outcomes.0,
            sampled: oracles.sampled,
            armed: oracles.armed,
            log,
            touched,
            objects: machine.objects().clone(),
        }
    }

    /// Whether anyone who came in between looked at the events: a reader inside an NMI handler, or
    /// another CPU after a preemption, or a tick. A run without that proves nothing.
    #[must_use]
    pub fn looked(&self) -> bool {
        self.sampled > 0 || self.touched.by_others
    }
}

/// Remembers what became of decisions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes(pub(crate) Vec<(Decision, Outcome)>);

impl Observer for Outcomes {
    fn decided(&mut self, _view: &View<'_>, decision: Decision, outcome: Outcome) {
        self.0.push((decision, outcome));
    }
}

/// The fields that those touch who come in between: NMI handlers, the other CPUs from a preemption
/// on until the preempted CPU does something again, and interrupt handlers after a tick. Of several
/// decisions it is the last one that the fields are about.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    /// Object and offset.
    pub fields: BTreeSet<(ObjectId, u64)>,
    /// Another CPU did, after a preemption, or an interrupt handler, after a tick.
    pub by_others: bool,
    preempted: Option<usize>,
    ticked: bool,
}

impl Observer for Touched {
    fn decided(&mut self, view: &View<'_>, decision: Decision, outcome: Outcome) {
        self.fields.clear();
        if matches!(decision, Decision::Preempt { .. }) && outcome == Outcome::Delivered {
            self.preempted = Some(view.cpu);
        }
        self.ticked |= decision == Decision::Tick;
    }

    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        match self.preempted {
            Some(cpu) if cpu == view.cpu => self.preempted = None,
            Some(_) => {
                self.fields.insert((access.object, access.offset));
                self.by_others = true;
            }
            None => {}
        }
        if self.ticked && view.core.interrupt.is_some() {
            self.fields.insert((access.object, access.offset));
            self.by_others = true;
        }
        if view.core.nmi.is_some() {
            self.fields.insert((access.object, access.offset));
        }
    }
}

/// Runs `setup` under `schedule`, on a machine of its own.
///
/// # Errors
/// The machine cannot be built.
pub fn execute(setup: &Setup, mut schedule: Schedule) -> Result<Execution, SetupError> {
    let mut machine = setup.machine()?;
    let mut watchers = watchers(setup);
    let end = to_end(&mut machine, &mut schedule, &mut watchers);
    Ok(Execution {
        run: Run::of(&machine, end, watchers),
        digest: machine.digest(),
        machine,
    })
}

/// Runs from reset to the end, or until it is clear that there will be none.
pub(crate) fn to_end(
    machine: &mut Machine,
    schedule: &mut Schedule,
    watchers: &mut Watchers,
) -> End {
    let end = machine.run(schedule, watchers, Until::End { limit: PATIENCE });
    let mut cpus = 0..machine.cores().len();
    if !matches!(end, End::Limit) || cpus.any(|cpu| watchers.0.hangs(&machine.view(cpu))) {
        return end;
    }
    let limit = RUN_LIMIT;
    machine.run(schedule, watchers, Until::End { limit })
}

/// The run of `machine` came to its limit: true if that is because a CPU hangs, in an NMI handler or
/// elsewhere in the kernel, which is then a violation.
pub(crate) fn hangs(machine: &Machine, oracles: &mut Oracles) -> bool {
    (0..machine.cores().len()).any(|cpu| oracles.stopped_at_limit(&machine.view(cpu)))
}

/// A program has ended as a call of it was refused, or waits for ever for one that has, while there
/// are others: one of them may have closed what it was about to use, or not opened it yet. Which
/// comes first is the decisions' doing, and nothing that the kernel does wrong.
pub(crate) fn outrun(machine: &Machine, end: &End) -> bool {
    machine.cores().len() > 1 && (matches!(end, End::Exited(_)) || stranded(machine))
}

/// A program waits for ever for one that was refused a call and has ended: nobody is in the kernel.
fn stranded(machine: &Machine) -> bool {
    let refused = |core: &Core| core.exited.is_some_and(|status| status != 0);
    let waits = |core: &Core| core.exited.is_some() || core.cpu.cpl() == 3;
    machine.cores().iter().any(refused) && machine.cores().iter().all(waits)
}
