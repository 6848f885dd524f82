// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: numbers that own a context, and the switch from one to another.
//!
//! A task gets its events by `perf_event_open` and by fork (`inherit.rs`) and loses them when it
//! exits (`exit.rs`). Two tasks whose contexts are clones of each other exchange them in a switch,
//! and the events go on counting.

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;

use abi::syscall::Attr;

use crate::cell::smp_mb_tso;
use crate::hw::Hardware;
use crate::list::Entries;
use crate::perf::Perf;
use crate::types::{
    PerfEvent, PerfEventContext, TASK_TOMBSTONE, Task, TaskSlot, event_type, slot, state,
};

use super::attr_flag;
use super::errno::{EEXIST, ENOMEM, ESRCH};

impl<H: Hardware> Perf<H> {
    /// `find_task_by_vpid`: the task with this number; 0 is this CPU's idle task. Creates it at the
    /// first mention. -ESRCH for one that has exited, -ENOMEM when there is no room for another.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn find_task(&self, pid: u32) -> Result<*mut Task, i32> {
        // SAFETY: slots live as long as `self`; only system calls come here.
        unsafe {
            if pid == 0 {
                return Ok(&raw mut (*self.tasks[self.hw.cpu()].get()).task);
            }
            self.tasks_mutex.lock();
            let found = match self.task_slot(pid) {
                Some(slot) => match (*slot).used.read() {
                    slot::ALIVE => Ok(&raw mut (*slot).task),
                    _ => Err(-ESRCH),
                },
                None => self
                    .new_task(pid)
                    .map(|task| Self::wake_up_new_task(task))
                    .ok_or(-ENOMEM),
            };
            self.tasks_mutex.unlock();
            found
        }
    }

    /// A new task that nobody can name yet: -EEXIST if the number is taken, -ENOMEM without room.
    /// [`Perf::wake_up_new_task`] or [`Perf::free_task`] ends that.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn alloc_task(&self, pid: u32) -> Result<*mut Task, i32> {
        // SAFETY: as in `find_task`.
        unsafe {
            self.tasks_mutex.lock();
            let task = if self.task_slot(pid).is_some() {
                Err(-EEXIST)
            } else {
                self.new_task(pid).ok_or(-ENOMEM)
            };
            self.tasks_mutex.unlock();
            task
        }
    }

    /// `wake_up_new_task`: the number finds the task from here on.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn wake_up_new_task(task: *mut Task) -> *mut Task {
        // SAFETY: a task is the first field of its slot.
        unsafe { (*task.cast::<TaskSlot>()).used.write(slot::ALIVE) };
        task
    }

    /// `free_task`: a new task that nobody could name does not come to be.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn free_task(task: *mut Task) {
        // SAFETY: a task is the first field of its slot.
        unsafe { (*task.cast::<TaskSlot>()).used.write(slot::FREE) }
    }

    /// The slot of a number that was ever given out.
    unsafe fn task_slot(&self, pid: u32) -> Option<*mut TaskSlot> {
        // SAFETY: as in `find_task`; the caller holds the mutex.
        unsafe {
            self.tasks[abi::layout::CPUS_MAX..]
                .iter()
                .map(UnsafeCell::get)
                .find(|&slot| (*slot).used.read() != slot::FREE && (*slot).task.pid == pid)
        }
    }

    /// The first free slot as a new task, on this CPU.
    unsafe fn new_task(&self, pid: u32) -> Option<*mut Task> {
        // SAFETY: as in `task_slot`.
        unsafe {
            let slot = self.tasks[abi::layout::CPUS_MAX..]
                .iter()
                .map(UnsafeCell::get)
                .find(|&slot| (*slot).used.read() == slot::FREE)?;
            (*slot).used.write(slot::NEW);
            (*slot).task.pid = pid;
            (*slot).task.cpu.write(self.hw.cpu() as i32);
            Some(&raw mut (*slot).task)
        }
    }

    /// `perf_lock_task_context`: the task's context, locked, interrupts off, with what
    /// [`Perf::ctx_unlock_irq`] needs; null without one, or when the task has exited.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_lock_task_context(
        &self,
        task: *mut Task,
    ) -> (*mut PerfEventContext, bool) {
        // SAFETY: the core's rule; contexts live as long as `self`.
        unsafe {
            loop {
                let flags = self.hw.irq_save();
                let ctx = (*task).ctx.read();
                if !ctx.is_null() {
                    (*ctx).lock.lock();
                    // A clone may have been exchanged before the lock was ours.
                    if !ptr::eq(ctx, (*task).ctx.read()) {
                        (*ctx).lock.unlock();
                        self.hw.irq_restore(flags);
                        continue;
                    }
                    if !ptr::eq((*ctx).task, TASK_TOMBSTONE) {
                        self.warn_on(
                            !ptr::eq((*ctx).task, task),
                            "perf_lock_task_context: another task's context",
                        );
                        return (ctx, flags);
                    }
                    (*ctx).lock.unlock();
                }
                self.hw.irq_restore(flags);
                return (ptr::null_mut(), false);
            }
        }
    }

    /// `perf_pin_task_context`: the task's context, which stays with the task until
    /// [`Perf::perf_unpin_context`]; null without one.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_pin_task_context(&self, task: *mut Task) -> *mut PerfEventContext {
        // SAFETY: the core's rule.
        unsafe {
            let (ctx, flags) = self.perf_lock_task_context(task);
            if !ctx.is_null() {
                (*ctx).pin_count += 1;
                self.ctx_unlock_irq(ctx, flags);
            }
            ctx
        }
    }

    /// `perf_unpin_context`.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_unpin_context(&self, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            let flags = self.ctx_lock_irq(ctx);
            (*ctx).pin_count -= 1;
            self.ctx_unlock_irq(ctx, flags);
        }
    }

    /// `unclone_ctx`: the context is no clone any more, nor is anything a clone of it.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn unclone_ctx(&self, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            (*ctx).parent_ctx = ptr::null_mut();
            (*ctx).generation += 1;
        }
    }

    /// `find_get_context` for a task: its context, made at its first event; no clone any more, and
    /// pinned until the event is in. -ESRCH if the task is exiting.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn find_get_context(
        &self,
        task: *mut Task,
    ) -> Result<*mut PerfEventContext, i32> {
        // SAFETY: the core's rule.
        unsafe {
            loop {
                let (ctx, flags) = self.perf_lock_task_context(task);
                if !ctx.is_null() {
                    self.unclone_ctx(ctx);
                    (*ctx).pin_count += 1;
                    self.ctx_unlock_irq(ctx, flags);
                    return Ok(ctx);
                }
                (*task).perf_event_mutex.lock();
                let made = if (*task).exiting.read() {
                    Some(Err(-ESRCH))
                } else if (*task).ctx.read().is_null() {
                    let ctx = self.alloc_perf_context(task);
                    (*ctx).pin_count += 1;
                    // rcu_assign_pointer
                    smp_mb_tso();
                    (*task).ctx.write(ctx);
                    Some(Ok(ctx))
                } else {
                    None
                };
                (*task).perf_event_mutex.unlock();
                if let Some(made) = made {
                    return made;
                }
            }
        }
    }

    /// `alloc_perf_context`: a context for a task that has none. It lies beside the task, and no
    /// memory is given back: another task may have it when this one exits.
    ///
    /// # Safety
    /// The core's rule; the task never had a context.
    #[inline(never)]
    pub(crate) unsafe fn alloc_perf_context(&self, task: *mut Task) -> *mut PerfEventContext {
        // SAFETY: a task is the first field of its slot, which holds its context.
        unsafe {
            let ctx = &raw mut (*task.cast::<TaskSlot>()).ctx;
            (*ctx).init();
            (*ctx).task = task;
            ctx
        }
    }

    /// The system call `switch_to`: this CPU runs another task from here on, which it waits for if
    /// another CPU has it. 0, or -ESRCH if the task has exited, -ENOMEM if there is no room for a
    /// new one.
    ///
    /// # Safety
    /// A system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_switch_to(&self, pid: u32) -> i64 {
        // SAFETY: the caller's promise.
        unsafe {
            let next = match self.find_task(pid) {
                Ok(next) => next,
                Err(err) => return i64::from(err),
            };
            if ptr::eq(self.current(), next) {
                return 0;
            }
            if pid != 0 {
                // smp_cond_load_acquire(&p->on_cpu): interrupts stay on, the other CPU may call.
                let this_cpu = self.hw.cpu() as i32 + 1;
                while !(*next).on_cpu.cmpxchg(0, this_cpu) {
                    core::hint::spin_loop();
                }
                if (*next).exiting.read() {
                    (*next).on_cpu.set(0);
                    return -i64::from(ESRCH);
                }
            }
            let flags = self.hw.irq_save();
            self.context_switch(next);
            self.hw.irq_restore(flags);
            0
        }
    }

    /// `context_switch` as far as events know of it: `prepare_task_switch`, the switch,
    /// `finish_task_switch`.
    ///
    /// # Safety
    /// The core's rule; interrupts are off; `next` is this CPU's by [`Task::on_cpu`].
    #[inline(never)]
    pub(crate) unsafe fn context_switch(&self, next: *mut Task) {
        // SAFETY: the core's rule.
        unsafe {
            let prev = self.current();
            self.perf_event_task_sched_out(prev, next);
            (*next).cpu.write(self.hw.cpu() as i32);
            (*self.this_cpu()).current.write(next);
            self.perf_event_task_sched_in(next);
            // finish_task: other CPUs may have it. Idle tasks stay where they are.
            if (*prev).pid != 0 {
                smp_mb_tso();
                (*prev).on_cpu.set(0);
            }
        }
    }

    /// `__perf_event_task_sched_out`.
    #[inline(never)]
    unsafe fn perf_event_task_sched_out(&self, task: *mut Task, next: *mut Task) {
        // SAFETY: the core's rule; interrupts are off.
        unsafe { self.perf_event_context_sched_out(task, next) }
    }

    /// `perf_event_context_sched_out`: contexts that are clones change places, and their events go
    /// on; else the task's events are scheduled out.
    #[inline(never)]
    unsafe fn perf_event_context_sched_out(&self, task: *mut Task, next: *mut Task) {
        // SAFETY: the core's rule; interrupts are off.
        unsafe {
            let ctx = (*task).ctx.read();
            let cpuctx = self.cpuctx();
            if ctx.is_null() || (*cpuctx).task_ctx.is_null() {
                return;
            }
            let next_ctx = (*next).ctx.read();
            if !next_ctx.is_null() && self.switch_clones(task, ctx, next, next_ctx) {
                return;
            }
            (*ctx).lock.lock();
            self.task_ctx_sched_out(cpuctx, ctx, event_type::ALL);
            (*ctx).lock.unlock();
        }
    }

    /// The part of `perf_event_context_sched_out` for clones; false if these are none.
    #[inline(always)]
    unsafe fn switch_clones(
        &self,
        task: *mut Task,
        ctx: *mut PerfEventContext,
        next: *mut Task,
        next_ctx: *mut PerfEventContext,
    ) -> bool {
        // SAFETY: the core's rule; interrupts are off.
        unsafe {
            let parent = (*ctx).parent_ctx;
            let next_parent = (*next_ctx).parent_ctx;
            if parent.is_null() && next_parent.is_null() {
                return false;
            }
            if !ptr::eq(next_parent, ctx)
                && !ptr::eq(next_ctx, parent)
                && !ptr::eq(next_parent, parent)
            {
                return false;
            }
            // Nobody else locks both: the order does not matter.
            (*ctx).lock.lock();
            (*next_ctx).lock.lock();
            let equiv = self.context_equiv(ctx, next_ctx);
            if equiv {
                (&raw mut (*ctx).task).write_volatile(next);
                (&raw mut (*next_ctx).task).write_volatile(task);
                (*task).ctx.write(next_ctx);
                (*next).ctx.write(ctx);
                self.perf_event_sync_stat(ctx, next_ctx);
            }
            (*next_ctx).lock.unlock();
            (*ctx).lock.unlock();
            equiv
        }
    }

    /// `context_equiv`: one is a clone of the other, or both are of a third, and nothing has come or
    /// gone since.
    #[inline(never)]
    unsafe fn context_equiv(
        &self,
        ctx1: *const PerfEventContext,
        ctx2: *const PerfEventContext,
    ) -> bool {
        // SAFETY: the core's rule; both are locked.
        unsafe {
            if (*ctx1).pin_count != 0 || (*ctx2).pin_count != 0 {
                return false;
            }
            if ptr::eq(ctx1, (*ctx2).parent_ctx) && (*ctx1).generation == (*ctx2).parent_gen {
                return true;
            }
            if ptr::eq((*ctx1).parent_ctx, ctx2) && (*ctx1).parent_gen == (*ctx2).generation {
                return true;
            }
            !(*ctx1).parent_ctx.is_null()
                && ptr::eq((*ctx1).parent_ctx, (*ctx2).parent_ctx)
                && (*ctx1).parent_gen == (*ctx2).parent_gen
        }
    }

    /// `perf_event_sync_stat`: walks both lists in step, wherever their orders lead.
    #[inline(never)]
    unsafe fn perf_event_sync_stat(
        &self,
        ctx: *mut PerfEventContext,
        next_ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule; both are locked; nodes of these lists are in events.
        unsafe {
            if (*ctx).nr_stat == 0 {
                return;
            }
            self.update_context_time(ctx);
            let all = |ctx: *mut PerfEventContext| {
                Entries::<PerfEvent>::new(
                    &raw const (*ctx).event_list,
                    offset_of!(PerfEvent, event_entry),
                )
            };
            for (event, next_event) in all(ctx).zip(all(next_ctx)) {
                self.perf_event_sync_stat_one(event, next_event);
            }
        }
    }

    /// `__perf_event_sync_stat`: counts and times follow the tasks, which have exchanged their
    /// events.
    #[inline(never)]
    unsafe fn perf_event_sync_stat_one(&self, event: *mut PerfEvent, next_event: *mut PerfEvent) {
        // SAFETY: the core's rule; both contexts are locked.
        unsafe {
            if !attr_flag(event, Attr::INHERIT_STAT) {
                return;
            }
            if (*event).state.read() > state::INACTIVE {
                self.event_pmu_read(event);
            }
            self.perf_event_update_time(event);
            let value = (*next_event).count.read();
            let value = (*event).count.xchg(&self.hw, value);
            (*next_event).count.set(value);

            let enabled = (*event).total_time_enabled.read();
            (*event)
                .total_time_enabled
                .write((*next_event).total_time_enabled.read());
            (*next_event).total_time_enabled.write(enabled);
            let running = (*event).total_time_running.read();
            (*event)
                .total_time_running
                .write((*next_event).total_time_running.read());
            (*next_event).total_time_running.write(running);

            self.perf_event_update_userpage(event);
            self.perf_event_update_userpage(next_event);
        }
    }

    /// `__perf_event_task_sched_in` and `perf_event_context_sched_in`.
    #[inline(never)]
    unsafe fn perf_event_task_sched_in(&self, task: *mut Task) {
        // SAFETY: the core's rule; interrupts are off.
        unsafe {
            let ctx = (*task).ctx.read();
            let cpuctx = self.cpuctx();
            if ctx.is_null() || ptr::eq((*cpuctx).task_ctx, ctx) {
                return;
            }
            Self::perf_ctx_lock(cpuctx, ctx);
            if (*ctx).nr_events != 0 {
                self.perf_pmu_disable();
                // Pinned groups come before the CPU's flexible ones; without any, those can stay.
                if !(*ctx).pinned_groups.is_empty() {
                    self.cpu_ctx_sched_out(cpuctx, event_type::FLEXIBLE);
                }
                self.perf_event_sched_in(cpuctx, ctx);
                self.perf_pmu_enable();
            }
            Self::perf_ctx_unlock(cpuctx, ctx);
        }
    }
}
