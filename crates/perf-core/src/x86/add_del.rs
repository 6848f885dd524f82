// SPDX-License-Identifier: GPL-2.0-only
//! The list of events that want a counter: `x86_pmu_add` and `x86_pmu_del`.

use super::EVENTS_MAX;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, ef, hes, txn};

impl<H: Hardware> Perf<H> {
    /// `x86_pmu_add` (pmu->add): queues `event`. Outside a transaction a counter is found for
    /// everybody on the list, but no register and no address field of any event is written: the
    /// outermost [`x86_pmu_enable`](Self::x86_pmu_enable) does that.
    ///
    /// Returns 0, or -EINVAL when the events do not all fit (the list is then as before).
    ///
    /// # Safety
    /// `event` is live and not on the list; interrupts are off, the PMU is disabled.
    #[inline(never)]
    pub unsafe fn x86_pmu_add(&self, event: *mut PerfEvent, flags: u32) -> i32 {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off; `event` is live by the caller's promise.
        unsafe {
            let n0 = (*cpuc).n_events;
            let n = self.collect_events(cpuc, event, false);
            if n < 0 {
                return n;
            }

            let mut state = hes::UPTODATE | hes::STOPPED;
            if flags & ef::START == 0 {
                state |= hes::ARCH;
            }
            (*event).hw.state.write(state);

            // A transaction finds counters for everybody at once, in its commit.
            if (*cpuc).txn_flags & txn::ADD == 0 {
                let mut assign = [0; EVENTS_MAX];
                let err = self.x86_schedule_events(cpuc, n, Some(&mut assign));
                if err != 0 {
                    return err;
                }
                self.copy_assign(cpuc, n, &assign);
            }

            (*cpuc).n_events = n;
            (*cpuc).n_added += n - n0;
            (*cpuc).n_txn += n - n0;
        }
        0
    }

    /// `x86_pmu_del` (pmu->del): stops `event`, folds its last delta, and takes it off the list.
    /// In a transaction it does nothing: cancelling cuts the list.
    ///
    /// # Safety
    /// `event` is live; interrupts are off, the PMU is disabled.
    #[inline(never)]
    pub unsafe fn x86_pmu_del(&self, event: *mut PerfEvent, _flags: u32) {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off; `event` is live by the caller's promise.
        unsafe {
            // Taken to be an event that this very transaction added.
            if (*cpuc).txn_flags & txn::ADD != 0 {
                return;
            }

            self.x86_pmu_stop(event, ef::UPDATE);

            let n = (*cpuc).n_events.cast_unsigned() as usize;
            let mut i = 0;
            while i < n && (*cpuc).event_list[i] != event {
                i += 1;
            }
            if i == n {
                self.hw
                    .warn("x86_pmu_del: the event is not on this CPU's list");
                return;
            }

            // It may never have been programmed.
            if i.cast_signed() as i32 >= (*cpuc).n_events - (*cpuc).n_added {
                (*cpuc).n_added -= 1;
            }

            // assign[] and tags[] belong to the slots, they stay.
            while i + 1 < n {
                (*cpuc).event_list[i] = (*cpuc).event_list[i + 1];
                (*cpuc).event_constraint[i] = (*cpuc).event_constraint[i + 1];
                i += 1;
            }
            (*cpuc).event_constraint[i] = core::ptr::null();
            (*cpuc).n_events -= 1;

            self.perf_event_update_userpage(event);
        }
    }
}
