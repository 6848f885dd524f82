// SPDX-License-Identifier: GPL-2.0-only
//! A CPU goes away and comes back (`perf_event_exit_cpu`, `perf_event_init_cpu`), as far as its
//! events know of it.

use core::mem::offset_of;

use crate::hw::Hardware;
use crate::list::EntriesSafe;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, event_type};

use super::install::DETACH_GROUP;

impl<H: Hardware> Perf<H> {
    /// The system call `offline`: this CPU's own events leave their context for good; their
    /// descriptors stay. Events of tasks are left alone. 0.
    ///
    /// # Safety
    /// A system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_offline(&self) -> i64 {
        // SAFETY: the caller's promise; the callback of CPU hotplug runs on the CPU itself.
        unsafe { self.perf_event_exit_cpu() };
        0
    }

    /// The system call `online`. 0.
    ///
    /// # Safety
    /// As for [`Perf::sys_offline`].
    #[inline(never)]
    pub unsafe fn sys_online(&self) -> i64 {
        // SAFETY: this CPU's own contexts.
        unsafe {
            let cpuctx = self.cpuctx();
            (*cpuctx).ctx.mutex.lock();
            (*cpuctx).online.write(true);
            (*cpuctx).ctx.mutex.unlock();
        }
        0
    }

    /// `perf_event_exit_cpu_context`.
    #[inline(never)]
    unsafe fn perf_event_exit_cpu(&self) {
        // SAFETY: this CPU's own contexts.
        unsafe {
            let cpuctx = self.cpuctx();
            let ctx = &raw mut (*cpuctx).ctx;
            (*ctx).mutex.lock();
            let cpu = self.hw.cpu() as i32;
            self.cpu_function_call(cpu, Self::perf_event_exit_context, ctx.cast::<()>());
            (*cpuctx).online.write(false);
            (*ctx).mutex.unlock();
        }
    }

    /// `__perf_event_exit_context`: on the CPU, interrupts off.
    #[inline(never)]
    unsafe fn perf_event_exit_context(&self, info: *mut ()) -> i32 {
        // SAFETY: the core's rule; `info` is the CPU's context. A removed event still leads on to its
        // old successor.
        unsafe {
            let ctx = info.cast::<PerfEventContext>();
            let cpuctx = self.cpuctx();
            (*ctx).lock.lock();
            self.ctx_sched_out(ctx, cpuctx, event_type::TIME);
            let events = EntriesSafe::<PerfEvent>::new(
                &raw const (*ctx).event_list,
                offset_of!(PerfEvent, event_entry),
            );
            for event in events {
                self.perf_remove_from_context_here(event, cpuctx, ctx, DETACH_GROUP);
            }
            (*ctx).lock.unlock();
            0
        }
    }
}
