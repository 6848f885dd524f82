// SPDX-License-Identifier: GPL-2.0-only
//! The ring buffer (kernel/events/ring_buffer.c): records of any context of one CPU, NMI
//! included, nested in each other.
//!
//! All records are multiples of eight bytes, so that no word lies across the end.

use abi::layout::PAGE_SIZE;

use crate::cell::{barrier, smp_mb_tso};
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;

use super::mmap::{DATA_HEAD, DATA_TAIL};

/// `PERF_RECORD_LOST`.
const RECORD_LOST: u32 = 2;
/// Bytes of a lost record: header, id, count.
const LOST_SIZE: u64 = 24;

/// `struct perf_output_handle`: a record being written.
#[derive(Debug)]
pub(crate) struct OutputHandle {
    event: *mut PerfEvent,
    /// First data page.
    data: *mut u8,
    /// Bytes of data less one.
    mask: u64,
    /// Where the next word goes, in bytes ever written.
    at: u64,
}

/// The first word of a record (`struct perf_event_header`).
pub(crate) const fn record_header(kind: u32, misc: u16, size: u64) -> u64 {
    kind as u64 | (misc as u64) << 32 | size << 48
}

/// A field of the user page.
///
/// # Safety
/// `rb` is a ring buffer's first page.
#[inline(always)]
pub(crate) unsafe fn user_page_field(rb: *mut u8, offset: usize) -> *mut u64 {
    // SAFETY: the offsets lie in the page and are multiples of eight.
    unsafe { rb.add(offset).cast::<u64>() }
}

impl OutputHandle {
    /// `__output_copy` of one word.
    ///
    /// # Safety
    /// The record has room for it.
    #[inline(always)]
    pub(crate) unsafe fn put(&mut self, word: u64) {
        // SAFETY: the masked position lies in the data pages.
        unsafe {
            self.data
                .add((self.at & self.mask) as usize)
                .cast::<u64>()
                .write_volatile(word);
        }
        self.at += 8;
    }
}

impl<H: Hardware> Perf<H> {
    /// `perf_output_begin`: reserves `size` bytes; nothing without a buffer or when it is full.
    ///
    /// # Safety
    /// The core's rule. Called from NMI. Every success is ended by [`Perf::perf_output_end`].
    #[inline(never)]
    pub(crate) unsafe fn perf_output_begin(
        &self,
        event: *mut PerfEvent,
        size: u64,
    ) -> Option<OutputHandle> {
        // SAFETY: the core's rule; a mapped buffer stays for as long as the event.
        unsafe {
            let target = if (*event).parent.is_null() {
                event
            } else {
                (*event).parent
            };
            let rb = (*target).rb.read();
            let pages = u64::from((*target).rb_data_pages);
            if rb.is_null() || pages == 0 {
                return None;
            }
            let state = &(*target).rb_state;
            let mask = pages * PAGE_SIZE - 1;
            let lost = state.lost.read();
            let total = if lost == 0 { size } else { size + LOST_SIZE };

            // perf_output_get_handle
            state.nest.write(state.nest.read() + 1);

            let mut offset;
            loop {
                let tail = user_page_field(rb, DATA_TAIL).read_volatile();
                offset = state.head.read() as u64;
                // CIRC_SPACE: one byte stays free.
                let space = tail.wrapping_sub(offset + 1) & mask;
                if space < total {
                    state.lost.add(&self.hw, 1);
                    self.perf_output_put_handle(target);
                    return None;
                }
                let head = (offset + total) as i64;
                if state.head.cmpxchg(&self.hw, offset as i64, head) == offset as i64 {
                    break;
                }
            }
            let mut handle = OutputHandle {
                event: target,
                data: rb.add(PAGE_SIZE as usize),
                mask,
                at: offset,
            };
            if lost != 0 {
                handle.put(record_header(RECORD_LOST, 0, LOST_SIZE));
                handle.put((*target).id);
                handle.put(state.lost.xchg(&self.hw, 0) as u64);
            }
            Some(handle)
        }
    }

    /// `perf_output_end`.
    ///
    /// # Safety
    /// The handle comes from [`Perf::perf_output_begin`] and its record is complete.
    #[inline(never)]
    pub(crate) unsafe fn perf_output_end(&self, handle: &OutputHandle) {
        // SAFETY: the caller's promise.
        unsafe { self.perf_output_put_handle(handle.event) }
    }

    /// `perf_output_put_handle`: the outermost writer publishes the head, including what writers
    /// that interrupted it have added.
    #[inline(never)]
    unsafe fn perf_output_put_handle(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let state = &(*event).rb_state;
            let nest = state.nest.read();
            if nest > 1 {
                state.nest.write(nest - 1);
                return;
            }
            loop {
                barrier();
                let head = state.head.read();
                // Records before the head.
                smp_mb_tso();
                user_page_field((*event).rb.read(), DATA_HEAD).write_volatile(head as u64);
                barrier();
                state.nest.write(0);
                barrier();
                // Somebody may have come in between and found us still there.
                if head == state.head.read() {
                    return;
                }
                state.nest.write(1);
            }
        }
    }
}
