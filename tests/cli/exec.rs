// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim exec`: small programs as bytes.

use crate::support::{file, finish, pmusim, run};

/// Runs raw machine code with JSON output; the exit code and the report.
fn exec(code: &[u8], more: &[&str]) -> (i32, serde_json::Value) {
    let (_folder, path) = file("code.bin", code);
    let mut args = vec!["exec", &path, "--format", "json"];
    args.extend(more);
    let run = run(&args);
    (run.code, run.json())
}

#[test]
fn a_program_runs_until_hlt() {
    // mov eax, 42; add rax, 84; hlt
    let code = [0xb8, 0x2a, 0, 0, 0, 0x48, 0x83, 0xc0, 0x54, 0xf4];
    let (status, report) = exec(&code, &[]);
    assert_eq!(status, 0);
    assert_eq!(report["kind"], "exec");
    assert_eq!(report["rax"], "0x7e");
    assert_eq!(report["rip"], "0x10000a");
    // 0x7e has an even number of ones: PF; bit 1 is always set.
    assert_eq!(report["rflags"], "0x6");
    assert_eq!(report["retired"], 3);
    assert_eq!(report["stop"], "hlt");
}

#[test]
fn registers_base_and_memory() {
    // mov [rdi], rsi; mov rax, [rdi]; lea rbx, [rip]; push rax; pop rcx; hlt
    let code = [
        0x48, 0x89, 0x37, 0x48, 0x8b, 0x07, 0x48, 0x8d, 0x1d, 0, 0, 0, 0, 0x50, 0x59, 0xf4,
    ];
    let (status, report) = exec(
        &code,
        &[
            "--base",
            "0x20_0000",
            "--reg",
            "RDI=0x300000",
            "--reg",
            "rsi=-2",
        ],
    );
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["rax"], "0xfffffffffffffffe");
    assert_eq!(report["rcx"], report["rax"]);
    assert_eq!(report["rbx"], "0x20000d");
}

#[test]
fn the_machine_decides_which_counters_there_are() {
    // mov ecx, C0010200H; xor edx, edx; mov eax, 4300C0H (instructions, both rings); wrmsr; nop; nop;
    // inc ecx; rdmsr; hlt
    let amd = [
        0xb9, 0x00, 0x02, 0x01, 0xc0, 0x31, 0xd2, 0xb8, 0xc0, 0x00, 0x43, 0x00, 0x0f, 0x30, 0x90,
        0x90, 0xff, 0xc1, 0x0f, 0x32, 0xf4,
    ];
    let (status, report) = exec(&amd, &["--machine", "zen4"]);
    assert_eq!(
        (status, &report["rax"]),
        (0, &"0x3".into()),
        "two NOPs and the INC"
    );
    let (status, report) = exec(&amd, &["--machine", "skylake"]);
    assert_eq!((status, &report["stop"]), (1, &"exception".into()));
    // mov ecx, IA32_A_PMC7; rdmsr; hlt
    let eighth = [0xb9, 0xc8, 0x04, 0, 0, 0x0f, 0x32, 0xf4];
    assert_eq!(exec(&eighth, &["--machine", "icelake"]).0, 0);
    assert_eq!(exec(&eighth, &["--machine", "skylake"]).0, 1);
}

#[test]
fn the_machine_decides_which_instructions_there_are() {
    let skylake =
        std::fs::read_to_string(crate::support::root().join("sim-configs/machines/skylake.toml"));
    let without = skylake
        .unwrap()
        .replace("name = \"skylake\"", "name = \"without\"")
        .replace("[\"rdpid\"]", "[\"popcnt\", \"rdpid\"]");
    let (_folder, machine) = file("without.toml", without);
    // mov eax, 1; cpuid; mov eax, 7; popcnt eax, eax; hlt
    let code = [
        0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xb8, 7, 0, 0, 0, 0xf3, 0x0f, 0xb8, 0xc0, 0xf4,
    ];
    let has = |report: &serde_json::Value| {
        let ecx = report["rcx"]
            .as_str()
            .unwrap()
            .trim_start_matches("0x")
            .to_owned();
        u64::from_str_radix(&ecx, 16).unwrap() >> 23 & 1
    };
    let (status, report) = exec(&code, &[]);
    assert_eq!(
        (status, &report["rax"], has(&report)),
        (0, &"0x3".into(), 1)
    );
    let (status, report) = exec(&code, &["--machine", &machine]);
    assert_eq!(
        (status, &report["stop"], has(&report)),
        (1, &"exception".into(), 0)
    );
}

#[test]
fn a_division_by_zero_has_no_handler() {
    // xor edx, edx; xor ecx, ecx; div ecx; hlt
    let (status, report) = exec(&[0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1, 0xf4], &[]);
    assert_eq!(status, 1);
    assert_eq!(report["stop"], "exception");
    assert_eq!(report["retired"], 2);
    assert_eq!(report["rip"], "0x100004", "the faulting instruction");
    let detail = report["detail"].as_str().unwrap();
    assert!(detail.contains("#DE"), "{detail}");
}

#[test]
fn an_invalid_opcode_and_page_zero() {
    let (status, report) = exec(&[0x0f, 0x0b], &[]);
    assert_eq!((status, &report["stop"]), (1, &"exception".into()));
    assert!(
        report["detail"].as_str().unwrap().contains("#UD"),
        "{report}"
    );
    // mov rax, [0]
    let (status, report) = exec(&[0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xf4], &[]);
    assert_eq!((status, &report["stop"]), (1, &"exception".into()));
    assert!(
        report["detail"].as_str().unwrap().contains("#PF"),
        "{report}"
    );
}

#[test]
fn what_is_not_implemented_is_said_with_its_bytes() {
    // fsin
    let (status, report) = exec(&[0xd9, 0xfe, 0xf4], &[]);
    assert_eq!((status, &report["stop"]), (1, &"unimplemented".into()));
    let detail = report["detail"].as_str().unwrap();
    assert!(
        detail.contains("d9 fe") && detail.contains("0x100000"),
        "{detail}"
    );
}

#[test]
fn the_limit_is_exact() {
    // jmp to itself
    let (status, report) = exec(&[0xeb, 0xfe], &["--max-insns", "1000"]);
    assert_eq!((status, &report["stop"]), (3, &"limit".into()));
    assert_eq!(report["retired"], 1000);
    // A REP instruction is one instruction however many iterations it has: mov ecx, 5000;
    // mov edi, 0x300000; rep stosb; hlt
    let code = [
        0xb9, 0x88, 0x13, 0, 0, 0xbf, 0, 0, 0x30, 0, 0xf3, 0xaa, 0xf4,
    ];
    let (status, report) = exec(&code, &["--max-insns", "4"]);
    assert_eq!((status, &report["retired"]), (0, &4.into()), "{report}");
    let (status, report) = exec(&code, &["--max-insns", "3"]);
    assert_eq!((status, &report["retired"]), (3, &3.into()), "{report}");
    assert_eq!(report["rcx"], "0x0");
}

#[test]
fn standard_input_is_a_program_too() {
    let run = finish(pmusim(["exec", "-"]).write_stdin([0xb8, 7, 0, 0, 0, 0xf4]));
    run.succeeds();
    assert!(run.out.contains("rax    0x0000000000000007"), "{}", run.out);
    assert!(run.out.contains("stop hlt"), "{}", run.out);
    assert!(!run.out.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn a_static_elf_runs_with_the_permissions_of_its_segments() {
    // The text may not be written: mov [rip-7], eax faults at once.
    let code = [0x89, 0x05, 0xfa, 0xff, 0xff, 0xff, 0xf4];
    let (_folder, path) = file("a.elf", elf(0x40_0000, &code));
    let run = run(&["exec", &path, "--format", "json"]);
    let report = run.json();
    assert_eq!(run.code, 1);
    assert!(
        report["detail"].as_str().unwrap().contains("#PF"),
        "{report}"
    );
    assert_eq!(report["rip"], "0x400000");
    // As raw code the same file is a header that makes no sense.
    assert_ne!(crate::support::run(&["exec", &path, "--raw"]).code, 0);
}

/// An ELF of one segment that may be read and executed.
fn elf(base: u64, code: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [base, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0; 4]);
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let size = code.len() as u64;
    for word in [120, base, base, size, size, 1] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

#[test]
fn files_that_cannot_run() {
    let truncated = &elf(0x40_0000, &[0xf4])[..100];
    for (content, words) in [
        (&b""[..], "empty"),
        (b"\x7fELFgarbage", "32-bit or unknown class"),
        (truncated, "damaged"),
    ] {
        let (_folder, path) = file("x.bin", content);
        run(&["exec", &path]).fails(2, &[words, "x.bin"]);
    }
    let (_folder, path) = file("x.bin", [0xf4]);
    run(&["exec", &path, "--base", "0x2000000"]).fails(2, &["beyond", "memory"]);
    run(&["exec", &path, "--machine", "skylaek"]).fails(2, &["skylake"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_130_and_the_registers() {
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    let (_folder, path) = file("loop.bin", [0xeb, 0xfe]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_pmusim"))
        .args([
            "exec",
            &path,
            "--max-insns",
            "0xffffffffffff",
            "--format",
            "json",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The handler is in place long before this.
    sleep(Duration::from_millis(1500));
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let status = child.wait().unwrap();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(status.code(), Some(130), "{out}");
    assert!(out.contains("\"stop\": \"interrupted\""), "{out}");
}
