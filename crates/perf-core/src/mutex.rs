// SPDX-License-Identifier: GPL-2.0-only
//! `struct mutex` for a kernel in which nothing sleeps: who finds it taken waits with PAUSE and
//! interrupts on, so that a holder that waits for this CPU's cross-call goes on.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

/// 0 free, 1 taken. Never taken with interrupts off or from an interrupt.
#[derive(Debug)]
#[repr(transparent)]
pub struct Mutex(AtomicU32);

impl Mutex {
    /// A free mutex; zeroed memory is one too.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// `mutex_lock`: one LOCK CMPXCHG where it is free.
    #[inline(always)]
    pub fn lock(&self) {
        let take = || {
            self.0
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        };
        while take().is_err() {
            while self.is_locked() {
                spin_loop();
            }
        }
    }

    /// `mutex_is_locked`.
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// `mutex_unlock`.
    #[inline(always)]
    pub fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}

impl Default for Mutex {
    fn default() -> Self {
        Self::new()
    }
}
