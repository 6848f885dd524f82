// SPDX-License-Identifier: GPL-2.0-only
//! What each mistake in a scenario looks like to the person who made it. `UPDATE_EXPECT=1` renews the texts.

use expect_test::{Expect, expect};
use scenario::{Diagnostics, Source, parse_scenario};

fn check<T: std::fmt::Debug>(result: Result<T, Diagnostics>, expected: &Expect) {
    let errors = result.expect_err("the file is wrong");
    assert!(
        errors
            .list()
            .iter()
            .all(|d| !d.code.explanation().is_empty())
    );
    expected.assert_eq(&format!("{}\n", errors.render(false)));
}

fn scenario(text: &str, expected: &Expect) {
    check(parse_scenario(&Source::new("a.toml", text)), expected);
}

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

#[test]
fn event_words() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "inst" },
  { id = "B", kind = "cycles", read = "groups" },
  { id = "C", kind = "cycles", on_overflow = "read" },
  { id = "D", kind = "cycles", on_overflow = 1 }
]
[[cpu]]
program = [  ]
"#,
        &expect![[r#"
            error[E0106]: unknown kind `inst`
             --> a.toml:5:22
              |
            5 |   { id = "A", kind = "inst" },
              |                      ^^^^^^
              |
              = help: possible: `inject`, `instructions`, `cycles`, `ref-cycles`, `branches`, `branch-misses` or `cpu-clock`

            error[E0106]: unknown read `groups`
             --> a.toml:6:39
              |
            6 |   { id = "B", kind = "cycles", read = "groups" },
              |                                       ^^^^^^^^ did you mean `group`?
              |
              = help: possible: `single` or `group`

            error[E0106]: unknown on_overflow `read`
             --> a.toml:7:46
              |
            7 |   { id = "C", kind = "cycles", on_overflow = "read" },
              |                                              ^^^^^^
              |
              = help: possible: `output`

            error[E0104]: `on_overflow` takes "output" or `{ read_local = ID }`, not an integer
             --> a.toml:8:46
              |
            8 |   { id = "D", kind = "cycles", on_overflow = 1 }
              |                                              ^ expected "output" or `{ read_local = ID }`
        "#]],
    );
}

#[test]
fn raw_events() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = { raw = 0x4100c0 } },
  { id = "B", kind = { raw = 0x1fe } },
  { id = "C", kind = { row = 1 } },
  { id = "D", kind = { raw = -1 } }
]
[[cpu]]
program = [  ]
"#,
        &expect![[r#"
            error[E0105]: the raw event sets bits that the driver decides
             --> a.toml:5:30
              |
            5 |   { id = "A", kind = { raw = 0x4100c0 } },
              |                              ^^^^^^^^ only bits of 0xffa4ffff
              |
              = help: rings are chosen by `exclude_user` and `exclude_kernel`

            error[E0205]: this raw event is an injector
             --> a.toml:6:30
              |
            6 |   { id = "B", kind = { raw = 0x1fe } },
              |                              ^^^^^
              |
              = help: declare it with `kind = "inject"`, so that decisions know its number

            error[E0102]: unknown key in `kind`: `row`
             --> a.toml:7:24
              |
            7 |   { id = "C", kind = { row = 1 } },
              |                        ^^^ did you mean `raw`?
              |
              = help: possible: `raw`

            error[E0105]: `raw` is out of range
             --> a.toml:8:30
              |
            8 |   { id = "D", kind = { raw = -1 } }
              |                              ^^ must be from 0 to 4294967295
        "#]],
    );
}

#[test]
fn like_must_be_above() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", like = "B" },
  { id = "B", kind = "cycles" },
  { id = "C", like = "C" }
]
[[cpu]]
program = [  ]
"#,
        &expect![[r#"
            error[E0201]: no event `B` is declared before this one
             --> a.toml:5:22
              |
            5 |   { id = "A", like = "B" },
              |                      ^^^
              |
              = help: `like` copies the keys of an event that is declared above

            error[E0201]: no event `C` is declared before this one
             --> a.toml:7:22
              |
            7 |   { id = "C", like = "C" }
              |                      ^^^
              |
              = help: `like` copies the keys of an event that is declared above
        "#]],
    );
}

#[test]
fn group_errors() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "cycles" },
  { id = "B", like = "A", group = "A" },
  { id = "C", like = "A", group = "B" },
  { id = "D", like = "A", group = "D" },
  { id = "E", like = "A", group = "X" },
  { id = "F", like = "A", group = "A", task = "current" },
  { id = "G", like = "A", group = "A", pinned = true }
]
[[cpu]]
program = [ { open = "B" }, { open = "A" } ]
"#,
        &expect![[r#"
            error[E0204]: the leader `B` of `C` is itself in a group
             --> a.toml:7:35
              |
            7 |   { id = "C", like = "A", group = "B" },
              |                                   ^^^ `B` is led by `A`
              |
              = help: write `group = "A"`, or `group = "none"` for `B`

            error[E0204]: `D` is its own group leader
             --> a.toml:8:35
              |
            8 |   { id = "D", like = "A", group = "D" },
              |                                   ^^^
              |
              = help: leave `group` out: an event without it leads a group of its own

            error[E0201]: unknown event `X`
             --> a.toml:9:35
              |
            9 |   { id = "E", like = "A", group = "X" },
              |                                   ^^^
              |
              = help: possible: `A`, `B`, `C`, `D`, `E`, `F` or `G`

            error[E0204]: `F` and its leader `A` count in different contexts
              --> a.toml:10:35
               |
            10 |   { id = "F", like = "A", group = "A", task = "current" },
               |                                   ^^^ another CPU or task
               |
               = help: give both the same `task` and `cpu`

            error[E0204]: `G` is a sibling and pinned or exclusive
              --> a.toml:11:35
               |
            11 |   { id = "G", like = "A", group = "A", pinned = true }
               |                                   ^^^ only a leader may be
               |
               = help: set it on `A`

            error[E0204]: `B` is opened without its leader `A` open
              --> a.toml:14:22
               |
            14 | program = [ { open = "B" }, { open = "A" } ]
               |                      ^^^
               |
               = help: open `A` before, in the same program
        "#]],
    );
}

#[test]
fn sampling_errors() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "inject" },
  { id = "B", kind = "inject", sample_period = 1 },
  { id = "C", kind = "cycles", sample_period = 100, inherit = true },
  { id = "D", kind = "cycles", buffer = true },
  { id = "E", kind = "cycles", on_overflow = { read_local = "A" } },
  { id = "F", kind = "cycles", sample_period = 2, on_overflow = { read_local = "F" } },
  { id = "G", kind = "cycles", sample_period = 2, on_overflow = { read_local = "A" } },
  { id = "H", kind = "cycles", sample_period = 0x80000000 }
]
[[cpu]]
program = [ { open = "D" }, { refresh = { event = "D", n = 1 } } ]
"#,
        &expect![[r#"
            error[E0205]: the injector `A` needs a sample_period of at least 2
             --> a.toml:5:3
              |
            5 |   { id = "A", kind = "inject" },
              |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: the x86 driver's minimum is 2: write `sample_period = 2`

            error[E0205]: the injector `B` needs a sample_period of at least 2
             --> a.toml:6:48
              |
            6 |   { id = "B", kind = "inject", sample_period = 1 },
              |                                                ^
              |
              = help: the x86 driver's minimum is 2: write `sample_period = 2`

            error[E0205]: `C` samples and is inherited
             --> a.toml:7:48
              |
            7 |   { id = "C", kind = "cycles", sample_period = 100, inherit = true },
              |                                                ^^^ perf refuses PERF_SAMPLE_READ with inherit

            error[E0205]: `D` does not sample, so it has no ring buffer
             --> a.toml:8:41
              |
            8 |   { id = "D", kind = "cycles", buffer = true },
              |                                         ^^^^
              |
              = help: map its user page with a step `{ mmap = "D" }`

            error[E0205]: `E` does not sample, so it has no overflow handler
             --> a.toml:9:46
              |
            9 |   { id = "E", kind = "cycles", on_overflow = { read_local = "A" } },
              |                                              ^^^^^^^^^^^^^^^^^^^^
              |
              = help: give it a `sample_period`

            error[E0205]: the overflow of `F` would read `F` itself
              --> a.toml:10:65
               |
            10 |   { id = "F", kind = "cycles", sample_period = 2, on_overflow = { read_local = "F" } },
               |                                                                 ^^^^^^^^^^^^^^^^^^^^
               |
               = help: name another event

            error[E0207]: the event `A` is never opened
              --> a.toml:11:65
               |
            11 |   { id = "G", kind = "cycles", sample_period = 2, on_overflow = { read_local = "A" } },
               |                                                                 ^^^^^^^^^^^^^^^^^^^^
               |
               = help: add a step `{ open = "A" }` before

            error[E0105]: `sample_period` is out of range
              --> a.toml:12:48
               |
            12 |   { id = "H", kind = "cycles", sample_period = 0x80000000 }
               |                                                ^^^^^^^^^^ must be from 0 to 2147483647

            error[E0205]: `D` does not sample
              --> a.toml:15:51
               |
            15 | program = [ { open = "D" }, { refresh = { event = "D", n = 1 } } ]
               |                                                   ^^^
               |
               = help: perf refuses PERF_EVENT_IOC_REFRESH for a counting event
        "#]],
    );
}

#[test]
fn event_excludes_both_rings() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "cycles", exclude_user = true, exclude_kernel = true }
]
[[cpu]]
program = [ { open = "A" } ]
"#,
        &expect![[r#"
            error[E0211]: `A` excludes user and kernel
             --> a.toml:5:10
              |
            5 |   { id = "A", kind = "cycles", exclude_user = true, exclude_kernel = true }
              |          ^^^ counts nothing
              |
              = help: remove `exclude_user` or `exclude_kernel`
        "#]],
    );
}

#[test]
fn event_cpu_does_not_exist() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "cycles", cpu = 1 },
  { id = "B", kind = "cycles", cpu = 9 }
]
[[cpu]]
program = [ { open = "A" } ]
"#,
        &expect![[r#"
            error[E0105]: there is no CPU 1
             --> a.toml:5:38
              |
            5 |   { id = "A", kind = "cycles", cpu = 1 },
              |                                      ^ the file has 1 `[[cpu]]`
              |
              = help: CPUs are numbered from 0

            error[E0105]: `cpu` is out of range
             --> a.toml:6:38
              |
            6 |   { id = "B", kind = "cycles", cpu = 9 }
              |                                      ^ must be from 0 to 3
        "#]],
    );
}

#[test]
fn step_shapes() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "instructions" },
  { id = "L", kind = "inject", sample_period = 2 }
]
[[cpu]]
program = [ 
  { open = "A", close = "A" },
  { label = "x" },
  { read = "A", group = true },
  { work = 0 },
  { work = 1000000001 },
  { advance = -5 },
  { tick = 1 },
  { tick = { n = 1 } },
  { refresh = "A" },
  { refresh = { event = "L" } },
  { open = 5 },
  "open",
 ]
"#,
        &expect![[r#"
            error[E0206]: the step has two operations, `open` and `close`
              --> a.toml:10:17
               |
            10 |   { open = "A", close = "A" },
               |     ----        ^^^^^ the second one
               |     |
               |     the first one
               |
               = help: make it two steps: `{ ... }, { ... }`

            error[E0206]: the step has no operation
              --> a.toml:11:3
               |
            11 |   { label = "x" },
               |   ^^^^^^^^^^^^^^^
               |
               = help: possible: `open`, `close`, `enable`, `disable`, `reset`, `refresh`, `period`, `pause`, `read`, `user_read`, `work`, `switch`, `fork`, `exit_task`, `exec`, `offline`, `online`, `wait`, `tick`, `advance`, `mmap`, `probe` or `exit`

            error[E0206]: `read` has no group form
              --> a.toml:12:25
               |
            12 |   { read = "A", group = true },
               |                         ^^^^
               |
               = help: `group = true` goes with enable, disable and reset

            error[E0105]: `work` is out of range
              --> a.toml:13:12
               |
            13 |   { work = 0 },
               |            ^ must be from 1 to 1000000000

            error[E0105]: `work` is out of range
              --> a.toml:14:12
               |
            14 |   { work = 1000000001 },
               |            ^^^^^^^^^^ must be from 1 to 1000000000

            error[E0105]: `advance` is out of range
              --> a.toml:15:15
               |
            15 |   { advance = -5 },
               |               ^^ must be from 1 to 3600000000000

            error[E0104]: `tick` takes a table, not an integer
              --> a.toml:16:12
               |
            16 |   { tick = 1 },
               |            ^ expected a table

            error[E0102]: unknown key in `tick`: `n`
              --> a.toml:17:14
               |
            17 |   { tick = { n = 1 } },
               |              ^
               |
               = help: there is none here

            error[E0104]: `refresh` takes a table, not a string
              --> a.toml:18:15
               |
            18 |   { refresh = "A" },
               |               ^^^ expected a table

            error[E0103]: `refresh` has no `n`
              --> a.toml:19:15
               |
            19 |   { refresh = { event = "L" } },
               |               ^^^^^^^^^^^^^^^
               |
               = help: add `n = ...`

            error[E0104]: `open` takes a string, not an integer
              --> a.toml:20:12
               |
            20 |   { open = 5 },
               |            ^ expected a string

            error[E0104]: the step takes a table, not a string
              --> a.toml:21:3
               |
            21 |   "open",
               |   ^^^^^^ expected a table
        "#]],
    );
}

#[test]
fn order_of_steps() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "instructions" },
  { id = "B", kind = "cycles" },
  { id = "L", kind = "inject", sample_period = 2 }
]
[[cpu]]
program = [ 
  { read = "A" },
  { open = "A" },
  { close = "A" },
  { enable = "A" },
  { open = "A" },
  { read = "B" },
  { open = "L" },
  { mmap = "L" },
  { exit = {} },
  { tick = {} },
 ]
"#,
        &expect![[r#"
            error[E0207]: `A` is used before it is opened
              --> a.toml:11:12
               |
            11 |   { read = "A" },
               |            ^^^ used here
            12 |   { open = "A" },
               |            --- opened here

            error[E0207]: `A` is used after it was closed
              --> a.toml:14:14
               |
            13 |   { close = "A" },
               |             --- closed here
            14 |   { enable = "A" },
               |              ^^^ used here

            error[E0207]: the event `A` is opened twice
              --> a.toml:15:12
               |
            12 |   { open = "A" },
               |            --- first here
            ...
            15 |   { open = "A" },
               |            ^^^ again here
               |
               = help: a name means one object: declare another event with `like = "A"`

            error[E0207]: the event `B` is never opened
              --> a.toml:16:12
               |
            16 |   { read = "B" },
               |            ^^^
               |
               = help: add a step `{ open = "B" }` before

            error[E0206]: `L` is mapped when it is opened
              --> a.toml:18:12
               |
            18 |   { mmap = "L" },
               |            ^^^
               |
               = help: declare it with `buffer = false` to choose the moment

            error[E0207]: the program has ended before this step
              --> a.toml:20:3
               |
            20 |   { tick = {} },
               |   ^^^^^^^^^^^^^ never runs
        "#]],
    );
}

#[test]
fn labels() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "instructions" }
]
[[cpu]]
program = [ { open = "A", label = "x" }, { read = "A", label = "x" } ]
[sweep]
step = "y"
source = { external = "A" }
"#,
        &expect![[r#"
            error[E0202]: two steps have the label `x`
             --> a.toml:8:64
              |
            8 | program = [ { open = "A", label = "x" }, { read = "A", label = "x" } ]
              |                                   --- first here               ^^^ again here

            error[E0203]: unknown label `y`
              --> a.toml:10:8
               |
            10 | step = "y"
               |        ^^^
               |
               = help: possible: `x`

            error[E0208]: an external NMI would not read `A`
              --> a.toml:11:23
               |
            11 | source = { external = "A" }
               |                       ^^^
               |
               = help: attach it with a step `{ probe = "A" }`
        "#]],
    );
}

#[test]
fn no_label_at_all() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "L", kind = "inject", sample_period = 2 }
]
[[cpu]]
program = [ { open = "L" } ]
[sweep]
step = "target"
source = { pmi = "L" }
"#,
        &expect![[r#"
            error[E0203]: no step has the label `target`
              --> a.toml:10:8
               |
            10 | step = "target"
               |        ^^^^^^^^
               |
               = help: add `label = "target"` to the step that is meant
        "#]],
    );
}

#[test]
fn sweep_source_is_no_injector() {
    scenario(
        r#"format = 1
title = "t"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L" },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" },
  { open = "A", label = "target" },
  { open = "B" },
  { read = "A" },
]
[sweep]
step = "target"
source = { pmi = "A" }
"#,
        &expect![[r#"
            error[E0208]: `A` is not an injector
              --> a.toml:18:18
               |
            18 | source = { pmi = "A" }
               |                  ^^^ not of kind `inject`
               |
               = help: possible: `L`
        "#]],
    );
}

#[test]
fn sweep_source_unknown() {
    scenario(
        r#"format = 1
title = "t"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L" },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" },
  { open = "A", label = "target" },
  { open = "B" },
  { read = "A" },
]
[sweep]
step = "targte"
source = { late = "l" }
"#,
        &expect![[r#"
            error[E0203]: unknown label `targte`
              --> a.toml:17:8
               |
            17 | step = "targte"
               |        ^^^^^^^^ did you mean `target`?
               |
               = help: possible: `target`

            error[E0201]: unknown event `l`
              --> a.toml:18:19
               |
            18 | source = { late = "l" }
               |                   ^^^ did you mean `L`?
               |
               = help: possible: `L`, `A` or `B`
        "#]],
    );
}

#[test]
fn sweep_of_a_step_outside_the_kernel() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "L", kind = "inject", sample_period = 2 }
]
[[cpu]]
program = [ { open = "L" }, { work = 10, label = "w" } ]
[sweep]
step = "w"
source = { pmi = "L" }
nmis = 9
"#,
        &expect![[r#"
            error[E0209]: a `work` step cannot be swept
              --> a.toml:10:8
               |
             8 | program = [ { open = "L" }, { work = 10, label = "w" } ]
               |                             -------------------------- does not enter the kernel
             9 | [sweep]
            10 | step = "w"
               |        ^^^ this step
               |
               = help: sweep a system call, a switch, a tick or an exit

            error[E0105]: `nmis` is out of range
              --> a.toml:12:8
               |
            12 | nmis = 9
               |        ^ must be from 1 to 8
        "#]],
    );
}

#[test]
fn sweep_source_shape() {
    scenario(
        r#"format = 1
title = "t"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L" },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" },
  { open = "A", label = "target" },
  { open = "B" },
  { read = "A" },
]
[sweep]
step = "target"
source = { pmi = "L", late = "L" }
"#,
        &expect![[r#"
            error[E0208]: what comes in between has exactly one source
              --> a.toml:18:10
               |
            18 | source = { pmi = "L", late = "L" }
               |          ^^^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: give one of `pmi = ID`, `late = ID`, `external = ID`, `preempt = CPU` or `tick = {}`
        "#]],
    );
}

#[test]
fn external_without_a_probe() {
    scenario(
        r#"format = 1
title = "t"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L" },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" },
  { open = "A", label = "target" },
  { open = "B" },
  { read = "A" },
]
[sweep]
step = "target"
source = { external = "A" }
"#,
        &expect![[r#"
            error[E0208]: an external NMI would not read `A`
              --> a.toml:18:23
               |
            18 | source = { external = "A" }
               |                       ^^^
               |
               = help: attach it with a step `{ probe = "A" }`
        "#]],
    );
}

#[test]
fn injector_never_opened() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "L", kind = "inject", sample_period = 2 },
  { id = "A", kind = "instructions" }
]
[[cpu]]
program = [ { open = "A", label = "x" } ]
[sweep]
step = "x"
source = { pmi = "L" }
"#,
        &expect![[r#"
            error[E0207]: the event `L` is never opened
              --> a.toml:12:18
               |
            12 | source = { pmi = "L" }
               |                  ^^^
               |
               = help: add a step `{ open = "L" }` before
        "#]],
    );
}

#[test]
fn injections() {
    scenario(
        r#"format = 1
title = "t"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L" },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" },
  { open = "A", label = "target" },
  { open = "B" },
  { read = "A" },
]
[[inject]]
pmi = "L"
at = { exact = { cpu = 0 }, code = "f" }
[[inject]]
pmi = "L"
at = { exact = { cpu = 1, ordinal = 5 }, hit = 2 }
[[inject]]
at = { code = "f + y" }
[[inject]]
pmi = "L"
at = { code = "f+0x3c", row = "reset", step = "nowhere", hit = 0 }
[[inject]]
pmi = "L"
at = { before = "wrote A.count" }
[[inject]]
pmi = "L"
at = { after = "write C.count" }
[[inject]]
late = "L"
at = { before = "write A.count", row = "init_dup_mastr", cpu = 3 }
"#,
        &expect![[r#"
            error[E0110]: a point is given in exactly one way
              --> a.toml:18:6
               |
            18 | at = { exact = { cpu = 0 }, code = "f" }
               |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: give one of `exact`, `code`, `before` or `after`

            error[E0105]: there is no CPU 1
              --> a.toml:21:24
               |
            21 | at = { exact = { cpu = 1, ordinal = 5 }, hit = 2 }
               |                        ^ the file has 1 `[[cpu]]`
               |
               = help: CPUs are numbered from 0

            error[E0102]: `hit` does not go with `exact`
              --> a.toml:21:48
               |
            21 | at = { exact = { cpu = 1, ordinal = 5 }, hit = 2 }
               |                                                ^

            error[E0208]: what comes in between has exactly one source
              --> a.toml:22:1
               |
            22 | [[inject]]
               | ^^^^^^^^^^
               |
               = help: give one of `pmi = ID`, `late = ID`, `external = ID`, `preempt = CPU` or `tick = {}`

            error[E0110]: `y` is not an offset
              --> a.toml:23:15
               |
            23 | at = { code = "f + y" }
               |               ^^^^^^^

            error[E0102]: `row` does not go with `code`
              --> a.toml:26:31
               |
            26 | at = { code = "f+0x3c", row = "reset", step = "nowhere", hit = 0 }
               |                               ^^^^^^^

            error[E0105]: `hit` is out of range
              --> a.toml:26:64
               |
            26 | at = { code = "f+0x3c", row = "reset", step = "nowhere", hit = 0 }
               |                                                                ^ must be from 1 to 4294967295

            error[E0110]: an access begins with `read` or `write` and a blank
              --> a.toml:29:17
               |
            29 | at = { before = "wrote A.count" }
               |                 ^^^^^^^^^^^^^^^

            error[E0201]: unknown event `C`
              --> a.toml:32:16
               |
            32 | at = { after = "write C.count" }
               |                ^^^^^^^^^^^^^^^
               |
               = help: possible: `L`, `A` or `B`

            error[E0106]: unknown row `init_dup_mastr`
              --> a.toml:35:40
               |
            35 | at = { before = "write A.count", row = "init_dup_mastr", cpu = 3 }
               |                                        ^^^^^^^^^^^^^^^^ did you mean `init_dup_master`?
               |
               = help: possible: `can_share`, `init_dup_master`, `exit_dup_master`, `read_dup`, `setup_dup`, `remove_dup`, `pmu_add`, `pmu_del`, `pmu_read`, `sched_out_state`, `event_count`, `read_local`, `sync_child_event`, `reset`, `pause`, `userpage`, `shadow_child_count`, `remove_dup_on_disable`, `setup_dup_in_resched`, `read_guard`, `flip`, `master_count`, `state_before_enable` or `del_old`

            error[E0105]: there is no CPU 3
              --> a.toml:35:64
               |
            35 | at = { before = "write A.count", row = "init_dup_mastr", cpu = 3 }
               |                                                                ^ the file has 1 `[[cpu]]`
               |
               = help: CPUs are numbered from 0
        "#]],
    );
}

#[test]
fn expectations() {
    scenario(
        r#"format = 1
title = "t"
machine = "skylake"
event = [
  { id = "L", kind = "inject", sample_period = 2, read = "group" },
  { id = "A", kind = "instructions", group = "L" },
  { id = "B", like = "A", group = "none" },
]
[[cpu]]
program = [
  { open = "L" },
  { open = "A", label = "target" },
  { open = "B" },
  { read = "A" },
]
[expect.v10]
violates = [
  { oracle = "counts", event = "Z" },
  { event = "A" },
  { oracle = "count", window = ["init_dup_master: write master_count"] },
  { oracle = "count", window = ["write master_count", "write dup_count"] },
  { oracle = "count", window = ["init_dup_mastre: write a", "touch b"] },
]
base_line = []
["expect"."v 10"]
"#,
        &expect![[r#"
            error[E0106]: unknown oracle `counts`
              --> a.toml:18:14
               |
            18 |   { oracle = "counts", event = "Z" },
               |              ^^^^^^^^ did you mean `count`?
               |
               = help: possible: `count`, `monotony`, `ownership`, `state`, `warn`, `freed`, `progress`, `sharing`, `times` or `schedule`

            error[E0201]: unknown event `Z`
              --> a.toml:18:32
               |
            18 |   { oracle = "counts", event = "Z" },
               |                                ^^^
               |
               = help: possible: `L`, `A` or `B`

            error[E0103]: the cause has no `oracle`
              --> a.toml:19:3
               |
            19 |   { event = "A" },
               |   ^^^^^^^^^^^^^^^
               |
               = help: add `oracle = ...`

            error[E0104]: a window has two ends
              --> a.toml:20:32
               |
            20 |   { oracle = "count", window = ["init_dup_master: write master_count"] },
               |                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 1 given
               |
               = help: such as `["init_dup_master: write master_count", "write dup_count"]`

            error[E0110]: the window does not say in which row it lies
              --> a.toml:21:33
               |
            21 |   { oracle = "count", window = ["write master_count", "write dup_count"] },
               |                                 ^^^^^^^^^^^^^^^^^^^^
               |
               = help: write `ROW: write master_count`

            error[E0106]: unknown row `init_dup_mastre`
              --> a.toml:22:33
               |
            22 |   { oracle = "count", window = ["init_dup_mastre: write a", "touch b"] },
               |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `init_dup_master`?
               |
               = help: possible: `can_share`, `init_dup_master`, `exit_dup_master`, `read_dup`, `setup_dup`, `remove_dup`, `pmu_add`, `pmu_del`, `pmu_read`, `sched_out_state`, `event_count`, `read_local`, `sync_child_event`, `reset`, `pause`, `userpage`, `shadow_child_count`, `remove_dup_on_disable`, `setup_dup_in_resched`, `read_guard`, `flip`, `master_count`, `state_before_enable` or `del_old`

            error[E0110]: an access begins with `read` or `write` and a blank
              --> a.toml:22:61
               |
            22 |   { oracle = "count", window = ["init_dup_mastre: write a", "touch b"] },
               |                                                             ^^^^^^^^^

            error[E0102]: unknown key in `[expect.v10]`: `base_line`
              --> a.toml:24:1
               |
            24 | base_line = []
               | ^^^^^^^^^ did you mean `baseline`?
               |
               = help: possible: `baseline`, `violates`, `exact`, `fails` or `why`

            error[E0109]: `v 10` is not a name for a scheduler
              --> a.toml:25:11
               |
            25 | ["expect"."v 10"]
               |           ^^^^^^ not a name
               |
               = help: use letters, digits, `_`, `-`, `.`, and `/` between folders
        "#]],
    );
}

#[test]
fn too_many_cpus() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
[[cpu]]
program = []
[[cpu]]
program = []
[[cpu]]
program = []
[[cpu]]
program = []
[[cpu]]
program = []
"#,
        &expect![[r#"
            error[E0210]: 5 CPUs are described
              --> a.toml:12:1
               |
            12 | [[cpu]]
               | ^^^^^^^ the guest has room for 4
        "#]],
    );
}

#[test]
fn overflow_reader_of_another_program() {
    scenario(
        r#"format = 1
title = "t"
machine = "m"
event = [
  { id = "A", kind = "cycles" },
  { id = "L", kind = "inject", sample_period = 2, on_overflow = { read_local = "A" } }
]
[[cpu]]
program = [ { open = "A" } ]
[[cpu]]
program = [{ open = "L" }]
"#,
        &expect![[r#"
            error[E0207]: `L` and `A` are opened by different programs
             --> a.toml:6:65
              |
            6 |   { id = "L", kind = "inject", sample_period = 2, on_overflow = { read_local = "A" } }
              |                                                                 ^^^^^^^^^^^^^^^^^^^^
              |
              = help: one program opens both and attaches the reader
        "#]],
    );
}

#[test]
fn too_many_events_and_steps() {
    let events: String = (0..129)
        .map(|i| format!("{{ id = \"E{i}\", kind = \"cycles\" }},\n"))
        .collect();
    let steps = "{ work = 1 },\n".repeat(1001);
    let text = format!(
        "format = 1\ntitle = \"t\"\nmachine = \"m\"\nevent = [\n{events}]\n[[cpu]]\nprogram = [\n{steps}]\n"
    );
    scenario(
        &text,
        &expect![[r#"
        error[E0210]: 129 events are declared
           --> a.toml:133:1
            |
        133 | { id = "E128", kind = "cycles" },
            | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a scenario has at most 128

        error[E0210]: the program has 1001 steps
           --> a.toml:135:1
            |
        135 | [[cpu]]
            | ^^^^^^^ a program has at most 1000
    "#]],
    );
}

#[test]
fn memory_models() {
    let with = |memory: &str| {
        format!(
            "format = 1\ntitle = \"t\"\nmachine = \"m\"\nmemory = {memory}\n\n[[cpu]]\n\
             program = [{{ work = 1000 }}]\n"
        )
    };
    scenario(
        &with("\"tso\""),
        &expect![[r#"
        error[E0307]: store buffers are not modelled yet
         --> a.toml:4:10
          |
        4 | memory = "tso"
          |          ^^^^^ machines are sequentially consistent
          |
          = help: write `memory = "sc"`, or leave it out
    "#]],
    );
    scenario(
        &with("\"pso\""),
        &expect![[r#"
        error[E0106]: unknown memory `pso`
         --> a.toml:4:10
          |
        4 | memory = "pso"
          |          ^^^^^
          |
          = help: possible: `sc`
    "#]],
    );
    let read = |text: &str| {
        let read = parse_scenario(&Source::new("a.toml", text)).unwrap_or_else(|e| panic!("{e}"));
        read.without_places()
    };
    let said = with("\"sc\"");
    let silent = said.replace("memory = \"sc\"\n", "");
    assert_eq!(read(&said), read(&silent), "`sc` is the default");
}
