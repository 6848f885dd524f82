// SPDX-License-Identifier: GPL-2.0-only
//! From the parsed files to a [`Setup`].

use std::sync::Arc;

use abi::syscall::Attr;
use cpu::Features;
use image::Image;
use machine::Hardware;
use scenario::{NmiSource, PmuSpec, Scenario, Scheduler, Vendor};

use crate::assemble::{AssembleError, assemble, specs};
use crate::setup::Setup;
use crate::sweep::{Plan, Source};

/// Why files that parse cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The program cannot be made.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The machine's bank cannot exist.
    #[error("machine {name}: {error}")]
    Pmu {
        /// Name of the machine.
        name: String,
        /// What is wrong with its bank.
        error: pmu::ConfigError,
    },
    /// The guest kernel has no driver for the machine's counters.
    #[error(
        "the guest kernel cannot run on machine {name}: {reason}; its driver is Intel's, for version 2 and later"
    )]
    NoGuest {
        /// Name of the machine.
        name: String,
        /// What the driver misses.
        reason: String,
    },
}

/// A scenario under one scheduler, ready to run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What runs are a function of.
    pub setup: Setup,
    /// What to sweep, if the scenario says so: CPU, step, source and number of NMIs.
    sweep: Option<(usize, usize, Source, u32)>,
}

impl Prepared {
    /// The sweep that the scenario asks for, if it does, by so many workers.
    #[must_use]
    pub fn plan(&self, jobs: usize) -> Option<Plan> {
        let (cpu, step, source, nmis) = self.sweep?;
        Some(Plan {
            cpu,
            step,
            source,
            jobs,
            reduce: true,
            only_first: false,
            nmis,
        })
    }
}

/// Puts a scenario, its machine and a scheduler together.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare(
    scenario: &Scenario,
    machine: &scenario::Machine,
    scheduler: &Scheduler,
    image: Arc<Image>,
) -> Result<Prepared, PrepareError> {
    if let Some(reason) = machine.guest_refusal() {
        let name = machine.name.clone();
        return Err(PrepareError::NoGuest { name, reason });
    }
    let hardware = hardware(machine)?;
    let sweep = scenario.sweep.as_ref().and_then(|sweep| {
        let (cpu, step) = scenario.labelled(&sweep.step)?;
        Some((cpu, step, source(scenario, &sweep.source)?, sweep.nmis))
    });
    Ok(Prepared {
        setup: Setup {
            image,
            hardware,
            rows: scheduler.rows,
            programs: assemble(scenario)?,
            specs: specs(scenario),
        },
        sweep,
    })
}

/// The hardware that a machine file describes.
///
/// # Errors
/// Its bank cannot exist.
pub fn hardware(machine: &scenario::Machine) -> Result<Hardware, PrepareError> {
    let mut pmu = bank(machine.vendor, &machine.pmu);
    if machine.timing == scenario::Timing::Skylake {
        pmu.per_instruction = pmu::Rates::LAGGING;
    }
    pmu.validate().map_err(|error| PrepareError::Pmu {
        name: machine.name.clone(),
        error,
    })?;
    let timing = match machine.timing {
        scenario::Timing::Unit => machine::Timing::Unit,
        scenario::Timing::Skylake => machine::Timing::Skylake,
    };
    Ok(Hardware {
        pmu,
        features: features(machine),
        timing,
        skid: machine.skid,
        skid_max: machine.skid_max,
        max_samples_per_tick: machine.max_samples_per_tick,
    })
}

/// All features of the core but those that the file says are missing.
fn features(machine: &scenario::Machine) -> Features {
    let missing = machine.missing_features.iter();
    missing
        .filter_map(|name| Features::named(name))
        .fold(Features::ALL, Features::without)
}

fn bank(vendor: Vendor, spec: &PmuSpec) -> pmu::Config {
    let PmuSpec {
        version,
        gp_counters,
        gp_width,
        fixed_counters,
        fixed_width,
        fixed_bitmap,
        full_width_writes,
        any_thread_deprecated,
        missing_events,
        freeze_while_smm,
        tsx,
        slots_per_cycle,
        gp_ref_divider,
        core_extension,
        freeze_on_pmi,
    } = *spec;
    pmu::Config {
        vendor: match vendor {
            Vendor::Intel => pmu::Vendor::Intel,
            Vendor::Amd => pmu::Vendor::Amd,
        },
        version,
        gp_counters,
        gp_width,
        fixed_counters,
        fixed_width,
        fixed_bitmap,
        full_width_writes,
        any_thread_deprecated,
        unavailable_events: missing_events,
        freeze_while_smm,
        tsx,
        slots_per_cycle,
        gp_ref_divider,
        core_extension,
        freeze_on_pmi,
        per_instruction: pmu::Rates::UNIT,
    }
}

/// The code that an injector counts, or the other source that a file names.
pub(crate) fn source(scenario: &Scenario, source: &NmiSource) -> Option<Source> {
    let code = || -> Option<u64> {
        let attr: Attr = scenario.event(source.event()?)?.attr();
        Some(attr.config)
    };
    Some(match source {
        NmiSource::Pmi(_) => Source::Pmi(code()?),
        NmiSource::Late(_) => Source::Late(code()?),
        NmiSource::External(_) => Source::External,
        NmiSource::Preempt(cpu) => Source::Preempt(*cpu as usize),
        NmiSource::Tick => Source::Tick,
    })
}
