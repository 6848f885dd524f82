// SPDX-License-Identifier: GPL-2.0-only
//! Work that an NMI leaves for the next moment with interrupts on (kernel/irq_work.c), and what
//! events do there.

use core::hint::spin_loop;
use core::ptr;
use core::sync::atomic::Ordering;

use abi::layout::IRQ_WORK_VECTOR;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

impl<H: Hardware> Perf<H> {
    /// `irq_work_queue(&event->pending)`: queues the event on this CPU, once.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn irq_work_queue(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe { self.irq_work_queue_on(event, self.hw.cpu()) }
    }

    /// `irq_work_queue_on`: queues the event on a CPU, once.
    ///
    /// # Safety
    /// As for [`Perf::irq_work_queue`].
    #[inline(never)]
    unsafe fn irq_work_queue_on(&self, event: *mut PerfEvent, cpu: usize) {
        // SAFETY: the core's rule; the queue takes events from anywhere.
        unsafe {
            // irq_work_claim
            if (*event).pending_flags.swap(1, Ordering::SeqCst) != 0 {
                return;
            }
            // llist_add
            let list = &(*self.percpu[cpu].get()).irq_work_list;
            let mut first = list.load(Ordering::Relaxed);
            loop {
                (*event).pending_next.write(first);
                match list.compare_exchange(first, event, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(found) => first = found,
                }
            }
            if first.is_null() {
                if cpu == self.hw.cpu() {
                    self.hw.raise_irq_work();
                } else {
                    self.hw.send_ipi(cpu, IRQ_WORK_VECTOR);
                }
            }
        }
    }

    /// The `irq_work` interrupt (`irq_work_run`): everything that is queued on this CPU.
    ///
    /// # Safety
    /// Interrupts are off, no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn irq_work(&self) {
        // SAFETY: queued events are live: freeing waits for their work.
        unsafe {
            let list = &(*self.this_cpu()).irq_work_list;
            let mut event = list.swap(ptr::null_mut(), Ordering::SeqCst);
            while !event.is_null() {
                let next = (*event).pending_next.read();
                // From here on it may be queued again.
                (*event).pending_flags.swap(0, Ordering::SeqCst);
                self.perf_pending_event(event);
                event = next;
            }
        }
    }

    /// `irq_work_sync`: the event is not queued any more when this returns.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn irq_work_sync(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            // The interrupt may be held back for as long as this system call lasts.
            while (*event).pending_flags.load(Ordering::SeqCst) != 0 {
                let flags = self.hw.irq_save();
                self.irq_work();
                self.hw.irq_restore(flags);
                spin_loop();
            }
        }
    }

    /// `perf_pending_event` with `perf_pending_event_disable`: an event whose limit ran out is
    /// disabled, if scheduling out has not done it already.
    #[inline(never)]
    unsafe fn perf_pending_event(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let cpu = (*event).pending_disable.read();
            if cpu < 0 {
                return;
            }
            if cpu == self.hw.cpu() as i32 {
                (*event).pending_disable.write(-1);
                self.perf_event_disable_local(event);
                return;
            }
            // The event has moved on since its overflow.
            self.irq_work_queue_on(event, cpu as usize);
        }
    }
}
