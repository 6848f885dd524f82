// SPDX-License-Identifier: GPL-2.0-only
//! Machine files: what the simulated processor is. The counter bank's part stands in
//! [`crate::bank`].

use crate::{
    Diagnostics, PmuSpec, Source,
    bank::pmu,
    walk::{Cx, Table},
};

/// Whose PMU it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// Intel architectural performance monitoring.
    Intel,
    /// AMD core performance counters.
    Amd,
}

/// What a retired instruction costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// One cycle each.
    Unit,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name; also that of its file.
    pub name: String,
    /// Whose PMU.
    pub vendor: Vendor,
    /// The timing model.
    pub timing: Timing,
    /// Boundaries from an overflow that nobody injected to its PMI; 0: the next boundary.
    pub skid: u32,
    /// Instructions that a late PMI may land behind its overflow.
    pub skid_max: u32,
    /// Samples of one event per tick before it is throttled.
    pub max_samples_per_tick: u64,
    /// The counter bank.
    pub pmu: PmuSpec,
}

impl Machine {
    /// Why the guest kernel cannot run on this machine, if it cannot: its driver is the kernel's
    /// for Intel's architectural performance monitoring, which relies on the global registers.
    #[must_use]
    pub fn guest_refusal(&self) -> Option<String> {
        match (self.vendor, self.pmu.version) {
            (Vendor::Amd, _) => Some("its counters are AMD's".to_owned()),
            (Vendor::Intel, 0) => Some("it has no counters".to_owned()),
            (Vendor::Intel, 1) => {
                Some("version 1 has neither GLOBAL_CTRL nor GLOBAL_STATUS".to_owned())
            }
            (Vendor::Intel, _) => None,
        }
    }
}

pub(crate) const TOP: &[&str] = &[
    "format",
    "name",
    "vendor",
    "timing",
    "skid",
    "skid_max",
    "max_samples_per_tick",
    "pmu",
];
const REQUIRED: &[&str] = &[
    "name",
    "vendor",
    "timing",
    "skid_max",
    "max_samples_per_tick",
    "pmu",
];
pub(crate) const VENDORS: &[&str] = &["intel", "amd"];
pub(crate) const TIMINGS: &[&str] = &["unit"];

/// Reads a machine file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_machine(source: &Source) -> Result<Machine, Diagnostics> {
    let cx = Cx::new(source, TOP);
    let machine = cx
        .document(&source.text)
        .and_then(|document| read(&Table::top(&cx, &document, "the machine file")));
    cx.finish(machine)
}

fn read(top: &Table<'_>) -> Option<Machine> {
    let cx = top.cx;
    if !cx.format(top) {
        return None;
    }
    let vendor = top
        .get("vendor")
        .and_then(|v| cx.word(v, "vendor", VENDORS))
        .map(|at| [Vendor::Intel, Vendor::Amd][at]);
    // With a vendor that is wrong, the bank is judged as the more common one.
    let pmu = top
        .get("pmu")
        .map(|value| pmu(top, value, vendor.unwrap_or(Vendor::Intel)));
    cx.missing_at_top(top, REQUIRED);
    let name = top
        .string("name")
        .filter(|name| cx.file_name(name, "a machine"));
    let timing = top
        .get("timing")
        .and_then(|v| cx.word(v, "timing", TIMINGS));
    let skid = top.number("skid", (0, 10_000), 0);
    let skid_max = top.number("skid_max", (0, 10_000), 0);
    let samples = top.number("max_samples_per_tick", (1, u64::MAX), 1);
    timing?;
    Some(Machine {
        name: name?.into_inner(),
        vendor: vendor?,
        timing: Timing::Unit,
        skid: u32::try_from(skid?).ok()?,
        skid_max: u32::try_from(skid_max?).ok()?,
        max_samples_per_tick: samples?,
        pmu: pmu??,
    })
}
