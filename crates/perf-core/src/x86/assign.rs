// SPDX-License-Identifier: GPL-2.0-only
//! Placing events on counters when they cannot all keep theirs (`perf_assign_events`): events
//! with the fewest choices first, in list order among equals; a fixed counter if one is free,
//! else the lowest free general-purpose one. An event whose constraint says `overlap` leaves a
//! state to come back to, at most [`SCHED_STATES_MAX`] deep.

use super::{EVENTS_MAX, EventConstraint, INTEL_PMC_IDX_FIXED};
use crate::hw::Hardware;
use crate::perf::Perf;

/// Depth of going back.
const SCHED_STATES_MAX: usize = 2;
/// Indices of fixed counters.
const FIXED_MASK: u64 = !0 << INTEL_PMC_IDX_FIXED;

/// `struct sched_state`.
#[derive(Debug, Clone, Copy)]
struct SchedState {
    weight: i32,
    /// Slot of the event in question.
    event: usize,
    /// Counter it got, or to start looking at.
    counter: u32,
    /// Events without a counter.
    unassigned: i32,
    /// General-purpose counters given out.
    nr_gp: i32,
    used: u64,
}

/// `struct perf_sched`.
#[derive(Debug)]
struct PerfSched<'a> {
    constraints: &'a [*const EventConstraint],
    max_weight: i32,
    max_gp: i32,
    state: SchedState,
    saved_states: usize,
    saved: [SchedState; SCHED_STATES_MAX],
}

/// The lowest bit of `mask` that is not in `used`.
fn lowest_free(mask: u64, used: u64) -> Option<u32> {
    let free = mask & !used;
    (free != 0).then(|| free.trailing_zeros())
}

impl PerfSched<'_> {
    /// The constraint of the event in question.
    fn constraint(&self) -> &EventConstraint {
        // SAFETY: every constraint of the list points into a live X86Pmu (perf_assign_events).
        unsafe { &*self.constraints[self.state.event] }
    }

    /// `perf_sched_save_state`; false when there is no room.
    fn save_state(&mut self) -> bool {
        let room = self.saved_states < SCHED_STATES_MAX;
        if room {
            self.saved[self.saved_states] = self.state;
            self.saved_states += 1;
        }
        room
    }

    /// `perf_sched_restore_state`: back to the last saved state, with the next counter.
    fn restore_state(&mut self) -> bool {
        if self.saved_states == 0 {
            return false;
        }
        self.saved_states -= 1;
        self.state = self.saved[self.saved_states];
        self.state.used &= !(1 << self.state.counter);
        self.state.counter += 1;
        true
    }

    /// The free counter for the event in question, fixed ones first.
    fn choose(&mut self) -> Option<u32> {
        if self.state.unassigned == 0 || self.state.event >= self.constraints.len() {
            return None;
        }
        let idxmsk = self.constraint().idxmsk;
        if let Some(idx) = lowest_free(idxmsk & FIXED_MASK, self.state.used) {
            return Some(idx);
        }
        let from_counter = u64::MAX.checked_shl(self.state.counter).unwrap_or(0);
        let idx = lowest_free(idxmsk & !FIXED_MASK & from_counter, self.state.used)?;
        // As in the kernel the count goes up even when the limit refuses.
        let given = self.state.nr_gp;
        self.state.nr_gp += 1;
        (given < self.max_gp).then_some(idx)
    }

    /// `perf_sched_next_event`: the next event of this weight, else the first of the next weight.
    fn next_event(&mut self) -> bool {
        if self.state.unassigned == 0 {
            return false;
        }
        self.state.unassigned -= 1;
        if self.state.unassigned == 0 {
            return false;
        }
        loop {
            self.state.event += 1;
            if self.state.event >= self.constraints.len() {
                self.state.event = 0;
                self.state.weight += 1;
                if self.state.weight > self.max_weight {
                    return false;
                }
            }
            if self.constraint().weight == self.state.weight {
                self.state.counter = 0;
                return true;
            }
        }
    }
}

impl<H: Hardware> Perf<H> {
    /// `perf_sched_find_counter`: a counter for the event in question, going back if need be.
    fn perf_sched_find_counter(&self, sched: &mut PerfSched<'_>) -> bool {
        loop {
            if let Some(idx) = sched.choose() {
                sched.state.used |= 1 << idx;
                sched.state.counter = idx;
                if sched.constraint().overlap && !sched.save_state() {
                    self.hw
                        .warn("perf_sched_save_state: too many overlapping constraints");
                }
                return true;
            }
            if !sched.restore_state() {
                return false;
            }
        }
    }

    /// `perf_assign_events`: a counter for each constraint, into `assign` by slot. `wmin` and
    /// `wmax` are the least and the greatest weight, `gpmax` the general-purpose counters that may
    /// be given out. Returns how many events got none.
    ///
    /// # Safety
    /// Every pointer of `constraints` is valid.
    #[inline(never)]
    pub unsafe fn perf_assign_events(
        &self,
        constraints: &[*const EventConstraint],
        wmin: i32,
        wmax: i32,
        gpmax: i32,
        mut assign: Option<&mut [i32; EVENTS_MAX]>,
    ) -> i32 {
        // SAFETY: valid by the caller's promise.
        let is_lightest = |c: &*const EventConstraint| unsafe { (**c).weight } == wmin;
        let state = SchedState {
            weight: wmin,
            event: constraints
                .iter()
                .position(is_lightest)
                .unwrap_or(constraints.len()),
            counter: 0,
            unassigned: constraints.len().cast_signed() as i32,
            nr_gp: 0,
            used: 0,
        };
        let mut sched = PerfSched {
            constraints,
            max_weight: wmax,
            max_gp: gpmax,
            state,
            saved_states: 0,
            saved: [state; SCHED_STATES_MAX],
        };
        while self.perf_sched_find_counter(&mut sched) {
            if let Some(assign) = &mut assign {
                assign[sched.state.event] = sched.state.counter.cast_signed();
            }
            if !sched.next_event() {
                break;
            }
        }
        sched.state.unassigned
    }
}
