// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in the programs of a scenario, and in its machine's memory model.

use expect_test::expect;
use scenario::{Source, parse_scenario};

use crate::scenario;

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
