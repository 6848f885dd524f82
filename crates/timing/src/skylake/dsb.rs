// SPDX-License-Identifier: GPL-2.0-only
//! The uop cache (DSB): which 32-byte windows of code it holds.
//!
//! 32 sets of 8 lines of 6 uops; a window may take three lines of its set. What does not fit, and a
//! window with a jump that crosses or ends at its end (the jump erratum, with new microcode), is
//! always decoded anew. Windows are held and dropped whole.

use super::lower::Lowered;

const SETS: usize = 32;
const WAYS: u32 = 8;
const LINE_UOPS: u32 = 6;
const WINDOW_LINES: u32 = 3;
/// Windows that are remembered as not fit for the cache.
const BARRED: usize = 1 << 12;
/// log2 of a window's bytes.
pub const WINDOW_SHIFT: u32 = 5;

/// A window that is cached: its number and its lines.
type Window = (u64, u32);

/// The window that is being decoded.
#[derive(Debug, Clone, Copy)]
struct Building {
    window: u64,
    uops: u32,
    /// It cannot be cached.
    barred: bool,
}

/// The uop cache.
#[derive(Debug, Clone)]
pub struct Dsb {
    sets: Vec<Vec<Window>>,
    /// The last window of each slot that could not be cached.
    barred: Vec<u64>,
    building: Option<Building>,
}

impl Default for Dsb {
    fn default() -> Self {
        Self {
            sets: vec![Vec::new(); SETS],
            barred: vec![u64::MAX; BARRED],
            building: None,
        }
    }
}

impl Dsb {
    /// Does it hold the window of an address? The window becomes the most recent one.
    pub fn holds(&mut self, at: u64) -> bool {
        let window = at >> WINDOW_SHIFT;
        // Both halves of a code line are in the cache, or none (uiCA, of Skylake).
        let other = window ^ 1;
        if self.barred[other as usize % BARRED] == other {
            return false;
        }
        let set = &mut self.sets[window as usize % SETS];
        let Some(i) = set.iter().position(|w| w.0 == window) else {
            return false;
        };
        set[..=i].rotate_right(1);
        true
    }

    /// The instruction at an address came out of the decoders; it may be a taken branch.
    pub fn decoded(&mut self, at: u64, lowered: &Lowered, taken: bool) {
        let window = at >> WINDOW_SHIFT;
        if self.building.is_none_or(|b| b.window != window) {
            self.close();
            self.building = Some(Building {
                window,
                uops: 0,
                barred: false,
            });
        }
        if let Some(b) = &mut self.building {
            b.uops += u32::from(lowered.cached);
            if lowered.microcode > 0 {
                // It ends its line.
                b.uops = b.uops.next_multiple_of(LINE_UOPS);
            }
            let end = at + u64::from(lowered.len) + u64::from(lowered.fused_len);
            b.barred |= lowered.branch && end >> WINDOW_SHIFT != window;
        }
        if taken {
            self.close();
        }
    }

    /// The window that was decoded goes into the cache.
    fn close(&mut self) {
        let Some(b) = self.building.take() else {
            return;
        };
        let lines = b.uops.div_ceil(LINE_UOPS).max(1);
        let slot = &mut self.barred[b.window as usize % BARRED];
        if b.barred || lines > WINDOW_LINES {
            *slot = b.window;
            return;
        }
        if *slot == b.window {
            *slot = u64::MAX;
        }
        let set = &mut self.sets[b.window as usize % SETS];
        set.retain(|w| w.0 != b.window);
        set.insert(0, (b.window, lines));
        while set.iter().map(|w| w.1).sum::<u32>() > WAYS {
            set.pop();
        }
    }
}
