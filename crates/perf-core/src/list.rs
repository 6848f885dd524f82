// SPDX-License-Identifier: GPL-2.0-only
//! Intrusive doubly linked circular lists, as in include/linux/list.h.
//!
//! Links are plain memory guarded by the context's lock; a handler that walks a list meanwhile
//! (a group sample does) follows single whole pointers.

use core::marker::PhantomData;
use core::ptr;

use crate::cell::Once;

/// A list head or the node inside a listed structure. Zeroed memory is not a valid list: call
/// [`ListHead::init`].
#[derive(Debug)]
#[repr(C)]
pub struct ListHead {
    /// The following node, or the head.
    pub next: Once<*mut ListHead>,
    /// The preceding node, or the head.
    pub prev: Once<*mut ListHead>,
}

impl ListHead {
    /// A node that is in no list and was never initialised.
    pub const fn null() -> Self {
        Self {
            next: Once::new(ptr::null_mut()),
            prev: Once::new(ptr::null_mut()),
        }
    }

    /// `INIT_LIST_HEAD`: empty.
    pub fn init(&self) {
        let this = ptr::from_ref(self).cast_mut();
        self.next.write(this);
        self.prev.write(this);
    }

    /// `list_empty`.
    pub fn is_empty(&self) -> bool {
        ptr::eq(self.next.read(), self)
    }

    /// `list_add`: puts `new` behind this head.
    ///
    /// # Safety
    /// Both are initialised, live and pinned; `new` is in no list.
    pub unsafe fn add(&self, new: &Self) {
        // SAFETY: the links of an initialised list point to live nodes.
        unsafe { new.insert(ptr::from_ref(self).cast_mut(), self.next.read()) }
    }

    /// `list_add_tail`: puts `new` before this head.
    ///
    /// # Safety
    /// As for [`ListHead::add`].
    pub unsafe fn add_tail(&self, new: &Self) {
        // SAFETY: as in `add`.
        unsafe { new.insert(self.prev.read(), ptr::from_ref(self).cast_mut()) }
    }

    /// `list_del_init`: takes this node out of its list and leaves it empty. A node that is in no
    /// list stays so.
    ///
    /// # Safety
    /// The node is initialised; its neighbours are live.
    pub unsafe fn del_init(&self) {
        let (prev, next) = (self.prev.read(), self.next.read());
        // SAFETY: both neighbours are live by the caller's promise.
        unsafe {
            (*next).prev.write(prev);
            (*prev).next.write(next);
        }
        self.init();
    }

    /// `list_move_tail`: takes this node out of its list and puts it before `head`.
    ///
    /// # Safety
    /// As for [`ListHead::del_init`] and [`ListHead::add`].
    pub unsafe fn move_tail(&self, head: &Self) {
        let (prev, next) = (self.prev.read(), self.next.read());
        // SAFETY: both neighbours and the head are live by the caller's promise.
        unsafe {
            (*next).prev.write(prev);
            (*prev).next.write(next);
            head.add_tail(self);
        }
    }

    unsafe fn insert(&self, prev: *mut Self, next: *mut Self) {
        let this = ptr::from_ref(self).cast_mut();
        // SAFETY: `prev` and `next` are neighbours in a live list.
        unsafe {
            (*next).prev.write(this);
            self.next.write(next);
            self.prev.write(prev);
            (*prev).next.write(this);
        }
    }
}

/// `list_for_each_entry`: the structures in a list, in order. The link to the next one is read
/// when the next one is asked for, as the kernel's macro does.
#[derive(Debug)]
pub struct Entries<T> {
    head: *const ListHead,
    at: *const ListHead,
    offset: usize,
    kind: PhantomData<*mut T>,
}

impl<T> Entries<T> {
    /// The structures whose node lies `offset` bytes behind their start.
    ///
    /// # Safety
    /// `head` is an initialised list whose nodes lie in live structures of type `T` at `offset`,
    /// and stays one for as long as the iterator is used.
    #[inline(always)]
    pub const unsafe fn new(head: *const ListHead, offset: usize) -> Self {
        Self {
            head,
            at: head,
            offset,
            kind: PhantomData,
        }
    }

    /// No structures at all.
    #[inline(always)]
    #[must_use]
    pub const fn none() -> Self {
        Self {
            head: ptr::null(),
            at: ptr::null(),
            offset: 0,
            kind: PhantomData,
        }
    }
}

impl<T> Iterator for Entries<T> {
    type Item = *mut T;

    #[inline(always)]
    fn next(&mut self) -> Option<*mut T> {
        if self.at.is_null() {
            return None;
        }
        // SAFETY: the promise given to `new`: the nodes are live.
        unsafe {
            let next = (*self.at).next.read();
            self.at = next;
            if ptr::eq(next, self.head) {
                None
            } else {
                Some(next.cast::<u8>().sub(self.offset).cast::<T>())
            }
        }
    }
}

/// `list_for_each_entry_safe`: as [`Entries`], but the link to the next structure is read before
/// the present one is given out, so that the present one may leave the list.
#[derive(Debug)]
pub struct EntriesSafe<T> {
    head: *const ListHead,
    next: *mut ListHead,
    offset: usize,
    kind: PhantomData<*mut T>,
}

impl<T> EntriesSafe<T> {
    /// The structures whose node lies `offset` bytes behind their start.
    ///
    /// # Safety
    /// As for [`Entries::new`]; only the structure given out last may leave the list.
    #[inline(always)]
    pub unsafe fn new(head: *const ListHead, offset: usize) -> Self {
        Self {
            head,
            // SAFETY: the head is live.
            next: unsafe { (*head).next.read() },
            offset,
            kind: PhantomData,
        }
    }
}

impl<T> Iterator for EntriesSafe<T> {
    type Item = *mut T;

    #[inline(always)]
    fn next(&mut self) -> Option<*mut T> {
        let node = self.next;
        if ptr::eq(node, self.head) {
            return None;
        }
        // SAFETY: the promise given to `new`: the nodes are live.
        unsafe {
            self.next = (*node).next.read();
            Some(node.cast::<u8>().sub(self.offset).cast::<T>())
        }
    }
}

/// The structure of type `$T` whose field `$field` is the node `$node` (`container_of`).
#[macro_export]
macro_rules! container_of {
    ($node:expr, $T:ty, $($field:ident).+) => {
        $node.cast::<u8>().sub(core::mem::offset_of!($T, $($field).+)).cast::<$T>()
    };
}
