// SPDX-License-Identifier: GPL-2.0-only
//! Which rows may not be mixed. Everything else mixes freely.

use abi::rows::{Row, Rows};

/// If `when` has one of its values, `needs` must have one of its own.
#[derive(Debug, Clone, Copy)]
pub struct Coupling {
    /// The row that asks.
    pub when: (Row, &'static [&'static str]),
    /// What it asks of another row.
    pub needs: (Row, &'static [&'static str]),
    /// The reason: shown when a mix is refused.
    pub text: &'static str,
}

/// The rules (the reference of the patch versions, "Coupling when mixing").
pub const COUPLINGS: &[Coupling] = &[
    Coupling {
        when: (Row::InitDupMaster, &["delta"]),
        needs: (Row::RemoveDup, &["none", "delta", "mutant-no-fold"]),
        text: "init_dup_master from delta on reads the PMU itself; v10's remove_dup calls it on the \
               new master, which is not on the hardware at that moment",
    },
    Coupling {
        when: (Row::RemoveDup, &["delta", "mutant-no-fold"]),
        needs: (
            Row::ReadDup,
            &["delta", "mutant-add-twice", "mutant-load-once"],
        ),
        text: "remove_dup from delta on parks sharers on a tombstone while it moves them; an older \
               read_dup would dereference it",
    },
    Coupling {
        when: (Row::SetupDup, &["v10"]),
        needs: (Row::InitDupMaster, &["none", "v10"]),
        text: "setup_dup reads the PMU before init_dup_master exactly if init_dup_master does not \
               read it itself; v10's setup_dup does",
    },
    Coupling {
        when: (Row::SetupDup, &["delta"]),
        needs: (Row::InitDupMaster, &["delta"]),
        text: "setup_dup reads the PMU before init_dup_master exactly if init_dup_master does not \
               read it itself; delta's setup_dup does not",
    },
];

impl Coupling {
    /// Does this mix obey the rule?
    #[must_use]
    pub fn allows(&self, rows: &Rows) -> bool {
        let (when, values) = self.when;
        let (needs, wanted) = self.needs;
        !values.contains(&value(rows, when)) || wanted.contains(&value(rows, needs))
    }
}

/// The name of the value that `rows` has for `row`.
pub(crate) fn value(rows: &Rows, row: Row) -> &'static str {
    row.values()
        .get(usize::from(rows.get(row)))
        .copied()
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule that names a value which the image does not offer could never fire or never be
    /// obeyed.
    #[test]
    fn rules_name_values_that_exist() {
        for rule in COUPLINGS {
            for (row, values) in [rule.when, rule.needs] {
                for value in values {
                    assert!(row.values().contains(value), "{} = {value}", row.name());
                }
            }
        }
    }
}
