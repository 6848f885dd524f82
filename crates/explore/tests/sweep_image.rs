// SPDX-License-Identifier: GPL-2.0-only
//! The example `sweep_image` on the shared benchmark image prints what every correct runner
//! prints, and says what is wrong with a file that is no such image.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../examples/sweep_image.rs"]
#[allow(dead_code, reason = "the example's own main")]
mod example;

use example::sweep;

fn image() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/data/target.bin")
}

fn line(args: &[&str]) -> String {
    let image = image();
    let file = image.to_str().unwrap();
    let args = std::iter::once(&file).chain(args);
    let report = sweep(args.map(|arg| (*arg).to_owned())).unwrap_or_else(|words| panic!("{words}"));
    assert!(report.speed.contains("executions/s"), "{}", report.speed);
    report.found
}

#[test]
fn every_stride_agrees_with_other_runners_reduced_or_not() {
    for (stride, expected) in [
        ("1", "N=8390 fail=0 bad=144 agg=4efaf22fbe5fa1d2\n"),
        ("8", "N=8390 fail=0 bad=18 agg=33111c5dddbd9aa2\n"),
        ("40", "N=8390 fail=0 bad=2 agg=5b6201fb05ed14cf\n"),
    ] {
        assert_eq!(line(&["--stride", stride]), expected, "stride {stride}");
        let reduced = line(&["--stride", stride, "--reduced"]);
        assert_eq!(reduced, expected, "stride {stride}, reduced");
    }
}

#[test]
fn wrong_files_and_arguments_are_errors_in_words() {
    let good = fs::read(image()).unwrap();
    let dir = std::env::temp_dir().join(format!("sweep_image-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        image
    };
    let quad = |field: usize, value: u64| with(8 * field, &value.to_le_bytes());
    // The last one's routine is `jmp $`.
    let routine = u64::from_le_bytes(good[16..24].try_into().unwrap()) - 0x40_0000;
    let cases = [
        ("empty", Vec::new(), "too few for the header"),
        ("short", good[..103].to_vec(), "too few for the header"),
        (
            "long",
            [good.clone(), vec![0; 0x1_0000]].concat(),
            "do not fit",
        ),
        ("magic", with(0, b"\x7fELF"), "not a flat image"),
        ("init", quad(1, 0x50_0000), "header field init is 0x500000"),
        ("log", quad(9, 0x41_fff0), "header field data_z"),
        ("stack", quad(11, 8), "header field stack_top"),
        (
            "stop",
            quad(7, 0x40_0100),
            "init does not come back to stop_here",
        ),
        (
            "spin",
            with(routine as usize, &[0xeb, 0xfe]),
            "still running",
        ),
    ];
    for (name, bytes, words) in cases {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        check(&[path.to_str().unwrap()], words);
    }
    fs::remove_dir_all(&dir).unwrap();
    let target = image();
    let target = target.to_str().unwrap();
    check(&["/nowhere/at/all"], "/nowhere/at/all");
    check(&[], "usage");
    check(&[target, target], "more than one FILE");
    check(&[target, "--stride", "0"], "at least 1");
    check(&[target, "--stride", "x"], "--stride needs a number");
    check(&[target, "--fast"], "no option --fast");
}

fn check(args: &[&str], words: &str) {
    let Err(error) = sweep(args.iter().map(|arg| (*arg).to_owned())) else {
        panic!("{args:?}: no error");
    };
    assert!(error.contains(words), "{args:?}: {error}");
}
