// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `freed`: no access to an event after it was freed. Freed events are poisoned and never
//! reused, so that every late access is seen. One instruction is told of once in a step: who waits for
//! a lock in a freed event waits for ever.

use std::collections::BTreeSet;

use machine::{ObjectAccess, ObjectId, View, access_word};

use crate::violation::{Moment, Oracle, Violation};

/// What has been told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Freed {
    told: BTreeSet<(ObjectId, u64, Option<usize>)>,
}

impl Freed {
    /// Judges an access.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) -> Option<Violation> {
        let dead = view.objects.get(access.object).dead && !poisons(view, access.rip);
        let place = (access.object, access.rip, view.core.step);
        (dead && self.told.insert(place)).then(|| violation(view, access))
    }
}

fn violation(view: &View<'_>, access: &ObjectAccess) -> Violation {
    let object = view.objects.get(access.object);
    let field = view.objects.field_name(access.offset);
    Violation {
        oracle: Oracle::Freed,
        event: object.name.clone(),
        reader: None,
        expected: "no access after the event was freed".to_owned(),
        got: format!(
            "{} of {field} at {}",
            access_word(access.kind),
            view.image.place(access.rip)
        ),
        error: access.rip,
        tolerated: None,
        at: Moment::of(view, access.rip),
    }
}

/// The function that fills a freed event with poison touches it by design.
fn poisons(view: &View<'_>, rip: u64) -> bool {
    view.image
        .function_at(rip)
        .is_some_and(|f| matches!(f.name.as_str(), "poison" | "memset"))
}
