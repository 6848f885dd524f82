// SPDX-License-Identifier: GPL-2.0-only
//! House work. `cargo xtask guest` rebuilds the committed guest image, `cargo xtask guest --check`
//! rebuilds it and compares it with the committed one, byte for byte.

mod guest;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask guest             rebuild crates/image/guest/
       cargo xtask guest --check     rebuild and compare, change nothing
       cargo xtask guest --output F  build and write the ELF to F only";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As `cargo run` says it: a binary may outlive the folder it was compiled in.
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&package).join("../..");
    let result = root
        .canonicalize()
        .map_err(|e| format!("{}: {e}", root.display()))
        .and_then(|root| match arguments[..] {
            ["guest"] => guest::rebuild(&root),
            ["guest", "--check"] => guest::check(&root),
            ["guest", "--output", file] => guest::output(&root, Path::new(file)),
            _ => Err(USAGE.to_owned()),
        });
    match result {
        Ok(message) => {
            eprintln!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
