// SPDX-License-Identifier: GPL-2.0-only
//! Everything a run is a function of, decisions aside: one value from which any number of equal
//! machines can be made.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::rows::Rows;
use check::Oracles;
use check::shadow::Spec;
use image::Image;
use machine::{Hardware, Machine, Program, SetupError};

/// Boundaries that one run may take: far beyond any scenario, so that a guest that spins ends.
pub const RUN_LIMIT: u64 = 50_000_000;

/// Boundaries after which a run is asked whether a CPU hangs: those that do end there.
pub(crate) const PATIENCE: u64 = 1_000_000;

/// General-purpose counters that the guest's driver uses at most.
const GUEST_COUNTERS_MAX: u8 = 8;

/// Image, hardware, scheduler and programs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The guest.
    pub image: Arc<Image>,
    /// The machine.
    pub hardware: Hardware,
    /// The scheduler.
    pub rows: Rows,
    /// User programs, by CPU.
    pub programs: Vec<Program>,
    /// The events, by name.
    pub specs: BTreeMap<Arc<str>, Spec>,
}

impl Setup {
    /// A machine about to boot, with its objects watched.
    ///
    /// # Errors
    /// The image or a program does not fit.
    pub fn machine(&self) -> Result<Machine, SetupError> {
        let mut machine = Machine::boot(
            Arc::clone(&self.image),
            &self.hardware,
            self.rows,
            self.programs.clone(),
        )?;
        self.watch(&mut machine);
        Ok(machine)
    }

    /// Has `machine` tell of objects and of user pages that are read.
    pub(crate) fn watch(&self, machine: &mut Machine) {
        machine.watch_objects();
        for look in self.programs.iter().flat_map(|program| &program.looks) {
            machine.watch_code(look.rip);
        }
    }

    /// Whether both run the same guest under the same scheduler on the same hardware.
    pub(crate) fn same_ground(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.image, &other.image)
            && self.hardware == other.hardware
            && self.rows == other.rows
            && self.programs.len() == other.programs.len()
    }

    /// Oracles for its events.
    #[must_use]
    pub fn oracles(&self) -> Oracles {
        let looks = self.programs.iter().flat_map(|program| &program.looks);
        let pmu = &self.hardware.pmu;
        let counters = usize::from(pmu.gp_counters.min(GUEST_COUNTERS_MAX));
        Oracles::new(self.specs.clone())
            .under(&self.rows, counters, pmu.gp_width)
            .looking(looks.cloned())
    }
}
