// SPDX-License-Identifier: GPL-2.0-only
//! From the files that the user named to scenarios ready to run.

use std::path::Path;
use std::sync::Arc;

use explore::Prepared;
use image::Image;
use scenario::{Expect, Scenario, Scheduler};

use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, Input, json_name};

/// A scenario with everything it names.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The file.
    pub(crate) input: Input,
    /// What it says.
    pub(crate) scenario: Scenario,
    /// The machine it runs on.
    pub(crate) machine: scenario::Machine,
    /// The text of that machine's file.
    pub(crate) machine_text: String,
    /// The schedulers to run it under, in the order of their names.
    pub(crate) schedulers: Vec<Scheduler>,
    /// Where its names were looked up.
    pub(crate) configs: Configs,
}

impl Loaded {
    /// Reads a scenario. `machine` replaces the file's; `schedulers`, if there are any, replace
    /// the list of those that the file expects something of.
    pub(crate) fn read(
        context: &Context,
        file: &Path,
        machine: Option<&str>,
        schedulers: &[String],
    ) -> Result<Self, Failure> {
        let input = files::text(file)?;
        let configs = Configs::around(input.path.as_deref());
        context.verbose(|| {
            let roots: Vec<String> = configs
                .roots()
                .iter()
                .map(|r| r.display().to_string())
                .collect();
            format!(
                "{}: names from {} and built-ins",
                input.source.name,
                roots.join(", ")
            )
        });
        let scenario = scenario::parse_scenario(&input.source)?;
        let resolved = scenario::resolve(&input.source, &scenario, &configs)?;
        let (machine, machine_text) = configs.machine(machine.unwrap_or(&scenario.machine))?;
        let mut wanted = if schedulers.is_empty() {
            resolved.schedulers.into_values().collect()
        } else {
            let named = schedulers.iter().map(|name| configs.scheduler(name));
            named.collect::<Result<Vec<_>, _>>()?
        };
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        wanted.dedup_by(|a, b| a.name == b.name);
        Ok(Self {
            input,
            scenario,
            machine,
            machine_text,
            schedulers: wanted,
            configs,
        })
    }

    /// There is a scheduler to run under and, if the file's expectations are to decide, it expects
    /// something of each.
    pub(crate) fn demand_schedulers(&self, expect: bool) -> Result<(), Failure> {
        if self.schedulers.is_empty() {
            let why = "the file expects nothing of any scheduler; name one with --scheduler";
            let words = format!("nothing selected: {why}");
            return Err(Failure::Words(Exit::Nothing, words));
        }
        let silent = self.schedulers.iter().find(|s| self.expect(s).is_none());
        match silent.filter(|_| expect) {
            None => Ok(()),
            Some(scheduler) => Err(Failure::input(format!(
                "{} has no [expect.{}], which --expect needs",
                self.input.source.name, scheduler.name
            ))),
        }
    }

    /// What the file expects of a scheduler.
    pub(crate) fn expect(&self, scheduler: &Scheduler) -> Option<&Expect> {
        self.scenario.expect.get(&scheduler.name)
    }

    /// The file's name as `context`'s format shows it.
    pub(crate) fn shown(&self, context: &Context) -> String {
        let name = &self.input.source.name;
        if context.json() {
            json_name(name)
        } else {
            name.clone()
        }
    }

    /// Puts it together under one scheduler.
    pub(crate) fn prepare(&self, scheduler: &Scheduler) -> Result<Prepared, Failure> {
        explore::prepare(&self.scenario, &self.machine, scheduler, guest())
            .map_err(|error| Failure::input(format!("{}: {error}", self.input.source.name)))
    }
}

/// The guest kernel, parsed once for the whole process.
pub(crate) fn guest() -> Arc<Image> {
    static GUEST: std::sync::OnceLock<Arc<Image>> = std::sync::OnceLock::new();
    Arc::clone(GUEST.get_or_init(|| {
        let image = Image::parse(&image::guest_elf()).expect("the committed guest is a good ELF");
        Arc::new(image)
    }))
}
