// SPDX-License-Identifier: GPL-2.0-only
//! Models of processors that lack something.

mod common;

use common::*;
use cpu::{Features, Step};

/// An instruction of each feature.
const OF: [(Features, &[u8]); 24] = [
    (Features::SSE, &[0x0f, 0x58, 0xc1]),        // addps
    (Features::SSE, &[0x0f, 0xae, 0x00]),        // fxsave
    (Features::SSE, &[0x0f, 0xae, 0x18]),        // stmxcsr
    (Features::SSE, &[0x0f, 0xae, 0xf8]),        // sfence
    (Features::SSE2, &[0x66, 0x0f, 0x58, 0xc1]), // addpd
    (Features::SSE2, &[0xf2, 0x0f, 0x2d, 0x00]), // cvtsd2si r32, m64
    (Features::SSE2, &[0x0f, 0xc3, 0x08]),       // movnti
    (Features::SSE2, &[0x0f, 0xae, 0xe8]),       // lfence
    (Features::CX16, &[0x48, 0x0f, 0xc7, 0x08]), // cmpxchg16b
    (Features::CLFLUSH, &[0x0f, 0xae, 0x38]),
    (Features::POPCNT, &[0xf3, 0x0f, 0xb8, 0xc1]),
    (Features::BMI1, &[0xc4, 0xe2, 0x70, 0xf2, 0xc2]), // andn
    (Features::BMI1, &[0xc4, 0xe2, 0x68, 0xf7, 0xc1]), // bextr
    (Features::BMI1, &[0xc4, 0xe2, 0x78, 0xf3, 0xd9]), // blsi
    (Features::BMI2, &[0xc4, 0xe2, 0x68, 0xf5, 0xc1]), // bzhi
    (Features::BMI2, &[0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 3]), // rorx
    (Features::ADX, &[0x66, 0x0f, 0x38, 0xf6, 0xc1]),  // adcx
    (Features::ADX, &[0xf3, 0x0f, 0x38, 0xf6, 0xc1]),  // adox
    (Features::MOVBE, &[0x0f, 0x38, 0xf0, 0x08]),
    (Features::CRC32, &[0xf2, 0x0f, 0x38, 0xf1, 0xc1]),
    (Features::FSGSBASE, &[0xf3, 0x0f, 0xae, 0xc1]), // rdfsbase
    (Features::RDTSCP, &[0x0f, 0x01, 0xf9]),
    (Features::RDPID, &[0xf3, 0x0f, 0xc7, 0xf9]),
    (Features::CLAC, &[0x0f, 0x01, 0xca]),
];

fn machine(code: &[u8], features: Features) -> Machine {
    let mut m = Machine::new(code);
    m.cpu.features = features;
    m.cpu.cr4 |= 1 << 16 | 3 << 9;
    m.cpu.regs[RAX] = DATA;
    m.gate(6, CODE + 0x100, 0, 0);
    m.gate(13, CODE + 0x100, 0, 0);
    m
}

#[test]
fn without_its_feature_an_instruction_is_undefined() {
    for (feature, code) in OF {
        let with = machine(code, Features::ALL).step();
        assert_eq!(with, Step::Retired, "{feature:?} {code:02x?}");
        let without = machine(code, Features::ALL.without(feature)).step();
        assert_eq!(
            without,
            Step::Exception { vector: 6 },
            "{feature:?} {code:02x?}"
        );
        assert_eq!(machine(code, feature).step(), Step::Retired, "{code:02x?}");
    }
    for (name, feature) in Features::NAMES {
        let shown = feature == Features::LZCNT || OF.iter().any(|(f, _)| *f == feature);
        assert!(shown, "no instruction of {name}");
        assert_eq!(Features::named(name), Some(feature));
    }
}

#[test]
fn lzcnt_and_tzcnt_become_bsr_and_bsf() {
    for (code, feature, with, without) in [
        (0xbd, Features::LZCNT, 31 - 8, 8),
        (0xbc, Features::BMI1, 4, 4),
    ] {
        for (features, want, zero) in [
            (Features::ALL, with, 32),
            (Features::ALL.without(feature), without, 77),
        ] {
            for (source, want) in [(0x110, want), (0, zero)] {
                let mut m = machine(&[0xf3, 0x0f, code, 0xc1], features);
                m.cpu.regs[RAX] = 77;
                m.cpu.regs[RCX] = source;
                assert_eq!(m.step(), Step::Retired);
                assert_eq!(m.cpu.regs[RAX], want, "{code:#x} {features:?}");
            }
        }
    }
}

#[test]
fn registers_of_an_absent_feature_do_not_exist() {
    // mov cr4, rax
    for (feature, bit) in [
        (Features::SSE | Features::SSE2, 9),
        (Features::SSE | Features::SSE2, 10),
        (Features::FSGSBASE, 16),
    ] {
        for (features, want) in [
            (Features::ALL, Step::Retired),
            (
                Features::ALL.without(feature),
                Step::Exception { vector: 13 },
            ),
        ] {
            let mut m = machine(&[0x0f, 0x22, 0xe0], features);
            m.cpu.regs[RAX] = 1 << 5 | 1 << bit;
            assert_eq!(m.step(), want, "bit {bit}");
        }
    }
    // rdmsr of IA32_TSC_AUX
    let both = Features::RDTSCP | Features::RDPID;
    for (features, want) in [
        (Features::RDPID, Step::Retired),
        (Features::RDTSCP, Step::Retired),
        (Features::ALL.without(both), Step::Exception { vector: 13 }),
    ] {
        let mut m = machine(&[0x0f, 0x32], features);
        m.cpu.regs[RCX] = 0xc000_0103;
        assert_eq!(m.step(), want, "{features:?}");
    }
}

#[test]
fn cpuid_tells_what_is_there_and_nothing_else() {
    // Leaf, register, bit of each feature; the manual's numbers.
    let bits = [
        (Features::SSE, 1, 3, 25),
        (Features::SSE, 1, 3, 24),
        (Features::SSE2, 1, 3, 26),
        (Features::CX16, 1, 2, 13),
        (Features::CLFLUSH, 1, 3, 19),
        (Features::POPCNT, 1, 2, 23),
        (Features::MOVBE, 1, 2, 22),
        (Features::LZCNT, 0x8000_0001, 2, 5),
        (Features::RDTSCP, 0x8000_0001, 3, 27),
        (Features::BMI1, 7, 1, 3),
        (Features::BMI2, 7, 1, 8),
        (Features::ADX, 7, 1, 19),
        (Features::FSGSBASE, 7, 1, 0),
        (Features::RDPID, 7, 2, 22),
    ];
    for (feature, leaf, register, bit) in bits {
        let shown = |f: Features| f.cpuid(leaf, 0)[register] >> bit & 1;
        assert_eq!(shown(Features::ALL), 1, "{feature:?}");
        assert_eq!(shown(Features::ALL.without(feature)), 0, "{feature:?}");
    }
    let count = |f: Features| -> u32 {
        [1, 7, 0x8000_0001]
            .into_iter()
            .flat_map(|leaf| f.cpuid(leaf, 0))
            .map(u32::count_ones)
            .sum()
    };
    // And the line size of CLFLUSH.
    let all = count(Features::ALL) - count(Features::NONE);
    assert_eq!(all, bits.len() as u32 + 1);
    // SSE4.2, SMAP, AVX, MMX, x87: not what it says.
    assert_eq!(Features::ALL.cpuid(1, 0)[2] & (1 << 20 | 1 << 28), 0);
    assert_eq!(Features::ALL.cpuid(1, 0)[3] & (1 << 23 | 1), 0);
    assert_eq!(Features::ALL.cpuid(7, 0)[1] & (1 << 20 | 1 << 5), 0);
    assert_eq!(Features::ALL.cpuid(7, 1), [0; 4]);
    assert_eq!(Features::ALL.contradiction(), None);
    let bad = Features::ALL.without(Features::SSE).contradiction();
    assert_eq!(bad, Some((Features::SSE2, Features::SSE)));
}
