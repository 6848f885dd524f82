// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in the known findings.

use expect_test::{Expect, expect};
use scenario::{Source, parse_known};

use crate::check;

fn known(text: &str, expected: &Expect) {
    check(parse_known(&Source::new("known.toml", text)), expected);
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
