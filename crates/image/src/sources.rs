// SPDX-License-Identifier: GPL-2.0-only
//! What the guest image is built from, and how: the recipe that `cargo xtask guest` follows, and
//! a hash over all of it, by which a test sees that the committed image is stale.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Target triple of the guest.
pub const TARGET: &str = "x86_64-unknown-none";
/// Cargo profile of the guest, in the root manifest.
pub const PROFILE: &str = "guest";
/// Package and binary.
pub const PACKAGE: &str = "guest";
/// What the repository's folder is called in the image's debug information.
pub const REMAPPED_ROOT: &str = "/pmusim";

/// Compiler flags, besides the remapped paths. The `-Z` flags are taken from the pinned compiler
/// (`RUSTC_BOOTSTRAP`, as kernels do): functions that happen to be equal must stay two, for
/// reports to name them; calls to `memcpy` and its like go straight, not through a table.
pub const RUSTFLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Ccode-model=small",
    "-Cforce-frame-pointers=yes",
    // Every function sets its frame up first, so that the chain of frames names each caller.
    "-Cllvm-args=-enable-shrink-wrap=false",
    "-Csymbol-mangling-version=v0",
    "-Clink-arg=-Tcrates/guest/kernel.ld",
    "-Zmerge-functions=disabled",
    "-Zplt=yes",
];

/// Crates whose sources are in the image. They depend on nothing else.
pub const CRATES: [&str; 3] = ["abi", "perf-core", "guest"];

/// Files that count whole, besides the crates' sources and manifests.
const FILES: [&str; 2] = ["crates/guest/kernel.ld", "rust-toolchain.toml"];
/// Sections of the root manifest that count.
const SECTIONS: [&str; 2] = ["[profile.guest]", "[workspace.package]"];

/// BLAKE3 in hexadecimal over the sources below the repository's `root`: names and contents of
/// the crates' manifests and Rust files, the linker script, the toolchain file, the relevant
/// sections of the root manifest, and the flags above.
///
/// # Errors
/// When one of them cannot be read.
pub fn hash(root: &Path) -> io::Result<String> {
    let mut files: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    for name in CRATES {
        let dir = Path::new("crates").join(name);
        files.push(dir.join("Cargo.toml"));
        rust_files(root, &dir.join("src"), &mut files)?;
    }
    let mut hasher = blake3::Hasher::new();
    let mut add = |name: &str, content: &[u8]| {
        // Lengths first, so that no two inputs run together.
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(content);
    };
    let mut named: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|f| (f.to_string_lossy().replace('\\', "/"), f))
        .collect();
    named.sort();
    for (name, file) in named {
        add(&name, &fs::read(root.join(file))?);
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    for section in SECTIONS {
        let text = section_of(&manifest, section);
        let text = text.ok_or_else(|| io::Error::other(format!("Cargo.toml has no {section}")))?;
        add(section, text.as_bytes());
    }
    add("flags", RUSTFLAGS.join("\n").as_bytes());
    Ok(hasher.finalize().to_hex().to_string())
}

/// Rust files below `dir`, without modules called `tests`: they are not compiled into the image.
fn rust_files(root: &Path, dir: &Path, out: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(dir))? {
        let entry = entry?;
        let path = dir.join(entry.file_name());
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            rust_files(root, &path, out)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    Ok(())
}

/// The lines of a section of a TOML file, up to the next header.
fn section_of(toml: &str, header: &str) -> Option<String> {
    let mut lines = toml.lines().skip_while(|l| l.trim() != header);
    let first = lines.next()?;
    let body = lines.take_while(|l| !l.starts_with('['));
    let meaning = body.filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    Some(
        std::iter::once(first)
            .chain(meaning)
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::section_of;

    #[test]
    fn a_section_ends_at_the_next_header() {
        let toml = "[a]\nx = 1\n\n[b]\n# why\ny = 2\nz = [\n]\n\n[c]\n";
        assert_eq!(section_of(toml, "[b]").unwrap(), "[b]\ny = 2\nz = [\n]");
        assert_eq!(section_of(toml, "[c]").unwrap(), "[c]");
        assert!(section_of(toml, "[d]").is_none());
    }
}
