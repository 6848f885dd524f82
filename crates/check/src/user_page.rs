// SPDX-License-Identifier: GPL-2.0-only
//! What the reader of a user page may get, and who wrote the page last: the value shows at CPL 3, what
//! made it wrong lies where the kernel stored index and offset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use abi::guest_call::Reader;
use abi::syscall::TYPE_SOFTWARE;
use machine::{AccessKind, Look, NmiFrame, ObjectAccess, ObjectId, View};

use crate::cause::row_of;
use crate::shadow::{Allowed, Shadow, is_zeroing};

/// Readers and writers of user pages.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserPages {
    /// Instructions that read a count by the protocol, by address.
    looks: Arc<BTreeMap<u64, Look>>,
    /// What may have been read at the last look.
    allowed: BTreeMap<ObjectId, Allowed>,
    /// Whose counter was read on another CPU at the last look. The index names one of the CPU that the
    /// event is on; the page cannot say so, as it is for the monitored task itself.
    elsewhere: BTreeSet<ObjectId>,
    /// Where the page was written last: an address in the function that asked for it, and the NMI
    /// handler that it ran in.
    writer: BTreeMap<ObjectId, (u64, Option<NmiFrame>)>,
    /// By software event: what it ought to have shown where its page was written last.
    written: BTreeMap<ObjectId, u64>,
}

impl UserPages {
    pub(crate) fn new(looks: impl Iterator<Item = Look>) -> Self {
        Self {
            looks: Arc::new(looks.map(|look| (look.rip, look)).collect()),
            ..Self::default()
        }
    }

    /// The core stands before a watched instruction: if it reads a page's count, the ideal of this
    /// moment is what the reader ought to get. The protocol may try again; the last look counts.
    pub(crate) fn code(&mut self, view: &View<'_>, shadow: &Shadow) {
        let Some(look) = self.looks.get(&view.core.cpu.rip) else {
            return;
        };
        // As in a sample: exited children are part of the value, living ones are not.
        let Some(object) = view.objects.by_name(&look.event) else {
            return;
        };
        self.allowed.remove(&object);
        if look.counter && !shadow.here(view, object, view.cpu) {
            self.elsewhere.insert(object);
            return;
        }
        self.elsewhere.remove(&object);
        if let Some(mut allowed) = shadow.allowed(view, object, Reader::Sample) {
            // Without an index there is nothing to add to what the page says.
            if let Some(&written) = self.written.get(&object) {
                allowed.least = allowed.least.min(written);
            }
            self.allowed.insert(object, allowed);
        }
    }

    /// `perf_event_update_userpage` begins with a look at the event's buffer. A zero that is stored
    /// to the count makes the page wrong until then.
    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess, shadow: &Shadow) {
        if is_zeroing(view, access) {
            let caller = view.return_addresses().first().copied();
            let place = caller.unwrap_or(access.rip);
            self.writer.insert(access.object, (place, view.core.nmi));
            return;
        }
        let of_page = |rip| row_of(view.image, rip).contains("userpage");
        if access.kind == AccessKind::Write
            || view.objects.field_name(access.offset) != "rb"
            || !of_page(access.rip)
        {
            return;
        }
        let asked = view
            .return_addresses()
            .into_iter()
            .find(|&rip| !of_page(rip));
        let software = view.field(access.object, "attr.kind") == Some(u64::from(TYPE_SOFTWARE));
        if software && let Some(now) = shadow.allowed(view, access.object, Reader::Sample) {
            self.written.insert(access.object, now.least);
        }
        let place = asked.unwrap_or(access.rip);
        self.writer.insert(access.object, (place, view.core.nmi));
    }

    /// What may be told of this event by its user page.
    pub(crate) fn allowed(&self, object: ObjectId) -> Option<Allowed> {
        self.allowed.get(&object).cloned()
    }

    /// Whether the value that is told stands for nothing: another CPU's counter was read.
    pub(crate) fn read_elsewhere(&self, object: ObjectId) -> bool {
        self.elsewhere.contains(&object)
    }

    /// Where its page was written last.
    pub(crate) fn writer(&self, object: ObjectId) -> Option<u64> {
        self.writer.get(&object).map(|&(place, _)| place)
    }

    /// The NMI handler that wrote its page last, if one did.
    pub(crate) fn written_by(&self, object: ObjectId) -> Option<NmiFrame> {
        self.writer.get(&object)?.1
    }
}
