// SPDX-License-Identifier: GPL-2.0-only
//! What fuzzing finds has its place: the roots of causes (`explained.toml`), the pages that tell of
//! them, and the traces. Which causes a campaign meets changes with whatever makes its programs, so
//! one that no root explains is printed, and fails nothing as long as most are explained.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::fuzz::fuzz;
use crate::support::root;

const VERSIONS: [&str; 6] = ["v10", "delta", "v11", "v11r", "v12", "retry"];

/// Where causes come from.
struct Root {
    name: String,
    schedulers: Vec<String>,
    causes: Vec<String>,
}

impl Root {
    fn explains(&self, scheduler: &str, cause: &str) -> bool {
        self.schedulers.iter().any(|s| s == scheduler)
            && self.causes.iter().any(|pattern| fits(pattern, cause))
    }
}

/// Whether `pattern` fits all of `words`; a * stands for anything.
fn fits(pattern: &str, words: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == words;
    };
    let Some(words) = words.strip_prefix(head) else {
        return false;
    };
    let starts = words.char_indices().map(|(at, _)| at).chain([words.len()]);
    starts.into_iter().any(|at| fits(rest, &words[at..]))
}

fn roots() -> Vec<Root> {
    let table: toml::Table = include_str!("explained.toml").parse().unwrap();
    let list = table["root"].as_array().unwrap();
    let words = |value: &toml::Value| -> Vec<String> {
        let list = value.as_array().unwrap();
        list.iter()
            .map(|w| w.as_str().unwrap().to_owned())
            .collect()
    };
    list.iter()
        .map(|root| Root {
            name: root["name"].as_str().unwrap().to_owned(),
            schedulers: words(&root["schedulers"]),
            causes: words(&root["causes"]),
        })
        .collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The first column of every table of docs/found.md, as names of traces without their versions.
fn rows_of_found() -> BTreeSet<String> {
    let page = page("found.md");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| "));
    let firsts = cells.filter_map(|line| line.split(" | ").next());
    let mut names = BTreeSet::new();
    for first in firsts {
        // Commas between braces are of versions.
        let mut depth = 0;
        let parts = first.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        for part in parts {
            let name = part.trim().split(['.', ' ']).next().unwrap();
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn every_root_has_its_place() {
    let (claims, rows) = (page("claims.md"), rows_of_found());
    let known = root().join("sim-configs/known.toml");
    assert!(known.exists());
    for root in roots() {
        let a_claim = claims.contains(&format!("\n## {}: ", root.name));
        let of_mainline = root.name.starts_with("mainline: ");
        assert!(
            a_claim || of_mainline || rows.contains(&root.name),
            "`{}` is no claim and no row of docs/found.md",
            root.name
        );
    }
}

#[test]
fn every_trace_has_its_row() {
    let rows = rows_of_found();
    for entry in fs::read_dir(root().join("traces/found")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.split('.').next().unwrap();
        assert!(rows.contains(name), "{file} is no row of docs/found.md");
    }
}

/// The causes on docs/found-causes.md are those of their roots.
#[test]
fn every_cause_on_the_page_is_explained() {
    let (roots, page) = (roots(), page("found-causes.md"));
    let mut scheduler = "";
    let mut seen = 0;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            scheduler = heading.split(':').next().unwrap();
        }
        let Some((cause, names)) = line
            .strip_prefix("| `")
            .and_then(|line| line.trim_end_matches(" |").split_once("` | "))
        else {
            continue;
        };
        for name in names.split(", ") {
            let of_it = |root: &&Root| root.name == name && root.explains(scheduler, cause);
            assert!(
                roots.iter().any(|root| of_it(&root)),
                "{scheduler}: {cause}: {name}"
            );
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}

/// The causes that a campaign of seed 1 finds, in their order, known ones left out.
fn campaign(scheduler: &str, executions: &str, form: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--scheduler", scheduler, "--seed", "1", "--format", "json"];
    let args = [&args[..], &["--max-execs", executions], form].concat();
    let found = fuzz(folder.path(), &args);
    let found = found.exits(1).json();
    let findings = found["findings"].as_array().unwrap();
    let news = findings.iter().filter(|finding| finding["known"].is_null());
    news.map(|finding| finding["cause"].as_str().unwrap().to_owned())
        .collect()
}

/// Makes the tables of docs/found-causes.md anew, from what the campaigns find now.
#[test]
#[ignore = "writes a page; six campaigns of 40,000 executions"]
fn the_page_of_causes_is_made_anew() {
    let (roots, path) = (roots(), root().join("docs/found-causes.md"));
    let page = page("found-causes.md");
    let head = page.split("\n## ").next().unwrap();
    let mut made = format!("{}\n", head.trim_end());
    for scheduler in VERSIONS {
        let mut causes = campaign(scheduler, "40000", &[]);
        causes.sort();
        let _ = write!(made, "\n## {scheduler}: {} causes\n\n", causes.len());
        made.push_str("| cause | root |\n|---|---|\n");
        for cause in causes {
            let explains = roots.iter().filter(|root| root.explains(scheduler, &cause));
            let names: Vec<&str> = explains.map(|root| &*root.name).collect();
            assert!(!names.is_empty(), "{scheduler}: not explained: {cause}");
            let _ = writeln!(made, "| `{cause}` | {} |", names.join(", "));
        }
    }
    fs::write(path, made).unwrap();
}

#[test]
#[allow(
    clippy::print_stdout,
    reason = "what is not explained yet, for who looks"
)]
fn most_of_what_a_campaign_finds_is_explained() {
    let roots = roots();
    for scheduler in VERSIONS {
        let causes = campaign(scheduler, "4000", &["--no-shrink"]);
        let explained = |cause: &String| roots.iter().any(|root| root.explains(scheduler, cause));
        let (yes, no): (Vec<String>, Vec<String>) = causes.into_iter().partition(explained);
        for cause in &no {
            println!("{scheduler}: not explained: {cause}");
        }
        assert!(
            yes.len() > 3 * no.len(),
            "{scheduler}: most are not explained: {no:#?}"
        );
    }
}
