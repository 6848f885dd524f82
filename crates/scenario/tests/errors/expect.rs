// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in what a scenario expects.

use expect_test::expect;

use crate::scenario;

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
