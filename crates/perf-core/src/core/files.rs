// SPDX-License-Identifier: GPL-2.0-only
//! File descriptors and the system calls on them: read, ioctl, mmap, close.

use core::ptr;

use abi::guest_call::Reader;
use abi::syscall::{
    Attr, IOC_DISABLE, IOC_ENABLE, IOC_FLAG_GROUP, IOC_NMI_PROBE, IOC_OVERFLOW_READ_LOCAL,
    IOC_PAUSE, IOC_PERIOD, IOC_REFRESH, IOC_RESET,
};

use crate::cell::Once;
use crate::hw::Hardware;
use crate::list::{EntriesSafe, ListHead};
use crate::perf::{FDS_MAX, Perf};
use crate::types::{OverflowHandler, PerfEvent, state};

use super::errno::{EBADF, EINVAL, ENOTTY};
use super::install::DETACH_GROUP;
use super::{attr_flag, children, control::EachF, is_sampling_event};

/// The lowest descriptor that is given out: 0 to 2 are the standard streams elsewhere.
const FD_FIRST: usize = 3;
/// A descriptor that is given out while its event is being made.
const RESERVED: *mut PerfEvent = ptr::dangling_mut();

impl<H: Hardware> Perf<H> {
    /// `get_unused_fd_flags`: reserves the lowest free descriptor; -1 when there is none.
    pub(crate) fn get_unused_fd(&self) -> i32 {
        self.files_mutex.lock();
        let fd = self.reserve_fd();
        self.files_mutex.unlock();
        fd
    }

    fn reserve_fd(&self) -> i32 {
        for fd in FD_FIRST..FDS_MAX {
            if self.files[fd].read().is_null() {
                self.files[fd].write(RESERVED);
                if fd >= self.files_end.read() {
                    self.files_end.write(fd + 1);
                }
                return fd as i32;
            }
        }
        -1
    }

    /// `put_unused_fd`.
    pub(crate) fn put_unused_fd(&self, fd: i32) {
        self.files[fd as usize].write(ptr::null_mut());
    }

    /// `fd_install`.
    pub(crate) fn fd_install(&self, fd: i32, event: *mut PerfEvent) {
        self.files[fd as usize].write(event);
    }

    /// `fdget`: the event behind a descriptor, whose file [`Perf::fput`] gives back; or -EBADF.
    pub(crate) fn fget(&self, fd: i32) -> Result<*mut PerfEvent, i32> {
        self.files_mutex.lock();
        let found = self.file(fd);
        if let Ok(event) = found {
            // SAFETY: open descriptors refer to live events; the mutex keeps it open.
            unsafe { (*event).file_count.add(1) };
        }
        self.files_mutex.unlock();
        found
    }

    /// `fput`: the last one leaves the file to the return to user mode, where the system call has no
    /// locks any more.
    ///
    /// # Safety
    /// A system call's context; the event's file is held.
    pub(crate) unsafe fn fput(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe {
            if (*event).file_count.dec_and_test() {
                self.task_work_add(event);
            }
        }
    }

    /// `____fput`, `__fput` and `perf_release`: the end of a file.
    ///
    /// # Safety
    /// The core's rule; no locks are held; nobody holds the event's file any more.
    #[inline(always)]
    pub(crate) unsafe fn perf_release(&self, event: *mut PerfEvent) {
        // SAFETY: the caller's promise.
        unsafe { self.perf_event_release_kernel(event) }
    }

    /// The event behind a descriptor, or -EBADF.
    pub(crate) fn file(&self, fd: i32) -> Result<*mut PerfEvent, i32> {
        let event = usize::try_from(fd)
            .ok()
            .and_then(|fd| self.files.get(fd))
            .map_or(ptr::null_mut(), Once::read);
        if event.is_null() || ptr::eq(event, RESERVED) {
            Err(-EBADF)
        } else {
            Ok(event)
        }
    }

    /// `read(fd, buf, len)`: the number of bytes, or a negative error.
    ///
    /// # Safety
    /// `buf` is valid for `len` bytes and aligned to eight; a system call's context.
    #[inline(never)]
    pub unsafe fn sys_read(&self, fd: i32, buf: *mut u8, len: usize) -> i64 {
        match self.fget(fd) {
            // SAFETY: the caller's promise.
            Ok(event) => unsafe {
                let ret = self.perf_read(event, buf.cast::<u64>(), len);
                self.fput(event);
                ret
            },
            Err(err) => i64::from(err),
        }
    }

    /// `mmap(len)` of a descriptor: the address, or a negative error.
    ///
    /// # Safety
    /// A system call's context.
    #[inline(never)]
    pub unsafe fn sys_mmap(&self, len: u64, fd: i32) -> i64 {
        match self.fget(fd) {
            // SAFETY: the caller's promise.
            Ok(event) => unsafe {
                let ret = self.perf_mmap(event, len);
                self.fput(event);
                ret
            },
            Err(err) => i64::from(err),
        }
    }

    /// `ioctl(fd, request, arg)`: 0 or a negative error.
    ///
    /// # Safety
    /// A system call's context; for `IOC_PERIOD`, `arg` is the address of a period.
    #[inline(never)]
    pub unsafe fn sys_ioctl(&self, fd: i32, request: u64, arg: u64) -> i64 {
        match self.fget(fd) {
            // SAFETY: the caller's promise.
            Ok(event) => unsafe {
                // perf_ioctl
                let ctx = self.perf_event_ctx_lock(event);
                let ret = self.perf_ioctl(event, request, arg);
                (*ctx).mutex.unlock();
                self.fput(event);
                i64::from(ret)
            },
            Err(err) => i64::from(err),
        }
    }

    /// `user_value(fd, value)`: 0 or a negative error.
    ///
    /// # Safety
    /// A system call's context.
    #[inline(never)]
    pub unsafe fn sys_user_value(&self, fd: i32, value: u64) -> i64 {
        match self.fget(fd) {
            // SAFETY: the caller's promise.
            Ok(event) => unsafe {
                self.hw.value(event, value, Reader::UserPage);
                self.fput(event);
                0
            },
            Err(err) => i64::from(err),
        }
    }

    /// `_perf_ioctl`.
    #[inline(never)]
    unsafe fn perf_ioctl(&self, event: *mut PerfEvent, request: u64, arg: u64) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let func: EachF<H> = match request {
                IOC_ENABLE => Self::perf_event_enable,
                IOC_DISABLE => Self::perf_event_disable,
                IOC_RESET => Self::perf_event_reset,
                IOC_REFRESH => return self.perf_event_refresh(event, arg as i32),
                IOC_PERIOD => {
                    let period = ptr::with_exposed_provenance::<u64>(arg as usize);
                    return self.perf_event_period(event, period.read_volatile());
                }
                IOC_OVERFLOW_READ_LOCAL => return self.set_overflow_read_local(event, arg),
                IOC_PAUSE => {
                    let value = self.perf_event_pause(event, arg != 0);
                    self.hw.value(event, value, Reader::Pause);
                    return 0;
                }
                IOC_NMI_PROBE => {
                    self.nmi_probe.write(event);
                    return 0;
                }
                _ => return -ENOTTY,
            };
            if arg & IOC_FLAG_GROUP != 0 {
                self.perf_event_for_each(event, func);
            } else {
                self.perf_event_for_each_child(event, func);
            }
            0
        }
    }

    /// `IOC_OVERFLOW_READ_LOCAL` (as `perf_event_set_bpf_handler`): an overflow of `event` reads
    /// another event.
    #[inline(never)]
    unsafe fn set_overflow_read_local(&self, event: *mut PerfEvent, fd: u64) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if !is_sampling_event(event) || attr_flag(event, Attr::INHERIT) {
                return -EINVAL;
            }
            let target = match self.fget(i32::try_from(fd).unwrap_or(-1)) {
                Ok(target) => target,
                Err(err) => return err,
            };
            // The target first: an overflow may come in between.
            (*event).overflow_target.write(target);
            (*event).overflow_handler.write(OverflowHandler::ReadLocal);
            self.fput(target);
            0
        }
    }

    /// `close(fd)`: 0 or -EBADF. Mappings and readers of the event end with its last file.
    ///
    /// # Safety
    /// A system call's context.
    #[inline(never)]
    pub unsafe fn sys_close(&self, fd: i32) -> i64 {
        // close_fd_get_file
        self.files_mutex.lock();
        let found = self.file(fd);
        if found.is_ok() {
            self.put_unused_fd(fd);
        }
        self.files_mutex.unlock();
        match found {
            Ok(event) => {
                // SAFETY: the caller's promise; the descriptor's reference.
                unsafe { self.fput(event) };
                0
            }
            Err(err) => i64::from(err),
        }
    }

    /// `perf_event_release_kernel`: out of the context, DEAD, its children too, freed.
    #[inline(never)]
    unsafe fn perf_event_release_kernel(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = self.perf_event_ctx_lock(event);
            self.warn_on(
                !(*ctx).parent_ctx.is_null(),
                "perf_event_release_kernel: the context is a clone",
            );
            self.perf_remove_from_context(event, DETACH_GROUP);
            let flags = self.ctx_lock_irq(ctx);
            // Nothing refers to it any more but readers that do not look at the context.
            (*event).state.write(state::DEAD);
            self.ctx_unlock_irq(ctx, flags);
            (*ctx).mutex.unlock();
            self.release_children(event);
            self.put_event(event);
        }
    }

    /// The part of `perf_event_release_kernel` for children. Each is removed with its context's mutex,
    /// which ranks above child_mutex: so that is dropped, and the list looked at again.
    #[inline(never)]
    unsafe fn release_children(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule; a child in the list is live while child_mutex is held, contexts
        // are live as long as `self`.
        unsafe {
            let free_list = ListHead::null();
            free_list.init();
            loop {
                (*event).child_mutex.lock();
                let Some(child) = children(event).next() else {
                    break;
                };
                let ctx = (&raw const (*child).ctx).read_volatile();
                (*event).child_mutex.unlock();
                (*ctx).mutex.lock();
                (*event).child_mutex.lock();
                // Still the first: nobody else has freed it.
                if children(event)
                    .next()
                    .is_some_and(|first| ptr::eq(first, child))
                {
                    self.perf_remove_from_context(child, DETACH_GROUP);
                    (*child).child_list.del_init();
                    free_list.add(&(*child).child_list);
                    // Never the last one: the file's is not given back yet.
                    self.put_event(event);
                }
                (*event).child_mutex.unlock();
                (*ctx).mutex.unlock();
            }
            (*event).child_mutex.unlock();

            let freed = EntriesSafe::<PerfEvent>::new(
                &raw const free_list,
                core::mem::offset_of!(PerfEvent, child_list),
            );
            for child in freed {
                (*child).child_list.del_init();
                self.free_event(child);
            }
        }
    }

    /// `put_event`: the last reference frees the event.
    ///
    /// # Safety
    /// The core's rule; no ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn put_event(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if !(*event).refcount.dec_and_test() {
                return;
            }
            self.drop_readers(event);
            self.perf_mmap_close(event);
            self.free_event(event);
        }
    }

    /// What a grace period is for in the kernel: overflow handlers and probes that read this event
    /// forget it before its memory goes.
    #[inline(never)]
    unsafe fn drop_readers(&self, event: *mut PerfEvent) {
        if ptr::eq(self.nmi_probe.read(), event) {
            self.nmi_probe.write(ptr::null_mut());
        }
        self.files_mutex.lock();
        for file in &self.files[..self.files_end.read()] {
            let reader = file.read();
            if reader.is_null() || ptr::eq(reader, RESERVED) {
                continue;
            }
            // SAFETY: open descriptors refer to live events.
            unsafe {
                if ptr::eq((*reader).overflow_target.read(), event) {
                    (*reader).overflow_target.write(ptr::null_mut());
                }
            }
        }
        self.files_mutex.unlock();
    }
}
