// SPDX-License-Identifier: GPL-2.0-only
//! What mistakes in the steps about tasks look like to the person who made them. `UPDATE_EXPECT=1`
//! renews the texts.

use expect_test::{Expect, expect};
use scenario::{Source, parse_scenario};

/// A program of these steps, one a line, with the events A of the task and B of the task T.
fn steps(program: &str, expected: &Expect) {
    let text = format!(
        r#"format = 1
title = "t"
machine = "m"
event = [
  {{ id = "A", kind = "instructions", task = "current", inherit = true }},
  {{ id = "B", kind = "instructions", task = "T" }},
]
[[cpu]]
program = [
{program}
]
"#
    );
    let errors = parse_scenario(&Source::new("a.toml", text)).expect_err("the file is wrong");
    expected.assert_eq(&format!("{}\n", errors.render(false)));
}

#[test]
fn a_fork_makes_a_new_task() {
    steps(
        r#"  { open = "B" },
  { fork = "T" },
  { fork = "U" },
  { fork = "U" },"#,
        &expect![[r#"
            error[E0202]: the task `T` exists already
              --> a.toml:11:3
               |
            10 |   { open = "B" },
               |   -------------- there since here
            11 |   { fork = "T" },
               |   ^^^^^^^^^^^^^^ forked here
               |
               = help: a name means one task: a fork makes a new one

            error[E0202]: the task `U` exists already
              --> a.toml:13:3
               |
            12 |   { fork = "U" },
               |   -------------- there since here
            13 |   { fork = "U" },
               |   ^^^^^^^^^^^^^^ forked here
               |
               = help: a name means one task: a fork makes a new one
        "#]],
    );
}

#[test]
fn the_idle_task_stays() {
    steps(
        r#"  { switch = "T" },
  { switch = "idle" },
  { exit_task = {} },"#,
        &expect![[r#"
            error[E0207]: the idle task cannot exit
              --> a.toml:12:3
               |
            12 |   { exit_task = {} },
               |   ^^^^^^^^^^^^^^^^^^
               |
               = help: switch to a task before: `{ switch = "T" }`
        "#]],
    );
}

#[test]
fn who_has_exited_does_not_come_back() {
    steps(
        r#"  { switch = "T" },
  { exit_task = {} },
  { open = "B" },
  { switch = "T" },"#,
        &expect![[r#"
            error[E0207]: the task `T` has exited
              --> a.toml:12:3
               |
            11 |   { exit_task = {} },
               |   ------------------ exited here
            12 |   { open = "B" },
               |   ^^^^^^^^^^^^^^ used here

            error[E0207]: the task `T` has exited
              --> a.toml:13:3
               |
            11 |   { exit_task = {} },
               |   ------------------ exited here
            12 |   { open = "B" },
            13 |   { switch = "T" },
               |   ^^^^^^^^^^^^^^^^ used here
        "#]],
    );
}

#[test]
fn shapes() {
    steps(
        r#"  { fork = "idle" },
  { exit_task = 1 },
  { open = "A" },
  { mmap = "A" },
  { period = { event = "A", n = 3 } },
  { pause = { reset = true } },"#,
        &expect![[r#"
            error[E0109]: `idle` is reserved and cannot name a task
              --> a.toml:10:12
               |
            10 |   { fork = "idle" },
               |            ^^^^^^ reserved word

            error[E0104]: `exit_task` takes a table, not an integer
              --> a.toml:11:17
               |
            11 |   { exit_task = 1 },
               |                 ^ expected a table

            error[E0206]: `A` is inherited and counts on every CPU
              --> a.toml:13:12
               |
            13 |   { mmap = "A" },
               |            ^^^ perf refuses to map it
               |
               = help: bind it to a CPU: `cpu = 0`

            error[E0205]: `A` does not sample
              --> a.toml:14:24
               |
            14 |   { period = { event = "A", n = 3 } },
               |                        ^^^
               |
               = help: perf refuses PERF_EVENT_IOC_PERIOD for a counting event

            error[E0103]: `pause` has no `event`
              --> a.toml:15:13
               |
            15 |   { pause = { reset = true } },
               |             ^^^^^^^^^^^^^^^^
               |
               = help: add `event = ...`
        "#]],
    );
}
