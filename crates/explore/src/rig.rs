// SPDX-License-Identifier: GPL-2.0-only
//! A machine that always comes back to where it started, and takes one program after another: the
//! guest's code stays decoded, which is most of what a short run costs.

use machine::{Machine, Ordinal, Schedule, SetupError, Snapshot, Until};

use crate::execute::{Run, to_end, watchers};
use crate::setup::Setup;

/// A machine with the programs of one [`Setup`], before it boots.
#[derive(Debug)]
pub struct Rig {
    setup: Setup,
    machine: Machine,
    /// `None` only while the machine is loaded.
    origin: Option<Snapshot>,
}

impl Rig {
    /// A new machine.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn new(setup: &Setup) -> Result<Self, SetupError> {
        let mut machine = setup.machine()?;
        let origin = Some(machine.snapshot());
        Ok(Self {
            setup: setup.clone(),
            machine,
            origin,
        })
    }

    /// Goes over to `setup`. If that is another guest, another scheduler, other hardware or another
    /// number of CPUs, the machine is a new one.
    ///
    /// # Errors
    /// It cannot be built, or a program does not fit.
    pub fn load(&mut self, setup: &Setup) -> Result<(), SetupError> {
        if !setup.same_ground(&self.setup) {
            *self = Self::new(setup)?;
            return Ok(());
        }
        if let Some(origin) = self.origin.take() {
            self.machine.restore(&origin);
            self.machine.release(origin);
        }
        let loaded = self.machine.reload(setup.programs.clone());
        if loaded.is_ok() {
            setup.watch(&mut self.machine);
            self.setup = setup.clone();
        }
        self.origin = Some(self.machine.snapshot());
        loaded
    }

    /// What it runs.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The machine as it is before it boots; whatever is done with it, it comes back.
    pub fn reset(&mut self) -> &mut Machine {
        if let Some(origin) = &self.origin {
            self.machine.restore(origin);
        }
        &mut self.machine
    }

    /// The machine where it was left.
    pub(crate) fn as_it_stands(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The machine where boundary `at` of `cpu` is next, under `schedule`.
    pub(crate) fn stand(
        &mut self,
        mut schedule: Schedule,
        (cpu, at): (usize, Ordinal),
    ) -> &mut Machine {
        let machine = self.reset();
        machine.run(&mut schedule, &mut (), Until::Boundary(cpu, at));
        machine
    }

    /// Runs from reset to the end, with every oracle on.
    pub fn run(&mut self, mut schedule: Schedule) -> Run {
        let mut watchers = watchers(&self.setup);
        let machine = self.reset();
        let end = to_end(machine, &mut schedule, &mut watchers);
        Run::of(machine, end, watchers)
    }
}
