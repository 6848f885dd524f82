// SPDX-License-Identifier: GPL-2.0-only
//! Where recorded runs are written: `SCENARIO.SCHEDULER.WHICH.trace`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use explore::{Files, Prepared, Sweep};
use machine::Entry;
use scenario::Scheduler;

use crate::configs::relative;
use crate::context::Context;
use crate::error::Failure;
use crate::files::json_name;
use crate::prepared::Loaded;

/// The traces of one scenario under one scheduler.
#[derive(Debug)]
pub(crate) struct Traces<'a> {
    context: &'a Context,
    folder: &'a Path,
    loaded: &'a Loaded,
    scheduler: &'a Scheduler,
    prepared: &'a Prepared,
}

impl<'a> Traces<'a> {
    pub(crate) fn new(
        context: &'a Context,
        folder: &'a Path,
        loaded: &'a Loaded,
        scheduler: &'a Scheduler,
        prepared: &'a Prepared,
    ) -> Self {
        Self {
            context,
            folder,
            loaded,
            scheduler,
            prepared,
        }
    }

    /// A trace of the first boundary of each window; their paths by boundary. They are named by the
    /// window's number, so that the name outlives another build of the guest.
    pub(crate) fn of_windows(&self, sweep: &Sweep) -> Result<BTreeMap<u64, String>, Failure> {
        let mut paths = BTreeMap::new();
        for (i, window) in sweep.windows().iter().enumerate() {
            let bad = &sweep.bad[window.first];
            let path = self.write(&format!("w{}", i + 1), &[bad.decision])?;
            paths.insert(bad.ordinal, path);
        }
        Ok(paths)
    }

    /// Records the run with `decisions`; the path as it is shown.
    pub(crate) fn write(&self, which: &str, decisions: &[Entry]) -> Result<String, Failure> {
        Ok(self.write_recorded(which, decisions)?.0)
    }

    /// The same, and the trace itself.
    pub(crate) fn write_recorded(
        &self,
        which: &str,
        decisions: &[Entry],
    ) -> Result<(String, trace::Trace), Failure> {
        let loaded = self.loaded;
        let scenario_name = loaded.input.file_name();
        let files = Files {
            scenario: (&loaded.input.source.text, &scenario_name),
            machine: (&loaded.machine_text, &loaded.machine.name),
            scheduler: self.scheduler,
        };
        let trace = explore::record(self.prepared, &loaded.scenario, files, decisions)
            .map_err(|error| Failure::input(error.to_string()))?;
        let cannot = |error: std::io::Error| {
            Failure::input(format!(
                "cannot write traces to `{}`: {error}",
                self.folder.display()
            ))
        };
        fs::create_dir_all(self.folder).map_err(cannot)?;
        let stem = loaded.input.stem();
        let name = format!("{stem}.{}.{which}.trace", self.scheduler.name);
        let path = self.folder.join(name.replace('/', "-"));
        fs::write(&path, trace.to_string()).map_err(cannot)?;
        let shown = relative(&path);
        let shown = if self.context.json() {
            json_name(&shown)
        } else {
            shown
        };
        Ok((shown, trace))
    }
}
