// SPDX-License-Identifier: GPL-2.0-only
//! Builds the guest image so that everyone gets the same bytes: pinned compiler, no flags or paths
//! from the surroundings, one codegen unit.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use image::{Manifest, sources};

const IMAGE: &str = "crates/image/guest/guest.elf.z";
const MANIFEST: &str = "crates/image/guest/manifest.toml";
/// Compression level of the committed file: the best.
const LEVEL: u8 = 10;
/// What the build may know of its surroundings: where the toolchain is, and how to reach it.
const KEPT_VARIABLES: [&str; 8] = [
    "PATH",
    "HOME",
    "USERPROFILE",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "TMPDIR",
    "SYSTEMROOT",
];

/// Builds the image and writes it with its manifest.
pub(crate) fn rebuild(root: &Path) -> Result<String, String> {
    let (elf, manifest) = build(root)?;
    let compressed = miniz_oxide::deflate::compress_to_vec_zlib(&elf, LEVEL);
    write(&root.join(IMAGE), &compressed)?;
    write(&root.join(MANIFEST), manifest.render().as_bytes())?;
    Ok(format!(
        "{IMAGE}: {} bytes, {} compressed, blake3 {}",
        elf.len(),
        compressed.len(),
        manifest.elf
    ))
}

/// Builds the image and compares it with the committed one.
pub(crate) fn check(root: &Path) -> Result<String, String> {
    let (elf, manifest) = build(root)?;
    let committed = Manifest::committed();
    if committed.sources != manifest.sources {
        return Err("the committed image was built from other sources: cargo xtask guest".into());
    }
    if committed.rustc != manifest.rustc {
        return Err(format!(
            "the committed image was built by {}, here is {}",
            committed.rustc, manifest.rustc
        ));
    }
    if image::guest_elf() != elf || committed.elf != manifest.elf {
        return Err(format!(
            "the image built here differs from the committed one, from the same sources: blake3 {} here, {} there",
            manifest.elf, committed.elf
        ));
    }
    Ok(format!("{IMAGE} is what these sources build"))
}

/// Builds the image and writes the ELF only.
pub(crate) fn output(root: &Path, file: &Path) -> Result<String, String> {
    let (elf, manifest) = build(root)?;
    write(file, &elf)?;
    Ok(format!("{}: blake3 {}", file.display(), manifest.elf))
}

fn build(root: &Path) -> Result<(Vec<u8>, Manifest), String> {
    let hash = || sources::hash(root).map_err(|e| format!("hashing the sources: {e}"));
    let before = hash()?;
    let rustc = said_by(clean("rustc", root).arg("--version"))?;
    let sysroot = said_by(clean("rustc", root).args(["--print", "sysroot"]))?;
    let commit = said_by(clean("rustc", root).arg("-vV"))?;
    let commit = commit
        .lines()
        .find_map(|l| l.strip_prefix("commit-hash: "))
        .unwrap_or("unknown");
    // With the rust-src component installed, the compiler names its library by where it lies.
    let library = format!("--remap-path-prefix={sysroot}/lib/rustlib/src/rust=/rustc/{commit}");
    let own = format!(
        "--remap-path-prefix={}={}",
        root.display(),
        sources::REMAPPED_ROOT
    );
    let mut flags = sources::RUSTFLAGS.to_vec();
    flags.extend([library.as_str(), own.as_str()]);

    let target_dir = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |dir| root.join(dir))
        .join("guest-image");
    let status = clean("cargo", root)
        .args([
            "build",
            "--package",
            sources::PACKAGE,
            "--bin",
            sources::PACKAGE,
        ])
        .args(["--target", sources::TARGET, "--profile", sources::PROFILE])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("RUSTC_BOOTSTRAP", "1")
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if !status.success() {
        return Err(format!(
            "building the guest failed. Is its target installed? rustup target add {}",
            sources::TARGET
        ));
    }
    let file = target_dir
        .join(sources::TARGET)
        .join(sources::PROFILE)
        .join(sources::PACKAGE);
    let elf = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    image::Image::parse(&elf).map_err(|e| format!("the image just built is bad: {e}"))?;
    if hash()? != before {
        return Err("the sources changed during the build: run it again".into());
    }
    let manifest = Manifest {
        sources: before,
        elf: blake3::hash(&elf).to_hex().to_string(),
        rustc,
    };
    Ok((elf, manifest))
}

/// A command in the repository's root with nothing of the environment that could change its work.
fn clean(program: &str, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).env_clear();
    for name in KEPT_VARIABLES {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn said_by(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("rustc: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "rustc failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|e| format!("{}: {e}", file.display()))
}
