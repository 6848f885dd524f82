// SPDX-License-Identifier: GPL-2.0-only
//! Calls on the three standard streams, which are pipes here: writing, and what libraries ask of
//! them at start-up. There are no other files.

use machine::Machine;

use crate::call::{Answer, State, unsupported};
use crate::errno::{EBADF, EINVAL, ENOENT, ENOTTY, ESPIPE, Errno};
use crate::process::{Output, Stream};
use crate::user;

/// Bytes that one call writes, at most (MAX_RW_COUNT).
const MOST: u64 = 0x7fff_f000;
/// Parts of a writev, at most (UIO_MAXIOV).
const PARTS_MAX: u64 = 1024;
const TCGETS: u64 = 0x5401;
const TIOCGWINSZ: u64 = 0x5413;

/// Is it one of the standard streams?
fn standard(fd: u64) -> Result<(), Errno> {
    // File descriptors are 32 bits wide.
    if fd & 0xffff_ffff <= 2 {
        Ok(())
    } else {
        Err(EBADF)
    }
}

fn stream(fd: u64) -> Result<Stream, Errno> {
    match fd & 0xffff_ffff {
        1 => Ok(Stream::Out),
        2 => Ok(Stream::Err),
        _ => Err(EBADF),
    }
}

pub(crate) fn write(
    machine: &Machine,
    out: &mut Output<'_>,
    fd: u64,
    addr: u64,
    len: u64,
) -> Answer {
    let stream = stream(fd)?;
    let bytes = user::read(machine.mem(), addr, len.min(MOST))?;
    out(stream, &bytes);
    Ok(bytes.len() as u64)
}

pub(crate) fn writev(
    machine: &Machine,
    out: &mut Output<'_>,
    fd: u64,
    parts: u64,
    count: u64,
) -> Answer {
    let stream = stream(fd)?;
    if count > PARTS_MAX {
        return Err(EINVAL.into());
    }
    let mem = machine.mem();
    let mut all = Vec::new();
    for i in 0..count {
        let part = parts.wrapping_add(16 * i);
        let addr = user::read_u64(mem, part)?;
        let len = user::read_u64(mem, part.wrapping_add(8))?;
        all.extend(user::read(mem, addr, len)?);
    }
    out(stream, &all);
    Ok(all.len() as u64)
}

/// open and access: there is no /proc and no /sys, which libraries look into for what they can do
/// without. Any other file is one that the program wants, and says so by stopping.
pub(crate) fn open(machine: &Machine, path: u64) -> Answer {
    let path = user::read_text(machine.mem(), path)?;
    if path.starts_with(b"/proc/") || path.starts_with(b"/sys/") {
        return Err(ENOENT.into());
    }
    let path = String::from_utf8_lossy(&path);
    unsupported(format!("of the file `{path}`"))
}

pub(crate) fn close(fd: u64) -> Answer {
    standard(fd)?;
    Ok(0)
}

pub(crate) fn lseek(fd: u64) -> Answer {
    standard(fd)?;
    Err(ESPIPE.into())
}

pub(crate) fn ioctl(fd: u64, request: u64) -> Answer {
    standard(fd)?;
    match request & 0xffff_ffff {
        TCGETS | TIOCGWINSZ => Err(ENOTTY.into()),
        other => unsupported(format!("with request {other:#x}")),
    }
}

pub(crate) fn fcntl(fd: u64, command: u64) -> Answer {
    const GETFD: u64 = 1;
    const SETFD: u64 = 2;
    const GETFL: u64 = 3;
    standard(fd)?;
    match command {
        GETFD | SETFD => Ok(0),
        // Read-only for the input, write-only for the others.
        GETFL => Ok(u64::from(fd & 0xffff_ffff != 0)),
        other => unsupported(format!("with command {other}")),
    }
}

pub(crate) fn fstat(machine: &mut Machine, fd: u64, to: u64) -> Answer {
    standard(fd)?;
    status(machine, to)
}

pub(crate) fn newfstatat(machine: &mut Machine, args: &[u64; 6]) -> Answer {
    const EMPTY_PATH: u64 = 0x1000;
    let [fd, path, to, flags, ..] = *args;
    let path = user::read_text(machine.mem(), path)?;
    if !path.is_empty() || flags & EMPTY_PATH == 0 {
        let path = String::from_utf8_lossy(&path);
        return unsupported(format!("of the file `{path}`"));
    }
    standard(fd)?;
    status(machine, to)
}

/// `struct stat` of a pipe (arch/x86/include/uapi/asm/stat.h).
fn status(machine: &mut Machine, to: u64) -> Answer {
    const PIPE_600: u64 = 0o10600;
    const BLOCK: u64 = 4096;
    let mut words = [0_u64; 18];
    // st_ino, st_nlink; st_mode with st_uid above it, st_gid; st_blksize.
    words[1] = 1;
    words[2] = 1;
    words[3] = PIPE_600 | crate::process::USER_ID << 32;
    words[4] = crate::process::USER_ID;
    words[7] = BLOCK;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    user::write(machine.mem_mut(), to, &bytes)?;
    Ok(0)
}

pub(crate) fn readlink(
    machine: &mut Machine,
    state: &State,
    path: u64,
    to: u64,
    len: u64,
) -> Answer {
    let path = user::read_text(machine.mem(), path)?;
    if path != b"/proc/self/exe" {
        let path = String::from_utf8_lossy(&path);
        return unsupported(format!("of `{path}`"));
    }
    if len.cast_signed() <= 0 {
        return Err(EINVAL.into());
    }
    let len = usize::try_from(len)
        .unwrap_or(usize::MAX)
        .min(state.exe.len());
    user::write(machine.mem_mut(), to, &state.exe[..len])?;
    Ok(len as u64)
}
