// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `sharing`: what sharing is for. Compatible events of one context that are on the hardware
//! hold one counter, and who needs no counter shares none.
//!
//! Judged where a CPU returns to user code or halts, and no other one is in the kernel: inside an
//! operation events come and go one after the other. What is compatible is what the patch says:
//! attributes equal byte for byte, the same context, no sampling; so pinned or exclusive events,
//! other contexts and other exclusions never count as the same. Where the scheduler shares nothing
//! (`can_share = "none"`) there is no rule.

use std::collections::BTreeSet;

use abi::rows::{Row, Rows};
use abi::syscall::{Attr, TYPE_SOFTWARE};
use abi::totals::{HwEvent, Ring};
use machine::{Core, ObjectId, View};

use crate::state::State;
use crate::table::Table;
use crate::violation::{Moment, Oracle, Violation};

/// What has been reported, and whether there is anything to judge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sharing {
    on: bool,
    table: Table,
    reported: BTreeSet<ObjectId>,
}

/// An event that is on the hardware, itself or through a master.
struct OnHardware {
    id: ObjectId,
    addr: u64,
    ctx: u64,
    attr: Vec<u8>,
}

/// Whether no CPU is inside the kernel. One that has run no user code yet has begun nothing.
pub(crate) fn quiet(view: &View<'_>) -> bool {
    let begun = |core: &Core| core.cpu.totals.get(Ring::User, HwEvent::Instructions) != 0;
    let quiet = |core: &Core| core.cpu.cpl() == 3 || core.cpu.halted || !begun(core);
    view.cores.iter().all(quiet)
}

impl Sharing {
    /// The rule for a scheduler.
    pub(crate) fn under(rows: &Rows) -> Self {
        Self {
            on: rows.get(Row::CanShare) != 0,
            ..Self::default()
        }
    }

    pub(crate) fn kernel_left(&mut self, view: &View<'_>, out: &mut Vec<Violation>) {
        if !self.on || !quiet(view) {
            return;
        }
        self.software(view, out);
        let events = on_hardware(view);
        let holders = self.table.holders(view);
        for (at, event) in events.iter().enumerate() {
            let holds = |e: &OnHardware| holders.iter().find(|&&(_, addr)| addr == e.addr);
            let Some((idx, _)) = holds(event) else {
                continue;
            };
            // Of each pair the younger one is to blame: it had somebody to join.
            let older = events[..at]
                .iter()
                .filter(|e| e.ctx == event.ctx && e.attr == event.attr)
                .find_map(|e| Some((e, holds(e)?.0)));
            let Some((older, other)) = older else {
                continue;
            };
            if self.reported.insert(event.id) {
                let name = |id| view.objects.get(id).name.clone();
                out.push(violation(
                    view,
                    event.id,
                    "compatible events on one counter".to_owned(),
                    format!(
                        "{} holds counter {idx}, and {} counter {other}",
                        name(event.id),
                        name(older.id)
                    ),
                ));
            }
        }
    }

    /// A software event holds no counter: there is nothing to share.
    fn software(&mut self, view: &View<'_>, out: &mut Vec<Violation>) {
        for (id, object) in view.objects.iter().filter(|(_, object)| !object.dead) {
            let kind = view.field(id, "attr.kind");
            let master = view.field(id, "dup_master").unwrap_or(0);
            if kind != Some(u64::from(TYPE_SOFTWARE)) || master == 0 {
                continue;
            }
            if self.reported.insert(id) {
                let of = view.objects.at(master);
                let master = of.map_or("?".into(), |(id, _)| view.objects.get(id).name.clone());
                out.push(violation(
                    view,
                    id,
                    "a software event shares no counter, as it needs none".to_owned(),
                    format!("{} has {master} for a master", object.name),
                ));
            }
        }
    }
}

fn violation(view: &View<'_>, id: ObjectId, expected: String, got: String) -> Violation {
    Violation {
        oracle: Oracle::Sharing,
        event: view.objects.get(id).name.clone(),
        reader: None,
        expected,
        got,
        error: 0,
        tolerated: None,
        at: Moment::at_rest(view),
    }
}

/// The living events that count on the hardware and do not sample, oldest first.
fn on_hardware(view: &View<'_>) -> Vec<OnHardware> {
    let layout = view.objects.layout();
    let Some(attr) = layout.field("attr.kind").map(|field| field.offset) else {
        return Vec::new();
    };
    view.objects
        .iter()
        .filter(|(_, object)| !object.dead)
        .filter_map(|(id, object)| {
            let state = view.field(id, "state")? as i32;
            let samples = view.field(id, "attr.sample_period")? != 0;
            let software = view.field(id, "attr.kind")? == u64::from(TYPE_SOFTWARE);
            if state < State::Enabled as i32 || samples || software {
                return None;
            }
            let mut bytes = vec![0; Attr::SIZE as usize];
            view.mem.read(object.addr + attr, &mut bytes).ok()?;
            Some(OnHardware {
                id,
                addr: object.addr,
                ctx: view.field(id, "ctx")?,
                attr: bytes,
            })
        })
        .collect()
}
