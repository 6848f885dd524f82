// SPDX-License-Identifier: GPL-2.0-only
//! The undo log. A mark closes all granules; the first write to a closed granule saves its bytes
//! and opens it. Rolling back copies the saved bytes home, newest first.

use super::{CODE, GRANULE, Memory, OPEN};

/// A point in time that [`Memory::rollback`] can return to. Marks nest like brackets.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark {
    position: usize,
    depth: usize,
}

#[derive(Clone, Default)]
pub(super) struct UndoLog {
    /// Granules saved, oldest first, and their bytes.
    granules: Vec<u32>,
    saved: Vec<[u8; GRANULE]>,
    /// Granules opened since the last mark.
    open: Vec<u32>,
    /// Marks alive.
    depth: usize,
}

impl Memory {
    /// Remembers the contents of memory as of now. Permissions and watches are not included.
    pub fn mark(&mut self) -> Mark {
        self.close_all();
        self.undo.depth += 1;
        Mark {
            position: self.undo.granules.len(),
            depth: self.undo.depth,
        }
    }

    /// Ends `mark`, keeping the contents of memory, and takes it anew.
    ///
    /// # Panics
    /// If it is not the last one that is alive.
    pub fn renew(&mut self, mark: &mut Mark) {
        assert!(
            mark.depth == self.undo.depth,
            "renewal of a mark that is not the last"
        );
        self.close_all();
        if mark.depth == 1 {
            self.undo.granules.clear();
            self.undo.saved.clear();
        }
        mark.position = self.undo.granules.len();
    }

    /// Restores the contents of memory as of `mark`, which stays valid. Marks taken later end.
    ///
    /// # Panics
    /// If `mark` has ended (was taken after one that was rolled back to or released).
    pub fn rollback(&mut self, mark: &Mark) {
        assert!(
            mark.depth <= self.undo.depth,
            "rollback to a mark that has ended"
        );
        self.close_all();
        for i in (mark.position..self.undo.granules.len()).rev() {
            let granule = self.undo.granules[i] as usize;
            let start = granule * GRANULE;
            if self.info[granule] & CODE != 0 {
                let saved = self.undo.saved[i];
                self.check_code(start, &saved);
            }
            self.store.bytes_mut()[start..start + GRANULE].copy_from_slice(&self.undo.saved[i]);
        }
        self.undo.granules.truncate(mark.position);
        self.undo.saved.truncate(mark.position);
        self.undo.depth = mark.depth;
    }

    /// Ends `mark` and the marks taken after it, keeping the contents of memory.
    ///
    /// # Panics
    /// If `mark` has ended already.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a released mark must not be used again"
    )]
    pub fn release(&mut self, mark: Mark) {
        assert!(
            mark.depth <= self.undo.depth,
            "release of a mark that has ended"
        );
        self.undo.depth = mark.depth - 1;
        if self.undo.depth == 0 {
            self.undo.granules.clear();
            self.undo.saved.clear();
        }
    }

    /// Are the contents of memory those of `mark`?
    ///
    /// # Panics
    /// If `mark` has ended.
    #[must_use]
    pub fn unchanged_since(&self, mark: &Mark) -> bool {
        assert!(
            mark.depth <= self.undo.depth,
            "comparison with a mark that has ended"
        );
        let granules = &self.undo.granules[mark.position..];
        let saved = &self.undo.saved[mark.position..];
        let nested = self.undo.depth > mark.depth;
        granules
            .iter()
            .zip(saved)
            .enumerate()
            .all(|(i, (&granule, saved))| {
                let start = granule as usize * GRANULE;
                // Only the oldest copy of a granule shows the state at the mark.
                (nested && granules[..i].contains(&granule))
                    || self.store.bytes()[start..start + GRANULE] == saved[..]
            })
    }

    /// The granules of [`GRANULE`] bytes written since `mark`, each once: address, contents at the
    /// mark, contents now. They may be equal.
    ///
    /// # Panics
    /// If `mark` has ended.
    pub fn changes_since(
        &self,
        mark: &Mark,
    ) -> impl Iterator<Item = (u64, &[u8; GRANULE], &[u8; GRANULE])> {
        assert!(
            mark.depth <= self.undo.depth,
            "question about a mark that has ended"
        );
        let granules = &self.undo.granules[mark.position..];
        let nested = self.undo.depth > mark.depth;
        granules
            .iter()
            .zip(&self.undo.saved[mark.position..])
            .enumerate()
            // Only the oldest copy of a granule shows the state at the mark.
            .filter(move |(i, (granule, _))| !nested || !granules[..*i].contains(granule))
            .filter_map(|(_, (&granule, saved))| {
                let start = granule as usize * GRANULE;
                let now = self.store.bytes()[start..].first_chunk()?;
                Some((start as u64, saved, now))
            })
    }

    /// First bytes of the granules of [`GRANULE`] bytes written since `mark`, oldest first; one
    /// may occur again when a later mark was taken.
    ///
    /// # Panics
    /// If `mark` has ended.
    pub fn written_since(&self, mark: &Mark) -> impl Iterator<Item = u64> {
        assert!(
            mark.depth <= self.undo.depth,
            "question about a mark that has ended"
        );
        self.undo.granules[mark.position..]
            .iter()
            .map(|&g| u64::from(g) * GRANULE as u64)
    }

    /// Lets writes to a granule go the fast way, after saving it when a mark is alive.
    pub(super) fn open(&mut self, granule: usize) {
        if self.info[granule] & OPEN != 0 {
            return;
        }
        if self.undo.depth > 0 {
            let start = granule * GRANULE;
            let bytes = &self.store.bytes()[start..];
            if let Some(bytes) = bytes.first_chunk::<GRANULE>() {
                self.undo.granules.push(granule as u32);
                self.undo.saved.push(*bytes);
            }
        }
        self.undo.open.push(granule as u32);
        self.info[granule] |= OPEN;
        self.refresh(granule);
    }

    fn close_all(&mut self) {
        let mut open = std::mem::take(&mut self.undo.open);
        for granule in open.drain(..) {
            self.info[granule as usize] &= !OPEN;
            self.refresh(granule as usize);
        }
        self.undo.open = open;
    }
}
