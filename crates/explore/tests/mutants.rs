// SPDX-License-Identifier: GPL-2.0-only
//! No mutant lives: every wrong scheduler is expected to be caught by some scenario, and every
//! oracle catches one. That the expectations hold is the business of `shipped.rs`.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use check::Oracle;
use common::{Shipped, scenario_files};

/// Names of all mutants: `mutants/x`.
fn mutants() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sim-configs/schedulers/mutants");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            format!("mutants/{}", path.file_stem().unwrap().to_str().unwrap())
        })
        .collect()
}

/// By mutant: the oracles that some scenario expects of it beyond what it expects of every version
/// named there that is not a mutant.
fn caught() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut caught: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
        let oracles = |name: &str| -> BTreeSet<&'static str> {
            let expect = &shipped.scenario.expect[name];
            let causes = expect.baseline.iter().chain(&expect.violates);
            causes.map(|cause| cause.oracle.name()).collect()
        };
        let (wrong, sound): (Vec<&String>, Vec<&String>) = shipped
            .scenario
            .expect
            .keys()
            .partition(|name| name.starts_with("mutants/"));
        let known: BTreeSet<&'static str> = sound.iter().flat_map(|name| oracles(name)).collect();
        for name in wrong {
            let own = oracles(name)
                .difference(&known)
                .copied()
                .collect::<Vec<_>>();
            caught.entry(name.clone()).or_default().extend(own);
        }
    }
    caught
}

#[test]
fn no_mutant_lives() {
    let caught = caught();
    let mutants = mutants();
    assert!(!mutants.is_empty());
    for mutant in &mutants {
        assert!(
            caught.get(mutant).is_some_and(|oracles| oracles.len() == 1),
            "{mutant} is to be caught by one oracle, and is by {:?}",
            caught.get(mutant)
        );
    }
    for name in caught.keys() {
        assert!(mutants.contains(name), "{name} has no file");
    }
}

#[test]
fn every_oracle_has_a_mutant() {
    let caught = caught();
    for oracle in Oracle::ALL {
        assert!(
            caught
                .values()
                .any(|oracles| oracles.contains(oracle.name())),
            "no mutant shows that oracle {oracle} sees"
        );
    }
}
