// SPDX-License-Identifier: GPL-2.0-only
//! The x87 register stack and status word (SDM vol. 1, ch. 8.1). The control word is
//! [`Cpu::fcw`](crate::Cpu::fcw). The last instruction's address, operand and opcode are not kept:
//! where an image has them they are zero.

use crate::float::extended::Extended;

/// Condition code C0 in the status word.
pub(crate) const C0: u16 = 1 << 8;
/// C1.
pub(crate) const C1: u16 = 1 << 9;
/// C2.
pub(crate) const C2: u16 = 1 << 10;
/// C3.
pub(crate) const C3: u16 = 1 << 14;
/// Error summary, and B, which mirrors it.
pub(crate) const SUMMARY: u16 = 1 << 7 | 1 << 15;
/// Exception flags and stack fault.
pub(crate) const FLAGS: u16 = 0x7f;
/// The stack's top.
const TOP: u16 = 7 << 11;

/// Registers and status of the x87; all empty and clear at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct X87 {
    /// R0 to R7, not by their place on the stack.
    pub registers: [Extended; 8],
    /// Status word, with the stack's top in bits 13:11.
    pub status: u16,
    /// Bit n: Rn is not empty. The tag word as FXSAVE abridges it.
    pub full: u8,
}

impl X87 {
    fn top(&self) -> u16 {
        (self.status & TOP) >> 11
    }

    fn physical(&self, st: u8) -> usize {
        usize::from(self.top() + u16::from(st)) & 7
    }

    /// ST(`st`), be it empty or not.
    #[must_use]
    pub fn peek(&self, st: u8) -> Extended {
        self.registers[self.physical(st)]
    }

    /// Overwrites ST(`st`); whether it counts as empty stays as it is.
    pub fn poke(&mut self, st: u8, value: Extended) {
        self.registers[self.physical(st)] = value;
    }

    pub(crate) fn get(&self, st: u8) -> Option<Extended> {
        let n = self.physical(st);
        (self.full >> n & 1 != 0).then_some(self.registers[n])
    }

    pub(crate) fn set(&mut self, st: u8, value: Extended) {
        let n = self.physical(st);
        self.registers[n] = value;
        self.full |= 1 << n;
    }

    pub(crate) fn free(&mut self, st: u8) {
        self.full &= !(1 << self.physical(st));
    }

    /// Makes Rn the top.
    pub(crate) fn set_top(&mut self, n: u16) {
        self.status = self.status & !TOP | (n & 7) << 11;
    }

    /// Adds `by` to the top.
    pub(crate) fn turn(&mut self, by: u16) {
        self.set_top(self.top() + by);
    }

    pub(crate) fn pop(&mut self) {
        self.free(0);
        self.turn(1);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.get(7).is_none()
    }

    pub(crate) fn push(&mut self, value: Extended) {
        self.turn(7);
        self.set(0, value);
    }

    /// Sets the error summary as the flags and the masks in `control` have it.
    pub(crate) fn summarise(&mut self, control: u16) {
        if self.status & !control & 0x3f != 0 {
            self.status |= SUMMARY;
        } else {
            self.status &= !SUMMARY;
        }
    }
}
