// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `count`: every value that anything reads equals the ideal.

use abi::guest_call::Reader;
use machine::{ObjectId, View};

use crate::shadow::Allowed;
use crate::violation::{Moment, Oracle, Violation};

/// Judges a value that a reader got, with what interrupted code holds back of it; `None` when it is
/// what it ought to be. `place` is where the report says that it happened.
pub(crate) fn judge(
    view: &View<'_>,
    allowed: &Allowed,
    lag: u64,
    (object, value, reader): (ObjectId, u64, Reader),
    place: u64,
) -> Option<Violation> {
    // A claim of the master's is no lag of a sharer whose base is older than the claim: the ideal
    // itself is never wrong.
    if allowed.contains(value, lag) || allowed.contains(value, 0) {
        return None;
    }
    let least = allowed.least.wrapping_sub(lag);
    let most = allowed.most.wrapping_sub(lag);
    let width = allowed.most - allowed.least;
    Some(Violation {
        oracle: Oracle::Count,
        event: view.objects.get(object).name.clone(),
        reader: Some(reader),
        expected: if width == 0 {
            most.to_string()
        } else {
            format!("{least} to {most} (width {width})")
        },
        got: value.to_string(),
        error: value.wrapping_sub(most),
        tolerated: (lag != 0)
            .then(|| format!("{lag} claimed by the interrupted code are allowed for")),
        at: Moment::of(view, place),
    })
}
