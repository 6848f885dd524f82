// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in what comes in between: sweeps, probes, injections.

use expect_test::expect;

use crate::scenario;

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
