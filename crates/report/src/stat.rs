// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim stat`: counts of a run by event name, and what follows from them.

use std::io;

use abi::totals::{HwEvent, Ring, Totals};
use serde::Serialize;
use timing::skylake::names::Named;

use crate::style::{DIM, HEAD, NAME};
use crate::table::Table;

/// An event's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatRow {
    /// Intel's name of the event.
    pub event: &'static str,
    /// In both rings.
    pub count: u64,
    /// At CPL 3.
    pub user: u64,
    /// At CPL 0.
    pub kernel: u64,
}

/// The counts of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatReport {
    /// What ran.
    pub program: String,
    /// On what.
    pub machine: String,
    /// How it ended.
    pub end: String,
    /// The events asked for, in that order.
    pub events: Vec<StatRow>,
    /// Instructions a cycle; absent without cycles.
    pub ipc: Option<f64>,
    /// Of the branches, mispredicted, in percent; absent without branches.
    pub branch_miss_percent: Option<f64>,
    /// Of the loads, missed in the first level, in percent; absent without loads.
    pub l1_miss_percent: Option<f64>,
}

impl StatReport {
    /// From the totals of a run.
    #[must_use]
    pub fn new(
        program: String,
        machine: String,
        end: String,
        events: &[&Named],
        totals: &Totals,
    ) -> Self {
        let both = |e: HwEvent| totals.get(Ring::User, e) + totals.get(Ring::Kernel, e);
        let share = |part: u64, whole: u64| {
            (whole > 0).then(|| (part as f64 / whole as f64 * 1e4).round() / 1e4)
        };
        let percent = |part: u64, whole: u64| share(part, whole).map(|s| (s * 1e4).round() / 1e2);
        let loads = both(HwEvent::L1Hit) + both(HwEvent::L1Miss);
        Self {
            program,
            machine,
            end,
            events: events
                .iter()
                .map(|named| StatRow {
                    event: named.name,
                    count: both(named.event),
                    user: totals.get(Ring::User, named.event),
                    kernel: totals.get(Ring::Kernel, named.event),
                })
                .collect(),
            ipc: share(both(HwEvent::Instructions), both(HwEvent::Cycles)),
            branch_miss_percent: percent(both(HwEvent::BranchMisses), both(HwEvent::Branches)),
            l1_miss_percent: percent(both(HwEvent::L1Miss), loads),
        }
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "{HEAD}{}{HEAD:#} on {}: {}",
            self.program, self.machine, self.end
        )?;
        let mut table = Table::new();
        for row in &self.events {
            let note = match row.event {
                "INST_RETIRED.ANY" => self.ipc.map(|v| format!("{v:.2} a cycle")),
                "BR_MISP_RETIRED.ALL_BRANCHES" => self
                    .branch_miss_percent
                    .map(|v| format!("{v:.2} % of branches")),
                "MEM_LOAD_RETIRED.L1_MISS" => {
                    self.l1_miss_percent.map(|v| format!("{v:.2} % of loads"))
                }
                _ => None,
            };
            table.row([
                (anstyle::Style::new(), format!("{:>15}", row.count)),
                (NAME, row.event.to_owned()),
                (DIM, note.unwrap_or_default()),
            ]);
        }
        table.write(out)
    }
}
