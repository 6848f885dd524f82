// SPDX-License-Identifier: GPL-2.0-only
//! Version `retry`: v12 with another `perf_event_count`, proposed as an answer to the review of v12.
//!
//! Author: Song Liu. Date: 29 April 2020. Message-ID: F6DBB30D-...@fb.com (its middle is left out
//! in the sharing reference), in reply to 20200420230429.GT2483@worktop (Peter Zijlstra).

use core::ptr;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, TOMBSTONE};

impl<H: Hardware> Perf<H> {
    /// `perf_event_count`: waits while the event changes masters. What was loaded decides; nothing
    /// looks at `dup_master` again behind the load of the count.
    #[inline(never)]
    pub(super) unsafe fn event_count_retry(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            let mut master = (*event).dup_master.read();
            while ptr::eq(master, TOMBSTONE) {
                master = (*event).dup_master.read();
            }
            let count = if ptr::eq(master, event) {
                (*event).master_count.read()
            } else {
                (*event).count.read()
            };
            count.wrapping_add((*event).child_count.read()) as u64
        }
    }
}
