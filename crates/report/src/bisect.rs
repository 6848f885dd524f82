// SPDX-License-Identifier: GPL-2.0-only
//! The result of `pmusim bisect`.

use std::io;

use abi::rows::Row;
use explore::{Bisect, Hunks, Sweep};
use serde::Serialize;

use crate::instruction::Instruction;
use crate::style::{BAD, DIM, GOOD, HEAD, paint};

/// One trace, bisected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BisectReport {
    /// The trace.
    pub trace: String,
    /// The finding that is looked for.
    pub finding: String,
    /// The scheduler of the trace.
    pub bad: String,
    /// Which boundary.
    pub boundaries: Option<BoundaryAnswer>,
    /// Which operation.
    pub operation: Option<OperationAnswer>,
    /// Which hunk.
    pub hunks: Option<HunkAnswer>,
    /// Which version: every one that was asked, in order.
    pub versions: Vec<VersionAnswer>,
    /// The first of them that shows the finding.
    pub first_bad: Option<String>,
}

/// The bad boundaries around the trace's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoundaryAnswer {
    /// The first bad one.
    pub first: u64,
    /// The last bad one.
    pub last: u64,
    /// The instruction before the first one.
    pub after: Instruction,
    /// The instruction behind the last one.
    pub before: Instruction,
}

/// The step that was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationAnswer {
    /// CPU.
    pub cpu: usize,
    /// Position in its program, from 1.
    pub step: usize,
    /// Operation, as `open`.
    pub operation: String,
    /// The event it is about.
    pub event: Option<String>,
    /// Line in the trace's scenario, from 1.
    pub line: u32,
}

/// The rows that make the finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HunkAnswer {
    /// The scheduler without the finding.
    pub good: String,
    /// Rows in which the two schedulers differ.
    pub differ: usize,
    /// Mixes that were swept.
    pub tried: u64,
    /// The least set; none can be left out.
    pub rows: Vec<RowAnswer>,
}

/// One row of the least set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowAnswer {
    /// Its name.
    pub row: String,
    /// Its value without the finding.
    pub good: String,
    /// Its value with it.
    pub bad: String,
    /// The place in the patch.
    pub place: String,
    /// Why it cannot be left out, where that is only a coupling rule.
    pub coupled: Option<String>,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionAnswer {
    /// Its scheduler.
    pub scheduler: String,
    /// Whether it shows the finding.
    pub shows: bool,
}

impl BoundaryAnswer {
    /// The run of bad boundaries that show the finding, around `near` or else the first one.
    #[must_use]
    pub fn new(bisect: &Bisect<'_>, sweep: &Sweep, near: u64) -> Option<Self> {
        let shown: Vec<usize> = (0..sweep.bad.len())
            .filter(|&i| bisect.is_it(sweep, i))
            .collect();
        let at = shown
            .iter()
            .position(|&i| sweep.bad[i].ordinal == near)
            .unwrap_or(0);
        let next_to = |a: usize, b: usize| {
            sweep.bad[shown[a]]
                .ordinal
                .abs_diff(sweep.bad[shown[b]].ordinal)
                == 1
        };
        shown.get(at)?;
        let (mut first, mut last) = (at, at);
        while first > 0 && next_to(first, first - 1) {
            first -= 1;
        }
        while last + 1 < shown.len() && next_to(last, last + 1) {
            last += 1;
        }
        let (first, last) = (&sweep.bad[shown[first]], &sweep.bad[shown[last]]);
        let machine = &sweep.baseline.machine;
        Some(Self {
            first: first.ordinal,
            last: last.ordinal,
            after: Instruction::at(machine, first.rip_before),
            before: Instruction::at(machine, last.rip),
        })
    }
}

impl HunkAnswer {
    /// The answer in rows between `good` and the trace's scheduler.
    #[must_use]
    pub fn new(good: &str, hunks: &Hunks) -> Self {
        let rows = hunks
            .minimal
            .iter()
            .map(|change| RowAnswer {
                row: change.row.name().to_owned(),
                good: change.good.to_owned(),
                bad: change.bad.to_owned(),
                place: place(change.row).to_owned(),
                coupled: hunks
                    .coupled
                    .iter()
                    .find(|(row, _)| *row == change.row)
                    .map(|(_, rule)| (*rule).to_owned()),
            })
            .collect();
        Self {
            good: good.to_owned(),
            differ: hunks.differ.len(),
            tried: hunks.tried,
            rows,
        }
    }
}

/// Where a row stands in the patch.
const fn place(row: Row) -> &'static str {
    match row {
        Row::CanShare => "perf_event_can_share()",
        Row::InitDupMaster => "perf_event_init_dup_master()",
        Row::ExitDupMaster => "perf_event_exit_dup_master()",
        Row::ReadDup => "event_sync_dup_count(), later event_pmu_read_dup()",
        Row::SetupDup => "perf_event_setup_dup()",
        Row::RemoveDup => "perf_event_remove_dup()",
        Row::PmuAdd => "event_pmu_add()",
        Row::PmuDel => "event_pmu_del()",
        Row::PmuRead => "event_pmu_read()",
        Row::SchedOutState => "the state at the end of event_sched_out()",
        Row::EventCount => "perf_event_count()",
        Row::ReadLocal => "the value in perf_event_read_local()",
        Row::SyncChildEvent => "sync_child_event()",
        Row::Reset => "_perf_event_reset()",
        Row::Pause => "perf_event_pause()",
        Row::Userpage => "perf_event_index() and perf_event_update_userpage()",
        Row::ShadowChildCount => {
            "master_child_count and dup_base_child_count, wherever they are used"
        }
        Row::RemoveDupOnDisable => "the call of remove_dup in __perf_event_disable()",
        Row::SetupDupInResched => "the call of setup_dup in ctx_resched()",
        Row::ReadGuard => "x86_perf_event_update(), not in the patch",
        Row::Flip => "perf_event_remove_dup(), the loop: how a sharer gets its new master",
        Row::MasterCount => "perf_event_remove_dup(), the loop: the new master's master_count",
        Row::StateBeforeEnable => {
            "perf_event_remove_dup(), the end: ENABLED before perf_pmu_enable()"
        }
        Row::DelOld => "perf_event_remove_dup(), the beginning: pmu->del() of the old master",
    }
}

impl BisectReport {
    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{}", paint(HEAD, &self.trace))?;
        writeln!(out, "finding    {} under {}", self.finding, self.bad)?;
        if let Some(operation) = &self.operation {
            let event = operation.event.as_deref().unwrap_or_default();
            writeln!(
                out,
                "operation  step {} of cpu {}: {} {event} (line {} of the scenario)",
                operation.step, operation.cpu, operation.operation, operation.line
            )?;
        }
        if let Some(boundaries) = &self.boundaries {
            writeln!(
                out,
                "boundaries {} to {}, {} in all",
                boundaries.first,
                boundaries.last,
                boundaries.last + 1 - boundaries.first
            )?;
            for (word, instruction) in
                [("after", &boundaries.after), ("before", &boundaries.before)]
            {
                writeln!(out, "  {word:<7}{instruction}")?;
            }
        }
        if let Some(hunks) = &self.hunks {
            writeln!(
                out,
                "hunks      {} of the {} rows that differ from {} ({} mixes swept)",
                hunks.rows.len(),
                hunks.differ,
                hunks.good,
                hunks.tried
            )?;
            for row in &hunks.rows {
                writeln!(
                    out,
                    "  {} = {} instead of {}: {}",
                    paint(BAD, &row.row),
                    row.bad,
                    row.good,
                    row.place
                )?;
                if let Some(rule) = &row.coupled {
                    writeln!(out, "    {}", paint(DIM, format!("only because {rule}")))?;
                }
            }
        }
        if !self.versions.is_empty() {
            let words: Vec<String> = self
                .versions
                .iter()
                .map(|version| {
                    let style = if version.shows { BAD } else { GOOD };
                    paint(style, &version.scheduler)
                })
                .collect();
            let first = self.first_bad.as_deref().unwrap_or("none of them");
            writeln!(
                out,
                "versions   {}; the first bad one is {first}",
                words.join(" ")
            )?;
        }
        Ok(())
    }
}
