// SPDX-License-Identifier: GPL-2.0-only
//! The perf core (kernel/events/core.c, v5.5): contexts, scheduling, reading, overflow.
//!
//! Every function bears the kernel's name (without leading underscores) and is not inlined, so
//! that a report can name it. They are `unsafe` for one reason, which their comments shorten to
//! "the core's rule": **pointers are to live events and contexts of this [`Perf`], and the locks
//! the kernel asks for at this place are held** (`ctx->lock`, interrupts off). What an NMI may
//! look at is a cell of [`crate::cell`].
//!
//! One PMU, no software events, no cgroups: docs/deviations.md lists what is left out.
//!
//! [`Perf`]: crate::perf::Perf

pub mod arena;
pub mod boot;
pub mod call;
pub mod context;
pub mod control;
pub mod exit;
pub mod files;
pub mod hotplug;
pub mod inherit;
pub mod install;
pub mod irq_work;
pub mod mmap;
pub mod open;
pub mod output;
pub mod overflow;
pub mod read;
pub mod resched;
pub mod ring;
pub mod sched;
pub mod software;
pub mod task;
pub mod task_work;
pub mod tick;
pub mod times;

#[cfg(test)]
mod tests;

use core::mem::offset_of;
use core::ptr;

use abi::syscall::Attr;

use crate::hw::Hardware;
use crate::list::Entries;
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext};

/// Error numbers, as Linux returns them (negated).
pub mod errno {
    /// No such file or event type.
    pub const ENOENT: i32 = 2;
    /// No such process.
    pub const ESRCH: i32 = 3;
    /// No such CPU to call.
    pub const ENXIO: i32 = 6;
    /// Argument list too long: attributes or samples too big.
    pub const E2BIG: i32 = 7;
    /// Bad file descriptor.
    pub const EBADF: i32 = 9;
    /// Try again.
    pub const EAGAIN: i32 = 11;
    /// Out of memory.
    pub const ENOMEM: i32 = 12;
    /// Busy.
    pub const EBUSY: i32 = 16;
    /// The task exists already.
    pub const EEXIST: i32 = 17;
    /// No such CPU online.
    pub const ENODEV: i32 = 19;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// Too many open files.
    pub const EMFILE: i32 = 24;
    /// Not an ioctl of this file.
    pub const ENOTTY: i32 = 25;
    /// The buffer is too small.
    pub const ENOSPC: i32 = 28;
    /// Operation not supported.
    pub const EOPNOTSUPP: i32 = 95;
}

/// `MAX_INTERRUPTS`: the event is throttled.
pub const MAX_INTERRUPTS: u64 = u64::MAX;

/// `is_sampling_event`.
///
/// # Safety
/// The core's rule.
#[inline(always)]
pub(crate) unsafe fn is_sampling_event(event: *const PerfEvent) -> bool {
    // SAFETY: the core's rule.
    unsafe { (*event).attr.sample_period != 0 }
}

/// Whether a bit of `attr.flags` is set.
///
/// # Safety
/// The core's rule.
#[inline(always)]
pub(crate) unsafe fn attr_flag(event: *const PerfEvent, flag: u64) -> bool {
    // SAFETY: the core's rule.
    unsafe { (*event).attr.flags & flag != 0 }
}

/// `for_each_sibling_event`: the siblings of a leader; nothing for a sibling.
///
/// # Safety
/// The core's rule.
#[inline(always)]
pub(crate) unsafe fn siblings(event: *mut PerfEvent) -> Entries<PerfEvent> {
    // SAFETY: the core's rule; the nodes of a leader's list are in events.
    unsafe {
        if ptr::eq((*event).group_leader, event) {
            Entries::new(
                &raw const (*event).sibling_list,
                offset_of!(PerfEvent, sibling_list),
            )
        } else {
            Entries::none()
        }
    }
}

/// The inherited children of an event.
///
/// # Safety
/// The core's rule.
#[inline(always)]
pub(crate) unsafe fn children(event: *mut PerfEvent) -> Entries<PerfEvent> {
    // SAFETY: the core's rule; the nodes of this list are in events.
    unsafe {
        Entries::new(
            &raw const (*event).child_list,
            offset_of!(PerfEvent, child_list),
        )
    }
}

/// `primary_event_id`: the number that user space knows the event by.
///
/// # Safety
/// The core's rule.
#[inline(always)]
pub(crate) unsafe fn primary_event_id(event: *const PerfEvent) -> u64 {
    // SAFETY: the core's rule.
    unsafe {
        let parent = (*event).parent;
        if parent.is_null() {
            (*event).id
        } else {
            (*parent).id
        }
    }
}

impl<H: Hardware> Perf<H> {
    /// `perf_event_ctx_lock`: the event's context, whose mutex is held until the caller unlocks it.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_ctx_lock(
        &self,
        event: *const PerfEvent,
    ) -> *mut PerfEventContext {
        // SAFETY: the core's rule; contexts live as long as `self`.
        unsafe {
            loop {
                let ctx = (&raw const (*event).ctx).read_volatile();
                (*ctx).mutex.lock();
                if ptr::eq((&raw const (*event).ctx).read_volatile(), ctx) {
                    return ctx;
                }
                (*ctx).mutex.unlock();
            }
        }
    }

    /// `event_filter_match`: may the event run on this CPU?
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn event_filter_match(&self, event: *const PerfEvent) -> bool {
        // SAFETY: the core's rule.
        let cpu = unsafe { (*event).cpu };
        cpu == -1 || cpu == self.hw.cpu() as i32
    }

    /// `event->attr.pinned`, by group: a sibling goes with its leader.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(always)]
    pub(crate) unsafe fn group_is_pinned(event: *const PerfEvent) -> bool {
        // SAFETY: the core's rule.
        unsafe { attr_flag((*event).group_leader, Attr::PINNED) }
    }
}
