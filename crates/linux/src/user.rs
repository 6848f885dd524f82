// SPDX-License-Identifier: GPL-2.0-only
//! Reading and writing the program's memory as the kernel does: with the program's permissions, and
//! -EFAULT where they do not suffice.

use cpu::{Memory, PAGE, Perm};

use crate::errno::{EFAULT, Errno};

/// Bytes that one call may move at a time.
const MOST: u64 = 1 << 30;

fn allowed(mem: &Memory, addr: u64, len: u64, need: Perm) -> Result<usize, Errno> {
    let end = addr.checked_add(len).ok_or(EFAULT)?;
    if len > MOST || end > mem.size() {
        return Err(EFAULT);
    }
    let mut page = addr & !(PAGE - 1);
    while page < end {
        if !mem.perm(page).contains(need | Perm::USER) {
            return Err(EFAULT);
        }
        page += PAGE;
    }
    usize::try_from(len).map_err(|_| EFAULT)
}

pub(crate) fn read(mem: &Memory, addr: u64, len: u64) -> Result<Vec<u8>, Errno> {
    let len = allowed(mem, addr, len, Perm::READ)?;
    mem.slice(addr, len).map(<[u8]>::to_vec).map_err(|_| EFAULT)
}

pub(crate) fn read_u64(mem: &Memory, addr: u64) -> Result<u64, Errno> {
    let bytes = read(mem, addr, 8)?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

pub(crate) fn read_u32(mem: &Memory, addr: u64) -> Result<u32, Errno> {
    let bytes = read(mem, addr, 4)?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u32::from(*byte)))
}

/// Text up to its null byte, of at most a page.
pub(crate) fn read_text(mem: &Memory, addr: u64) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    for i in 0..PAGE {
        match read(mem, addr.wrapping_add(i), 1)?[0] {
            0 => return Ok(text),
            byte => text.push(byte),
        }
    }
    Err(EFAULT)
}

pub(crate) fn write(mem: &mut Memory, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
    allowed(mem, addr, bytes.len() as u64, Perm::WRITE)?;
    mem.write(addr, bytes).map_err(|_| EFAULT)
}

/// Writes words, unless `addr` is null.
pub(crate) fn write_words(mem: &mut Memory, addr: u64, words: &[u64]) -> Result<(), Errno> {
    if addr == 0 {
        return Ok(());
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    write(mem, addr, &bytes)
}
