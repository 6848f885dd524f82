// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in files that another one names.

use expect_test::expect;
use scenario::{Source, Texts, parse_scenario, resolve, scheduler_by_name};

use crate::check;

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
