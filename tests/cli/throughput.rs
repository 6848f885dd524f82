// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim throughput`: bad lines are named and do not stop the rest.

use crate::support::{file, pmusim, run};

const BLOCKS: &str = "hex,measured
4801c8,100
zz,1
0fb7c2,30
06,5
fa,5
31d231c948f7f1,5
";

#[test]
fn bad_lines_are_named_and_the_rest_goes_on() {
    let (_folder, path) = file("blocks.csv", BLOCKS);
    let result = run(&["throughput", &path]);
    result.fails(
        2,
        &[
            "line 3: not hexadecimal",
            "line 5: no instruction at byte 0",
            "line 6: privileged instruction `cli`",
            "line 7: `div rcx` faults",
        ],
    );
    let lines: Vec<&str> = result.out.lines().collect();
    assert_eq!(lines.len(), 7, "{}", result.out);
    assert_eq!(lines[0], "hex,predicted");
    assert_eq!(lines[1], "4801c8,98");
    assert_eq!(lines[2], "zz,");
    assert!(lines[3].starts_with("0fb7c2,"));
    assert_eq!(lines[6], "31d231c948f7f1,");
}

#[test]
fn a_block_is_explained() {
    for (hex, limit) in [
        ("480fafc1", "bottleneck: latency"),
        (
            "488b4424d84883c001480faf4424084801c8488d0c83",
            "bottleneck: latency",
        ),
        ("0f1f000f1f000f1f000f1f00", "bottleneck: the front end"),
        ("48890348894b08", "bottleneck: port 4: 2.00 uops"),
        (
            "6681ffd200",
            "bottleneck: the predecoder, by length-changing prefixes",
        ),
    ] {
        let (_folder, path) = file("block", hex);
        let result = run(&["throughput", "--explain", &path]);
        let out = &result.succeeds().out;
        assert!(out.contains(limit), "{out}");
        assert!(out.contains("instruction") && out.contains('R'), "{out}");
    }
    let (_folder, path) = file("block", "zz");
    run(&["throughput", "--explain", &path]).fails(2, &["line 1: not hexadecimal"]);
}

#[test]
fn the_result_does_not_depend_on_the_workers() {
    let sample = "crates/timing/tests/data/bhive_skl_sample.csv";
    let with = |jobs: &str| run(&["throughput", sample, "--jobs", jobs, "--format", "json"]).out;
    let one = with("1");
    assert!(one.contains("\"kind\": \"throughput\""));
    assert_eq!(one, with("2"));
    assert_eq!(one, with("7"));
}

#[test]
fn standard_input_and_scores() {
    let out = pmusim(["throughput", "-"])
        .write_stdin("4801C8")
        .output()
        .unwrap();
    assert_eq!(out.stdout, b"hex,predicted\n4801C8,98\n");
    let (_folder, path) = file("blocks.csv", "4801c8,100\n4801c8,none\n");
    let scored = run(&["throughput", "--score", "--format", "json", &path]);
    scored.fails(2, &["line 2: no measured value"]);
    let all = &scored.json()["classes"][0];
    assert_eq!(all["class"], "all");
    assert_eq!(all["mean"], 2.0);
    run(&["throughput", "no/such.file"]).fails(2, &["there is no file"]);
    let (_folder, path) = file("empty.csv", "hex,measured\n");
    run(&["throughput", &path]).fails(2, &["no block in it"]);
}
