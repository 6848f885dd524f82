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

const LIST: &str = "v12 keeps a master's ACTIVE sharers in dup_active_list; remove_dup, pmu_add, \
                    pmu_del and userpage keep it together or not at all";
const PARTS: &str = "this row is a part of remove_dup = \"composed\"; a named version runs its own \
                     whole remove_dup";

/// The rules (the reference of the patch versions, "Coupling when mixing").
pub const COUPLINGS: &[Coupling] = &[
    Coupling {
        when: (Row::InitDupMaster, &["delta"]),
        needs: (
            Row::RemoveDup,
            &[
                "none",
                "delta",
                "v11",
                "v11r",
                "v12",
                "composed",
                "mutant-no-fold",
            ],
        ),
        text: "delta's init_dup_master reads the PMU itself; v10's remove_dup calls it on the new \
               master, which is not on the hardware at that moment",
    },
    Coupling {
        when: (Row::MasterCount, &["second-sharer"]),
        needs: (Row::InitDupMaster, &["none", "v10", "v11", "v11r", "v12"]),
        text: "delta's init_dup_master reads the PMU itself; with master_count = \"second-sharer\" \
               it is called on the new master, which is not on the hardware at that moment",
    },
    Coupling {
        when: (
            Row::RemoveDup,
            &["delta", "v11", "v11r", "v12", "mutant-no-fold"],
        ),
        needs: (Row::ReadDup, TOMBSTONE_AWARE),
        text: "remove_dup from delta on parks sharers on a tombstone while it moves them; an older \
               read_dup would dereference it",
    },
    Coupling {
        when: (Row::Flip, &["tombstone"]),
        needs: (Row::ReadDup, TOMBSTONE_AWARE),
        text: "this flip parks sharers on a tombstone while it moves them; a read_dup before \
               delta's would dereference it",
    },
    Coupling {
        when: (Row::SetupDup, &["v10", "v11", "v11r", "v12"]),
        needs: (Row::InitDupMaster, &["none", "v10", "v11", "v11r", "v12"]),
        text: "setup_dup reads the PMU before init_dup_master exactly if init_dup_master does not \
               read it itself; this setup_dup does",
    },
    Coupling {
        when: (Row::SetupDup, &["delta"]),
        needs: (Row::InitDupMaster, &["delta"]),
        text: "setup_dup reads the PMU before init_dup_master exactly if init_dup_master does not \
               read it itself; delta's setup_dup does not",
    },
    // Round in a circle: all four or none.
    Coupling {
        when: (Row::RemoveDup, &["v12"]),
        needs: (Row::PmuAdd, &["v12"]),
        text: LIST,
    },
    Coupling {
        when: (Row::PmuAdd, &["v12"]),
        needs: (Row::PmuDel, &["v12"]),
        text: LIST,
    },
    Coupling {
        when: (Row::PmuDel, &["v12"]),
        needs: (Row::Userpage, &["v12"]),
        text: LIST,
    },
    Coupling {
        when: (Row::Userpage, &["v12"]),
        needs: (Row::RemoveDup, &["v12"]),
        text: LIST,
    },
    Coupling {
        when: (Row::Flip, &["tombstone"]),
        needs: (Row::RemoveDup, &["composed"]),
        text: PARTS,
    },
    Coupling {
        when: (Row::MasterCount, &["second-sharer"]),
        needs: (Row::RemoveDup, &["composed"]),
        text: PARTS,
    },
    Coupling {
        when: (Row::StateBeforeEnable, &["true"]),
        needs: (Row::RemoveDup, &["composed"]),
        text: PARTS,
    },
    Coupling {
        when: (Row::DelOld, &["true"]),
        needs: (Row::RemoveDup, &["composed"]),
        text: PARTS,
    },
];

/// Versions of read_dup that know the tombstone.
const TOMBSTONE_AWARE: &[&str] = &[
    "delta",
    "v11",
    "v11r",
    "v12",
    "mutant-add-twice",
    "mutant-load-once",
    "mutant-unguarded",
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

    /// The list of sharers is kept by four functions together, parts belong to a composed
    /// remove_dup, and every version obeys all rules.
    #[test]
    fn rules_refuse_mixes_and_allow_versions() {
        let version = |name: &str| {
            let mut rows = Rows::default();
            for row in Row::ALL.iter().filter(|row| row.values()[0] == "none") {
                rows.0[*row as usize] = row.number(name);
            }
            rows
        };
        let obeys = |rows: &Rows| COUPLINGS.iter().all(|rule| rule.allows(rows));
        for name in ["none", "v10", "delta", "v11", "v11r", "v12"] {
            assert!(obeys(&version(name)), "{name}");
        }
        for row in [Row::RemoveDup, Row::PmuAdd, Row::PmuDel, Row::Userpage] {
            let mut mixed = version("v12");
            mixed.0[row as usize] = row.number("v11");
            assert!(!obeys(&mixed), "{} = v11", row.name());
            let mut mixed = version("v11");
            mixed.0[row as usize] = row.number("v12");
            assert!(!obeys(&mixed), "{} = v12", row.name());
        }
        for row in [
            Row::Flip,
            Row::MasterCount,
            Row::StateBeforeEnable,
            Row::DelOld,
        ] {
            let mut mixed = version("v11");
            mixed.0[row as usize] = 1;
            assert!(!obeys(&mixed), "{}", row.name());
            mixed.0[Row::RemoveDup as usize] = Row::RemoveDup.number("composed");
            assert!(obeys(&mixed), "{}", row.name());
        }
    }

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
