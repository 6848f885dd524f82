// SPDX-License-Identifier: GPL-2.0-only
//! Port choice at rename.
//!
//! The port with the fewest uops assigned and not yet executed, counted at the start of the cycle;
//! ties go to the higher number. Slots 1 and 3 take the second fewest unless it is three worse.
//! Loads alternate between ports 2 and 3.

/// Number of ports.
pub const PORTS: usize = 8;
/// From this difference on, the second choice is the first.
const UNEVEN: u32 = 3;

/// Uops assigned to each port.
#[derive(Debug, Clone, Default)]
pub struct Ports {
    waiting: [u32; PORTS],
    seen: [u32; PORTS],
    other_load: bool,
}

impl Ports {
    /// What this cycle's choices count.
    pub const fn begin(&mut self) {
        self.seen = self.waiting;
    }

    /// Assigns a uop that may use `allowed`, in issue slot `slot`.
    pub fn choose(&mut self, allowed: u8, slot: u32) -> u8 {
        let port = self.pick(allowed, slot);
        self.waiting[usize::from(port)] += 1;
        port
    }

    fn pick(&mut self, allowed: u8, slot: u32) -> u8 {
        if allowed.count_ones() == 1 {
            return allowed.trailing_zeros() as u8;
        }
        if allowed == 0b1100 {
            self.other_load = !self.other_load;
            return if self.other_load { 2 } else { 3 };
        }
        let load = |p: u8| self.seen[usize::from(p)];
        let (mut best, mut second) = (None, None);
        for port in (0..PORTS as u8).rev().filter(|p| allowed >> p & 1 != 0) {
            if best.is_none_or(|b| load(port) < load(b)) {
                second = best;
                best = Some(port);
            } else if second.is_none_or(|s| load(port) < load(s)) {
                second = Some(port);
            }
        }
        let best = best.unwrap_or(0);
        let second = second.unwrap_or(best);
        if slot % 2 == 1 && load(second) - load(best) < UNEVEN {
            second
        } else {
            best
        }
    }

    /// A uop is back at its port.
    pub const fn again(&mut self, port: u8) {
        self.waiting[port as usize] += 1;
    }

    /// A uop left for execution.
    pub const fn release(&mut self, port: u8) {
        self.waiting[port as usize] -= 1;
    }
}
