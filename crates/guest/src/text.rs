// SPDX-License-Identifier: GPL-2.0-only
//! A line of text in a fixed buffer, with decimal and hexadecimal numbers: what a panic needs,
//! without the formatting machinery (which could itself panic).

/// Bytes of a [`Line`]; what does not fit is cut off.
const CAPACITY: usize = 240;

/// One line under construction.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; CAPACITY],
            len: 0,
        }
    }

    /// The text so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// Appends text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            self.push(byte);
        }
        self
    }

    /// Appends a number in base ten.
    pub fn decimal(&mut self, n: u64) -> &mut Self {
        self.number(n, 10)
    }

    /// Appends a number in hexadecimal with `0x`.
    pub fn hex(&mut self, n: u64) -> &mut Self {
        self.text("0x").number(n, 16)
    }

    fn number(&mut self, n: u64, base: u64) -> &mut Self {
        let mut power = 1;
        while n / power >= base {
            power *= base;
        }
        while power > 0 {
            let digit = (n / power % base) as u8;
            self.push(if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            });
            power /= base;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_appear_as_written() {
        let mut line = Line::new();
        line.text("a ")
            .decimal(0)
            .text(" ")
            .decimal(u64::MAX)
            .text(" ")
            .hex(0xdead_beef_0000_000f)
            .text(" ")
            .hex(0);
        assert_eq!(
            str::from_utf8(line.as_bytes()).unwrap(),
            "a 0 18446744073709551615 0xdeadbeef0000000f 0x0"
        );
    }

    #[test]
    fn too_much_text_is_cut_off() {
        let mut line = Line::new();
        for _ in 0..100 {
            line.text("0123456789");
        }
        assert_eq!(line.as_bytes().len(), CAPACITY);
    }
}
