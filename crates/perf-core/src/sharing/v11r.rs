// SPDX-License-Identifier: GPL-2.0-only
//! Version `v11r`: what it changes against v11. The mail's subject still says v11; it is an
//! intermediate on the way to v12.
//!
//! Author: Song Liu. Date: 24 March 2020.
//! Message-ID: 20200324214125.153584-1-songliubraving@fb.com.
//!
//! Against v11: events that are off neither look for a master nor become one; the user page says
//! what the master's counter says.

use core::ptr;

use super::context_events;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, hes, state};

impl<H: Hardware> Perf<H> {
    /// `perf_event_setup_dup`: only what is at least INACTIVE, on both sides.
    #[inline(never)]
    pub(super) unsafe fn setup_dup_v11r(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() < state::INACTIVE || !self.perf_event_can_share(event) {
                return;
            }
            for tmp in context_events(ctx) {
                if ptr::eq(tmp, event)
                    || (*tmp).state.read() < state::INACTIVE
                    || !self.perf_event_can_share(tmp)
                    || !self.perf_event_compatible(event, tmp)
                {
                    continue;
                }
                if (*tmp).dup_master.read().is_null() {
                    if (*tmp).state.read() == state::ACTIVE {
                        self.pmu_op_read(tmp);
                    }
                    self.perf_event_init_dup_master(tmp);
                }
                (*event).dup_master.write((*tmp).dup_master.read());
                break;
            }
        }
    }

    /// `perf_event_index`: the counter of the master, if the master is at least ENABLED.
    #[inline(never)]
    pub(super) unsafe fn index_v11r(&self, event: *mut PerfEvent) -> u32 {
        // SAFETY: the core's rule.
        unsafe {
            let owner = self.userpage_owner_v11r(event);
            if (*owner).hw.state.read() & hes::STOPPED != 0
                || (*owner).state.read() < state::ENABLED
            {
                return 0;
            }
            self.pmu_op_event_idx(owner) as u32
        }
    }

    /// The event whose `prev_count` `perf_event_update_userpage` subtracts: the master.
    #[inline(never)]
    pub(super) unsafe fn userpage_owner_v11r(&self, event: *mut PerfEvent) -> *mut PerfEvent {
        // SAFETY: the core's rule.
        unsafe {
            let master = (*event).dup_master.read();
            if master.is_null() { event } else { master }
        }
    }
}
