// SPDX-License-Identifier: GPL-2.0-only
//! Scheduling whole contexts in and out, and rotation.

use core::mem::offset_of;
use core::ptr;

use crate::container_of;
use crate::hw::Hardware;
use crate::list::{EntriesSafe, ListHead};
use crate::perf::Perf;
use crate::types::{PerfCpuContext, PerfEvent, PerfEventContext, event_type, state};

/// `struct sched_in_data`.
pub(crate) struct SchedInData {
    ctx: *mut PerfEventContext,
    cpuctx: *mut PerfCpuContext,
    can_add_hw: bool,
}

/// What visits a leader; non-zero ends the visit.
type VisitF<H> = unsafe fn(&Perf<H>, *mut PerfEvent, *mut SchedInData) -> i32;

/// The leaders of an active list; the present one may leave it.
#[inline(always)]
unsafe fn active_leaders(list: *const ListHead) -> EntriesSafe<PerfEvent> {
    // SAFETY: the core's rule; nodes of active lists are in events.
    unsafe { EntriesSafe::new(list, offset_of!(PerfEvent, active_list)) }
}

impl<H: Hardware> Perf<H> {
    /// `get_event_type`: by group, and whether it is a CPU event.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn get_event_type(&self, event: *const PerfEvent) -> u32 {
        // SAFETY: the core's rule.
        unsafe {
            let kind = if Self::group_is_pinned(event) {
                event_type::PINNED
            } else {
                event_type::FLEXIBLE
            };
            if (*(*event).ctx).task.is_null() {
                kind | event_type::CPU
            } else {
                kind
            }
        }
    }

    /// `visit_groups_merge`: the leaders for any CPU and those for this one, by age.
    #[inline(never)]
    unsafe fn visit_groups_merge(
        &self,
        groups: *const ListHead,
        func: VisitF<H>,
        data: *mut SchedInData,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let mut any = self.perf_event_groups_first(groups, -1);
            let mut here = self.perf_event_groups_first(groups, self.hw.cpu() as i32);
            while !any.is_null() || !here.is_null() {
                let take_any = if any.is_null() {
                    false
                } else if here.is_null() {
                    true
                } else {
                    (*any).group_index < (*here).group_index
                };
                let event = if take_any { any } else { here };
                let ret = func(self, event, data);
                if ret != 0 {
                    return ret;
                }
                let next = self.perf_event_groups_next(groups, event);
                if take_any {
                    any = next;
                } else {
                    here = next;
                }
            }
            0
        }
    }

    /// `pinned_sched_in`: a pinned group that does not fit goes to ERROR.
    #[inline(never)]
    unsafe fn pinned_sched_in(&self, event: *mut PerfEvent, sid: *mut SchedInData) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() <= state::OFF || !self.event_filter_match(event) {
                return 0;
            }
            let (ctx, cpuctx) = ((*sid).ctx, (*sid).cpuctx);
            if self.group_can_go_on(event, cpuctx, (*sid).can_add_hw)
                && self.group_sched_in(event, cpuctx, ctx) == 0
            {
                (*ctx).pinned_active.add_tail(&(*event).active_list);
            }
            if (*event).state.read() == state::INACTIVE {
                self.perf_event_set_state(event, state::ERROR);
            }
            0
        }
    }

    /// `flexible_sched_in`: after the first group that does not fit, none is tried.
    #[inline(never)]
    unsafe fn flexible_sched_in(&self, event: *mut PerfEvent, sid: *mut SchedInData) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() <= state::OFF || !self.event_filter_match(event) {
                return 0;
            }
            let (ctx, cpuctx) = ((*sid).ctx, (*sid).cpuctx);
            if self.group_can_go_on(event, cpuctx, (*sid).can_add_hw) {
                if self.group_sched_in(event, cpuctx, ctx) == 0 {
                    (*ctx).flexible_active.add_tail(&(*event).active_list);
                } else {
                    (*sid).can_add_hw = false;
                    (*ctx).rotate_necessary = true;
                }
            }
            0
        }
    }

    /// `ctx_sched_in`: starts the context's clock and schedules in what `kind` names and what was
    /// not in yet.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn ctx_sched_in(
        &self,
        ctx: *mut PerfEventContext,
        cpuctx: *mut PerfCpuContext,
        kind: u32,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if (*ctx).nr_events == 0 {
                return;
            }
            let was = (*ctx).is_active.read();
            let is = was | kind | event_type::TIME;
            (*ctx).is_active.write(is);
            if !(*ctx).task.is_null() {
                if was == 0 {
                    (*cpuctx).task_ctx = ctx;
                } else {
                    self.warn_on(
                        !ptr::eq((*cpuctx).task_ctx, ctx),
                        "ctx_sched_in: context not loaded",
                    );
                }
            }
            let changed = was ^ is;
            if changed & event_type::TIME != 0 {
                (*ctx).timestamp = self.perf_clock();
            }
            // Pinned groups first, for they may not be left out.
            if changed & event_type::PINNED != 0 {
                let mut sid = SchedInData {
                    ctx,
                    cpuctx,
                    can_add_hw: true,
                };
                let groups = &raw const (*ctx).pinned_groups;
                self.visit_groups_merge(groups, Self::pinned_sched_in, &raw mut sid);
            }
            if changed & event_type::FLEXIBLE != 0 {
                let mut sid = SchedInData {
                    ctx,
                    cpuctx,
                    can_add_hw: true,
                };
                let groups = &raw const (*ctx).flexible_groups;
                self.visit_groups_merge(groups, Self::flexible_sched_in, &raw mut sid);
            }
        }
    }

    /// `ctx_sched_out`: stops the clock and schedules out what `kind` names.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn ctx_sched_out(
        &self,
        ctx: *mut PerfEventContext,
        cpuctx: *mut PerfCpuContext,
        kind: u32,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let was = (*ctx).is_active.read();
            if (*ctx).nr_events == 0 {
                self.warn_on(was != 0, "ctx_sched_out: active without events");
                if !(*ctx).task.is_null() {
                    self.warn_on(
                        !(*cpuctx).task_ctx.is_null(),
                        "ctx_sched_out: loaded without events",
                    );
                }
                return;
            }
            let mut is = was & !kind;
            if is & event_type::ALL == 0 {
                is = 0;
            }
            (*ctx).is_active.write(is);
            if !(*ctx).task.is_null() {
                self.warn_on(
                    !ptr::eq((*cpuctx).task_ctx, ctx),
                    "ctx_sched_out: context not loaded",
                );
                if is == 0 {
                    (*cpuctx).task_ctx = ptr::null_mut();
                }
            }
            if was & event_type::TIME != 0 {
                self.update_context_time(ctx);
            }
            let changed = was ^ is;
            if (*ctx).nr_active == 0 || changed & event_type::ALL == 0 {
                return;
            }
            self.perf_pmu_disable();
            if changed & event_type::PINNED != 0 {
                for event in active_leaders(&raw const (*ctx).pinned_active) {
                    self.group_sched_out(event, cpuctx, ctx);
                }
            }
            if changed & event_type::FLEXIBLE != 0 {
                for event in active_leaders(&raw const (*ctx).flexible_active) {
                    self.group_sched_out(event, cpuctx, ctx);
                }
                // Nothing flexible is on, so nothing waits; scheduling in finds out anew.
                (*ctx).rotate_necessary = false;
            }
            self.perf_pmu_enable();
        }
    }

    /// `task_ctx_sched_out`.
    ///
    /// # Safety
    /// As for [`Perf::ctx_sched_out`].
    #[inline(never)]
    pub(crate) unsafe fn task_ctx_sched_out(
        &self,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
        kind: u32,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let loaded = (*cpuctx).task_ctx;
            if loaded.is_null()
                || self.warn_on(
                    !ptr::eq(loaded, ctx),
                    "task_ctx_sched_out: another context is loaded",
                )
            {
                return;
            }
            self.ctx_sched_out(ctx, cpuctx, kind);
        }
    }

    /// `cpu_ctx_sched_out`.
    ///
    /// # Safety
    /// As for [`Perf::ctx_sched_out`].
    #[inline(always)]
    pub(crate) unsafe fn cpu_ctx_sched_out(&self, cpuctx: *mut PerfCpuContext, kind: u32) {
        // SAFETY: the core's rule.
        unsafe { self.ctx_sched_out(&raw mut (*cpuctx).ctx, cpuctx, kind) }
    }

    /// `perf_event_sched_in`: by priority: CPU pinned, task pinned, CPU flexible, task flexible.
    ///
    /// # Safety
    /// As for [`Perf::ctx_sched_in`]; `ctx` may be null.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_sched_in(
        &self,
        cpuctx: *mut PerfCpuContext,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            for kind in [event_type::PINNED, event_type::FLEXIBLE] {
                self.ctx_sched_in(&raw mut (*cpuctx).ctx, cpuctx, kind);
                if !ctx.is_null() {
                    self.ctx_sched_in(ctx, cpuctx, kind);
                }
            }
        }
    }

    /// `ctx_resched`: takes everything of the same or lower priority out and in again. In between,
    /// v12 looks for a counter that `new_event`, which may be null, can share.
    ///
    /// # Safety
    /// The core's rule; both context locks are held, interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn ctx_resched(
        &self,
        cpuctx: *mut PerfCpuContext,
        task_ctx: *mut PerfEventContext,
        new_event: *mut PerfEvent,
        mut kind: u32,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let cpu_event = kind & event_type::CPU != 0;
            // A pinned group may need what flexible ones hold.
            if kind & event_type::PINNED != 0 {
                kind |= event_type::FLEXIBLE;
            }
            let ctx_kind = kind & event_type::ALL;
            self.perf_pmu_disable();
            if !task_ctx.is_null() {
                self.task_ctx_sched_out(cpuctx, task_ctx, kind);
            }
            if cpu_event {
                self.cpu_ctx_sched_out(cpuctx, ctx_kind);
            } else if ctx_kind & event_type::PINNED != 0 {
                self.cpu_ctx_sched_out(cpuctx, event_type::FLEXIBLE);
            }
            self.setup_dup_in_resched(new_event);
            self.perf_event_sched_in(cpuctx, task_ctx);
            self.perf_pmu_enable();
        }
    }

    /// `perf_mux_hrtimer_restart`: some group waits, so the next tick rotates.
    ///
    /// # Safety
    /// The core's rule; interrupts are off.
    #[inline(never)]
    pub(crate) unsafe fn perf_mux_hrtimer_restart(&self, cpuctx: *mut PerfCpuContext) {
        // SAFETY: the core's rule.
        unsafe { (*cpuctx).hrtimer_active = true }
    }

    /// `ctx_event_to_rotate`: the first flexible leader on the PMU, or the first of all.
    #[inline(never)]
    unsafe fn ctx_event_to_rotate(&self, ctx: *mut PerfEventContext) -> *mut PerfEvent {
        // SAFETY: the core's rule; nodes of these lists are in events.
        unsafe {
            // Scheduling in sets it again if some group does not fit.
            (*ctx).rotate_necessary = false;
            let node = (*ctx).flexible_active.next.read();
            if !ptr::eq(node, &raw const (*ctx).flexible_active) {
                return container_of!(node, PerfEvent, active_list);
            }
            let node = (*ctx).flexible_groups.next.read();
            if !ptr::eq(node, &raw const (*ctx).flexible_groups) {
                return container_of!(node, PerfEvent, group_node);
            }
            ptr::null_mut()
        }
    }

    /// `rotate_ctx`: the leader goes to the end.
    #[inline(never)]
    unsafe fn rotate_ctx(&self, ctx: *mut PerfEventContext, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            // A fork is walking the groups.
            if (*ctx).rotate_disable {
                return;
            }
            self.del_event_from_groups(event);
            self.add_event_to_groups(event, ctx);
        }
    }

    /// `perf_rotate_context`: gives the groups that wait their turn. True if something rotated.
    ///
    /// # Safety
    /// The core's rule; interrupts are off, no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_rotate_context(&self, cpuctx: *mut PerfCpuContext) -> bool {
        // SAFETY: the core's rule.
        unsafe {
            let cpu_rotate = (*cpuctx).ctx.rotate_necessary;
            let task_ctx = (*cpuctx).task_ctx;
            let task_rotate = !task_ctx.is_null() && (*task_ctx).rotate_necessary;
            if !cpu_rotate && !task_rotate {
                return false;
            }
            Self::perf_ctx_lock(cpuctx, task_ctx);
            self.perf_pmu_disable();

            let mut task_event = ptr::null_mut();
            let mut cpu_event = ptr::null_mut();
            if task_rotate {
                task_event = self.ctx_event_to_rotate(task_ctx);
            }
            if cpu_rotate {
                cpu_event = self.ctx_event_to_rotate(&raw mut (*cpuctx).ctx);
            }
            // Lowest priority first.
            if !task_event.is_null() || (!task_ctx.is_null() && !cpu_event.is_null()) {
                self.ctx_sched_out(task_ctx, cpuctx, event_type::FLEXIBLE);
            }
            if !cpu_event.is_null() {
                self.cpu_ctx_sched_out(cpuctx, event_type::FLEXIBLE);
            }
            if !task_event.is_null() {
                self.rotate_ctx(task_ctx, task_event);
            }
            if !cpu_event.is_null() {
                self.rotate_ctx(&raw mut (*cpuctx).ctx, cpu_event);
            }
            self.perf_event_sched_in(cpuctx, task_ctx);

            self.perf_pmu_enable();
            // Scheduling out may have unloaded the task context, scheduling in loads it again.
            Self::perf_ctx_unlock(cpuctx, task_ctx);
            true
        }
    }
}
