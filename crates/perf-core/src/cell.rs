// SPDX-License-Identifier: GPL-2.0-only
//! Memory cells with the kernel's access rules: what the original writes as `READ_ONCE`,
//! `local64_t`, `atomic64_t` is one volatile access here, so that the compiler neither tears nor
//! reorders it against its neighbours.
//!
//! All are `repr(transparent)`: debug information shows the value at the field's own offset.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering, compiler_fence};

use crate::hw::Hardware;

/// A field accessed by single volatile loads and stores (`READ_ONCE`, `WRITE_ONCE`).
#[derive(Debug)]
#[repr(transparent)]
pub struct Once<T: Copy>(UnsafeCell<T>);

impl<T: Copy> Once<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// `READ_ONCE`.
    #[inline(always)]
    pub fn read(&self) -> T {
        // SAFETY: the cell is valid for as long as `self`; access is by volatile operations only,
        // and an interrupting handler on the same CPU sees and leaves whole values.
        unsafe { self.0.get().read_volatile() }
    }

    /// `WRITE_ONCE`.
    #[inline(always)]
    pub fn write(&self, value: T) {
        // SAFETY: as in `read`.
        unsafe { self.0.get().write_volatile(value) }
    }
}

/// `local64_t`: one instruction for each operation, atomic against NMI on the same CPU only.
#[derive(Debug)]
#[repr(transparent)]
pub struct Local64(UnsafeCell<i64>);

impl Local64 {
    /// A counter that holds `value`.
    pub const fn new(value: i64) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// `local64_read`: one volatile load.
    #[inline(always)]
    pub fn read(&self) -> i64 {
        // SAFETY: valid for as long as `self`, volatile single access.
        unsafe { self.0.get().read_volatile() }
    }

    /// `local64_set`: one volatile store.
    #[inline(always)]
    pub fn set(&self, value: i64) {
        // SAFETY: as in `read`.
        unsafe { self.0.get().write_volatile(value) }
    }

    /// `local64_add`: one ADD without LOCK.
    #[inline(always)]
    pub fn add<H: Hardware>(&self, hw: &H, n: i64) {
        // SAFETY: the cell is valid and aligned.
        unsafe { hw.local64_add(self.0.get(), n) }
    }

    /// `local64_sub`.
    #[inline(always)]
    pub fn sub<H: Hardware>(&self, hw: &H, n: i64) {
        self.add(hw, n.wrapping_neg());
    }

    /// `local64_cmpxchg`: one CMPXCHG without LOCK; returns the value found.
    #[inline(always)]
    pub fn cmpxchg<H: Hardware>(&self, hw: &H, old: i64, new: i64) -> i64 {
        // SAFETY: the cell is valid and aligned.
        unsafe { hw.local64_cmpxchg(self.0.get(), old, new) }
    }

    /// `local64_xchg`; returns the value found.
    #[inline(always)]
    pub fn xchg<H: Hardware>(&self, hw: &H, new: i64) -> i64 {
        // SAFETY: the cell is valid and aligned.
        unsafe { hw.local64_xchg(self.0.get(), new) }
    }
}

/// `atomic64_t`: read and set are plain single accesses, add is LOCKed.
#[derive(Debug)]
#[repr(transparent)]
pub struct Atomic64(AtomicI64);

impl Atomic64 {
    /// A counter that holds `value`.
    pub const fn new(value: i64) -> Self {
        Self(AtomicI64::new(value))
    }

    /// `atomic64_read`: one volatile load.
    #[inline(always)]
    pub fn read(&self) -> i64 {
        // SAFETY: the atomic is valid for as long as `self`; a volatile load of it is one MOV.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// `atomic64_set`: one volatile store.
    #[inline(always)]
    pub fn set(&self, value: i64) {
        // SAFETY: as in `read`.
        unsafe { self.0.as_ptr().write_volatile(value) }
    }

    /// `atomic64_add`: one LOCK ADD.
    #[inline(always)]
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::SeqCst);
    }
}

/// `atomic_t`: read is a plain single load, the rest is LOCKed.
#[derive(Debug)]
#[repr(transparent)]
pub struct Atomic32(AtomicI32);

impl Atomic32 {
    /// A counter that holds `value`.
    pub const fn new(value: i32) -> Self {
        Self(AtomicI32::new(value))
    }

    /// `atomic_read`: one volatile load.
    #[inline(always)]
    pub fn read(&self) -> i32 {
        // SAFETY: the atomic is valid for as long as `self`; a volatile load of it is one MOV.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// `atomic_add`: one LOCK ADD.
    #[inline(always)]
    pub fn add(&self, n: i32) {
        self.0.fetch_add(n, Ordering::SeqCst);
    }

    /// `atomic_inc_not_zero`: false, and no change, when it is 0.
    #[inline(always)]
    pub fn inc_not_zero(&self) -> bool {
        let mut found = self.read();
        while found != 0 {
            match self
                .0
                .compare_exchange(found, found + 1, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => found = now,
            }
        }
        false
    }

    /// `atomic_set`: one volatile store.
    #[inline(always)]
    pub fn set(&self, value: i32) {
        // SAFETY: as in `read`.
        unsafe { self.0.as_ptr().write_volatile(value) }
    }

    /// `atomic_cmpxchg`: one LOCK CMPXCHG; true if it held `old`.
    #[inline(always)]
    pub fn cmpxchg(&self, old: i32, new: i32) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// `atomic_dec_and_test`: one LOCK DEC; true if the result is 0.
    #[inline(always)]
    pub fn dec_and_test(&self) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

/// `raw_spinlock_t`: 0 free, 1 taken. Interrupts are off while it is held; NMI never takes one.
#[derive(Debug)]
#[repr(transparent)]
pub struct RawSpinlock(AtomicU32);

impl RawSpinlock {
    /// A free lock.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// `raw_spin_lock`.
    #[inline(always)]
    pub fn lock(&self) {
        while self.0.swap(1, Ordering::Acquire) != 0 {
            spin_loop();
        }
    }

    /// `raw_spin_is_locked`.
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// `raw_spin_unlock`.
    #[inline(always)]
    pub fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}

impl Default for RawSpinlock {
    fn default() -> Self {
        Self::new()
    }
}

/// `barrier()`: the compiler moves no memory access across it; no instruction results.
#[inline(always)]
pub fn barrier() {
    compiler_fence(Ordering::SeqCst);
}

/// `smp_wmb()` and `smp_rmb()` on x86: TSO keeps the order, the compiler must too.
#[inline(always)]
pub fn smp_mb_tso() {
    compiler_fence(Ordering::SeqCst);
}
