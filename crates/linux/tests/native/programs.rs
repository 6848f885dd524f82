// SPDX-License-Identifier: GPL-2.0-only
//! The programs, on both sides.

use std::path::{Path, PathBuf};
use std::process::Command;

use linux::{Ended, Options, Process};
use machine::Hardware;

use crate::child::Child;
use crate::count::{self, Counted};

/// Auxiliary vector entries that the simulated program finds; the native one is left no others, as
/// libraries walk the vector.
const ENTRIES: [u64; 19] = [
    16, 6, 17, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 23, 26, 25, 31, 15, 0,
];

fn compile(compiler: &str, flags: &[&str], name: &str, to: &Path) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name);
    let mut command = Command::new(compiler);
    command
        .args(["-O2", "-w"])
        .args(flags)
        .arg("-o")
        .arg(to)
        .arg(source);
    match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            panic!("{compiler} {flags:?} {name}:\n{words}");
        }
        Err(error) => {
            eprintln!("skipped: {compiler}: {error}");
            false
        }
    }
}

/// Gives the child the auxiliary vector of the simulated program: the same entries in the same
/// order, with its own values.
fn same_auxv(child: &Child) {
    let mut at = child.registers().rsp;
    let argc = child.word(at);
    at += 8 * (argc + 2);
    while child.word(at) != 0 {
        at += 8;
    }
    at += 8;
    let start = at;
    let mut found = Vec::new();
    while child.word(at) != 0 {
        found.push((child.word(at), child.word(at + 8)));
        at += 16;
    }
    at = start;
    for kind in ENTRIES {
        let value = found
            .iter()
            .find(|(k, _)| *k == kind)
            .map_or(0, |(_, v)| *v);
        child.set_word(at, kind);
        child.set_word(at + 8, value);
        at += 16;
    }
    assert!(found.len() >= ENTRIES.len() - 1, "they fit in place");
}

fn simulated(path: &Path) -> (i32, Counted) {
    let hardware = Hardware {
        pmu: pmu::Config {
            version: 4,
            gp_counters: 4,
            fixed_counters: 3,
            full_width_writes: true,
            ..pmu::Config::default()
        },
        features: cpu::Features::ALL,
        timing: machine::Timing::Unit,
        skid: 0,
        skid_max: 0,
        max_samples_per_tick: 1,
    };
    let name = path.to_str().expect("text").as_bytes().to_vec();
    let options = Options {
        args: vec![name.clone()],
        env: Vec::new(),
        path: name.clone(),
        exe: name,
        seed: 0,
        memory: 64 << 20,
        base: 0x10_0000,
    };
    let bytes = std::fs::read(path).expect("it was just made");
    let mut process = Process::load(&bytes, &hardware, &options).expect("it loads");
    match process.run(100_000_000, &mut |_, _| {}) {
        Ended::Exited(status) => {
            let counts = process.counts();
            let counted = Counted {
                instructions: counts.instructions.expect("a counter"),
                branches: counts.branches.expect("a counter"),
                loads: counts.loads.expect("a counter"),
                stores: counts.stores.expect("a counter"),
            };
            (status.into(), counted)
        }
        other => panic!("{other:?}"),
    }
}

fn compare(compiler: &str, flags: &[&str], name: &str) {
    let folder = std::env::temp_dir().join(format!("pmusim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let file: String = [compiler, name]
        .iter()
        .chain(flags)
        .flat_map(|part| part.chars())
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let path: PathBuf = folder.join(file);
    if !compile(compiler, flags, name, &path) {
        return;
    }
    match Child::start(&path) {
        Ok(child) => {
            same_auxv(&child);
            let native = count::run(&child);
            let ours = simulated(&path);
            assert!(native.1.instructions > 5000, "{native:?}");
            assert_eq!(
                ours, native,
                "{compiler} {flags:?} {name}: simulated, native"
            );
            eprintln!("{compiler} {name}: {:?}", native.1);
        }
        Err(why) => eprintln!("skipped: {why}"),
    }
    let _ = std::fs::remove_file(&path);
}

const FREE: [&str; 3] = ["-static", "-nostdlib", "-fno-stack-protector"];

#[test]
fn without_a_library() {
    compare("gcc", &FREE, "freestanding.c");
    let more = [&FREE[..], &["-mgeneral-regs-only", "-O1"]].concat();
    compare("gcc", &more, "freestanding.c");
}

#[test]
fn with_floating_point() {
    compare("gcc", &FREE, "vectors.c");
    let more = [&FREE[..], &["-O3"]].concat();
    compare("gcc", &more, "vectors.c");
}

#[test]
fn position_independent() {
    let flags = ["-static-pie", "-fPIE", "-nostdlib", "-fno-stack-protector"];
    compare("gcc", &flags, "freestanding.c");
}

#[test]
fn with_musl() {
    // With malloc the counts differ by a few instructions: musl's free looks whether a block crosses a
    // boundary of 8 KiB, so where the kernel puts mappings decides.
    compare("musl-gcc", &["-static", "-DFIXED_MEMORY"], "integers.c");
}
