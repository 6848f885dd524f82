// SPDX-License-Identifier: GPL-2.0-only
//! Machine files: what the simulated processor is.

use crate::{
    Diagnostics, Source,
    walk::{Cx, Table},
};

/// Whose PMU it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// Intel architectural performance monitoring.
    Intel,
}

/// What a retired instruction costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// One cycle each.
    Unit,
}

/// The counter bank (SDM vol. 3B, chapter 20; CPUID leaf 0AH).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PmuSpec {
    /// Architectural version, 2 to 5.
    pub version: u8,
    /// General-purpose counters.
    pub gp_counters: u8,
    /// Their width in bits.
    pub gp_width: u8,
    /// Fixed-function counters.
    pub fixed_counters: u8,
    /// Their width in bits.
    pub fixed_width: u8,
    /// `IA32_PERF_CAPABILITIES.FW_WRITE`: the IA32_A_PMCx addresses write the whole width.
    pub full_width_writes: bool,
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
    /// Instructions that a late PMI may land behind its overflow.
    pub skid_max: u32,
    /// Samples of one event per tick before it is throttled.
    pub max_samples_per_tick: u64,
    /// The counter bank.
    pub pmu: PmuSpec,
}

pub(crate) const TOP: &[&str] = &[
    "format",
    "name",
    "vendor",
    "timing",
    "skid_max",
    "max_samples_per_tick",
    "pmu",
];
pub(crate) const PMU: &[&str] = &[
    "version",
    "gp_counters",
    "gp_width",
    "fixed_counters",
    "fixed_width",
    "full_width_writes",
];
pub(crate) const VENDORS: &[&str] = &["intel"];
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
    let pmu = top.get("pmu").map(|value| pmu(top, value));
    cx.missing_at_top(top, &TOP[1..]);
    let name = top
        .string("name")
        .filter(|name| cx.file_name(name, "a machine"));
    let vendor = top
        .get("vendor")
        .and_then(|v| cx.word(v, "vendor", VENDORS));
    let timing = top
        .get("timing")
        .and_then(|v| cx.word(v, "timing", TIMINGS));
    let skid_max = top.number("skid_max", (0, 10_000), 0);
    let samples = top.number("max_samples_per_tick", (1, u64::MAX), 1);
    vendor?;
    timing?;
    Some(Machine {
        name: name?.into_inner(),
        vendor: Vendor::Intel,
        timing: Timing::Unit,
        skid_max: u32::try_from(skid_max?).ok()?,
        max_samples_per_tick: samples?,
        pmu: pmu??,
    })
}

fn pmu<'a>(top: &Table<'a>, value: crate::walk::Value<'a>) -> Option<PmuSpec> {
    let table = Table::new(top.cx, value, "`[pmu]`", PMU)?;
    let small = |key, low, high| -> Option<u8> {
        let number = table.require_number(key, (low, high));
        number.and_then(|n| u8::try_from(n).ok())
    };
    // Version 1 has no global control, which the driver port relies on.
    let version = small("version", 2, 5);
    // The select MSRs leave room for 8; fixed counters are named in CPUID as 0 to 4 at most here.
    let gp_counters = small("gp_counters", 1, 8);
    let gp_width = small("gp_width", 32, 64);
    let fixed_counters = small("fixed_counters", 0, 4);
    let fixed_width = small("fixed_width", 32, 64);
    let full = table.require("full_width_writes");
    let full = full.and_then(|v| top.cx.boolean(v, "`full_width_writes`"));
    Some(PmuSpec {
        version: version?,
        gp_counters: gp_counters?,
        gp_width: gp_width?,
        fixed_counters: fixed_counters?,
        fixed_width: fixed_width?,
        full_width_writes: full?,
    })
}
