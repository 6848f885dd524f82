// SPDX-License-Identifier: GPL-2.0-only
//! Bad input: clear errors and the right exit code.

use crate::support::{file, finish, pmusim, run, scenario};

#[test]
fn flags_and_commands_with_typing_errors() {
    run(&["swep"]).fails(2, &["sweep"]);
    run(&["sweep", "x.toml", "--schedular", "v10"]).fails(2, &["--scheduler"]);
    run(&["list", "schedulrs"]).fails(2, &["schedulers"]);
    run(&["exec", "x", "--reg", "eax=1"]).fails(2, &["no register `eax`"]);
    run(&["exec", "x", "--max-insns", "many"]).fails(2, &["`many` is not a number"]);
    run(&["run", "x.toml", "--jobs", "0"]).fails(2, &["--jobs"]);
    run(&["run"]).fails(2, &["FILE|DIR"]);
    run(&[]).fails(2, &["Usage"]);
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = run(&["--help"]);
    assert!(help.succeeds().out.contains("Exit codes:"), "{}", help.out);
    for command in [
        "run", "sweep", "replay", "check", "list", "exec", "explain", "schema",
    ] {
        let help = run(&[command, "--help"]);
        assert!(help.succeeds().out.contains("Example"), "{}", help.out);
    }
}

#[test]
fn missing_files() {
    for command in ["run", "sweep", "replay", "exec"] {
        run(&[command, "no/such.file"]).fails(2, &["there is no file `no/such.file`"]);
    }
    run(&["check", "no/such.file"]).fails(2, &["there is no file", "1 errors in 1 of 1"]);
    run(&["sweep", "crates"]).fails(2, &["folder"]);
}

#[test]
fn toml_that_is_none() {
    let (_folder, path) = file("bad.toml", "format = 1\ntitle = \n");
    for command in ["run", "sweep", "check"] {
        run(&[command, &path]).fails(2, &["E0101", "bad.toml:2"]);
    }
}

#[test]
fn every_mistake_of_every_file_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let good = scenario(false, "[expect.none]\nviolates = []\n");
    let bad = good
        .replace("machine = ", "machin = ")
        .replace("{ read = ", "{ raed = ");
    let other = good.replace("skylake", "skylaek");
    for (name, text) in [("a.toml", &good), ("b.toml", &bad), ("c.toml", &other)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let words = [
        "b.toml:3",
        "machine",
        "raed",
        "c.toml:3",
        "did you mean `skylake`",
    ];
    run(&["run", path]).fails(2, &words);
    let check = run(&["check", path, "--format", "json"]);
    check.fails(2, &words);
    let report = check.json();
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(files[0]["errors"].as_array().unwrap().len(), 0);
    assert!(
        files[1]["errors"].as_array().unwrap().len() >= 2,
        "{report}"
    );
    let error = &files[2]["errors"][0];
    assert_eq!(
        (&error["code"], &error["line"]),
        (&"E0302".into(), &3.into())
    );
    assert!(
        !check.out.contains(path),
        "no host paths in JSON: {}",
        check.out
    );
}

#[test]
fn schedulers_and_machines_that_do_not_exist() {
    let p4 = "sim-configs/scenarios/review/p4-init-dup-master.toml";
    run(&["run", p4, "--scheduler", "dleta"]).fails(2, &["E0302", "did you mean `delta`"]);
    run(&["sweep", p4, "--scheduler", "../v10"]).fails(2, &["no scheduler"]);
    run(&["run", p4, "--machine", "skylack"]).fails(2, &["did you mean `skylake`"]);
    run(&["run", p4, "--machine", "zen4"]).fails(2, &["cannot run on machine zen4", "AMD"]);
    run(&["sweep", p4, "--machine", "zen4"]).fails(2, &["cannot run on machine zen4"]);
    let (_folder, path) = file("a.toml", scenario(false, "[expect.v1O]\nviolates = []\n"));
    run(&["run", &path]).fails(2, &["E0302", "a.toml:", "did you mean `v10`"]);
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let run = run(&["run", "no/such.file", "--format", "json"]);
    run.fails(2, &["there is no file"]);
    let report = run.json();
    assert_eq!(report["kind"], "error");
    assert_eq!(report["exit"], 2);
    assert_eq!(
        report["errors"][0]["message"],
        "there is no file `no/such.file`"
    );
}

#[test]
fn what_cannot_be_swept() {
    let counting = "sim-configs/scenarios/counting.toml";
    run(&["sweep", counting]).fails(2, &["[sweep]"]);
    run(&["sweep", counting, "--source", "tick"]).fails(2, &["[sweep]", "--step"]);
    run(&["sweep", counting, "--step", "2"]).fails(2, &["[sweep]", "--source"]);
    run(&["sweep", counting, "--step", "1:2"]).fails(2, &["no step `1:2`"]);
    run(&["sweep", counting, "--source", "nmi"]).fails(2, &["pmi:EVENT", "all"]);
    run(&["sweep", counting, "--source", "tick", "--expect"]).fails(2, &["--expect"]);
    let p4 = "sim-configs/scenarios/review/p4-init-dup-master.toml";
    let possible = ["pmi:A", "pmi:L", "external:A", "tick"];
    run(&["sweep", p4, "--source", "pmi:A"]).fails(2, &possible);
}

#[test]
fn nothing_selected() {
    let (_folder, path) = file("a.toml", scenario(false, ""));
    run(&["run", &path]).fails(4, &["nothing selected"]);
    run(&["sweep", &path]).fails(4, &["--scheduler"]);
    run(&["sweep", &path, "--scheduler", "none", "--expect"]).fails(2, &["[expect.none]"]);
    let empty = tempfile::tempdir().unwrap();
    run(&["check", empty.path().to_str().unwrap()]).fails(4, &["nothing to check"]);
}

#[test]
fn the_shipped_files_are_good() {
    let run = run(&["check", "sim-configs"]);
    assert!(
        run.succeeds()
            .out
            .contains("p4-init-dup-master.toml (scenario)"),
        "{}",
        run.out
    );
    assert!(run.out.contains("skylake.toml (machine)"), "{}", run.out);
    assert!(run.out.contains("v10.toml (scheduler)"), "{}", run.out);
}

#[test]
fn standard_input_can_be_checked() {
    let good = scenario(false, "[expect.none]\nviolates = []\n");
    finish(pmusim(["check", "-"]).write_stdin(good.clone())).succeeds();
    let bad = good.replace("machine", "mashine");
    finish(pmusim(["check", "-"]).write_stdin(bad)).fails(2, &["<stdin>:3", "machine"]);
}

#[test]
fn names_work_in_any_folder() {
    let (folder, _) = file("a.toml", scenario(false, "[expect.none]\nviolates = []\n"));
    let run = finish(pmusim(["run", "a.toml"]).current_dir(folder.path()));
    assert!(run.succeeds().out.contains("held"), "{}", run.out);
    let list = finish(pmusim(["list", "machines"]).current_dir(folder.path()));
    assert!(list.succeeds().out.contains("built-in"), "{}", list.out);
    // A file beats the built-in of its name.
    std::fs::create_dir_all(folder.path().join("sim-configs/machines")).unwrap();
    std::fs::write(
        folder.path().join("sim-configs/machines/skylake.toml"),
        "format = 2\n",
    )
    .unwrap();
    finish(pmusim(["run", "a.toml"]).current_dir(folder.path()))
        .fails(2, &["sim-configs/machines/skylake.toml", "E0107"]);
}

#[test]
fn lists_and_reference() {
    for (what, name) in [
        ("scenarios", "p4-init-dup-master"),
        ("oracles", "monotony"),
        ("machines", "skylake"),
        ("schedulers", "delta"),
        ("events", "inject"),
    ] {
        let list = run(&["list", what]);
        assert!(list.succeeds().out.contains(name), "{}", list.out);
        let json = run(&["list", what, "--format", "json"]).json();
        assert_eq!(json["what"], what);
        let items = json["items"].as_array().unwrap();
        assert!(
            items
                .iter()
                .any(|item| item["name"].as_str().unwrap().contains(name)),
            "{json}"
        );
    }
    assert!(
        run(&["explain", "e0102"])
            .succeeds()
            .out
            .contains("misspelt")
    );
    run(&["explain", "E9999"]).fails(2, &["E0102"]);
    let schema = run(&["schema", "scenario"]);
    let committed =
        std::fs::read_to_string(crate::support::root().join("docs/schema/scenario-v1.json"));
    assert_eq!(schema.succeeds().out.trim(), committed.unwrap().trim());
}

#[test]
fn colours_only_when_asked_for_or_on_a_terminal() {
    let plain = run(&["list", "oracles"]);
    assert!(!plain.out.contains('\x1b'));
    let always = run(&["list", "oracles", "--color", "always"]);
    assert!(always.out.contains('\x1b'));
    let never = run(&["run", "no/such.file", "--color", "never"]);
    assert!(!never.err.contains('\x1b'));
}
