// SPDX-License-Identifier: GPL-2.0-only
//! A scenario that is written and read again is the same, and looks as a person would write it.

use std::path::Path;

use expect_test::expect;
use proptest::prelude::*;
use scenario::{
    Event, EventKind, OnOverflow, Op, Program, ReadFormat, Scenario, Source, Step, SwitchTarget,
    TaskTarget, parse_scenario, schema::Kind, write_scenario,
};

fn read(text: &str) -> Scenario {
    parse_scenario(&Source::new("written", text)).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The scenario comes back, and the text is of the schema's shape and a fixed point.
fn survives(scenario: Scenario) -> String {
    let text = write_scenario(&scenario);
    Kind::Scenario.fits(&text).unwrap();
    let again = read(&text);
    assert_eq!(write_scenario(&again), text);
    assert_eq!(again.without_places(), scenario.without_places(), "{text}");
    text
}

fn shipped() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), text));
            }
        }
    }
    let mut found = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sim-configs/scenarios");
    walk(&folder, &mut found);
    found
}

#[test]
fn every_shipped_scenario_survives() {
    let files = shipped();
    assert!(files.len() > 50, "{} files", files.len());
    let mut longer = Vec::new();
    for (name, text) in files {
        let scenario = parse_scenario(&Source::new(name.clone(), text.clone())).unwrap();
        let written = survives(scenario);
        // Beside its comments a file says no less than what is written for it.
        let said = |text: &str| {
            let lines = text.lines().filter(|l| !l.trim().starts_with('#'));
            lines
                .flat_map(str::chars)
                .filter(|c| !c.is_whitespace())
                .count()
        };
        if said(&written) > said(&text) + 100 {
            longer.push((name, written));
        }
    }
    assert!(longer.is_empty(), "clumsier than people wrote: {longer:#?}");
}

#[test]
fn a_file_as_people_write_it() {
    let text = r#"format = 1
title = "a \"title\" with \\ and a \u0007 bell"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L", exclude_kernel = true },
  { id = "B", like = "A", group = "none" },
  { id = "R", kind = { raw = 0x01c2 }, task = "T", cpu = 0 },
  { id = "M", like = "L", buffer = false, on_overflow = { read_local = "A" } },
]

[[cpu]]
program = [
  { open = "L" },
  { open = "A" },
  { disable = "A", group = true, label = "target" },
  { open = "M" },
  { pause = { event = "A", reset = true } },
  { period = { event = "L", n = 4 } },
  { tick = {} },
  { open = "R" },
]

[[cpu]]
program = [
  { wait = { begun = "target" } },
  { read = "A" },
]

[sweep]
step = "target"
source = { pmi = "L" }

[[inject]]
preempt = 1
at = { exact = { cpu = 0, ordinal = 0xffffffffffffffff } }

[[inject]]
pmi = "L"
at = { code = "f+0x3c", hit = 2, cpu = 0 }

[[inject]]
pmi = "L"
at = { after = "write A.dup_count", row = "remove_dup", step = "target" }

[expect."mutants/x"]
baseline = [
  { oracle = "warn", event = "A.child[0]", row = "exit_dup_master", claim = "P5" },
]
violates = [
  { oracle = "count", window = ["remove_dup: write A.state", "write count"] },
  { oracle = "count", window = ["remove_dup: write A.state", "read_dup: write count"], place = "f" },
]

[expect.v10]
exact = true
why = "because"
violates = []
"#;
    assert_eq!(survives(read(text)), text);
}

#[test]
fn made_scenarios_number_their_injectors_and_tasks() {
    let injector = |id: &str| event(id, EventKind::Inject, 2);
    let step = |op| Step {
        op,
        label: None,
        line: 0,
    };
    let steps = vec![
        step(Op::Open("L".into())),
        step(Op::Switch(SwitchTarget::Task("T".into()))),
        step(Op::Open("M".into())),
    ];
    let events = vec![injector("L"), injector("M")];
    let made = Scenario::of_programs(
        "t".into(),
        "skylake".into(),
        events,
        vec![Program { steps }],
    );
    assert_eq!(made.events[1].injector, Some(1));
    assert_eq!(made.tasks, ["T"]);
    expect![[r#"
        format = 1
        title = "t"
        machine = "skylake"
        event = [
          { id = "L", kind = "inject", sample_period = 2 },
          { id = "M", like = "L" },
        ]

        [[cpu]]
        program = [
          { open = "L" },
          { switch = "T" },
          { open = "M" },
        ]
    "#]]
    .assert_eq(&survives(made));
}

fn event(id: &str, kind: EventKind, sample_period: u64) -> Event {
    Event {
        sample_period,
        buffer: sample_period != 0,
        ..Event::plain(id, kind)
    }
}

const KINDS: [EventKind; 4] = [
    EventKind::Inject,
    EventKind::Instructions,
    EventKind::Branches,
    EventKind::Raw(0xc2),
];

proptest! {
    /// Any attributes of any events: `like` never changes what is meant.
    #[test]
    fn events_survive(drafts in prop::collection::vec(
        (0..4_usize, any::<u16>(), 0..3_u32, any::<bool>()), 1..8,
    )) {
        let mut events: Vec<Event> = Vec::new();
        for (at, (kind, bits, cpu, sampling)) in drafts.into_iter().enumerate() {
            let on = |bit: u16| bits & 1 << bit != 0;
            let kind = KINDS[kind];
            let samples = sampling || kind == EventKind::Inject;
            let mut new = event(&format!("E{at}"), kind, if samples { 2 } else { 0 });
            new.disabled = on(0);
            new.pinned = on(1);
            new.exclusive = on(2);
            new.inherit = on(3) && !samples;
            new.inherit_stat = on(4);
            new.enable_on_exec = on(5);
            new.exclude_user = on(6);
            new.exclude_kernel = on(7) && !on(6);
            new.buffer = samples && on(8);
            if on(9) { new.read = ReadFormat::Group; }
            new.task = match (on(10), on(11)) {
                (true, true) => TaskTarget::Current,
                (true, false) => TaskTarget::Task("T".to_owned()),
                _ => TaskTarget::Cpu,
            };
            new.cpu = (cpu < 2).then_some(cpu);
            if samples && on(12) && at > 0 {
                new.on_overflow = OnOverflow::ReadLocal("E0".to_owned());
            }
            if on(13) && at > 0 && events[0].group.is_none() {
                new.group = Some("E0".to_owned());
                new.task = events[0].task.clone();
                new.cpu = events[0].cpu;
                new.pinned = false;
                new.exclusive = false;
            }
            events.push(new);
        }
        let steps = events.iter().map(|event| Step {
            op: Op::Open(event.id.clone()),
            label: None,
            line: 0,
        }).collect();
        let programs = vec![Program { steps }, Program::default()];
        survives(Scenario::of_programs("t".into(), "m".into(), events, programs));
    }
}
