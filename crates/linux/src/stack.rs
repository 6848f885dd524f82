// SPDX-License-Identifier: GPL-2.0-only
//! The initial stack (System V ABI, AMD64 supplement, 3.4.1; fs/binfmt_elf.c, create_elf_tables):
//! strings at the top, below them the auxiliary vector, the environment, the arguments and their
//! number, where RSP points, on a multiple of 16.

/// Entries of the auxiliary vector (include/uapi/linux/auxvec.h, asm/auxvec.h).
pub(crate) mod at {
    pub(crate) const NULL: u64 = 0;
    pub(crate) const PHDR: u64 = 3;
    pub(crate) const PHENT: u64 = 4;
    pub(crate) const PHNUM: u64 = 5;
    pub(crate) const PAGESZ: u64 = 6;
    pub(crate) const BASE: u64 = 7;
    pub(crate) const FLAGS: u64 = 8;
    pub(crate) const ENTRY: u64 = 9;
    pub(crate) const UID: u64 = 11;
    pub(crate) const EUID: u64 = 12;
    pub(crate) const GID: u64 = 13;
    pub(crate) const EGID: u64 = 14;
    pub(crate) const PLATFORM: u64 = 15;
    pub(crate) const HWCAP: u64 = 16;
    pub(crate) const CLKTCK: u64 = 17;
    pub(crate) const SECURE: u64 = 23;
    pub(crate) const RANDOM: u64 = 25;
    pub(crate) const HWCAP2: u64 = 26;
    pub(crate) const EXECFN: u64 = 31;
}

/// What goes on the stack.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) args: &'a [Vec<u8>],
    pub(crate) env: &'a [Vec<u8>],
    /// The path that the program was started by (`AT_EXECFN`).
    pub(crate) path: &'a [u8],
    /// The bytes of `AT_RANDOM`.
    pub(crate) random: [u8; 16],
    /// Entries whose values are no addresses on this stack.
    pub(crate) auxv: &'a [(u64, u64)],
}

/// The bytes below `top`, and RSP, which is where they begin.
pub(crate) fn build(top: u64, contents: &Contents<'_>) -> (u64, Vec<u8>) {
    let mut strings = Strings {
        addr: top - 8,
        pieces: Vec::new(),
    };
    let path = strings.push_text(contents.path);
    let env: Vec<u64> = contents.env.iter().map(|s| strings.push_text(s)).collect();
    let args: Vec<u64> = contents.args.iter().map(|s| strings.push_text(s)).collect();
    let platform = strings.push_text(b"x86_64");
    strings.addr &= !15;
    let random = strings.push(&contents.random);

    let mut words = vec![args.len() as u64];
    words.extend(args);
    words.push(0);
    words.extend(env);
    words.push(0);
    let of_stack = [
        (at::RANDOM, random),
        (at::EXECFN, path),
        (at::PLATFORM, platform),
        (at::NULL, 0),
    ];
    for (kind, value) in contents.auxv.iter().chain(&of_stack) {
        words.extend([*kind, *value]);
    }
    let rsp = (strings.addr - 8 * words.len() as u64) & !15;
    let mut bytes = vec![0; (top - rsp) as usize];
    for (i, word) in words.iter().enumerate() {
        bytes[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
    }
    for (addr, piece) in strings.pieces {
        let at = (addr - rsp) as usize;
        bytes[at..at + piece.len()].copy_from_slice(&piece);
    }
    (rsp, bytes)
}

/// Strings from the top down.
struct Strings {
    addr: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Strings {
    fn push(&mut self, bytes: &[u8]) -> u64 {
        self.addr -= bytes.len() as u64;
        self.pieces.push((self.addr, bytes.to_vec()));
        self.addr
    }

    fn push_text(&mut self, text: &[u8]) -> u64 {
        let mut bytes = text.to_vec();
        bytes.push(0);
        self.push(&bytes)
    }
}

/// Bytes that the arguments and the environment take on the stack.
pub(crate) fn size_of(args: &[Vec<u8>], env: &[Vec<u8>]) -> u64 {
    let text = |s: &Vec<u8>| s.len() as u64 + 1 + 8;
    args.iter().chain(env).map(text).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argc_argv_envp_auxv_in_this_order() {
        let args = [b"prog".to_vec(), b"one".to_vec()];
        let env = [b"A=1".to_vec()];
        let contents = Contents {
            args: &args,
            env: &env,
            path: b"./prog",
            random: [7; 16],
            auxv: &[(at::PAGESZ, 4096)],
        };
        let top = 0x10_0000;
        let (rsp, bytes) = build(top, &contents);
        assert_eq!(rsp % 16, 0);
        assert_eq!(rsp + bytes.len() as u64, top);
        let word = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap());
        let text = |addr: u64| {
            let from = (addr - rsp) as usize;
            let len = bytes[from..].iter().position(|b| *b == 0).unwrap();
            &bytes[from..from + len]
        };
        assert_eq!(word(0), 2);
        assert_eq!(
            (text(word(1)), text(word(2)), word(3)),
            (&b"prog"[..], &b"one"[..], 0)
        );
        assert_eq!((text(word(4)), word(5)), (&b"A=1"[..], 0));
        assert_eq!((word(6), word(7)), (at::PAGESZ, 4096));
        assert_eq!(word(8), at::RANDOM);
        let random = (word(9) - rsp) as usize;
        assert_eq!(
            (word(9) % 16, &bytes[random..random + 16]),
            (0, &[7; 16][..])
        );
        assert_eq!((word(10), text(word(11))), (at::EXECFN, &b"./prog"[..]));
        assert_eq!((word(12), text(word(13))), (at::PLATFORM, &b"x86_64"[..]));
        assert_eq!((word(14), word(15)), (at::NULL, 0));
        assert_eq!(
            &bytes[bytes.len() - 8..],
            &[0; 8],
            "the stack ends in a null"
        );
    }
}
