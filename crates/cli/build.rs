// SPDX-License-Identifier: GPL-2.0-only
//! Lists the machines and schedulers of `sim-configs`, so that the binary carries copies of them
//! and works in any folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let configs = root.join("sim-configs");
    let mut text = String::new();
    for (constant, kind) in [("MACHINES", "machines"), ("SCHEDULERS", "schedulers")] {
        let folder = configs.join(kind);
        let mut files = Vec::new();
        collect(&folder, &mut files);
        files.sort();
        writeln!(text, "pub(crate) static {constant}: &[(&str, &str)] = &[")
            .expect("into a string");
        for file in files {
            let name = file
                .strip_prefix(&folder)
                .expect("found below it")
                .with_extension("");
            let name = name.to_string_lossy().replace('\\', "/");
            writeln!(
                text,
                "    ({name:?}, include_str!({:?})),",
                file.display().to_string()
            )
            .expect("into a string");
        }
        text.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("built_in.rs"), text).expect("the output folder can be written");
    println!("cargo::rerun-if-changed=crates/cli/build.rs");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
}
