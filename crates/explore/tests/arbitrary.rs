// SPDX-License-Identifier: GPL-2.0-only
//! Mainline without sharing has no finding but known ones in programs that nobody thought of: one CPU,
//! a handful of events with attributes of every kind, steps in any order that perf allows, no NMI
//! but those of sampling events themselves. What the oracles say of such a program is wrong of them
//! or of mainline, never of a version.
//!
//! `ARBITRARY=first..last` in the environment runs other programs than the usual ones, by number;
//! `ARBITRARY_SCHEDULERS=v10,delta` runs them under other schedulers, and prints what those have that
//! mainline has not; with `ARBITRARY_SHOW` each program is printed before it runs. A finding is printed with the smallest program that shows it.

mod common;

use std::collections::BTreeMap;

use check::Violation;
use check::cause::row_of;
use common::{Shipped, known};
use explore::{Execution, KnownFindings, Shrink, check_end, execute, prepare};
use machine::Schedule;
use scenario::{
    Event, EventKind, OnOverflow, Op, Program, ReadFormat, Scenario, Source, Step, SwitchTarget,
    TaskTarget, parse_scenario, write_scenario,
};

/// `SplitMix64`: any number is a seed, and neighbours are far apart.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

const MACHINES: [&str; 4] = ["skylake", "skylake", "icelake", "minimal"];

/// One program by its number.
fn arbitrary(seed: u64) -> Scenario {
    let mut random = Random(seed);
    let tasks = random.one_in(2);
    let events = events(&mut random, tasks);
    let steps = steps(&mut random, &events, tasks);
    let machine = (*random.of(&MACHINES)).to_owned();
    let program = Program { steps };
    Scenario::of_programs(format!("program {seed}"), machine, events, vec![program])
}

fn events(random: &mut Random, tasks: bool) -> Vec<Event> {
    // Few kinds, so that some are the same.
    let kinds = [
        EventKind::Instructions,
        EventKind::Instructions,
        EventKind::Branches,
        EventKind::Cycles,
        EventKind::BranchMisses,
        EventKind::Raw(0x00c4),
        EventKind::RefCycles,
        EventKind::CpuClock,
        EventKind::Inject,
    ];
    let few = 2 + random.below(kinds.len() - 1);
    let mut events: Vec<Event> = Vec::new();
    for at in 0..2 + random.below(6) {
        let mut kind = kinds[random.below(few)];
        let group = events
            .iter()
            .rev()
            .find(|event| event.group.is_none())
            .filter(|_| random.one_in(3))
            .cloned();
        if kind == EventKind::CpuClock
            && group.as_ref().is_none_or(|l| l.kind == EventKind::CpuClock)
        {
            kind = EventKind::Instructions;
        }
        let samples =
            kind == EventKind::Inject || kind == EventKind::Instructions && random.one_in(8);
        let inherit = !samples && random.one_in(3) && tasks;
        let task = match random.below(4) {
            0 if tasks => TaskTarget::Cpu,
            1 if tasks => TaskTarget::Task("T".to_owned()),
            _ if tasks => TaskTarget::Current,
            _ => TaskTarget::Cpu,
        };
        let mut event = Event {
            id: char::from(b'A' + at as u8).to_string(),
            kind,
            injector: None,
            sample_period: match kind {
                EventKind::Inject => 2,
                _ if samples => 300 + random.next() % 3000,
                _ => 0,
            },
            read: if random.one_in(3) {
                ReadFormat::Group
            } else {
                ReadFormat::Single
            },
            group: None,
            task,
            cpu: random.one_in(4).then_some(0),
            disabled: random.one_in(3),
            pinned: random.one_in(6),
            exclusive: random.one_in(20),
            inherit,
            inherit_stat: inherit && random.one_in(4),
            enable_on_exec: tasks && random.one_in(6),
            exclude_user: false,
            exclude_kernel: !random.one_in(6),
            buffer: samples && !random.one_in(4),
            on_overflow: OnOverflow::Output,
            line: 0,
        };
        if let Some(leader) = group {
            event.group = Some(leader.id);
            event.task = leader.task;
            event.cpu = leader.cpu;
            event.inherit = leader.inherit;
            event.inherit_stat &= event.inherit;
            (event.pinned, event.exclusive) = (false, false);
            if event.inherit && event.sample_period != 0 {
                event.kind = EventKind::Branches;
                event.sample_period = 0;
                event.buffer = false;
            }
        }
        events.push(event);
    }
    events
}

/// Steps that fit what is open, who runs and who is there.
fn steps(random: &mut Random, events: &[Event], tasks: bool) -> Vec<Step> {
    let mut ops: Vec<Op> = Vec::new();
    let mut waiting: Vec<&Event> = events.iter().rev().collect();
    let mut open: Vec<&Event> = Vec::new();
    let mut mapped: Vec<&str> = Vec::new();
    let mut current: Option<String> = None;
    let mut alive = vec!["T".to_owned()];
    let mut born = 0;
    // A group read of a member whose leader was closed after its CPU went away never ends, in
    // mainline either (known.toml, oracle `freed`).
    let waits_for_freed = events
        .iter()
        .any(|event| event.group.is_some() && event.read == ReadFormat::Group);
    if tasks && !random.one_in(4) {
        ops.push(Op::Switch(SwitchTarget::Task("T".to_owned())));
        current = Some("T".to_owned());
    }
    for _ in 0..12 + random.below(30) {
        let id = |random: &mut Random, open: &[&Event]| {
            (!open.is_empty()).then(|| random.of(open).id.clone())
        };
        let group = random.one_in(3);
        let op = match random.below(if tasks { 26 } else { 18 }) {
            0..=3 => waiting.pop().map(|event| {
                open.push(event);
                Op::Open(event.id.clone())
            }),
            4 | 5 => Some(Op::Work(100 + random.next() % 2000)),
            6 => Some(Op::Advance {
                ns: 1000 + random.next() % 5000,
            }),
            7 => Some(Op::Tick),
            8 => id(random, &open).map(|event| Op::Enable { event, group }),
            9 => id(random, &open).map(|event| Op::Disable { event, group }),
            10 | 11 => id(random, &open).map(Op::Read),
            12 => id(random, &open).map(|event| match random.below(3) {
                0 => Op::Pause {
                    event,
                    reset: random.one_in(2),
                },
                _ => Op::Reset { event, group },
            }),
            13 => {
                let samples: Vec<&Event> = open
                    .iter()
                    .copied()
                    .filter(|e| e.sample_period != 0)
                    .collect();
                id(random, &samples).map(|event| match random.below(2) {
                    0 => Op::Refresh {
                        event,
                        n: 1 + random.below(3) as u32,
                    },
                    _ => Op::Period {
                        event,
                        n: 200 + random.next() % 3000,
                    },
                })
            }
            14 if random.one_in(2) && !open.is_empty() => {
                let at = random.below(open.len());
                let event = open.remove(at);
                mapped.retain(|id| *id != event.id);
                Some(Op::Close(event.id.clone()))
            }
            15 => id(random, &open)
                .map(Op::Mmap)
                .filter(|op| {
                    let event = events.iter().find(|e| Some(e.id.as_str()) == op.event());
                    event.is_some_and(|e| !(e.buffer || e.inherit && e.cpu.is_none()))
                })
                .inspect(|op| {
                    let event = events.iter().find(|e| Some(e.id.as_str()) == op.event());
                    mapped.extend(event.map(|e| e.id.as_str()));
                }),
            16 => {
                let event = (!mapped.is_empty()).then(|| (*random.of(&mapped)).to_owned());
                event.map(Op::UserRead)
            }
            17 if !waits_for_freed && random.one_in(6) => {
                Some(*random.of(&[&Op::Offline, &Op::Online])).cloned()
            }
            18..=20 => {
                let target = if random.one_in(4) {
                    None
                } else {
                    Some(random.of(&alive).clone()).filter(|_| !alive.is_empty())
                };
                current.clone_from(&target);
                Some(Op::Switch(
                    target.map_or(SwitchTarget::Idle, SwitchTarget::Task),
                ))
            }
            21 | 22 if born < 4 => {
                born += 1;
                let child = format!("C{born}");
                alive.push(child.clone());
                Some(Op::Fork(child))
            }
            23 if alive.len() > 1 => current.take().map(|task| {
                alive.retain(|name| *name != task);
                Op::ExitTask
            }),
            24 => Some(Op::Exec),
            _ => None,
        };
        ops.extend(op);
    }
    for event in &open {
        if random.one_in(2) {
            ops.push(Op::Read(event.id.clone()));
        }
    }
    ops.into_iter()
        .map(|op| Step {
            op,
            label: None,
            line: 0,
        })
        .collect()
}

/// A finding as far as it tells one cause from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    oracle: &'static str,
    row: String,
    place: String,
}

fn key(run: &Execution, violation: &Violation) -> Key {
    Key {
        oracle: violation.oracle.name(),
        row: violation.at.row.clone(),
        place: row_of(run.machine.image(), violation.at.rip),
    }
}

/// The schedulers that are asked for, with what they are compared with.
fn schedulers() -> Vec<String> {
    std::env::var("ARBITRARY_SCHEDULERS").map_or_else(
        |_| vec!["none".to_owned(), "none-v59".to_owned()],
        |names| names.split(',').map(str::to_owned).collect(),
    )
}

/// The scenario as the reader of its file has it; `None` if it would be refused.
fn shipped(scenario: &Scenario, schedulers: &[String]) -> Option<Shipped> {
    let mut text = write_scenario(scenario);
    for name in schedulers {
        text += &format!("\n[expect.{name}]\nviolates = []\n");
    }
    let source = Source {
        name: "arbitrary.toml".to_owned(),
        text,
    };
    parse_scenario(&source).ok()?;
    Some(Shipped::parse(&source.name, source.text))
}

/// What is found under a scheduler that is not known; a guest that fails is a finding too.
fn found(shipped: &Shipped, scheduler: &str, list: &[scenario::Known]) -> BTreeMap<Key, String> {
    let resolved = &shipped.resolved.schedulers[scheduler];
    let prepared = prepare(
        &shipped.scenario,
        &shipped.resolved.machine,
        resolved,
        image::Image::guest(),
    )
    .unwrap();
    let run = execute(&prepared.setup, Schedule::empty()).unwrap();
    let known = KnownFindings::of_run(list, resolved);
    let mut found = BTreeMap::new();
    for violation in &run.violations {
        if known.baseline(run.machine.image(), violation).is_none() {
            let at = violation
                .at
                .step
                .map_or(String::new(), |step| format!(" in step {}", step + 1));
            found
                .entry(key(&run, violation))
                .or_insert_with(|| format!("{violation}{at}"));
        }
    }
    // A call that perf refuses ends the program, as it should.
    if let Err(what) = check_end(&run.end)
        && !what.contains("failed with error")
    {
        let key = Key {
            oracle: "end",
            row: String::new(),
            place: what.clone(),
        };
        found.insert(key, what);
    }
    found
}

/// The smallest program that shows the finding and, if asked for, does not show it under `none`.
fn smallest(
    mut scenario: Scenario,
    scheduler: &str,
    key: &Key,
    list: &[scenario::Known],
) -> (String, String) {
    let names = [scheduler.to_owned()];
    let shows = |scenario: &Scenario| -> Option<String> {
        let shipped = shipped(scenario, &names)?;
        found(&shipped, scheduler, list).remove(key)
    };
    'smaller: loop {
        for candidate in Shrink::smaller(&scenario) {
            if shows(&candidate).is_some() {
                scenario = candidate;
                continue 'smaller;
            }
        }
        let words = shows(&scenario).unwrap_or_default();
        return (write_scenario(&scenario), words);
    }
}

#[test]
fn mainline_has_no_finding_but_known_ones_in_any_program() {
    let range = std::env::var("ARBITRARY").unwrap_or_else(|_| "0..300".to_owned());
    let (first, last) = range.split_once("..").expect("ARBITRARY=first..last");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let schedulers = schedulers();
    let list = known();
    let mut valid = 0;
    let mut reports: BTreeMap<(String, Key), (u64, usize)> = BTreeMap::new();
    let compared = std::env::var_os("ARBITRARY_SCHEDULERS").is_some();
    for seed in first..last {
        let scenario = arbitrary(seed);
        let mut names = schedulers.clone();
        names.push("none".to_owned());
        names.sort();
        names.dedup();
        let Some(shipped) = shipped(&scenario, &names) else {
            continue;
        };
        valid += 1;
        if std::env::var_os("ARBITRARY_SHOW").is_some() {
            eprintln!("{}", write_scenario(&scenario));
        }
        // Known or not: the question is what a version adds.
        let mainline = if compared {
            found(&shipped, "none", &[])
        } else {
            BTreeMap::new()
        };
        for name in &schedulers {
            for key in found(&shipped, name, &list).into_keys() {
                if !mainline.contains_key(&key) {
                    reports.entry((name.clone(), key)).or_insert((seed, 0)).1 += 1;
                }
            }
        }
    }
    eprintln!("{valid} programs of {}", last - first);
    for ((name, key), (seed, times)) in &reports {
        let (text, words) = smallest(arbitrary(*seed), name, key, &list);
        eprintln!(
            "== {name}: {} in {}, at {}: {times} programs, the first {seed}\n{words}\n{text}",
            key.oracle, key.row, key.place
        );
    }
    assert!(valid * 2 > last - first, "only {valid} programs are valid");
    assert!(reports.is_empty(), "{} findings", reports.len());
}
