// SPDX-License-Identifier: GPL-2.0-only
//! Machine files: what the simulated processor is. The counter bank's part stands in
//! [`crate::bank`].

use crate::{
    Code, Diagnostics, PmuSpec, Source,
    bank::pmu,
    memory,
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
    /// What an out-of-order model of a Skylake core says.
    Skylake,
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
    /// Instruction sets of the core that this processor lacks, by name (see [`FEATURES`]).
    pub missing_features: Vec<&'static str>,
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
    "memory",
    "skid",
    "skid_max",
    "max_samples_per_tick",
    "missing_features",
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
/// Instruction sets that a processor may lack (`missing_features`). Those of the core in `cpu`, by
/// the same names; a test holds the two lists together.
pub const FEATURES: &[&str] = &[
    "sse", "sse2", "cx16", "clflush", "popcnt", "lzcnt", "bmi1", "bmi2", "adx", "movbe", "crc32",
    "fsgsbase", "rdtscp", "rdpid", "clac",
];
pub(crate) const TIMINGS: &[&str] = &["unit", "skylake"];

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
        .and_then(|v| cx.word(v, "timing", TIMINGS))
        .map(|at| [Timing::Unit, Timing::Skylake][at]);
    let memory = memory::check(top);
    let skid = top.number("skid", (0, 10_000), 0);
    let skid_max = top.number("skid_max", (0, 10_000), 0);
    let samples = top.number("max_samples_per_tick", (1, u64::MAX), 1);
    let missing_features = missing_features(top);
    memory?;
    Some(Machine {
        name: name?.into_inner(),
        vendor: vendor?,
        timing: timing?,
        skid: u32::try_from(skid?).ok()?,
        skid_max: u32::try_from(skid_max?).ok()?,
        max_samples_per_tick: samples?,
        missing_features: missing_features?,
        pmu: pmu??,
    })
}

fn missing_features(top: &Table<'_>) -> Option<Vec<&'static str>> {
    let cx = top.cx;
    let Some(value) = top.get("missing_features") else {
        return Some(Vec::new());
    };
    let mut missing = Vec::new();
    let mut good = true;
    for word in cx.strings(value, "`missing_features`")? {
        match FEATURES.iter().find(|name| *name == word.get_ref()) {
            Some(name) => missing.push(*name),
            None => {
                cx.unknown_word(word.span(), "feature", word.get_ref(), FEATURES);
                good = false;
            }
        }
    }
    if missing.contains(&"sse") && !missing.contains(&"sse2") {
        cx.error(
            Code::Bank,
            value.span(),
            "a processor without `sse` has no `sse2` either",
            "`sse2` is not in the list",
            "add `sse2`",
        );
        good = false;
    }
    missing.sort_unstable();
    missing.dedup();
    good.then_some(missing)
}
