// SPDX-License-Identifier: GPL-2.0-only
//! `perf_event_open(2)`: checks, a new event, its context, its group, its place there.

use core::ptr;
use core::sync::atomic::Ordering;

use abi::syscall::{
    Attr, FORMAT_GROUP, FORMAT_ID, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING,
    SAMPLE_READ,
};

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{
    OverflowHandler, PerfEvent, PerfEventContext, TASK_TOMBSTONE, Task, attach, state,
};

use super::attr_flag;
use super::errno::{E2BIG, EINVAL, EMFILE, ENODEV, ENOMEM, EOPNOTSUPP, ESRCH};
use super::output::{HEADER_SIZE, read_size, sample, sample_size};
use super::software::is_software_event;

/// `PERF_ATTR_SIZE_VER0`.
const ATTR_SIZE_VER0: u32 = 64;
/// `exclude_hv` and `exclude_idle`: accepted, without effect on this PMU.
const EXCLUDE_HV_IDLE: u64 = 1 << 6 | 1 << 7;
/// The attribute bits that mean something here.
const FLAGS_SUPPORTED: u64 = Attr::DISABLED
    | Attr::INHERIT
    | Attr::PINNED
    | Attr::EXCLUSIVE
    | Attr::EXCLUDE_USER
    | Attr::EXCLUDE_KERNEL
    | EXCLUDE_HV_IDLE
    | Attr::INHERIT_STAT
    | Attr::ENABLE_ON_EXEC;
/// All read formats.
const FORMATS: u64 =
    FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING | FORMAT_ID | FORMAT_GROUP;
/// `PERF_SAMPLE_MAX` of v5.5: bits from here on do not exist.
const SAMPLE_MAX: u64 = 1 << 21;
/// `PERF_FLAG_FD_CLOEXEC`: accepted, nothing executes here.
const FLAG_FD_CLOEXEC: u64 = 1 << 3;
/// `PERF_FLAG_FD_NO_GROUP`, `FD_OUTPUT`, `PID_CGROUP`: exist, not here.
const FLAGS_REFUSED: u64 = 1 | 1 << 1 | 1 << 2;

/// `perf_copy_attr`: the attributes, or a negative error. What this port lacks is refused.
///
/// # Safety
/// `user` is valid for the size it says.
#[inline(never)]
unsafe fn perf_copy_attr(user: *const Attr) -> Result<Attr, i32> {
    let mut attr = Attr::default();
    // SAFETY: the caller's promise; `Attr` has no padding and any bits are valid.
    unsafe {
        let mut size = (&raw const (*user).size).read_unaligned();
        if size == 0 {
            size = ATTR_SIZE_VER0;
        }
        if !(ATTR_SIZE_VER0..=4096).contains(&size) {
            return Err(-E2BIG);
        }
        // copy_struct_from_user; whole words first, a store for each byte is many boundaries.
        let size = size as usize;
        let from = user.cast::<u8>();
        let to = (&raw mut attr).cast::<u8>();
        let known = size.min(size_of::<Attr>());
        let words = known / 8;
        for word in 0..words {
            let value = from.cast::<u64>().add(word).read_unaligned();
            to.cast::<u64>().add(word).write_unaligned(value);
        }
        for at in words * 8..known {
            to.add(at).write(from.add(at).read());
        }
        for at in known..size {
            if from.add(at).read() != 0 {
                return Err(-E2BIG);
            }
        }
        attr.size = known as u32;
    }
    if attr.sample_type >= SAMPLE_MAX || attr.read_format & !FORMATS != 0 {
        return Err(-EINVAL);
    }
    if attr.flags & !FLAGS_SUPPORTED != 0 || attr.sample_type & !sample::SUPPORTED != 0 {
        return Err(-EOPNOTSUPP);
    }
    if attr.sample_period >> 63 != 0 {
        return Err(-EINVAL);
    }
    Ok(attr)
}

impl<H: Hardware> Perf<H> {
    /// `perf_event_open(attr, pid, cpu, group_fd, flags)`: the new descriptor, or a negative
    /// error. `pid` -1 with a CPU is that CPU's context, 0 the current task, others a task by
    /// number. `group_fd` is -1 or a leader.
    ///
    /// # Safety
    /// `attr` is valid for the size it says; a system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_perf_event_open(
        &self,
        attr: *const Attr,
        pid: i32,
        cpu: i32,
        group_fd: i32,
        flags: u64,
    ) -> i64 {
        // SAFETY: the caller's promise.
        unsafe {
            if flags & FLAGS_REFUSED != 0 {
                return -i64::from(EOPNOTSUPP);
            }
            if flags & !FLAG_FD_CLOEXEC != 0 {
                return -i64::from(EINVAL);
            }
            let attr = match perf_copy_attr(attr) {
                Ok(attr) => attr,
                Err(err) => return i64::from(err),
            };
            let fd = self.get_unused_fd();
            if fd < 0 {
                return -i64::from(EMFILE);
            }
            let err = self.perf_event_open_fd(&attr, pid, cpu, group_fd, fd);
            if err != 0 {
                self.put_unused_fd(fd);
                return i64::from(err);
            }
            i64::from(fd)
        }
    }

    /// What stands between reserving the descriptor and giving it back.
    #[inline(never)]
    unsafe fn perf_event_open_fd(
        &self,
        attr: &Attr,
        pid: i32,
        cpu: i32,
        group_fd: i32,
        fd: i32,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if group_fd == -1 {
                return self.perf_event_open_in(attr, pid, cpu, ptr::null_mut(), fd);
            }
            match self.fget(group_fd) {
                Ok(leader) => {
                    let err = self.perf_event_open_in(attr, pid, cpu, leader, fd);
                    self.fput(leader);
                    err
                }
                Err(err) => err,
            }
        }
    }

    /// The same, with the leader's file held.
    #[inline(always)]
    unsafe fn perf_event_open_in(
        &self,
        attr: &Attr,
        pid: i32,
        cpu: i32,
        group_leader: *mut PerfEvent,
        fd: i32,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let mut task = ptr::null_mut();
            if pid != -1 {
                if pid < 0 {
                    return -ESRCH;
                }
                task = if pid == 0 {
                    self.current()
                } else {
                    match self.find_task(pid as u32) {
                        Ok(task) => task,
                        Err(err) => return err,
                    }
                };
            }
            if !task.is_null()
                && !group_leader.is_null()
                && attr_flag(group_leader, Attr::INHERIT) != (attr.flags & Attr::INHERIT != 0)
            {
                return -EINVAL;
            }

            let event = match self.perf_event_alloc(attr, cpu, task, group_leader, ptr::null_mut())
            {
                Ok(event) => event,
                Err(err) => return err,
            };
            self.hw.event_born(event, fd as u64, ptr::null());
            let err = self.perf_event_open_install(event, task, group_leader, cpu);
            if err != 0 {
                self.free_event(event);
                return err;
            }
            self.fd_install(fd, event);
            0
        }
    }

    /// Finds the context, checks the group, installs.
    #[inline(never)]
    unsafe fn perf_event_open_install(
        &self,
        event: *mut PerfEvent,
        task: *mut Task,
        group_leader: *mut PerfEvent,
        cpu: i32,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let cpuctx = self.cpu_contexts[cpu.max(0) as usize].get();
            let ctx = if task.is_null() {
                let ctx = &raw mut (*cpuctx).ctx;
                (*ctx).pin_count += 1;
                ctx
            } else {
                match self.find_get_context(task) {
                    Ok(ctx) => ctx,
                    Err(err) => return err,
                }
            };
            let err = self.perf_event_check_group(event, group_leader, ctx);
            if err != 0 {
                self.perf_unpin_context(ctx);
                return err;
            }
            (*ctx).mutex.lock();
            let err = if ptr::eq((*ctx).task, TASK_TOMBSTONE) {
                -ESRCH
            } else if !self.perf_event_validate_size(event) {
                -E2BIG
            } else if task.is_null() && !(*cpuctx).online.read() {
                -ENODEV
            } else {
                self.warn_on(
                    !(*ctx).parent_ctx.is_null(),
                    "perf_event_open: the context is a clone",
                );
                self.perf_event_header_size(event);
                self.perf_install_in_context(ctx, event, (*event).cpu)
            };
            if err == 0 {
                self.perf_unpin_context(ctx);
                (*ctx).mutex.unlock();
            } else {
                (*ctx).mutex.unlock();
                self.perf_unpin_context(ctx);
            }
            err
        }
    }

    /// What `perf_event_open` demands of a group: 0 or -EINVAL.
    #[inline(always)]
    unsafe fn perf_event_check_group(
        &self,
        event: *mut PerfEvent,
        group_leader: *mut PerfEvent,
        ctx: *const PerfEventContext,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            if !group_leader.is_null() {
                // No groups of groups, none across CPUs, tasks or contexts; only a leader may be
                // pinned or exclusive.
                if !ptr::eq((*group_leader).group_leader, group_leader)
                    || (*group_leader).cpu != (*event).cpu
                    || !ptr::eq((*group_leader).ctx, ctx)
                    || attr_flag(event, Attr::EXCLUSIVE)
                    || attr_flag(event, Attr::PINNED)
                {
                    return -EINVAL;
                }
            }
            0
        }
    }

    /// `perf_event_validate_size`: a sample with this group must fit a record.
    #[inline(never)]
    unsafe fn perf_event_validate_size(&self, event: *mut PerfEvent) -> bool {
        // SAFETY: the core's rule.
        unsafe {
            let nr = (*(*event).group_leader).nr_siblings.read() as u32 + 1;
            let read = read_size((*event).attr.read_format, nr);
            let kind = (*event).attr.sample_type;
            let fields = sample_size(kind & !SAMPLE_READ, 0);
            // perf_event__id_header_size
            let id_fields = sample_size(kind & sample::ID_ALL, 0);
            read + fields + id_fields + (HEADER_SIZE as u32) < 16 * 1024
        }
    }

    /// `perf_event_alloc`: a new event that no context knows, initialised by the driver; a child of
    /// `parent` runs its overflow handler.
    ///
    /// # Safety
    /// The core's rule; task, leader and parent may be null.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_alloc(
        &self,
        attr: *const Attr,
        cpu: i32,
        task: *mut Task,
        group_leader: *mut PerfEvent,
        parent: *mut PerfEvent,
    ) -> Result<*mut PerfEvent, i32> {
        if cpu as u32 >= self.cpus.read() && (task.is_null() || cpu != -1) {
            return Err(-EINVAL);
        }
        let event = self.alloc_event();
        if event.is_null() {
            return Err(-ENOMEM);
        }
        // SAFETY: the memory is zeroed, which is a valid event, and ours alone.
        unsafe {
            (*event).group_leader = if group_leader.is_null() {
                event
            } else {
                group_leader
            };
            (*event).event_entry.init();
            (*event).sibling_list.init();
            (*event).active_list.init();
            (*event).group_node.init();
            (*event).child_list.init();
            (*event).dup_active_list.init();
            (*event).cpu = cpu;
            (*event).attr = *attr;
            (*event).refcount.set(1);
            (*event).file_count.set(1);
            (*event).parent = parent;
            (*event).oncpu.write(-1);
            (*event).pending_disable.write(-1);
            if parent.is_null() {
                (*event).overflow_handler.write(OverflowHandler::Output);
            } else {
                let target = (*parent).overflow_target.read();
                (*event).overflow_target.write(target);
                let handler = (*parent).overflow_handler.read();
                (*event).overflow_handler.write(handler);
            }
            (*event).id = self.event_id_last.fetch_add(1, Ordering::Relaxed) + 1;
            if !task.is_null() {
                (*event).attach_state = attach::TASK;
                (*event).hw.target = task;
            }
            // perf_event__state_init
            let off = attr_flag(event, Attr::DISABLED);
            (*event)
                .state
                .write(if off { state::OFF } else { state::INACTIVE });

            let hwc = &raw mut (*event).hw;
            (*hwc).sample_period = (*attr).sample_period;
            (*hwc).last_period = (*attr).sample_period;
            (*hwc).period_left.set((*attr).sample_period as i64);

            // Children would sum into a sample that cannot wait for them.
            let mut err = 0;
            if attr_flag(event, Attr::INHERIT) && (*attr).sample_type & SAMPLE_READ != 0 {
                err = -EINVAL;
            }
            // perf_init_event
            if err == 0 {
                err = self.perf_try_init_event(event);
            }
            if err != 0 {
                // Nobody has heard of it: no word to the host.
                self.poison_event(event);
                return Err(err);
            }
            Ok(event)
        }
    }

    /// `perf_try_init_event`: the driver walks the list of siblings to see whether the group fits, so
    /// the leader's ctx->mutex keeps members from coming and going. A child's group has the child's
    /// context, whose mutex nests in the parent's. A software PMU does not look.
    ///
    /// # Safety
    /// The core's rule; nobody else knows `event`, its leader is set and, if another one, is live and
    /// has a context. No ctx->lock is held.
    #[inline(never)]
    unsafe fn perf_try_init_event(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: the caller's promise.
        unsafe {
            let leader = (*event).group_leader;
            if ptr::eq(leader, event) || is_software_event(event) {
                return self.pmu_op_event_init(event);
            }
            let ctx = self.perf_event_ctx_lock(leader);
            let err = self.pmu_op_event_init(event);
            (*ctx).mutex.unlock();
            err
        }
    }
}
