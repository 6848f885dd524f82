// SPDX-License-Identifier: GPL-2.0-only
//! Every command that the README and the pages in docs show, as they show it.
//!
//! In a block marked `console`, a line that begins with `$ ` is a command. It is run in the
//! repository; `# exits with N` behind it says its exit code, 0 otherwise. Lines below it are its
//! output: each must occur, in this order, where a number stands for any number (another build of
//! the guest moves boundaries and addresses) and a line `...` for any lines.

use std::fs;
use std::path::PathBuf;

use crate::support::{root, run};

/// The commands that set everything up. This test is part of the second one.
const SET_UP: [&str; 1] = ["cargo test --release --workspace"];

struct Shown {
    command: String,
    code: i32,
    output: Vec<String>,
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|e| e == "md"));
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

fn commands(text: &str) -> Vec<Shown> {
    let mut list: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => {
                    let (command, code) = match command.split_once("# exits with ") {
                        Some((command, code)) => (command, code.trim().parse().unwrap()),
                        None => (command, 0),
                    };
                    list.push(Shown {
                        command: command.trim().to_owned(),
                        code,
                        output: Vec::new(),
                    });
                }
                None => {
                    let shown = list.last_mut().expect("a block begins with a command");
                    shown.output.push(line.to_owned());
                }
            },
        }
    }
    list
}

/// A line with every number, decimal or hexadecimal, as `#`, and columns one blank apart.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = line.as_str();
    while let Some(c) = rest.chars().next() {
        if c.is_ascii_digit() {
            let hex = rest.starts_with("0x");
            let start = if hex { 2 } else { 0 };
            let digit = |c: char| {
                if hex {
                    c.is_ascii_hexdigit()
                } else {
                    c.is_ascii_digit()
                }
            };
            let end = rest[start..]
                .find(|c| !digit(c))
                .map_or(rest.len(), |at| start + at);
            out.push('#');
            rest = &rest[end..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[test]
fn every_command_shown_does_what_is_shown() {
    let mut seen = 0;
    for page in pages() {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        for shown in commands(&fs::read_to_string(&page).unwrap()) {
            if SET_UP.contains(&shown.command.as_str()) {
                continue;
            }
            seen += 1;
            let line = shown.command.as_str();
            let args = line
                .strip_prefix("cargo run --release -- ")
                .or_else(|| line.strip_prefix("pmusim "));
            let args = args.unwrap_or_else(|| panic!("{name}: `{line}` cannot be run by a test"));
            let args: Vec<&str> = args.split_whitespace().collect();
            let result = run(&args);
            assert_eq!(
                result.code, shown.code,
                "{name}: `{line}`\n{}\n{}",
                result.out, result.err
            );
            let mut lines = result.out.lines().map(plain);
            for expected in &shown.output {
                if expected.trim() == "..." || expected.trim().is_empty() {
                    continue;
                }
                assert!(
                    lines.any(|line| line == plain(expected)),
                    "{name}: `{line}` does not print, in this order:\n{expected}\nbut:\n{}",
                    result.out
                );
            }
        }
    }
    assert!(seen > 0, "the README shows commands");
}

#[test]
fn the_readme_names_both_set_up_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<String> = commands(&readme).into_iter().map(|c| c.command).collect();
    let main_job = "cargo run --release -- run sim-configs/scenarios/review";
    assert!(commands.iter().any(|c| c == main_job), "{commands:?}");
    assert!(commands.iter().any(|c| c == SET_UP[0]), "{commands:?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().unwrap().join(target);
            assert!(path.exists(), "{}: no {target}", page.display());
        }
    }
}

#[test]
fn numbers_are_any_numbers() {
    assert_eq!(
        plain("  f+0x3c  v10.rs:42  mov [r8+0x220]"),
        "f+# v#.rs:# mov [r#+#]"
    );
    assert_eq!(plain("a 12..=13 "), "a #..=#");
}
