// SPDX-License-Identifier: GPL-2.0-only
//! Error numbers of Linux (include/uapi/asm-generic/errno-base.h, errno.h).

/// An error that a call returns, as its positive number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) u16);

pub(crate) const EPERM: Errno = Errno(1);
pub(crate) const ENOENT: Errno = Errno(2);
pub(crate) const ESRCH: Errno = Errno(3);
pub(crate) const EBADF: Errno = Errno(9);
pub(crate) const EAGAIN: Errno = Errno(11);
pub(crate) const ENOMEM: Errno = Errno(12);
pub(crate) const EFAULT: Errno = Errno(14);
pub(crate) const EEXIST: Errno = Errno(17);
pub(crate) const EINVAL: Errno = Errno(22);
pub(crate) const ENOTTY: Errno = Errno(25);
pub(crate) const ESPIPE: Errno = Errno(29);
pub(crate) const ENOSYS: Errno = Errno(38);

/// What RAX holds after a call: the value, or the negated number.
pub(crate) fn returned(result: Result<u64, Errno>) -> u64 {
    match result {
        Ok(value) => value,
        Err(Errno(number)) => u64::from(number).wrapping_neg(),
    }
}
