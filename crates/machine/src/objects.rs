// SPDX-License-Identifier: GPL-2.0-only
//! Names for guest objects: events get theirs when the guest says that they were born.

use std::sync::Arc;

use image::StructLayout;

/// Position of an object in [`Objects`]; never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// An event of the guest.
#[derive(Debug, Clone)]
pub struct Object {
    /// Name in the scenario (`A`), or `b.child[0]` for an inherited one.
    pub name: Arc<str>,
    /// Address of its `PerfEvent`.
    pub addr: u64,
    /// File descriptor, `u64::MAX` for a child.
    pub fd: u64,
    /// It has been freed; its memory is poisoned and never reused.
    pub dead: bool,
}

/// The guest's events by address.
#[derive(Debug, Clone)]
pub struct Objects {
    layout: Arc<StructLayout>,
    list: Vec<Object>,
}

impl Objects {
    pub(crate) fn new(layout: Arc<StructLayout>) -> Self {
        Self {
            layout,
            list: Vec::new(),
        }
    }

    /// The same objects, dead or alive. None is ever taken off the list.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.list.len() == other.list.len()
            && self
                .list
                .iter()
                .zip(&other.list)
                .all(|(a, b)| a.dead == b.dead)
    }

    pub(crate) fn born(&mut self, name: Arc<str>, addr: u64, fd: u64) -> ObjectId {
        self.list.push(Object {
            name,
            addr,
            fd,
            dead: false,
        });
        ObjectId((self.list.len() - 1) as u32)
    }

    pub(crate) fn died(&mut self, addr: u64) {
        if let Some(object) = self.list.iter_mut().rev().find(|o| o.addr == addr) {
            object.dead = true;
        }
    }

    /// The layout of `struct perf_event` in this guest.
    #[must_use]
    pub fn layout(&self) -> &StructLayout {
        &self.layout
    }

    /// The object with this number.
    #[must_use]
    pub fn get(&self, id: ObjectId) -> &Object {
        &self.list[id.0 as usize]
    }

    /// The object that contains `addr`, dead ones included, with the offset into it.
    #[must_use]
    pub fn at(&self, addr: u64) -> Option<(ObjectId, u64)> {
        let size = self.layout.size;
        self.list
            .iter()
            .position(|o| addr.wrapping_sub(o.addr) < size)
            .map(|i| (ObjectId(i as u32), addr - self.list[i].addr))
    }

    /// The living object with this file descriptor.
    #[must_use]
    pub fn by_fd(&self, fd: u64) -> Option<ObjectId> {
        self.list
            .iter()
            .rposition(|o| o.fd == fd && !o.dead)
            .map(|i| ObjectId(i as u32))
    }

    /// The object of this name, the youngest when there are several.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<ObjectId> {
        self.list
            .iter()
            .rposition(|o| &*o.name == name)
            .map(|i| ObjectId(i as u32))
    }

    /// All objects in order of birth.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectId, &Object)> {
        self.list
            .iter()
            .enumerate()
            .map(|(i, o)| (ObjectId(i as u32), o))
    }

    /// `A.dup_master`: a field of an object by its offset.
    #[must_use]
    pub fn field_name(&self, offset: u64) -> &str {
        self.layout
            .field_at(offset)
            .map_or("?", |field| field.name.as_str())
    }
}
