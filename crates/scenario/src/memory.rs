// SPDX-License-Identifier: GPL-2.0-only
//! The key `memory`: in which order other CPUs see the stores of one. Scenarios and machines take
//! it. There is one answer so far, which is also the default, so that nothing keeps it and
//! [`crate::write_scenario`] leaves it out.

use crate::{Code, walk::Table};

/// Sequentially consistent: a store is seen by all CPUs at once.
pub(crate) const WORDS: &[&str] = &["sc"];
/// x86-TSO: each CPU with a store buffer.
const TSO: &str = "tso";

/// Checks the key of `top`, if it is there; `None` if it asks for what does not exist.
pub(crate) fn check(top: &Table<'_>) -> Option<()> {
    let cx = top.cx;
    let Some(value) = top.get("memory") else {
        return Some(());
    };
    if value.get_ref().as_str() == Some(TSO) {
        cx.error(
            Code::StoreBuffers,
            value.span(),
            "store buffers are not modelled yet",
            "machines are sequentially consistent",
            "write `memory = \"sc\"`, or leave it out",
        );
        return None;
    }
    cx.word(value, "memory", WORDS).map(drop)
}
