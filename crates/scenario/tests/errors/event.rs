// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in the events of a scenario.

use expect_test::expect;

use crate::scenario;

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
