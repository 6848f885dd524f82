// SPDX-License-Identifier: GPL-2.0-only
//! The list of causes that fuzzing must find (`causes.toml`), and campaigns that look out for them;
//! shared by the example that makes docs/first-hits.md and the test that holds it.

use std::error::Error;
use std::path::Path;

use explore::{Budget, Campaign, Progress, Strategy};
use scenario::{Access, CausePattern, Oracle, Window};

use crate::campaign::Files;

/// Executions of one campaign, at most.
pub(crate) const EXECUTIONS: u64 = 200_000;
/// The seeds.
pub(crate) const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
/// The versions, in their order.
pub(crate) const VERSIONS: [&str; 7] = ["none", "v10", "delta", "v11", "v11r", "v12", "retry"];

/// A listed cause.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Its claim.
    pub(crate) claim: String,
    /// What it is.
    pub(crate) pattern: CausePattern,
    /// The versions that have it.
    pub(crate) schedulers: Vec<String>,
}

/// The list.
pub(crate) fn listed() -> Result<Vec<Listed>, Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/causes.toml");
    let table: toml::Table = std::fs::read_to_string(file)?.parse()?;
    let list = table["cause"].as_array().ok_or("no [[cause]]")?;
    list.iter().map(entry).collect()
}

fn entry(value: &toml::Value) -> Result<Listed, Box<dyn Error>> {
    let word = |key: &str| -> Result<&str, Box<dyn Error>> {
        Ok(value
            .get(key)
            .and_then(toml::Value::as_str)
            .ok_or("a word is missing")?)
    };
    let words = |key: &str| -> Result<Vec<&str>, Box<dyn Error>> {
        let list = value.get(key).and_then(toml::Value::as_array);
        let list = list.ok_or("a list is missing")?;
        Ok(list.iter().filter_map(toml::Value::as_str).collect())
    };
    let window = words("window")?;
    let access = |at: usize| Access::parse(window[at], |_| false);
    Ok(Listed {
        claim: word("claim")?.to_owned(),
        pattern: CausePattern {
            oracle: Oracle::from_name(word("oracle")?).ok_or("no such oracle")?,
            event: None,
            row: None,
            window: Some(Window {
                from: access(0)?,
                to: access(1)?,
            }),
            place: None,
            claim: None,
            line: 0,
        },
        schedulers: words("schedulers")?
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}

/// By cause: number of the first execution that shows it.
pub(crate) type Hits = Vec<Option<u64>>;

/// The first executions that show each of `wanted` in a campaign under `scheduler`, which ends when
/// all were met.
pub(crate) fn first_hits(
    scheduler: &str,
    wanted: &[CausePattern],
    seed: u64,
    executions: u64,
    jobs: usize,
) -> Result<Hits, Box<dyn Error>> {
    let files = Files::of("skylake", scheduler)?;
    let terms = files.terms(wanted, seed, Strategy::Coverage);
    let mut campaign = Campaign::new(terms)?;
    let budget = Budget {
        executions: Some(executions),
        over: &|| false,
        until_met: true,
    };
    campaign.run(jobs, budget, &Progress::default())?;
    Ok(campaign.met)
}
