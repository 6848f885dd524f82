// SPDX-License-Identifier: GPL-2.0-only
//! Fork: a child task inherits its parent's events (`perf_event_init_task` and below).

use core::mem::offset_of;
use core::ptr;

use abi::syscall::Attr;

use crate::container_of;
use crate::hw::Hardware;
use crate::list::{EntriesSafe, ListHead};
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, TASK_TOMBSTONE, Task, state};

use super::errno::EINVAL;
use super::{attr_flag, siblings};

impl<H: Hardware> Perf<H> {
    /// The system call `fork`: the current task has a child with this number. 0, or -EINVAL for
    /// number 0, -EEXIST for one that is taken, -ENOMEM without room, or what inheriting says.
    ///
    /// # Safety
    /// A system call's context: no ctx->lock is held.
    #[inline(never)]
    pub unsafe fn sys_fork(&self, pid: u32) -> i64 {
        if pid == 0 {
            return -i64::from(EINVAL);
        }
        // SAFETY: the caller's promise.
        unsafe {
            let child = match self.alloc_task(pid) {
                Ok(child) => child,
                Err(err) => return i64::from(err),
            };
            let err = self.perf_event_init_task(child);
            if err != 0 {
                Self::free_task(child);
                return i64::from(err);
            }
            Self::wake_up_new_task(child);
            0
        }
    }

    /// `perf_event_init_task`: the child of the current task gets its events.
    #[inline(never)]
    unsafe fn perf_event_init_task(&self, child: *mut Task) -> i32 {
        // SAFETY: the core's rule; nobody can name the child yet.
        unsafe {
            (*child).ctx.write(ptr::null_mut());
            let err = self.perf_event_init_context(child);
            if err != 0 {
                self.perf_event_free_task(child);
            }
            err
        }
    }

    /// `perf_event_init_context`: every leader of the parent's, pinned ones first. The child's
    /// context is a clone if all could be inherited.
    #[inline(never)]
    unsafe fn perf_event_init_context(&self, child: *mut Task) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            let parent = self.current();
            if (*parent).ctx.read().is_null() {
                return 0;
            }
            let parent_ctx = self.perf_pin_task_context(parent);
            if parent_ctx.is_null() {
                return 0;
            }
            let mut inherited_all = true;
            (*parent_ctx).mutex.lock();
            let pinned = &raw const (*parent_ctx).pinned_groups;
            let mut err = self.inherit_groups(pinned, child, &mut inherited_all);
            if err == 0 {
                // The lock cannot be held while events are made; a tick must not rotate meanwhile.
                let flags = self.ctx_lock_irq(parent_ctx);
                (*parent_ctx).rotate_disable = true;
                self.ctx_unlock_irq(parent_ctx, flags);

                let flexible = &raw const (*parent_ctx).flexible_groups;
                err = self.inherit_groups(flexible, child, &mut inherited_all);

                let flags = self.ctx_lock_irq(parent_ctx);
                (*parent_ctx).rotate_disable = false;
                let child_ctx = (*child).ctx.read();
                if !child_ctx.is_null() && inherited_all {
                    // Of the parent's, or of what that is a clone of.
                    let cloned_ctx = (*parent_ctx).parent_ctx;
                    if cloned_ctx.is_null() {
                        (*child_ctx).parent_ctx = parent_ctx;
                        (*child_ctx).parent_gen = (*parent_ctx).generation;
                    } else {
                        (*child_ctx).parent_ctx = cloned_ctx;
                        (*child_ctx).parent_gen = (*parent_ctx).parent_gen;
                    }
                }
                self.ctx_unlock_irq(parent_ctx, flags);
            }
            (*parent_ctx).mutex.unlock();
            self.perf_unpin_context(parent_ctx);
            err
        }
    }

    /// `perf_event_groups_for_each` with `inherit_task_group`, up to the first error.
    #[inline(always)]
    unsafe fn inherit_groups(
        &self,
        groups: *const ListHead,
        child: *mut Task,
        inherited_all: &mut bool,
    ) -> i32 {
        // SAFETY: the core's rule; nodes of the group order are in events.
        unsafe {
            let mut node = (*groups).next.read();
            while !ptr::eq(node, groups) {
                let event = container_of!(node, PerfEvent, group_node);
                let err = self.inherit_task_group(event, child, inherited_all);
                if err != 0 {
                    return err;
                }
                node = (*node).next.read();
            }
            0
        }
    }

    /// `inherit_task_group`: one leader with its siblings, if it is to be inherited. Makes the
    /// child's context.
    #[inline(never)]
    unsafe fn inherit_task_group(
        &self,
        event: *mut PerfEvent,
        child: *mut Task,
        inherited_all: &mut bool,
    ) -> i32 {
        // SAFETY: the core's rule; nobody can name the child yet.
        unsafe {
            if !attr_flag(event, Attr::INHERIT) {
                *inherited_all = false;
                return 0;
            }
            let mut child_ctx = (*child).ctx.read();
            if child_ctx.is_null() {
                child_ctx = self.alloc_perf_context(child);
                (*child).ctx.write(child_ctx);
            }
            let err = self.inherit_group(event, child, child_ctx);
            if err != 0 {
                *inherited_all = false;
            }
            err
        }
    }

    /// `inherit_group`.
    #[inline(never)]
    unsafe fn inherit_group(
        &self,
        parent_event: *mut PerfEvent,
        child: *mut Task,
        child_ctx: *mut PerfEventContext,
    ) -> i32 {
        // SAFETY: the core's rule.
        unsafe {
            // A leader that is being closed is not inherited; its siblings are then on their own.
            let leader = match self.inherit_event(parent_event, child, ptr::null_mut(), child_ctx) {
                Ok(leader) => leader,
                Err(err) => return err,
            };
            for sub in siblings(parent_event) {
                if let Err(err) = self.inherit_event(sub, child, leader, child_ctx) {
                    return err;
                }
            }
            0
        }
    }

    /// `inherit_event`: the child's event, which is told to the host; null for an event that is being
    /// closed.
    #[inline(never)]
    unsafe fn inherit_event(
        &self,
        parent_event: *mut PerfEvent,
        child: *mut Task,
        group_leader: *mut PerfEvent,
        child_ctx: *mut PerfEventContext,
    ) -> Result<*mut PerfEvent, i32> {
        // SAFETY: the core's rule.
        unsafe {
            let parent_state = (*parent_event).state.read();
            // Flat: children of children belong to the first of all.
            let parent_event = if (*parent_event).parent.is_null() {
                parent_event
            } else {
                (*parent_event).parent
            };
            let child_event = self.perf_event_alloc(
                &raw const (*parent_event).attr,
                (*parent_event).cpu,
                child,
                group_leader,
                parent_event,
            )?;
            self.hw.event_born(child_event, u64::MAX, parent_event);

            // With release: either it sees the child in the list, or we see that it has begun.
            (*parent_event).child_mutex.lock();
            if (*parent_event).state.read() == state::DEAD
                || !(*parent_event).refcount.inc_not_zero()
            {
                (*parent_event).child_mutex.unlock();
                self.free_event(child_event);
                return Ok(ptr::null_mut());
            }
            // The state follows the parent's, not its attributes.
            (*child_event)
                .state
                .write(if parent_state >= state::INACTIVE {
                    state::INACTIVE
                } else {
                    state::OFF
                });
            (*child_event).ctx = child_ctx;
            self.perf_event_header_size(child_event);

            let flags = self.ctx_lock_irq(child_ctx);
            self.add_event_to_ctx(child_event, child_ctx);
            self.ctx_unlock_irq(child_ctx, flags);

            (*parent_event)
                .child_list
                .add_tail(&(*child_event).child_list);
            (*parent_event).child_mutex.unlock();
            Ok(child_event)
        }
    }

    /// `perf_event_free_task`: undoes what a fork that fails has inherited.
    #[inline(never)]
    unsafe fn perf_event_free_task(&self, task: *mut Task) {
        // SAFETY: the core's rule; the safe iterator allows the present event to leave.
        unsafe {
            let ctx = (*task).ctx.read();
            if ctx.is_null() {
                return;
            }
            (*ctx).mutex.lock();
            let flags = self.ctx_lock_irq(ctx);
            // Nobody knows the task, but parents' lists lead to the context.
            (*task).ctx.write(ptr::null_mut());
            (&raw mut (*ctx).task).write_volatile(TASK_TOMBSTONE);
            self.ctx_unlock_irq(ctx, flags);

            let events = EntriesSafe::<PerfEvent>::new(
                &raw const (*ctx).event_list,
                offset_of!(PerfEvent, event_entry),
            );
            for event in events {
                self.perf_free_event(event, ctx);
            }
            (*ctx).mutex.unlock();
        }
    }

    /// `perf_free_event`.
    #[inline(never)]
    unsafe fn perf_free_event(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            let parent = (*event).parent;
            if self.warn_on(parent.is_null(), "perf_free_event: not a child") {
                return;
            }
            (*parent).child_mutex.lock();
            (*event).child_list.del_init();
            (*parent).child_mutex.unlock();
            self.put_event(parent);

            let flags = self.ctx_lock_irq(ctx);
            self.perf_group_detach(event);
            self.list_del_event(event, ctx);
            self.ctx_unlock_irq(ctx, flags);
            self.free_event(event);
        }
    }
}
