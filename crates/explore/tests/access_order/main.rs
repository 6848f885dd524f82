// SPDX-License-Identifier: GPL-2.0-only
//! The order in which the compiled sharing code accesses events: what an NMI can come between.
//!
//! Each versioned function runs on the simulated core in scenarios that take all its branches. What
//! it does itself (loads, stores, calls) is held to the numbered lines of the patch and of its
//! review, and listed, one file for each function, in `tests/access_order`. `UPDATE_EXPECT=1`
//! renews the files, not the order in `reference.rs`.

#[path = "../common/mod.rs"]
mod common;
mod early;
mod later;
mod record;
mod reference;
mod scenarios;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use expect_test::expect_file;
use machine::{AccessKind, ObjectId, Objects};

use record::{Call, Line, Value, state_name};
use reference::{Function, functions};

/// What a call did, in the reference's letters.
#[derive(Debug, Clone)]
struct Told {
    function: String,
    situation: String,
    lines: Vec<String>,
    /// E is its own master.
    own: bool,
    /// The boundary before each line's instruction; none for calls.
    ordinals: Vec<Option<u64>>,
}

/// Gives events their letters, in the order in which they come.
struct Letters {
    names: Vec<(ObjectId, String)>,
    /// Letters for events that the first one was master of.
    slaves: Vec<ObjectId>,
}

impl Letters {
    fn new(call: &Call) -> Self {
        let mut names = Vec::new();
        let mut name = |value: Value, letter: &str| {
            if let Value::Event(id) = value
                && names.iter().all(|(known, _)| *known != id)
            {
                names.push((id, letter.to_owned()));
            }
        };
        name(call.args[0], "E");
        if !call.function.starts_with("setup_dup") {
            name(call.args.get(1).copied().unwrap_or(call.master), "M");
        }
        let slaves = if call.function.starts_with("remove_dup") {
            call.slaves.clone()
        } else {
            Vec::new()
        };
        Self { names, slaves }
    }

    fn get(&mut self, id: ObjectId) -> String {
        if let Some((_, name)) = self.names.iter().find(|(known, _)| *known == id) {
            return name.clone();
        }
        let (letter, first) = if self.slaves.contains(&id) {
            ('N', "NM")
        } else {
            ('T', "T")
        };
        let same = |name: &String| name.starts_with(letter);
        let name = match self.names.iter().filter(|(_, name)| same(name)).count() {
            0 => first.to_owned(),
            n => format!("{letter}{}", n + 1),
        };
        self.names.push((id, name.clone()));
        name
    }

    fn value(&mut self, value: Value) -> String {
        match value {
            Value::Event(id) => self.get(id),
            Value::Null => "null".to_owned(),
            Value::Tombstone => "TOMBSTONE".to_owned(),
            Value::State(state) => state_name(state).to_owned(),
        }
    }

    fn line(&mut self, line: &Line, objects: &Objects) -> String {
        match line {
            Line::Warn => "WARN".to_owned(),
            Line::Call { name, args } => {
                let args: Vec<String> = args.iter().map(|&arg| self.value(arg)).collect();
                format!("call {name}({})", args.join(", "))
            }
            Line::Access { access, rmw } => {
                let field = objects.field_name(access.offset);
                let word = match (rmw, access.kind) {
                    (true, _) => "RMW",
                    (false, AccessKind::Read) => "R",
                    (false, AccessKind::Write) => "W",
                };
                let mut text = format!("{word} {}.{field}", self.get(access.object));
                if word == "W" {
                    let stored = match field {
                        "dup_master" => Some(self.value(match access.new {
                            0 => Value::Null,
                            u64::MAX => Value::Tombstone,
                            addr => Value::Event(objects.at(addr).expect("an event").0),
                        })),
                        "state" => Some(state_name(access.new as i32).to_owned()),
                        // A constant, but for the number that goes to the next master.
                        "dup_active" if self.slaves.is_empty() => Some(access.new.to_string()),
                        _ => None,
                    };
                    if let Some(stored) = stored {
                        let _ = write!(text, " = {stored}");
                    }
                }
                text
            }
        }
    }
}

fn tell(call: &Call, objects: &Objects) -> Told {
    let mut letters = Letters::new(call);
    Told {
        function: call.function.clone(),
        situation: call.situation.clone(),
        own: call.args.get(1).copied().unwrap_or(call.master) == call.args[0],
        lines: call
            .lines
            .iter()
            .map(|line| letters.line(line, objects))
            .collect(),
        ordinals: call
            .lines
            .iter()
            .map(|line| match line {
                Line::Access { access, .. } => Some(access.ordinal),
                _ => None,
            })
            .collect(),
    }
}

/// The calls of all scenarios, by function.
fn calls() -> &'static BTreeMap<String, Vec<Told>> {
    static CALLS: OnceLock<BTreeMap<String, Vec<Told>>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let mut by_function: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        for told in scenarios::all() {
            by_function
                .entry(told.function.clone())
                .or_default()
                .push(told);
        }
        by_function
    })
}

fn of(function: &str) -> &'static [Told] {
    calls().get(function).map_or(&[], Vec::as_slice)
}

/// Each case once: its lines, and the situations in which it came.
fn cases(calls: &[Told]) -> Vec<(&Told, BTreeSet<&str>)> {
    let mut cases: Vec<(&Told, BTreeSet<&str>)> = Vec::new();
    for call in calls {
        match cases
            .iter_mut()
            .find(|(known, _)| known.lines == call.lines)
        {
            Some((_, situations)) => {
                situations.insert(&call.situation);
            }
            None => cases.push((call, BTreeSet::from([call.situation.as_str()]))),
        }
    }
    // Independent of which scenario shows a case first.
    cases.sort_by(|(a, _), (b, _)| (a.lines.len(), &a.lines).cmp(&(b.lines.len(), &b.lines)));
    cases
}

fn listing(function: &Function, calls: &[Told]) -> String {
    let mut text = format!(
        "# SPDX-License-Identifier: GPL-2.0-only\n# {}\n",
        function.name
    );
    for note in function.notes {
        let _ = writeln!(text, "# {note}");
    }
    for (case, situations) in cases(calls) {
        text.push('\n');
        for situation in situations {
            let _ = writeln!(text, "# {situation}");
        }
        let places = function.place(&case.lines, case.own).unwrap_or_default();
        for (i, line) in case.lines.iter().enumerate() {
            let number = match places.get(i) {
                Some(Some((step, _))) => function.steps[*step].number,
                Some(None) => "the assertion fails",
                None => "out of order",
            };
            let _ = writeln!(text, "{line:<42}# {number}");
        }
        if case.lines.is_empty() {
            text.push_str("# (nothing)\n");
        }
    }
    text
}

#[test]
fn every_call_keeps_the_order_of_the_reference() {
    let mut wrong = Vec::new();
    for function in functions() {
        for (case, _) in cases(of(function.name)) {
            if let Err(error) = function.place(&case.lines, case.own) {
                wrong.push(format!("{error}, in:\n  {}", case.lines.join("\n  ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The comparison can fail: two neighbours in each other's place are refused.
#[test]
fn swapped_lines_are_out_of_order() {
    let mut swaps = 0;
    for function in functions() {
        let head = function.cycle.map(|(first, _)| first);
        for (case, _) in cases(of(function.name)) {
            let places = function.place(&case.lines, case.own).unwrap();
            for at in 1..case.lines.len() {
                let pair = [places[at - 1], places[at]];
                // Where a pass of the loop begins is its own choice; the listing holds it.
                let free = pair.iter().any(|p| p.is_none_or(|(s, _)| Some(s) == head));
                if free || case.lines[at - 1] == case.lines[at] {
                    continue;
                }
                let mut lines = case.lines.clone();
                lines.swap(at - 1, at);
                let refused = function.place(&lines, case.own).is_err();
                assert!(refused, "{}: {lines:#?}", function.name);
                swaps += 1;
            }
        }
    }
    assert!(swaps > 200, "{swaps}");
}

#[test]
fn every_line_of_the_reference_is_reached() {
    let mut missing = Vec::new();
    for function in functions() {
        let mut seen = BTreeSet::new();
        for (case, _) in cases(of(function.name)) {
            seen.extend(
                function
                    .place(&case.lines, case.own)
                    .unwrap_or_default()
                    .into_iter()
                    .flatten(),
            );
        }
        for (at, step) in function.steps.iter().enumerate() {
            for (form, text) in step.forms.iter().enumerate() {
                if !seen.contains(&(at, form)) {
                    missing.push(format!("{} {}: {text}", function.name, step.number));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn no_other_versioned_function_accesses_events() {
    let known: BTreeSet<&str> = functions().map(|f| f.name).collect();
    for function in calls().keys() {
        assert!(known.contains(function.as_str()), "{function}");
    }
}

#[test]
fn the_accesses_are_the_committed_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/access_order");
    for function in functions() {
        let file = folder.join(format!("{}.txt", function.name));
        expect_file![file].assert_eq(&listing(function, of(function.name)));
    }
}

/// In each call that has any of `lines`, they stand in this order, each once; some call has all.
#[track_caller]
fn ordered(function: &str, lines: &[&str]) {
    let mut whole = 0;
    for call in of(function) {
        let found: Vec<&str> = call
            .lines
            .iter()
            .map(String::as_str)
            .filter(|line| lines.contains(line))
            .collect();
        let expected: Vec<&str> = lines
            .iter()
            .copied()
            .filter(|line| found.contains(line))
            .collect();
        assert_eq!(found, expected, "{function}: {:#?}", call.lines);
        whole += usize::from(found.len() == lines.len());
    }
    assert!(whole > 0, "{function}: no call has all of {lines:?}");
}

fn count(call: &Told, line: &str) -> usize {
    call.lines.iter().filter(|l| *l == line).count()
}

#[test]
fn v10_publishes_a_master_before_what_belongs_to_it() {
    ordered(
        "init_dup_master_v10",
        &[
            "W E.dup_master = E",
            "W E.master_count",
            "W E.master_child_count",
            "W E.dup_count",
            "W E.dup_active = 1",
        ],
    );
    ordered(
        "exit_dup_master_v10",
        &["W E.dup_master = null", "W E.count"],
    );
}

#[test]
fn delta_publishes_a_master_last() {
    ordered(
        "init_dup_master_delta",
        &[
            "call pmu->read(E)",
            "R E.count",
            "W E.master_count",
            "W E.dup_count",
            "W E.dup_active = 1",
            "W E.dup_master = E",
        ],
    );
    for call in of("init_dup_master_delta") {
        assert_eq!(call.lines.last().unwrap(), "W E.dup_master = E");
    }
    ordered(
        "exit_dup_master_delta",
        &["W E.dup_active = 0", "W E.dup_master = null", "W E.count"],
    );
}

#[test]
fn a_v10_sync_adds_before_it_stores_the_base() {
    let master = ["R E.dup_count", "RMW E.master_count", "W E.dup_count"];
    let slave = ["R E.dup_count", "RMW E.count", "W E.dup_count"];
    ordered("read_dup_v10", &master);
    ordered("read_dup_v10", &slave);
}

#[test]
fn a_delta_sync_moves_the_base_with_one_instruction_and_then_adds() {
    let (mut retried, mut tombstones) = (0, 0);
    for call in of("read_dup_delta") {
        if call.lines.is_empty() {
            tombstones += 1;
            continue;
        }
        let tries = count(call, "R E.dup_count");
        assert_eq!(count(call, "RMW E.dup_count"), tries);
        retried += usize::from(tries > 1);
        let moves: Vec<&str> = call.lines.iter().map(String::as_str).collect();
        let [.., cmpxchg, add] = moves[..] else {
            panic!("{moves:?}");
        };
        assert_eq!(cmpxchg, "RMW E.dup_count");
        assert!(["RMW E.master_count", "RMW E.count"].contains(&add));
        assert!(moves.iter().all(|line| !line.starts_with("W ")));
    }
    assert!(retried > 0 && tombstones > 0, "{retried}, {tombstones}");
}

#[test]
fn a_v10_removal_stores_the_base_before_the_master_and_says_enabled_after_enabling() {
    ordered(
        "remove_dup_v10",
        &["W NM.dup_count", "W NM.dup_master = NM", "W NM.dup_active"],
    );
    ordered(
        "remove_dup_v10",
        &["W N2.dup_count", "W N2.dup_master = NM"],
    );
    // The new master gets its own value when the second slave comes, as a master already.
    ordered(
        "remove_dup_v10",
        &["W NM.dup_master = NM", "call init_dup_master(NM)"],
    );
    ordered(
        "remove_dup_v10",
        &["call perf_pmu_enable()", "W NM.state = ENABLED"],
    );
}

#[test]
fn a_delta_removal_goes_through_the_tombstone() {
    ordered(
        "remove_dup_delta",
        &[
            "call read_dup(NM, E)",
            "W NM.dup_master = TOMBSTONE",
            "W NM.dup_count",
            "W NM.master_count",
            "W NM.dup_master = NM",
            "call exit_dup_master(E)",
        ],
    );
    ordered(
        "remove_dup_delta",
        &[
            "call read_dup(N2, E)",
            "W N2.dup_master = TOMBSTONE",
            "W N2.dup_count",
            "W N2.dup_master = NM",
            "call exit_dup_master(E)",
        ],
    );
    ordered(
        "remove_dup_delta",
        &["W NM.state = ENABLED", "call perf_pmu_enable()"],
    );
}

#[test]
fn no_removal_takes_the_old_master_off_the_pmu() {
    for function in ["remove_dup_v10", "remove_dup_delta"] {
        assert!(
            of(function)
                .iter()
                .all(|c| count(c, "call pmu->del(E)") == 0)
        );
        ordered(function, &["call perf_pmu_disable()", "call pmu->add(NM)"]);
    }
}

#[test]
fn v10_syncs_before_it_deletes_and_delta_after() {
    let shared = "call read_dup(E, M)";
    let del = ["RMW M.dup_active", "call pmu->del(M)"];
    ordered("pmu_del_v10", &[shared, del[0], del[1]]);
    ordered("pmu_del_delta", &[del[0], del[1], shared]);
}

#[test]
fn the_delta_reads_inside_init_dup_master_and_not_before_it() {
    ordered(
        "setup_dup_v10",
        &["call pmu->read(T)", "call init_dup_master(T)"],
    );
    for call in of("setup_dup_delta") {
        assert_eq!(count(call, "call pmu->read(T)"), 0);
    }
}
