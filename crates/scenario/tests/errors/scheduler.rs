// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in a scheduler.

use expect_test::{Expect, expect};
use scenario::{Source, Texts, parse_scheduler};

use crate::check;

fn scheduler(text: &str, expected: &Expect) {
    let file = |name: &str, text: &str| {
        let path = format!("schedulers/{name}.toml");
        (name.to_owned(), (path, text.to_owned()))
    };
    let library = Texts {
        schedulers: [
            file(
                "v10",
                "format = 1\nname = \"v10\"\n[rows]\ninit_dup_master = \"v10\"\nsetup_dup = \"v10\"\n",
            ),
            file("loop", "format = 1\nname = \"loop\"\nbase = \"s\"\n"),
            file("s", "format = 1\nname = \"s\"\nbase = \"loop\"\n"),
            file("broken", "format = 1\nname = \"broken\"\nrow = 1\n"),
        ]
        .into(),
        ..Texts::default()
    };
    check(
        parse_scheduler(&Source::new("s.toml", text), &library),
        expected,
    );
}

#[test]
fn scheduler_rows() {
    scheduler(
        r#"format = 1
name = "s"
[rows]
remov_dup = "v10"
remove_dup = "v1"
read_guard = 5
shadow_child_count = "yes"
"#,
        &expect![[r#"
            error[E0102]: unknown key in `[rows]`: `remov_dup`
             --> s.toml:4:1
              |
            4 | remov_dup = "v10"
              | ^^^^^^^^^ did you mean `remove_dup`?
              |
              = help: possible: `can_share`, `init_dup_master`, `exit_dup_master`, `read_dup`, `setup_dup`, `remove_dup`, `pmu_add`, `pmu_del`, `pmu_read`, `sched_out_state`, `event_count`, `read_local`, `sync_child_event`, `reset`, `pause`, `userpage`, `shadow_child_count`, `remove_dup_on_disable`, `setup_dup_in_resched`, `read_guard`, `flip`, `master_count`, `state_before_enable` or `del_old`

            error[E0106]: row `remove_dup` has no version `v1`
             --> s.toml:5:14
              |
            5 | remove_dup = "v1"
              |              ^^^^ did you mean `v10`?
              |
              = help: this guest image offers `none`, `v10`, `delta`, `v11`, `v11r`, `v12`, `composed` or `mutant-no-fold`

            error[E0104]: `read_guard` takes one of `v5.5` or `v5.9`, not an integer
             --> s.toml:6:14
              |
            6 | read_guard = 5
              |              ^ expected one of `v5.5` or `v5.9`

            error[E0106]: row `shadow_child_count` has no version `yes`
             --> s.toml:7:22
              |
            7 | shadow_child_count = "yes"
              |                      ^^^^^
              |
              = help: this guest image offers `false` or `true`
        "#]],
    );
}

#[test]
fn scheduler_coupling_idm_rm() {
    scheduler(
        r#"format = 1
name = "s"
[rows]
init_dup_master = "delta"
remove_dup = "v10"
setup_dup = "delta"
"#,
        &expect![[r#"
            error[E0301]: `init_dup_master = delta` does not go with `remove_dup = v10`
             --> s.toml:4:19
              |
            4 | init_dup_master = "delta"
              |                   ^^^^^^^ this version
            5 | remove_dup = "v10"
              |              ----- with this one
              |
              = help: delta's init_dup_master reads the PMU itself; v10's remove_dup calls it on the new master, which is not on the hardware at that moment
              = help: with it, `remove_dup` may be `none`, `delta`, `v11`, `v11r`, `v12`, `composed` or `mutant-no-fold`
        "#]],
    );
}

#[test]
fn scheduler_coupling_rm_rd() {
    scheduler(
        r#"format = 1
name = "s"
[rows]
remove_dup = "delta"
read_dup = "v10"
"#,
        &expect![[r#"
            error[E0301]: `remove_dup = delta` does not go with `read_dup = v10`
             --> s.toml:4:14
              |
            4 | remove_dup = "delta"
              |              ^^^^^^^ this version
            5 | read_dup = "v10"
              |            ----- with this one
              |
              = help: remove_dup from delta on parks sharers on a tombstone while it moves them; an older read_dup would dereference it
              = help: with it, `read_dup` may be `delta`, `v11`, `v11r`, `v12`, `mutant-add-twice`, `mutant-load-once` or `mutant-unguarded`
        "#]],
    );
}

#[test]
fn scheduler_coupling_sd_idm() {
    scheduler(
        r#"format = 1
name = "s"
[rows]
setup_dup = "v10"
init_dup_master = "delta"
"#,
        &expect![[r#"
            error[E0301]: `setup_dup = v10` does not go with `init_dup_master = delta`
             --> s.toml:4:13
              |
            4 | setup_dup = "v10"
              |             ^^^^^ this version
            5 | init_dup_master = "delta"
              |                   ------- with this one
              |
              = help: setup_dup reads the PMU before init_dup_master exactly if init_dup_master does not read it itself; this setup_dup does
              = help: with it, `init_dup_master` may be `none`, `v10`, `v11`, `v11r` or `v12`
        "#]],
    );
}

#[test]
fn scheduler_coupling_through_the_base() {
    scheduler(
        r#"format = 1
name = "s"
base = "v10"
[rows]
read_guard = "v5.9"
setup_dup = "delta"
"#,
        &expect![[r#"
            error[E0301]: `setup_dup = delta` does not go with `init_dup_master = v10`
             --> s.toml:6:13
              |
            3 | base = "v10"
              |        ----- with this one
            ...
            6 | setup_dup = "delta"
              |             ^^^^^^^ this version
              |
              = help: setup_dup reads the PMU before init_dup_master exactly if init_dup_master does not read it itself; delta's setup_dup does not
              = help: with it, `init_dup_master` may be `delta`
        "#]],
    );
}

#[test]
fn scheduler_base_unknown() {
    scheduler(
        r#"format = 1
name = "s"
base = "v1O"
"#,
        &expect![[r#"
            error[E0302]: unknown scheduler `v1O`
             --> s.toml:3:8
              |
            3 | base = "v1O"
              |        ^^^^^ did you mean `v10`?
              |
              = help: possible: `broken`, `loop`, `s` or `v10`
        "#]],
    );
}

#[test]
fn scheduler_base_circle() {
    scheduler(
        r#"format = 1
name = "s"
base = "loop"
"#,
        &expect![[r#"
            error[E0303]: the base of `s` leads back to `s`
             --> schedulers/loop.toml:3:8
              |
            3 | base = "s"
              |        ^^^
              |
              = help: the way there: s -> loop
        "#]],
    );
}

#[test]
fn scheduler_base_broken() {
    scheduler(
        r#"format = 1
name = "s"
base = "broken"
[rows]
resett = "v10"
"#,
        &expect![[r#"
            error[E0102]: unknown key in `[rows]`: `resett`
             --> s.toml:5:1
              |
            5 | resett = "v10"
              | ^^^^^^ did you mean `reset`?
              |
              = help: possible: `can_share`, `init_dup_master`, `exit_dup_master`, `read_dup`, `setup_dup`, `remove_dup`, `pmu_add`, `pmu_del`, `pmu_read`, `sched_out_state`, `event_count`, `read_local`, `sync_child_event`, `reset`, `pause`, `userpage`, `shadow_child_count`, `remove_dup_on_disable`, `setup_dup_in_resched`, `read_guard`, `flip`, `master_count`, `state_before_enable` or `del_old`

            error[E0102]: unknown key in the scheduler file: `row`
             --> schedulers/broken.toml:3:1
              |
            3 | row = 1
              | ^^^ did you mean `rows`?
              |
              = help: possible: `format`, `name`, `base` or `rows`
        "#]],
    );
}

#[test]
fn scheduler_name() {
    scheduler(
        r#"format = 1
name = "a b"
"#,
        &expect![[r#"
            error[E0109]: `a b` is not a name for a scheduler
             --> s.toml:2:8
              |
            2 | name = "a b"
              |        ^^^^^ not a name
              |
              = help: use letters, digits, `_`, `-`, `.`, and `/` between folders
        "#]],
    );
}
