// SPDX-License-Identifier: GPL-2.0-only
//! Mutants: versions that are wrong on purpose, one for each oracle and each tolerance. No patch
//! has them; they show that the oracles see what they are for. Scheduler files are in
//! `sim-configs/schedulers/mutants`, and a mutant that no oracle catches fails a test.

use super::context_events;
use crate::cell::barrier;
use crate::core::errno::EAGAIN;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, ef, state};

/// How often `pmu_read_mutant_wait` looks: some 500,000 instructions.
const LOOKS: u32 = 10_000;

impl<H: Hardware> Perf<H> {
    /// delta's `read_dup` that adds the difference twice. Oracle `count`, also where the event
    /// counts the kernel: the error is larger than the interval.
    #[inline(never)]
    pub(super) unsafe fn read_dup_mutant_add_twice(
        &self,
        event: *mut PerfEvent,
        master: *mut PerfEvent,
    ) {
        // SAFETY: the core's rule; a tombstone is not followed.
        unsafe {
            let counted = if core::ptr::eq(event, master) {
                &raw const (*event).master_count
            } else {
                &raw const (*event).count
            };
            let before = (*counted).read();
            self.read_dup_delta(event, master);
            let delta = (*counted).read().wrapping_sub(before);
            (*counted).add(&self.hw, delta);
        }
    }

    /// delta's `read_dup` that reads the master once, before the loop: a sample between that and
    /// the cmpxchg has seen more, and the cmpxchg takes it back. Oracle `monotony`; nothing is lost.
    #[inline(never)]
    pub(super) unsafe fn read_dup_mutant_load_once(
        &self,
        event: *mut PerfEvent,
        master: *mut PerfEvent,
    ) {
        // SAFETY: the core's rule; a tombstone is not followed.
        unsafe {
            if core::ptr::eq(master, crate::types::TOMBSTONE) {
                return;
            }
            if (*master).state.read() > state::INACTIVE {
                self.pmu_op_read(master);
            }
            let new_count = (*master).count.read();
            let mut prev_count;
            loop {
                prev_count = (*event).dup_count.read();
                if (*event).dup_count.cmpxchg(&self.hw, prev_count, new_count) == prev_count {
                    break;
                }
            }
            let delta = new_count.wrapping_sub(prev_count);
            if core::ptr::eq(event, master) {
                (*event).master_count.add(&self.hw, delta);
            } else {
                (*event).count.add(&self.hw, delta);
            }
        }
    }

    /// none's `pmu_del` that reads the event once more, when it holds no counter. Oracle
    /// `ownership`; the value is right as long as nobody else has got the counter.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_mutant_read_after(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.pmu_op_del(event);
            self.pmu_op_read(event);
        }
    }

    /// delta's `pmu_del` whose last sync claims the difference by cmpxchg and never adds it. Oracle
    /// `count`, by a sample: the tolerance for claims must end where the claiming function ends.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_mutant_claim_only(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let master = (*event).dup_master.read();
            if master.is_null() {
                self.pmu_op_del(event);
                return;
            }
            let active = (*master).dup_active.read() - 1;
            (*master).dup_active.write(active);
            if active == 0 {
                self.pmu_op_del(master);
                self.perf_event_set_state(master, state::INACTIVE);
            } else {
                self.pmu_op_read(master);
            }
            let prev_count = (*event).dup_count.read();
            let new_count = (*master).count.read();
            (*event).dup_count.cmpxchg(&self.hw, prev_count, new_count);
        }
    }

    /// none's `sched_out_state` that says ENABLED, the state of a master whose counter runs for
    /// others. Oracle `state`.
    #[inline(never)]
    pub(super) unsafe fn sched_out_state_mutant_enabled(&self, _event: *mut PerfEvent) -> i32 {
        state::ENABLED
    }

    /// none's `pmu_add` that starts the event before it has a counter; the driver refuses with a
    /// warning, and nothing else happens. Oracle `warn`.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_mutant_start_early(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule; x86_pmu_start checks for a counter.
        unsafe {
            let ret = self.pmu_op_add(event, ef::START);
            self.x86_pmu_start(event, 0);
            ret
        }
    }

    /// none's `pmu_read` that keeps the address of the context's newest event (in a field that only
    /// sharing uses) and follows it the next time; nobody holds a reference. Oracle `freed`.
    #[inline(never)]
    pub(super) unsafe fn pmu_read_mutant_keep_pointer(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule; the guest never gives the memory of events back.
        unsafe {
            let kept = (*event).dup_base_child_count.read() as *mut PerfEvent;
            if !kept.is_null() {
                (*kept).state.read();
            }
            self.pmu_op_read(event);
            let ctx = (*event).ctx;
            if let Some(newest) = context_events(ctx).next() {
                (*event).dup_base_child_count.write(newest as u64);
            }
        }
    }

    /// none's `pmu_read` that waits for the count to move, which it cannot where the PMU is
    /// disabled or the ring is not counted. Oracle `progress`, in NMI.
    #[inline(never)]
    pub(super) unsafe fn pmu_read_mutant_wait(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.pmu_op_read(event);
            let before = (*event).count.read();
            for _ in 0..LOOKS {
                self.pmu_op_read(event);
                if (*event).count.read() != before {
                    break;
                }
                barrier();
            }
        }
    }

    /// delta's `remove_dup` without the fold into the sharers: what the old master has counted since
    /// their last sync is lost. Oracle `count`, also where the event counts the kernel: the interval
    /// that a flip widens must not cover what user code did before the call.
    #[inline(never)]
    pub(super) unsafe fn remove_dup_mutant_no_fold(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe { self.remove_dup_delta_body::<false>(event, ctx) }
    }

    /// delta's `read_dup` without the guard: it reads the master whatever its state is. Breaks P13,
    /// oracle `ownership`.
    #[inline(never)]
    pub(super) unsafe fn read_dup_mutant_unguarded(
        &self,
        event: *mut PerfEvent,
        master: *mut PerfEvent,
    ) {
        // SAFETY: the core's rule; a tombstone is not followed.
        unsafe {
            if !core::ptr::eq(master, crate::types::TOMBSTONE) {
                self.pmu_op_read(master);
            }
            self.read_dup_delta(event, master);
        }
    }

    /// delta's `pmu_add` that also counts a sharer as ACTIVE in the sharer itself. Breaks P11,
    /// oracle `state`; nothing counts wrongly.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_mutant_active_of_sharer(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let ret = self.pmu_add_delta(event);
            let master = (*event).dup_master.read();
            if ret == 0 && !master.is_null() && !core::ptr::eq(master, event) {
                (*event).dup_active.write(1);
            }
            ret
        }
    }

    /// delta's `pmu_del` that says INACTIVE behind the last sync, which so reads a master that is
    /// off the PMU. Breaks P14, oracle `ownership`.
    #[inline(never)]
    pub(super) unsafe fn pmu_del_mutant_state_last(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let master = (*event).dup_master.read();
            if master.is_null() {
                self.pmu_op_del(event);
                return;
            }
            let active = (*master).dup_active.read() - 1;
            (*master).dup_active.write(active);
            if active == 0 {
                self.pmu_op_del(master);
            }
            self.event_pmu_read_dup(event, master);
            if active == 0 {
                self.perf_event_set_state(master, state::INACTIVE);
            }
        }
    }

    /// v10's `pmu_read` that ends a master's being one while it is ACTIVE, and makes it one again,
    /// without its ACTIVE duplicates. Breaks P5: the assertion of `exit_dup_master` fires; oracle
    /// `state`.
    #[inline(never)]
    pub(super) unsafe fn pmu_read_mutant_exit_active(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.pmu_read_v10(event);
            if core::ptr::eq((*event).dup_master.read(), event) {
                self.perf_event_exit_dup_master(event);
                (*event).dup_master.write(event);
            }
        }
    }

    /// v12's `exit_dup_master` with the store of `count` behind that of `dup_master`, as a compiler
    /// could leave two plain stores between which no barrier stands. Not what v12 is: there both are
    /// volatile. Shows P24, oracle `count`.
    #[inline(never)]
    pub(super) unsafe fn exit_dup_master_variant_sunk_store(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let now = (*event).state.read();
            self.warn_on(
                !(state::OFF..=state::INACTIVE).contains(&now),
                "perf_event_exit_dup_master: state",
            );
            let count = (*event).master_count.read();
            (*event).dup_active.write(0);
            (*event).dup_master.write(core::ptr::null_mut());
            (*event).count.set(count);
            barrier();
        }
    }

    /// delta's `pmu_add` that finds room for a master and one sharer only. Oracle `schedule`: who is
    /// refused waits, and nothing else is wrong.
    #[inline(never)]
    pub(super) unsafe fn pmu_add_mutant_third_waits(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let master = (*event).dup_master.read();
            if !master.is_null() && (*master).dup_active.read() >= 2 {
                return -EAGAIN;
            }
            self.pmu_add_delta(event)
        }
    }

    /// none's `sched_out_state` that forgets how long the event has been ACTIVE. Oracle `times`; the
    /// count is right.
    #[inline(never)]
    pub(super) unsafe fn sched_out_state_mutant_lose_time(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the core's rule.
        unsafe { (*event).tstamp.write(Self::perf_event_time(event)) }
        state::INACTIVE
    }

    /// none's `setup_dup`, which does nothing, but for an inherited event: that becomes the last of
    /// its context instead of the first. The contexts of clones then no longer list their events in
    /// one order, by which `perf_event_sync_stat` finds the pairs whose counts it exchanges. Oracle
    /// `ownership`.
    #[inline(never)]
    pub(super) unsafe fn setup_dup_mutant_child_last(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule; ctx->lock is held.
        unsafe {
            if !(*event).parent.is_null() {
                (*event).event_entry.del_init();
                (*ctx).event_list.add_tail(&(*event).event_entry);
            }
        }
    }

    /// none's `sync_child_event` that drops the count of a child that exits. Oracle `count`, by the
    /// part of the ideal that exited children leave to their parent.
    #[inline(never)]
    pub(super) unsafe fn sync_child_event_mutant_lose(&self, parent: *mut PerfEvent, _value: i64) {
        // SAFETY: the core's rule.
        unsafe { (*parent).child_count.add(0) }
    }

    /// none's `perf_event_index` that does not ask whether the counter is stopped. Oracle `count`, by
    /// the user page's reader: it adds a counter that is somebody else's by then.
    #[inline(never)]
    pub(super) unsafe fn index_mutant_stopped(&self, event: *mut PerfEvent) -> u32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() != state::ACTIVE {
                return 0;
            }
            self.pmu_op_event_idx(event) as u32
        }
    }

    /// v12's `perf_event_count` with its loads in the other order, as a processor may make them that
    /// keeps no loads in order: nothing in v12 forbids it. Not what v12 is on x86. Shows P25, oracle
    /// `count`.
    #[inline(never)]
    pub(super) unsafe fn event_count_variant_loads_swapped(&self, event: *mut PerfEvent) -> u64 {
        // SAFETY: the core's rule.
        unsafe {
            let own = (*event).count.read();
            let of_master = (*event).master_count.read();
            let count = if core::ptr::eq((*event).dup_master.read(), event) {
                of_master
            } else {
                own
            };
            count.wrapping_add((*event).child_count.read()) as u64
        }
    }
}
