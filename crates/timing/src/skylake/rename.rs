// SPDX-License-Identifier: GPL-2.0-only
//! Rename state: who makes which value, moves that disappear, the stack engine, high bytes.

use super::resource::{RESOURCES, Resource};
use super::scheduler::Value;

/// Moves of each kind that may share registers at a time.
const MOVE_SLOTS: i32 = 4;
/// The stack engine counts in one signed byte.
const STACK_REACH: i32 = 128;

/// Registers of one kind with more than one name.
#[derive(Debug, Clone, Default)]
pub struct Moves {
    /// Names that share each register.
    names: Vec<u8>,
    /// Slots taken at the end of the last cycle and of the one before.
    taken: [i32; 3],
    done_now: i32,
    done_before: i32,
    /// A slot is free as soon as one name is left (vector registers); else when none is.
    early: bool,
}

impl Moves {
    fn taken(&self) -> i32 {
        let least = if self.early { 2 } else { 1 };
        self.names.iter().filter(|&&n| n >= least).count() as i32
    }

    fn begin(&mut self) {
        self.done_before = self.done_now;
        self.done_now = 0;
        self.taken = [self.taken(), self.taken[0], self.taken[1]];
    }

    const fn possible(&self) -> bool {
        MOVE_SLOTS - self.done_now - self.done_before - self.taken[1] > 0
    }
}

/// Is it a register that may be one of several names of a physical one?
const fn movable(resource: Resource) -> bool {
    resource.is_gpr() || resource.is_vector()
}

/// Rename state.
#[derive(Debug, Clone)]
pub struct Rename {
    values: [Value; RESOURCES],
    /// By resource: its shared register (index into `names`) plus one.
    shared: [u8; RESOURCES],
    gpr: Moves,
    vector: Moves,
    /// Bytes by which RSP is ahead of its register.
    pub stack: i32,
    high: [bool; 4],
    loaded: [bool; RESOURCES],
}

impl Default for Rename {
    fn default() -> Self {
        Self {
            values: [Value::READY; RESOURCES],
            shared: [0; RESOURCES],
            gpr: Moves {
                names: vec![0; 24],
                ..Moves::default()
            },
            vector: Moves {
                names: vec![0; 24],
                early: true,
                ..Moves::default()
            },
            stack: 0,
            high: [false; 4],
            loaded: [false; RESOURCES],
        }
    }
}

impl Rename {
    /// A cycle begins.
    pub fn begin(&mut self) {
        self.gpr.begin();
        self.vector.begin();
    }

    const fn index(&self, resource: Resource) -> usize {
        // A clean high byte is in its wide register.
        if resource.0 >= 16 && resource.0 < 20 && !self.high[(resource.0 - 16) as usize] {
            return (resource.0 - 16) as usize;
        }
        resource.0 as usize
    }

    /// Who makes a value. A high byte that was not written on its own since its wide register was
    /// comes out of that a cycle later.
    #[must_use]
    pub const fn read(&self, resource: Resource) -> Value {
        let index = self.index(resource);
        let mut value = self.values[index];
        if index != resource.0 as usize {
            value.cycles += 1;
        }
        value
    }

    /// Was it made by a load?
    #[must_use]
    pub const fn loaded(&self, resource: Resource) -> bool {
        self.loaded[self.index(resource)]
    }

    /// A high byte that has to be merged before `resource` is read.
    #[must_use]
    pub fn unmerged(&self, resource: Resource) -> bool {
        resource.high_part().is_some() && self.high[usize::from(resource.0)]
    }

    /// A new value.
    pub fn write(&mut self, resource: Resource, value: Value, by_load: bool) {
        if (16..20).contains(&resource.0) {
            self.high[usize::from(resource.0 - 16)] = true;
        } else if resource.0 < 4 {
            self.high[usize::from(resource.0)] = false;
        }
        self.leave(resource);
        self.values[usize::from(resource.0)] = value;
        self.loaded[usize::from(resource.0)] = by_load;
    }

    fn kind(&mut self, resource: Resource) -> &mut Moves {
        if resource.is_gpr() {
            &mut self.gpr
        } else {
            &mut self.vector
        }
    }

    fn leave(&mut self, resource: Resource) {
        let at = usize::from(resource.0);
        let shared = self.shared[at];
        if shared == 0 {
            return;
        }
        self.shared[at] = 0;
        let kind = self.kind(resource);
        let names = &mut kind.names[usize::from(shared - 1)];
        *names -= 1;
    }

    /// Tries to make a move disappear.
    ///
    /// # Panics
    /// If both are the same register or of two files: a move of that kind never disappears.
    pub fn eliminate(&mut self, from: Resource, to: Resource) -> bool {
        assert!(
            from != to && movable(from) && movable(to) && from.is_gpr() == to.is_gpr(),
            "{from:?} and {to:?} share no physical register"
        );
        if !self.kind(from).possible() {
            return false;
        }
        self.kind(from).done_now += 1;
        let (f, t) = (usize::from(from.0), usize::from(to.0));
        if self.shared[t] != 0 && self.shared[t] == self.shared[f] {
            return true;
        }
        self.leave(to);
        let shared = self.shared[f];
        let kind = self.kind(from);
        if shared != 0 {
            kind.names[usize::from(shared - 1)] += 1;
            self.shared[t] = shared;
        } else if let Some(free) = kind.names.iter().position(|&n| n == 0) {
            kind.names[free] = 2;
            self.shared[f] = free as u8 + 1;
            self.shared[t] = free as u8 + 1;
        }
        if to.0 < 4 {
            self.high[t] = false;
        }
        self.values[t] = self.values[f];
        self.loaded[t] = self.loaded[f];
        true
    }

    /// Must RSP's register be brought up to date before this?
    #[must_use]
    pub const fn stack_sync(&self, explicit: bool, change: i32) -> bool {
        explicit && self.stack != 0 || (self.stack + change).abs() >= STACK_REACH
    }
}
