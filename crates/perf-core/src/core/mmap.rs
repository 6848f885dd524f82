// SPDX-License-Identifier: GPL-2.0-only
//! The pages that an event shares with its user: the user page, and the ring buffer behind it.
//!
//! A mapping ends when its event is closed: there is no munmap.

use core::ptr;

use abi::layout::PAGE_SIZE;
use abi::syscall::Attr;

use crate::cell::barrier;
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::PerfEvent;
use crate::x86::PERF_X86_EVENT_RDPMC_ALLOWED;

use super::attr_flag;
use super::errno::{EINVAL, ENOMEM};
use super::ring::user_page_field;

/// `perf_event_mmap_page.lock` (the low half of its word; `index` is the high half).
const LOCK: usize = 8;
/// `index`.
const INDEX: usize = 12;
/// `offset`.
const OFFSET: usize = 16;
/// `time_enabled`.
const TIME_ENABLED: usize = 24;
/// `time_running`.
const TIME_RUNNING: usize = 32;
/// `capabilities`.
const CAPABILITIES: usize = 40;
/// `pmc_width`.
const PMC_WIDTH: usize = 48;
/// `size`.
const SIZE: usize = 72;
/// `data_head`.
pub(crate) const DATA_HEAD: usize = 1024;
/// `data_tail`: the user moves it.
pub(crate) const DATA_TAIL: usize = 1032;
/// `data_offset`.
const DATA_OFFSET: usize = 1040;
/// `data_size`.
const DATA_SIZE: usize = 1048;
/// `cap_bit0_is_deprecated`.
const CAP_BIT0_IS_DEPRECATED: u64 = 1 << 1;
/// `cap_user_rdpmc`.
const CAP_USER_RDPMC: u64 = 1 << 2;
/// Where the described part of the user page ends (`offsetof(.., __reserved)`).
const DESCRIBED_SIZE: u32 = 76;

impl<H: Hardware> Perf<H> {
    /// `perf_mmap`: the address of the user page and `len / 4096 - 1` data pages (a power of two,
    /// or none), or a negative error. A second call returns the same pages.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_mmap(&self, event: *mut PerfEvent, len: u64) -> i64 {
        // SAFETY: the core's rule.
        unsafe {
            (*event).mmap_mutex.lock();
            let ret = self.perf_mmap_locked(event, len);
            (*event).mmap_mutex.unlock();
            ret
        }
    }

    /// The part of `perf_mmap` that holds `mmap_mutex`.
    #[inline(always)]
    unsafe fn perf_mmap_locked(&self, event: *mut PerfEvent, len: u64) -> i64 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).cpu == -1 && attr_flag(event, Attr::INHERIT) {
                return -i64::from(EINVAL);
            }
            let pages = len.div_ceil(PAGE_SIZE);
            if pages == 0 || pages > 1 << 16 {
                return -i64::from(EINVAL);
            }
            let data_pages = (pages - 1) as u32;
            if data_pages != 0 && !data_pages.is_power_of_two() {
                return -i64::from(EINVAL);
            }
            let old = (*event).rb.read();
            if !old.is_null() {
                if (*event).rb_data_pages != data_pages {
                    return -i64::from(EINVAL);
                }
                return old as i64;
            }
            let rb = self.hw.map_shared_pages(pages as usize);
            if rb.is_null() {
                return -i64::from(ENOMEM);
            }
            // perf_event_init_userpage
            user_page_field(rb, CAPABILITIES).write_volatile(CAP_BIT0_IS_DEPRECATED);
            rb.add(SIZE).cast::<u32>().write_volatile(DESCRIBED_SIZE);
            user_page_field(rb, DATA_OFFSET).write_volatile(PAGE_SIZE);
            user_page_field(rb, DATA_SIZE).write_volatile(u64::from(data_pages) * PAGE_SIZE);
            (*event).rb_data_pages = data_pages;
            // ring_buffer_attach: from here on an overflow finds it.
            barrier();
            (*event).rb.write(rb);
            self.perf_event_update_userpage(event);
            rb as i64
        }
    }

    /// `perf_event_update_userpage`: writes the user page under its sequence count. Nothing
    /// without a mapping.
    ///
    /// # Safety
    /// The core's rule. Called from NMI too; must not nest for one event.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_update_userpage(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            self.update_own_userpage(event);
            self.update_sharers_userpages(event);
        }
    }

    /// The event's own page: the whole of `perf_event_update_userpage` in mainline.
    #[inline(always)]
    unsafe fn update_own_userpage(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule; the fields lie in the user page.
        unsafe {
            let rb = (*event).rb.read();
            if rb.is_null() {
                return;
            }
            let (enabled, running) = self.calc_timer_values(event);
            let lock = rb.add(LOCK).cast::<u32>();
            lock.write_volatile(lock.read_volatile().wrapping_add(1));
            barrier();
            let index = self.perf_event_index(event);
            rb.add(INDEX).cast::<u32>().write_volatile(index);
            let mut offset = self.perf_event_count(event);
            if index != 0 {
                let owner = self.userpage_owner(event);
                offset = offset.wrapping_sub((*owner).hw.prev_count.read() as u64);
            }
            user_page_field(rb, OFFSET).write_volatile(offset);
            let enabled = enabled.wrapping_add((*event).child_total_time_enabled.read() as u64);
            user_page_field(rb, TIME_ENABLED).write_volatile(enabled);
            let running = running.wrapping_add((*event).child_total_time_running.read() as u64);
            user_page_field(rb, TIME_RUNNING).write_volatile(running);

            // arch_perf_update_userpage; no user-space time.
            let mut capabilities = CAP_BIT0_IS_DEPRECATED;
            if (*event).hw.flags & PERF_X86_EVENT_RDPMC_ALLOWED != 0 {
                capabilities |= CAP_USER_RDPMC;
            }
            user_page_field(rb, CAPABILITIES).write_volatile(capabilities);
            let width = self.x86_pmu().cntval_bits as u16;
            rb.add(PMC_WIDTH).cast::<u16>().write_volatile(width);

            barrier();
            lock.write_volatile(lock.read_volatile().wrapping_add(1));
        }
    }

    /// `perf_mmap_close`: the event is being closed; its overflows find no buffer any more.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn perf_mmap_close(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe { (*event).rb.write(ptr::null_mut()) }
    }
}
