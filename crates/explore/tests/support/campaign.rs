// SPDX-License-Identifier: GPL-2.0-only
//! What a campaign is started with, from the shipped files; shared by the tests of fuzzing, the
//! example that makes docs/first-hits.md, and the cargo-fuzz target.

use std::error::Error;
use std::path::Path;

use explore::{FuzzTerms, Strategy};
use image::Image;
use scenario::{CausePattern, Diagnostics, Known, Library, Machine, Scheduler, Source};

/// The files of a campaign.
pub(crate) struct Files {
    machine: Machine,
    machine_text: String,
    scheduler: Scheduler,
    known: Vec<Known>,
}

struct Disk;

fn read(name: &str) -> Option<String> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut files = folders.map(|folder| folder.join("sim-configs").join(name));
    std::fs::read_to_string(files.find(|file| file.is_file())?).ok()
}

impl Library for Disk {
    fn machine(&self, _: &str) -> Option<(String, String)> {
        None
    }
    fn scheduler(&self, name: &str) -> Option<(String, String)> {
        Some((name.to_owned(), read(&format!("schedulers/{name}.toml"))?))
    }
    fn machine_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn scheduler_names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Files {
    /// Those of a machine and a scheduler by their names.
    pub(crate) fn of(machine: &str, scheduler: &str) -> Result<Self, Box<dyn Error>> {
        let shown = |errors: Diagnostics| errors.render(false);
        let machine_file = format!("{machine}.toml");
        let machine_text = read(&format!("machines/{machine_file}")).ok_or("no such machine")?;
        let known = read("known.toml").ok_or("known.toml is missing")?;
        let parsed = scenario::parse_machine(&Source::new(&machine_file, &machine_text));
        Ok(Self {
            machine: parsed.map_err(shown)?,
            machine_text,
            scheduler: scenario::scheduler_by_name(scheduler, &Disk).map_err(shown)?,
            known: scenario::parse_known(&Source::new("known.toml", known)).map_err(shown)?,
        })
    }

    /// A campaign on one CPU.
    pub(crate) fn terms<'a>(
        &'a self,
        wanted: &'a [CausePattern],
        seed: u64,
        strategy: Strategy,
    ) -> FuzzTerms<'a> {
        FuzzTerms {
            machine: &self.machine,
            machine_text: &self.machine_text,
            scheduler: &self.scheduler,
            image: Image::guest(),
            known: &self.known,
            wanted,
            seed,
            strategy,
            cpus: 1,
            shard: (0, 1),
        }
    }
}
