// SPDX-License-Identifier: GPL-2.0-only
//! House rules as tests: who may know whom, and what every file and library begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Who may know whom: each crate with the workspace crates that it may depend on, from the table
/// of rooms in docs/architecture.md. A lower room never knows a higher one.
const ALLOWED: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("perf-core", &["abi"]),
    ("guest", &["perf-core", "abi"]),
    ("cpu", &["abi"]),
    ("pmu", &["abi"]),
    ("image", &["abi"]),
    ("timing", &["cpu", "abi"]),
    ("machine", &["cpu", "pmu", "timing", "image", "abi"]),
    ("scenario", &["abi"]),
    ("trace", &["machine", "image", "abi"]),
    ("check", &["machine", "image", "abi"]),
    ("linux", &["machine", "cpu", "pmu", "image", "abi"]),
    ("explore", UP_TO_4),
    ("gdb", &["machine", "trace", "image", "abi"]),
    ("report", UP_TO_5),
    ("pmusim", ALL),
    // Stands outside: builds the image, runs on developers' machines only.
    ("xtask", &["image"]),
];
const UP_TO_4: &[&str] = &[
    "abi", "cpu", "pmu", "image", "timing", "machine", "scenario", "trace", "check",
];
const UP_TO_5: &[&str] = &[
    "abi", "cpu", "pmu", "image", "timing", "machine", "linux", "scenario", "trace", "check",
    "explore", "gdb",
];
const ALL: &[&str] = &[
    "abi", "cpu", "pmu", "image", "timing", "machine", "linux", "scenario", "trace", "check",
    "explore", "gdb", "report",
];

/// Crates that run on the simulated machine: nothing from outside is compiled into the image.
const GUEST: [&str; 3] = ["abi", "perf-core", "guest"];

/// Everything that may lie at the top, besides dot files.
const TOP_LEVEL: [&str; 14] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "sim-configs",
    "traces",
    "tests",
    "benches",
    "docs",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "rust-toolchain.toml",
    "deny.toml",
    "clippy.toml",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap()
}

/// The names of a package's dependencies of one kind.
fn dependencies(package: &Package, kind: DependencyKind) -> BTreeSet<&str> {
    let all = package.dependencies.iter();
    all.filter(|d| d.kind == kind)
        .map(|d| d.name.as_str())
        .collect()
}

#[test]
fn no_room_knows_a_higher_one() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let names: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for other in dependencies(package, DependencyKind::Normal) {
            if names.contains(other) && !may.contains(&other) {
                wrong.push(format!("{name} must not depend on {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_from_outside_is_compiled_into_the_image() {
    let metadata = metadata();
    let names: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    for package in metadata.workspace_packages() {
        if !GUEST.contains(&package.name.as_str()) {
            continue;
        }
        for kind in [DependencyKind::Normal, DependencyKind::Build] {
            for other in dependencies(package, kind) {
                assert!(names.contains(other), "{} uses {other}", package.name);
            }
        }
    }
}

#[test]
fn every_crate_takes_the_house_lints_and_licence() {
    for package in metadata().workspace_packages() {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}",
            package.manifest_path
        );
        assert_eq!(package.license.as_deref(), Some("GPL-2.0-only"));
    }
}

#[test]
fn every_library_demands_documentation() {
    for package in metadata().workspace_packages() {
        let library = package.targets.iter().find(|t| t.is_lib());
        if let Some(library) = library {
            let text = fs::read_to_string(&library.src_path).unwrap();
            assert!(
                text.contains("#![deny(missing_docs)]"),
                "{} lacks #![deny(missing_docs)]",
                library.src_path
            );
        }
    }
}

#[test]
fn every_source_file_names_its_licence_on_top() {
    let mut bare = Vec::new();
    let mut files = 0;
    for dir in ["crates", "sim-configs", "tests", "benches", ".cargo", ".ci"] {
        walk(&root().join(dir), &mut |path| {
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if !["rs", "toml", "sh", "ld", "S"].contains(&extension) {
                return;
            }
            files += 1;
            let text = fs::read_to_string(path).unwrap();
            let top = text.lines().take(2);
            if !top
                .into_iter()
                .any(|l| l.contains("SPDX-License-Identifier: GPL-2.0-only"))
            {
                bare.push(path.display().to_string());
            }
        });
    }
    assert!(files > 50, "only {files} files seen");
    assert!(bare.is_empty(), "without SPDX line:\n{}", bare.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_a_room() {
    const LINES_MAX: usize = 800;
    let mut long = Vec::new();
    walk(&root().join("crates"), &mut |path| {
        if path.extension().is_some_and(|e| e == "rs") {
            let lines = code_lines(&fs::read_to_string(path).unwrap());
            if lines > LINES_MAX {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    });
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Lines of a file that are not inside a raw string: texts that a test expects are data.
fn code_lines(text: &str) -> usize {
    let mut raw = false;
    let mut count = 0;
    for line in text.lines() {
        count += usize::from(!raw);
        let opened = line.matches("r#\"").count();
        let closed = line.matches("\"#").count() - usize::from(line.contains("r#\"#"));
        raw = match opened.cmp(&closed) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => raw,
        };
    }
    count
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    // The port and its surroundings are about raw memory; the core may use it in one file, beside
    // the two harnesses that step the host's own processor.
    let mut in_cpu = 0;
    walk(&root().join("crates"), &mut |path| {
        if path.extension().is_none_or(|e| e != "rs") {
            return;
        }
        let text = fs::read_to_string(path).unwrap();
        let code = text.lines().map(|l| l.split("//").next().unwrap_or(l));
        let has = code
            .flat_map(|l| l.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .any(|word| word == "unsafe");
        let name = path.strip_prefix(root().join("crates")).unwrap();
        if has && name.starts_with("cpu/src") {
            in_cpu += 1;
        }
        let may = [
            "perf-core",
            "guest",
            "cpu/src",
            "cpu/tests/native",
            "linux/tests/native",
            "xtask",
        ];
        assert!(
            !has || may.iter().any(|dir| name.starts_with(dir)),
            "{} is no place for unsafe code",
            name.display()
        );
    });
    assert!(in_cpu <= 1, "cpu has unsafe code in {in_cpu} files");
}

#[test]
fn the_top_level_is_tidy() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Build output is not part of the repository.
        let known = TOP_LEVEL.contains(&name.as_str()) || name.starts_with('.') || name == "target";
        assert!(known, "{name} does not belong at the top level");
    }
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
