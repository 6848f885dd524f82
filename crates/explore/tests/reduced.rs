// SPDX-License-Identifier: GPL-2.0-only
//! A reduced sweep finds what the full one finds: random flat images whose handlers write, or do
//! not write, what the interrupted routine reads later.
#![forbid(unsafe_code)]

use explore::flat::{BASE, Flat, Found, MAGIC};

const CODE: u64 = BASE + 0x80;
const DATA: u64 = 0x41_0000;
/// In the granule of the data.
const LOG: u64 = DATA + 0x80;
/// Beyond the data and the log: nobody judges it.
const SCRATCH: u64 = DATA + 0x400;

/// A stable stream of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % n
    }

    /// A quadword that both sides use.
    fn slot(&mut self) -> [u8; 4] {
        let base = if self.below(2) == 0 { DATA } else { SCRATCH };
        ((base + 8 * self.below(6)) as u32).to_le_bytes()
    }

    /// One instruction, or a branch over one.
    fn instruction(&mut self, code: &mut Vec<u8>) {
        let slot = self.slot();
        match self.below(7) {
            // mov rax, [slot]; mov [slot], rax; add rax, [slot]
            0 => code.extend([0x48, 0x8b, 0x04, 0x25]),
            1 => code.extend([0x48, 0x89, 0x04, 0x25]),
            2 => code.extend([0x48, 0x03, 0x04, 0x25]),
            // add qword [slot], 3
            3 => {
                code.extend([0x48, 0x83, 0x04, 0x25]);
                code.extend(slot);
                return code.push(3);
            }
            // mov qword [slot], imm
            4 => {
                code.extend([0x48, 0xc7, 0x04, 0x25]);
                code.extend(slot);
                return code.extend([self.below(4) as u8, 0, 0, 0]);
            }
            // test rax, rax; jz over the rest: inc qword [slot]
            5 => code.extend([0x48, 0x85, 0xc0, 0x74, 8, 0x48, 0xff, 0x04, 0x25]),
            // push rax; pop rcx
            _ => return code.extend([0x50, 0x59]),
        }
        code.extend(slot);
    }
}

/// An image. `mild`: its handler writes nothing but its log.
fn image(seed: u64, mild: bool) -> Vec<u8> {
    let mut r = Random(seed);
    let mut code = vec![0xc3, 0xf4];
    let at = |code: &Vec<u8>| CODE + code.len() as u64;
    let routine = at(&code);
    for _ in 0..30 {
        r.instruction(&mut code);
    }
    if r.below(4) == 0 {
        // rdtsc: the rest may depend on the time.
        code.extend([0x0f, 0x31]);
        for _ in 0..10 {
            r.instruction(&mut code);
        }
    }
    code.push(0xc3);
    let handler = at(&code);
    code.push(0x50);
    for _ in 0..r.below(4) {
        if mild {
            // mov rax, [slot]
            code.extend([0x48, 0x8b, 0x04, 0x25]);
            code.extend(r.slot());
        } else {
            r.instruction(&mut code);
        }
    }
    // mov rax, [slot]; mov [log + 16], rax; inc qword [log]; pop rax
    code.extend([0x48, 0x8b, 0x04, 0x25]);
    code.extend(r.slot());
    code.extend([0x48, 0x89, 0x04, 0x25]);
    code.extend((LOG as u32 + 16).to_le_bytes());
    code.extend([0x48, 0xff, 0x04, 0x25]);
    code.extend((LOG as u32).to_le_bytes());
    code.push(0x58);
    let exit = at(&code);
    code.extend([0x48, 0xcf]);
    let end = BASE + 0x2_0000;
    let header = [
        MAGIC,
        CODE,
        routine,
        handler,
        exit,
        CODE,
        CODE,
        CODE + 1,
        DATA,
        LOG,
        end,
        DATA + 0x4000,
        DATA + 0x5000,
    ];
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.resize((CODE - BASE) as usize, 0);
    bytes.extend(code);
    bytes
}

/// Both sweeps of an image, which must agree.
fn sweeps(seed: u64, mild: bool) -> Found {
    let mut flat = Flat::new(&image(seed, mild)).unwrap();
    let full = flat.sweep(1, false).unwrap();
    let reduced = flat.sweep(1, true).unwrap();
    assert_eq!(full.skipped, 0);
    let same = Found {
        skipped: 0,
        ..reduced
    };
    assert_eq!(full, same, "seed {seed}");
    assert_eq!(full, flat.sweep(1, false).unwrap(), "seed {seed}: no trace");
    reduced
}

#[test]
fn reduced_and_full_sweeps_agree() {
    let (mut executions, mut skipped, mut failed) = (0, 0, 0);
    for seed in 0..400 {
        let found = sweeps(seed, seed % 4 == 0);
        executions += found.executions;
        skipped += found.skipped;
        failed += found.fail;
    }
    // Both ways are taken, and handlers that break the routine are among them.
    assert!(skipped * 10 > executions, "{skipped} of {executions}");
    assert!(skipped * 10 < executions * 9, "{skipped} of {executions}");
    assert!(failed * 10 > executions, "{failed} of {executions}");
}

#[test]
fn a_handler_that_only_logs_is_skipped_wherever_time_does_not_matter() {
    let mut all = 0;
    for seed in 0..40 {
        let found = sweeps(seed, true);
        assert_eq!(found.fail, 0, "seed {seed}");
        all += u64::from(found.skipped == found.executions);
        assert!(found.skipped > 0, "seed {seed}");
    }
    assert!((20..40).contains(&all), "{all}");
}
