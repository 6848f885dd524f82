// SPDX-License-Identifier: GPL-2.0-only
//! Micro-fusion and un-lamination: from uops to slots and queue entries.

use super::form::Form;
use super::lower::{Entry, Kind, Lowered, Slot};
use iced_x86::{Instruction, Register};

/// Groups uops into slots (micro-fusion) and slots into queue entries (un-lamination).
pub(super) fn entries(lowered: &mut Lowered, form: &Form, instruction: &Instruction) {
    let indexed = instruction.memory_index() != Register::None;
    let slots = usize::from(if indexed {
        form.indexed_slots
    } else {
        form.slots
    })
    .max(1);
    let queued = usize::from(form.decoded.max(1)) + usize::from(form.microcode);
    let uops = &lowered.uops;
    let mut groups: Vec<Slot> = (0..uops.len())
        .map(|i| Slot {
            uops: vec![i as u16],
        })
        .collect();
    let is = |g: &Slot, f: fn(&Kind) -> bool| g.uops.iter().any(|&u| f(&uops[usize::from(u)].kind));
    // Store address and data first, then load and computation.
    let mut i = 0;
    while groups.len() > slots && i + 1 < groups.len() {
        if is(&groups[i], |k| matches!(k, Kind::StoreAddress(_))) {
            let next = groups.remove(i + 1);
            groups[i].uops.extend(next.uops);
        }
        i += 1;
    }
    while groups.len() > slots && groups.len() > 1 {
        let at = (0..groups.len() - 1)
            .find(|&i| groups[i].uops.len() == 1 && groups[i + 1].uops.len() == 1)
            .unwrap_or(0);
        let next = groups.remove(at + 1);
        groups[at].uops.extend(next.uops);
    }
    while groups.len() < slots {
        groups.push(Slot::default());
    }
    // More slots than queue entries: the first ones were one entry before.
    let queued = queued.clamp(1, groups.len());
    let surplus = groups.len() - queued;
    let mut groups = groups.into_iter();
    let mut first = true;
    while let Some(slot) = groups.next() {
        let mut entry = Entry { slots: vec![slot] };
        if first {
            entry.slots.extend(groups.by_ref().take(surplus));
            first = false;
        }
        lowered.entries.push(entry);
    }
}
