// SPDX-License-Identifier: GPL-2.0-only
//! Campaigns as the library runs them: the body of the cargo-fuzz target (`crates/explore/fuzz`),
//! programs that are valid files, and the causes that are found without a hint.

mod body;
#[path = "../support/causes.rs"]
mod causes;
#[path = "../support/minimal.rs"]
mod minimal;

use std::cell::RefCell;
use std::sync::Arc;

use body::campaign::{self, Files};
use explore::{Budget, Campaign, FuzzFound, Progress, Shrink, Signature, Strategy};
use minimal::assert_minimal;
use proptest::prelude::*;
use trace::Verdict;

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

/// What the oracles say of mainline without sharing is wrong of them or of mainline, never of a
/// version of the patch: nothing but known findings, on whatever machine.
#[test]
fn mainline_has_known_findings_only() {
    const MACHINES: [&str; 5] = ["skylake", "icelake", "minimal", "throttle", "long-skid"];
    for (seed, machine) in (101..).zip(MACHINES) {
        known_only(machine, seed, 1);
    }
}

/// The same where another CPU goes on in the middle of calls.
#[test]
fn mainline_has_known_findings_only_with_two_cpus() {
    for seed in [101, 103] {
        known_only("skylake", seed, 2);
    }
}

fn known_only(machine: &str, seed: u64, cpus: usize) {
    for scheduler in ["none", "none-v59"] {
        let files = Files::of(machine, scheduler).unwrap();
        let mut terms = files.terms(&[], seed, Strategy::Coverage);
        terms.cpus = cpus;
        let mut campaign = Campaign::new(terms).unwrap();
        let budget = Budget {
            executions: Some(2000),
            over: &|| false,
            until_met: false,
        };
        campaign.run(2, budget, &Progress::default()).unwrap();
        let news = campaign.found.iter().filter(|(_, f)| f.unexplained > 0);
        let news: Vec<String> = news
            .map(|(cause, found)| format!("{cause}: {}\n{}", found.example, found.text))
            .collect();
        let what = format!("{machine}, {scheduler}, seed {seed}, {cpus} CPUs");
        assert!(news.is_empty(), "{what}: {}", news.join("\n"));
        assert!(campaign.totals.looked > 500, "{:?}", campaign.totals);
    }
}

/// Every finding as it is shown: at most 10 operations and 2 decisions, and without any one element
/// the cause is another or none.
#[test]
fn what_is_shown_is_minimal() {
    let progress = Progress::default();
    for (scheduler, seed) in [("v10", 3), ("v12", 4), ("retry", 5)] {
        let files = Files::of("skylake", scheduler).unwrap();
        let terms = files.terms(&[], seed, Strategy::Coverage);
        let mut campaign = Campaign::new(terms.clone()).unwrap();
        let budget = Budget {
            executions: Some(1200),
            over: &|| false,
            until_met: false,
        };
        campaign.run(2, budget, &progress).unwrap();
        let news: Vec<&FuzzFound> = campaign
            .found
            .values()
            .filter(|found| found.unexplained > 0)
            .collect();
        assert!(news.len() >= 2, "{scheduler}: {}", news.len());
        let name = |at: usize| format!("{at}.toml");
        let shown = campaign.smaller(&news, name, true, 2, &progress);
        for (found, small) in news.iter().zip(shown) {
            let small = small.unwrap();
            assert!(small.shrunk, "{}", small.text);
            assert!(small.size.operations <= 10, "{}", small.text);
            assert!(small.size.decisions <= 2, "{}", small.text);
            let shrink = Shrink {
                machine: terms.machine,
                machine_text: terms.machine_text,
                scheduler: terms.scheduler,
                image: Arc::clone(&terms.image),
                verdict: &found.verdict,
                name: "small.toml",
                progress: &progress,
                rig: RefCell::default(),
            };
            let parsed = |text: &str| {
                scenario::parse_scenario(&scenario::Source::new("case.toml", text)).unwrap()
            };
            let wanted = Signature::of(&found.verdict, &parsed(&found.text));
            let scenario = parsed(&small.text);
            assert_minimal(&shrink, &wanted, &scenario);
        }
    }
}

/// What the smallest scenario shows under mainline too, where known.toml explains it, is no news of a
/// version: there the entry would hide what is the version's.
#[test]
fn what_mainline_shows_too_is_known() {
    const RESET: &str = r#"
        { open = "A" },
        { mmap = "A" },
        { reset = "A" },
        { user_read = "A" },
    "#;
    const ADD: &str = r#"
        { open = "A" },
        { open = "B" },
    "#;
    let program = |steps: &str| {
        format!(
            r#"
            format = 1
            title = "case"
            machine = "skylake"
            event = [
                {{ id = "A", kind = "branch-misses", exclude_kernel = true }},
                {{ id = "B", like = "A" }},
            ]
            [[cpu]]
            program = [{steps}]
            "#
        )
    };
    let files = Files::of("skylake", "v11").unwrap();
    let campaign = Campaign::new(files.terms(&[], 0, Strategy::Coverage)).unwrap();
    let known = |(oracle, row, place): (&str, &str, &str), steps: &str| {
        let found = FuzzFound {
            runs: 1,
            unexplained: 1,
            reason: None,
            execution: 0,
            verdict: Verdict {
                oracle: oracle.to_owned(),
                event: "A".to_owned(),
                row: row.to_owned(),
                window: (format!("at {place}"), "-".to_owned()),
            },
            example: String::new(),
            text: program(steps),
            decisions: Vec::new(),
        };
        let name = |_| "case.toml".to_owned();
        let small = campaign.smaller(&[&found], name, true, 1, &Progress::default());
        small.into_iter().next().unwrap().unwrap().known
    };
    let reset = known(("count", "reset", "perf_event_reset"), RESET);
    assert!(
        reset.is_some_and(|why| why.contains("2^48")),
        "not explained"
    );
    let add = known(("ownership", "pmu_add", "x86_perf_event_update"), ADD);
    assert_eq!(add, None);
}

#[test]
fn the_page_of_first_hits_is_what_the_code_gives() {
    let page = include_str!("../../../../docs/first-hits.md");
    let list = causes::listed().unwrap();
    let mut checked = 0;
    for version in causes::VERSIONS {
        let section = page.split(&format!("## {version}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
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
        // Every seed finds every cause.
        let mut hits = vec![Vec::new(); causes::SEEDS.count()];
        for (row, cause) in rows.iter().zip(&of_version) {
            assert_eq!(row[0], cause.claim);
            assert_eq!(row.len(), 2 + hits.len(), "{version}: {row:?}");
            for (of_seed, hit) in hits.iter_mut().zip(&row[2..]) {
                let hit: u64 = hit.parse().unwrap();
                assert!(hit < causes::EXECUTIONS, "{version}: {row:?}");
                of_seed.push(hit);
            }
        }
        // The cheapest one, run again.
        let costs = hits.iter().map(|of_seed| of_seed.iter().max());
        let (_, best) = costs.zip(0..).min().unwrap();
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
