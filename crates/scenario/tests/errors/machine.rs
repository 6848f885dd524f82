// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in a machine.

use expect_test::{Expect, expect};
use scenario::{Source, Texts, parse_machine, parse_scenario, resolve};

use crate::check;

fn machine(text: &str, expected: &Expect) {
    check(parse_machine(&Source::new("m.toml", text)), expected);
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
