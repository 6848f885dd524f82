// SPDX-License-Identifier: GPL-2.0-only
//! Transactions: a group is queued as a whole, scheduled as a whole at the commit, or cut off the
//! list again (`x86_pmu_start_txn`, `commit_txn`, `cancel_txn`).

use super::{CpuHwEvents, EVENTS_MAX};
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::txn;

impl<H: Hardware> Perf<H> {
    /// `x86_pmu_start_txn`: `flags` is one of [`crate::types::txn`]. With ADD the PMU is disabled
    /// until the commit or the cancel.
    ///
    /// # Safety
    /// Interrupts are off.
    #[inline(never)]
    pub unsafe fn x86_pmu_start_txn(&self, flags: u32) {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off.
        unsafe {
            if (*cpuc).txn_flags != 0 {
                self.hw
                    .warn("x86_pmu_start_txn: a transaction is in flight");
            }
            (*cpuc).txn_flags = flags;
            if flags & !txn::ADD != 0 {
                return;
            }
            self.perf_pmu_disable();
            (*cpuc).n_txn = 0;
        }
    }

    /// `x86_pmu_commit_txn`: finds counters for everybody. Returns 0 and ends the transaction, or
    /// -EINVAL; then the caller cancels.
    ///
    /// # Safety
    /// Interrupts are off; every listed event is live.
    #[inline(never)]
    pub unsafe fn x86_pmu_commit_txn(&self) -> i32 {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off.
        unsafe {
            if (*cpuc).txn_flags == 0 {
                self.hw
                    .warn("x86_pmu_commit_txn: no transaction is in flight");
            }
            if (*cpuc).txn_flags & !txn::ADD != 0 {
                (*cpuc).txn_flags = 0;
                return 0;
            }

            let n = (*cpuc).n_events;
            let mut assign = [0; EVENTS_MAX];
            let err = self.x86_schedule_events(cpuc, n, Some(&mut assign));
            if err != 0 {
                return err;
            }
            self.copy_assign(cpuc, n, &assign);
            (*cpuc).txn_flags = 0;
            self.perf_pmu_enable();
        }
        0
    }

    /// `x86_pmu_cancel_txn`: cuts the events that this transaction added off the list.
    ///
    /// # Safety
    /// Interrupts are off.
    #[inline(never)]
    pub unsafe fn x86_pmu_cancel_txn(&self) {
        let cpuc = self.cpuc();
        // SAFETY: this CPU's state with interrupts off.
        unsafe {
            let txn_flags = (*cpuc).txn_flags;
            if txn_flags == 0 {
                self.hw
                    .warn("x86_pmu_cancel_txn: no transaction is in flight");
            }
            (*cpuc).txn_flags = 0;
            if txn_flags & !txn::ADD != 0 {
                return;
            }
            (*cpuc).n_added -= (*cpuc).n_txn;
            (*cpuc).n_events -= (*cpuc).n_txn;
            self.perf_pmu_enable();
        }
    }

    /// Makes the first `n` entries of a successful scheduling the wanted state.
    #[inline(always)]
    pub(super) unsafe fn copy_assign(
        &self,
        cpuc: *mut CpuHwEvents,
        n: i32,
        assign: &[i32; EVENTS_MAX],
    ) {
        let n = n.cast_unsigned() as usize;
        // SAFETY: `cpuc` is this CPU's with interrupts off.
        unsafe { (&mut (*cpuc).assign)[..n].copy_from_slice(&assign[..n]) }
    }
}
