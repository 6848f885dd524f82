// SPDX-License-Identifier: GPL-2.0-only
//! What made the difference (contract, section 8): the oracle, the row, and the last write before
//! and the first write after the decisive boundary among the fields the reader touched.

use std::collections::BTreeSet;
use std::fmt;

use abi::rows::Row;
use image::Image;
use machine::{AccessKind, ObjectAccess, ObjectId, Objects, Ordinal, View};

use crate::violation::Oracle;

/// A write of interrupted code, named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedWrite {
    /// Function without its version suffix: `init_dup_master`.
    pub row: String,
    /// Object and field: `A.master_count`.
    pub field: String,
    /// Boundary before the instruction.
    pub ordinal: Ordinal,
    /// Address of the instruction.
    pub rip: u64,
}

impl fmt::Display for NamedWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: write {}", self.row, self.field)
    }
}

/// Why a run with an NMI differs from the one without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// By whose rule.
    pub oracle: Oracle,
    /// The event that the violation is about.
    pub event: String,
    /// The row that the boundary lies in ([`row_on_stack`]).
    pub row: String,
    /// Last write before the boundary.
    pub after: Option<NamedWrite>,
    /// First write after it.
    pub before: Option<NamedWrite>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |write: &Option<NamedWrite>| {
            write
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        write!(
            f,
            "{} of {} in {}: between {} and {}",
            self.oracle,
            self.event,
            self.row,
            name(&self.after),
            name(&self.before)
        )
    }
}

/// The last write before boundary `at` and the first one after it, among `fields`, in the accesses
/// of the run without NMI. The instruction at `at` itself comes after.
#[must_use]
pub fn window(
    base: &[ObjectAccess],
    fields: &BTreeSet<(ObjectId, u64)>,
    objects: &Objects,
    image: &Image,
    at: Ordinal,
) -> (Option<NamedWrite>, Option<NamedWrite>) {
    let relevant =
        |a: &&ObjectAccess| a.kind == AccessKind::Write && fields.contains(&(a.object, a.offset));
    let split = base.partition_point(|a| a.ordinal < at);
    let named = |a: &ObjectAccess| NamedWrite {
        row: row_of(image, a.rip),
        field: format!(
            "{}.{}",
            objects.get(a.object).name,
            objects.field_name(a.offset)
        ),
        ordinal: a.ordinal,
        rip: a.rip,
    };
    (
        base[..split].iter().rev().find(relevant).map(named),
        base[split..].iter().find(relevant).map(named),
    )
}

/// Function at `rip` without the suffix that names its version: `remove_dup_v10` is `remove_dup`.
#[must_use]
pub fn row_of(image: &Image, rip: u64) -> String {
    let name = image
        .function_at(rip)
        .map_or("?", |symbol| symbol.name.as_str());
    strip_version(name).to_owned()
}

/// The scheduler row nearest to `rip` on the call stack, without its version; the function at `rip`
/// when no row is on the stack. `rip` is where the core stands or has just been.
#[must_use]
pub fn row_on_stack(view: &View<'_>, rip: u64) -> String {
    // The function that picks the version has the row's name behind the kernel's prefix.
    let plain = |name: String| {
        name.strip_prefix("perf_event_")
            .map_or(name.clone(), str::to_owned)
    };
    let is_row = |name: &String| Row::ALL.iter().any(|row| row.name() == name);
    std::iter::once(rip)
        .chain(view.return_addresses())
        .map(|addr| plain(row_of(view.image, addr)))
        .find(is_row)
        .unwrap_or_else(|| row_of(view.image, rip))
}

/// A function's name without its version suffix: `read_dup_v10`, `read_dup_mutant_add_twice`.
#[must_use]
pub fn strip_version(name: &str) -> &str {
    for mark in ["_mutant_", "_variant_"] {
        if let Some((row, _)) = name.split_once(mark) {
            return row;
        }
    }
    [
        "_none",
        "_v10",
        "_delta",
        "_v11r",
        "_v11",
        "_v12",
        "_retry",
        "_composed",
    ]
    .iter()
    .find_map(|suffix| name.strip_suffix(suffix))
    .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::strip_version;

    #[test]
    fn a_version_suffix_is_no_part_of_the_row() {
        assert_eq!(strip_version("remove_dup_v10"), "remove_dup");
        assert_eq!(strip_version("read_dup_delta"), "read_dup");
        assert_eq!(strip_version("pmu_del_mutant_claim_only"), "pmu_del");
        assert_eq!(strip_version("event_sched_in"), "event_sched_in");
    }
}
