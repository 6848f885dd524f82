// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `count`: every value that anything reads equals the ideal.

use abi::guest_call::Reader;
use machine::{ObjectId, View};

use crate::claims::Claims;
use crate::shadow::Shadow;
use crate::violation::{Moment, Oracle, Violation};

/// Judges a value; `None` when it is what it ought to be, or when the event's ideal is not exact.
pub(crate) fn judge(
    view: &View<'_>,
    shadow: &Shadow,
    claims: &Claims,
    object: ObjectId,
    value: u64,
    reader: Reader,
    rip: u64,
) -> Option<Violation> {
    let allowed = shadow.allowed(view, object)?;
    if !allowed.exact {
        return None;
    }
    let lag = claims.lag(view, object);
    let expected = allowed.now.wrapping_sub(lag);
    if value == expected || allowed.other == Some(value) {
        return None;
    }
    Some(Violation {
        oracle: Oracle::Count,
        event: view.objects.get(object).name.clone(),
        reader: Some(reader),
        expected: expected.to_string(),
        got: value.to_string(),
        error: value.wrapping_sub(expected),
        tolerated: (lag != 0)
            .then(|| format!("{lag} claimed by the interrupted code are allowed for")),
        at: Moment::of(view, rip),
    })
}
