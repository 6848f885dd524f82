// SPDX-License-Identifier: GPL-2.0-only
//! No mutant lives: every wrong scheduler is expected to be caught by some scenario, and every
//! oracle catches one. A mutant named after a claim (`mutants/p15-...`) breaks what the claim
//! demands: a scenario of the claim shows that, and not of the version that the mutant is made from.
//! That the expectations hold is the business of `shipped.rs`.

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

/// The claim that a wrong scheduler is named after: `mutants/p15-no-tombstone` is of P15.
fn claim_of(name: &str) -> Option<&'static str> {
    let (_, file) = name.split_once('/')?;
    let (word, _) = file.split_once('-')?;
    scenario::claim_of(&word.to_uppercase()).map(|claim| claim.id)
}

/// What the file of a scheduler gives as its base.
fn base_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../sim-configs/schedulers")
        .join(format!("{name}.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("base = "))
        .unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn every_mutant_of_a_claim_breaks_it() {
    let mut named: BTreeSet<String> = mutants()
        .into_iter()
        .filter(|mutant| claim_of(mutant).is_some())
        .collect();
    named.insert("variants/p24-sunk-store".to_owned());
    named.insert("variants/p25-loads-swapped".to_owned());
    let mut broken = BTreeSet::new();
    for path in scenario_files() {
        let shipped = Shipped::load(&path);
        let Some(claim) = shipped.scenario.claim.as_deref() else {
            continue;
        };
        for name in named.iter().filter(|name| claim_of(name) == Some(claim)) {
            let expect = &shipped.scenario.expect;
            let shown = |scheduler: &str| -> BTreeSet<String> {
                expect.get(scheduler).map_or_else(BTreeSet::new, |expect| {
                    expect.shows(claim).map(explore::words).collect()
                })
            };
            if shown(name)
                .difference(&shown(&base_of(name)))
                .next()
                .is_some()
            {
                assert!(
                    expect.contains_key(&base_of(name)),
                    "{name} has no original there"
                );
                broken.insert(name.clone());
            }
        }
    }
    assert_eq!(broken, named);
}

#[test]
fn no_mutant_lives() {
    let caught = caught();
    let mutants = mutants();
    assert!(!mutants.is_empty());
    for mutant in mutants.iter().filter(|mutant| claim_of(mutant).is_none()) {
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
