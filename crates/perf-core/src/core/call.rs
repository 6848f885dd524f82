// SPDX-License-Identifier: GPL-2.0-only
//! Running a function where a context lives: cross calls, context locks, `event_function_call`.
//!
//! A cross call is the kernel's `smp_call_function_single` with wait: the caller puts a descriptor
//! on its own stack into the other CPU's queue, sends an interrupt if the queue was empty, and spins
//! with interrupts on, so that two CPUs may call each other.

use core::hint::spin_loop;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::layout::CALL_FUNCTION_VECTOR;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfCpuContext, PerfEvent, PerfEventContext, TASK_TOMBSTONE, Task};

use super::errno::{EAGAIN, ENXIO, ESRCH};

/// What a cross call runs on the other CPU, with interrupts off.
pub(crate) type RemoteF<H> = unsafe fn(&Perf<H>, *mut ()) -> i32;

/// `event_f`: a change to an event, under its context's lock. `cpuctx` is null when the context is
/// not active.
pub(crate) type EventF<H> =
    unsafe fn(&Perf<H>, *mut PerfEvent, *mut PerfCpuContext, *mut PerfEventContext, u64);

/// `call_single_data_t`: a call on its way to another CPU.
struct CallSingleData<H: Hardware> {
    next: *mut Self,
    func: RemoteF<H>,
    info: *mut (),
    ret: i32,
    /// `CSD_FLAG_LOCK`: not done yet.
    locked: AtomicU32,
}

/// `struct remote_function_call`.
struct RemoteFunctionCall<H: Hardware> {
    task: *mut Task,
    func: RemoteF<H>,
    info: *mut (),
}

/// `struct event_function_struct`.
struct EventFunction<H: Hardware> {
    event: *mut PerfEvent,
    func: EventF<H>,
    data: u64,
}

impl<H: Hardware> Perf<H> {
    /// `smp_call_function_single`: runs `func` on `cpu` with interrupts off, and waits. Returns
    /// what `func` returned, or -ENXIO for a CPU that does not exist.
    ///
    /// # Safety
    /// `info` is what `func` expects; no ctx->lock is held, interrupts are on unless `cpu` is this
    /// one.
    #[inline(never)]
    pub(crate) unsafe fn cpu_function_call(
        &self,
        cpu: i32,
        func: RemoteF<H>,
        info: *mut (),
    ) -> i32 {
        if cpu == self.hw.cpu() as i32 {
            let flags = self.hw.irq_save();
            // SAFETY: the caller's promise.
            let ret = unsafe { func(self, info) };
            self.hw.irq_restore(flags);
            return ret;
        }
        if cpu as u32 >= self.cpus.read() {
            return -ENXIO;
        }
        let mut csd = CallSingleData {
            next: ptr::null_mut(),
            func,
            info,
            ret: 0,
            locked: AtomicU32::new(1),
        };
        // SAFETY: the descriptor outlives the call, which ends by unlocking it.
        unsafe { self.call_single_queue(cpu as usize, &raw mut csd) };
        // csd_lock_wait
        while csd.locked.load(Ordering::Acquire) != 0 {
            spin_loop();
        }
        csd.ret
    }

    /// `generic_exec_single`: queues the call; whoever finds the queue empty sends the interrupt.
    #[inline(never)]
    unsafe fn call_single_queue(&self, cpu: usize, csd: *mut CallSingleData<H>) {
        // SAFETY: per-CPU variables live as long as `self`; the descriptor is ours until queued.
        unsafe {
            let queue = &(*self.percpu[cpu].get()).call_queue;
            // llist_add
            let mut first = queue.load(Ordering::Relaxed);
            loop {
                (*csd).next = first.cast();
                match queue.compare_exchange(first, csd.cast(), Ordering::SeqCst, Ordering::Relaxed)
                {
                    Ok(_) => break,
                    Err(found) => first = found,
                }
            }
            if first.is_null() {
                self.hw.send_ipi(cpu, CALL_FUNCTION_VECTOR);
            }
        }
    }

    /// The cross-call interrupt (`flush_smp_call_function_queue`): runs what is queued for this CPU,
    /// first come, first served.
    ///
    /// # Safety
    /// Interrupts are off, no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn call_function(&self) {
        // SAFETY: whoever queued a descriptor waits until it is unlocked.
        unsafe {
            let queue = &(*self.this_cpu()).call_queue;
            let mut newest = queue
                .swap(ptr::null_mut(), Ordering::SeqCst)
                .cast::<CallSingleData<H>>();
            // llist_reverse_order
            let mut oldest = ptr::null_mut::<CallSingleData<H>>();
            while !newest.is_null() {
                let next = (*newest).next;
                (*newest).next = oldest;
                oldest = newest;
                newest = next;
            }
            while !oldest.is_null() {
                // Unlocking gives it back to its caller.
                let next = (*oldest).next;
                (*oldest).ret = ((*oldest).func)(self, (*oldest).info);
                (*oldest).locked.store(0, Ordering::Release);
                oldest = next;
            }
        }
    }

    /// `task_curr`: does the task run anywhere?
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn task_curr(&self, task: *const Task) -> bool {
        // SAFETY: the core's rule; a task's CPU is a valid number.
        unsafe {
            let cpu = (*task).cpu.read() as usize;
            ptr::eq((*self.percpu[cpu].get()).current.read(), task)
        }
    }

    /// `task_function_call`: as [`Perf::cpu_function_call`] on the CPU where the task runs; -ESRCH
    /// if it runs nowhere.
    ///
    /// # Safety
    /// As for [`Perf::cpu_function_call`].
    #[inline(never)]
    pub(crate) unsafe fn task_function_call(
        &self,
        task: *mut Task,
        func: RemoteF<H>,
        info: *mut (),
    ) -> i32 {
        let mut call = RemoteFunctionCall { task, func, info };
        let call = (&raw mut call).cast::<()>();
        loop {
            // SAFETY: the caller's promise.
            let ret =
                unsafe { self.cpu_function_call((*task).cpu.read(), Self::remote_function, call) };
            // It has moved on: after it.
            if ret != -EAGAIN {
                return ret;
            }
        }
    }

    /// `remote_function`: on the CPU where the task was seen last.
    #[inline(never)]
    unsafe fn remote_function(&self, info: *mut ()) -> i32 {
        // SAFETY: `info` comes from `task_function_call`; the core's rule.
        unsafe {
            let call = info.cast::<RemoteFunctionCall<H>>();
            let task = (*call).task;
            if (*task).cpu.read() != self.hw.cpu() as i32 {
                return -EAGAIN;
            }
            // Between two tasks, or asleep: nobody runs it.
            if !ptr::eq(task, self.current()) {
                return -ESRCH;
            }
            ((*call).func)(self, (*call).info)
        }
    }

    /// `perf_ctx_lock`: the CPU context first, then the task's. Interrupts are off.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn perf_ctx_lock(
        cpuctx: *mut PerfCpuContext,
        task_ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            (*cpuctx).ctx.lock.lock();
            if !task_ctx.is_null() {
                (*task_ctx).lock.lock();
            }
        }
    }

    /// `perf_ctx_unlock`.
    ///
    /// # Safety
    /// The core's rule; both are held.
    #[inline(always)]
    pub(crate) unsafe fn perf_ctx_unlock(
        cpuctx: *mut PerfCpuContext,
        task_ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            if !task_ctx.is_null() {
                (*task_ctx).lock.unlock();
            }
            (*cpuctx).ctx.lock.unlock();
        }
    }

    /// `raw_spin_lock_irqsave(&ctx->lock)`: returns what [`Perf::ctx_unlock_irq`] needs.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn ctx_lock_irq(&self, ctx: *mut PerfEventContext) -> bool {
        let flags = self.hw.irq_save();
        // SAFETY: the core's rule.
        unsafe { (*ctx).lock.lock() }
        flags
    }

    /// `raw_spin_unlock_irqrestore(&ctx->lock)`.
    ///
    /// # Safety
    /// The lock was taken by [`Perf::ctx_lock_irq`], which returned `flags`.
    #[inline(always)]
    pub(crate) unsafe fn ctx_unlock_irq(&self, ctx: *mut PerfEventContext, flags: bool) {
        // SAFETY: the core's rule.
        unsafe { (*ctx).lock.unlock() }
        self.hw.irq_restore(flags);
    }

    /// `event_function`: the part of [`Perf::event_function_call`] that runs on the context's CPU.
    /// -ESRCH if the task is not there any more.
    #[inline(never)]
    unsafe fn event_function(&self, info: *mut ()) -> i32 {
        // SAFETY: the core's rule; `info` comes from `event_function_call`.
        unsafe {
            let efs = info.cast::<EventFunction<H>>();
            let event = (*efs).event;
            let ctx = (*event).ctx;
            let cpuctx = self.cpuctx();
            let task_ctx = (*cpuctx).task_ctx;
            let mut ret = 0;
            Self::perf_ctx_lock(cpuctx, task_ctx);
            if (*ctx).task.is_null() {
                self.warn_on(
                    !ptr::eq(&raw const (*cpuctx).ctx, ctx),
                    "event_function: not this CPU's context",
                );
                ((*efs).func)(self, event, cpuctx, ctx, (*efs).data);
            } else if ptr::eq((*ctx).task, self.current()) {
                // Only established contexts come here, and this one's task runs.
                self.warn_on(
                    (*ctx).is_active.read() == 0,
                    "event_function: context not active",
                );
                self.warn_on(
                    !ptr::eq(task_ctx, ctx),
                    "event_function: context not loaded",
                );
                ((*efs).func)(self, event, cpuctx, ctx, (*efs).data);
            } else {
                ret = -ESRCH;
            }
            Self::perf_ctx_unlock(cpuctx, task_ctx);
            ret
        }
    }

    /// `event_function_call`: runs `func` on the event where its context lives, or under the
    /// context's lock when it is not active anywhere.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn event_function_call(
        &self,
        event: *mut PerfEvent,
        func: EventF<H>,
        data: u64,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            let mut task = (&raw const (*ctx).task).read_volatile();
            let mut efs = EventFunction { event, func, data };
            let info = (&raw mut efs).cast::<()>();
            if task.is_null() {
                self.cpu_function_call((*event).cpu, Self::event_function, info);
                return;
            }
            if ptr::eq(task, TASK_TOMBSTONE) {
                return;
            }
            loop {
                if self.task_function_call(task, Self::event_function, info) == 0 {
                    return;
                }
                let flags = self.ctx_lock_irq(ctx);
                // A switch may have given the context to another task.
                task = (*ctx).task;
                if ptr::eq(task, TASK_TOMBSTONE) {
                    self.ctx_unlock_irq(ctx, flags);
                    return;
                }
                // The task may have been scheduled in meanwhile: its CPU must do it.
                if (*ctx).is_active.read() != 0 {
                    self.ctx_unlock_irq(ctx, flags);
                    continue;
                }
                func(self, event, ptr::null_mut(), ctx, data);
                self.ctx_unlock_irq(ctx, flags);
                return;
            }
        }
    }

    /// `event_function_local`: the same from an interrupt on the event's own CPU.
    ///
    /// # Safety
    /// The core's rule; interrupts are off, no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn event_function_local(
        &self,
        event: *mut PerfEvent,
        func: EventF<H>,
        data: u64,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            let cpuctx = self.cpuctx();
            let task = (&raw const (*ctx).task).read_volatile();
            let mut task_ctx = ptr::null_mut();
            if !task.is_null() {
                if ptr::eq(task, TASK_TOMBSTONE) {
                    return;
                }
                task_ctx = ctx;
            }
            Self::perf_ctx_lock(cpuctx, task_ctx);
            let task = (*ctx).task;
            let here = if ptr::eq(task, TASK_TOMBSTONE) {
                false
            } else if task.is_null() {
                self.warn_on(
                    !ptr::eq(&raw const (*cpuctx).ctx, ctx),
                    "event_function_local: not this CPU's context",
                );
                true
            } else {
                // Inactive, or the right task: there is no calling elsewhere from here.
                (*ctx).is_active.read() == 0
                    || !(self.warn_on(
                        !ptr::eq(task, self.current()),
                        "event_function_local: another task runs",
                    ) || self.warn_on(
                        !ptr::eq((*cpuctx).task_ctx, ctx),
                        "event_function_local: context not loaded",
                    ))
            };
            if here {
                func(self, event, cpuctx, ctx, data);
            }
            Self::perf_ctx_unlock(cpuctx, task_ctx);
        }
    }
}
