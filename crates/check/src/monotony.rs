// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `monotony`: no reader sees an event go backwards, resets aside.

use std::collections::BTreeMap;

use abi::guest_call::Reader;
use machine::{ObjectId, View};

use crate::violation::{Moment, Oracle, Violation};

/// The last value each reader saw of each event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Monotony {
    last: BTreeMap<(ObjectId, Reader), u64>,
}

impl Monotony {
    /// Judges a value. `wrong` says that the count oracle has already reported it: it is then
    /// neither judged nor remembered, so that one error is one finding.
    pub(crate) fn judge(
        &mut self,
        view: &View<'_>,
        object: ObjectId,
        value: u64,
        reader: Reader,
        rip: u64,
        wrong: bool,
    ) -> Option<Violation> {
        if wrong {
            return None;
        }
        let last = self.last.insert((object, reader), value)?;
        (value < last).then(|| Violation {
            oracle: Oracle::Monotony,
            event: view.objects.get(object).name.clone(),
            reader: Some(reader),
            expected: format!("at least {last}"),
            got: value.to_string(),
            error: value.wrapping_sub(last),
            tolerated: None,
            at: Moment::of(view, rip),
        })
    }

    /// A reset began or ended somewhere: values may start again.
    pub(crate) fn reset(&mut self) {
        self.last.clear();
    }
}
