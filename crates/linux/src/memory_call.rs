// SPDX-License-Identifier: GPL-2.0-only
//! Calls about memory: anonymous mappings only.

use cpu::PAGE;
use machine::Machine;

use crate::call::{Answer, State, unsupported};
use crate::errno::{EEXIST, EINVAL, ENOMEM};
use crate::space::{pages, perm};

const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;
const PROTECTIONS: u64 = 7;

pub(crate) fn mmap(machine: &mut Machine, state: &mut State, args: &[u64; 6]) -> Answer {
    let [hint, len, protection, flags, ..] = *args;
    if flags & MAP_ANONYMOUS == 0 {
        return unsupported("of a file");
    }
    // MAP_SHARED, MAP_PRIVATE or MAP_SHARED_VALIDATE; one process sees no difference.
    if !(1..=3).contains(&(flags & 0xf)) || len == 0 || protection & !PROTECTIONS != 0 {
        return Err(EINVAL.into());
    }
    let len = pages(len).ok_or(ENOMEM)?;
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let addr = if fixed {
        if !hint.is_multiple_of(PAGE) {
            return Err(EINVAL.into());
        }
        if !state.space.contains(hint, len) {
            return Err(ENOMEM.into());
        }
        if flags & MAP_FIXED_NOREPLACE != 0 && !state.space.is_free(hint, len) {
            return Err(EEXIST.into());
        }
        hint
    } else {
        let wanted = hint & !(PAGE - 1);
        let usable = state.space.contains(wanted, len) && state.space.is_free(wanted, len);
        if usable {
            wanted
        } else {
            state.space.find(len).ok_or(ENOMEM)?
        }
    };
    let perm = perm(protection);
    state.space.map(machine.mem_mut(), addr, len, perm);
    Ok(addr)
}

pub(crate) fn munmap(machine: &mut Machine, state: &mut State, addr: u64, len: u64) -> Answer {
    let Some(len) = pages(len).filter(|len| addr.is_multiple_of(PAGE) && *len != 0) else {
        return Err(EINVAL.into());
    };
    if !state.space.contains(addr, len) {
        return Err(EINVAL.into());
    }
    state.space.unmap(machine.mem_mut(), addr, len);
    Ok(0)
}

pub(crate) fn mprotect(
    machine: &mut Machine,
    state: &State,
    addr: u64,
    len: u64,
    protection: u64,
) -> Answer {
    if !addr.is_multiple_of(PAGE) || protection & !PROTECTIONS != 0 {
        return Err(EINVAL.into());
    }
    let len = pages(len).ok_or(ENOMEM)?;
    if len == 0 {
        return Ok(0);
    }
    if !state.space.is_mapped(addr, len) {
        return Err(ENOMEM.into());
    }
    let perm = perm(protection);
    state.space.protect(machine.mem_mut(), addr, len, perm);
    Ok(0)
}

/// mremap: shrinking in place, growing in place or by moving (if MREMAP_MAYMOVE allows).
pub(crate) fn mremap(machine: &mut Machine, state: &mut State, args: &[u64; 6]) -> Answer {
    const MAY_MOVE: u64 = 1;
    let [addr, old, new, flags, ..] = *args;
    if flags & !MAY_MOVE != 0 {
        return unsupported(format!("with flags {flags:#x}"));
    }
    let (Some(old), Some(new)) = (pages(old), pages(new)) else {
        return Err(EINVAL.into());
    };
    if !addr.is_multiple_of(PAGE) || old == 0 || new == 0 {
        return Err(EINVAL.into());
    }
    let space = &mut state.space;
    if !space.is_mapped(addr, old) {
        return Err(crate::errno::EFAULT.into());
    }
    let mem = machine.mem_mut();
    let perm = mem.perm(addr);
    if new <= old {
        space.unmap(mem, addr + new, old - new);
        return Ok(addr);
    }
    if space.is_free(addr + old, new - old) {
        space.map(mem, addr + old, new - old, perm);
        return Ok(addr);
    }
    if flags & MAY_MOVE == 0 {
        return Err(ENOMEM.into());
    }
    let to = space.find(new).ok_or(ENOMEM)?;
    let bytes = usize::try_from(old)
        .ok()
        .and_then(|old| mem.slice(addr, old).ok().map(<[u8]>::to_vec))
        .ok_or(ENOMEM)?;
    space.map(mem, to, new, perm);
    mem.write(to, &bytes).map_err(|_| ENOMEM)?;
    space.unmap(mem, addr, old);
    Ok(to)
}

pub(crate) fn madvise(
    machine: &mut Machine,
    state: &State,
    addr: u64,
    len: u64,
    advice: u64,
) -> Answer {
    const DONTNEED: u64 = 4;
    /// Hints about access and huge pages, which change nothing that a program can see.
    const HINTS: [u64; 7] = [0, 1, 2, 3, 8, 14, 15];
    let len = pages(len)
        .filter(|_| addr.is_multiple_of(PAGE))
        .ok_or(EINVAL)?;
    if !state.space.is_mapped(addr, len) {
        return Err(ENOMEM.into());
    }
    match advice {
        DONTNEED => state.space.discard(machine.mem_mut(), addr, len),
        hint if HINTS.contains(&hint) => {}
        other => return unsupported(format!("with advice {other}")),
    }
    Ok(0)
}
