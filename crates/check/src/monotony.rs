// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `monotony`: no reader sees an event go backwards, resets aside.
//!
//! Two readers may meet: a sample in the middle of a read(2) sees more than the read(2) returns
//! later. So the stored count is watched too: an addition never makes it smaller.

use std::collections::BTreeMap;

use abi::guest_call::Reader;
use machine::{AccessKind, ObjectAccess, ObjectId, View};

use crate::exchange;
use crate::violation::{Moment, Oracle, Violation};

/// The last value each reader of each CPU saw of each event: a call that began earlier on another
/// CPU may return an older value later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Monotony {
    last: BTreeMap<(usize, ObjectId, Reader), u64>,
    last_read: Option<(u64, u64)>,
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
        let last = self.last.insert((view.cpu, object, reader), value)?;
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

    /// Judges an addition to a stored count.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) -> Option<Violation> {
        let place = (access.rip, access.offset);
        if access.kind == AccessKind::Read {
            self.last_read = Some(place);
            return None;
        }
        let read_modify_write = self.last_read.take() == Some(place);
        let field = view.objects.field_name(access.offset);
        // An exchange is no addition.
        if exchange::is_part(view, access) {
            return None;
        }
        if !read_modify_write || !matches!(field, "count" | "master_count") {
            return None;
        }
        let change = access.new.wrapping_sub(access.old) as i64;
        (change < 0).then(|| Violation {
            oracle: Oracle::Monotony,
            event: view.objects.get(access.object).name.clone(),
            reader: None,
            expected: format!("{field} only grows by what is added"),
            got: format!("{field} goes from {} to {}", access.old, access.new),
            error: change as u64,
            tolerated: None,
            at: Moment::of(view, access.rip),
        })
    }

    /// A reset begins or ends: values may start again.
    pub(crate) fn reset(&mut self) {
        self.last.clear();
    }
}
