// SPDX-License-Identifier: GPL-2.0-only
//! What each mistake in a machine, a scheduler or the known findings looks like to the
//! person who made it. `UPDATE_EXPECT=1` renews the texts.

use expect_test::{Expect, expect};
use scenario::{
    Code, Diagnostics, Source, Texts, parse_known, parse_machine, parse_scenario, parse_scheduler,
    resolve, scheduler_by_name,
};

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

fn machine(text: &str, expected: &Expect) {
    check(parse_machine(&Source::new("m.toml", text)), expected);
}

fn known(text: &str, expected: &Expect) {
    check(parse_known(&Source::new("known.toml", text)), expected);
}

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
fn machine_values() {
    machine(
        r#"format = 1
name = "m"
vendor = "intle"
timing = "haswell"
skid_max = -1
max_samples_per_tick = 0
[pmu]
version = 6
gp_counters = 4
gp_width = 65
fixed_counters = 3
fixed_width = 65
full_width_writes = 1
"#,
        &expect![[r#"
            error[E0106]: unknown vendor `intle`
             --> m.toml:3:10
              |
            3 | vendor = "intle"
              |          ^^^^^^^ did you mean `intel`?
              |
              = help: possible: `intel` or `amd`

            error[E0106]: unknown timing `haswell`
             --> m.toml:4:10
              |
            4 | timing = "haswell"
              |          ^^^^^^^^^
              |
              = help: possible: `unit` or `skylake`

            error[E0105]: `skid_max` is out of range
             --> m.toml:5:12
              |
            5 | skid_max = -1
              |            ^^ must be from 0 to 10000

            error[E0105]: `max_samples_per_tick` is out of range
             --> m.toml:6:24
              |
            6 | max_samples_per_tick = 0
              |                        ^ must be at least 1

            error[E0105]: `version` is out of range
             --> m.toml:8:11
              |
            8 | version = 6
              |           ^ must be from 0 to 5

            error[E0105]: `gp_width` is out of range
              --> m.toml:10:12
               |
            10 | gp_width = 65
               |            ^^ must be from 32 to 64

            error[E0105]: `fixed_width` is out of range
              --> m.toml:12:15
               |
            12 | fixed_width = 65
               |               ^^ must be from 32 to 64

            error[E0104]: `full_width_writes` takes true or false, not an integer
              --> m.toml:13:21
               |
            13 | full_width_writes = 1
               |                     ^ expected true or false
        "#]],
    );
}

fn bank(vendor: &str, pmu: &str, expected: &Expect) {
    let text = format!(
        "format = 1\nname = \"m\"\nvendor = \"{vendor}\"\ntiming = \"unit\"\nskid_max = 8\n\
         max_samples_per_tick = 100\n[pmu]\n{pmu}"
    );
    machine(&text, expected);
}

#[test]
fn machine_parts_that_came_later() {
    bank(
        "intel",
        "version = 1\ngp_counters = 2\ngp_width = 40\nfixed_counters = 1\n\
         full_width_writes = true\nfreeze_while_smm = true\ntsx = true\n\
         any_thread_deprecated = true\nfixed_bitmap = 0b100\nmissing_events = [\"slots\", \"cycels\"]\n",
        &expect![[r#"
            error[E0305]: `fixed_counters` needs version 2 or later
              --> m.toml:11:18
               |
            11 | fixed_counters = 1
               |                  ^ this bank has no such part
               |
               = help: leave `fixed_counters` out, or choose version 2 or later

            error[E0305]: `full_width_writes` needs version 2 or later
              --> m.toml:12:21
               |
            12 | full_width_writes = true
               |                     ^^^^ this bank has no such part
               |
               = help: leave `full_width_writes` out, or choose version 2 or later

            error[E0305]: `freeze_while_smm` needs version 2 or later
              --> m.toml:13:20
               |
            13 | freeze_while_smm = true
               |                    ^^^^ this bank has no such part
               |
               = help: leave `freeze_while_smm` out, or choose version 2 or later

            error[E0305]: `tsx` needs version 3 or later
              --> m.toml:14:7
               |
            14 | tsx = true
               |       ^^^^ this bank has no such part
               |
               = help: leave `tsx` out, or choose version 3 or later

            error[E0305]: `any_thread_deprecated` needs version 5 or later
              --> m.toml:15:25
               |
            15 | any_thread_deprecated = true
               |                         ^^^^ this bank has no such part
               |
               = help: leave `any_thread_deprecated` out, or choose version 5 or later

            error[E0305]: `fixed_bitmap` needs version 5 or later
              --> m.toml:16:16
               |
            16 | fixed_bitmap = 0b100
               |                ^^^^^ this bank has no such part
               |
               = help: leave `fixed_bitmap` out, or choose version 5 or later

            error[E0305]: the event `slots` came with version 5
              --> m.toml:17:19
               |
            17 | missing_events = ["slots", "cycels"]
               |                   ^^^^^^^ not an event of this version
               |
               = help: leave it out: it does not exist before

            error[E0106]: unknown architectural event `cycels`
              --> m.toml:17:28
               |
            17 | missing_events = ["slots", "cycels"]
               |                            ^^^^^^^^ did you mean `cycles`?
               |
               = help: possible: `cycles`, `instructions`, `ref-cycles`, `llc-references`, `llc-misses`, `branches`, `branch-misses` or `slots`
        "#]],
    );
    bank(
        "intel",
        "version = 0\ngp_counters = 2\ngp_width = 40\n",
        &expect![[r#"
            error[E0305]: `gp_counters` needs version 1 or later
             --> m.toml:9:15
              |
            9 | gp_counters = 2
              |               ^ this bank has no such part
              |
              = help: leave `gp_counters` out, or choose version 1 or later
        "#]],
    );
}

#[test]
fn machine_numbers_of_the_optional_parts() {
    bank(
        "intel",
        "version = 5\ngp_counters = 9\ngp_width = 48\nfixed_counters = 17\nfixed_width = 31\n\
         full_width_writes = true\nfixed_bitmap = 0x10000\nslots_per_cycle = 0\n\
         gp_ref_divider = 0\nmissing_events = \"slots\"\n",
        &expect![[r#"
            error[E0105]: `gp_counters` is out of range
             --> m.toml:9:15
              |
            9 | gp_counters = 9
              |               ^ must be from 1 to 8

            error[E0105]: `fixed_counters` is out of range
              --> m.toml:11:18
               |
            11 | fixed_counters = 17
               |                  ^^ must be from 0 to 16

            error[E0105]: `fixed_width` is out of range
              --> m.toml:12:15
               |
            12 | fixed_width = 31
               |               ^^ must be from 32 to 64

            error[E0105]: `fixed_bitmap` is out of range
              --> m.toml:14:16
               |
            14 | fixed_bitmap = 0x10000
               |                ^^^^^^^ must be from 0 to 65535

            error[E0105]: `slots_per_cycle` is out of range
              --> m.toml:15:19
               |
            15 | slots_per_cycle = 0
               |                   ^ must be from 1 to 16

            error[E0105]: `gp_ref_divider` is out of range
              --> m.toml:16:18
               |
            16 | gp_ref_divider = 0
               |                  ^ must be from 1 to 4294967295

            error[E0104]: `missing_events` takes an array, not a string
              --> m.toml:17:18
               |
            17 | missing_events = "slots"
               |                  ^^^^^^^ expected an array
        "#]],
    );
}

#[test]
fn machine_features() {
    for missing in [r#"["sse4", "bmi", "rdpid"]"#, r#"["sse"]"#] {
        let text = format!(
            "format = 1\nname = \"m\"\nvendor = \"amd\"\ntiming = \"unit\"\nskid_max = 8\n\
             max_samples_per_tick = 100\nmissing_features = {missing}\n\
             [pmu]\nkind = \"legacy\"\ngp_counters = 4\ngp_width = 48\n"
        );
        let expected = if missing.contains("sse4") {
            expect![[r#"
                error[E0106]: unknown feature `sse4`
                 --> m.toml:7:21
                  |
                7 | missing_features = ["sse4", "bmi", "rdpid"]
                  |                     ^^^^^^ did you mean `sse`?
                  |
                  = help: possible: `sse`, `sse2`, `cx16`, `clflush`, `popcnt`, `lzcnt`, `bmi1`, `bmi2`, `adx`, `movbe`, `crc32`, `fsgsbase`, `rdtscp`, `rdpid` or `clac`

                error[E0106]: unknown feature `bmi`
                 --> m.toml:7:29
                  |
                7 | missing_features = ["sse4", "bmi", "rdpid"]
                  |                             ^^^^^ did you mean `bmi1`?
                  |
                  = help: possible: `sse`, `sse2`, `cx16`, `clflush`, `popcnt`, `lzcnt`, `bmi1`, `bmi2`, `adx`, `movbe`, `crc32`, `fsgsbase`, `rdtscp`, `rdpid` or `clac`
            "#]]
        } else {
            expect![[r#"
                error[E0305]: a processor without `sse` has no `sse2` either
                 --> m.toml:7:20
                  |
                7 | missing_features = ["sse"]
                  |                    ^^^^^^^ `sse2` is not in the list
                  |
                  = help: add `sse2`
            "#]]
        };
        machine(&text, &expected);
    }
}

#[test]
fn machine_parts_of_the_other_vendor() {
    bank(
        "intel",
        "version = 4\ngp_counters = 4\ngp_width = 48\nfixed_counters = 3\nfixed_width = 48\n\
         full_width_writes = true\nkind = \"extended\"\nfreeze_on_pmi = true\n",
        &expect![[r#"
            error[E0305]: `kind` is a part of AMD's banks
              --> m.toml:14:1
               |
            14 | kind = "extended"
               | ^^^^^^^^^^^^^^^^^ `vendor` is `intel`
               |
               = help: leave it out: an Intel bank is told by its `version`

            error[E0305]: `freeze_on_pmi` is a part of AMD's banks
              --> m.toml:15:1
               |
            15 | freeze_on_pmi = true
               | ^^^^^^^^^^^^^^^^^^^^ `vendor` is `intel`
               |
               = help: leave it out: an Intel bank is told by its `version`
        "#]],
    );
    bank(
        "amd",
        "version = 2\ngp_counters = 6\ngp_width = 48\nfixed_counters = 3\n",
        &expect![[r#"
            error[E0103]: `[pmu]` has no `kind`
             --> m.toml:7:1
              |
            7 | [pmu]
              | ^^^^^
              |
              = help: add `kind = ...`

            error[E0305]: `version` is a part of Intel's banks
             --> m.toml:8:1
              |
            8 | version = 2
              | ^^^^^^^^^^^ `vendor` is `amd`
              |
              = help: leave it out: an AMD bank is told by its `kind`, `gp_counters`, `gp_width` and `freeze_on_pmi`

            error[E0305]: `fixed_counters` is a part of Intel's banks
              --> m.toml:11:1
               |
            11 | fixed_counters = 3
               | ^^^^^^^^^^^^^^^^^^ `vendor` is `amd`
               |
               = help: leave it out: an AMD bank is told by its `kind`, `gp_counters`, `gp_width` and `freeze_on_pmi`
        "#]],
    );
}

#[test]
fn machine_kinds_of_amd() {
    bank(
        "amd",
        "kind = \"legacy\"\ngp_counters = 6\ngp_width = 48\nfreeze_on_pmi = true\n",
        &expect![[r#"
            error[E0305]: a legacy bank has 4 counters
             --> m.toml:9:15
              |
            9 | gp_counters = 6
              |               ^ must be 4
              |
              = help: for another number: `kind = "extended"`

            error[E0305]: `freeze_on_pmi` needs kind `perfmon-v2`
              --> m.toml:11:17
               |
            11 | freeze_on_pmi = true
               |                 ^^^^ this bank has no such part
               |
               = help: leave `freeze_on_pmi` out, or choose kind `perfmon-v2`
        "#]],
    );
    bank(
        "amd",
        "kind = \"perfmonv2\"\ngp_counters = 0\ngp_width = 20\n",
        &expect![[r#"
            error[E0106]: unknown kind `perfmonv2`
             --> m.toml:8:8
              |
            8 | kind = "perfmonv2"
              |        ^^^^^^^^^^^ did you mean `perfmon-v2`?
              |
              = help: possible: `legacy`, `extended` or `perfmon-v2`

            error[E0105]: `gp_counters` is out of range
             --> m.toml:9:15
              |
            9 | gp_counters = 0
              |               ^ must be from 1 to 8

            error[E0105]: `gp_width` is out of range
              --> m.toml:10:12
               |
            10 | gp_width = 20
               |            ^^ must be from 32 to 64
        "#]],
    );
}

#[test]
fn a_machine_without_a_driver_in_the_guest() {
    let machine = |name: &str, vendor: &str, pmu: &str| {
        let text = format!(
            "format = 1\nname = \"{name}\"\nvendor = \"{vendor}\"\ntiming = \"unit\"\nskid_max = 8\n\
             max_samples_per_tick = 100\n[pmu]\n{pmu}"
        );
        (name.to_owned(), (format!("machines/{name}.toml"), text))
    };
    let library = Texts {
        machines: [
            machine(
                "zen",
                "amd",
                "kind = \"extended\"\ngp_counters = 6\ngp_width = 48\n",
            ),
            machine(
                "old",
                "intel",
                "version = 1\ngp_counters = 2\ngp_width = 40\n",
            ),
            machine("bare", "intel", "version = 0\ngp_width = 48\n"),
        ]
        .into(),
        ..Texts::default()
    };
    let mut texts = String::new();
    for name in ["zen", "old", "bare"] {
        let text = format!(
            "format = 1\ntitle = \"t\"\nmachine = \"{name}\"\n[[cpu]]\nprogram = [{{ work = 1000 }}]\n"
        );
        let source = Source::new("s.toml", text);
        let scenario = parse_scenario(&source).unwrap_or_else(|e| panic!("{e}"));
        let errors = resolve(&source, &scenario, &library).expect_err("no driver");
        texts.push_str(&format!("{}\n", errors.render(false)));
    }
    expect![[r#"
        error[E0306]: the guest kernel cannot run on `zen`
         --> s.toml:3:11
          |
        3 | machine = "zen"
          |           ^^^^^ its counters are AMD's
          |
          = help: the guest's driver is Intel's, for version 2 and later: choose such a machine
        error[E0306]: the guest kernel cannot run on `old`
         --> s.toml:3:11
          |
        3 | machine = "old"
          |           ^^^^^ version 1 has neither GLOBAL_CTRL nor GLOBAL_STATUS
          |
          = help: the guest's driver is Intel's, for version 2 and later: choose such a machine
        error[E0306]: the guest kernel cannot run on `bare`
         --> s.toml:3:11
          |
        3 | machine = "bare"
          |           ^^^^^^ it has no counters
          |
          = help: the guest's driver is Intel's, for version 2 and later: choose such a machine
    "#]]
    .assert_eq(&texts);
}

#[test]
fn machine_keys_missing() {
    machine(
        r#"format = 1
name = "m"
[pmu]
version = 4
"#,
        &expect![[r#"
            error[E0103]: the machine file has no `max_samples_per_tick`
             --> m.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `max_samples_per_tick = ...`

            error[E0103]: the machine file has no `skid_max`
             --> m.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `skid_max = ...`

            error[E0103]: the machine file has no `timing`
             --> m.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `timing = ...`

            error[E0103]: the machine file has no `vendor`
             --> m.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `vendor = ...`

            error[E0103]: `[pmu]` has no `fixed_counters`
             --> m.toml:3:1
              |
            3 | [pmu]
              | ^^^^^
              |
              = help: add `fixed_counters = ...`

            error[E0103]: `[pmu]` has no `fixed_width`
             --> m.toml:3:1
              |
            3 | [pmu]
              | ^^^^^
              |
              = help: add `fixed_width = ...`

            error[E0103]: `[pmu]` has no `full_width_writes`
             --> m.toml:3:1
              |
            3 | [pmu]
              | ^^^^^
              |
              = help: add `full_width_writes = ...`

            error[E0103]: `[pmu]` has no `gp_counters`
             --> m.toml:3:1
              |
            3 | [pmu]
              | ^^^^^
              |
              = help: add `gp_counters = ...`

            error[E0103]: `[pmu]` has no `gp_width`
             --> m.toml:3:1
              |
            3 | [pmu]
              | ^^^^^
              |
              = help: add `gp_width = ...`
        "#]],
    );
}

#[test]
fn machine_key_misplaced() {
    machine(
        r#"format = 1
name = "m"
vendor = "intel"
skid_max = 8
max_samples_per_tick = 100
[pmu]
version = 4
gp_counters = 4
gp_width = 48
fixed_counters = 3
fixed_width = 48
full_width_writes = true
timing = "unit"
"#,
        &expect![[r#"
            error[E0108]: `timing` stands inside `[pmu]`
              --> m.toml:13:1
               |
            13 | timing = "unit"
               | ^^^^^^ belongs to the top of the file
               |
               = help: in TOML a plain key belongs to the table header above it: move `timing` above the first `[table]` line
        "#]],
    );
}

#[test]
fn machine_without_a_pmu() {
    machine(
        r#"format = 1
name = "m"
vendor = "intel"
timing = "unit"
skid_max = 8
max_samples_per_tick = 100
"#,
        &expect![[r#"
            error[E0103]: the machine file has no `pmu`
             --> m.toml:1:1
              |
            1 | format = 1
              | ^
              |
              = help: add `[pmu]`
        "#]],
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

#[test]
fn known_entries() {
    known(
        r#"format = 1
[[known]]
oracle = "count"
row = "read_dup"
read_guard = ["v5.5", "v5.6"]
reaches = []
reason = "r"
source = "s"
[[known]]
oracle = "monotny"
row = "x86_perf_event_update"
place = "x86_perf_event_update"
read_guard = ["v5.5"]
reaches = ["pim"]
reason = "r"
[[known]]
oracle = "count"
row = "read_dup"
window = ["write A.count", "write master_count"]
read_guard = "v5.5"
reaches = ["pmi"]
schedulers = ["a b"]
reason = "r"
source = "s"
"#,
        &expect![[r#"
            error[E0401]: the finding does not say where it happens
             --> known.toml:2:1
              |
            2 | [[known]]
              | ^^^^^^^^^
              |
              = help: add `window = [FROM, TO]` or `place = SYMBOL`

            error[E0106]: unknown read_guard `v5.6`
             --> known.toml:5:23
              |
            5 | read_guard = ["v5.5", "v5.6"]
              |                       ^^^^^^ did you mean `v5.5`?
              |
              = help: possible: `v5.5` or `v5.9`

            error[E0103]: `reaches` is empty
             --> known.toml:6:11
              |
            6 | reaches = []
              |           ^^
              |
              = help: possible: `pmi`, `late`, `external`, `preempt` or `tick`

            error[E0103]: `[[known]]` has no `source`
             --> known.toml:9:1
              |
            9 | [[known]]
              | ^^^^^^^^^
              |
              = help: add `source = ...`

            error[E0106]: unknown oracle `monotny`
              --> known.toml:10:10
               |
            10 | oracle = "monotny"
               |          ^^^^^^^^^ did you mean `monotony`?
               |
               = help: possible: `count`, `monotony`, `ownership`, `state`, `warn`, `freed`, `progress`, `sharing`, `times` or `schedule`

            error[E0106]: unknown reaches `pim`
              --> known.toml:14:12
               |
            14 | reaches = ["pim"]
               |            ^^^^^ did you mean `pmi`?
               |
               = help: possible: `pmi`, `late`, `external`, `preempt` or `tick`

            error[E0201]: unknown event `A`
              --> known.toml:19:11
               |
            19 | window = ["write A.count", "write master_count"]
               |           ^^^^^^^^^^^^^^^
               |
               = help: there is none here

            error[E0104]: `read_guard` takes an array, not a string
              --> known.toml:20:14
               |
            20 | read_guard = "v5.5"
               |              ^^^^^^ expected an array

            error[E0109]: `a b` is not a name for a scheduler
              --> known.toml:22:15
               |
            22 | schedulers = ["a b"]
               |               ^^^^^ not a name
               |
               = help: use letters, digits, `_`, `-`, `.`, and `/` between folders
        "#]],
    );
}

const SCENARIO: &str = r#"format = 1
title = "t"
machine = "skylke"
[[cpu]]
program = []
[expect.v01]
[expect.other]
"#;

fn library() -> Texts {
    let file = |name: &str, text: &str| {
        let path = format!("{name}.toml");
        (name.to_owned(), (path, text.to_owned()))
    };
    Texts {
        machines: [file("skylake", "format = 1\n")].into(),
        schedulers: [
            file("other", "format = 1\nname = \"another\"\n"),
            file("v10", "format = 1\nname = \"v10\"\n"),
        ]
        .into(),
    }
}

#[test]
fn files_that_a_scenario_names() {
    let source = Source::new("a.toml", SCENARIO);
    let scenario = parse_scenario(&source).unwrap();
    check(
        resolve(&source, &scenario, &library()),
        &expect![[r#"
        error[E0302]: there is no machine `skylke`
         --> a.toml:3:11
          |
        3 | machine = "skylke"
          |           ^^^^^^^^ did you mean `skylake`?
          |
          = help: possible: `skylake`

        error[E0302]: there is no scheduler `v01`
         --> a.toml:6:9
          |
        6 | [expect.v01]
          |         ^^^ did you mean `v10`?
          |
          = help: possible: `other` or `v10`

        error[E0304]: the file of the scheduler `other` says that its name is `another`
         --> other.toml:2:9
          |
        2 | name = "another"
          |         ^^^^^^^ expected `other`
    "#]],
    );
}

#[test]
fn errors_in_a_file_that_a_scenario_names() {
    let text = SCENARIO.replace("skylke", "skylake").replace("v01", "v10");
    let source = Source::new("a.toml", text.replace("[expect.other]\n", ""));
    let scenario = parse_scenario(&source).unwrap();
    check(
        resolve(&source, &scenario, &library()),
        &expect![[r#"
        error[E0103]: the machine file has no `max_samples_per_tick`
         --> skylake.toml:1:1
          |
        1 | format = 1
          | ^
          |
          = help: add `max_samples_per_tick = ...`

        error[E0103]: the machine file has no `name`
         --> skylake.toml:1:1
          |
        1 | format = 1
          | ^
          |
          = help: add `name = ...`

        error[E0103]: the machine file has no `pmu`
         --> skylake.toml:1:1
          |
        1 | format = 1
          | ^
          |
          = help: add `[pmu]`

        error[E0103]: the machine file has no `skid_max`
         --> skylake.toml:1:1
          |
        1 | format = 1
          | ^
          |
          = help: add `skid_max = ...`

        error[E0103]: the machine file has no `timing`
         --> skylake.toml:1:1
          |
        1 | format = 1
          | ^
          |
          = help: add `timing = ...`

        error[E0103]: the machine file has no `vendor`
         --> skylake.toml:1:1
          |
        1 | format = 1
          | ^
          |
          = help: add `vendor = ...`
    "#]],
    );
}

#[test]
fn a_scheduler_given_as_an_argument() {
    check(
        scheduler_by_name("v1O", &library()),
        &expect![[r#"
        error[E0302]: there is no scheduler `v1O`
         |
         = help: did you mean `v10`?
         = help: possible: `other` or `v10`
    "#]],
    );
}

/// Every code has an example here, and a text of its own.
#[test]
fn every_code_is_shown() {
    let examples = concat!(
        include_str!("errors_files.rs"),
        include_str!("errors_scenario.rs")
    );
    for code in Code::ALL {
        assert!(examples.contains(&format!("error[{code}]")), "{code}");
        assert_eq!(Code::from_id(&code.id().to_lowercase()), Some(*code));
    }
    assert_eq!(Code::from_id("E9999"), None);
}

#[test]
fn colour_only_where_asked() {
    let errors = parse_machine(&Source::new("m.toml", "format = 1\n")).unwrap_err();
    assert!(!errors.render(false).contains('\u{1b}'));
    assert!(errors.render(true).contains('\u{1b}'));
    assert_eq!(errors.to_string(), errors.render(false));
}

#[test]
fn memory_models() {
    let with = |memory: &str| {
        format!(
            "format = 1\nname = \"m\"\nvendor = \"intel\"\ntiming = \"unit\"\nmemory = {memory}\n\
             skid_max = 8\nmax_samples_per_tick = 100\n[pmu]\nversion = 0\ngp_width = 48\n"
        )
    };
    machine(
        &with("\"tso\""),
        &expect![[r#"
        error[E0307]: store buffers are not modelled yet
         --> m.toml:5:10
          |
        5 | memory = "tso"
          |          ^^^^^ machines are sequentially consistent
          |
          = help: write `memory = "sc"`, or leave it out
    "#]],
    );
    machine(
        &with("1"),
        &expect![[r#"
        error[E0104]: `memory` takes a string, not an integer
         --> m.toml:5:10
          |
        5 | memory = 1
          |          ^ expected a string
    "#]],
    );
    let read = |text: &str| parse_machine(&Source::new("m.toml", text)).unwrap();
    let said = with("\"sc\"");
    let silent = said.replace("memory = \"sc\"\n", "");
    assert_eq!(read(&said), read(&silent), "`sc` is the default");
}
