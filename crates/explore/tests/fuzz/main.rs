// SPDX-License-Identifier: GPL-2.0-only
//! Campaigns as the library runs them: the body of the cargo-fuzz target (`crates/explore/fuzz`),
//! programs that are valid files, and the causes that are found without a hint.

mod body;
#[path = "../support/causes.rs"]
mod causes;

use proptest::prelude::*;

/// Bytes of one case.
const BYTES: usize = 200;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// With the scheduler `retry`, which has findings of its own, only that it does not panic but
    /// for those.
    #[test]
    fn any_bytes_are_a_case(data in prop::collection::vec(any::<u8>(), 0..BYTES)) {
        let found = std::panic::catch_unwind(|| body::run(&data));
        if let Err(words) = found {
            let words = words.downcast_ref::<String>().cloned().unwrap_or_default();
            prop_assert!(words.contains("title = \"case 0 of seed 0\""), "{words}");
        }
    }
}

#[test]
fn the_page_of_first_hits_is_what_the_code_gives() {
    let page = include_str!("../../../../docs/first-hits.md");
    let list = causes::listed().unwrap();
    let mut checked = 0;
    for version in causes::VERSIONS {
        let section = page.split(&format!("## {version}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        if section.contains("Not run.") {
            continue;
        }
        let rows: Vec<Vec<&str>> = section
            .lines()
            .filter(|line| line.starts_with("| P"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let of_version: Vec<&causes::Listed> = list
            .iter()
            .filter(|cause| cause.schedulers.iter().any(|s| s == version))
            .collect();
        assert_eq!(
            rows.len(),
            of_version.len(),
            "{version}: the list has changed"
        );
        for (row, cause) in rows.iter().zip(&of_version) {
            assert_eq!(row[0], cause.claim);
            for hit in row[2..].iter().filter(|hit| **hit != "-") {
                let n: Result<u64, _> = hit.parse();
                assert!(
                    n.is_ok_and(|n| n < causes::EXECUTIONS),
                    "{version}: {row:?}"
                );
            }
        }
        // The cheapest of the seeds that find all, run again.
        let hits = |seed: usize| rows.iter().map(move |row| row[seed + 2].parse().ok());
        let cost = |seed: usize| hits(seed).collect::<Option<Vec<u64>>>()?.into_iter().max();
        let seeds = rows[0].len() - 2;
        let complete = (0..seeds).filter_map(|seed| Some((cost(seed)?, seed)));
        let (_, best) = complete.min().expect("a seed that finds all");
        let wanted: Vec<_> = of_version
            .iter()
            .map(|cause| cause.pattern.clone())
            .collect();
        let seed = causes::SEEDS.start() + best as u64;
        let bound = causes::EXECUTIONS;
        let hits = causes::first_hits(version, &wanted, seed, bound, 2).unwrap();
        let again: Vec<String> = hits.iter().map(|n| n.unwrap().to_string()).collect();
        let said: Vec<&str> = rows.iter().map(|row| row[best + 2]).collect();
        assert_eq!(again, said, "{version}, seed {seed}");
        checked += again.len();
    }
    assert!(checked >= 20, "{checked}");
}
