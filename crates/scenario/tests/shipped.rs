// SPDX-License-Identifier: GPL-2.0-only
//! Every file of `sim-configs` is read and fits its schema; the schemas are current.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use abi::rows::Row;
use scenario::{
    Code, Library, Source, Texts, parse_known, parse_machine, parse_scenario, parse_scheduler,
    resolve, scheduler_by_name, schema::Kind,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The TOML files below a folder, by path relative to it without the ending.
fn files(folder: &Path) -> BTreeMap<String, (String, String)> {
    fn walk(base: &Path, folder: &Path, found: &mut BTreeMap<String, (String, String)>) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, found);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(base).unwrap().with_extension("");
                let name = name.to_str().unwrap().replace('\\', "/");
                found.insert(name, (path.display().to_string(), text));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn library() -> Texts {
    let configs = root().join("sim-configs");
    Texts {
        machines: files(&configs.join("machines")),
        schedulers: files(&configs.join("schedulers")),
    }
}

fn source(file: &(String, String)) -> Source {
    Source::new(file.0.clone(), file.1.clone())
}

#[test]
fn machines() {
    for (name, file) in library().machines {
        let machine = parse_machine(&source(&file)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(machine.name, name);
        Kind::Machine.fits(&file.1).unwrap();
    }
}

#[test]
fn schedulers() {
    let library = library();
    for required in ["none", "v10", "delta"] {
        assert!(library.schedulers.contains_key(required), "{required}");
    }
    for (name, file) in &library.schedulers {
        let scheduler = parse_scheduler(&source(file), &library).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(&scheduler.name, name);
        assert_eq!(scheduler_by_name(name, &library).unwrap(), scheduler);
        let alone = Source::new("inlined", scheduler.to_toml());
        assert_eq!(
            parse_scheduler(&alone, &Texts::default()).unwrap(),
            scheduler
        );
        Kind::Scheduler.fits(&file.1).unwrap();
    }
}

/// A named version runs its own text everywhere, and says so in its file.
#[test]
fn named_versions_are_whole() {
    let library = library();
    for version in ["none", "v10", "delta", "v11", "v11r", "v12"] {
        let file = &library.schedulers[version];
        let scheduler = parse_scheduler(&source(file), &library).unwrap();
        for row in Row::ALL {
            let wanted = match row {
                Row::ShadowChildCount if version == "v10" => "true",
                Row::RemoveDupOnDisable | Row::SetupDupInResched if version == "v12" => "true",
                Row::ShadowChildCount | Row::RemoveDupOnDisable | Row::SetupDupInResched => "false",
                Row::ReadGuard => "v5.5",
                // The parts of a composed remove_dup, which no version runs.
                Row::Flip | Row::MasterCount | Row::StateBeforeEnable | Row::DelOld => {
                    assert_eq!(scheduler.rows.get(row), 0);
                    continue;
                }
                _ => version,
            };
            assert_eq!(scheduler.value(row), wanted, "{version} {}", row.name());
            let key = format!("\n{} = ", row.name());
            assert!(
                file.1.contains(&key),
                "{version} does not set {}",
                row.name()
            );
        }
        assert_eq!(scheduler.shares(), version != "none");
    }
}

/// What stands for mainline beside a version: its read guard, and nothing that shares.
#[test]
fn mainline_of_a_version() {
    let library = library();
    let rows = |name: &str| {
        let file = source(&library.schedulers[name]);
        parse_scheduler(&file, &library).unwrap()
    };
    assert_eq!(rows("retry").mainline(), rows("none"));
    let mut guarded = rows("v10");
    guarded.rows.0[Row::ReadGuard as usize] = Row::ReadGuard.number("v5.9");
    assert_eq!(guarded.mainline().rows, rows("none-v59").rows);
}

#[test]
fn scenarios() {
    let library = library();
    let files = files(&root().join("sim-configs/scenarios"));
    assert!(files.contains_key("review/p4-init-dup-master"));
    for file in files.values() {
        let source = source(file);
        let scenario = parse_scenario(&source).unwrap_or_else(|e| panic!("{e}"));
        Kind::Scenario.fits(&file.1).unwrap();
        match resolve(&source, &scenario, &library) {
            Ok(resolved) => {
                assert_eq!(resolved.machine.name, scenario.machine);
                assert_eq!(resolved.schedulers.len(), scenario.expect.len());
            }
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn known_findings() {
    let path = root().join("sim-configs/known.toml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        // The list appears with the first finding.
        return;
    };
    let library = library();
    let known =
        parse_known(&Source::new("known.toml", text.clone())).unwrap_or_else(|e| panic!("{e}"));
    Kind::Known.fits(&text).unwrap();
    for name in known.iter().flat_map(|known| &known.schedulers) {
        assert!(library.scheduler(name).is_some(), "{name}");
    }
}

#[test]
fn schemas_are_current() {
    for kind in Kind::ALL {
        let path = root().join("docs/schema").join(kind.file());
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == kind.schema(),
            "{} is not current: cargo run -p scenario --example schema",
            kind.file()
        );
    }
}

/// The reference describes every key, operation, word and error code.
#[test]
fn the_reference_is_complete() {
    let text = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    for kind in Kind::ALL {
        let schema: serde_json::Value = serde_json::from_str(&kind.schema()).unwrap();
        let empty = serde_json::Map::new();
        let definitions = schema["definitions"].as_object().unwrap_or(&empty);
        for object in std::iter::once(&schema).chain(definitions.values()) {
            for key in object["properties"].as_object().unwrap_or(&empty).keys() {
                assert!(text.contains(&format!("`{key}`")), "{key} is not described");
            }
            for word in object["oneOf"].as_array().into_iter().flatten() {
                if let Some(word) = word["const"].as_str() {
                    assert!(
                        text.contains(&format!("`{word}`")),
                        "{word} is not described"
                    );
                }
            }
        }
    }
    for code in Code::ALL {
        assert!(text.contains(code.id()), "{code} is not described");
    }
}

/// The sample of the reference is the file it says it is, and every other piece of TOML parses.
#[test]
fn samples_of_the_reference() {
    let text = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let mut blocks = 0;
    for block in text.split("```toml\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        blocks += 1;
        let source = Source::new("docs/scenarios.md", block);
        let library = library();
        let read = if block.contains("machine = ") {
            parse_scenario(&source).and_then(|s| resolve(&source, &s, &library).map(drop))
        } else if block.contains("[rows]") {
            parse_scheduler(&source, &library).map(drop)
        } else if block.contains("[[known]]") {
            parse_known(&source).map(drop)
        } else {
            parse_machine(&source).map(drop)
        };
        read.unwrap_or_else(|errors| panic!("{errors}"));
    }
    assert!(blocks >= 4, "{blocks} samples");
}
