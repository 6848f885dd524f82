// SPDX-License-Identifier: GPL-2.0-only
//! The list of causes that fuzzing must find (`causes.toml`), and campaigns that look out for them;
//! shared by the example that makes docs/first-hits.md and the test that holds it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use explore::{Budget, Campaign, FuzzTerms, Progress, Strategy};
use image::Image;
use scenario::{Access, CausePattern, Library, Oracle, Source, Window};

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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
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

struct Disk;

impl Library for Disk {
    fn machine(&self, _: &str) -> Option<(String, String)> {
        None
    }
    fn scheduler(&self, name: &str) -> Option<(String, String)> {
        let file = root().join(format!("sim-configs/schedulers/{name}.toml"));
        Some((name.to_owned(), std::fs::read_to_string(file).ok()?))
    }
    fn machine_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn scheduler_names(&self) -> Vec<String> {
        Vec::new()
    }
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
    let shown = |errors: scenario::Diagnostics| errors.render(false);
    let machine_text = std::fs::read_to_string(root().join("sim-configs/machines/skylake.toml"))?;
    let machine = scenario::parse_machine(&Source::new("skylake.toml", &machine_text));
    let machine = machine.map_err(shown)?;
    let scheduler = scenario::scheduler_by_name(scheduler, &Disk).map_err(shown)?;
    let terms = FuzzTerms {
        machine: &machine,
        machine_text: &machine_text,
        scheduler: &scheduler,
        image: Arc::clone(&Image::guest()),
        known: &[],
        wanted,
        seed,
        strategy: Strategy::Coverage,
        cpus: 1,
        shard: (0, 1),
    };
    let mut campaign = Campaign::new(terms)?;
    let budget = Budget {
        executions: Some(executions),
        over: &|| false,
        until_met: true,
    };
    campaign.run(jobs, budget, &Progress::default())?;
    Ok(campaign.met)
}
