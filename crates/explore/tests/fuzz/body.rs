// SPDX-License-Identifier: GPL-2.0-only
//! One case of a campaign by bytes; shared by the fuzz target and the test.

use std::cell::RefCell;
use std::path::Path;

use explore::{Campaign, FuzzTerms, Rigs, Strategy};
use image::Image;
use scenario::{Known, Library, Machine, Scheduler, Source};

/// The files of a campaign.
struct Files {
    machine: Machine,
    machine_text: String,
    scheduler: Scheduler,
    known: Vec<Known>,
}

struct Disk;

fn read(name: &str) -> Option<String> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut found = configs.map(|folder| folder.join("sim-configs").join(name));
    std::fs::read_to_string(found.find(|file| file.is_file())?).ok()
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

fn files() -> Files {
    let machine_text = read("machines/skylake.toml").expect("it is shipped");
    let name = std::env::var("PMUSIM_SCHEDULER").unwrap_or_else(|_| "retry".to_owned());
    let known = read("known.toml").expect("it is shipped");
    Files {
        machine: scenario::parse_machine(&Source::new("skylake.toml", &machine_text))
            .expect("it parses"),
        machine_text,
        scheduler: scenario::scheduler_by_name(&name, &Disk).expect("the scheduler exists"),
        known: scenario::parse_known(&Source::new("known.toml", known)).expect("it parses"),
    }
}

/// Runs the case that `data` chooses.
///
/// # Panics
/// It shows something that is not known.
pub(crate) fn run(data: &[u8]) {
    thread_local! {
        static CAMPAIGN: (Campaign<'static>, RefCell<Rigs>) = {
            let files: &'static Files = Box::leak(Box::new(files()));
            let terms = FuzzTerms {
                machine: &files.machine,
                machine_text: &files.machine_text,
                scheduler: &files.scheduler,
                image: Image::guest(),
                known: &files.known,
                wanted: &[],
                seed: 0,
                strategy: Strategy::Random,
                cpus: 1,
                shard: (0, 1),
            };
            (Campaign::new(terms).expect("the guest runs on it"), RefCell::default())
        };
    }
    CAMPAIGN.with(|(campaign, rigs)| {
        let news = campaign.case_of_bytes(&mut rigs.borrow_mut(), data);
        let news = news.expect("machines can be built");
        if let Some((words, scenario)) = news.first() {
            panic!("{words}\n{scenario}");
        }
    });
}
