// SPDX-License-Identifier: GPL-2.0-only
//! Events whose count was damaged where it could be seen: what their readers get is the sequel.

use abi::guest_call::Reader;
use machine::{ObjectId, View};

use super::Shadow;

impl Shadow {
    /// The counter of `owner` was folded wrongly, for it and for whoever shares it.
    pub(crate) fn lose(&mut self, view: &View<'_>, owner: ObjectId) {
        let addr = view.objects.get(owner).addr;
        let shares = |id: &ObjectId| view.field(*id, "dup_master") == Some(addr);
        self.lost.insert(owner);
        self.lost.extend(self.events.keys().copied().filter(shares));
    }

    /// An event shares the counter of a master.
    pub(super) fn shares(&mut self, view: &View<'_>, sharer: ObjectId, master: u64) {
        let master = view.objects.at(master);
        if master.is_some_and(|(master, _)| self.lost.contains(&master)) {
            self.lost.insert(sharer);
        }
    }

    /// Whether nothing can be said of what `reader` gets of `object`.
    pub(super) fn is_lost(&self, object: ObjectId, reader: Reader) -> bool {
        let with_children = matches!(reader, Reader::Read | Reader::ReadGroup);
        let is_child = |id: ObjectId| with_children && self.parent(id) == Some(object);
        let mut lost = self.lost.iter();
        lost.any(|&id| id == object || is_child(id))
    }
}
