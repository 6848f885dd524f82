// SPDX-License-Identifier: GPL-2.0-only
//! What a context holds: the list of all events, the ordered leaders, the groups.
//!
//! The kernel keeps leaders in a tree by (cpu, group_index); here it is a list in that order.

use core::mem::offset_of;
use core::ptr;

use abi::syscall::Attr;

use crate::container_of;
use crate::hw::Hardware;
use crate::list::{EntriesSafe, ListHead};
use crate::perf::Perf;
use crate::types::{PerfEvent, PerfEventContext, attach, state};

use super::{attr_flag, siblings};

/// The ordered leaders that `event` belongs to (`get_event_groups`).
#[inline(always)]
unsafe fn event_groups(event: *const PerfEvent, ctx: *mut PerfEventContext) -> *const ListHead {
    // SAFETY: the core's rule.
    unsafe {
        if attr_flag(event, Attr::PINNED) {
            &raw const (*ctx).pinned_groups
        } else {
            &raw const (*ctx).flexible_groups
        }
    }
}

impl<H: Hardware> Perf<H> {
    /// `add_event_to_groups` (`perf_event_groups_insert`): the event becomes the last leader of
    /// its CPU.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held; the event is in no group order.
    #[inline(never)]
    pub(crate) unsafe fn add_event_to_groups(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule; nodes of the group order are in events.
        unsafe {
            (*ctx).group_index_last += 1;
            (*event).group_index = (*ctx).group_index_last;
            let groups = event_groups(event, ctx);
            let mut before = (*groups).next.read().cast_const();
            while !ptr::eq(before, groups) {
                let other = container_of!(before.cast_mut(), PerfEvent, group_node);
                if (*other).cpu > (*event).cpu {
                    break;
                }
                before = (*before).next.read();
            }
            (*before).add_tail(&(*event).group_node);
        }
    }

    /// `del_event_from_groups` (`perf_event_groups_delete`).
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn del_event_from_groups(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe { (*event).group_node.del_init() }
    }

    /// `perf_event_groups_first`: the first leader bound to `cpu`, or null.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_groups_first(
        &self,
        groups: *const ListHead,
        cpu: i32,
    ) -> *mut PerfEvent {
        // SAFETY: the core's rule; nodes of the group order are in events.
        unsafe {
            let mut node = (*groups).next.read();
            while !ptr::eq(node, groups) {
                let event = container_of!(node, PerfEvent, group_node);
                if (*event).cpu == cpu {
                    return event;
                }
                node = (*node).next.read();
            }
            ptr::null_mut()
        }
    }

    /// `perf_event_groups_next`: the next leader bound to the same CPU, or null.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held; `event` is in `groups`.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_groups_next(
        &self,
        groups: *const ListHead,
        event: *mut PerfEvent,
    ) -> *mut PerfEvent {
        // SAFETY: the core's rule; nodes of the group order are in events.
        unsafe {
            let node = (*event).group_node.next.read();
            if ptr::eq(node, groups) {
                return ptr::null_mut();
            }
            let next = container_of!(node, PerfEvent, group_node);
            if (*next).cpu == (*event).cpu {
                next
            } else {
                ptr::null_mut()
            }
        }
    }

    /// `list_add_event`: the event joins the context, as the newest.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn list_add_event(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            self.warn_on(
                (*event).attach_state & attach::CONTEXT != 0,
                "list_add_event: already attached",
            );
            (*event).attach_state |= attach::CONTEXT;
            (*event).tstamp.write(Self::perf_event_time(event));
            if ptr::eq((*event).group_leader, event) {
                self.add_event_to_groups(event, ctx);
            }
            (*ctx).event_list.add(&(*event).event_entry);
            (*ctx).nr_events += 1;
            if attr_flag(event, Attr::INHERIT_STAT) {
                (*ctx).nr_stat += 1;
            }
            (*ctx).generation += 1;
        }
    }

    /// `perf_group_attach`: the event joins its leader's group.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_group_attach(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).attach_state & attach::GROUP != 0 {
                return;
            }
            (*event).attach_state |= attach::GROUP;
            let leader = (*event).group_leader;
            if ptr::eq(leader, event) {
                return;
            }
            self.warn_on(
                !ptr::eq((*leader).ctx, (*event).ctx),
                "perf_group_attach: leader in another context",
            );
            (*leader).sibling_list.add_tail(&(*event).sibling_list);
            (*leader)
                .nr_siblings
                .write((*leader).nr_siblings.read() + 1);
            self.perf_event_header_size(leader);
            for sibling in siblings(leader) {
                self.perf_event_header_size(sibling);
            }
        }
    }

    /// `list_del_event`: the event leaves the context. Sharing ends first, while the state is
    /// still what scheduling out left.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held; the event is scheduled out.
    #[inline(never)]
    pub(crate) unsafe fn list_del_event(&self, event: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule.
        unsafe {
            if (*event).attach_state & attach::CONTEXT == 0 {
                return;
            }
            self.perf_event_remove_dup(event, ctx);
            (*event).attach_state &= !attach::CONTEXT;
            (*ctx).nr_events -= 1;
            if attr_flag(event, Attr::INHERIT_STAT) {
                (*ctx).nr_stat -= 1;
            }
            self.list_del_rcu(&(*event).event_entry);
            if ptr::eq((*event).group_leader, event) {
                self.del_event_from_groups(event);
            }
            if (*event).state.read() > state::OFF {
                self.perf_event_set_state(event, state::OFF);
            }
            (*ctx).generation += 1;
        }
    }

    /// `list_del_rcu`: takes a node out; the node still leads a reader on to its old successor.
    unsafe fn list_del_rcu(&self, node: &ListHead) {
        // SAFETY: the neighbours in a live list are live.
        unsafe {
            let (prev, next) = (node.prev.read(), node.next.read());
            (*next).prev.write(prev);
            (*prev).next.write(next);
        }
    }

    /// `perf_group_detach`: a sibling leaves its group; when the leader goes, every sibling
    /// becomes its own leader.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn perf_group_detach(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let ctx = (*event).ctx;
            if (*event).attach_state & attach::GROUP == 0 {
                return;
            }
            (*event).attach_state &= !attach::GROUP;
            let leader = (*event).group_leader;
            if ptr::eq(leader, event) {
                self.promote_siblings(event, ctx);
            } else {
                (*event).sibling_list.del_init();
                (*leader)
                    .nr_siblings
                    .write((*leader).nr_siblings.read() - 1);
            }
            self.perf_event_header_size((*event).group_leader);
            for sibling in siblings((*event).group_leader) {
                self.perf_event_header_size(sibling);
            }
        }
    }

    /// The leader's half of `perf_group_detach`.
    unsafe fn promote_siblings(&self, leader: *mut PerfEvent, ctx: *mut PerfEventContext) {
        // SAFETY: the core's rule; the safe iterator allows the present one to leave.
        unsafe {
            let members = EntriesSafe::<PerfEvent>::new(
                &raw const (*leader).sibling_list,
                offset_of!(PerfEvent, sibling_list),
            );
            for sibling in members {
                (*sibling).group_leader = sibling;
                (*sibling).sibling_list.del_init();
                if !(*leader).group_node.is_empty() {
                    self.add_event_to_groups(sibling, (*leader).ctx);
                    if (*sibling).state.read() == state::ACTIVE {
                        let active = if attr_flag(sibling, Attr::PINNED) {
                            &(*ctx).pinned_active
                        } else {
                            &(*ctx).flexible_active
                        };
                        active.add_tail(&(*sibling).active_list);
                    }
                }
                self.warn_on(
                    !ptr::eq((*sibling).ctx, (*leader).ctx),
                    "perf_group_detach: sibling in another context",
                );
            }
        }
    }

    /// `add_event_to_ctx`: joins context and group, then looks for a counter to share.
    ///
    /// # Safety
    /// The core's rule; ctx->lock is held.
    #[inline(never)]
    pub(crate) unsafe fn add_event_to_ctx(
        &self,
        event: *mut PerfEvent,
        ctx: *mut PerfEventContext,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            self.list_add_event(event, ctx);
            self.perf_group_attach(event);
            self.perf_event_setup_dup(event, ctx);
        }
    }
}
