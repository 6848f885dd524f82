// SPDX-License-Identifier: GPL-2.0-only
//! Reading counts: `read(2)` of events and groups, and `perf_event_read_local`.

use core::mem::{MaybeUninit, offset_of};
use core::ptr;

use abi::guest_call::Reader;
use abi::syscall::{
    Attr, FORMAT_GROUP, FORMAT_ID, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING,
};

use crate::cell::smp_mb_tso;
use crate::hw::Hardware;
use crate::list::Entries;
use crate::perf::Perf;
use crate::types::{PerfEvent, attach, event_type, state, txn};

use super::errno::{EBUSY, EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP};
use super::{attr_flag, children, primary_event_id, siblings};

/// Words of the biggest group that can be read: the PMU bounds a group long before.
const GROUP_WORDS_MAX: usize = 3 + 2 * 64;

/// `struct perf_read_data`.
struct PerfReadData {
    event: *mut PerfEvent,
    group: bool,
    ret: i32,
}

impl<H: Hardware> Perf<H> {
    /// `__perf_event_read`: on the CPU where the event runs, interrupts off.
    #[inline(never)]
    unsafe fn perf_event_read_here(&self, info: *mut ()) -> i32 {
        // SAFETY: the core's rule; `info` comes from `perf_event_read`.
        unsafe {
            let data = info.cast::<PerfReadData>();
            let event = (*data).event;
            let ctx = (*event).ctx;
            // The task went away: its context's scheduling out has read the counters.
            if !(*ctx).task.is_null() && !ptr::eq((*self.cpuctx()).task_ctx, ctx) {
                return 0;
            }
            (*ctx).lock.lock();
            if (*ctx).is_active.read() & event_type::TIME != 0 {
                self.update_context_time(ctx);
            }
            self.perf_event_update_time(event);
            if (*data).group {
                self.perf_event_update_sibling_time(event);
            }
            if (*event).state.read() == state::ACTIVE {
                if (*data).group {
                    self.x86_pmu_start_txn(txn::READ);
                    self.event_pmu_read(event);
                    for sub in siblings(event) {
                        if (*sub).state.read() > state::INACTIVE {
                            self.event_pmu_read(sub);
                        }
                    }
                    (*data).ret = self.x86_pmu_commit_txn();
                } else {
                    self.event_pmu_read(event);
                    (*data).ret = 0;
                }
            }
            (*ctx).lock.unlock();
            0
        }
    }

    /// `perf_event_read`: brings count and times up to date, wherever the event runs.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_read(&self, event: *mut PerfEvent, group: bool) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let mut now = (*event).state.read();
            loop {
                if now > state::INACTIVE {
                    // oncpu was written before the state was.
                    smp_mb_tso();
                    let cpu = (*event).oncpu.read();
                    if cpu as u32 >= self.cpus.read() {
                        return 0;
                    }
                    let mut data = PerfReadData {
                        event,
                        group,
                        ret: 0,
                    };
                    // A CPU that is gone has no news.
                    self.cpu_function_call(
                        cpu,
                        Self::perf_event_read_here,
                        (&raw mut data).cast::<()>(),
                    );
                    return data.ret;
                }
                if now != state::INACTIVE {
                    return 0;
                }
                let ctx = (*event).ctx;
                let flags = self.ctx_lock_irq(ctx);
                now = (*event).state.read();
                if now != state::INACTIVE {
                    self.ctx_unlock_irq(ctx, flags);
                    continue;
                }
                if (*ctx).is_active.read() & event_type::TIME != 0 {
                    self.update_context_time(ctx);
                }
                self.perf_event_update_time(event);
                if group {
                    self.perf_event_update_sibling_time(event);
                }
                self.ctx_unlock_irq(ctx, flags);
                return 0;
            }
        }
    }

    /// `__perf_event_read_value`: count, enabled and running time with all children's.
    #[inline(never)]
    unsafe fn perf_event_read_value(&self, event: *mut PerfEvent) -> (u64, u64, u64) {
        // SAFETY: the core's rule.
        unsafe {
            (*event).child_mutex.lock();
            self.perf_event_read(event, false);
            let mut total = self.perf_event_count(event);
            let mut enabled = (*event)
                .total_time_enabled
                .read()
                .wrapping_add((*event).child_total_time_enabled.read() as u64);
            let mut running = (*event)
                .total_time_running
                .read()
                .wrapping_add((*event).child_total_time_running.read() as u64);
            for child in children(event) {
                self.perf_event_read(child, false);
                total = total.wrapping_add(self.perf_event_count(child));
                enabled = enabled.wrapping_add((*child).total_time_enabled.read());
                running = running.wrapping_add((*child).total_time_running.read());
            }
            (*event).child_mutex.unlock();
            (total, enabled, running)
        }
    }

    /// `perf_read_one`.
    #[inline(never)]
    unsafe fn perf_read_one(&self, event: *mut PerfEvent, buf: *mut u64) -> i64 {
        // SAFETY: the core's rule; the caller checked the buffer's length.
        unsafe {
            let format = (*event).attr.read_format;
            let (value, enabled, running) = self.perf_event_read_value(event);
            buf.write_volatile(value);
            self.hw.value(event, value, Reader::Read);
            let mut n = 1;
            if format & FORMAT_TOTAL_TIME_ENABLED != 0 {
                buf.add(n).write_volatile(enabled);
                n += 1;
            }
            if format & FORMAT_TOTAL_TIME_RUNNING != 0 {
                buf.add(n).write_volatile(running);
                n += 1;
            }
            if format & FORMAT_ID != 0 {
                buf.add(n).write_volatile(primary_event_id(event));
                n += 1;
            }
            (n * size_of::<u64>()) as i64
        }
    }

    /// `__perf_read_group_add`: adds one leader's group to `values`.
    #[inline(never)]
    unsafe fn perf_read_group_add(
        &self,
        leader: *mut PerfEvent,
        format: u64,
        values: *mut u64,
    ) -> i32 {
        // SAFETY: the core's rule; the caller sized `values` by the group.
        unsafe {
            let ctx = (*leader).ctx;
            let ret = self.perf_event_read(leader, true);
            if ret != 0 {
                return ret;
            }
            let put = |n: &mut usize, value: u64| {
                *values.add(*n) = (*values.add(*n)).wrapping_add(value);
                *n += 1;
            };
            let flags = self.ctx_lock_irq(ctx);
            let mut n = 1;
            if format & FORMAT_TOTAL_TIME_ENABLED != 0 {
                let own = (*leader).total_time_enabled.read();
                let childs = (*leader).child_total_time_enabled.read() as u64;
                put(&mut n, own.wrapping_add(childs));
            }
            if format & FORMAT_TOTAL_TIME_RUNNING != 0 {
                let own = (*leader).total_time_running.read();
                let childs = (*leader).child_total_time_running.read() as u64;
                put(&mut n, own.wrapping_add(childs));
            }
            put(&mut n, self.perf_event_count(leader));
            if format & FORMAT_ID != 0 {
                *values.add(n) = primary_event_id(leader);
                n += 1;
            }
            for sub in siblings(leader) {
                put(&mut n, self.perf_event_count(sub));
                if format & FORMAT_ID != 0 {
                    *values.add(n) = primary_event_id(sub);
                    n += 1;
                }
            }
            self.ctx_unlock_irq(ctx, flags);
            0
        }
    }

    /// `perf_read_group`.
    #[inline(never)]
    unsafe fn perf_read_group(&self, event: *mut PerfEvent, buf: *mut u64) -> i64 {
        // SAFETY: the core's rule; the caller checked the buffer's length.
        unsafe {
            let leader = (*event).group_leader;
            let format = (*event).attr.read_format;
            let words = (*event).read_size as usize / size_of::<u64>();
            if words > GROUP_WORDS_MAX {
                return -i64::from(ENOMEM);
            }
            // Zeroed as far as they are used only: a big store is many boundaries.
            let mut room = [const { MaybeUninit::<u64>::uninit() }; GROUP_WORDS_MAX];
            let values = room.as_mut_ptr().cast::<u64>();
            values.write_bytes(0, words);
            *values = 1 + (*leader).nr_siblings.read() as u64;
            (*leader).child_mutex.lock();
            let mut ret = self.perf_read_group_add(leader, format, values);
            for child in Entries::<PerfEvent>::new(
                &raw const (*leader).child_list,
                offset_of!(PerfEvent, child_list),
            ) {
                if ret == 0 {
                    ret = self.perf_read_group_add(child, format, values);
                }
            }
            (*leader).child_mutex.unlock();
            if ret != 0 {
                return i64::from(ret);
            }

            // copy_to_user, and the host is told of each count as it lands.
            let times = 1
                + usize::from(format & FORMAT_TOTAL_TIME_ENABLED != 0)
                + usize::from(format & FORMAT_TOTAL_TIME_RUNNING != 0);
            let step = 1 + usize::from(format & FORMAT_ID != 0);
            let mut at = 0;
            while at < times.min(words) {
                buf.add(at).write_volatile(*values.add(at));
                at += 1;
            }
            let mut member = leader;
            let mut rest = siblings(leader);
            while at < words {
                buf.add(at).write_volatile(*values.add(at));
                if !member.is_null() {
                    self.hw.value(member, *values.add(at), Reader::ReadGroup);
                }
                if step == 2 && at + 1 < words {
                    buf.add(at + 1).write_volatile(*values.add(at + 1));
                }
                at += step;
                member = rest.next().unwrap_or(ptr::null_mut());
            }
            i64::from((*event).read_size)
        }
    }

    /// `perf_read`: bytes read, 0 for an event in ERROR, or a negative error.
    ///
    /// # Safety
    /// The core's rule; `buf` is valid for `len` bytes and aligned.
    #[inline(never)]
    pub(crate) unsafe fn perf_read(&self, event: *mut PerfEvent, buf: *mut u64, len: usize) -> i64 {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = self.perf_event_ctx_lock(event);
            let ret = self.perf_read_locked(event, buf, len);
            (*ctx).mutex.unlock();
            ret
        }
    }

    /// `__perf_read`.
    #[inline(never)]
    unsafe fn perf_read_locked(&self, event: *mut PerfEvent, buf: *mut u64, len: usize) -> i64 {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).state.read() == state::ERROR {
                return 0;
            }
            if len < (*event).read_size as usize {
                return -i64::from(ENOSPC);
            }
            self.warn_on(
                !(*(*event).ctx).parent_ctx.is_null(),
                "__perf_read: the context is a clone",
            );
            if (*event).attr.read_format & FORMAT_GROUP != 0 {
                self.perf_read_group(event, buf)
            } else {
                self.perf_read_one(event, buf)
            }
        }
    }

    /// `perf_event_read_local`: the count of an event of this CPU or task, from any context, NMI
    /// included. Does not look at the state, only at `oncpu`. 0 or a negative error; enabled and
    /// running time are stored where the pointers are not null.
    ///
    /// # Safety
    /// The core's rule; the pointers are null or valid.
    #[inline(never)]
    pub unsafe fn perf_event_read_local(
        &self,
        event: *mut PerfEvent,
        value: *mut u64,
        enabled: *mut u64,
        running: *mut u64,
    ) -> i32 {
        let flags = self.hw.irq_save();
        // SAFETY: the core's rule.
        let ret = unsafe { self.perf_event_read_local_irq_off(event, value, enabled, running) };
        self.hw.irq_restore(flags);
        ret
    }

    /// What stands between saving and restoring the interrupt flag.
    #[inline(always)]
    unsafe fn perf_event_read_local_irq_off(
        &self,
        event: *mut PerfEvent,
        value: *mut u64,
        enabled: *mut u64,
        running: *mut u64,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let cpu = self.hw.cpu() as i32;
            // Inherited counts cannot be summed from here.
            if attr_flag(event, Attr::INHERIT) {
                return -EOPNOTSUPP;
            }
            let of_task = (*event).attach_state & attach::TASK != 0;
            if of_task && !ptr::eq((*event).hw.target, self.current()) {
                return -EINVAL;
            }
            if !of_task && (*event).cpu != cpu {
                return -EINVAL;
            }
            if attr_flag(event, Attr::PINNED) && (*event).oncpu.read() != cpu {
                return -EBUSY;
            }
            if (*event).oncpu.read() == cpu {
                self.event_pmu_read(event);
            }
            let count = self.perf_event_local_value(event);
            value.write_volatile(count);
            self.hw.value(event, count, Reader::ReadLocal);
            if !enabled.is_null() || !running.is_null() {
                let (e, r) = self.calc_timer_values(event);
                if !enabled.is_null() {
                    enabled.write_volatile(e);
                }
                if !running.is_null() {
                    running.write_volatile(r);
                }
            }
            0
        }
    }
}
