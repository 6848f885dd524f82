// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `freed`: no access to an event after it was freed. Freed events are poisoned and never
//! reused, so that every late access is seen.

use machine::{ObjectAccess, View, access_word};

use crate::violation::{Moment, Oracle, Violation};

/// Judges an access.
pub(crate) fn judge(view: &View<'_>, access: &ObjectAccess) -> Option<Violation> {
    let object = view.objects.get(access.object);
    if !object.dead || poisons(view, access.rip) {
        return None;
    }
    let field = view.objects.field_name(access.offset);
    Some(Violation {
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
    })
}

/// The function that fills a freed event with poison touches it by design.
fn poisons(view: &View<'_>, rip: u64) -> bool {
    view.image
        .function_at(rip)
        .is_some_and(|f| matches!(f.name.as_str(), "poison" | "memset"))
}
