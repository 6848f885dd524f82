// SPDX-License-Identifier: GPL-2.0-only
//! What interrupted code has claimed by cmpxchg but not yet added: the one tolerance of the count
//! oracle (contract, section 3).
//!
//! `x86_perf_event_update` moves prev_count by one cmpxchg and then adds the difference to count;
//! the delta's read_dup does the same with dup_count. An NMI between the two reads a value that
//! lags by exactly the claim, and nothing is lost. A claim holds only where the function that made
//! it is interrupted before it adds; one that is never added is an error like any other.

use std::collections::BTreeMap;

use abi::layout::CPUS_MAX;
use machine::{AccessKind, ObjectAccess, ObjectId, View};

/// A difference that was claimed.
#[derive(Debug, Clone, Copy)]
struct Claim {
    delta: u64,
    /// Address of the instruction that claimed it.
    rip: u64,
}

/// Claims of one flow of control.
#[derive(Debug, Clone, Default)]
struct Frame {
    prev: BTreeMap<ObjectId, Claim>,
    dup: BTreeMap<ObjectId, Claim>,
    last_read: Option<(u64, u64)>,
}

/// Open claims by CPU: of the interrupted code and of the NMI handler, if one runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    cpus: [[Frame; 2]; CPUS_MAX],
    /// Bits that `x86_perf_event_update` does not fold by: 64 less the counter's width
    /// (`cntval_bits`).
    shift: u32,
}

impl Claims {
    /// For counters of so many bits.
    pub(crate) fn of_counters(width: u8) -> Self {
        Self {
            shift: 64 - u32::from(width).min(64),
            ..Self::default()
        }
    }

    pub(crate) fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let frame = &mut self.cpus[view.cpu][usize::from(view.core.nmi.is_some())];
        let place = (access.rip, access.offset);
        let field = view.objects.field_name(access.offset);
        if access.kind == AccessKind::Read {
            frame.last_read = Some(place);
            // The next claim begins with a look at the field: the one before is over.
            match field {
                "hw.prev_count" => frame.prev.remove(&access.object),
                "dup_count" => frame.dup.remove(&access.object),
                _ => None,
            };
            return;
        }
        // One instruction that reads and writes the field: cmpxchg or add, not a plain store.
        let read_modify_write = frame.last_read == Some(place);
        frame.last_read = None;
        if !read_modify_write {
            return;
        }
        let delta = access.new.wrapping_sub(access.old);
        let rip = access.rip;
        match field {
            "hw.prev_count" => {
                let delta = (delta << self.shift) >> self.shift;
                frame.prev.insert(access.object, Claim { delta, rip });
            }
            "dup_count" => {
                frame.dup.insert(access.object, Claim { delta, rip });
            }
            "count" => {
                // A sharer's read_dup ends with the same field that its own driver update does.
                let dup = frame.dup.get(&access.object);
                if dup.is_some_and(|claim| claim.delta == delta) {
                    frame.dup.remove(&access.object);
                } else {
                    frame.prev.remove(&access.object);
                }
            }
            "master_count" => {
                frame.dup.remove(&access.object);
            }
            _ => {}
        }
    }

    /// Whether interrupted code of `cpu` has claimed anything that it has not added.
    pub(crate) fn open(&self, cpu: usize) -> bool {
        let base = &self.cpus[cpu][0];
        !base.prev.is_empty() || !base.dup.is_empty()
    }

    pub(crate) fn nmi_exit(&mut self, view: &View<'_>) {
        self.cpus[view.cpu][1] = Frame::default();
    }

    /// By how much a value of `object` that an NMI handler reads now may lag.
    pub(crate) fn lag(&self, view: &View<'_>, object: ObjectId) -> u64 {
        let Some(nmi) = view.core.nmi else {
            return 0;
        };
        let owner = view
            .field(object, "dup_master")
            .and_then(|master| view.objects.at(master))
            .map_or(object, |(master, _)| master);
        let function = |rip| view.image.function_at(rip).map(|symbol| symbol.addr);
        let interrupted = function(nmi.rip);
        let of = |map: &BTreeMap<ObjectId, Claim>, id| {
            map.get(&id)
                .filter(|claim| function(claim.rip) == interrupted)
                .map_or(0, |claim| claim.delta)
        };
        let base = &self.cpus[view.cpu][0];
        of(&base.prev, owner).wrapping_add(of(&base.dup, object))
    }
}
