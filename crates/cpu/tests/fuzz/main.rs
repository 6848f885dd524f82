// SPDX-License-Identifier: GPL-2.0-only
//! The fuzz target's body on random input, for the stable compiler.

#[path = "../common/mod.rs"]
mod common;

mod body;

use proptest::prelude::*;

/// Settings, flags, control, general and vector registers, MXCSR, x87: what stands before the code.
const HEAD: usize = 1 + 8 + 1 + 128 + 64 + 8 + 6 + 40;

/// Bytes that begin something, so that more of the code means anything.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = || prop::collection::vec(any::<u8>(), 1..8);
    prop_oneof![
        4 => any_bytes(),
        2 => any_bytes().prop_map(|v| [&[0x0f][..], &v].concat()),
        1 => any_bytes().prop_map(|v| [&[0x66, 0x0f][..], &v].concat()),
        1 => any_bytes().prop_map(|v| [&[0xf2, 0x0f][..], &v].concat()),
        1 => any_bytes().prop_map(|v| [&[0xf3, 0x0f][..], &v].concat()),
        1 => any_bytes().prop_map(|v| [&[0x48][..], &v].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_bytes_make_the_core_panic_or_hang(
        head in prop::collection::vec(any::<u8>(), HEAD),
        code in prop::collection::vec(piece(), 1..40),
    ) {
        body::run(&[head, code.concat()].concat());
    }
}
