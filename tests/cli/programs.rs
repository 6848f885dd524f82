// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim exec` of Linux programs, compiled here: they print what they print natively, and whatever
//! cannot be carried out is named. Without the compiler a test says that it was skipped.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Run, file, finish, pmusim, root, run, text};

/// A program, and the folder that goes with it.
struct Program {
    path: String,
    _folder: TempDir,
}

/// Compiles a program of crates/linux/tests/programs; `None` if there is no such compiler here.
fn compile(compiler: &str, flags: &[&str], name: &str) -> Option<Program> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("program");
    let source: PathBuf = root().join("crates/linux/tests/programs").join(name);
    let mut command = Command::new(compiler);
    if compiler == "rustc" {
        command.args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "target-feature=+crt-static",
        ]);
    } else {
        command.args(["-O2", "-w"]);
    }
    command.args(flags).arg("-o").arg(&path).arg(source);
    if compiler != "rustc" {
        command.arg("-lm");
    }
    match command.output() {
        Ok(output) if output.status.success() => Some(Program {
            path: text(&path),
            _folder: folder,
        }),
        // A compiler without a static library is as good as none.
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                words.contains("cannot find"),
                "{compiler} {flags:?} {name}:\n{words}"
            );
            eprintln!("skipped: {compiler} {flags:?} does not link here");
            None
        }
        Err(error) => {
            eprintln!("skipped: {compiler}: {error}");
            None
        }
    }
}

fn glibc(name: &str) -> Option<Program> {
    compile("gcc", &["-static"], name)
}

/// What the host's processor and kernel make of it.
fn natively(program: &Program, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(&program.path)
        .args(args)
        .env_clear()
        .output()
        .expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("it exits"),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Output and status are those of a native run, passed through and in JSON.
fn same_as_natively(program: &Program, args: &[&str]) {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        eprintln!("skipped: nothing to compare with on this host");
        return;
    }
    let (status, out, err) = natively(program, args);
    let mut all = vec!["exec", "--quiet", &program.path];
    all.extend(args);
    let passed = run(&all);
    assert_eq!(passed.code, i32::from(status != 0), "{}", passed.err);
    assert_eq!((passed.out, passed.err), (out.clone(), err.clone()));
    let mut all = vec!["exec", "--format", "json", &program.path];
    all.extend(args);
    let report = run(&all).json();
    assert_eq!(report["stop"], "exited", "{report}");
    assert_eq!(report["status"], status);
    assert_eq!(report["stdout"], out);
    assert_eq!(report["stderr"], err);
    assert_eq!(report["counts"]["instructions"], report["retired"]);
}

#[test]
fn programs_without_a_library() {
    let flags: [&[&str]; 3] = [
        &[
            "-static",
            "-nostdlib",
            "-fno-stack-protector",
            "-mgeneral-regs-only",
        ],
        &["-static", "-nostdlib", "-fno-stack-protector"],
        &["-static-pie", "-fPIE", "-nostdlib", "-fno-stack-protector"],
    ];
    for flags in flags {
        if let Some(program) = compile("gcc", flags, "freestanding.c") {
            same_as_natively(&program, &["one", "two"]);
        }
    }
    for level in ["-O1", "-O2", "-O3"] {
        let flags = ["-static", "-nostdlib", "-fno-stack-protector", level];
        if let Some(program) = compile("gcc", &flags, "vectors.c") {
            same_as_natively(&program, &[]);
        }
    }
}

#[test]
fn programs_with_glibc() {
    for name in ["integers.c", "floats.c", "longdouble.c", "calls.c"] {
        if let Some(program) = glibc(name) {
            same_as_natively(&program, &["one"]);
        }
    }
    if let Some(program) = compile("gcc", &["-static-pie", "-fPIE"], "floats.c") {
        same_as_natively(&program, &[]);
    }
}

#[test]
fn programs_with_musl() {
    for name in ["integers.c", "floats.c", "longdouble.c", "calls.c"] {
        if let Some(program) = compile("musl-gcc", &["-static"], name) {
            same_as_natively(&program, &["one"]);
        }
    }
}

#[test]
fn programs_with_approximate_reciprocals() {
    if let Some(program) = compile("gcc", &["-static", "-ffast-math"], "approximate.c") {
        same_as_natively(&program, &[]);
    }
}

#[test]
fn programs_in_rust() {
    if let Some(program) = compile("rustc", &[], "collections.rs") {
        same_as_natively(&program, &[]);
    }
}

#[test]
fn programs_in_cpp_with_exceptions() {
    if let Some(program) = compile("g++", &["-static"], "exception.cc") {
        same_as_natively(&program, &[]);
    }
}

#[test]
fn arguments_and_environment_arrive() {
    let Some(program) = glibc("calls.c") else {
        return;
    };
    let path = &program.path;
    let run = run(&[
        "exec",
        path,
        "one",
        "--env",
        "COLOUR=red",
        "--",
        "--two",
        "-3",
    ]);
    for line in [
        "argument one\n",
        "argument --two\n",
        "argument -3\n",
        "colour red\n",
    ] {
        assert!(run.out.contains(line), "{}", run.out);
    }
    assert!(run.err.starts_with("to the other stream\n"), "{}", run.err);
    assert!(
        run.err.contains("exited with 7\nin user mode: "),
        "{}",
        run.err
    );
    assert_eq!(run.code, 1);
}

#[test]
fn equal_runs_are_equal_and_the_seed_decides() {
    let Some(program) = glibc("calls.c") else {
        return;
    };
    let json = |more: &[&str]| {
        let mut args = vec!["exec", "--format", "json", &program.path];
        args.extend(more);
        run(&args).out
    };
    assert_eq!(json(&[]), json(&[]));
    assert_eq!(json(&["--seed", "0"]), json(&[]), "the default");
    let Some(program) = compile("gcc", &["-static"], "random.c") else {
        return;
    };
    let out = |seed: &str| run(&["exec", "-q", "--seed", seed, &program.path]).out;
    assert_eq!(out("1"), out("1"));
    assert_ne!(out("1"), out("2"));
}

/// Runs a program that does not come to its end.
fn stops(name: &str) -> Option<(Run, serde_json::Value)> {
    let program = glibc(name)?;
    let human = run(&["exec", &program.path]);
    let report = run(&["exec", "--format", "json", &program.path]);
    assert_eq!((human.code, report.code), (1, 1), "{}", human.err);
    assert_eq!(human.out, "before\n", "what came before is there");
    let report = report.json();
    assert_eq!(report["stdout"], "before\n");
    assert_eq!(report["status"], serde_json::Value::Null);
    Some((human, report))
}

#[test]
fn what_is_not_carried_out_is_named_with_its_place() {
    let table = [
        (
            "socket.c",
            "system call socket (41) is not implemented",
            "socket+0x",
        ),
        (
            "file.c",
            "system call openat (257) of the file `input.txt` is not implemented",
            "open",
        ),
        (
            "handler.c",
            "of SIGUSR1 to a handler is not implemented",
            "kill",
        ),
    ];
    for (name, words, place) in table {
        let Some((human, report)) = stops(name) else {
            continue;
        };
        assert_eq!(report["stop"], "unimplemented");
        let detail = report["detail"].as_str().unwrap();
        assert!(detail.contains(words) && detail.contains(place), "{detail}");
        assert!(detail.contains("at 0x"), "{detail}");
        assert!(human.err.contains(words), "{}", human.err);
    }
}

#[test]
fn signals_and_exceptions_end_a_program() {
    if let Some((human, report)) = stops("abort.c") {
        assert_eq!(
            (&report["stop"], &report["signal"]),
            (&"killed".into(), &"SIGABRT".into())
        );
        assert!(human.err.contains("killed by SIGABRT"), "{}", human.err);
    }
    for (name, words) in [
        ("segv.c", "#PF (page fault)"),
        ("divide.c", "#DE (divide error)"),
    ] {
        if let Some((_, report)) = stops(name) {
            assert_eq!(report["stop"], "exception");
            let detail = report["detail"].as_str().unwrap();
            assert!(
                detail.contains(words) && detail.contains("main"),
                "{detail}"
            );
        }
    }
}

#[test]
fn the_limit_of_instructions_is_exact() {
    let Some(program) = glibc("integers.c") else {
        return;
    };
    let run = run(&[
        "exec",
        &program.path,
        "--max-insns",
        "5000",
        "--format",
        "json",
    ]);
    let report = run.json();
    assert_eq!((run.code, &report["stop"]), (3, &"limit".into()));
    assert_eq!(report["retired"], 5000);
    assert_eq!(report["counts"]["instructions"], 5000);
}

#[test]
fn every_machine_counts_what_it_has_counters_for() {
    let flags = ["-static", "-nostdlib", "-fno-stack-protector"];
    let Some(program) = compile("gcc", &flags, "freestanding.c") else {
        return;
    };
    let counts = |machine: &str| {
        run(&[
            "exec",
            "--format",
            "json",
            "--machine",
            machine,
            &program.path,
        ])
        .json()["counts"]
            .clone()
    };
    let skylake = counts("skylake");
    for event in ["instructions", "branches", "loads", "stores"] {
        assert!(skylake[event].as_u64().unwrap() > 1000, "{skylake}");
    }
    assert_eq!(counts("zen4"), skylake);
    assert_eq!(counts("icelake"), skylake);
    let minimal = counts("minimal");
    assert_eq!(minimal["loads"], skylake["loads"]);
    assert_eq!(
        minimal["stores"],
        serde_json::Value::Null,
        "one fixed counter and two others"
    );
}

#[test]
fn files_that_are_no_program_of_this_kind() {
    let (_folder, path) = file("x.bin", [0xf4]);
    run(&["exec", &path, "--linux"]).fails(2, &["no ELF"]);
    run(&["exec", &path, "argument"]).fails(2, &["takes no arguments", "--linux"]);
    if let Some(program) = compile("gcc", &[], "integers.c") {
        run(&["exec", "--linux", &program.path]).fails(2, &["interpreter"]);
    }
    if let Some(program) = glibc("integers.c") {
        let path = &program.path;
        run(&["exec", path, "--memory", "15"]).fails(2, &["16"]);
        let bare = run(&["exec", path, "--bare", "--max-insns", "100000"]);
        assert_ne!(bare.code, 0, "the core has no kernel");
        let code = std::fs::read(path).unwrap();
        let piped = finish(pmusim(["exec", "-q", "-"]).write_stdin(code));
        assert!(piped.out.contains("1 arguments"), "{}", piped.out);
    }
    let free = ["-static-pie", "-fPIE", "-nostdlib", "-fno-stack-protector"];
    if let Some(program) = compile("gcc", &free, "freestanding.c") {
        let path = &program.path;
        run(&["exec", path, "--base", "0x100010"]).fails(2, &["0x100010", "no multiple"]);
        run(&["exec", path, "--base", "0x10000000"]).fails(2, &["beyond"]);
        run(&["exec", path, "--base", "0x8000000"]).succeeds();
    }
    let high = [
        "-static",
        "-nostdlib",
        "-fno-stack-protector",
        "-Wl,-Ttext-segment=0x20000000",
    ];
    if let Some(program) = compile("gcc", &high, "freestanding.c") {
        let path = &program.path;
        run(&["exec", path]).fails(2, &["beyond"]);
        run(&["exec", path, "--memory", "2048"]).fails(2, &["2047"]);
        run(&["exec", path, "--memory", "1024"]).succeeds();
    }
}

#[test]
fn stat_counts_what_a_compiled_program_does() {
    let flags = ["-static", "-nostdlib", "-fno-stack-protector"];
    let count = |report: &serde_json::Value, name: &str| {
        let rows = report["events"].as_array().unwrap();
        let row = rows.iter().find(|row| row["event"] == name).unwrap();
        row["count"].as_u64().unwrap()
    };
    for program in [
        compile("gcc", &flags, "freestanding.c"),
        glibc("integers.c"),
    ] {
        let Some(program) = program else { continue };
        let stat = || run(&["stat", "--format", "json", &program.path]);
        let first = stat();
        let report = first.json();
        let retired = run(&["exec", "--format", "json", &program.path]).json()["retired"].as_u64();
        assert_eq!(Some(count(&report, "INST_RETIRED.ANY")), retired);
        let cycles = count(&report, "CPU_CLK_UNHALTED.THREAD");
        assert!(cycles > count(&report, "INST_RETIRED.ANY") / 4, "{report}");
        assert!(count(&report, "UOPS_EXECUTED.THREAD") > 0);
        assert_eq!(first.out, stat().out, "deterministic");
        run(&["stat", "-e", "cycles,nothing", &program.path]).fails(2, &["no event `nothing`"]);
        run(&["stat", "--machine", "minimal", &program.path]).fails(2, &["has timing `unit`"]);
    }
}
