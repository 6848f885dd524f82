// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes that only files with several CPUs can have. `UPDATE_EXPECT=1` renews the texts.

use expect_test::{Expect, expect};
use scenario::{Op, Source, parse_scenario};

fn wrong(programs: &str, expected: &Expect) {
    let text = format!(
        "format = 1\ntitle = \"t\"\nmachine = \"m\"\nevent = [{{ id = \"A\", kind = \"cycles\" }}]\n{programs}"
    );
    let errors = parse_scenario(&Source::new("a.toml", &text)).expect_err("the file is wrong");
    expected.assert_eq(&format!("{}\n", errors.render(false)));
}

#[test]
fn waits_name_a_step_of_another_cpu() {
    wrong(
        r#"[[cpu]]
program = [
  { wait = { done = "late" } },
  { wait = { begun = "nowhere" } },
  { wait = { done = "other", begun = "other" } },
  { wait = "other" },
  { wait = {} },
  { open = "A", label = "late" },
]
[[cpu]]
program = [{ work = 1, label = "other" }]
"#,
        &expect![[r#"
            error[E0207]: the step waits for its own CPU
              --> a.toml:7:21
               |
             7 |   { wait = { done = "late" } },
               |                     ^^^^^^ waits here
            ...
            12 |   { open = "A", label = "late" },
               |   ------------------------------ for this step of the same program
               |
               = help: wait for a step of another `[[cpu]]`

            error[E0203]: unknown label `nowhere`
             --> a.toml:8:22
              |
            8 |   { wait = { begun = "nowhere" } },
              |                      ^^^^^^^^^
              |
              = help: possible: `late` or `other`

            error[E0206]: `wait` names one step of another CPU
             --> a.toml:9:12
              |
            9 |   { wait = { done = "other", begun = "other" } },
              |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: write `wait = { begun = LABEL }` or `wait = { done = LABEL }`

            error[E0104]: `wait` takes a table, not a string
              --> a.toml:10:12
               |
            10 |   { wait = "other" },
               |            ^^^^^^^ expected a table

            error[E0206]: `wait` names one step of another CPU
              --> a.toml:11:12
               |
            11 |   { wait = {} },
               |            ^^
               |
               = help: write `wait = { begun = LABEL }` or `wait = { done = LABEL }`
        "#]],
    );
}

#[test]
fn a_preemption_is_by_a_cpu_that_exists() {
    wrong(
        r#"[[cpu]]
program = [{ open = "A", label = "target" }]
[sweep]
step = "target"
source = { preempt = 1 }
"#,
        &expect![[r#"
            error[E0105]: there is no CPU 1
             --> a.toml:9:22
              |
            9 | source = { preempt = 1 }
              |                      ^ the file has 1 `[[cpu]]`
              |
              = help: CPUs are numbered from 0
        "#]],
    );
    wrong(
        r#"[[cpu]]
program = [{ open = "A", label = "target" }]
[sweep]
step = "target"
source = { preempt = "A" }
[[inject]]
preempt = 9
at = { before = "read A.count" }
[[inject]]
preempt = 0
pmi = "A"
at = { before = "read A.count" }
"#,
        &expect![[r#"
            error[E0104]: `preempt` takes an integer, not a string
             --> a.toml:9:22
              |
            9 | source = { preempt = "A" }
              |                      ^^^ expected an integer

            error[E0105]: `preempt` is out of range
              --> a.toml:11:11
               |
            11 | preempt = 9
               |           ^ must be from 0 to 3

            error[E0208]: what comes in between has exactly one source
              --> a.toml:13:1
               |
            13 | [[inject]]
               | ^^^^^^^^^^
               |
               = help: give one of `pmi = ID`, `late = ID`, `external = ID`, `preempt = CPU` or `tick = {}`
        "#]],
    );
}

#[test]
fn waits_are_read() {
    let text = r#"format = 1
title = "t"
machine = "m"
[[cpu]]
program = [{ wait = { begun = "x" } }, { wait = { done = "x" } }]
[[cpu]]
program = [{ work = 1, label = "x" }]
"#;
    let scenario = parse_scenario(&Source::new("a.toml", text)).unwrap();
    let waits: Vec<bool> = scenario.programs[0]
        .steps
        .iter()
        .filter_map(|step| match &step.op {
            Op::Wait { step, begun } if step == "x" => Some(*begun),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [true, false]);
}
