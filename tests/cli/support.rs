// SPDX-License-Identifier: GPL-2.0-only
//! Running the binary, and the scenarios that only tests need.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `pmusim` with these arguments, in the repository.
pub(crate) fn pmusim<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pmusim"));
    command.current_dir(root()).args(args);
    command
}

/// What a run of the binary left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Run {
    finish(&mut pmusim(args))
}

pub(crate) fn finish(command: &mut Command) -> Run {
    let output = command.output().expect("the binary starts");
    Run {
        code: output.status.code().expect("it is not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Run {
    /// The exit code is `code`, and standard error contains each of `words`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        for words in words {
            assert!(
                self.err.contains(words),
                "no `{words}` in stderr:\n{}",
                self.err
            );
        }
    }

    /// The exit code is 0.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        self.exits(0)
    }

    /// The exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// Standard output as JSON of version 1.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let value: serde_json::Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.out, self.err));
        assert_eq!(value["format"], 1, "{}", self.out);
        value
    }
}

/// A folder with one file; the path of the file as text.
pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("it can be written");
    (folder, text(&path))
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are text").to_owned()
}

/// The master A is closed: one NMI inside of read_dup takes a wrong count of A, and a second one reads
/// it. `ask` says how to look: a `[sweep]`, `[[inject]]`s, what is expected.
pub(crate) fn read_twice(ask: &str) -> String {
    format!(
        r#"format = 1
title = "two NMIs"
machine = "skylake"
event = [
  {{ id = "A", kind = "instructions", exclude_kernel = true }},
  {{ id = "B", like = "A" }},
]

[[cpu]]
program = [
  {{ open = "A" }},
  {{ open = "B" }},
  {{ probe = "A" }},
  {{ work = 1000 }},
  {{ close = "A", label = "target" }},
  {{ read = "B" }},
]

{ask}
"#
    )
}

/// The two NMIs of [`read_twice`] under v10.
pub(crate) const BOTH: &str = r#"[[inject]]
external = "A"
at = { after = "read A.dup_count", step = "target" }

[[inject]]
external = "A"
at = { before = "read A.state", hit = 7, step = "target" }

[expect.v10]
violates = []
"#;

/// The trace of the injections of a scenario under v10, which expects nothing of it.
pub(crate) fn injected(scenario: &str) -> String {
    let (folder, path) = file("s.toml", scenario);
    let into = text(folder.path());
    run(&["-q", "run", &path, "--write-traces", &into]).exits(1);
    std::fs::read_to_string(folder.path().join("s.v10.inject.trace")).expect("it is recorded")
}

/// A group sample at every boundary of a `disable`: short, and right under `none`. `disabled`
/// leaves the sampling event off, so that no NMI can come; `expect` is what stands at the end.
pub(crate) fn scenario(disabled: bool, expect: &str) -> String {
    format!(
        r#"format = 1
title = "a test"
machine = "skylake"
event = [
  {{ id = "L", kind = "inject", sample_period = 2, read = "group", disabled = {disabled} }},
  {{ id = "A", kind = "instructions", group = "L", exclude_kernel = true }},
  {{ id = "C", kind = "branches", exclude_kernel = true }},
]

[[cpu]]
program = [
  {{ open = "L" }},
  {{ open = "A" }},
  {{ open = "C" }},
  {{ work = 100 }},
  {{ disable = "C", label = "target" }},
  {{ work = 100 }},
  {{ read = "C" }},
]

[sweep]
step = "target"
source = {{ pmi = "L" }}

{expect}
"#
    )
}

/// The part of a page between two marks is what a command prints; `UPDATE_EXPECT=1` renews it.
#[track_caller]
pub(crate) fn page_is_current(page: &str, mark: &str, args: &[&str]) {
    let printed = run(args).succeeds().out.clone();
    let path = root().join(page);
    let text = std::fs::read_to_string(&path).expect("the page is there");
    let begin = format!("<!-- {mark}: begin -->\n");
    let end = format!("<!-- {mark}: end -->\n");
    let (before, rest) = text.split_once(&begin).expect("the first mark");
    let (_, after) = rest.split_once(&end).expect("the second mark");
    let current = format!("{before}{begin}\n{}\n\n{end}{after}", printed.trim());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, current).expect("the page can be written");
        return;
    }
    assert_eq!(text, current, "UPDATE_EXPECT=1 renews {page}");
}
