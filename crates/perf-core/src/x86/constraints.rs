// SPDX-License-Identifier: GPL-2.0-only
//! Which counters an event may use (`struct event_constraint`, `x86_get_event_constraints`) and
//! `x86_schedule_events`, which finds every listed event a counter.

use abi::event_select::{CMASK_SHIFT, CODE_MASK, EDGE, INV};

use super::{CpuHwEvents, EVENTS_MAX, X86_PMC_IDX_MAX};
use crate::core::errno::EINVAL;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, txn};

/// Bits of a select value that users choose (`X86_RAW_EVENT_MASK`).
pub(super) const X86_RAW_EVENT_MASK: u64 = CODE_MASK | EDGE | INV | 0xff << CMASK_SHIFT;
/// IN_TX and IN_TXCP.
const IN_TX_MASK: u64 = 3 << 32;

/// `struct event_constraint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct EventConstraint {
    /// Counter indices that are allowed.
    pub idxmsk: u64,
    /// An event is meant iff its select value has this code ...
    pub code: u64,
    /// ... in these bits.
    pub cmask: u64,
    /// Number of allowed counters.
    pub weight: i32,
    /// Its counters partly overlap those of an event of equal weight: trying others may help.
    pub overlap: bool,
}

impl EventConstraint {
    /// No counter at all.
    pub const NONE: Self = Self {
        idxmsk: 0,
        code: 0,
        cmask: 0,
        weight: 0,
        overlap: false,
    };

    /// Any event, on the counters of `idxmsk`.
    #[must_use]
    pub const fn any(idxmsk: u64) -> Self {
        Self {
            idxmsk,
            weight: idxmsk.count_ones().cast_signed(),
            ..Self::NONE
        }
    }

    /// The event that a fixed counter counts: `code` without any qualifier.
    #[must_use]
    pub const fn fixed_event(code: u64, idxmsk: u64) -> Self {
        Self {
            code,
            cmask: X86_RAW_EVENT_MASK | IN_TX_MASK,
            ..Self::any(idxmsk)
        }
    }
}

impl<H: Hardware> Perf<H> {
    /// `x86_get_event_constraints`: the counters that `event` may use.
    ///
    /// # Safety
    /// `event` is live and configured.
    #[inline(never)]
    pub unsafe fn x86_get_event_constraints(
        &self,
        event: *mut PerfEvent,
    ) -> *const EventConstraint {
        let pmu = self.x86_pmu();
        // SAFETY: live by the caller's promise; config does not change after event_init.
        let config = unsafe { (*event).hw.config };
        for c in &pmu.event_constraints {
            if config & c.cmask == c.code {
                return c;
            }
        }
        &raw const pmu.unconstrained
    }

    /// `x86_schedule_events`: a counter for each of the first `n` listed events, into `assign`.
    /// Returns 0, or -EINVAL when they do not all fit; then new events lose their constraint.
    ///
    /// # Safety
    /// `cpuc` is this CPU's with interrupts off, or a private one; its first `n` events are live.
    #[inline(never)]
    pub unsafe fn x86_schedule_events(
        &self,
        cpuc: *mut CpuHwEvents,
        n: i32,
        mut assign: Option<&mut [i32; EVENTS_MAX]>,
    ) -> i32 {
        let n = n.cast_unsigned() as usize;
        // SAFETY: `cpuc` and its events are valid by the caller's promise.
        unsafe {
            // Events that were scheduled before have a constraint, new ones have not. For add and
            // for validation `n_events` does not contain the new ones yet; in a transaction it
            // contains the `n_txn` new ones.
            let mut n0 = (*cpuc).n_events;
            if (*cpuc).txn_flags & txn::ADD != 0 {
                n0 -= (*cpuc).n_txn;
            }
            let n0 = n0.cast_unsigned() as usize;

            let mut wmin = X86_PMC_IDX_MAX.cast_signed() as i32;
            let mut wmax = 0;
            for i in 0..n {
                let mut c = (*cpuc).event_constraint[i];
                if c.is_null() == (i < n0) {
                    self.hw.warn(
                        "x86_schedule_events: constraint of a new event, or an old one without",
                    );
                }
                if c.is_null() {
                    c = self.x86_get_event_constraints((*cpuc).event_list[i]);
                    (*cpuc).event_constraint[i] = c;
                }
                wmin = wmin.min((*c).weight);
                wmax = wmax.max((*c).weight);
            }

            // Fast path: everybody keeps the counter of last time.
            let mut used_mask = 0_u64;
            let mut kept = 0;
            while kept < n {
                let c = (*cpuc).event_constraint[kept];
                let Ok(idx) = u32::try_from((*(*cpuc).event_list[kept]).hw.idx.read()) else {
                    break;
                };
                let bit = 1 << idx;
                if (*c).idxmsk & bit == 0 || used_mask & bit != 0 {
                    break;
                }
                used_mask |= bit;
                if let Some(assign) = &mut assign {
                    assign[kept] = idx.cast_signed();
                }
                kept += 1;
            }

            let mut unsched = 0;
            if kept != n {
                let gpmax = self.x86_pmu().num_counters.cast_signed();
                unsched = self.perf_assign_events(
                    &(&(*cpuc).event_constraint)[..n],
                    wmin,
                    wmax,
                    gpmax,
                    assign.as_deref_mut(),
                );
            }
            if unsched != 0 || assign.is_none() {
                for i in n0..n {
                    (*cpuc).event_constraint[i] = core::ptr::null();
                }
            }
            if unsched != 0 { -EINVAL } else { 0 }
        }
    }
}
