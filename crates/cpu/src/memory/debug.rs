// SPDX-License-Identifier: GPL-2.0-only
//! Accesses to the data breakpoints of a core, apart from the host's watches.

use super::{Access, BROKEN, GRANULE, Memory};

/// Addresses and lengths of up to four breakpoints.
type Ranges = [Option<(u64, u64)>; 4];

/// Accesses kept: more than any instruction makes.
const TOUCHED_MAX: usize = 256;

/// What is watched for, and what was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaks {
    ranges: Ranges,
    granules: Vec<u32>,
    touched: Vec<Access>,
}

impl Memory {
    /// Notes accesses to the granules of `ranges` from here on, and forgets earlier ones.
    pub(crate) fn set_breaks(&mut self, ranges: Ranges) {
        self.breaks.touched.clear();
        if self.breaks.ranges == ranges {
            return;
        }
        self.breaks.ranges = ranges;
        for granule in std::mem::take(&mut self.breaks.granules) {
            self.info[granule as usize] &= !BROKEN;
            self.refresh(granule as usize);
        }
        for (addr, len) in ranges.into_iter().flatten() {
            // Aligned, so it lies in one granule; beyond memory nothing can be accessed.
            let granule = usize::try_from(addr).unwrap_or(usize::MAX) / GRANULE;
            if self.range(addr, len as usize).is_ok() && self.info[granule] & BROKEN == 0 {
                self.info[granule] |= BROKEN;
                self.breaks.granules.push(granule as u32);
                self.refresh(granule);
            }
        }
    }

    /// Accesses since [`Memory::set_breaks`] to the granules of its ranges.
    pub(crate) fn touched(&self) -> &[Access] {
        &self.breaks.touched
    }

    pub(super) fn touch(&mut self, access: Access) {
        if self.breaks.touched.len() < TOUCHED_MAX {
            self.breaks.touched.push(access);
        }
    }
}
