// SPDX-License-Identifier: GPL-2.0-only
//! Oracle `ownership`, for counts: `perf_event_sync_stat` exchanges the counts of two events, which
//! must be of one family. From there on the ideals have changed places too, so that one wrong exchange
//! is one finding.

use machine::{AccessKind, ObjectAccess, ObjectId, View};

use crate::cause::row_of;
use crate::shadow::Shadow;
use crate::times::Times;
use crate::violation::{Moment, Oracle, Violation};

/// The function that exchanges.
const EXCHANGES: &str = "perf_event_sync_stat_one";

/// Whether an access is part of an exchange: it may make a count smaller.
pub(crate) fn is_part(view: &View<'_>, access: &ObjectAccess) -> bool {
    view.objects.field_name(access.offset) == "count" && row_of(view.image, access.rip) == EXCHANGES
}

/// An exchange that is half done: the event whose count was replaced first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    first: Option<ObjectId>,
}

impl Exchange {
    pub(crate) fn access(
        &mut self,
        view: &View<'_>,
        access: &ObjectAccess,
        shadow: &mut Shadow,
        times: &mut Times,
    ) -> Option<Violation> {
        if access.kind == AccessKind::Read || !is_part(view, access) {
            return None;
        }
        let Some(first) = self.first.take() else {
            self.first = Some(access.object);
            return None;
        };
        let second = access.object;
        shadow.exchange(view, first, second);
        times.exchange(first, second);
        let name = |object| view.objects.get(object).name.clone();
        let family = |object| name(object).split('.').next().unwrap_or("").to_owned();
        (family(first) != family(second)).then(|| Violation {
            oracle: Oracle::Ownership,
            event: name(first),
            reader: None,
            expected: "an exchange of counts inside one family".to_owned(),
            got: format!("its count and that of {} change places", name(second)),
            error: 0,
            tolerated: None,
            at: Moment::of(view, access.rip),
        })
    }
}
