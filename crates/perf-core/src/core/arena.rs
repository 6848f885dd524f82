// SPDX-License-Identifier: GPL-2.0-only
//! Memory of events. A freed event is poisoned and never used again in this run, so that a use
//! after free is seen instead of hitting a new event.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

/// Events that can be opened in one run, closed ones included.
pub const EVENTS_MAX: usize = 512;
/// What a freed event is filled with (`POISON_FREE`).
pub const POISON: u8 = 0x6b;

/// The events of a run, page-aligned.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Arena {
    /// One for each event ever opened.
    pub slots: [UnsafeCell<MaybeUninit<PerfEvent>>; EVENTS_MAX],
    /// Slots given out.
    pub used: AtomicUsize,
}

impl Arena {
    /// An arena of zeroed slots.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { UnsafeCell::new(MaybeUninit::zeroed()) }; EVENTS_MAX],
            used: AtomicUsize::new(0),
        }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Hardware> Perf<H> {
    /// `kzalloc` of an event: zeroed memory, or null when [`EVENTS_MAX`] events have existed.
    #[inline(never)]
    pub(crate) fn alloc_event(&self) -> *mut PerfEvent {
        let slot = self.arena.used.fetch_add(1, Ordering::Relaxed);
        if slot >= EVENTS_MAX {
            self.arena.used.store(EVENTS_MAX, Ordering::Relaxed);
            return ptr::null_mut();
        }
        self.arena.slots[slot].get().cast()
    }

    /// `free_event`: waits for its irq_work, tells the host, then poisons. The memory stays out of use.
    ///
    /// # Safety
    /// The event came from [`Perf::alloc_event`] and nothing refers to it any more.
    #[inline(never)]
    pub(crate) unsafe fn free_event(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe { self.irq_work_sync(event) }
        self.hw.event_died(event);
        // SAFETY: the caller's promise.
        unsafe { self.poison_event(event) }
    }

    /// The part of `free_event` for an event that the host was never told of.
    ///
    /// # Safety
    /// As for [`Perf::free_event`].
    #[inline(never)]
    pub(crate) unsafe fn poison_event(&self, event: *mut PerfEvent) {
        // SAFETY: the slot is this event's alone and is never typed again.
        unsafe { ptr::write_bytes(event.cast::<u8>(), POISON, size_of::<PerfEvent>()) }
    }
}
