// SPDX-License-Identifier: GPL-2.0-only
//! What the oracles look at, so that a sweep may know what they do not: an instruction that they
//! do not see may change places with an NMI handler.
//!
//! The answer errs on the side of seeing. Every store to an event is seen, and every store to the
//! driver's table, which the ownership oracle reads by itself. Loads are seen where an oracle
//! remembers them beyond the instruction: the folds begin with a load of `hw.prev_count` or
//! `dup_count`, the user page's with one of `rb`. The other memories of a load (`last_read` of
//! claims, monotony and ownership) are asked by the store of the same instruction only.

use image::Image;
use machine::{AccessKind, Objects};

use crate::table::Place;

/// Fields whose loads the oracles remember.
const LOADS: [&str; 3] = ["hw.prev_count", "dup_count", "rb"];

/// What the oracles see of an instruction outside NMI handlers.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The driver's table of all CPUs: first byte, and the one behind it.
    table: Option<(u64, u64)>,
}

impl Sight {
    /// For a guest.
    #[must_use]
    pub fn new(image: &Image) -> Self {
        Self {
            table: Place::of(image).map(Place::range),
        }
    }

    /// Whether an oracle could tell that this access happened, or when it did.
    #[must_use]
    pub fn sees(&self, objects: &Objects, kind: AccessKind, addr: u64, size: u8) -> bool {
        let last = addr + u64::from(size.max(1)) - 1;
        let found = objects.at(addr).or_else(|| objects.at(last));
        match (found, kind) {
            (Some(_), AccessKind::Write) => true,
            (Some((object, offset)), AccessKind::Read) => {
                objects.get(object).dead || LOADS.contains(&objects.field_name(offset))
            }
            (None, AccessKind::Write) => self
                .table
                .is_some_and(|(from, to)| last >= from && addr < to),
            (None, AccessKind::Read) => false,
        }
    }
}
