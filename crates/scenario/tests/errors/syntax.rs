// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes that any scenario file can have: syntax, format, keys, types, names.

use expect_test::expect;

use crate::scenario;

#[test]
fn syntax_errors_are_all_reported() {
    scenario(
        r#"format = 1
title = oops
machine = "m
"#,
        &expect![[r#"
            error[E0101]: string values must be quoted, expected literal string
             --> a.toml:2:9
              |
            2 | title = oops
              |         ^^^^

            error[E0101]: invalid basic string, expected `"`
             --> a.toml:3:13
              |
            3 | machine = "m
              |             ^
        "#]],
    );
}

#[test]
fn duplicate_toml_key() {
    scenario(
        r#"format = 1
format = 1
"#,
        &expect![[r#"
            error[E0101]: duplicate key
             --> a.toml:2:1
              |
            2 | format = 1
              | ^^^^^^
        "#]],
    );
}

#[test]
fn format_missing() {
    scenario(
        r#"title = "t"
machine = "m"
[[cpu]]
program = []
"#,
        &expect![[r#"
            error[E0107]: the file does not say which format it has
             --> a.toml:1:1
              |
            1 | title = "t"
              | ^
              |
              = help: begin the file with `format = 1`
        "#]],
    );
}

#[test]
fn format_newer() {
    scenario(
        r#"format = 2
whatever = 1
"#,
        &expect![[r#"
            error[E0107]: format 2 is not one that this program reads
             --> a.toml:1:10
              |
            1 | format = 2
              |          ^ this program reads format 1
              |
              = help: the file was written for a newer version of pmusim: update the program
        "#]],
    );
}

#[test]
fn format_zero() {
    scenario(
        r#"format = 0
"#,
        &expect![[r#"
            error[E0107]: format 0 is not one that this program reads
             --> a.toml:1:10
              |
            1 | format = 0
              |          ^ this program reads format 1
              |
              = help: the first format is 1
        "#]],
    );
}

#[test]
fn format_of_another_type() {
    scenario(
        r#"format = "1"
title = "t"
machine = "m"
[[cpu]]
program = []
"#,
        &expect![[r#"
            error[E0104]: `format` takes an integer, not a string
             --> a.toml:1:10
              |
            1 | format = "1"
              |          ^^^ expected an integer
        "#]],
    );
}

#[test]
fn everything_missing() {
    scenario(
        r#"format = 1
"#,
        &expect![[r#"
            error[E0103]: the scenario file has no `cpu`
             --> a.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `[[cpu]]`

            error[E0103]: the scenario file has no `machine`
             --> a.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `machine = ...`

            error[E0103]: the scenario file has no `title`
             --> a.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `title = ...`
        "#]],
    );
}

#[test]
fn unknown_key_at_the_top() {
    scenario(
        r#"format = 1
titel = "t"
machine = "m"
[[cpu]]
program = []
"#,
        &expect![[r#"
            error[E0102]: unknown key in the scenario file: `titel`
             --> a.toml:2:1
              |
            2 | titel = "t"
              | ^^^^^ did you mean `title`?
              |
              = help: possible: `format`, `title`, `source`, `claim`, `events_why`, `machine`, `memory`, `event`, `cpu`, `sweep`, `inject` or `expect`
        "#]],
    );
}

#[test]
fn plain_key_behind_a_table() {
    scenario(
        r#"format = 1
title = "t"
[expect.v10]
violates = []
machine = "m"
[[cpu]]
program = []
"#,
        &expect![[r#"
            error[E0108]: `machine` stands inside `[expect.v10]`
             --> a.toml:5:1
              |
            5 | machine = "m"
              | ^^^^^^^ belongs to the top of the file
              |
              = help: in TOML a plain key belongs to the table header above it: move `machine` above the first `[table]` line
        "#]],
    );
}

#[test]
fn plain_key_behind_expect() {
    scenario(
        r#"format = 1
title = "t"
[[cpu]]
program = []
[expect]
machine = "m"
"#,
        &expect![[r#"
            error[E0108]: `machine` stands inside `[expect]`
             --> a.toml:6:1
              |
            6 | machine = "m"
              | ^^^^^^^ belongs to the top of the file
              |
              = help: in TOML a plain key belongs to the table header above it: move `machine` above the first `[table]` line
        "#]],
    );
}

#[test]
fn several_errors_at_once() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "instrucions", pined = true },
  { id = "A-b", kind = "cycles" },
  { id = "A", kind = "cycles" },
  { kind = 5 }
]
[[cpu]]
program = [ { opne = "A" }, { open = "C" } ]
"#,
        &expect![[r#"
            error[E0106]: unknown kind `instrucions`
             --> a.toml:5:22
              |
            5 |   { id = "A", kind = "instrucions", pined = true },
              |                      ^^^^^^^^^^^^^ did you mean `instructions`?
              |
              = help: possible: `inject`, `instructions`, `cycles`, `ref-cycles`, `branches`, `branch-misses` or `cpu-clock`

            error[E0102]: unknown key in the event: `pined`
             --> a.toml:5:37
              |
            5 |   { id = "A", kind = "instrucions", pined = true },
              |                                     ^^^^^ did you mean `pinned`?
              |
              = help: possible: `id`, `like`, `kind`, `sample_period`, `read`, `group`, `task`, `cpu`, `disabled`, `pinned`, `exclusive`, `inherit`, `inherit_stat`, `enable_on_exec`, `exclude_user`, `exclude_kernel`, `buffer` or `on_overflow`

            error[E0109]: `A-b` is not a name for an event
             --> a.toml:6:10
              |
            6 |   { id = "A-b", kind = "cycles" },
              |          ^^^^^ not an identifier
              |
              = help: use a letter or underscore, then letters, digits and underscores

            error[E0202]: the event `A` is declared twice
             --> a.toml:7:10
              |
            5 |   { id = "A", kind = "instrucions", pined = true },
              |          --- first here
            6 |   { id = "A-b", kind = "cycles" },
            7 |   { id = "A", kind = "cycles" },
              |          ^^^ again here

            error[E0103]: the event has no `id`
             --> a.toml:8:3
              |
            8 |   { kind = 5 }
              |   ^^^^^^^^^^^^
              |
              = help: add `id = ...`

            error[E0104]: `kind` takes a word or `{ raw = CODE }`, not an integer
             --> a.toml:8:12
              |
            8 |   { kind = 5 }
              |            ^ expected a word or `{ raw = CODE }`

            error[E0102]: unknown key in the step: `opne`
              --> a.toml:11:15
               |
            11 | program = [ { opne = "A" }, { open = "C" } ]
               |               ^^^^ did you mean `open`?
               |
               = help: possible: `open`, `close`, `enable`, `disable`, `reset`, `refresh`, `period`, `pause`, `read`, `user_read`, `work`, `switch`, `fork`, `exit_task`, `exec`, `offline`, `online`, `wait`, `tick`, `advance`, `mmap`, `probe`, `exit`, `label` and 1 more

            error[E0201]: unknown event `C`
              --> a.toml:11:38
               |
            11 | program = [ { opne = "A" }, { open = "C" } ]
               |                                      ^^^
               |
               = help: possible: `A`
        "#]],
    );
}

#[test]
fn wrong_types() {
    scenario(
        r#"format = 1
title = 5
machine = ["m"]
event = { id = "A" }
[cpu]
program = 1
"#,
        &expect![[r#"
            error[E0104]: `title` takes a string, not an integer
             --> a.toml:2:9
              |
            2 | title = 5
              |         ^ expected a string

            error[E0104]: `machine` takes a string, not an array
             --> a.toml:3:11
              |
            3 | machine = ["m"]
              |           ^^^^^ expected a string

            error[E0104]: `event` takes an array, not a table
             --> a.toml:4:9
              |
            4 | event = { id = "A" }
              |         ^^^^^^^^^^^^ expected an array

            error[E0104]: `cpu` takes an array, not a table
             --> a.toml:5:1
              |
            5 | [cpu]
              | ^^^^^ expected an array
        "#]],
    );
}

#[test]
fn names_that_are_none() {
    scenario(
        r#"format = 1
title = "t"
machine = "../m"
event = [
  { id = "1A", kind = "cycles" },
  { id = "none", kind = "cycles" },
  { id = "T", kind = "cycles", task = "a b" }
]
[[cpu]]
program = [ { switch = "x y" }, { tick = {}, label = "a.b" } ]
"#,
        &expect![[r#"
            error[E0109]: `../m` is not a name for a machine
             --> a.toml:3:11
              |
            3 | machine = "../m"
              |           ^^^^^^ not a name
              |
              = help: use letters, digits, `_`, `-`, `.`, and `/` between folders

            error[E0109]: `1A` is not a name for an event
             --> a.toml:5:10
              |
            5 |   { id = "1A", kind = "cycles" },
              |          ^^^^ not an identifier
              |
              = help: use a letter or underscore, then letters, digits and underscores

            error[E0109]: `none` is reserved and cannot name an event
             --> a.toml:6:10
              |
            6 |   { id = "none", kind = "cycles" },
              |          ^^^^^^ reserved word

            error[E0109]: `a b` is not a name for a task
             --> a.toml:7:39
              |
            7 |   { id = "T", kind = "cycles", task = "a b" }
              |                                       ^^^^^ not an identifier
              |
              = help: use a letter or underscore, then letters, digits and underscores

            error[E0109]: `x y` is not a name for a task
              --> a.toml:10:24
               |
            10 | program = [ { switch = "x y" }, { tick = {}, label = "a.b" } ]
               |                        ^^^^^ not an identifier
               |
               = help: use a letter or underscore, then letters, digits and underscores

            error[E0109]: `a.b` is not a name for a step
              --> a.toml:10:54
               |
            10 | program = [ { switch = "x y" }, { tick = {}, label = "a.b" } ]
               |                                                      ^^^^^ not an identifier
               |
               = help: use a letter or underscore, then letters, digits and underscores
        "#]],
    );
}
