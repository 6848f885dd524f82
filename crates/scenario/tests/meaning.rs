// SPDX-License-Identifier: GPL-2.0-only
//! What a correct file means, value by value.

use abi::{event_select, rows::Row, syscall, syscall::Attr};
use scenario::{
    Access, AccessKind, EventKind, NmiSource, OnOverflow, Op, Oracle, Point, Reach, ReadFormat,
    ReadGuard, Scenario, Side, Source, SwitchTarget, TaskTarget, Texts, Timing, Vendor,
    parse_known, parse_machine, parse_scenario, parse_scheduler,
};

const ALL: &str = r#"format = 1
title = "everything"
source = "nowhere"
machine = "m/x-1"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L", exclude_kernel = true },
  { id = "B", like = "A", group = "none", disabled = true },
  { id = "M", like = "L", on_overflow = { read_local = "A" }, buffer = false },
  { id = "R", kind = { raw = 0x01c2 }, task = "T1", cpu = 1, pinned = true, exclusive = true },
  { id = "I", kind = "ref-cycles", task = "current", inherit = true, inherit_stat = true, enable_on_exec = true, exclude_user = true },
]

[[cpu]]
program = [
  { open = "L" }, { open = "A" }, { open = "M" },
  { mmap = "M" },
  { probe = "A" },
  { work = 1_000 },
  { open = "B", label = "target" },
  { enable = "L", group = true },
  { disable = "A" },
  { reset = "A", group = false },
  { refresh = { event = "L", n = 3 } },
  { switch = "T2" }, { switch = "idle" }, { switch = "T2" },
  { tick = {}, label = "t" }, { advance = 500 },
  { fork = "T3" }, { exec = {} }, { exit_task = {} }, { offline = {} }, { online = {} },
  { period = { event = "L", n = 4 } }, { pause = { event = "A", reset = true } }, { user_read = "B" },
  { close = "B" },
  { exit = {} },
]
[[cpu]]
program = [{ read = "A" }, { open = "R" }]

[sweep]
step = "target"
source = { late = "L" }
nmis = 2

[[inject]]
pmi = "M"
at = { exact = { cpu = 1, ordinal = 1841, rip = 0x401a2c } }
[[inject]]
external = "A"
at = { code = "init_dup_master_v10+0x3c", hit = 2, step = "target", cpu = 0 }
[[inject]]
pmi = "L"
at = { after = "write A.dup_count", row = "init_dup_master" }

[expect.v10]
exact = true
baseline = [{ oracle = "state", place = "event_sched_out" }]
violates = [
  { oracle = "count", event = "A", window = ["init_dup_master: write master_count", "write dup_count"] },
]
[expect."mutants/early-1"]
"#;

fn all() -> Scenario {
    let scenario = parse_scenario(&Source::new("all.toml", ALL));
    scenario.unwrap_or_else(|errors| panic!("{errors}"))
}

fn line_of(text: &str) -> u32 {
    let at = ALL.lines().position(|line| line.contains(text)).unwrap();
    u32::try_from(at + 1).unwrap()
}

#[test]
fn events() {
    let scenario = all();
    let event = |id| scenario.event(id).unwrap();
    assert_eq!(scenario.machine, "m/x-1");
    assert_eq!(scenario.source.as_deref(), Some("nowhere"));
    assert_eq!(event("L").injector, Some(0));
    assert_eq!(event("M").injector, Some(1));
    assert_eq!(event("A").injector, None);
    assert!(event("L").buffer && event("L").is_injector());
    assert!(!event("M").buffer && !event("A").buffer);
    assert_eq!(
        event("M").on_overflow,
        OnOverflow::ReadLocal("A".to_owned())
    );
    assert_eq!(event("M").read, ReadFormat::Group);
    assert_eq!(event("A").group.as_deref(), Some("L"));
    assert_eq!(event("B").group, None);
    assert!(event("B").exclude_kernel && event("B").disabled && !event("A").disabled);
    assert_eq!(event("R").kind, EventKind::Raw(0x1c2));
    assert_eq!(event("R").task, TaskTarget::Task("T1".to_owned()));
    assert_eq!(event("R").cpu, Some(1));
    assert_eq!(event("I").task, TaskTarget::Current);
    assert_eq!(event("B").line, line_of("id = \"B\""));
    assert_eq!(scenario.event("Z"), None);
    assert_eq!(scenario.tasks, ["T2", "T3", "T1"]);
    assert_eq!(scenario.task_number("T1"), Some(3));
    assert_eq!(scenario.task_number("T4"), None);
    assert_eq!(scenario.opener("R"), Some(1));
    assert_eq!(scenario.opener("I"), None);
}

#[test]
fn attributes() {
    let scenario = all();
    let attr = |id| scenario.event(id).unwrap().attr();
    let times = syscall::FORMAT_TOTAL_TIME_ENABLED
        | syscall::FORMAT_TOTAL_TIME_RUNNING
        | syscall::FORMAT_ID;
    assert_eq!(
        attr("M"),
        Attr {
            kind: syscall::TYPE_RAW,
            size: Attr::SIZE,
            config: event_select::injector(1),
            sample_period: 2,
            sample_type: syscall::SAMPLE_READ,
            read_format: times | syscall::FORMAT_GROUP,
            ..Attr::default()
        }
    );
    assert_eq!(
        attr("A"),
        Attr {
            kind: syscall::TYPE_HARDWARE,
            size: Attr::SIZE,
            config: syscall::HW_INSTRUCTIONS,
            read_format: times,
            flags: Attr::EXCLUDE_KERNEL,
            ..Attr::default()
        }
    );
    assert_eq!(attr("B").flags, Attr::EXCLUDE_KERNEL | Attr::DISABLED);
    assert_eq!(attr("R").config, 0x1c2);
    assert_eq!(attr("R").flags, Attr::PINNED | Attr::EXCLUSIVE);
    assert_eq!(
        attr("I").flags,
        Attr::INHERIT | Attr::INHERIT_STAT | Attr::ENABLE_ON_EXEC | Attr::EXCLUDE_USER
    );
    assert_eq!(attr("I").config, syscall::HW_REF_CPU_CYCLES);
}

/// What the sharing code compares: a copy by `like` is compatible, whatever its group.
#[test]
fn like_makes_compatible_events() {
    let text = ALL.replace(", disabled = true", "");
    let scenario = parse_scenario(&Source::new("like.toml", text)).unwrap();
    let attr = |id| scenario.event(id).unwrap().attr();
    assert_eq!(attr("A"), attr("B"));
}

#[test]
fn steps() {
    let scenario = all();
    let id = |id: &str| id.to_owned();
    let ops: Vec<Op> = scenario.programs[0]
        .steps
        .iter()
        .map(|step| step.op.clone())
        .collect();
    assert_eq!(
        ops,
        [
            Op::Open(id("L")),
            Op::Open(id("A")),
            Op::Open(id("M")),
            Op::Mmap(id("M")),
            Op::Probe(id("A")),
            Op::Work(1000),
            Op::Open(id("B")),
            Op::Enable {
                event: id("L"),
                group: true
            },
            Op::Disable {
                event: id("A"),
                group: false
            },
            Op::Reset {
                event: id("A"),
                group: false
            },
            Op::Refresh {
                event: id("L"),
                n: 3
            },
            Op::Switch(SwitchTarget::Task(id("T2"))),
            Op::Switch(SwitchTarget::Idle),
            Op::Switch(SwitchTarget::Task(id("T2"))),
            Op::Tick,
            Op::Advance { ns: 500 },
            Op::Fork(id("T3")),
            Op::Exec,
            Op::ExitTask,
            Op::Offline,
            Op::Online,
            Op::Period {
                event: id("L"),
                n: 4
            },
            Op::Pause {
                event: id("A"),
                reset: true
            },
            Op::UserRead(id("B")),
            Op::Close(id("B")),
            Op::Exit,
        ]
    );
    assert!(ops.iter().all(|op| Op::NAMES.contains(&op.name())));
    assert_eq!(scenario.labelled("target"), Some((0, 6)));
    assert_eq!(scenario.labelled("t"), Some((0, 14)));
    assert_eq!(scenario.labelled("x"), None);
    assert_eq!(
        scenario.programs[0].steps[6].line,
        line_of("label = \"target\"")
    );
    assert_eq!(scenario.programs[1].steps.len(), 2);
}

#[test]
fn injections() {
    let scenario = all();
    let sweep = scenario.sweep.as_ref().unwrap();
    assert_eq!(sweep.step, "target");
    assert_eq!(sweep.source, NmiSource::Late("L".to_owned()));
    assert_eq!(sweep.nmis, 2);
    assert_eq!(sweep.line, line_of("[sweep]"));
    let points: Vec<_> = scenario.inject.iter().map(|i| i.at.clone()).collect();
    assert_eq!(
        points,
        [
            Point::Exact {
                cpu: 1,
                ordinal: 1841,
                rip: Some(0x0040_1a2c),
            },
            Point::Code {
                symbol: "init_dup_master_v10".to_owned(),
                offset: 0x3c,
                hit: 2,
                step: Some("target".to_owned()),
                cpu: Some(0),
            },
            Point::Semantic {
                side: Side::After,
                access: Access {
                    row: Some("init_dup_master".to_owned()),
                    kind: AccessKind::Write,
                    object: Some("A".to_owned()),
                    field: "dup_count".to_owned(),
                },
                hit: 1,
                step: None,
                cpu: None,
            },
        ]
    );
    assert_eq!(points[1].step(), Some("target"));
    let source = &scenario.inject[1].source;
    assert_eq!((source.name(), source.event()), ("external", Some("A")));
}

#[test]
fn expectations() {
    let scenario = all();
    assert_eq!(scenario.expect.len(), 2);
    assert_eq!(scenario.expect["mutants/early-1"].line, line_of("early-1"));
    let v10 = &scenario.expect["v10"];
    assert!(v10.exact && !scenario.expect["mutants/early-1"].exact);
    assert_eq!(v10.baseline[0].oracle, Oracle::State);
    assert_eq!(v10.baseline[0].place.as_deref(), Some("event_sched_out"));
    let cause = &v10.violates[0];
    assert_eq!(cause.event.as_deref(), Some("A"));
    assert_eq!(cause.line, line_of("violates") + 1);
    assert_eq!(
        cause.window.as_ref().unwrap().to_string(),
        "init_dup_master: write master_count .. init_dup_master: write dup_count"
    );
}

#[test]
fn machines() {
    let text = "format = 1\nname = \"x\"\nvendor = \"intel\"\ntiming = \"unit\"\nskid_max = 8\n\
                max_samples_per_tick = 100\n[pmu]\nversion = 3\ngp_counters = 4\ngp_width = 48\n\
                fixed_counters = 2\nfixed_width = 40\nfull_width_writes = true\n";
    let machine = parse_machine(&Source::new("x.toml", text)).unwrap();
    assert_eq!(machine.vendor, Vendor::Intel);
    assert_eq!(machine.timing, Timing::Unit);
    assert_eq!((machine.skid_max, machine.max_samples_per_tick), (8, 100));
    let pmu = machine.pmu;
    assert_eq!((pmu.version, pmu.gp_counters, pmu.gp_width), (3, 4, 48));
    assert_eq!((pmu.fixed_counters, pmu.fixed_width), (2, 40));
    assert!(pmu.full_width_writes);
}

#[test]
fn schedulers_inherit_rows() {
    let file = |name: &str, text: &str| {
        let path = format!("{name}.toml");
        (name.to_owned(), (path, text.to_owned()))
    };
    let library = Texts {
        schedulers: [
            file(
                "a",
                "format = 1\nname = \"a\"\n[rows]\nreset = \"v10\"\npause = \"v10\"\n",
            ),
            file(
                "b",
                "format = 1\nname = \"b\"\nbase = \"a\"\n[rows]\npause = \"delta\"\n",
            ),
        ]
        .into(),
        ..Texts::default()
    };
    let text = "format = 1\nname = \"c\"\nbase = \"b\"\n[rows]\nshadow_child_count = true\n\
                read_guard = \"v5.9\"\n";
    let scheduler = parse_scheduler(&Source::new("c.toml", text), &library).unwrap();
    assert_eq!(scheduler.name, "c");
    for row in Row::ALL {
        let wanted = match row {
            Row::Reset => "v10",
            Row::Pause => "delta",
            Row::ShadowChildCount => "true",
            Row::ReadGuard => "v5.9",
            _ => row.values()[0],
        };
        assert_eq!(scheduler.value(row), wanted, "{}", row.name());
    }
}

#[test]
fn known_findings() {
    let text = r#"format = 1
[[known]]
oracle = "count"
row = "x86_perf_event_update"
window = ["write hw.prev_count", "event_sched_out: write count"]
read_guard = ["v5.5", "v5.9"]
reaches = ["late", "external"]
schedulers = ["none"]
reason = "why"
source = "where"
[[known]]
oracle = "freed"
row = "x"
place = "f"
read_guard = ["v5.5"]
reaches = ["pmi"]
reason = "why"
source = "where"
"#;
    let known = parse_known(&Source::new("known.toml", text)).unwrap();
    assert_eq!(
        known[0].window.as_ref().unwrap().to_string(),
        "x86_perf_event_update: write hw.prev_count .. event_sched_out: write count"
    );
    assert_eq!(known[0].read_guard, [ReadGuard::V5_5, ReadGuard::V5_9]);
    assert_eq!(known[0].reaches, [Reach::Late, Reach::External]);
    assert_eq!(known[0].schedulers, ["none"]);
    assert_eq!((known[0].line, known[1].line), (2, 11));
    assert_eq!(known[1].place.as_deref(), Some("f"));
    assert!(known[1].schedulers.is_empty());
    assert_eq!(parse_known(&Source::new("k", "format = 1\n")).unwrap(), []);
}
