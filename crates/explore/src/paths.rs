// SPDX-License-Identifier: GPL-2.0-only
//! What sharing costs: the instructions that retire in a function of the guest, from its first one
//! to its return, callees included, while `n` compatible events are opened, read, switched out and
//! in, disabled, enabled and closed.
//!
//! The patch says of adding, deleting and reading an event that they are O(1). Here they are
//! counted on the core, call by call; nothing is derived from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::totals::{HwEvent, Ring};
use image::Image;
use machine::{Core, Machine, Observer, Schedule, SetupError, Until, View};
use scenario::{Scheduler, Source};

use crate::prepare::{PrepareError, prepare};
use crate::setup::{RUN_LIMIT, Setup};
use crate::sweep::{Progress, check_end};

/// A function whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Its name in the guest.
    pub function: &'static str,
    /// The patch calls it O(1).
    pub claimed: bool,
}

/// The functions, as one event's life meets them; those that the patch speaks of first.
pub const COUNTED: [Counted; 12] = [
    claimed("event_pmu_add"),
    claimed("event_pmu_del"),
    claimed("event_pmu_read"),
    beside("event_sched_in"),
    beside("event_sched_out"),
    beside("perf_event_count"),
    beside("perf_event_setup_dup"),
    beside("perf_event_remove_dup"),
    beside("perf_event_update_userpage"),
    beside("x86_pmu_enable"),
    beside("perf_event_task_sched_out"),
    beside("perf_event_task_sched_in"),
];

const fn claimed(function: &'static str) -> Counted {
    Counted {
        function,
        claimed: true,
    }
}

const fn beside(function: &'static str) -> Counted {
    Counted {
        function,
        claimed: false,
    }
}

/// In which order the events become active for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Opened one after the other: the master is the oldest, and the first to be scheduled in.
    OldestFirst,
    /// Opened disabled and enabled from the last to the first: where the master is one that was
    /// enabled before, it is the last to be scheduled in, behind its sharers.
    NewestFirst,
}

impl Order {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OldestFirst, Self::NewestFirst];
}

/// What was counted with so many events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Compatible events.
    pub events: usize,
    /// Counters that count while all of them are open and enabled.
    pub counters: usize,
    /// By function, as in [`COUNTED`]: the instructions of its calls, each number once. None where
    /// it was not called.
    pub instructions: Vec<BTreeSet<u64>>,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// There is no such scenario: too many events, for one.
    #[error("{0}")]
    Scenario(String),
    /// The machine is not one for the guest.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The machine cannot be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The guest has no such function.
    #[error("the guest image has no function {0}")]
    NoFunction(&'static str),
    /// The run failed.
    #[error("with {events} events the run fails: {why}")]
    Failed {
        /// Compatible events.
        events: usize,
        /// How it ended.
        why: String,
    },
}

/// Under what is counted.
#[derive(Debug)]
pub struct Paths<'a> {
    /// How the events come.
    pub order: Order,
    /// The machine.
    pub machine: &'a scenario::Machine,
    /// The scheduler.
    pub scheduler: &'a Scheduler,
    /// The guest.
    pub image: Arc<Image>,
    /// Runs so far (`done`), and whether to stop.
    pub progress: &'a Progress,
}

impl Paths<'_> {
    /// The costs with 1 event, with 2, up to `most`, by so many workers; `None` if it was stopped.
    ///
    /// # Errors
    /// See [`PathsError`].
    pub fn costs(&self, most: usize, jobs: usize) -> Result<Option<Vec<Cost>>, PathsError> {
        let jobs = jobs.clamp(1, most.max(1));
        let worker = |first| -> Result<Vec<Cost>, PathsError> {
            let mut costs = Vec::new();
            for events in (first..=most).step_by(jobs) {
                if self.progress.stop.load(Ordering::Relaxed) {
                    break;
                }
                costs.push(self.cost(events)?);
                self.progress.done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(costs)
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let worker = &worker;
            let workers: Vec<_> = (1..=jobs)
                .map(|first| scope.spawn(move || worker(first)))
                .collect();
            let joined = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|part| part.expect("a worker does not panic"))
                .collect()
        });
        let parts: Vec<Vec<Cost>> = parts.into_iter().collect::<Result<_, _>>()?;
        let mut costs = parts.concat();
        costs.sort_by_key(|cost| cost.events);
        Ok((costs.len() == most).then_some(costs))
    }

    /// The costs with so many events.
    fn cost(&self, events: usize) -> Result<Cost, PathsError> {
        let (machine, scheduler) = (self.machine, self.scheduler);
        let text = scenario_text(self.order, events, &machine.name);
        let scenario = scenario::parse_scenario(&Source::new("paths.toml", text))
            .map_err(|diagnostics| PathsError::Scenario(diagnostics.render(false)))?;
        let setup = prepare(&scenario, machine, scheduler, Arc::clone(&self.image))?.setup;
        let entries = entries(&self.image)?;
        // The first run finds where the functions return to, the second one counts.
        let mut returns = Returns {
            entries: &entries,
            found: BTreeSet::new(),
        };
        watched(&setup, entries.keys(), &mut returns, events)?;
        let (_, full) = scenario.labelled(FULL).unwrap_or_default();
        let mut calls = Calls {
            entries: &entries,
            open: Vec::new(),
            costs: vec![BTreeSet::new(); COUNTED.len()],
            full,
            counters: 0,
        };
        let places = entries.keys().chain(&returns.found);
        watched(&setup, places, &mut calls, events)?;
        Ok(Cost {
            events,
            counters: calls.counters,
            instructions: calls.costs,
        })
    }
}

/// The label of the step at which all events are open and enabled.
const FULL: &str = "full";

/// The text of the scenario: `n` events of one task that count the same, at least one.
#[must_use]
pub fn scenario_text(order: Order, n: usize, machine: &str) -> String {
    let ids: Vec<String> = (1..=n.max(1)).map(|i| format!("E{i}")).collect();
    let attributes = match order {
        Order::OldestFirst => "",
        Order::NewestFirst => ", disabled = true",
    };
    let mut text = format!(
        "format = 1\ntitle = \"{n} compatible events\"\nmachine = \"{machine}\"\nevent = [\n  \
         {{ id = \"E1\", kind = \"instructions\", task = \"current\", exclude_kernel = true{attributes} }},\n"
    );
    for id in &ids[1..] {
        text += &format!("  {{ id = \"{id}\", like = \"E1\" }},\n");
    }
    text += "]\n\n[[cpu]]\nprogram = [\n  { switch = \"T\" },\n";
    let step = |op: &str, id: &String| format!("  {{ {op} = \"{id}\" }},\n");
    text.extend(ids.iter().map(|id| step("open", id)));
    if order == Order::NewestFirst {
        text.extend(ids.iter().rev().map(|id| step("enable", id)));
    }
    text += &format!("  {{ work = 100, label = \"{FULL}\" }},\n");
    text.extend(ids.iter().map(|id| step("read", id)));
    text +=
        "  { switch = \"idle\" },\n  { work = 100 },\n  { switch = \"T\" },\n  { work = 100 },\n";
    // A sharer, then the oldest event, leave for a while; all are closed, the oldest first.
    for id in [&ids[ids.len() - 1], &ids[0]] {
        for op in ["disable", "enable"] {
            text += &step(op, id);
            text += "  { work = 100 },\n";
        }
    }
    text.extend(ids.iter().map(|id| step("close", id)));
    text + "]\n"
}

/// Address and position in [`COUNTED`] of each function.
type Entries = BTreeMap<u64, usize>;

fn entries(image: &Image) -> Result<Entries, PathsError> {
    let positions = COUNTED.iter().enumerate();
    positions
        .map(|(i, counted)| {
            let symbol = image.symbol(counted.function);
            let symbol = symbol.ok_or(PathsError::NoFunction(counted.function))?;
            Ok((symbol.addr, i))
        })
        .collect()
}

/// Runs with every place of `places` told to `observer`.
fn watched<'a>(
    setup: &Setup,
    places: impl Iterator<Item = &'a u64>,
    observer: &mut impl Observer,
    events: usize,
) -> Result<(), PathsError> {
    let mut machine = Machine::boot(
        Arc::clone(&setup.image),
        &setup.hardware,
        setup.rows,
        setup.programs.clone(),
    )?;
    for &rip in places {
        machine.watch_code(rip);
    }
    let limit = Until::End { limit: RUN_LIMIT };
    let end = machine.run(&mut Schedule::empty(), observer, limit);
    check_end(&end).map_err(|why| PathsError::Failed { events, why })
}

/// Position of RSP in the register file.
const RSP: usize = 4;

/// The return address of the function at whose first instruction the core stands.
fn return_address(view: &View<'_>) -> u64 {
    let top = view.mem.read_u64(view.core.cpu.regs[RSP]);
    top.unwrap_or_default()
}

/// Collects where the functions return to.
struct Returns<'a> {
    entries: &'a Entries,
    found: BTreeSet<u64>,
}

impl Observer for Returns<'_> {
    fn code(&mut self, view: &View<'_>) {
        if self.entries.contains_key(&view.core.cpu.rip) {
            self.found.insert(return_address(view));
        }
    }
}

/// A call that has not returned.
struct Open {
    /// Position in [`COUNTED`].
    counted: usize,
    /// Where it returns to, and RSP there.
    back: (u64, u64),
    /// Instructions retired before its first one.
    retired: u64,
}

/// Counts calls.
struct Calls<'a> {
    entries: &'a Entries,
    open: Vec<Open>,
    costs: Vec<BTreeSet<u64>>,
    /// The step at which all events are open and enabled.
    full: usize,
    counters: usize,
}

/// Instructions that have retired in either ring.
fn retired(core: &Core) -> u64 {
    let totals = core.totals();
    let of = |ring| totals.get(ring, HwEvent::Instructions);
    of(Ring::User) + of(Ring::Kernel)
}

impl Observer for Calls<'_> {
    fn code(&mut self, view: &View<'_>) {
        let cpu = &view.core.cpu;
        let now = retired(view.core);
        // A function that ends in a jump to another one returns together with it.
        while let Some(call) = self
            .open
            .pop_if(|call| call.back == (cpu.rip, cpu.regs[RSP]))
        {
            self.costs[call.counted].insert(now - call.retired);
        }
        if let Some(&counted) = self.entries.get(&cpu.rip) {
            self.open.push(Open {
                counted,
                back: (return_address(view), cpu.regs[RSP] + 8),
                retired: now,
            });
        }
    }

    fn step_begin(&mut self, view: &View<'_>, step: usize) {
        if step == self.full {
            let counters = view.core.pmu.counters(&view.core.totals());
            self.counters = counters.iter().filter(|counter| counter.enabled).count();
        }
    }
}
