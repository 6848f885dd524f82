// SPDX-License-Identifier: GPL-2.0-only
//! `fuzz` and `merge`: equal bytes whatever the number of workers and shards, results that replay,
//! the formats of CI systems, and the files in docs/ci.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Run, pmusim, root, run, text};

/// Every file below a folder, by its place in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = text(path.strip_prefix(folder).unwrap());
                all.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    all
}

/// `fuzz` into a folder.
pub(crate) fn fuzz(output: &Path, more: &[&str]) -> Run {
    let output = text(output);
    let mut args = vec!["fuzz", "-q", "--output", &output];
    args.extend(more);
    run(&args)
}

const V10: [&str; 6] = ["--scheduler", "v10", "--seed", "1", "--max-execs", "1600"];

#[test]
fn the_number_of_workers_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let of = |jobs: &str| {
        let output = folder.path().join(jobs);
        let mut args = V10.to_vec();
        args.extend(["--jobs", jobs, "--format", "json"]);
        let run = fuzz(&output, &args);
        run.exits(1);
        (
            run.out.replace(&format!("{jobs}/findings"), "findings"),
            files(&output),
        )
    };
    let one = of("1");
    assert_eq!(one, of("2"));
    assert_eq!(one, of("7"));
}

#[test]
fn every_finding_is_small_and_replays() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = V10.to_vec();
    args.extend(["--format", "json"]);
    let result = fuzz(folder.path(), &args);
    let report = result.exits(1).json();
    assert_eq!(report["kind"], "fuzz");
    let findings = report["findings"].as_array().unwrap();
    let news: Vec<_> = findings.iter().filter(|f| f["unexplained"] != 0).collect();
    assert!(news.len() > 5, "{}", result.out);
    for finding in news {
        let word = |key: &str| finding[key].as_str().unwrap().to_owned();
        assert!(finding["operations"].as_u64().unwrap() <= 10, "{finding}");
        assert!(finding["decisions"].as_u64().unwrap() <= 2, "{finding}");
        assert!(
            !finding["events"].as_array().unwrap().is_empty(),
            "{finding}"
        );
        assert!(
            !finding["places"].as_array().unwrap().is_empty(),
            "{finding}"
        );
        assert!(word("cause").starts_with(&word("oracle")), "{finding}");
        // JSON shows no path of this host, so the names are taken from the folder.
        let inside = |name: String| {
            let name = name.rsplit('/').next().unwrap().to_owned();
            text(&folder.path().join("findings").join(name))
        };
        run(&["replay", &inside(word("trace"))]).succeeds();
        run(&["run", "-q", &inside(word("scenario"))]).succeeds();
    }
}

#[test]
fn mainline_has_known_findings_only() {
    for scheduler in ["none", "none-v59"] {
        let folder = tempfile::tempdir().unwrap();
        let args = [
            "--scheduler",
            scheduler,
            "--seed",
            "5",
            "--max-execs",
            "4000",
        ];
        let result = fuzz(folder.path(), &args);
        result.succeeds();
        assert!(result.out.contains("known"), "{}", result.out);
        assert!(
            result.out.contains("nothing that is not known"),
            "{}",
            result.out
        );
    }
}

#[test]
fn shards_merge_to_what_one_run_gives() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = V10.to_vec();
    random.extend(["--strategy", "random"]);
    let whole = folder.path().join("whole");
    fuzz(&whole, &random).exits(1);
    let shards: Vec<String> = (0..4)
        .map(|i| text(&folder.path().join(format!("{i}"))))
        .collect();
    for (i, shard) in shards.iter().enumerate() {
        let of = format!("{i}/4");
        let mut args = random.clone();
        args.extend(["--shard", &of]);
        fuzz(Path::new(shard), &args);
    }
    let merged = |name: &str, order: &[usize]| {
        let output = folder.path().join(name);
        let mut args = vec!["merge", "-q", "--output", output.to_str().unwrap()];
        args.extend(order.iter().map(|&i| shards[i].as_str()));
        run(&args).succeeds();
        files(&output)
    };
    let one = merged("one", &[0, 1, 2, 3]);
    assert_eq!(one, merged("other", &[3, 1, 0, 2]));
    let whole = files(&whole);
    let report = |files: &BTreeMap<String, String>| -> serde_json::Value {
        serde_json::from_str(&files["fuzz.json"]).unwrap()
    };
    let (mut merged, mut single) = (report(&one), report(&whole));
    for report in [&mut merged, &mut single] {
        for key in ["shards", "of"] {
            report.as_object_mut().unwrap().remove(key);
        }
    }
    assert_eq!(merged, single);
    let findings = |files: &BTreeMap<String, String>| {
        let mut only = files.clone();
        only.remove("fuzz.json");
        only
    };
    assert_eq!(findings(&one), findings(&whole));
    // Some of them are no campaign, and some do not go together.
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    let output = text(&folder.path().join("never"));
    let merge = |first: &str, second: &str| run(&["merge", "-o", &output, first, second]);
    merge(&shards[0], &text(&broken)).fails(2, &["fuzz.json"]);
    fs::write(
        broken.join("fuzz.json"),
        "{ \"format\": 1, \"kind\": \"run\" }",
    )
    .unwrap();
    merge(&shards[0], &text(&broken)).fails(2, &["`fuzz`, format 1 is wanted"]);
    fs::write(broken.join("fuzz.json"), "no JSON").unwrap();
    merge(&shards[0], &text(&broken)).fails(2, &["fuzz.json"]);
    merge(&shards[0], &shards[0]).fails(2, &["shard 0 is there twice"]);
    let other = folder.path().join("seed");
    fuzz(
        &other,
        &[
            "--seed",
            "2",
            "--max-execs",
            "80",
            "--shard",
            "1/4",
            "--strategy",
            "random",
        ],
    );
    merge(&shards[0], &text(&other)).fails(2, &["the seed is 1 there and 2 here"]);
    assert!(!Path::new(&output).exists(), "nothing is written then");
}

#[test]
fn a_corpus_is_used_and_grows() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = text(&folder.path().join("corpus"));
    let args = [
        "--seed",
        "3",
        "--max-execs",
        "400",
        "--no-shrink",
        "--corpus",
        &corpus,
    ];
    let campaign = |name: &str| {
        fuzz(&folder.path().join(name), &args);
        files(&folder.path().join(name))["fuzz.json"].clone()
    };
    let first = campaign("first");
    let programs = files(Path::new(&corpus));
    assert!(programs.len() > 10, "{}", programs.len());
    assert_ne!(campaign("second"), first);
    assert!(files(Path::new(&corpus)).len() > programs.len());
    for program in programs.keys() {
        run(&["check", "-q", &format!("{corpus}/{program}")]).succeeds();
    }
    fs::write(Path::new(&corpus).join("bad.toml"), "format = 1\n").unwrap();
    fuzz(&folder.path().join("third"), &args).fails(2, &["bad.toml"]);
}

#[test]
fn findings_are_written_for_ci_systems() {
    let folder = tempfile::tempdir().unwrap();
    let of = |format: &str| {
        let mut args = V10.to_vec();
        args.extend(["--no-shrink", "--format", format]);
        fuzz(folder.path(), &args).exits(1).out.clone()
    };
    let junit = of("junit");
    assert!(junit.starts_with("<?xml"), "{junit}");
    assert!(junit.contains("<failure"), "{junit}");
    assert!(
        !junit.contains("timestamp") && !junit.contains("time=\"0.1"),
        "{junit}"
    );
    let sarif: serde_json::Value = serde_json::from_str(&of("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().any(|r| r["level"] == "error"));
    let located = results.iter().filter(|r| r["level"] == "error");
    for result in located {
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64() > Some(0), "{result}");
        assert!(place["artifactLocation"]["uri"].is_string(), "{result}");
    }
    let github = of("github");
    assert!(
        github.lines().all(|line| line.starts_with("::")),
        "{github}"
    );
    assert!(github.contains("::error file="), "{github}");
    run(&["run", "x.toml", "--format", "sarif"]).fails(2, &["`human` or `json`"]);
}

#[test]
fn wrong_flags_say_what_is_right() {
    run(&["fuzz", "--shard", "4/4"]).fails(2, &["I below N"]);
    run(&["fuzz", "--shard", "x"]).fails(2, &["0/4"]);
    run(&["fuzz", "--max-time", "10"]).fails(2, &["10m"]);
    run(&["fuzz", "--scheduler", "v99"]).fails(2, &["there is no scheduler `v99`"]);
    run(&["fuzz", "--machine", "zen4"]).fails(2, &["cannot run on machine zen4"]);
    run(&["fuzz", "--strategy", "covrage"]).fails(2, &["coverage"]);
    run(&["fuzz", "no-such-file.toml"]).fails(2, &["no-such-file.toml"]);
    run(&["merge"]).fails(2, &["<DIR>"]);
}

#[test]
fn an_interrupted_campaign_keeps_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let output = text(folder.path());
    let args = [
        "fuzz",
        "-j1",
        "--max-time",
        "1h",
        "--no-shrink",
        "--output",
        &output,
    ];
    let mut child = Command::new(pmusim(args).get_program())
        .current_dir(root())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report: serde_json::Value =
        serde_json::from_str(&files(folder.path())["fuzz.json"]).unwrap();
    assert_eq!(report["interrupted"], true);
}

/// Whether a program is there; it is said if not.
fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: `{program}` is not installed");
    }
    found
}

/// The files of shards of a small campaign that a script ran in a folder.
fn by_script(script: &mut Command, folder: &Path) -> BTreeMap<String, String> {
    let settings = [
        ("PMUSIM", env!("CARGO_BIN_EXE_pmusim")),
        ("SCHEDULER", "v10"),
        ("SEED", "1"),
        ("MAX_EXECS", "800"),
        ("STRATEGY", "random"),
        ("SHARDS", "4"),
    ];
    let done = script.current_dir(folder).envs(settings).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let mut args = vec!["merge".to_owned(), "-q".to_owned(), "-o".to_owned()];
    args.push(text(&folder.join("together")));
    args.extend((0..4).map(|i| text(&folder.join(format!("shard-{i}")))));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&args).succeeds();
    files(&folder.join("together"))
}

/// The same, one shard after another.
fn one_after_another() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let all = "for i in 0 1 2 3; do SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=4 \"$0\"; done";
    let script = root().join("docs/ci/slurm.sh");
    by_script(
        Command::new("sh").args(["-c", all]).arg(script),
        folder.path(),
    )
}

#[test]
fn gnu_parallel_gives_what_one_after_another_gives() {
    if !installed("parallel") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("docs/ci/parallel.sh");
    let parallel = by_script(Command::new(script).args(["--jobs", "2"]), folder.path());
    assert_eq!(parallel, one_after_another());
    assert_eq!(
        parallel,
        files(&folder.path().join("all")),
        "the script merges too"
    );
}

#[test]
fn a_slurm_array_gives_what_one_after_another_gives() {
    // A cluster that answers, even one of a single node.
    let answers = installed("sbatch")
        && Command::new("sinfo")
            .output()
            .is_ok_and(|info| info.status.success());
    if !answers {
        eprintln!("skipped: no Slurm cluster answers");
        return;
    }
    let folder = tempfile::tempdir_in(root().join("target")).unwrap();
    let script = root().join("docs/ci/slurm.sh");
    let slurm = by_script(
        Command::new("sbatch").arg("--wait").arg(script),
        folder.path(),
    );
    assert_eq!(slurm, one_after_another());
}

/// What the example workflow and the Job say is what `pmusim` takes: their commands are run, with
/// few executions, and the shards that they name are all there are.
#[test]
fn the_examples_for_ci_hold() {
    let folder = tempfile::tempdir().unwrap();
    let mut ran = 0;
    for name in ["github-actions.yml", "kubernetes.yaml"] {
        let file = fs::read_to_string(root().join("docs/ci").join(name)).unwrap();
        let all: serde_json::Value = serde_saphyr::from_str(&file).unwrap();
        let mut commands = Vec::new();
        if name == "kubernetes.yaml" {
            assert_eq!(all["kind"], "Job");
            assert_eq!(all["spec"]["completionMode"], "Indexed");
            assert_eq!(all["spec"]["completions"], 4);
            let container = &all["spec"]["template"]["spec"]["containers"][0];
            commands.push(container["args"][0].as_str().unwrap().to_owned());
        } else {
            let jobs = all["jobs"].as_object().unwrap();
            let matrix = &jobs["shard"]["strategy"]["matrix"]["shard"];
            assert_eq!(*matrix, serde_json::json!([0, 1, 2, 3]));
            for job in jobs.values() {
                assert!(job["runs-on"].is_string());
                for step in job["steps"].as_array().unwrap() {
                    assert!(
                        step["uses"].is_string() != step["run"].is_string(),
                        "{step}"
                    );
                    commands.extend(step["run"].as_str().map(str::to_owned));
                }
            }
        }
        for command in commands.iter().filter(|c| c.contains("pmusim ")) {
            for shard in 0..4 {
                let command = command
                    .replace("target/release/pmusim", "pmusim")
                    .replace("pmusim ", concat!(env!("CARGO_BIN_EXE_pmusim"), " "))
                    .replace("${{ matrix.shard }}", &shard.to_string())
                    .replace("${{ github.run_number }}", "7")
                    .replace("$JOB_COMPLETION_INDEX", &shard.to_string())
                    .replace("--max-time 20m", "--max-execs 320")
                    .replace("--max-execs 100000", "--max-execs 320")
                    .replace("/results/", "");
                let done = Command::new("sh")
                    .args(["-c", &command])
                    .current_dir(folder.path())
                    .output()
                    .unwrap();
                let code = done.status.code().unwrap();
                let words = String::from_utf8_lossy(&done.stderr).into_owned();
                assert!(code <= 1, "{command}: {code}\n{words}");
                ran += 1;
                if command.contains("merge") {
                    break;
                }
            }
        }
    }
    assert_eq!(ran, 4 + 1 + 4);
}
